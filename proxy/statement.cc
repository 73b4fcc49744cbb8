#include "proxy/statement.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/hash.h"
#include "catalog/relation_names.h"
#include "proxy/config.h"
#include "proxy/database.h"
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

std::vector<CounterIndex> CountersOf(const Database& database,
                                     const std::vector<catalog::Oid>& relations) {
  std::vector<CounterIndex> counters;
  counters.reserve(relations.size() + 1);
  for (const catalog::Oid relation : relations) {
    counters.push_back(database.RelationCounter(relation));
  }
  std::sort(counters.begin(), counters.end());
  counters.erase(std::unique(counters.begin(), counters.end()), counters.end());
  return counters;
}

// A transaction's isolation is known while it is the default or was named by BEGIN itself.
bool SetsIsolation(const sql::StatementInfo& statement) {
  if (statement.kind == sql::StatementKind::kBegin) {
    return statement.isolation && *statement.isolation != sql::IsolationLevel::kReadCommitted &&
           *statement.isolation != sql::IsolationLevel::kReadUncommitted;
  }
  return statement.isolation.has_value() || statement.kind == sql::StatementKind::kSet;
}

// SET TRANSACTION changes nothing but the transaction that is open.
bool ChangesEnvironment(const sql::StatementInfo& statement) {
  if (statement.kind != sql::StatementKind::kSet) return false;
  return !(statement.isolation || !statement.settings.empty()) ||
         std::any_of(statement.settings.begin(), statement.settings.end(),
                     [](const sql::SettingChange& change) {
                       return !change.local || !change.name.starts_with("transaction_");
                     });
}

bool ChangesNames(const sql::StatementInfo& statement) {
  return statement.kind == sql::StatementKind::kSet &&
         std::any_of(statement.settings.begin(), statement.settings.end(),
                     [](const sql::SettingChange& change) {
                       return change.name.empty() || change.name == "search_path" ||
                              change.name == "role" || change.name == "session_authorization";
                     });
}

Plan PlanOne(const sql::StatementInfo& statement, const Database& database,
             const catalog::NameContext& names) {
  const catalog::Resolved resolved = catalog::Resolve(statement, names, database.last_catalog());
  Plan plan;
  plan.refusal = resolved.refusal;
  plan.pin = resolved.pin;
  plan.changes_catalog = resolved.changes_catalog;
  plan.may_change_catalog = resolved.writes_anything;
  plan.names_unknown = resolved.environment_unknown || ChangesNames(statement);
  plan.environment_unknown = plan.names_unknown || ChangesEnvironment(statement);
  plan.may_commit = resolved.may_commit;
  plan.begins = statement.kind == sql::StatementKind::kBegin;
  plan.sets_isolation = SetsIsolation(statement);
  if (resolved.refusal == Refusal::kNone) {
    plan.read_counters = CountersOf(database, resolved.reads);
    plan.read_counters.insert(plan.read_counters.begin(), database.counter());
  }
  if (resolved.writes_anything || resolved.changes_catalog) {
    plan.written_counters = {database.counter()};
  } else {
    plan.written_counters = CountersOf(database, resolved.writes);
  }
  plan.writes = !plan.written_counters.empty();
  return plan;
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
    plan.Merge(PlanOne(info.statements[i], database, names));
  }
  return plan;
}

}  // namespace

Plan UnknownPlan(const Database& database, Refusal refusal) {
  Plan plan;
  plan.refusal = refusal;
  plan.pin = Pin::kUnknown;
  plan.writes = true;
  plan.may_change_catalog = true;
  plan.environment_unknown = true;
  plan.names_unknown = true;
  plan.may_commit = true;
  plan.sets_isolation = true;
  plan.written_counters = {database.counter()};
  return plan;
}

void Plan::Merge(const Plan& other) {
  refusal = Refusal::kMultipleStatements;
  read_counters.clear();
  if (pin == Pin::kNone || other.pin == Pin::kUnknown) pin = other.pin;
  writes |= other.writes;
  changes_catalog |= other.changes_catalog;
  may_change_catalog |= other.may_change_catalog;
  environment_unknown |= other.environment_unknown;
  names_unknown |= other.names_unknown;
  may_commit |= other.may_commit;
  sets_isolation |= other.sets_isolation;
  begins |= other.begins;
  MergeCounters(written_counters, other.written_counters);
}

void Plan::ClearWrites() {
  writes = false;
  may_change_catalog = false;
  written_counters.clear();
}

StatementRecord::StatementRecord(std::string text, std::shared_ptr<const sql::TextInfo> info)
    : text_(std::move(text)),
      info_(std::move(info)),
      ascii_(std::none_of(text_.begin(), text_.end(), [](char c) { return (c & 0x80) != 0; })) {}

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
                       MakeStatementPolicy(config, statement, text_, relations, identity)});
  return policies_.back().policy;
}

namespace {

// A text that would take more than this part of the book is not kept in it.
constexpr size_t kSmallestShare = 16;
// The record, its nodes in the list and the index, its plans, and malloc's own share.
constexpr size_t kRecordBytes = 1024;

size_t ChargeBytes(const StatementRecord& record) {
  return kRecordBytes + record.text().capacity() + sql::ChargeBytes(record.info());
}

}  // namespace

StatementBook::StatementBook(size_t max_statements, size_t max_bytes)
    : max_statements_(max_statements), max_bytes_(max_bytes) {}

std::shared_ptr<StatementRecord> StatementBook::Get(std::string_view text) {
  const uint64_t hash = Hash64(text);
  const auto [begin, end] = index_.equal_range(hash);
  for (auto it = begin; it != end; ++it) {
    if ((*it->second)->text() != text) continue;
    order_.splice(order_.begin(), order_, it->second);
    return order_.front();
  }
  ++analyses_;
  auto record = std::make_shared<StatementRecord>(
      std::string(text), std::make_shared<const sql::TextInfo>(sql::Analyze(text)));
  const size_t charge = ChargeBytes(*record);
  if (charge > max_bytes_ / kSmallestShare) return record;
  order_.push_front(record);
  index_.emplace(hash, order_.begin());
  bytes_ += charge;
  while (order_.size() > max_statements_ || bytes_ > max_bytes_) {
    const auto last = std::prev(order_.end());
    bytes_ -= ChargeBytes(**last);
    const auto [from, to] = index_.equal_range(Hash64((*last)->text()));
    for (auto it = from; it != to; ++it) {
      if (it->second != last) continue;
      index_.erase(it);
      break;
    }
    order_.erase(last);
  }
  return record;
}

}  // namespace pgsidecar::proxy
