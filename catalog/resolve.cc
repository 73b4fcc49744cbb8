// Resolve: the statement's kind first, then the names in it.
//
// Invariant: what is said of a statement without a catalog holds for every catalog.

#include "catalog/resolve.h"

#include <array>

#include "catalog/effects.h"
#include "catalog/judge.h"
#include "catalog/row_keys.h"
#include "catalog/snapshot.h"

namespace pgsidecar::catalog {
namespace {

using sql::StatementInfo;
using sql::StatementKind;

constexpr std::array<std::string_view, static_cast<size_t>(Refusal::kCount_)> kRefusalNames = {
    "none",
    "not_a_select",
    "multiple_statements",
    "not_understood",
    "text_too_long",
    "catalog_not_loaded",
    "unknown_relation",
    "unknown_function",
    "unknown_type",
    "volatile_function",
    "time_dependent",
    "identity_dependent",
    "session_function",
    "row_lock",
    "table_sample",
    "system_catalog",
    "foreign_table",
    "temporary_table",
    "unlogged_table",
    "sequence",
    "row_security",
    "modifies_data",
    "other",
};

constexpr std::array<std::string_view, static_cast<size_t>(Pin::kCount_)> kPinNames = {
    "none", "setting",  "temporary_object",   "hold_cursor", "advisory_lock", "listen",
    "load", "sequence", "prepared_statement", "function",    "unknown",
};

// A setting of the transaction alone ends with it. A custom one, with a dot in its name, stays
// behind as ''.
bool OutlivesTransaction(const sql::SettingChange& change) {
  return !change.local || change.name.find('.') != std::string::npos;
}

bool OutlivesTransaction(const StatementInfo& statement) {
  for (const sql::SettingChange& change : statement.settings) {
    if (OutlivesTransaction(change)) return true;
  }
  // SET TRANSACTION may name nothing but an isolation level.
  return statement.settings.empty() && !statement.isolation;
}

// What the kind alone says.
struct KindEffects {
  bool runs_names = false;  // the names in it are read, written or called when it runs
  bool writes_anything = false;
  bool changes_catalog = false;
  bool environment_unknown = false;
  bool may_commit = false;
  Pin pin = Pin::kNone;
};

KindEffects OfKind(const StatementInfo& statement) {
  switch (statement.kind) {
    case StatementKind::kUnknown:
      return {.runs_names = true,
              .writes_anything = true,
              .changes_catalog = true,
              .environment_unknown = true,
              .may_commit = true,
              .pin = Pin::kUnknown};
    case StatementKind::kSelect:
      return {.runs_names = true,
              .pin = !statement.settings.empty() && OutlivesTransaction(statement) ? Pin::kSetting
                                                                                   : Pin::kNone};
    case StatementKind::kInsert:
    case StatementKind::kUpdate:
    case StatementKind::kDelete:
    case StatementKind::kMerge:
    case StatementKind::kTruncate:
    case StatementKind::kCopyFrom:
    case StatementKind::kCopyTo:
    case StatementKind::kExplain:
      return {.runs_names = true};
    case StatementKind::kDeclareCursor:
      return {.runs_names = true, .pin = statement.with_hold ? Pin::kHoldCursor : Pin::kNone};
    case StatementKind::kEmpty:
    case StatementKind::kBegin:
    case StatementKind::kRollback:
    case StatementKind::kSavepoint:
    case StatementKind::kReleaseSavepoint:
    case StatementKind::kRollbackTo:
    case StatementKind::kRollbackPrepared:
    case StatementKind::kShow:
    case StatementKind::kClosePortal:
    case StatementKind::kNotify:
    case StatementKind::kLock:
    case StatementKind::kConstraints:
      return {};
    case StatementKind::kCommit:
    case StatementKind::kPrepareTransaction:
      return {.may_commit = true};
    case StatementKind::kCommitPrepared:  // what it writes was said in another session, long ago
      return {.writes_anything = true, .changes_catalog = true, .may_commit = true};
    case StatementKind::kSet:
      return {.pin = OutlivesTransaction(statement) ? Pin::kSetting : Pin::kNone};
    case StatementKind::kPrepare:
    case StatementKind::kDeallocate:
    case StatementKind::kDiscard:
      return {.pin = Pin::kPreparedStatement};
    case StatementKind::kExecute:
      return {.writes_anything = true, .environment_unknown = true, .pin = Pin::kPreparedStatement};
    case StatementKind::kFetch:  // the cursor's functions run now
      return {.writes_anything = true};
    case StatementKind::kMaintenance:  // ANALYZE runs the functions of indexes and statistics
      return {.writes_anything = true};
    case StatementKind::kListen:
    case StatementKind::kUnlisten:
      return {.pin = Pin::kListen};
    case StatementKind::kCall:
    case StatementKind::kDo:
      return {.runs_names = true,
              .writes_anything = true,
              .environment_unknown = true,
              .may_commit = true,
              .pin = Pin::kFunction};
    case StatementKind::kLoad:
      return {.environment_unknown = true, .pin = Pin::kLoad};
    case StatementKind::kCreateTemp:
      return {.runs_names = true, .environment_unknown = true, .pin = Pin::kTemporaryObject};
    case StatementKind::kDdl:
      return {.runs_names = true, .writes_anything = true, .changes_catalog = true};
  }
  return {.writes_anything = true,
          .changes_catalog = true,
          .environment_unknown = true,
          .may_commit = true,
          .pin = Pin::kUnknown};
}

bool FiresEventTriggers(StatementKind kind) {
  return kind == StatementKind::kDdl || kind == StatementKind::kCreateTemp;
}

void JudgeWithCatalog(const StatementInfo& statement, const NameContext& names,
                      const Catalog& catalog, Effects& effects, RowKeys& keys) {
  if (FiresEventTriggers(statement.kind) && catalog.has_event_triggers()) {
    effects.RunsUnknown(Refusal::kUnknownFunction);
  }
  const Path path = MakePath(names, catalog);
  const Frame outermost;
  Judge judge(catalog, path, outermost, effects);
  DirectUse direct;
  judge.SetDirect(&direct);
  judge.Run(statement);
  if (effects.has_time_of_day && effects.converts_zone) effects.Refuse(Refusal::kTimeDependent);
  keys = FindRowKeys(statement, catalog, path, direct, effects);
}

// Views, triggers and overloads that nobody has seen yet may run behind any name.
void JudgeWithoutCatalog(const StatementInfo& statement, Effects& effects) {
  effects.Refuse(Refusal::kCatalogNotLoaded);
  const bool names_anything = !statement.reads.empty() || !statement.writes.empty() ||
                              !statement.functions.empty() || !statement.operators.empty() ||
                              !statement.types.empty();
  if (names_anything || FiresEventTriggers(statement.kind)) {
    effects.RunsUnknown(Refusal::kCatalogNotLoaded);
  }
}

Refusal RefusalOfKind(const StatementInfo& statement) {
  if (statement.kind == StatementKind::kUnknown) return Refusal::kNotUnderstood;
  if (statement.kind != StatementKind::kSelect) return Refusal::kNotASelect;
  return statement.writes.empty() ? Refusal::kNone : Refusal::kModifiesData;
}

// pg_temp is written out: only the session itself knows what is there.
void JudgeTemporaryNames(const StatementInfo& statement, Effects& effects) {
  if (!statement.names_temp_schema) return;
  effects.Refuse(Refusal::kTemporaryTable);
  if (statement.writes.empty() && !FiresEventTriggers(statement.kind)) return;
  effects.writes_anything = true;
  effects.AddPin(Pin::kTemporaryObject);
}

}  // namespace

std::string_view RefusalName(Refusal refusal) {
  const auto index = static_cast<size_t>(refusal);
  return index < kRefusalNames.size() ? kRefusalNames[index] : "other";
}

std::string_view PinName(Pin pin) {
  const auto index = static_cast<size_t>(pin);
  return index < kPinNames.size() ? kPinNames[index] : "unknown";
}

Resolved Resolve(const StatementInfo& statement, const NameContext& names, const Catalog* catalog) {
  const KindEffects of_kind = OfKind(statement);
  Effects effects;
  effects.writes_anything = of_kind.writes_anything;
  effects.changes_catalog = of_kind.changes_catalog;
  effects.environment_unknown = of_kind.environment_unknown;
  effects.pin = of_kind.pin;
  effects.refusal = RefusalOfKind(statement);
  JudgeTemporaryNames(statement, effects);
  RowKeys keys;
  if (of_kind.runs_names) {
    if (catalog != nullptr) {
      JudgeWithCatalog(statement, names, *catalog, effects, keys);
    } else {
      JudgeWithoutCatalog(statement, effects);
    }
  }
  effects.Normalize();

  Resolved resolved;
  resolved.refusal = effects.refusal;
  if (effects.refusal == Refusal::kNone) {
    resolved.reads = std::move(effects.reads);
    resolved.keyed_reads = std::move(keys.reads);
  }
  resolved.changes_catalog = effects.changes_catalog;
  resolved.writes_anything = effects.writes_anything || effects.changes_catalog;
  if (!resolved.writes_anything) {
    resolved.writes = std::move(effects.writes);
    resolved.written_columns = std::move(keys.written_columns);
    resolved.written_values = std::move(keys.written_values);
  }
  resolved.pin = effects.pin;
  resolved.environment_unknown = effects.environment_unknown;
  resolved.may_commit = of_kind.may_commit;
  return resolved;
}

}  // namespace pgsidecar::catalog
