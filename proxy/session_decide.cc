// What a request is, and whether the cache may answer it.

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/log.h"
#include "pgwire/frame.h"
#include "proxy/session.h"
#include "sql/time_words.h"

namespace pgsidecar::proxy {

namespace frontend = pgwire::frontend_type;

namespace {

constexpr std::string_view kOurSettings = "pgsidecar.";
// The id of catalog::kAnyNames.
constexpr uint64_t kAnyNamesId = 0;
// Types below this come with PostgreSQL (FirstNormalObjectId).
constexpr uint32_t kFirstUserOid = 16384;

// time and timetz, and arrays of them: without a date, their zone's offset is that of today.
bool HasZoneOfToday(uint32_t type) {
  return type == 1083 || type == 1183 || type == 1266 || type == 1270;
}

bool IsOurs(const sql::StatementInfo& statement) {
  if (statement.kind == sql::StatementKind::kShow) return statement.name.starts_with(kOurSettings);
  return statement.kind == sql::StatementKind::kSet &&
         std::any_of(statement.settings.begin(), statement.settings.end(),
                     [](const sql::SettingChange& change) {
                       return change.name.starts_with(kOurSettings);
                     });
}

bool IsAnsweredHere(const sql::TextInfo& info) {
  return info.parsed && info.statements.size() == 1 && IsOurs(info.statements[0]);
}

bool MixesOurs(const sql::TextInfo& info) {
  return info.statements.size() > 1 &&
         std::any_of(info.statements.begin(), info.statements.end(), IsOurs);
}

Error ConsoleTakesQueries() { return {"0A000", "the console takes simple queries only", "", ""}; }

Error OursMixed() {
  return {"0A000", "pgsidecar's own settings cannot be used together with other statements", "",
          "Send SET and SHOW of pgsidecar.* by themselves."};
}

}  // namespace

void Session::Begin(TimePoint now) {
  request_pending_ = true;
  replayed_ = false;
  replay_failed_ = false;
  rest_passes_ = false;
  joined_ = false;
  waited_for_catalog_ = false;
  if (request().kind == Request::Kind::kTerminate) {
    if (expected_.empty()) return Close();
    wait_ = Wait::kQuiet;  // the server runs what was asked of it before
    FlushOpenBatch();
    return;
  }
  if (request().kind == Request::Kind::kCopy) {
    ForwardCopy();
    return Finish();
  }
  if (skip_to_sync_) {
    if (request().kind == Request::Kind::kExtended && request().synced) {
      skip_to_sync_ = false;
      SendReady();
    }
    return Finish();
  }
  ++shared_.statistics->requests;
  if (Quiet()) {
    begun_at_ = now;
    if (!in_transaction()) transaction_at_ = now;
  }
  if (database_ != nullptr && database_->awaits_first_load()) {
    wait_ = Wait::kCatalog;
    wait_since_ = now;
    return;
  }
  Decide(now);
}

void Session::Finish() {
  request_pending_ = false;
  request().Clear();
}

// Unless the beginning of a request is in it.
void Session::PutDecisionBack() {
  if (decision_ == nullptr || request_pending_ || !request().messages.empty()) return;
  shared_.decisions->Give(std::move(decision_));
}

void Session::Decide(TimePoint now) {
  decision().Clear();
  switch (request().kind) {
    case Request::Kind::kQuery:
      if (!DecideQuery()) return;
      break;
    case Request::Kind::kExtended:
      if (!DecideExtended()) return;
      break;
    default:  // a FunctionCall names a function by OID: nothing is known of it
      if (state_ == SessionState::kConsole) return Fatal(ConsoleTakesQueries());
      decision().unknown = true;
  }
  if (state_ == SessionState::kReady) {
    if (pool_mode_ == pool::PoolMode::kStatement) RefuseBlocks();
    MakePlan();
    if (WaitForAudit() || WaitForReload(now)) return;
  }
  Continue(now);
}

// In pool_mode statement: what would begin a transaction block is not sent.
void Session::RefuseBlocks() {
  for (const auto& record : decision().records) {
    for (const sql::StatementInfo& statement : record->info().statements) {
      if (statement.kind == sql::StatementKind::kBegin) decision().forced = BlockInStatementMode();
    }
  }
}

// A statement that seems to run something unknown, while the catalog is being loaded again: it
// would tie the session to its server connection for good, perhaps only because the table is new.
bool Session::WaitForReload(TimePoint now) {
  if (std::exchange(waited_for_catalog_, true) || pin_ != catalog::Pin::kNone ||
      shared_.config->unknown_code == "audit" ||  // the pin would not be for good
      decision().plan.pin != catalog::Pin::kFunction || !database_->reloads()) {
    return false;
  }
  wait_ = Wait::kCatalog;
  wait_since_ = now;
  return true;
}

// A SELECT behind an audit: the cache may have its answer, or take it, once it is known what the
// session holds.
bool Session::WaitForAudit() {
  if (!IsOneSelect()) return false;
  // The cache is worth more than what it saves to put the audit off.
  const bool at_rest = !in_transaction() && Quiet() && !batch_open_;
  if (audit_due_ && IsUndecided() && at_rest && decision().plan.pin != catalog::Pin::kFunction) {
    AskAudit();
  }
  if (!OnlyOursUnanswered()) return false;
  wait_ = Wait::kAudit;
  return true;
}

// The request has been decided; it goes as far as it can. Called again after each wait.
void Session::Continue(TimePoint now) {
  if (request().kind == Request::Kind::kTerminate) return Close();
  if (decision().local && batch_open_) {
    // The client has to end the batch that it has begun on the server, and this has its place in
    // it.
    decision().local = false;
    decision().forced = OursMixed();
  }
  if (decision().local) {
    if (!Quiet()) {
      wait_ = Wait::kQuiet;
      return;
    }
    AnswerLocally();
    if (!decision().forced) return;
    decision().local = false;  // an error within a transaction: the server has to share it
  }
  if (decision().parses_known_name && !expected_.empty()) {
    wait_ = Wait::kQuiet;  // whether the name is taken depends on an answer that is still to come
    return FlushOpenBatch();
  }
  if (AheadUnanswered()) {
    wait_ = Wait::kAhead;
    return FlushOpenBatch();
  }
  if (!decision().cache_tried && !decision().forced) {
    if (AnswerTransaction() || TryCache(now)) return;
    decision().cache_tried = true;
  }
  Forward(now);
}

// Returns false if the request cannot be read: the client has been told.
bool Session::DecideQuery() {
  if (request().rest_bytes > 0 && state_ != SessionState::kConsole) {  // longer than is analysed
    decision().unknown = true;
    return true;
  }
  const auto query = pgwire::Query::Decode(request().body(request().messages[0]));
  if (!query.ok()) {
    Fatal(query.error());
    return false;
  }
  if (state_ == SessionState::kConsole) {
    decision().text = query->sql;
    decision().local = true;
    return true;
  }
  auto [record, literals] = database_->book.Get(query->sql);
  decision().literals.assign(literals.begin(), literals.end());
  decision().text = query->sql;
  decision().local = IsAnsweredHere(record->info());
  if (MixesOurs(record->info())) decision().forced = OursMixed();
  decision().cacheable_form = true;
  decision().records.push_back(std::move(record));
  return true;
}

std::shared_ptr<ClientStatement> Session::MakeStatement(const pgwire::Parse& parse) {
  std::shared_ptr<ClientStatement>& spare = decision().spare;
  const bool may_reuse = spare != nullptr && spare.use_count() == 1;
  auto statement = may_reuse ? std::move(spare) : std::make_shared<ClientStatement>();
  if (may_reuse) statement->Clear();
  auto [record, literals] = database_->book.Get(parse.sql);
  statement->literals.assign(literals.begin(), literals.end());
  if (IsAnsweredHere(record->info())) {
    statement->local_sql = parse.sql;
    return statement;
  }
  statement->record = std::move(record);
  statement->catalog_version = database_->catalog_version();
  statement->prepared =
      shared_.prepared->Intern(parse.sql, parse.parameter_types, Reading(parse.sql));
  return statement;
}

// The settings by which the server reads such a text, as far as they make a difference. While one
// of them is being changed it is like no other.
std::string Session::Reading(std::string_view sql) const {
  const bool has_backslash = sql.find('\\') != std::string_view::npos;
  const bool is_ascii =
      std::none_of(sql.begin(), sql.end(), [](char c) { return (c & 0x80) != 0; });
  std::string reading;
  if (!has_backslash && is_ascii) return reading;
  if (encoding_unconfirmed_) {
    return std::to_string(id_) + "/" + std::to_string(shared_.statistics->requests);
  }
  if (has_backslash) reading += told_parameters_.Find("standard_conforming_strings");
  reading += ' ';
  if (!is_ascii) reading += told_parameters_.Find("client_encoding");
  return reading;
}

bool Session::ReadsAlike(const ClientStatement& statement) const {
  const pool::PreparedStatement& prepared = *statement.prepared;
  return prepared.reading.empty() || Reading(prepared.sql) == prepared.reading;
}

// What the Parse was decided to be. REQUIRES: one of request()'s, held whole.
std::shared_ptr<ClientStatement> Session::FindParsed(const Request::Message& message) const {
  return std::find_if(decision().parsed.begin(), decision().parsed.end(),
                      [&](const auto& parse) { return parse.offset == message.offset; })
      ->statement;
}

std::shared_ptr<ClientStatement> Session::FindStatement(std::string_view name) const {
  if (name.empty()) return unnamed_;
  const auto it = statements_->find(name);
  return it == statements_->end() ? nullptr : it->second;
}

void Session::SetStatement(std::string_view name, std::shared_ptr<ClientStatement> statement) {
  if (name.empty()) {
    std::swap(unnamed_, statement);
    if (decision_ != nullptr) decision().spare = std::move(statement);
  } else if (statement == nullptr) {
    statements_.Edit().erase(std::string(name));
  } else {
    statements_.Edit()[std::string(name)] = std::move(statement);
  }
}

// Binding plans a statement and may already run functions, so a request counts as running whatever
// it binds. Returns false as DecideQuery does.
bool Session::DecideExtended() {
  if (state_ == SessionState::kConsole) {
    Fatal(ConsoleTakesQueries());
    return false;
  }
  const auto find = [&](std::string_view name) {
    const auto& parsed = decision().parsed;
    const auto it = std::find_if(parsed.rbegin(), parsed.rend(),
                                 [name](const auto& parse) { return parse.name == name; });
    return it != parsed.rend() ? it->statement : FindStatement(name);
  };
  bool local = false;
  bool remote = false;
  const auto note = [&](const ClientStatement* statement) {
    (statement != nullptr && statement->local() ? local : remote) = true;
  };
  const auto bad = [&](const Error& error) {
    Fatal(error);
    return false;
  };
  for (const Request::Message& message : request().messages) {
    const std::string_view body = request().body(message);
    switch (message.type) {
      case frontend::kParse: {
        if (request().IsPartial(message)) {
          remote = true;
          break;  // its name is read when it is forwarded; its text is not known
        }
        const auto parse = pgwire::Parse::Decode(body);
        if (!parse.ok()) return bad(parse.error());
        auto statement = MakeStatement(*parse);
        note(statement.get());
        if (statement->record && MixesOurs(statement->record->info())) remote = local = true;
        decision().parses_known_name |=
            !parse->name.empty() && FindStatement(parse->name) != nullptr;
        decision().parsed.push_back({message.offset, parse->name, std::move(statement)});
        break;
      }
      case frontend::kBind: {
        const auto names = pgwire::BindNames::Decode(body);
        if (!names) return bad({"08P01", "invalid string in message", "", ""});
        const auto statement = find(names->statement);
        note(statement.get());
        DecideRuns(statement, body);
        break;
      }
      case frontend::kDescribe: {
        const auto describe = pgwire::Describe::Decode(body);
        if (!describe.ok()) return bad(describe.error());
        if (describe->kind == 'S') note(find(describe->name).get());
        break;
      }
      case frontend::kClose: {
        const auto close = pgwire::Close::Decode(body);
        if (!close.ok()) return bad(close.error());
        if (close->kind == 'S') note(find(close->name).get());
        break;
      }
      case frontend::kExecute: {
        const auto execute = pgwire::Execute::Decode(body);
        if (!execute.ok()) return bad(execute.error());
        break;
      }
      default:
        break;
    }
  }
  if (!local && !remote && !local_portal_.empty() && request().messages.size() > 1) local = true;
  if (local && remote) decision().forced = OursMixed();
  decision().local = local && !remote;
  return true;
}

void Session::DecideRuns(const std::shared_ptr<ClientStatement>& statement, std::string_view bind) {
  if (statement == nullptr) {
    // Missing, and the server will say so; or made by PREPARE.
    decision().unknown |= own_names_ || !sql_statements_->empty();
  } else if (statement->record != nullptr) {
    decision().records.push_back(statement->record);
    decision().runs.push_back({statement, bind});
    decision().statement = statement;
  }
}

// Looked at only where it matters. REQUIRES: the request's messages are as they came.
bool Session::InCacheableForm() {
  std::optional<bool>& known = decision().cacheable_form;
  if (!known) known = request().kind == Request::Kind::kExtended && DecideCacheableForm();
  return *known;
}

// [Parse] Bind [Describe portal] Execute Sync, on the unnamed portal, without a row limit.
bool Session::DecideCacheableForm() {
  const auto& messages = request().messages;
  size_t at = 0;
  const auto next = [&](char type) {
    return at < messages.size() && messages[at].type == type ? &messages[at++] : nullptr;
  };
  if (request().rest_bytes > 0 || !request().synced || decision().records.size() != 1) return false;
  if (next(frontend::kParse) != nullptr) {
    decision().has_parse = true;
    decision().parsed_name = decision().parsed.front().name;
    if (decision().parses_known_name) return false;  // the server's error to raise
  }
  const Request::Message* bind_message = next(frontend::kBind);
  if (bind_message == nullptr) return false;
  pgwire::Bind& bind = decision().bind;
  const bool malformed = bind.DecodeFrom(request().body(*bind_message)).has_value();
  if (malformed || !bind.portal.empty()) return false;
  if (decision().has_parse && bind.statement != decision().parsed_name) return false;
  if (const Request::Message* message = next(frontend::kDescribe)) {
    const auto describe = pgwire::Describe::Decode(request().body(*message));
    if (describe->kind != 'P' || !describe->name.empty()) return false;
    decision().describes_portal = true;
  }
  const Request::Message* execute_message = next(frontend::kExecute);
  if (execute_message == nullptr) return false;
  const auto execute = pgwire::Execute::Decode(request().body(*execute_message));
  return execute->portal.empty() && execute->max_rows == 0 && next(frontend::kSync) != nullptr &&
         at == messages.size();
}

// What the request does, under the catalog of now.
void Session::MakePlan() {
  static const Plan kNothing = [] {
    Plan plan;
    plan.refusal = catalog::Refusal::kNotASelect;
    return plan;
  }();
  Plan& plan = decision().plan;
  catalog::NameContext names = Names();
  bool reads_texts = analysis_holds_ && !encoding_unconfirmed_;
  if (decision().records.empty()) plan = kNothing;
  for (size_t run = 0; run < decision().records.size(); ++run) {
    if (run == 0) {
      PlanRun(run, kNothing, &names, &reads_texts, &plan);
    } else {
      Plan one;
      PlanRun(run, plan, &names, &reads_texts, &one);
      plan.Merge(one);
    }
  }
  if (decision().unknown) plan.Merge(UnknownPlan(*database_));
  decision().plan_catalog = database_->catalog_version();
  decision().plan_names = names_id_;
  decision().plan_heard = heard_;
}

// Whether MakePlan would give the same again.
bool Session::PlanHolds() const {
  return decision().plan_catalog == database_->catalog_version() &&
         decision().plan_names == names_id_ && decision().plan_heard == heard_;
}

// `names` and `reads_texts`: how its text is read; then how what comes behind it is.
void Session::PlanRun(size_t run, const Plan& before, catalog::NameContext* names,
                      bool* reads_texts, Plan* plan) {
  const auto& record = decision().records[run];
  // libpg_query reads UTF-8; in other encodings it may fold a name as the server would not.
  if (!*reads_texts || (!utf8_ && !record->ascii())) decision().unknown = true;
  // What was prepared under other settings may mean something else than its text does now.
  if (run < decision().runs.size() && !ReadsAlike(*decision().runs[run].statement)) {
    decision().unknown = true;
  }
  *plan = record->PlanFor(*database_, *names, names->any_schema ? kAnyNamesId : names_id_);
  if (plan->sets_names || plan->names_unknown || plan->ends_transaction) {
    *names = catalog::kAnyNames;
  }
  if (plan->sets_encoding && ChangesSettings(*plan)) *reads_texts = false;
  if (plan->executes) {
    plan->Merge(PlanOfPrepared(FindExecuted(*record), *database_, *names));
    plan->refusal = catalog::Refusal::kNotASelect;
  }
  if (!ran_unknown_ && record->info().IsSingle(sql::StatementKind::kFetch)) plan->ClearWrites();
  AddWrittenRows(run, before, plan);
}

// Past this many counters a transaction's writes are told apart by relation only.
constexpr size_t kMaxWrittenCounters = 1024;

// `before` is the plan of the runs before this one.
void Session::AddWrittenRows(size_t run, const Plan& before, Plan* plan) const {
  if (plan->rows == nullptr || plan->rows->writes.empty()) return;
  if (ledger_.written() + before.written_counters.size() > kMaxWrittenCounters) {
    return plan->AddWriteCounters(*database_, nullptr);
  }
  if (run >= decision().runs.size()) {  // a simple query
    const RunValues values = ValuesOfQuery();
    return plan->AddWriteCounters(*database_, &values);
  }
  const auto bind = pgwire::Bind::Decode(decision().runs[run].bind);
  if (!bind.ok()) return plan->AddWriteCounters(*database_, nullptr);
  const RunValues values = ValuesOf(*bind, *decision().runs[run].statement);
  plan->AddWriteCounters(*database_, &values);
}

// REQUIRES: the request is in a cacheable form.
void Session::AddReadRows() {
  if (decision().plan.rows == nullptr) return;
  const bool extended = request().kind == Request::Kind::kExtended;
  decision().plan.AddReadCounters(
      *database_, extended ? ValuesOf(decision().bind, *decision().statement) : ValuesOfQuery());
}

RunValues Session::ValuesOfQuery() const {
  RunValues values;
  values.literals = {decision().text, decision().literals};
  values.utf8 = utf8_;
  return values;
}

RunValues Session::ValuesOf(const pgwire::Bind& bind, const ClientStatement& statement) const {
  return {.literals = {statement.prepared->sql, statement.literals},
          .bind = &bind,
          .parameter_types = statement.prepared->parameter_types,
          .types_inferred = statement.catalog_version == database_->catalog_version(),
          .utf8 = utf8_};
}

bool Session::HasTimeWord() const {
  return std::any_of(decision().bind.values.begin(), decision().bind.values.end(),
                     [](const auto& value) { return value && sql::ContainsTimeWord(*value); });
}

bool Session::IsOneSelect() const {
  return decision().plan.refusal != catalog::Refusal::kNotASelect &&
         decision().plan.refusal != catalog::Refusal::kMultipleStatements;
}

// Whether what is unanswered are reads outside of a transaction, of which answers may be kept. They
// leave the session as it is, so that the answer to what is asked behind them may be kept, too;
// only it cannot come from here, before theirs. Each that may be kept takes memory from now on.
bool Session::IsBehindReads() const {
  constexpr size_t kMostReads = 64;
  return !Quiet() && batches_.size() < kMostReads && status_ == pgwire::TransactionStatus::kIdle &&
         !begin_owed_ && !audit_due_ &&
         std::ranges::all_of(batches_, [](const Batch& batch) { return batch.only_reads; });
}

// Why neither a hit nor a fill may be; empty if a fill may, and a hit unless something is
// unanswered. A constant.
std::string_view Session::CacheRefusal() {
  using catalog::Refusal;
  if (ceiling_ == CacheMode::kOff || own_settings_->now().cache == CacheMode::kOff)
    return "cache_off";
  if (!bypass_.empty()) return bypass_;
  if (temporary_objects_) return PinName(catalog::Pin::kTemporaryObject);
  // A name that is unknown to a catalog that is being loaded again may not be unknown for long.
  if (IsOneSelect() && !database_->usable()) return RefusalName(Refusal::kCatalogNotLoaded);
  if (decision().plan.refusal != Refusal::kNone) return RefusalName(decision().plan.refusal);
  if (!InCacheableForm()) return "protocol_form";
  // The server has to hold what the client names there itself; a hit would prepare nothing.
  if (own_names_ && decision().has_parse && !decision().parsed_name.empty()) return "protocol_form";
  if (batch_open_ || !(Quiet() || IsBehindReads())) return "in_pipeline";
  if (status_ == pgwire::TransactionStatus::kFailed) return "failed_transaction";
  if (!isolation_known_) return "isolation_level";
  if (!environment_) return "settings_unknown";
  if (!environment_->uncacheable_because.empty()) return "session_settings";
  if (HasTimeWord()) return "time_word_in_parameter";
  if (decision().statement != nullptr &&
      std::any_of(decision().statement->prepared->parameter_types.begin(),
                  decision().statement->prepared->parameter_types.end(),
                  [](uint32_t type) { return type >= kFirstUserOid || HasZoneOfToday(type); })) {
    return RefusalName(Refusal::kUnknownType);
  }
  return {};
}

// How the cache treats the request. REQUIRES: CacheRefusal has nothing against it.
CachePolicy Session::Policy() {
  const catalog::NameContext names = Names();
  const StatementPolicy& statement = decision().records[0]->PolicyFor(
      *shared_.config, *database_, names, names.any_schema ? kAnyNamesId : names_id_, *identity_,
      identity_id_);
  if (statement.rule_index) ++shared_.statistics->rule_matches[*statement.rule_index];
  return PolicyOf(*shared_.config, statement, ceiling_, own_settings_->now());
}

void Session::MakeKey() {
  cache::KeyFields fields;
  fields.database = database_->id();
  fields.session = session_key_;
  fields.sql = decision().text;
  if (request().kind == Request::Kind::kExtended) {
    fields.flavor = cache::Flavor::kExtended;
    fields.sql = decision().statement->prepared->sql;
    fields.parameter_types = decision().statement->prepared->parameter_types;
    fields.parameter_formats = decision().bind.parameter_formats;
    fields.parameters = decision().bind.values;
    fields.result_formats = decision().bind.result_formats;
  }
  decision().key = cache::MakeKey(fields, decision().key_scratch);
}

// `reason` is a constant. `counts` of the statement, if it is one.
void Session::NoteBypass(std::string_view reason, CallCounts* counts) {
  ++shared_.statistics->bypasses;
  ++shared_.statistics->bypasses_by_reason[reason];
  SetLast(reason, true);
  if (counts == nullptr) return;
  ++counts->calls;
  ++counts->bypasses;
  counts->last_bypass = reason;
}

// Returns true if the request is done or waits; else it is to be forwarded, with fill_ set if its
// result may be stored.
bool Session::TryCache(TimePoint now) {
  if (decision().records.empty()) {  // Parse, Describe, Close alone; or something not understood
    if (decision().unknown) NoteBypass(RefusalName(catalog::Refusal::kNotUnderstood), nullptr);
    return false;
  }
  CallCounts& counts = decision().records.back()->counts;
  std::string_view refusal = CacheRefusal();
  CachePolicy policy;
  if (refusal.empty()) {
    policy = Policy();
    counts.cache_class = policy.cache_class;
    refusal = policy.off_because;
  }
  if (!refusal.empty()) {
    NoteBypass(refusal, &counts);
    return false;
  }
  MakeKey();
  cache::LookupOutcome outcome = cache::LookupOutcome::kAbsent;
  const auto entry = shared_.store->Lookup(decision().key, now, policy.read, &outcome);
  const bool whole = entry && !(entry->row_description().empty() &&
                                (decision().describes_portal || !decision().statement));
  if (whole && Quiet() && !ledger_.HasWritten(entry->stamps())) {
    ++counts.calls;
    if (policy.mode != CacheMode::kOn) {
      WouldHit(entry, policy, now);
      return false;
    }
    ++shared_.statistics->hits;
    ++shared_.statistics->hits_by_class[entry->group()];
    shared_.statistics->server_time_saved += entry->server_time();
    ++counts.hits;
    counts.server_time_saved += entry->server_time();
    SetLast("hit", false);
    SendHit(entry);
    Finish();
    return true;
  }
  const bool may_fill = ledger_.empty();
  AddReadRows();
  if (auto stamps = shared_.versions->Capture(decision().plan.read_counters); stamps && may_fill) {
    const size_t copied = shared_.sizes->CopyLimit(decision().key, policy.max_entry_bytes);
    // Only outside a transaction: a session that holds locks must not wait for another; nor what is
    // behind others in a pipeline.
    // Where nothing is served there is nothing to wait for.
    if (!joined_ && copied > 0 && Quiet() && status_ == pgwire::TransactionStatus::kIdle &&
        policy.mode == CacheMode::kOn) {
      joined_ = true;
      switch (shared_.flights->Join(decision().key, *stamps, id_)) {
        case cache::SingleFlight::Role::kFollower:
          ++shared_.statistics->flights_followed;
          wait_ = Wait::kFlight;
          wait_since_ = now;
          return true;
        case cache::SingleFlight::Role::kLeader:
          leading_ = true;
          break;
        case cache::SingleFlight::Role::kAlone:
          break;
      }
    }
    fill_ = std::make_unique<cache::Fill>(decision().key, *stamps, now, policy.max_entry_bytes,
                                          policy.read, static_cast<uint8_t>(policy.cache_class));
    fill_->CopyOnly(copied);
  }
  ++shared_.statistics->misses;
  ++counts.calls;
  ++counts.misses;
  if (outcome == cache::LookupOutcome::kInvalidated) ++counts.invalidated;
  if (outcome == cache::LookupOutcome::kExpired) ++counts.expired;
  if (may_fill) {
    SetLast("miss", false);
  } else {
    SetLast("own_write", true);
  }
  return false;
}

void Session::SendHit(const cache::EntryRef& entry) {
  hit_in_transaction_ |= in_transaction();
  const bool extended = request().kind == Request::Kind::kExtended;
  if (extended) {
    client_out.Emit([&](std::string& to) {
      if (decision().has_parse) pgwire::EncodeEmpty(to, pgwire::backend_type::kParseComplete);
      pgwire::EncodeEmpty(to, pgwire::backend_type::kBindComplete);
    });
    if (decision().has_parse) SetStatement(decision().parsed_name, decision().statement);
    phantom_portal_ = in_transaction();
  } else {
    unnamed_.reset();
  }
  const bool describes = !extended || decision().describes_portal;
  client_out.AppendShared(entry, describes ? entry->messages() : entry->rows_and_complete());
  SendReady();
}

// The fill that was meant for the request is not to be.
void Session::DropFill() {
  fill_.reset();
  SkipVerify(verified_);
  if (!std::exchange(leading_, false)) return;
  for (const cache::WaiterId waiter : shared_.flights->Land(decision().key))
    woken_.push_back(waiter);
  if (!woken_.empty()) Act(Action::kWakeWaiters);
}

}  // namespace pgsidecar::proxy
