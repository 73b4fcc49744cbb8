#include "proxy/statement.h"

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <utility>

#include "base/hash.h"
#include "base/text.h"
#include "catalog/relation_names.h"
#include "proxy/config.h"
#include "proxy/database.h"
#include "proxy/session_settings.h"
#include "sql/analyzer.h"

namespace pgsidecar::proxy {
namespace {

using cache::CounterIndex;
using catalog::Pin;
using catalog::Refusal;

void MergeCounters(std::vector<CounterIndex>& into, const std::vector<CounterIndex>& from) {
  std::vector<CounterIndex> merged;
  merged.reserve(into.size() + from.size());
  std::set_union(into.begin(), into.end(), from.begin(), from.end(), std::back_inserter(merged));
  into = std::move(merged);
}

void Normalize(std::vector<CounterIndex>& counters) {
  std::sort(counters.begin(), counters.end());
  counters.erase(std::unique(counters.begin(), counters.end()), counters.end());
}

std::vector<CounterIndex> CountersOf(const Database& database,
                                     const std::vector<catalog::Oid>& relations) {
  std::vector<CounterIndex> counters;
  counters.reserve(relations.size() + 1);
  for (const catalog::Oid relation : relations) {
    counters.push_back(database.RelationCounter(relation));
  }
  Normalize(counters);
  return counters;
}

// The counters that do not wait for values go to the plan, the rest becomes its `rows`.
void PlanRows(catalog::Resolved resolved, const Database& database, Plan& plan) {
  for (const catalog::ColumnId& column : resolved.written_columns) {
    plan.written_counters.push_back(database.ColumnCounter(column));
  }
  Normalize(plan.written_counters);
  if (resolved.keyed_reads.empty() && resolved.written_values.empty()) return;
  plan.rows = std::make_shared<const RowPlan>(
      RowPlan{std::move(resolved.keyed_reads), std::move(resolved.written_values)});
}

// Those of `reads` that are not read by row.
std::vector<catalog::Oid> ReadAsAWhole(const catalog::Resolved& resolved) {
  std::vector<catalog::Oid> whole = resolved.reads;
  for (const catalog::KeyedRead& read : resolved.keyed_reads) std::erase(whole, read.relation);
  return whole;
}

// A transaction's isolation is known while it is the default or was named by BEGIN itself.
bool SetsIsolation(const sql::StatementInfo& statement) {
  if (statement.kind == sql::StatementKind::kBegin) {
    return statement.isolation && *statement.isolation != sql::IsolationLevel::kReadCommitted &&
           *statement.isolation != sql::IsolationLevel::kReadUncommitted;
  }
  return std::any_of(
      statement.settings.begin(), statement.settings.end(), [](const sql::SettingChange& change) {
        return change.name == "transaction_isolation" || change.name == "transaction_snapshot";
      });
}

// Which value a setting gets cannot be read from the text.
bool IsUnreadable(const sql::SettingChange& change) {
  if (IsOfTransaction(change.name)) return false;
  // Whose role it ends is not followed through transactions.
  if (change.name == "session_authorization" && (change.local || change.parameter != 0))
    return true;
  return !change.value && !change.reset && change.parameter == 0;
}

bool IsOneOf(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// What the session's settings become of it.
void PlanSettings(const sql::StatementInfo& statement, Plan& plan) {
  using sql::StatementKind;
  for (const sql::SettingChange& change : statement.settings) {
    if (IsUnreadable(change)) plan.environment_unknown = plan.names_unknown = true;
    plan.sets_names |= IsOneOf(change.name, {"", "search_path", "role", "session_authorization"});
    plan.sets_encoding |=
        IsOneOf(change.name, {"", "standard_conforming_strings", "client_encoding"});
    plan.sets_transaction |= IsOfTransaction(change.name);
    plan.resets_only &= change.reset;
  }
  // Also within a transaction BEGIN sets what it names.
  plan.sets_transaction |=
      statement.kind == StatementKind::kBegin && statement.transaction_modifiers;
  const bool discards = statement.kind == StatementKind::kDiscard && statement.name == "ALL";
  plan.sets_names |= discards;
  plan.sets_encoding |= discards;
  plan.leaves_transaction = statement.kind == StatementKind::kCommit ||
                            statement.kind == StatementKind::kRollback ||
                            statement.kind == StatementKind::kPrepareTransaction;
  plan.ends_transaction = plan.leaves_transaction || statement.kind == StatementKind::kRollbackTo;
  plan.follows_settings =
      !statement.settings.empty() || statement.kind == StatementKind::kDiscard ||
      plan.ends_transaction || statement.kind == StatementKind::kPrepare ||
      statement.kind == StatementKind::kDeallocate || statement.kind == StatementKind::kSavepoint ||
      statement.kind == StatementKind::kReleaseSavepoint;
}

Plan PlanOne(const sql::StatementInfo& statement, const Database& database,
             const catalog::NameContext& names);

// EXECUTE, as far as its arguments go.
Plan PlanExecute(const sql::StatementInfo& statement, const Database& database,
                 const catalog::NameContext& names) {
  sql::StatementInfo arguments = statement;
  arguments.kind = sql::StatementKind::kSelect;
  Plan plan = PlanOne(arguments, database, names);
  plan.refusal = Refusal::kNotASelect;
  plan.read_counters.clear();
  plan.names_prepared = plan.executes = true;
  return plan;
}

Plan PlanOne(const sql::StatementInfo& statement, const Database& database,
             const catalog::NameContext& names) {
  if (statement.kind == sql::StatementKind::kExecute)
    return PlanExecute(statement, database, names);
  catalog::Resolved resolved = catalog::Resolve(statement, names, database.last_catalog());
  if (!database.row_precision) resolved.ForgetRows();
  Plan plan;
  plan.refusal = resolved.refusal;
  plan.pin = resolved.pin;
  plan.makes_temporary = resolved.makes_temporary;
  plan.may_end_pin = resolved.may_end_pin;
  plan.uses_sequence = resolved.uses_sequence;
  plan.reads_sequence = resolved.reads_sequence;
  plan.changes_catalog = resolved.changes_catalog;
  plan.may_change_catalog = resolved.writes_anything;
  // A temporary object may stand in front of any.
  plan.names_unknown = resolved.environment_unknown || resolved.makes_temporary;
  plan.environment_unknown = resolved.environment_unknown;
  PlanSettings(statement, plan);
  plan.names_prepared = resolved.pin == catalog::Pin::kPreparedStatement;
  plan.may_commit = resolved.may_commit;
  plan.sets_isolation = SetsIsolation(statement);
  if (resolved.refusal == Refusal::kNone) {
    plan.read_counters = CountersOf(database, ReadAsAWhole(resolved));
    plan.read_counters.insert(plan.read_counters.begin(), database.counter());
  }
  if (resolved.writes_anything || resolved.changes_catalog) {
    plan.written_counters = {database.counter()};
  } else {
    plan.written_counters = CountersOf(database, resolved.writes);
  }
  plan.writes = !plan.written_counters.empty();
  PlanRows(std::move(resolved), database, plan);
  return plan;
}

// What both write; the reads of two are of no use.
std::shared_ptr<const RowPlan> MergeRows(std::shared_ptr<const RowPlan> a,
                                         std::shared_ptr<const RowPlan> b) {
  RowPlan merged;
  for (const RowPlan* plan : {a.get(), b.get()}) {
    if (plan == nullptr) continue;
    merged.writes.insert(merged.writes.end(), plan->writes.begin(), plan->writes.end());
  }
  if (merged.writes.empty()) return nullptr;
  return std::make_shared<const RowPlan>(std::move(merged));
}

Plan MakePlan(const sql::TextInfo& info, const Database& database,
              const catalog::NameContext& names) {
  if (!info.parsed) return UnknownPlan(database, Refusal::kNotUnderstood);
  if (info.statements.empty()) {
    Plan plan;
    plan.refusal = Refusal::kNotASelect;
    return plan;
  }
  Plan plan = PlanOne(info.statements[0], database, names);
  for (size_t i = 1; i < info.statements.size(); ++i) {
    // What comes behind a change of names means something else than what came before it.
    const bool same_names = !plan.names_unknown && !plan.sets_names && !plan.ends_transaction;
    plan.Merge(PlanOne(info.statements[i], database, same_names ? names : catalog::kAnyNames));
  }
  return plan;
}

}  // namespace

Plan UnknownPlan(const Database& database, Refusal refusal) {
  Plan plan;
  plan.refusal = refusal;
  plan.pin = Pin::kUnknown;
  plan.uses_sequence = plan.reads_sequence = true;
  plan.writes = true;
  plan.may_change_catalog = true;
  plan.environment_unknown = true;
  plan.names_unknown = true;
  plan.resets_only = false;
  plan.may_commit = true;
  plan.sets_isolation = true;
  plan.written_counters = {database.counter()};
  return plan;
}

Plan PlanOfPrepared(const sql::StatementInfo* statement, const Database& database,
                    const catalog::NameContext& names) {
  if (statement != nullptr && statement->settings.empty()) {
    Plan plan = PlanOne(*statement, database, names);
    plan.AddWriteCounters(database, nullptr);
    return plan;
  }
  Plan plan;
  plan.refusal = Refusal::kNotASelect;
  plan.pin = Pin::kPreparedStatement;
  plan.names_prepared = plan.writes = plan.may_change_catalog = true;
  plan.environment_unknown = plan.names_unknown = true;
  plan.written_counters = {database.counter()};
  return plan;
}

void Plan::Merge(const Plan& other) {
  refusal = Refusal::kMultipleStatements;
  read_counters.clear();
  pin = catalog::Stronger(pin, other.pin);
  makes_temporary |= other.makes_temporary;
  may_end_pin |= other.may_end_pin;
  uses_sequence |= other.uses_sequence;
  reads_sequence |= other.reads_sequence;
  writes |= other.writes;
  changes_catalog |= other.changes_catalog;
  may_change_catalog |= other.may_change_catalog;
  environment_unknown |= other.environment_unknown;
  names_unknown |= other.names_unknown;
  sets_names |= other.sets_names;
  sets_encoding |= other.sets_encoding;
  sets_transaction |= other.sets_transaction;
  resets_only &= other.resets_only;
  follows_settings |= other.follows_settings;
  leaves_transaction |= other.leaves_transaction;
  ends_transaction |= other.ends_transaction;
  names_prepared |= other.names_prepared;
  executes |= other.executes;
  may_commit |= other.may_commit;
  sets_isolation |= other.sets_isolation;
  MergeCounters(written_counters, other.written_counters);
  rows = MergeRows(std::move(rows), other.rows);
}

void Plan::AddReadCounters(const Database& database, const RunValues& values) {
  if (rows == nullptr) return;
  AppendReadCounters(*rows, database, values, read_counters);
  rows = nullptr;
}

void Plan::AddWriteCounters(const Database& database, const RunValues* values) {
  if (rows == nullptr || rows->writes.empty()) return;
  AppendWriteCounters(*rows, database, values, written_counters);
  Normalize(written_counters);
  rows = nullptr;
}

void Plan::ClearWrites() {
  writes = false;
  may_change_catalog = false;
  written_counters.clear();
  rows = nullptr;
}

StatementRecord::StatementRecord(Of of, std::string key, bool ascii,
                                 std::shared_ptr<const sql::TextInfo> info)
    : of_(of), key_(std::move(key)), info_(std::move(info)), ascii_(ascii) {}

void StatementRecord::NoteAudit(bool clean, uint64_t catalog_version, TimePoint now) {
  constexpr uint32_t kMost = 64;
  clean_audits_ = clean ? std::min(kMost, CleanAudits(catalog_version, now) + 1) : 0;
  audited_catalog_ = catalog_version;
  audited_at_ = now;
}

bool StatementRecord::SeemsClean(uint64_t catalog_version, TimePoint now) const {
  constexpr uint32_t kEnough = 4;
  return CleanAudits(catalog_version, now) >= kEnough;
}

uint32_t StatementRecord::CleanAudits(uint64_t catalog_version, TimePoint now) const {
  constexpr Duration kHalfLife = std::chrono::minutes(1);
  if (catalog_version != audited_catalog_) return 0;
  const auto halvings = (now - audited_at_) / kHalfLife;
  return halvings > 31 ? 0 : clean_audits_ >> halvings;
}

const Plan& StatementRecord::PlanFor(const Database& database, const catalog::NameContext& names,
                                     uint64_t names_id) {
  const uint64_t version = database.catalog_version();
  for (Remembered& remembered : plans_) {
    if (remembered.names_id != names_id) continue;
    if (remembered.catalog_version != version) {
      remembered = {names_id, version, MakePlan(*info_, database, names)};
    }
    return remembered.plan;
  }
  if (plans_.size() >= kMaxPlans) plans_.erase(plans_.begin());
  plans_.push_back({names_id, version, MakePlan(*info_, database, names)});
  return plans_.back().plan;
}

const StatementPolicy& StatementRecord::PolicyFor(const Config& config, const Database& database,
                                                  const catalog::NameContext& names,
                                                  uint64_t names_id,
                                                  const SessionIdentity& identity,
                                                  uint64_t identity_id) {
  const uint64_t version = database.catalog_version();
  for (const RememberedPolicy& remembered : policies_) {
    if (remembered.names_id == names_id && remembered.catalog_version == version &&
        remembered.identity_id == identity_id) {
      return remembered.policy;
    }
  }
  std::erase_if(policies_, [version](const RememberedPolicy& remembered) {
    return remembered.catalog_version != version;
  });
  if (policies_.size() >= kMaxPlans) policies_.erase(policies_.begin());

  const sql::StatementInfo& statement = info_->statements[0];
  std::vector<sql::QualifiedName> relations;  // only rules want to know
  if (!config.rules.empty()) {
    relations = catalog::RelationsOf(statement, names, *database.last_catalog());
  }
  policies_.push_back({names_id, version, identity_id,
                       MakeStatementPolicy(config, statement, text(), relations, identity)});
  return policies_.back().policy;
}

namespace {

// A text that would take more than this part of the book is not kept in it.
constexpr size_t kSmallestShare = 16;
// The record, its nodes in the list and the index, its plans, and malloc's own share.
constexpr size_t kRecordBytes = 1024;

size_t ChargeBytes(const StatementRecord& record) {
  return kRecordBytes + record.key().capacity() + sql::ChargeBytes(record.info());
}

}  // namespace

StatementBook::StatementBook(size_t max_statements, size_t max_bytes)
    : max_statements_(max_statements), max_bytes_(max_bytes) {}

StatementBook::Found StatementBook::Get(std::string_view text) {
  if (auto record = Find(Of::kText, text)) return {std::move(record), {}};
  const bool stripped = sql::StripLiterals(text, &template_);
  if (stripped) {
    if (auto record = Find(Of::kTemplate, template_.key)) {
      return {std::move(record), template_.literals};
    }
  }
  ++analyses_;
  auto info = std::make_shared<sql::TextInfo>(sql::Analyze(text));
  const bool shared = stripped && sql::MakeShared(template_.literals, info.get());
  auto record = std::make_shared<StatementRecord>(shared ? Of::kTemplate : Of::kText,
                                                  shared ? template_.key : std::string(text),
                                                  IsAscii(text), std::move(info));
  Keep(record);
  if (!shared) return {std::move(record), {}};
  return {std::move(record), template_.literals};
}

std::shared_ptr<StatementRecord> StatementBook::Find(Of of, std::string_view key) {
  const auto [begin, end] = index_.equal_range(Hash64(key));
  for (auto it = begin; it != end; ++it) {
    const StatementRecord& record = **it->second;
    if (record.of() != of || record.key() != key) continue;
    order_.splice(order_.begin(), order_, it->second);
    return order_.front();
  }
  return nullptr;
}

void StatementBook::Keep(std::shared_ptr<StatementRecord> record) {
  const size_t charge = ChargeBytes(*record);
  if (charge > max_bytes_ / kSmallestShare) return;
  order_.push_front(std::move(record));
  index_.emplace(Hash64(order_.front()->key()), order_.begin());
  bytes_ += charge;
  while (order_.size() > max_statements_ || bytes_ > max_bytes_) DropLast();
}

void StatementBook::DropLast() {
  const auto last = std::prev(order_.end());
  bytes_ -= ChargeBytes(**last);
  const auto [from, to] = index_.equal_range(Hash64((*last)->key()));
  for (auto it = from; it != to; ++it) {
    if (it->second != last) continue;
    index_.erase(it);
    break;
  }
  order_.erase(last);
}

}  // namespace pgsidecar::proxy
