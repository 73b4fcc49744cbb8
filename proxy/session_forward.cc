// A request on its way to the server: lease, statements prepared again where they are missing,
// write marks, and the messages themselves, with the client's statement names turned into the
// server's.

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "pgwire/frame.h"
#include "proxy/session.h"

namespace pgsidecar::proxy {

namespace backend = pgwire::backend_type;
namespace frontend = pgwire::frontend_type;

namespace {

// INSERT, UPDATE, DELETE, MERGE.
bool IsDml(sql::StatementKind kind) {
  return kind == sql::StatementKind::kInsert || kind == sql::StatementKind::kUpdate ||
         kind == sql::StatementKind::kDelete || kind == sql::StatementKind::kMerge;
}

// Whether the fill's stamps are of these counters. Those of an earlier plan may be others.
bool DependsOn(const cache::Fill& fill, const std::vector<cache::CounterIndex>& counters) {
  const auto stamps = fill.stamps();
  return std::equal(stamps.begin(), stamps.end(), counters.begin(), counters.end(),
                    [](const cache::Stamp& stamp, cache::CounterIndex counter) {
                      return stamp.counter == counter;
                    });
}

}  // namespace

void Session::Forward(TimePoint now) {
  if (server_ == nullptr) {
    wait_ = Wait::kLease;
    wait_since_ = now;
    return Act(Action::kLease);
  }
  if (replayed_ && request().messages.size() == 1 &&
      request().messages[0].type == frontend::kSync) {
    ForwardSync(request().messages[0]);  // that PrepareMissing has held back
    return Finish();
  }
  const bool continues = batch_open_;  // what the client has begun, or what was waited for
  if (expected_.empty()) in_doubt_ = false;
  if (PrepareSequences()) {
    wait_ = Wait::kReplay;
    return;
  }
  if (replay_owed_) SendReplay();
  if (begin_owed_) SendOwedBegin();
  if (hit_in_transaction_ && decision().plan.sets_transaction) TakeSnapshotOnServer();
  if (Replay()) {
    replay_failed_ = false;
    wait_ = Wait::kReplay;
    return;
  }
  if (replay_failed_ && server_skips_ && request().kind != Request::Kind::kExtended) {
    // What it needs could not be prepared, of which the client has been told; no Sync of its own
    // will follow.
    EndBatchOnServer();
    return Finish();
  }
  SendToServer();
  if (audit_due_ && !continues && !AuditCanWait(now) && EndsIdle()) AskAudit();
  Finish();
}

void Session::Expect(Reply kind, bool own) {
  if (server_skips_ && kind != Reply::kSync) return;  // it answers nothing but the next Sync
  expected_.push_back({.kind = kind, .own = own});
}

// Opens a batch unless one is open: everything up to the next ReadyForQuery belongs to it.
void Session::OpenBatch() {
  if (batch_open_) return;
  batch_open_ = true;
  batches_.emplace_back();
  ledger_.BeginBatch();
}

// The server keeps its answers until it is asked for them: by the end of a batch, or so.
void Session::FlushOpenBatch() {
  if (!batch_open_) return;
  server_->out.Emit([](std::string& to) { pgwire::EncodeEmpty(to, frontend::kFlush); });
}

// What has to be there before the request can be sent: the client's own names, and statements that
// the connection does not hold and of which only the server's description tells whether they may
// still be run. Everything else is prepared within the request (PrepareInPlace). Returns true if
// there is something to await.
bool Session::Replay() {
  if (server_skips_ || replayed_) return false;  // what had to make room since is prepared in place
  const size_t before = expected_.size();
  // In a failed transaction nothing can be prepared, and the server refuses the request itself.
  if (decision().plan.names_prepared && !own_names_ &&
      status_ != pgwire::TransactionStatus::kFailed) {
    AdoptNames();
  }
  // In a failed transaction what comes ahead in the request may have to be its end.
  bool names_in_doubt = false;
  if (request().kind == Request::Kind::kExtended && status_ != pgwire::TransactionStatus::kFailed) {
    const Plan& plan = decision().plan;
    const bool in_block =
        begin_unanswered_ || (status_ == pgwire::TransactionStatus::kInTransaction && Quiet());
    // And nothing that came before in its batch has written.
    const bool alone = !batch_open_ || replay_unanswered_ > 0;
    const bool only_reads = alone && plan.refusal == catalog::Refusal::kNone && !plan.writes;
    const bool may_go_whole = CanTakeBack() && (in_block || only_reads);
    if (!may_go_whole) PrepareMissing();
    names_in_doubt = own_names_ && replay_unanswered_ > 0 && !may_go_whole;
  }
  if (expected_.size() == before && !names_in_doubt) return false;
  replayed_ = true;
  FlushOpenBatch();
  return true;
}

// Whether nothing is left of what the request does if its transaction fails after all.
bool Session::CanTakeBack() const {
  const Plan& plan = decision().plan;
  bool bound = false;
  for (const Request::Message& message : request().messages) {
    // A portal of before may be of anything.
    const std::string_view body = request().body(message);
    if (message.type == frontend::kBind || message.type == frontend::kExecute) {
      if (!body.starts_with('\0')) return false;
      bound |= message.type == frontend::kBind;
      if (!bound) return false;
    }
  }
  const auto is_query = [](const sql::StatementInfo& statement) {
    return statement.kind == sql::StatementKind::kSelect || IsDml(statement.kind);
  };
  for (const auto& record : decision().records) {
    const auto& statements = record->info().statements;
    if (!std::all_of(statements.begin(), statements.end(), is_query)) return false;
    // setval stays as it is.
    if (plan.uses_sequence && std::none_of(statements.begin(), statements.end(),
                                           [](const auto& s) { return IsDml(s.kind); })) {
      return false;
    }
  }
  return !decision().unknown && plan.pin == catalog::Pin::kNone && !decision().forced;
}

// Whether a statement that is prepared again may turn out to be another than the client was told.
// Without a result it cannot: its parameters are given the types that they had.
bool Session::MayHaveChanged(const ClientStatement& statement) {
  if (statement.description.whole == 0) return false;
  const auto& statements = statement.record->info().statements;
  return statement.description.has_result || statements.size() != 1 || !IsDml(statements[0].kind);
}

void Session::PrepareMissing() {
  std::map<std::string, bool, std::less<>> parsed;
  std::vector<std::string> missing;
  for (const Request::Message& message : request().messages) {
    std::string_view name;
    const std::string_view body = request().body(message);
    if (message.type == frontend::kParse) {
      parsed[std::string(body.substr(0, body.find('\0')))] = true;
      continue;
    }
    if (message.type == frontend::kBind) {
      name = pgwire::BindNames::Decode(body)->statement;
    } else if (message.type == frontend::kDescribe && body.front() == 'S') {
      name = pgwire::Describe::Decode(body)->name;
    } else {
      continue;
    }
    if (!parsed.contains(name)) missing.emplace_back(name);
  }
  const auto has_changed = [this](const std::string& name) {
    const auto statement = FindStatement(name);
    return statement != nullptr && !statement->local() && !HoldsOnServer(name, *statement) &&
           MayHaveChanged(*statement);
  };
  if (std::none_of(missing.begin(), missing.end(), has_changed)) return;
  if (CanTakeBack() && request().rest_bytes == 0) {
    // It is sent all the same, but for the Sync, which would commit it.
    if (!request().synced) return;
    const Request::Message sync = request().messages.back();
    request().messages.pop_back();
    SendToServer();
    request().messages.assign(1, sync);
    return;
  }
  for (const std::string& name : missing) {
    const auto statement = FindStatement(name);
    if (statement == nullptr || statement->local()) continue;
    if (HoldsOnServer(name, *statement) || ReadsAlike(*statement)) PrepareInPlace(name, statement);
  }
}

// As the client was told. What was prepared there under other names, or before DDL, may be so once
// it is prepared anew.
bool Session::HoldsOnServer(std::string_view name, const ClientStatement& statement) const {
  const pool::StatementId id = statement.prepared->id;
  if (name.empty()) {
    return server_->unnamed_client == id_ && server_->unnamed_statement == id && !statement.changed;
  }
  if (own_names_) return true;
  const pool::ServerConnection::Held* held = server_->FindStatement(id);
  return held != nullptr && IsAsTold(statement, held->description);
}

// Right ahead of the message that names it, unless it is there: the server refuses it for the
// reason and at the place that it would refuse the message.
void Session::PrepareInPlace(std::string_view name,
                             const std::shared_ptr<ClientStatement>& statement) {
  if (HoldsOnServer(name, *statement)) {
    statement->changed = false;
    return server_->TouchStatement(statement->prepared->id);
  }
  ++shared_.statistics->replays;
  PrepareOnServer(name, statement);
}

// Under the names of then it must be of the same tables; under others PostgreSQL looks them up anew
// and minds the types only.
bool Session::IsAsTold(const ClientStatement& statement, const pool::Description& now) const {
  const pool::Description& told = statement.description;
  return told.whole == 0 || now.whole == 0 || told.whole == now.whole ||
         (statement.described_under != names_id_ && told.result == now.result);
}

// From here on the session's statements stand on its server connection under the client's own
// names, so that EXECUTE, DEALLOCATE and pg_prepared_statements find what the client expects, and
// only that.
void Session::AdoptNames() {
  if (DropsAllNames())
    statements_.Edit().clear();  // and be it one that cannot be prepared any more
  AddPin(catalog::Pin::kPreparedStatement);
  PutNamesOnServer();
}

void Session::PutNamesOnServer() {
  own_names_ = true;
  server_->names_of = id_;
  OpenBatch();
  const auto held = server_->statements();
  for (const auto& statement : held) {
    CloseForUs(pool::ServerName(statement.id));
    server_->DropStatement(statement.id);
  }
  for (const auto& [name, statement] : *statements_) {
    if (!statement->local() && ReadsAlike(*statement)) PrepareOnServer(name, statement);
  }
}

// Whether the request is DISCARD ALL or DEALLOCATE ALL where neither can fail.
bool Session::DropsAllNames() {
  if (status_ != pgwire::TransactionStatus::kIdle || batch_open_ || !batches_.empty() ||
      !InCacheableForm() || decision().records.size() != 1 ||
      decision().records[0]->info().statements.size() != 1) {
    return false;
  }
  const sql::StatementInfo& statement = decision().records[0]->info().statements[0];
  return statement.kind == sql::StatementKind::kDiscard
             ? statement.name == "ALL"
             : statement.kind == sql::StatementKind::kDeallocate && statement.name.empty();
}

// Parse and Describe of ours: the answers are kept from the client, an error is not.
void Session::PrepareOnServer(std::string_view name,
                              const std::shared_ptr<ClientStatement>& statement) {
  OpenBatch();
  const pool::PreparedStatement& prepared = *statement->prepared;
  const bool shared_name = !name.empty() && !own_names_;
  const std::string_view server_name = shared_name ? prepared.server_name : name;
  // It may stand there all the same: a Close of ours may have been skipped after an error.
  if (shared_name) {
    MakeRoomForStatement();
    CloseForUs(server_name);
  }
  // As PostgreSQL does when it plans again: the parameters stay what they were (plancache.c).
  const auto& types = statement->description.whole == 0 ? prepared.parameter_types
                                                        : statement->described_parameters;
  server_->out.Emit([&](std::string& to) {
    pgwire::Parse{server_name, prepared.sql, types}.Encode(to);
  });
  Expect(Reply::kParse, true);
  in_doubt_ |= MayHaveChanged(*statement);
  if (name.empty()) {
    server_->unnamed_client = id_;
    server_->unnamed_statement = prepared.id;
  } else if (shared_name) {
    server_->HoldStatement(prepared.id, {});
  }
  if (!expected_.empty()) {
    expected_.back().statement = statement;
    expected_.back().name = name;
  }
  DescribeForUs(server_name, statement);
}

// The server connection keeps so many prepared for all its clients; the least recently used goes.
void Session::MakeRoomForStatement() {
  while (server_->statements().size() >= shared_.config->max_prepared_statements) {
    const pool::StatementId oldest = server_->statements().front().id;
    CloseForUs(pool::ServerName(oldest));
    server_->DropStatement(oldest);
  }
}

void Session::DescribeForUs(std::string_view server_name,
                            const std::shared_ptr<ClientStatement>& statement) {
  server_->out.Emit([&](std::string& to) { pgwire::Describe{'S', server_name}.Encode(to); });
  Expect(Reply::kDescribeStatement, true);
  if (!expected_.empty()) expected_.back().statement = statement;
}

void Session::CloseForUs(std::string_view server_name) {
  server_->out.Emit([&](std::string& to) { pgwire::Close{'S', server_name}.Encode(to); });
  Expect(Reply::kClose, true);
}

void Session::SendToServer() {
  OpenBatch();
  NoteEffects();
  if (fill_ != nullptr) {
    batches_.back().only_reads = true;
    batches_.back().fill = std::move(fill_);
    batches_.back().verified = std::move(verified_);
    batches_.back().leading = std::exchange(leading_, false);
    batches_.back().key = decision().key;
    batches_.back().record = decision().records.back();
  }
  if (decision().forced) return SendForcedError();
  for (const Request::Message& message : request().messages) ForwardMessage(message);
}

// In place of the request: an error, and the end of the request if the client has sent one.
void Session::SendForcedError() {
  // A Query is ignored as anything else is after an error, up to the Sync.
  const bool ends = request().kind == Request::Kind::kQuery ? !server_skips_ : request().synced;
  ForceError(*decision().forced);
  if (ends) EndBatchOnServer();
}

// A Sync of ours, whose answer is the client's.
void Session::EndBatchOnServer() {
  server_->out.Emit([](std::string& to) { pgwire::EncodeEmpty(to, frontend::kSync); });
  server_skips_ = false;
  Expect(Reply::kSync);
  batch_open_ = false;
}

// The writers' half of the freshness protocol, and what the session will hold afterwards. Before
// any byte is sent.
void Session::NoteEffects() {
  if (!PlanHolds()) MakePlan();  // the catalog may have moved while the request waited
  Plan& plan = decision().plan;
  RememberBeforeUnknown();
  NoteSettings(&plan);
  if (plan.names_prepared && own_names_) ForgetStatements();
  prepares_unconfirmed_ |= plan.names_prepared && !plan.executes;
  if (fill_ != nullptr) AddReadRows();
  if (fill_ != nullptr && (plan.refusal != catalog::Refusal::kNone || !database_->usable() ||
                           !DependsOn(*fill_, plan.read_counters))) {
    DropFill();
  }
  NotePins();
  ran_unknown_ |= plan.may_change_catalog;
  if (plan.sets_isolation) isolation_known_ = false;
  if (plan.leaves_transaction) hit_in_transaction_ = false;  // of the one that AND CHAIN begins
  if (plan.changes_catalog) MarkCatalogChange();
  batches_.back().may_change_catalog |= plan.may_change_catalog;
  if (plan.writes) {
    ++shared_.statistics->writes;
    const cache::CounterIndex anything = database_->counter();
    const bool everything =
        std::binary_search(plan.written_counters.begin(), plan.written_counters.end(), anything);
    if (everything) ++shared_.statistics->writes_to_anything;
    // While the catalog is not to be relied on, a trigger or a cascade may have come that is not
    // known.
    if (!everything && !database_->usable()) {
      plan.written_counters.insert(
          std::lower_bound(plan.written_counters.begin(), plan.written_counters.end(), anything),
          anything);
    }
  }
  // Whether a transaction is open is known only while nothing is unanswered.
  const bool open_block =
      status_ == pgwire::TransactionStatus::kInTransaction && batches_.size() == 1;
  ledger_.Write(plan.written_counters, !open_block || plan.may_commit);
}

// PREPARE, EXECUTE, DEALLOCATE and DISCARD, with the client's names on the server: what they name
// is not known any more. If they fail, too much has been forgotten, and such a statement may do
// anything.
void Session::ForgetStatements() {
  for (const auto& record : decision().records) {
    for (const sql::StatementInfo& statement : record->info().statements) {
      const bool discards =
          statement.kind == sql::StatementKind::kDiscard && statement.name == "ALL";
      const bool drops = statement.kind == sql::StatementKind::kDeallocate || discards;
      const bool all = discards || statement.name.empty();
      if (drops && all) {
        statements_.Edit().clear();
      } else if (drops) {
        statements_.Edit().erase(statement.name);
      }
    }
  }
}

// DDL and grants: in every database, since roles and their grants are the cluster's.
void Session::MarkCatalogChange() {
  std::vector<cache::CounterIndex>& written = decision().plan.written_counters;
  for (const auto& database : *shared_.databases) {
    written.push_back(database->counter());
    if (std::find(changing_.begin(), changing_.end(), database.get()) != changing_.end()) continue;
    database->OnCatalogChangeBegins();
    changing_.push_back(database.get());
  }
  std::sort(written.begin(), written.end());
  written.erase(std::unique(written.begin(), written.end()), written.end());
  decision().plan.writes = true;
  Act(Action::kCatalogChanged);
}

void Session::ForwardMessage(const Request::Message& message) {
  switch (message.type) {
    case frontend::kQuery:
    case frontend::kFunctionCall:
      ForwardRaw(message);
      Expect(message.type == frontend::kQuery ? Reply::kQuery : Reply::kFunctionCall);
      FollowQuery();
      if (!server_skips_) batch_open_ = false;
      unnamed_.reset();
      server_->unnamed_client = 0;
      return;
    case frontend::kParse:
      return ForwardParse(message);
    case frontend::kBind:
      return ForwardBind(message);
    case frontend::kDescribe:
      return ForwardDescribe(message);
    case frontend::kExecute:
      return ForwardExecute(message);
    case frontend::kClose:
      return ForwardClose(message);
    case frontend::kSync:
      return ForwardSync(message);
    default:  // Flush
      return ForwardRaw(message);
  }
}

void Session::ForwardRaw(const Request::Message& message) {
  server_->out.Append(std::string_view(request().bytes).substr(message.offset, message.size));
  rest_passes_ |= request().IsPartial(message);
}

// The client's part of the statement's life is noted when it is sent, so that what follows in the
// same pipeline can refer to it, and taken back if the server refuses.
void Session::ForwardParse(const Request::Message& message) {
  if (server_skips_) return ForwardRaw(message);
  const std::string_view body = request().body(message);
  if (request().IsPartial(message)) {
    // Too long to be held. It is prepared under its own name, and the session keeps its connection.
    AddPin(catalog::Pin::kUnknown);
    if (bypass_.empty()) bypass_ = PinName(catalog::Pin::kPreparedStatement);
    if (!own_names_) AdoptNames();
    ForwardRaw(message);
    const std::string_view name = body.substr(0, body.find('\0'));
    SetStatement(name, nullptr);
    return Expect(Reply::kParse);
  }
  const auto parse = pgwire::Parse::Decode(body);
  const auto statement = FindParsed(message);
  const auto previous = FindStatement(parse->name);
  if (parse->name.empty() || own_names_) {
    ForwardRaw(message);
    if (parse->name.empty() && statement->prepared != nullptr) {
      server_->unnamed_client = id_;
      server_->unnamed_statement = statement->prepared->id;
    }
  } else {
    if (previous != nullptr) {
      // What is wrong with the text, or with the transaction, the server says first.
      server_->out.Emit([&](std::string& to) {
        pgwire::Parse{pool::kNoStatement, parse->sql, parse->parameter_types}.Encode(to);
      });
      Expect(Reply::kParse, true);
      CloseForUs(pool::kNoStatement);
      return ForceError({"42P05",
                         "prepared statement \"" + std::string(parse->name) + "\" already exists",
                         "", ""});
    }
    if (statement->local()) return;
    MakeRoomForStatement();
    // Under the shared name, and anew: what stands there may have been prepared before DDL.
    CloseForUs(statement->prepared->server_name);
    server_->out.Emit([&](std::string& to) {
      pgwire::Parse{statement->prepared->server_name, parse->sql, parse->parameter_types}.Encode(
          to);
    });
    server_->HoldStatement(statement->prepared->id, {});
  }
  Expect(Reply::kParse);
  if (!server_skips_) {
    Expected& expected = expected_.back();
    expected.name = parse->name;
    expected.statement = statement;
    expected.previous = previous;
    SetStatement(parse->name, statement);
    if (!parse->name.empty() && !own_names_) {
      DescribeForUs(statement->prepared->server_name, statement);
    }
  }
}

void Session::ForwardBind(const Request::Message& message) {
  const std::string_view body = request().body(message);
  const pgwire::BindNames names = *pgwire::BindNames::Decode(body);
  if (names.portal.empty()) phantom_portal_ = false;
  local_portal_.clear();
  const auto statement = FindStatement(names.statement);
  FollowBind(names.portal, statement, message);
  if (server_skips_) return ForwardRaw(message);
  const bool missing = statement == nullptr || statement->local();
  if (missing && !own_names_) return ForwardMissing(message, names.statement);
  if (!missing) {
    if ((replayed_ || own_names_) && statement->changed) return ForceError(pool::ChangedResult());
    // Behind the end of a failed transaction it could not be taken back, and can be prepared no
    // sooner.
    const bool too_late = status_ == pgwire::TransactionStatus::kFailed &&
                          decision().plan.ends_transaction && decision().plan.writes &&
                          MayHaveChanged(*statement);
    if (!own_names_ && too_late && !HoldsOnServer(names.statement, *statement)) {
      return ForceError(pool::ChangedResult());
    }
    if (!own_names_ && !HoldsOnServer(names.statement, *statement) && !ReadsAlike(*statement)) {
      return ForceError(pool::ChangedReading());
    }
    if (!own_names_) PrepareInPlace(names.statement, statement);
  }
  Expect(Reply::kBind);
  expected_.back().statement = statement;
  if (own_names_ || names.statement.empty()) return ForwardRaw(message);
  expected_.back().name = names.statement;
  const std::string& server_name = statement->prepared->server_name;
  const char* header = request().bytes.data() + message.offset;
  const uint32_t length = LoadBig32(header + 1);
  server_->out.Emit([&](std::string& to) {
    to.push_back(frontend::kBind);
    AppendBig32(to, static_cast<uint32_t>(length + server_name.size() - names.statement.size()));
    to.append(names.portal).push_back('\0');
    to.append(server_name).push_back('\0');
    to.append(body.substr(names.bytes));
  });
  rest_passes_ |= request().IsPartial(message);
}

void Session::ForwardDescribe(const Request::Message& message) {
  const auto describe = *pgwire::Describe::Decode(request().body(message));
  if (describe.kind == 'P') {
    if (RefersToPhantom(describe.name)) return;
    ForwardRaw(message);
    return Expect(Reply::kDescribePortal);
  }
  const auto statement = FindStatement(describe.name);
  const bool missing = statement == nullptr || statement->local();
  if (!missing && (replayed_ || own_names_) && statement->changed) {
    return ForceError(pool::ChangedResult());
  }
  if (own_names_ || server_skips_) {
    ForwardRaw(message);
  } else if (missing) {
    return ForwardMissing(message, describe.name);
  } else if (!HoldsOnServer(describe.name, *statement) && !ReadsAlike(*statement)) {
    return ForceError(pool::ChangedReading());
  } else {
    PrepareInPlace(describe.name, statement);
    const std::string_view name =
        describe.name.empty() ? describe.name : std::string_view(statement->prepared->server_name);
    server_->out.Emit([&](std::string& to) { pgwire::Describe{'S', name}.Encode(to); });
  }
  Expect(Reply::kDescribeStatement);
  if (server_skips_) return;
  expected_.back().statement = statement;
  if (!own_names_) expected_.back().name = describe.name;
}

// A Bind or Describe of a statement that the client does not have: the server does not have it
// under that name either and says so itself, unless it could take the name for one of ours.
void Session::ForwardMissing(const Request::Message& message, std::string_view name) {
  if (name.empty() || name.starts_with(pool::kServerNamePrefix)) {
    return ForceError(pool::MissingStatement(name));
  }
  ForwardRaw(message);
  Expect(message.type == frontend::kBind ? Reply::kBind : Reply::kDescribeStatement);
}

void Session::ForwardExecute(const Request::Message& message) {
  const auto execute = *pgwire::Execute::Decode(request().body(message));
  if (RefersToPhantom(execute.portal)) return;
  ForwardRaw(message);
  Expect(Reply::kExecute);
  FollowExecute(execute.portal);
}

// The unnamed portal was bound and run to its end here, from the cache; the server knows nothing of
// it, or has an older one. PostgreSQL would let it be described again; we say that it is gone.
bool Session::RefersToPhantom(std::string_view portal) {
  if (!portal.empty() || !phantom_portal_) return false;
  ForceError({"34000", "portal \"\" does not exist", "", ""});
  return true;
}

void Session::ForwardClose(const Request::Message& message) {
  const auto close = *pgwire::Close::Decode(request().body(message));
  if (close.kind == 'P' || own_names_ || close.name.empty()) {
    ForwardRaw(message);
  } else {
    // The server keeps it for the others; closing what does not exist gives the same answer.
    server_->out.Emit([](std::string& to) { pgwire::Close{'S', pool::kNoStatement}.Encode(to); });
  }
  Expect(Reply::kClose);
  if (close.kind != 'S' || server_skips_) return;
  expected_.back().name = close.name;
  expected_.back().previous = FindStatement(close.name);
  SetStatement(close.name, nullptr);
  if (close.name.empty()) server_->unnamed_client = 0;
}

void Session::ForwardSync(const Request::Message& message) {
  ForwardRaw(message);
  if (copy_in_ && copy_extended_) return;  // the server ignores it
  server_skips_ = false;
  Expect(Reply::kSync);
  batch_open_ = false;
}

// COPY data outside of a COPY is ignored by the server, and dropped here if there is no server.
void Session::ForwardCopy() {
  if (server_ == nullptr) return;
  server_->out.Append(request().bytes);
  rest_passes_ = true;
  if (!request().copy_ended) return;
  copy_in_ = false;
  if (!expected_.empty()) expected_.push_back({.kind = Reply::kCopyEnd});
}

// Makes the server raise an error at this place of the conversation, so that its transaction state
// is what the client believes; the client is told ours.
void Session::ForceError(Error error) {
  if (server_skips_) return;
  server_->out.Emit([](std::string& to) { pgwire::Describe{'S', pool::kNoStatement}.Encode(to); });
  Expect(Reply::kForcedError);
  expected_.back().error = std::make_unique<Error>(std::move(error));
}

}  // namespace pgsidecar::proxy
