// A session's frame: its inputs and its ends. What happens in between is in session_startup.cc,
// session_decide.cc, session_forward.cc, session_reply.cc and session_local.cc.

#include "proxy/session.h"

#include <cassert>
#include <utility>

#include "base/hash.h"
#include "base/log.h"

namespace pgsidecar::proxy {
namespace {

// What a client may have sent ahead while its session waits.
constexpr size_t kMaxHeldInputBytes = size_t{64} * 1024;
// How long a vanished client's query may take to obey a cancel request.
constexpr Duration kMaxDrainTime = std::chrono::seconds(5);
// How long it may go on after one before it gets another.
constexpr Duration kCancelAgainAfter = std::chrono::milliseconds(500);
// How long requests wait for the catalog of their database.
constexpr Duration kMaxCatalogWait = std::chrono::seconds(2);

}  // namespace

// What DISCARD ALL undoes. What a function has done nobody knows, and a library stays loaded.
bool ResetClears(catalog::Pin pin) {
  return pin == catalog::Pin::kSetting || pin == catalog::Pin::kTemporaryObject ||
         pin == catalog::Pin::kHoldCursor || pin == catalog::Pin::kAdvisoryLock ||
         pin == catalog::Pin::kListen || pin == catalog::Pin::kSequence ||
         pin == catalog::Pin::kPreparedStatement;
}

std::string_view SessionStateName(SessionState state) {
  switch (state) {
    case SessionState::kStartup:
      return "startup";
    case SessionState::kLoggingIn:
      return "login";
    case SessionState::kReady:
      return "active";
    case SessionState::kConsole:
      return "console";
    case SessionState::kReplication:
      return "replication";
    case SessionState::kDraining:
      return "draining";
    case SessionState::kClosed:
      return "closed";
  }
  return "";
}

Session::Session(ClientId id, const Shared& shared, bool trusted_listener, std::string peer,
                 TimePoint now)
    : id_(id),
      shared_(shared),
      trusted_listener_(trusted_listener),
      peer_(std::move(peer)),
      connected_at_(now),
      heard_at_(now),
      now_(now),
      ledger_(shared.versions) {}

Session::~Session() { assert(server_ == nullptr); }

void Session::OnClientBytes(std::string_view bytes, TimePoint now) {
  now_ = now;
  shared_.statistics->bytes_from_clients += bytes.size();
  heard_at_ = now;
  Process(bytes, now);
  MaybeRelease();
}

void Session::Process(std::string_view input, TimePoint now) {
  std::string held;
  if (!input_.empty()) {
    input_.append(input);
    held = std::exchange(input_, {});
    input = held;
  }
  if (state_ == SessionState::kStartup) ProcessStartup(input);
  if (state_ == SessionState::kLoggingIn) ProcessLogin(input);
  if (state_ == SessionState::kReady || state_ == SessionState::kConsole) {
    ProcessRequests(input, now);
  }
  if (state_ == SessionState::kReplication) {
    server_->out.Append(input);
    return;
  }
  if (state_ != SessionState::kClosed && state_ != SessionState::kDraining) {
    input_.assign(input);
  }
}

void Session::ProcessRequests(std::string_view& input, TimePoint now) {
  while (wait_ == Wait::kNone && !OutputIsFull() &&
         (state_ == SessionState::kReady || state_ == SessionState::kConsole)) {
    if (reader_.rest_bytes() > 0) {
      if (input.empty()) return PutDecisionBack();
      const std::string_view part = reader_.TakeRest(input);
      if (server_ != nullptr && rest_passes_) server_->out.Append(part);
      continue;
    }
    if (decision_ == nullptr) decision_ = shared_.decisions->Take();
    Error error;
    switch (reader_.Next(input, &request(), &error)) {
      case RequestReader::Outcome::kNeedMore:
        return PutDecisionBack();
      case RequestReader::Outcome::kError:
        return Fatal(error);
      case RequestReader::Outcome::kRequest:
        Begin(now);
    }
  }
  PutDecisionBack();
}

// A wait is over: the request at hand goes on, and then what came behind it.
void Session::Resume(TimePoint now) {
  const bool undecided = wait_ == Wait::kCatalog || wait_ == Wait::kAudit;
  wait_ = Wait::kNone;
  if (request_pending_) undecided ? Decide(now) : Continue(now);
  if (wait_ == Wait::kNone) Process({}, now);
  MaybeRelease();
}

bool Session::OutputIsFull() const {
  return client_out.bytes() >= shared_.config->client_buffer_bytes;
}

void Session::OnClientDrained(TimePoint now) {
  if (input_.empty() || wait_ != Wait::kNone) return;
  Process({}, now);
  MaybeRelease();
}

bool Session::WantsClientBytes() const {
  if (state_ == SessionState::kClosed || state_ == SessionState::kDraining) return false;
  // Either end of a replication may go on talking while the other's words are stuck.
  if (OutputIsFull() && state_ != SessionState::kReplication) return false;
  if (input_.size() > kMaxHeldInputBytes && wait_ != Wait::kNone) return false;
  return server_ == nullptr || server_->out.bytes() < shared_.config->server_buffer_bytes;
}

void Session::SendError(const Error& error) {
  client_out.Emit([&](std::string& to) { pgwire::EncodeError(to, "ERROR", error); });
}

void Session::SendReady() {
  client_out.Emit([&](std::string& to) { pgwire::ReadyForQuery{status_}.Encode(to); });
}

void Session::Fatal(const Error& error) {
  if (state_ == SessionState::kClosed) return;
  if (state_ == SessionState::kDraining) {  // its client has gone: nothing is left to be saved
    state_ = SessionState::kClosed;
    return ReleaseServer(Action::kDropServer);
  }
  ++shared_.statistics->errors;
  if (state_ == SessionState::kReplication) told_half_ = true;  // for all that is known
  log::debug("client ended by error client={} peer={} sqlstate={} reason={}", id_, peer_,
             error.sqlstate, error.message);
  // Amid a row the error would be taken for the rest of it.
  if (!told_half_) {
    client_out.Emit([&](std::string& to) { pgwire::EncodeError(to, "FATAL", error); });
  }
  Close();
}

// The client connection ends; what runs on the server is ended, too, and its connection saved if
// that can be done safely.
void Session::Close() {
  if (state_ == SessionState::kClosed || state_ == SessionState::kDraining) return;
  const bool dedicated = state_ == SessionState::kLoggingIn || state_ == SessionState::kReplication;
  if (wait_ == Wait::kFlight) shared_.flights->Leave(decision().key, id_);
  wait_ = Wait::kNone;
  request_pending_ = false;
  DropFill();
  state_ = SessionState::kClosed;
  Act(Action::kClose);
  if (server_ == nullptr) return;

  const bool at_work = !expected_.empty() || batch_open_ || !batches_.empty();
  if (at_work && !OnlyOursUnanswered()) {
    cancel_sent_ = true;
    Act(Action::kCancelServer);
  }
  // A Sync of ours would commit what the client has not.
  const bool would_commit = batch_open_ && !server_skips_;
  const bool halfway = dedicated || copy_in_ || server_said_fatal_ || reader_.rest_bytes() > 0 ||
                       !server_->stream.AtBoundary();
  const bool tied = pin_ != catalog::Pin::kNone && !MayReset() && !IsUndecided();
  drop_drained_ = tied || would_commit;
  if (halfway || (drop_drained_ && expected_.empty())) return ReleaseServer(Action::kDropServer);
  // What runs is ended before its connection is: a server does not look for a client that is gone.
  server_->reset_due = pin_ != catalog::Pin::kNone && MayReset();
  state_ = SessionState::kDraining;
  wait_since_ = TimePoint{};
  if (would_commit) {
    FlushOpenBatch();
  } else if (batch_open_) {
    EndBatchOnServer();
  }
  MaybeRelease();
}

void Session::OnClientGone(TimePoint) {
  // Who has said Terminate behind a query has asked for it to be run, and may be gone before it is.
  if (wait_ == Wait::kQuiet && request_pending_ && request().kind == Request::Kind::kTerminate) {
    client_vanished_ = true;
    return;
  }
  Close();
}

bool Session::MayRelease() const {
  return server_ != nullptr && !server_said_fatal_ && Quiet() && !batch_open_ &&
         wait_ == Wait::kNone && !request_pending_ && reader_.rest_bytes() == 0 &&
         server_->stream.AtBoundary();
}

void Session::MaybeRelease() {
  const bool idle = status_ == pgwire::TransactionStatus::kIdle;
  const bool server_idle = idle || begin_owed_;
  if (state_ == SessionState::kDraining && drop_drained_) {
    if (!expected_.empty()) return;
    ReleaseServer(Action::kDropServer);
    state_ = SessionState::kClosed;
    return;
  }
  if (state_ == SessionState::kDraining && MayRelease()) {
    if (idle && audit_due_ && IsUndecided()) return AskAudit();
    if (pin_ != catalog::Pin::kNone && !MayReset()) {
      ReleaseServer(Action::kDropServer);
      state_ = SessionState::kClosed;
      return;
    }
    EndCatalogChange();  // what is open is rolled back
    if (!idle) EndTransactionOfSettings(/*committed=*/false);
    ReleaseServer(server_idle ? Action::kRelease : Action::kReleaseDirty);
    state_ = SessionState::kClosed;
    return;
  }
  if (state_ != SessionState::kReady) return;
  const bool keeps = pin_ != catalog::Pin::kNone || pool_mode_ == pool::PoolMode::kSession;
  if (server_idle && audit_due_ && !AuditCanWait(now_) && MayRelease()) AskAudit();
  if (server_idle && !keeps && MayRelease() && !LearnSettings()) ReleaseServer(Action::kRelease);
  const bool waits = wait_ != Wait::kNone || request_pending_;
  if (draining_proxy_ && idle && !waits && (server_ == nullptr || MayRelease())) {
    Fatal({"57P01", "terminating connection: pgsidecar is shutting down", "", ""});
  }
}

// In pool_mode session: whether what the session has left on its server connection can be undone.
// What a query of the user's own does to settings is not known.
bool Session::MayReset() const {
  const Config& config = *shared_.config;
  return pool_mode_ == pool::PoolMode::kSession && ResetClears(pin_) && !beyond_reset_ &&
         bypass_.empty() && !config.server_reset_query.empty() &&
         (config.ResetDiscardsAll() || settings_changed_->untouched());
}

// The owner takes the server connection back when it takes the action.
void Session::ReleaseServer(Action how) {
  if (how == Action::kDropServer) {
    AbandonServer();
  } else {
    if (!begin_owed_) UpdateLabel();
    if (!replay_owed_ && !replay_broken_) server_->label = label_;
    replay_owed_ = replay_broken_ = false;
  }
  RemovePin();
  Act(how);
}

// What was under way on the server is lost to us: it may still happen there.
void Session::AbandonServer() {
  for (Batch& batch : batches_) {
    LandFlight(batch);
    SkipVerify(batch.verified);
  }
  batches_.clear();
  expected_.clear();
  batch_open_ = false;
  orphaned_ = ledger_.Abandon();
  EndCatalogChange();
}

void Session::EndCatalogChange() {
  if (changing_.empty()) return;
  for (Database* database : changing_) database->OnCatalogChangeEnds();
  changing_.clear();
  // One that was met meanwhile may have been loaded too early.
  for (const auto& database : *shared_.databases) database->OnCatalogMayHaveChanged();
  Act(Action::kCatalogChanged);
}

void Session::Escalate(Database* database) { ledger_.Escalate(database->counter()); }

void Session::OnServerBytes(std::string_view bytes, TimePoint now) {
  now_ = now;
  ++heard_;
  shared_.statistics->bytes_from_servers += bytes.size();
  heard_at_ = now;
  if (state_ == SessionState::kReplication) return client_out.Append(bytes);
  const bool client_gone = state_ == SessionState::kDraining || client_vanished_;
  Error error;
  const bool ok = server_->stream.Feed(bytes, &error, [&](const pgwire::Piece& piece) {
    if (state_ == SessionState::kLoggingIn) {
      OnLoginPiece(piece);
      return state_ == SessionState::kLoggingIn;
    }
    return OnPiece(piece, now);
  });
  if (!ok) return Fatal(error);
  if (client_gone) client_out.Clear();  // what has just ended it, it is still told
  if (state_ == SessionState::kLoggingIn && answer_due_) return Process({}, now);
  if (wait_ == Wait::kReplay && expected_.empty()) return Resume(now);
  if ((wait_ == Wait::kQuiet || wait_ == Wait::kAudit) && expected_.empty()) return Resume(now);
  if (wait_ == Wait::kAhead && !AheadUnanswered()) return Resume(now);
  MaybeRelease();
}

void Session::OnServerLost(const Error& error, TimePoint now) {
  now_ = now;
  RemovePin();
  const bool told = server_said_fatal_;
  AbandonServer();
  server_ = nullptr;
  if (state_ == SessionState::kDraining) {
    state_ = SessionState::kClosed;
    return;
  }
  if (told) return Close();
  Fatal(error);
}

void Session::OnLeased(pool::ServerConnection* server, TimePoint now) {
  now_ = now;
  server_ = server;
  server_->client = id_;
  last_server_ = server->id();
  shared_.statistics->wait_time += now - wait_since_;
  own_names_ &= server_->names_of == id_;
  replay_owed_ = NeedsReplay();
  const bool reads_texts = analysis_holds_;
  const bool utf8 = utf8_;
  if (!replay_owed_) SyncParameters();
  heard_ += analysis_holds_ != reads_texts || utf8_ != utf8;
  if (!environment_ || (server_->environment &&
                        environment_->conf_load_time != server_->environment->conf_load_time)) {
    AdoptEnvironment();
    ++heard_;
    DropFill();  // its key is of other settings
    isolation_known_ = DefaultsToReadCommitted();
  }
  Resume(now);
}

void Session::OnLeaseFailed(const Error& error, TimePoint) { Fatal(error); }

void Session::OnFlightLanded(TimePoint now) {
  if (wait_ == Wait::kFlight) Resume(now);
}

void Session::OnCancelRequest(TimePoint now) {
  if (state_ == SessionState::kReplication) return Act(Action::kCancelServer);
  const bool waits_here = expected_.empty() && (wait_ == Wait::kLease || wait_ == Wait::kFlight ||
                                                wait_ == Wait::kCatalog);
  // Answers come in order: what the server is at comes before what waits here. Behind an audit it
  // is at nothing that the client knows of.
  if (!waits_here && wait_ != Wait::kAudit) {
    if (server_ != nullptr && !expected_.empty()) {
      cancel_sent_ = true;
      Act(Action::kCancelServer);
    }
    return;
  }
  const Error canceled{"57014", "canceling statement due to user request", "", ""};
  if (in_transaction()) {
    // The transaction has to fail with it, so the server is told, however long that takes.
    DropFill();
    if (wait_ == Wait::kCatalog || wait_ == Wait::kAudit) {
      decision().Clear();
      MakePlan();
      wait_ = Wait::kNone;
    }
    decision().forced = canceled;
    if (wait_ == Wait::kNone) Continue(now);
    return PutDecisionBack();
  }
  if (wait_ == Wait::kFlight) shared_.flights->Leave(decision().key, id_);
  if (wait_ == Wait::kLease) pool_->Leave(id_);
  SendError(canceled);
  if (request().kind != Request::Kind::kExtended || request().synced) {
    SendReady();
  } else {
    skip_to_sync_ = true;
  }
  DropFill();
  Finish();
  Resume(now);
}

void Session::OnTick(TimePoint now) {
  const Config& config = *shared_.config;
  const bool early = state_ == SessionState::kStartup || state_ == SessionState::kLoggingIn;
  if (early && now - connected_at_ > config.client_login_timeout) {
    return Fatal({"57014", "canceling authentication due to timeout", "", ""});
  }
  if (state_ == SessionState::kDraining) {
    if (wait_since_ == TimePoint{}) wait_since_ = now;
    if (now - wait_since_ < kMaxDrainTime) return CancelAgain(now);
    ReleaseServer(Action::kDropServer);
    state_ = SessionState::kClosed;
    return;
  }
  if (TimesOut(now)) return;
  if (audit_due_ && IsUndecided()) {
    now_ = now;
    MaybeRelease();
  }
  if (wait_ == Wait::kLease && now - wait_since_ > config.query_wait_timeout) {
    return Fatal({"53300", "timed out while waiting for a server connection",
                  "query_wait_timeout has passed.", ""});
  }
  if (wait_ == Wait::kCatalog && ((!database_->awaits_first_load() && !database_->reloads()) ||
                                  now - wait_since_ > kMaxCatalogWait)) {
    return Resume(now);
  }
  if (wait_ == Wait::kFlight && now - wait_since_ > config.single_flight_wait) {
    shared_.flights->Leave(decision().key, id_);
    Resume(now);
  }
}

// A cancel request that overtakes the query hits nothing.
void Session::CancelAgain(TimePoint now) {
  if (cancelled_at_ == TimePoint{}) cancelled_at_ = now;
  if (expected_.empty() || now - cancelled_at_ < kCancelAgainAfter) return;
  cancelled_at_ = now;
  Act(Action::kCancelServer);
}

void Session::OnDrain(TimePoint) {
  draining_proxy_ = true;
  if (state_ == SessionState::kStartup || state_ == SessionState::kConsole) {
    return Fatal({"57P01", "pgsidecar is shutting down", "", ""});
  }
  MaybeRelease();
}

void Session::OnSettingsReloaded() {
  ++heard_;
  if (bypass_.empty()) environment_.reset();
}

void Session::OnReconfigured() {
  if (pool_ == nullptr) return;
  ceiling_ = shared_.config->ModeOfSession(login_number_);
  Identify();
}

void Session::OnServerTaken() { server_ = nullptr; }

}  // namespace pgsidecar::proxy
