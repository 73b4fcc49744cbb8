// What ties a session to its server connection, and what lets it go again; and the settings and
// sequences that follow it to another.
//
// Invariant: a session that holds no server connection has no pin, and label_ is what every
// connection has to hold for it.

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "base/text.h"
#include "catalog/catalog.h"
#include "proxy/session.h"

namespace pgsidecar::proxy {

namespace backend = pgwire::backend_type;
using catalog::Pin;

namespace {

Error SequencesLost() {
  return {"55000", "currval and lastval of this session are not known any more",
          "The server connection that its nextval ran on has served another session's since.",
          "From now on sessions of this database keep their connection after a nextval; set "
          "sequences = pin to have that from the start."};
}

std::optional<catalog::AuditAnswer> ReadAudit(std::string_view row) {
  if (row.empty()) return std::nullopt;
  const auto data = pgwire::DataRow::Decode(row.substr(pgwire::kHeaderBytes));
  if (!data.ok()) return std::nullopt;
  const auto held = catalog::ReadAuditRow(data->values);
  return held.ok() ? std::optional(*held) : std::nullopt;
}

}  // namespace

// --- pins ---

void Session::AddPin(Pin reason) {
  if (reason == Pin::kNone) return;
  beyond_reset_ |= !ResetClears(reason);
  if (catalog::IsAskedFor(reason) || (reason == Pin::kFunction && MayForgetCode())) {
    audit_due_ = true;
  }
  if (pin_ == Pin::kNone) {
    pinned_since_ = now_;
    ++shared_.statistics->pins;
    ++shared_.statistics->pins_by_reason[catalog::PinName(reason)];
    log::debug("session pinned client={} database={} reason={}", id_, database_->name(),
               catalog::PinName(reason));
  }
  pin_ = catalog::Stronger(pin_, reason);
}

void Session::RemovePin() {
  if (pin_ == Pin::kNone) return;
  const Duration held = now_ - pinned_since_;
  shared_.statistics->pinned_time += held;
  shared_.statistics->pinned_time_by_reason[catalog::PinName(pin_)] +=
      static_cast<uint64_t>(held.count());
  log::debug("session unpinned client={} reason={} seconds={}", id_, catalog::PinName(pin_),
             std::chrono::duration_cast<std::chrono::seconds>(held).count());
  pin_ = Pin::kNone;
  beyond_reset_ = false;
}

// Before the request is sent: what it may leave in the session.
void Session::NotePins() {
  const Plan& plan = decision().plan;
  AddPin(plan.pin);
  if (plan.pin == Pin::kFunction) NoteUnaudited();
  if (plan.may_end_pin && (catalog::IsAskedFor(pin_) || MayForgetCode())) audit_due_ = true;
  temporary_objects_ |= plan.makes_temporary;
  if (!plan.uses_sequence && plan.pin != Pin::kFunction) return;
  server_->sequences_mixed |= server_->sequence_client != 0 && server_->sequence_client != id_;
  sequences_scattered_ |= sequence_server_ != 0 && sequence_server_ != server_->id();
  server_->sequence_client = id_;
  sequence_server_ = server_->id();
  if (plan.uses_sequence && (database_->sequences_pin || shared_.config->sequences == "pin")) {
    AddPin(Pin::kSequence);
  }
}

// --- audit ---

// Asks the server what of the session's state is still there. The next request may be sent behind
// it. REQUIRES: no transaction is open on the server once it has answered what it has been sent.
void Session::AskAudit() {
  audit_due_ = cancel_sent_ = false;
  const bool of_code = IsUndecided();
  if (!of_code && !catalog::IsAskedFor(pin_)) return;
  ++shared_.statistics->audits;
  RunApart(of_code ? catalog::CodeAuditQuery() : catalog::AuditQuery());
}

// Whether the server will be at rest, and in no transaction, behind the request that has just been
// sent: an audit can be sent in the same write.
bool Session::EndsIdle() {
  if (batch_open_ || batches_.size() != 1 || request().rest_bytes > 0 || decision().unknown ||
      decision().forced || server_skips_ || AheadUnanswered()) {
    return false;
  }
  const bool in_block = in_transaction();
  size_t count = 0;
  for (const auto& record : decision().records) {
    for (const sql::StatementInfo& statement : record->info().statements) {
      const bool ends = statement.kind == sql::StatementKind::kCommit ||
                        statement.kind == sql::StatementKind::kRollback;
      if (in_block && (!ends || statement.transaction_modifiers)) return false;
      if (!in_block && (sql::IsTransactionControl(statement.kind) ||
                        statement.kind == sql::StatementKind::kCopyFrom ||
                        statement.kind == sql::StatementKind::kUnknown)) {
        return false;
      }
      ++count;
    }
  }
  // In the extended protocol it must have been run, too.
  const bool is_run = InCacheableForm() && !decision().parses_known_name;
  return in_block ? count == 1 && is_run : count > 0;
}

// --- audits that are put off ---
//
// A statement behind which several audits in a row have found nothing is likely to leave nothing
// again. Then the audit is not asked at once: the session keeps its connection until it has to be
// known what it holds, which is when another session needs one, when this one asks for something
// that the cache may answer, or when kMostPutOff has passed. So nothing is believed unasked.

namespace {

constexpr size_t kMostUnaudited = 16;
constexpr Duration kMostPutOff = std::chrono::seconds(1);

}  // namespace

void Session::NoteUnaudited() {
  if (unaudited_.empty()) unaudited_since_ = now_;
  audit_presses_ |= decision().unknown || decision().records.empty();
  for (const auto& record : decision().records) {
    if (std::find(unaudited_.begin(), unaudited_.end(), record) != unaudited_.end()) continue;
    audit_presses_ |= unaudited_.size() == kMostUnaudited ||
                      !record->SeemsClean(database_->catalog_version(), now_);
    if (unaudited_.size() < kMostUnaudited) unaudited_.push_back(record);
  }
}

void Session::NoteVerdict(bool clean) {
  for (const auto& record : unaudited_) {
    record->NoteAudit(clean, database_->catalog_version(), now_);
  }
  unaudited_.clear();
  audit_presses_ = false;
}

bool Session::AuditCanWait(TimePoint now) const {
  return state_ == SessionState::kReady && IsUndecided() && !audit_presses_ &&
         pool_->waiters().empty() && now - unaudited_since_ < kMostPutOff;
}

bool Session::MayBeRecalled() const {
  return audit_due_ && IsUndecided() && !audit_presses_ && !in_transaction() && MayRelease();
}

void Session::OnRecalled(TimePoint now) {
  now_ = now;
  audit_presses_ = true;
  MaybeRelease();
}

bool Session::MayForgetCode() const {
  return only_code_ran_ && shared_.config->unknown_code == "audit";
}

// What the session's settings are known under, beyond what its login gave. A custom one is not
// among those that the server can be asked for.
std::string Session::SettingsKey() const {
  std::string key;
  const auto append = [&key](std::string_view field) {
    AppendBig32(key, static_cast<uint32_t>(field.size()));
    key += field;
  };
  append(pool_->key());
  if (label_ == nullptr) return key;
  for (const auto& [name, value] : *label_) {
    if (name.find('.') != std::string::npos) continue;
    append(name);
    append(value ? "=" + *value : "");
  }
  return key;
}

// Before a connection is given back: asks what the server says of such settings, if nobody has
// asked yet. Returns whether it has. REQUIRES: as AskAudit, and that the session has no pin.
bool Session::LearnSettings() {
  const bool is_known = bypass_.empty() && environment_ != nullptr && !begin_owed_;
  if (shared_.config->unknown_code != "audit" || !is_known) return false;
  constexpr size_t kMostKept = 1000;
  UpdateLabel();
  std::string key = SettingsKey();
  if (database_->settings_said.contains(key)) return false;
  if (database_->settings_said.size() >= kMostKept) database_->settings_said.clear();
  ++shared_.statistics->audits;
  learning_ = std::make_unique<std::string>(std::move(key));
  RunApart(catalog::CodeAuditQuery());
  return true;
}

// The code is as if it had not been, if nothing is there that it can have left.
void Session::OnCodeAudited(const catalog::AuditAnswer& held) {
  // What has been sent behind the audit may have changed what it says.
  audit_due_ = !Quiet() || batch_open_ || in_transaction();
  if (audit_due_) return;
  UpdateLabel();
  const auto said = database_->settings_said.find(SettingsKey());
  const bool clean = !held.AnyHeld() && held.of_code && !own_names_ &&
                     said != database_->settings_said.end() &&
                     said->second == held.of_code->settings &&
                     held.of_code->protocol_statements == server_->statements().size();
  NoteVerdict(clean);
  if (!clean) return;
  only_code_ran_ = temporary_objects_ = false;
  bypass_ = {};
  names_known_ = true;
  UpdateEnvironment();
  if (database_->sequences_pin || shared_.config->sequences == "pin") {
    pin_ = Pin::kSequence;  // it may have run a nextval
    return;
  }
  RemovePin();
}

// A simple Query of ours in a batch of its own, of whose answer the client hears nothing.
void Session::RunApart(std::string_view sql) {
  OpenBatch();
  server_->unnamed_client = 0;
  server_->out.Emit([&](std::string& to) { pgwire::Query{sql}.Encode(to); });
  Expect(Reply::kQuery, true);
  batch_open_ = false;
}

// The client has had all its answers; an audit has not had its own.
bool Session::OnlyOursUnanswered() const {
  return !expected_.empty() && !batch_open_ &&
         std::all_of(expected_.begin(), expected_.end(),
                     [](const auto& reply) { return reply.own && reply.kind == Reply::kQuery; });
}

bool Session::InQueryOfOurs() const {
  return !expected_.empty() && expected_.front().own && expected_.front().kind == Reply::kQuery;
}

// Part of the answer to it. Returns false if the session has ended.
bool Session::OnPieceOfOurs(const pgwire::Piece& piece) {
  switch (piece.type) {
    case backend::kDataRow:
      own_row_.append(piece.bytes);
      return true;
    case backend::kErrorResponse: {
      const auto fields = pgwire::ErrorFields::Decode(piece.body());
      own_row_.clear();
      if (must_succeed_) {
        Fatal({"08006", "the server connection could not be made ready", "", ""});
        return false;
      }
      if (fields.ok() && !fields->IsFatal()) {
        audit_due_ |= cancel_sent_;  // which was meant for what came before
        return true;
      }
      OnErrorResponse(piece);
      return state_ != SessionState::kClosed;
    }
    case backend::kReadyForQuery: {
      if (std::exchange(sync_due_, false)) SyncParameters();
      expected_.pop_front();
      batches_.pop_front();
      ledger_.EndBatch(!in_transaction());
      must_succeed_ = false;
      replay_owed_ |= std::exchange(replay_broken_, false);
      OnAudited(std::exchange(own_row_, {}));
      return true;
    }
    default:
      return true;
  }
}

// `row` is the DataRow of the answer; empty if the server could not say, and then nothing changes.
// Nor does it if something has been sent behind the audit that makes another due.
void Session::OnAudited(std::string_view row) {
  const std::optional<catalog::AuditAnswer> held = ReadAudit(row);
  if (learning_) {
    // Where it could not be said, "" equals nothing that is.
    std::string& said = database_->settings_said[*std::exchange(learning_, nullptr)];
    if (held && held->of_code && !held->AnyHeld()) said = held->of_code->settings;
    return;
  }
  // What a transaction does may come to be at its end.
  audit_due_ |= in_transaction() && !begin_owed_;
  if (!held || audit_due_) return;
  if (IsUndecided()) return OnCodeAudited(*held);
  Pin left = Pin::kNone;
  const bool names_stay = !held->prepared_statements.empty();
  if (!names_stay && !sql_statements_->empty()) sql_statements_.Edit().clear();
  if (!CanPrepareAgain(held->prepared_statements)) {
    left = catalog::Stronger(left, Pin::kPreparedStatement);
  }
  if (held->advisory_locks) left = catalog::Stronger(left, Pin::kAdvisoryLock);
  if (held->hold_cursors) left = catalog::Stronger(left, Pin::kHoldCursor);
  if (held->listens) left = catalog::Stronger(left, Pin::kListen);
  if (held->temporary_objects) left = catalog::Stronger(left, Pin::kTemporaryObject);
  if (temporary_objects_ && !held->temporary_objects && bypass_.empty()) {
    temporary_objects_ = false;
    names_known_ = true;
    UpdateEnvironment();
  }
  if (!catalog::IsAskedFor(pin_)) return;  // of what cannot be asked for
  // With the client's names on it the connection can serve nobody else.
  if (own_names_ && !names_stay && left == Pin::kNone) {
    // What has been sent behind the audit may name them.
    audit_due_ = !Quiet() || batch_open_ || in_transaction();
    if (audit_due_) return;
    LeaveNames();
  }
  if (left == Pin::kNone) return RemovePin();
  pin_ = left;
}

// No statement stands on the server by SQL any more, so that the client's other names need not
// either: they are prepared under the shared names where they are used next.
void Session::LeaveNames() {
  own_names_ = false;
  server_->names_of = 0;
  must_succeed_ = true;
  RunApart("DEALLOCATE ALL");
}

// --- settings ---

// What the session has set since its login, outside of a transaction.
void Session::UpdateLabel() {
  if (settings_changed_->untouched()) return;
  pool::SettingsLabel label = settings_changed_->Label();
  // SET datestyle may have changed only a part of it.
  if (const auto it = label.find("datestyle"); it != label.end()) {
    it->second = std::string(told_parameters_.Find("DateStyle"));
  }
  // What SET SESSION AUTHORIZATION and DISCARD ALL leave is what a login has.
  const bool plain_login = environment_ && environment_->session_user == environment_->current_user;
  if (const auto it = label.find("role"); it != label.end() && it->second == "none" &&
                                          plain_login && !label.contains("session_authorization")) {
    label.erase(it);
  }
  if (label_ != nullptr && *label_ == label) return;
  label_ = label.empty() ? nullptr : std::make_shared<const pool::SettingsLabel>(std::move(label));
}

// The server has confirmed a SET that lasts.
void Session::NoteReplayable(std::string_view name, std::string_view value) {
  const auto role = settings_changed_->Find("role");
  const bool as_other =
      (role && *role != "none") || settings_changed_->Find("session_authorization");
  // It was sent as bytes of the encoding that holds now, and would be sent under another.
  const bool mixes = !IsAscii(value) && settings_changed_->Find("client_encoding");
  if (mixes || !pool::CanReplay(name, value, as_other)) AddPin(Pin::kSetting);
}

pool::LeaseWish Session::Wish() const {
  const bool needs_sequences = decision().plan.reads_sequence && sequence_server_ != 0 &&
                               decision().plan.pin != Pin::kUnknown;
  return {.client = id_,
          .last = needs_sequences ? sequence_server_ : last_server_,
          .only_last = needs_sequences,
          .uses_sequences = decision().plan.uses_sequence,
          .label = label_,
          .worker = worker};
}

// --- sequences ---

// Before a request that may ask for currval or lastval: the connection must say what this session's
// own nextval gave, or that there was none. Returns true if the request has to wait for that.
bool Session::PrepareSequences() {
  const Plan& plan = decision().plan;
  const bool unknown = plan.pin == Pin::kFunction || plan.pin == Pin::kUnknown;
  const bool own = server_->sequence_client == id_ && !server_->sequences_mixed;
  if (plan.reads_sequence && plan.pin != Pin::kUnknown) {
    // Here they are asked for, so that they have to be kept.
    database_->sequences_pin = true;
    if (own && !sequences_scattered_) {
      AddPin(Pin::kSequence);
      return false;
    }
    if (sequence_server_ != 0) {
      sequence_server_ = 0;
      sequences_scattered_ = false;
      decision().forced = SequencesLost();
      return false;
    }
  } else if (!unknown && !(plan.uses_sequence && database_->sequences_pin)) {
    return false;
  }
  if (own || server_->sequence_client == 0 || status_ == pgwire::TransactionStatus::kFailed) {
    return false;
  }
  server_->sequence_client = 0;
  server_->sequences_mixed = false;
  // Within a transaction nothing runs that must not be part of a pipeline.
  if (status_ != pgwire::TransactionStatus::kIdle || batch_open_ || !Quiet()) {
    RunForUs("DISCARD SEQUENCES");
    return false;
  }
  must_succeed_ = true;
  RunApart("DISCARD SEQUENCES");
  return true;
}

void Session::OnSequencesDiscarded() {
  sequence_server_ = 0;
  sequences_scattered_ = false;
  server_->sequence_client = 0;
  server_->sequences_mixed = false;
  if (pin_ != Pin::kSequence) return;
  // It may have hidden another.
  pin_ = Pin::kPreparedStatement;
  audit_due_ = true;
}

// --- texts that the server does not understand either ---

// A text that cannot be parsed may do anything, unless the server's own parser refuses it.
void Session::RememberBeforeUnknown() {
  before_unknown_.reset();
  const bool alone = batches_.size() == 1 && expected_.empty();
  if (decision().plan.refusal != catalog::Refusal::kNotUnderstood || !alone) return;
  before_unknown_ =
      std::make_unique<BeforeUnknown>(BeforeUnknown{.pin = pin_,
                                                    .bypass = bypass_,
                                                    .only_code_ran = only_code_ran_,
                                                    .names_known = names_known_,
                                                    .ran_unknown = ran_unknown_,
                                                    .isolation_known = isolation_known_,
                                                    .sequence_server = sequence_server_,
                                                    .sequence_client = server_->sequence_client});
}

// The error is the first answer to it, from the grammar (PostgreSQL: scan.l, scanner_yyerror) and
// not from a text that a function has put together: then nothing has run.
void Session::TakeBackUnknown(const pgwire::ErrorFields& fields) {
  if (!before_unknown_) return;
  const BeforeUnknown before = *std::exchange(before_unknown_, nullptr);
  if (fields.Find('C') != "42601" || fields.Find('R') != "scanner_yyerror" ||
      !fields.Find('W').empty() || !fields.Find('q').empty()) {
    return;
  }
  bypass_ = before.bypass;
  only_code_ran_ = before.only_code_ran;
  names_known_ = before.names_known;
  ran_unknown_ = before.ran_unknown;
  isolation_known_ = before.isolation_known;
  sequence_server_ = before.sequence_server;
  server_->sequence_client = before.sequence_client;
  if (!batches_.empty()) batches_.front().may_change_catalog = false;
  if (before.pin == Pin::kNone) return RemovePin();
  pin_ = before.pin;
}

}  // namespace pgsidecar::proxy
