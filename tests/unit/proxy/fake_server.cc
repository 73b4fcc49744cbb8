#include "tests/unit/proxy/fake_server.h"

#include <algorithm>
#include <cstdlib>
#include <regex>
#include <set>

#include "catalog/catalog.h"
#include "pgwire/backend.h"
#include "pgwire/frame.h"
#include "pgwire/frontend.h"
#include "tests/unit/catalog/sample.h"

namespace pgsidecar::proxy {
namespace {

using namespace pgwire;  // NOLINT

namespace frontend = frontend_type;
namespace backend = backend_type;

constexpr uint32_t kInt4 = 23;

// Whether it has nothing to do with what this server understands: int4, and opaque().
bool IsSpare(size_t set, catalog::Row row) {
  constexpr size_t kTypes = 6;
  constexpr size_t kFunctions = 8;
  constexpr size_t kOperators = 10;
  static const std::set<std::string_view> kTypesKept = {"bool", "int4", "text", "bpchar",
                                                        "unknown"};
  switch (set) {
    case kTypes:
      return !kTypesKept.contains(*row[1]);
    case kFunctions:
      return !row[1]->starts_with("int4") && row[1] != "opaque";
    case kOperators:
      return !(row[2] == "11" && row[3] == "23" && row[4] == "23");
    default:
      return false;
  }
}

// The answer to a catalog load, without its ReadyForQuery.
std::string MakeLoadAnswer(bool small) {
  std::vector<std::string> sets(32);
  size_t count = 0;
  catalog::ForEachSampleRow([&](size_t set, catalog::Row row) {
    if (!small || !IsSpare(set, row)) DataRow{{row.begin(), row.end()}}.Encode(sets.at(set));
    count = std::max(count, set + 1);
  });
  std::string all;
  for (size_t set = 0; set < count; ++set) {
    RowDescription{}.Encode(all);
    all += sets[set];
    CommandComplete{"SELECT 0"}.Encode(all);
  }
  return all;
}

const std::string& LoadAnswer(bool small) {
  static const std::string whole = MakeLoadAnswer(false);
  static const std::string reduced = MakeLoadAnswer(true);
  return small ? reduced : whole;
}

int ToInt(const std::string& text, const std::vector<std::string>& parameters) {
  if (text.front() != '$') return std::stoi(text);
  return std::stoi(parameters.at(std::stoul(text.substr(1)) - 1));
}

const std::regex& SelectForm() {
  static const std::regex form(R"(SELECT bbalance FROM branches WHERE bid = (\$?\d+))");
  return form;
}

const std::regex& UpdateForm() {
  static const std::regex form(R"(UPDATE branches SET bbalance = (\$?\d+) WHERE bid = (\$?\d+))");
  return form;
}

const std::regex& TransactionForm() {
  static const std::regex form(
      "BEGIN( ISOLATION LEVEL (REPEATABLE READ|READ COMMITTED))?|COMMIT|ROLLBACK|SAVEPOINT s|"
      "ROLLBACK TO SAVEPOINT s|PREPARE TRANSACTION 'p'|COMMIT PREPARED 'p'");
  return form;
}

constexpr std::string_view kSetIsolation = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ";
constexpr std::string_view kSetTenant = "SET LOCAL app.tenant = '";
constexpr std::string_view kSetSessionTenant = "SET app.tenant = '";
constexpr std::string_view kReplayTenant = "SELECT pg_catalog.set_config(E'app.tenant', ";
constexpr uint32_t kPreparedOwner = 0;  // of locks: no backend

bool ReturnsRows(const std::string& sql) { return sql.starts_with("SELECT"); }

}  // namespace

FakeDatabase::FakeDatabase() {
  for (int id = 1; id <= 4; ++id) {
    balances[id] = 0;
    history[id] = {0};
  }
}

int FakeDatabase::IndexOf(int id, int value) const {
  const std::vector<int>& values = history.at(id);
  const auto it = std::find(values.begin(), values.end(), value);
  return it == values.end() ? -1 : static_cast<int>(it - values.begin());
}

FakeBackend::FakeBackend(FakeDatabase* database) : database_(database), pid_(++database->last_pid) {
  database_->alive.insert(pid_);
}

FakeBackend::~FakeBackend() { Die(); }

void FakeBackend::Die() {
  if (std::exchange(dead_, true)) return;
  RollBack();
  database_->alive.erase(pid_);
}

void FakeBackend::Cancel() {
  const std::string next = NextMessage();
  if (!next.empty() && (next.front() == frontend::kQuery || next.front() == frontend::kExecute)) {
    cancelled_ = true;
  }
}

std::string FakeBackend::NextMessage() const {
  FrameHeader header;
  Error error;
  if (!logged_in_ || ReadFrontendHeader(inbox_, &header, &error) != FrameStatus::kMessage ||
      inbox_.size() < kHeaderBytes + header.body_bytes) {
    return "";
  }
  std::string text(1, header.type);
  if (header.type == frontend::kQuery) {
    text += " " + inbox_.substr(kHeaderBytes, header.body_bytes - 1);
  } else if (header.type == frontend::kExecute) {
    const auto portal = portals_.find(inbox_.c_str() + kHeaderBytes);
    if (portal != portals_.end()) text += " " + portal->second.sql;
  }
  return text;
}

bool FakeBackend::Step() {
  if (dead_) return false;
  if (!logged_in_) {
    uint32_t total = 0;
    Error error;
    if (ReadStartupLength(inbox_, &total, &error) == FrameStatus::kMessage &&
        inbox_.size() >= total) {
      Login(inbox_.substr(0, total));
      inbox_.erase(0, total);
      return true;
    }
  } else {
    FrameHeader header;
    Error error;
    const FrameStatus status = ReadFrontendHeader(inbox_, &header, &error);
    if (status == FrameStatus::kError) {
      Fail("08P01", "FATAL: the proxy broke the protocol");
      Flush();
      Die();
      return true;
    }
    const size_t total = kHeaderBytes + header.body_bytes;
    if (status == FrameStatus::kMessage && inbox_.size() >= total) {
      ++database_->handled;
      const std::string message = inbox_.substr(0, total);
      inbox_.erase(0, total);
      Handle(header.type, std::string_view(message).substr(kHeaderBytes));
      cancelled_ = false;  // what it was meant for is over
      return true;
    }
  }
  if (!disconnected_) return false;
  Die();
  return true;
}

void FakeBackend::Login(std::string_view) {
  logged_in_ = true;
  Authentication{}.Encode(unflushed_);
  ParameterStatus{"server_version", "15.0"}.Encode(unflushed_);
  ParameterStatus{"server_encoding", "UTF8"}.Encode(unflushed_);
  ParameterStatus{"client_encoding", "UTF8"}.Encode(unflushed_);
  ParameterStatus{"standard_conforming_strings", "on"}.Encode(unflushed_);
  BackendKeyData{pid_, cancel_key()}.Encode(unflushed_);
  Ready();
}

void FakeBackend::Empty(char type) { EndMessage(unflushed_, BeginMessage(unflushed_, type)); }

void FakeBackend::Flush() {
  if (!disconnected_) out += unflushed_;
  unflushed_.clear();
}

void FakeBackend::Ready() {
  ReadyForQuery{static_cast<TransactionStatus>(status_)}.Encode(unflushed_);
  Flush();
}

void FakeBackend::Complete(std::string_view tag) { CommandComplete{tag}.Encode(unflushed_); }

void FakeBackend::Row(const std::vector<std::string>& values) {
  DataRow{{values.begin(), values.end()}}.Encode(unflushed_);
}

void FakeBackend::Fail(const std::string& sqlstate, const std::string& message) {
  const std::string severity = message.starts_with("FATAL") ? "FATAL" : "ERROR";
  EncodeError(unflushed_, severity, {sqlstate, message, "", ""});
}

void FakeBackend::Commit() {
  for (const auto& [id, value] : written_) {
    database_->balances[id] = value;
    database_->history[id].push_back(value);
  }
  if (std::exchange(changed_catalog_, false)) ++database_->catalog_changes;
  tenant_before_.reset();
  RollBack();
}

// What the transaction has written is dropped: after a commit it stands in the database.
void FakeBackend::RollBack() {
  for (const auto& [id, value] : written_) database_->locks.erase(id);
  written_.clear();
  portals_.clear();
  changed_catalog_ = false;
  savepoint_.reset();
  snapshot_.reset();
  repeatable_ = queried_ = false;
  tenant_ = 0;
  session_tenant_ = std::exchange(tenant_before_, std::nullopt).value_or(session_tenant_);
}

void FakeBackend::SetTenant(int tenant) {
  if (!tenant_before_) tenant_before_ = session_tenant_;
  session_tenant_ = tenant;
}

std::optional<int> FakeBackend::Balance(int id) {
  if (id == kTenantRow && tenant_ != 0) id = tenant_;
  if (id == kTenantRow && session_tenant_ != 0) id = session_tenant_;
  if (const auto own = written_.find(id); own != written_.end()) return own->second;
  if (repeatable_ && !snapshot_) snapshot_ = database_->balances;
  const std::map<int, int>& balances = snapshot_ ? *snapshot_ : database_->balances;
  const auto row = balances.find(id);
  return row == balances.end() ? std::nullopt : std::optional(row->second);
}

FakeBackend::Outcome FakeBackend::Update(int id, int value) {
  if (!database_->balances.contains(id)) return {"UPDATE 0", {}, ""};
  const auto lock = database_->locks.find(id);
  if (lock != database_->locks.end() && lock->second != pid_) {
    return {"", {}, "55P03", "could not obtain lock on row"};
  }
  if (snapshot_ && !written_.contains(id) && snapshot_->at(id) != database_->balances[id]) {
    return {"", {}, "40001", "could not serialize access due to concurrent update"};
  }
  if (repeatable_ && !snapshot_) snapshot_ = database_->balances;
  database_->locks[id] = pid_;
  written_[id] = value;
  return {"UPDATE 1", {}, ""};
}

// What a Parse would say.
FakeBackend::Outcome FakeBackend::Check(const std::string& sql) const {
  const bool ends = sql == "COMMIT" || sql == "ROLLBACK" || sql.starts_with("ROLLBACK TO") ||
                    sql.starts_with("PREPARE TRANSACTION");
  if (status_ == 'E' && !ends) return {"", {}, "25P02", "current transaction is aborted"};
  std::smatch match;
  if (sql == "SELECT x FROM gone" && !database_->gone_exists) {
    return {"", {}, "42P01", "relation \"gone\" does not exist"};
  }
  const bool known =
      sql == "DISCARD ALL" || sql == "DEALLOCATE ALL" ||
      sql.starts_with("SELECT pg_catalog.set_config(") || sql == "DISCARD SEQUENCES" ||
      sql == "DISCARD TEMP" || sql.starts_with("SET ") || sql == "SELECT WHERE false" ||
      sql.starts_with("CREATE TABLE") || sql == "CREATE TEMP TABLE x (a int)" ||
      sql == "SELECT x FROM gone" || std::regex_match(sql, match, TransactionForm()) ||
      sql == "SELECT opaque(1)" || sql == "COPY branches FROM STDIN" ||
      std::regex_match(sql, match, SelectForm()) || std::regex_match(sql, match, UpdateForm());
  if (!known) return {"", {}, "42601", "syntax error"};
  return {"", {}, ""};
}

FakeBackend::Outcome FakeBackend::Run(const std::string& sql,
                                      const std::vector<std::string>& parameters) {
  ++database_->executed;
  if (Outcome outcome = Check(sql); !outcome.sqlstate.empty()) return outcome;
  if (std::exchange(cancelled_, false)) {
    return {"", {}, "57014", "canceling statement due to user request"};
  }
  std::smatch match;
  queried_ |= sql.starts_with("SELECT");
  if (std::regex_match(sql, match, SelectForm())) {
    const auto balance = Balance(ToInt(match[1], parameters));
    if (!balance) return {"SELECT 0", {}, ""};
    return {"SELECT 1", std::to_string(*balance), ""};
  }
  if (std::regex_match(sql, match, UpdateForm())) {
    return Update(ToInt(match[2], parameters), ToInt(match[1], parameters));
  }
  if (std::regex_match(sql, match, TransactionForm())) return Transact(sql);
  if (sql.starts_with("CREATE TABLE")) {
    changed_catalog_ = true;
    return {"CREATE TABLE", {}, ""};
  }
  if (sql.starts_with("CREATE TEMP TABLE")) {
    temporary_ = true;
    return {"CREATE TABLE", {}, ""};
  }
  if (sql == "DISCARD ALL") {
    statements_.clear();
    temporary_ = false;
    return {"DISCARD ALL", {}, ""};
  }
  if (sql == "DISCARD TEMP") temporary_ = false;
  if (sql == "DISCARD SEQUENCES" || sql == "DISCARD TEMP") return {sql, {}, ""};
  if (sql == kSetIsolation && status_ == 'T') {
    if (queried_) return {"", {}, "25001", "must be called before any query"};
    repeatable_ = true;
  }
  if (sql.starts_with(kSetTenant) && status_ == 'T') {
    tenant_ = std::stoi(sql.substr(kSetTenant.size()));
  }
  if (sql.starts_with(kSetSessionTenant))
    SetTenant(std::stoi(sql.substr(kSetSessionTenant.size())));
  if (sql.starts_with(kReplayTenant)) {
    const std::string value = sql.substr(kReplayTenant.size());
    SetTenant(value.starts_with("E'") ? std::stoi(value.substr(2)) : 0);
  }
  if (sql == "DEALLOCATE ALL") {
    std::erase_if(statements_, [](const auto& statement) { return !statement.first.empty(); });
    return {sql, {}, ""};
  }
  if (sql.starts_with("SET ")) return {"SET", {}, ""};
  if (sql == "SELECT opaque(1)") left_by_code_ += database_->code_leaves;
  if (sql == "SELECT WHERE false") return {"SELECT 0", {}, ""};
  return {"SELECT 1", "1", ""};
}

FakeBackend::Outcome FakeBackend::Transact(const std::string& sql) {
  if (sql.starts_with("BEGIN")) {
    if (status_ == 'I') repeatable_ = sql.ends_with("REPEATABLE READ");
    status_ = 'T';
    return {"BEGIN", {}, ""};
  }
  if (sql == "SAVEPOINT s") {
    if (status_ == 'I')
      return {"", {}, "25P01", "SAVEPOINT can only be used in transaction blocks"};
    savepoint_ = written_;
    return {"SAVEPOINT", {}, ""};
  }
  if (sql == "ROLLBACK TO SAVEPOINT s") {
    if (!savepoint_) return {"", {}, "3B001", "savepoint does not exist"};
    for (const auto& [id, value] : written_) {
      if (!savepoint_->contains(id)) database_->locks.erase(id);
    }
    written_ = *savepoint_;
    status_ = 'T';
    return {"ROLLBACK", {}, ""};
  }
  if (sql == "COMMIT PREPARED 'p'") {
    if (status_ != 'I') return {"", {}, "25001", "cannot run inside a transaction block"};
    const auto prepared = database_->prepared.find("p");
    if (prepared == database_->prepared.end()) {
      return {"", {}, "42704", "prepared transaction does not exist"};
    }
    written_ = std::move(prepared->second);
    database_->prepared.erase(prepared);
    Commit();
    return {"COMMIT PREPARED", {}, ""};
  }
  const bool fails = status_ == 'E';
  const bool open = status_ != 'I';
  status_ = 'I';
  if (sql == "PREPARE TRANSACTION 'p'" && open && !fails) {
    for (const auto& [id, value] : written_) database_->locks[id] = kPreparedOwner;
    database_->prepared["p"] = std::exchange(written_, {});
    RollBack();
    return {"PREPARE TRANSACTION", {}, ""};
  }
  const bool commits = sql == "COMMIT" && !fails;
  commits ? Commit() : RollBack();
  return {commits ? "COMMIT" : "ROLLBACK", {}, ""};
}

void FakeBackend::Handle(char type, std::string_view body) {
  if (type == frontend::kSync) skips_ = copying_ == Copying::kNo ? false : skips_;
  if (skips_ && type != frontend::kTerminate) return;
  if (copying_ != Copying::kNo && type != frontend::kTerminate) return HandleCopy(type, body);
  switch (type) {
    case frontend::kQuery:
      return HandleQuery(Query::Decode(body)->sql);
    case frontend::kParse:
      return HandleParse(body);
    case frontend::kBind:
      return HandleBind(body);
    case frontend::kDescribe:
      return HandleDescribe(body);
    case frontend::kExecute:
      return HandleExecute(body);
    case frontend::kClose: {
      const auto close = Close::Decode(body);
      const std::string name(close->name);
      close->kind == 'S' ? statements_.erase(name) : portals_.erase(name);
      return Empty(backend::kCloseComplete);
    }
    case frontend::kFlush:
      return Flush();
    case frontend::kSync:
      if (status_ == 'I') Commit();
      return Ready();
    case frontend::kTerminate:
      return Die();
    default:  // COPY data outside of a COPY
      return;
  }
}

void FakeBackend::HandleQuery(std::string_view sql) {
  statements_.erase("");
  if (HandleOwnQuery(sql)) return Ready();
  const std::string text(sql);
  const Outcome outcome = Run(text, {});
  if (text == "COPY branches FROM STDIN" && outcome.sqlstate.empty()) {
    copying_ = Copying::kSimple;
    std::string response(3, '\0');
    const size_t begin = BeginMessage(unflushed_, backend::kCopyInResponse);
    unflushed_ += response;
    EndMessage(unflushed_, begin);
    return Flush();
  }
  if (outcome.value) Describe(text);
  Finish(outcome);
  Ready();
}

// The end of a simple Query.
void FakeBackend::Finish(const Outcome& outcome) {
  if (!outcome.sqlstate.empty()) {
    Fail(outcome.sqlstate, outcome.message);
    if (status_ == 'T') status_ = 'E';
    if (status_ == 'I') RollBack();
    return;
  }
  if (outcome.value) Row({*outcome.value});
  Complete(outcome.tag);
  if (status_ == 'I') Commit();
}

bool FakeBackend::HandleOwnQuery(std::string_view sql) {
  if (sql == ";") {
    Empty(backend::kEmptyQueryResponse);
    return true;
  }
  const std::string& poll = catalog::PollQuery({});
  const std::string_view poll_start = std::string_view(poll).substr(0, 200);
  if (sql == catalog::LoadQuery()) {
    ++database_->loads;
    unflushed_ += LoadAnswer(database_->small_catalog);
    return true;
  }
  if (sql == catalog::ProbeQuery()) {
    RowDescription{}.Encode(unflushed_);
    Row({"client_encoding", "UTF8", ""});
    Row({"default_transaction_isolation", "read committed", ""});
    Row({"row_security", "on", ""});
    Row({"search_path", "public", ""});
    Row({"session_replication_role", "origin", ""});
    Row({"standard_conforming_strings", "on", ""});
    RowDescription{}.Encode(unflushed_);
    Row({"", "app", "app", database_->conf_load_time, "5", "f"});
  } else if (sql.starts_with(poll_start)) {
    RowDescription{}.Encode(unflushed_);
    // As the query does: of the pids that it asks for.
    std::string alive;
    for (const uint32_t pid : database_->alive) {
      const std::string text = std::to_string(pid);
      const size_t at = sql.rfind(text);
      if (at == std::string_view::npos || at < sql.rfind("'{")) continue;
      alive += (alive.empty() ? "" : ",") + text;
    }
    Row({std::to_string(database_->catalog_changes), database_->conf_load_time,
         database_->start_time, "7", database_->timeline, "f", "5", "150000", "{" + alive + "}"});
  } else if (sql == catalog::AuditQuery()) {
    RowDescription{}.Encode(unflushed_);
    Row({temporary_ ? "t" : "f", "f", "f", "f", ""});
  } else if (sql == catalog::CodeAuditQuery()) {
    RowDescription{}.Encode(unflushed_);
    const size_t named = statements_.size() - statements_.count("");
    Row({temporary_ ? "t" : "f", "f", "f", "f", "", "f", std::to_string(named),
         "app|app|none|" + left_by_code_});
  } else if (sql.starts_with("SELECT pg_catalog.set_config(")) {
    Run(std::string(sql), {});
    Commit();
    RowDescription{}.Encode(unflushed_);
    Row({""});
  } else if (sql == "DEALLOCATE ALL") {
    statements_.clear();
  } else {
    return false;
  }
  Complete("SELECT 1");
  return true;
}

void FakeBackend::Describe(const std::string& sql) {
  if (!ReturnsRows(sql)) return Empty(backend::kNoData);
  RowDescription description;
  description.fields.push_back({.name = "bbalance", .type = kInt4, .type_bytes = 4});
  description.Encode(unflushed_);
}

void FakeBackend::FinishExtended(const Outcome& outcome) {
  if (!outcome.sqlstate.empty()) {
    Fail(outcome.sqlstate, outcome.message);
    skips_ = true;
    if (status_ == 'T') status_ = 'E';
    if (status_ == 'I') RollBack();
    return Flush();
  }
  if (outcome.value) Row({*outcome.value});
  Complete(outcome.tag);
}

void FakeBackend::HandleParse(std::string_view body) {
  const auto parse = Parse::Decode(body);
  const std::string name(parse->name);
  if (name.empty()) statements_.erase(name);
  if (statements_.contains(name)) {
    return FinishExtended({"", {}, "42P05", "prepared statement already exists"});
  }
  const Outcome outcome = Check(std::string(parse->sql));
  if (!outcome.sqlstate.empty()) return FinishExtended(outcome);
  statements_[name] = parse->sql;
  Empty(backend::kParseComplete);
}

void FakeBackend::HandleBind(std::string_view body) {
  const auto bind = Bind::Decode(body);
  const auto statement = statements_.find(std::string(bind->statement));
  if (statement == statements_.end()) {
    return FinishExtended({"", {}, "26000", "prepared statement does not exist"});
  }
  if (const Outcome outcome = Check(statement->second); !outcome.sqlstate.empty()) {
    return FinishExtended(outcome);
  }
  Portal portal{statement->second, {}};
  for (const auto& value : bind->values) portal.parameters.emplace_back(value.value_or("0"));
  portals_[std::string(bind->portal)] = std::move(portal);
  Empty(backend::kBindComplete);
}

void FakeBackend::HandleDescribe(std::string_view body) {
  const auto describe = pgwire::Describe::Decode(body);
  const std::string name(describe->name);
  if (describe->kind == 'S') {
    const auto statement = statements_.find(name);
    if (statement == statements_.end()) {
      return FinishExtended({"", {}, "26000", "prepared statement does not exist"});
    }
    const auto count = std::count(statement->second.begin(), statement->second.end(), '$');
    ParameterDescription{std::vector<uint32_t>(static_cast<size_t>(count), kInt4)}.Encode(
        unflushed_);
    return Describe(statement->second);
  }
  const auto portal = portals_.find(name);
  if (portal == portals_.end()) {
    return FinishExtended({"", {}, "34000", "portal does not exist"});
  }
  Describe(portal->second.sql);
}

void FakeBackend::HandleExecute(std::string_view body) {
  const auto execute = Execute::Decode(body);
  const auto found = portals_.find(std::string(execute->portal));
  if (found == portals_.end()) {
    return FinishExtended({"", {}, "34000", "portal does not exist"});
  }
  const Portal portal = found->second;
  const Outcome outcome = Run(portal.sql, portal.parameters);
  if (portal.sql == "COPY branches FROM STDIN" && outcome.sqlstate.empty()) {
    copying_ = Copying::kExtended;
    const size_t begin = BeginMessage(unflushed_, backend::kCopyInResponse);
    unflushed_.append(3, '\0');
    EndMessage(unflushed_, begin);
    return Flush();
  }
  FinishExtended(outcome);
}

// Lines of "bid<tab>bbalance". Sync and Flush are ignored.
void FakeBackend::HandleCopy(char type, std::string_view body) {
  const bool extended = copying_ == Copying::kExtended;
  if (type == frontend::kCopyData) {
    copied_ += body;
    return;
  }
  if (type == frontend::kSync || type == frontend::kFlush) return;
  copying_ = Copying::kNo;
  Outcome outcome{"COPY 0", {}, ""};
  if (type == frontend::kCopyDone) {
    int rows = 0;
    std::string lines = std::exchange(copied_, {});
    while (!lines.empty() && outcome.sqlstate.empty()) {
      const size_t end = lines.find('\n');
      outcome = Update(std::stoi(lines), std::stoi(lines.substr(lines.find('\t') + 1)));
      lines.erase(0, end == std::string::npos ? end : end + 1);
      ++rows;
    }
    if (outcome.sqlstate.empty()) outcome.tag = "COPY " + std::to_string(rows);
  } else {
    copied_.clear();
    outcome = {"", {}, "57014", "COPY from stdin failed"};
  }
  if (extended) return FinishExtended(outcome);
  Finish(outcome);
  Ready();
}

}  // namespace pgsidecar::proxy
