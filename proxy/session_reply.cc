// The server's answers: matched with what was sent, passed on, copied for the cache, and at each
// ReadyForQuery the versions moved before the client hears of it.

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/log.h"
#include "proxy/session.h"

namespace pgsidecar::proxy {

namespace backend = pgwire::backend_type;

namespace {

// Command tags of statements that change no row (PostgreSQL: cmdtaglist.h). Anything else is a
// write.
constexpr std::array<std::string_view, 33> kHarmlessTags = {"SELECT",
                                                            "BEGIN",
                                                            "COMMIT",
                                                            "ROLLBACK",
                                                            "START TRANSACTION",
                                                            "SAVEPOINT",
                                                            "RELEASE",
                                                            "SET",
                                                            "RESET",
                                                            "SHOW",
                                                            "PREPARE",
                                                            "DEALLOCATE",
                                                            "DEALLOCATE ALL",
                                                            "DECLARE CURSOR",
                                                            "FETCH",
                                                            "MOVE",
                                                            "CLOSE CURSOR",
                                                            "CLOSE CURSOR ALL",
                                                            "LISTEN",
                                                            "UNLISTEN",
                                                            "NOTIFY",
                                                            "EXPLAIN",
                                                            "COPY",
                                                            "LOCK TABLE",
                                                            "DISCARD",
                                                            "DISCARD ALL",
                                                            "ANALYZE",
                                                            "VACUUM",
                                                            "CHECKPOINT",
                                                            "LOAD",
                                                            "SET CONSTRAINTS",
                                                            "PREPARE TRANSACTION",
                                                            "ROLLBACK PREPARED"};

// "SELECT 5" is SELECT, "INSERT 0 1" is INSERT.
bool IsHarmless(std::string_view tag) {
  while (!tag.empty() && (tag.back() == ' ' || (tag.back() >= '0' && tag.back() <= '9'))) {
    tag.remove_suffix(1);
  }
  return std::find(kHarmlessTags.begin(), kHarmlessTags.end(), tag) != kHarmlessTags.end();
}

uint64_t HashOfTypes(const pgwire::RowDescription& description, uint64_t seed) {
  for (const pgwire::FieldDescription& field : description.fields) {
    std::string type;
    AppendBig32(type, field.type);
    AppendBig32(type, static_cast<uint32_t>(field.type_modifier));
    seed = Hash64(type, Hash64(field.name, seed));
  }
  return seed;
}

}  // namespace

// Returns false to stop reading: the session has ended.
bool Session::OnPiece(const pgwire::Piece& piece, TimePoint now) {
  if (InQueryOfOurs() && piece.type != backend::kParameterStatus &&
      piece.type != backend::kNotificationResponse) {
    return OnPieceOfOurs(piece);
  }
  if (piece.first && piece.last) return OnReply(piece, now);
  Pass(piece);  // a row, COPY data, or a message so large that nobody looks into it
  if (piece.type == backend::kErrorResponse && piece.last) {
    DropMarkers();
    copy_in_ = copy_extended_ = false;
    AfterError();
  }
  return state_ != SessionState::kClosed;
}

void Session::Pass(const pgwire::Piece& piece) {
  if (piece.type == backend::kDataRow && !expected_.empty() && expected_.front().own) return;
  if (!batches_.empty() && batches_.front().fill != nullptr) {
    Batch& batch = batches_.front();
    // For those who wait it is worth more memory: else each would ask the server.
    if (batch.leading && piece.first && batch.fill->IsFullAt(piece.message_bytes) &&
        shared_.flights->HasFollowers(batch.fill->key())) {
      batch.fill->CopyMore(cache::KnownSizes::kAwaitedBytes);
    }
    batch.fill->OnPiece(piece.type, piece.message_bytes, piece.first, piece.bytes);
    if (batch.fill->outcome() != cache::FillOutcome::kOpen) OnFillAbandoned(batch);
  }
  Tell(piece);
}

void Session::Tell(const pgwire::Piece& piece) {
  if (state_ == SessionState::kDraining) return;
  client_out.Append(piece.bytes);
  told_half_ = !piece.last;
}

// Nobody has to wait for it any more. Of what is too large the size is still wanted.
void Session::OnFillAbandoned(Batch& batch) {
  LandFlight(batch);
  if (batch.fill->outcome() == cache::FillOutcome::kAbandonedTooLarge && !batch.verified) return;
  if (batch.verified) {
    SkipVerify(batch.verified);
  } else {
    ++shared_.statistics->fills_abandoned;
  }
  batch.fill.reset();
}

void Session::DropMarkers() {
  while (!expected_.empty() && expected_.front().kind == Reply::kCopyEnd) expected_.pop_front();
}

// A reply that ends what is expected first: passed on unless it answers us.
bool Session::Answered(Reply kind, const pgwire::Piece& piece) {
  if (expected_.empty() || expected_.front().kind != kind) {
    Desynchronized(piece.type);
    return false;
  }
  const Expected& answered = expected_.front();
  const bool changed =
      kind == Reply::kBind && answered.statement != nullptr && answered.statement->changed;
  if (changed && !answered.own) {
    RefuseChanged();
  } else if (!answered.own) {
    Pass(piece);
  }
  expected_.pop_front();
  if (replay_unanswered_ > 0) --replay_unanswered_;
  return true;
}

// The statement that is bound or described is not any more what the client was told. What has been
// sent behind it runs all the same: its answers are not the client's, and what it does is undone.
void Session::RefuseChanged() {
  if (state_ != SessionState::kDraining) SendError(pool::ChangedResult());
  const auto end = std::find_if(expected_.begin(), expected_.end(),
                                [](const Expected& e) { return e.kind == Reply::kSync; });
  for (auto it = end; it != expected_.begin();) {
    --it;
    if (it->own) continue;
    // For the client it has not happened.
    if (it->kind == Reply::kParse) {
      SetStatement(it->name, it->name.empty() ? nullptr : it->previous);
    } else if (it->kind == Reply::kClose && !it->name.empty()) {
      SetStatement(it->name, it->previous);
    }
    it->own = true;
  }
  batches_.front().fill.reset();
  SkipVerify(batches_.front().verified);
  LandFlight(batches_.front());
  refused_ = true;
  if (end == expected_.end()) FailTransaction();
}

// An error at this place of the conversation of which the client is not told.
void Session::FailTransaction() {
  OpenBatch();
  ForceError({});
  expected_.back().own = true;
  FlushOpenBatch();
}

// The server answers something that was not asked: nothing is known of this connection any more.
void Session::Desynchronized(char type) {
  log::error("unexpected reply from the server client={} type={}", id_, type);
  AddPin(catalog::Pin::kUnknown);
  Fatal({"08P01", std::string("unexpected message type \"") + type + "\" from the server", "", ""});
}

bool Session::OnReply(const pgwire::Piece& piece, TimePoint now) {
  switch (piece.type) {
    case backend::kParameterStatus:
      OnParameterStatus(piece);
      return true;
    case backend::kNoticeResponse:
      // The client has had it when it prepared what is being prepared again.
      if (replay_unanswered_ == 0 && !(!expected_.empty() && expected_.front().own)) Pass(piece);
      return true;
    case backend::kNotificationResponse:
      Pass(piece);
      return true;
    case backend::kErrorResponse:
      OnErrorResponse(piece);
      return state_ != SessionState::kClosed;
    default:
      break;
  }
  DropMarkers();
  switch (piece.type) {
    case backend::kReadyForQuery:
      return OnReadyForQuery(piece, now);
    case backend::kParseComplete:
      return Answered(Reply::kParse, piece);
    case backend::kBindComplete:
      return Answered(Reply::kBind, piece);
    case backend::kCloseComplete:
      return Answered(Reply::kClose, piece);
    case backend::kParameterDescription:
    case backend::kRowDescription:
    case backend::kNoData:
      return OnDescription(piece);
    case backend::kCommandComplete:
    case backend::kEmptyQueryResponse:
    case backend::kPortalSuspended:
      return OnCommandEnd(piece);
    case backend::kCopyInResponse:
      OnCopyIn();
      [[fallthrough]];
    case backend::kCopyOutResponse:
    case backend::kCopyBothResponse:
    case backend::kCopyData:
    case backend::kCopyDone:
    case backend::kDataRow:
    case backend::kFunctionCallResponse:
      Pass(piece);
      return true;
    default:
      Desynchronized(piece.type);
      return false;
  }
}

// The description of a statement is remembered: who prepares it again elsewhere must get the same.
bool Session::OnDescription(const pgwire::Piece& piece) {
  const Reply kind = expected_.empty() ? Reply::kSync : expected_.front().kind;
  if (kind == Reply::kQuery || kind == Reply::kExecute) {
    Pass(piece);
    return true;
  }
  if (kind == Reply::kDescribePortal) return Answered(kind, piece);
  if (kind != Reply::kDescribeStatement) {
    Desynchronized(piece.type);
    return false;
  }
  Expected& expected = expected_.front();
  if (piece.type == backend::kParameterDescription) {
    const auto parameters = pgwire::ParameterDescription::Decode(piece.body());
    if (!parameters.ok()) {
      Fatal(parameters.error());
      return false;
    }
    described_parameters_ = parameters->types;
    description_ = {};
    description_.whole = description_.result = Hash64(piece.bytes, 1);
    if (!expected.own && expected.statement != nullptr && expected.statement->changed) {
      RefuseChanged();
    } else if (!expected.own) {
      Pass(piece);
    }
    return true;
  }
  description_.whole = Hash64(piece.bytes, description_.whole) | 1;  // 0 says: not known
  description_.has_result = piece.type == backend::kRowDescription;
  if (piece.type == backend::kRowDescription && piece.first && piece.last) {
    const auto result = pgwire::RowDescription::Decode(piece.body());
    if (result.ok()) description_.result = HashOfTypes(*result, description_.result);
  } else {
    description_.result = description_.whole;
  }
  if (const auto& statement = expected.statement; statement != nullptr && !statement->local()) {
    statement->changed = !IsAsTold(*statement, description_);
    if (statement->description.whole == 0) {
      statement->description = description_;
      statement->described_parameters = std::move(described_parameters_);
      statement->described_under = names_id_;
    }
    if (server_->FindStatement(statement->prepared->id) != nullptr) {
      server_->HoldStatement(statement->prepared->id, description_);
    }
  }
  return Answered(Reply::kDescribeStatement, piece);
}

bool Session::OnCommandEnd(const pgwire::Piece& piece) {
  if (piece.type != backend::kCommandComplete) OnCompleted("");
  if (piece.type == backend::kCommandComplete) {
    const auto complete = pgwire::CommandComplete::Decode(piece.body());
    if (complete.ok()) OnCompleted(complete->tag);
    // The tag is trusted over the text.
    if (complete.ok() && !batches_.empty() && !ledger_.oldest_writes() &&
        !IsHarmless(complete->tag)) {
      ledger_.WriteOldest(database_->counter());
      batches_.front().may_change_catalog = true;
    }
    if (!copy_extended_) copy_in_ = false;
  }
  if (!expected_.empty() && expected_.front().kind == Reply::kQuery) {
    Pass(piece);
    return true;
  }
  copy_in_ = copy_extended_ = false;
  if (!expected_.empty() && expected_.front().own && replay_unanswered_ == 0) {
    begin_unanswered_ = false;
  }
  return Answered(Reply::kExecute, piece);
}

// COPY FROM STDIN begins. In the extended protocol the server ignores the Syncs that it finds among
// the data, so those that were sent ahead will not be answered.
void Session::OnCopyIn() {
  copy_in_ = true;
  copy_extended_ = !expected_.empty() && expected_.front().kind == Reply::kExecute;
  if (!copy_extended_) return;
  for (auto it = expected_.begin(); it != expected_.end() && it->kind != Reply::kCopyEnd;) {
    if (it->kind != Reply::kSync) {
      ++it;
      continue;
    }
    it = expected_.erase(it);
    MergeOldestBatch();
  }
  // The data and its end may have been sent already.
  copy_in_ = std::none_of(expected_.begin(), expected_.end(),
                          [](const Expected& e) { return e.kind == Reply::kCopyEnd; });
}

// What was to end the oldest batch has been ignored by the server: it goes on.
void Session::MergeOldestBatch() {
  if (batches_.size() < 2) {
    batch_open_ = true;
    return;
  }
  Batch oldest = std::move(batches_.front());
  batches_.pop_front();
  LandFlight(oldest);
  SkipVerify(oldest.verified);
  batches_.front().may_change_catalog |= oldest.may_change_catalog;
  batches_.front().failed |= oldest.failed;
  ledger_.MergeOldest();
}

void Session::OnParameterStatus(const pgwire::Piece& piece) {
  const auto status = pgwire::ParameterStatus::Decode(piece.body());
  if (!status.ok()) return Fatal(status.error());
  const bool is_new = server_->parameters.Set(status->name, status->value);
  // What a replay brings about the client knows.
  if (replay_broken_ || (sync_due_ && told_parameters_.Find(status->name) == status->value)) return;
  told_parameters_.Set(status->name, status->value);
  CheckEncodings();
  if (status->name == "application_name") Identify();
  if (state_ != SessionState::kLoggingIn && is_new && bypass_.empty() && !Explains(status->name)) {
    // Not by a SET that we have seen: a reload of the server's configuration, or a function.
    environment_.reset();
    server_->environment.reset();
  }
  Pass(piece);
}

void Session::OnErrorResponse(const pgwire::Piece& piece) {
  const auto fields = pgwire::ErrorFields::Decode(piece.body());
  if (!fields.ok()) return Fatal(fields.error());
  DropMarkers();
  copy_in_ = copy_extended_ = false;
  if (replay_unanswered_ > 0 && !fields->IsFatal()) return OnReplayFailed(piece, *fields);
  OnAttemptFailed();
  TakeBackUnknown(*fields);
  const bool begin_failed = std::exchange(begin_unanswered_, false);
  replay_failed_ |= wait_ == Wait::kReplay;
  if (fields->IsFatal()) {
    server_said_fatal_ = true;
    return Pass(piece);
  }
  if (refused_ && !expected_.empty() && expected_.front().own) {
    // The client has had its error.
  } else if (!expected_.empty() && expected_.front().kind == Reply::kForcedError) {
    if (state_ != SessionState::kDraining) SendError(*expected_.front().error);
  } else {
    PassError(piece, *fields);
  }
  AfterError();
  if (begin_failed) {
    Fatal({"25P01", "the transaction could not be begun on the server", "", ""});
  }
}

// An error ends a Query by itself; else the server ignores everything up to the next Sync.
void Session::AfterError() {
  const bool simple = !expected_.empty() && (expected_.front().kind == Reply::kQuery ||
                                             expected_.front().kind == Reply::kFunctionCall);
  if (!simple) SkipToSync();
}

// The server names a missing statement by the name that it has there; the client knows another. It
// is missing where its Parse has failed in the same pipeline.
void Session::PassError(const pgwire::Piece& piece, const pgwire::ErrorFields& fields) {
  const bool renamed = !expected_.empty() && !expected_.front().own &&
                       (expected_.front().kind == Reply::kBind ||
                        expected_.front().kind == Reply::kDescribeStatement) &&
                       !expected_.front().name.empty() && fields.Find('C') == "26000";
  if (!renamed) return Pass(piece);
  const std::string message = pool::MissingStatement(expected_.front().name).message;
  pgwire::ErrorFields renamed_fields = fields;
  for (auto& [code, value] : renamed_fields.fields) {
    if (code == 'M') value = message;
  }
  if (state_ == SessionState::kDraining) return;
  client_out.Emit([&](std::string& to) { renamed_fields.Encode(to, backend::kErrorResponse); });
}

// After an error in the extended protocol the server ignores everything up to the next Sync.
void Session::SkipToSync() {
  // What the client has asked for is behind something of ours that failed: no Sync will follow.
  const bool is_ours = !expected_.empty() && expected_.front().own;
  bool query_skipped = false;
  std::vector<Expected> skipped;
  while (!expected_.empty() && expected_.front().kind != Reply::kSync) {
    skipped.push_back(std::move(expected_.front()));
    expected_.pop_front();
    // A Query, too, is ignored, and will not end its batch.
    const Reply kind = skipped.back().kind;
    if (kind != Reply::kQuery && kind != Reply::kFunctionCall) continue;
    MergeOldestBatch();
    query_skipped = true;
  }
  server_skips_ = expected_.empty() && batch_open_;
  for (auto it = skipped.rbegin(); it != skipped.rend(); ++it) Restore(*it);
  if (is_ours && query_skipped && server_skips_) EndBatchOnServer();
}

// What a message that came to nothing had promised.
void Session::Restore(const Expected& skipped) {
  if (skipped.kind == Reply::kParse) {
    if (skipped.statement != nullptr && skipped.statement->prepared != nullptr) {
      server_->DropStatement(skipped.statement->prepared->id);
      if (skipped.own ? true : skipped.name.empty()) server_->unnamed_client = 0;
    }
    // A Parse that fails takes the unnamed statement with it.
    if (!skipped.own) SetStatement(skipped.name, skipped.name.empty() ? nullptr : skipped.previous);
  } else if (skipped.kind == Reply::kClose && !skipped.name.empty()) {
    SetStatement(skipped.name, skipped.previous);
  }
}

void Session::EndFill(Batch& batch, TimePoint now) {
  if (batch.verified) return EndVerify(batch, now);
  if (batch.fill != nullptr) {
    if (batch.fill->completed()) shared_.sizes->Note(batch.fill->key(), batch.fill->bytes());
    auto entry = batch.fill->Finish(now, begun_at_);
    if (entry != nullptr && shared_.store->Insert(std::move(entry))) {
      ++shared_.statistics->fills_stored;
    } else {
      ++shared_.statistics->fills_abandoned;
    }
    batch.fill.reset();
  }
  LandFlight(batch);
}

// Whoever has waited for this fill looks again.
void Session::LandFlight(Batch& batch) {
  if (!std::exchange(batch.leading, false)) return;
  const auto waiters = shared_.flights->Land(batch.key);
  if (waiters.empty()) return;
  woken_.insert(woken_.end(), waiters.begin(), waiters.end());
  Act(Action::kWakeWaiters);
}

// The server has answered everything of the client's, and no transaction is open.
void Session::OnIdle() {
  EndCatalogChange();
  isolation_known_ = DefaultsToReadCommitted();
  hit_in_transaction_ = false;
  phantom_portal_ = false;
  local_portal_.clear();
}

bool Session::OnReadyForQuery(const pgwire::Piece& piece, TimePoint now) {
  const auto ready = pgwire::ReadyForQuery::Decode(piece.body());
  if (!ready.ok()) {
    Fatal(ready.error());
    return false;
  }
  const Reply kind = expected_.empty() ? Reply::kParse : expected_.front().kind;
  if (batches_.empty() ||
      (kind != Reply::kSync && kind != Reply::kQuery && kind != Reply::kFunctionCall)) {
    Desynchronized(piece.type);
    return false;
  }
  expected_.pop_front();
  DropMarkers();
  copy_in_ = copy_extended_ = false;
  before_unknown_.reset();
  // The transaction that has failed was a replay's.
  const bool broken = replay_broken_ && state_ == SessionState::kReady;
  status_ = broken ? pgwire::TransactionStatus::kIdle : ready->status;
  const bool idle = status_ == pgwire::TransactionStatus::kIdle;
  Batch batch = std::move(batches_.front());
  batches_.pop_front();
  EndFill(batch, now);
  ledger_.EndBatch(idle);
  if (batch.may_change_catalog) {
    for (const auto& database : *shared_.databases) database->OnCatalogMayHaveChanged();
    Act(Action::kCatalogChanged);
  }
  EndBatchOfSettings(idle, batch.failed);
  if (idle && ClientIsAnswered()) OnIdle();
  begun_at_ = now;
  if (std::exchange(sync_due_, false)) SyncParameters();
  if (broken) {
    SendReady();
    RollBackReplay();
    return true;
  }
  if (refused_ && status_ == pgwire::TransactionStatus::kInTransaction) {
    FailTransaction();
    EndBatchOnServer();
    return true;
  }
  refused_ = false;
  Tell(piece);  // the batch is over: it is no part of what may be kept of the next
  if (pool_mode_ == pool::PoolMode::kStatement && !idle && !begin_owed_ && batches_.empty()) {
    Fatal(BlockInStatementMode());  // begun by what could not be read
    return false;
  }
  return true;
}

}  // namespace pgsidecar::proxy
