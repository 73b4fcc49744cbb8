// Resolve: the statement's kind first, then the names in it.
//
// Invariant: what is said of a statement without a catalog holds for every catalog.

#include "catalog/resolve.h"

#include <array>

#include "catalog/effects.h"
#include "catalog/functions.h"
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
    "none",   "setting", "seed",     "temporary_object",   "hold_cursor", "advisory_lock",
    "listen", "load",    "sequence", "prepared_statement", "function",    "unknown",
};

// What the kind alone says.
struct KindEffects {
  bool runs_names = false;  // the names in it are read, written or called when it runs
  bool writes_anything = false;
  bool changes_catalog = false;
  bool environment_unknown = false;
  bool may_commit = false;
  Pin pin = Pin::kNone;
  bool may_end_pin = false;
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
    case StatementKind::kSet:  // followed by the session, and set again where it is needed
    case StatementKind::kShow:
    case StatementKind::kNotify:
    case StatementKind::kLock:
    case StatementKind::kConstraints:
      return {};
    case StatementKind::kClosePortal:
    case StatementKind::kUnlisten:
      return {.may_end_pin = true};
    case StatementKind::kCommit:
    case StatementKind::kPrepareTransaction:
      return {.may_commit = true};
    case StatementKind::kCommitPrepared:  // what it writes was said in another session, long ago
      return {.writes_anything = true, .changes_catalog = true, .may_commit = true};
    case StatementKind::kPrepare:
      return {.pin = Pin::kPreparedStatement};
    case StatementKind::kDeallocate:
      return {.pin = Pin::kPreparedStatement, .may_end_pin = true};
    case StatementKind::kDiscard:
      return {.pin = statement.name == "ALL" ? Pin::kPreparedStatement : Pin::kNone,
              .may_end_pin = true};
    case StatementKind::kExecute:
      return {.writes_anything = true, .environment_unknown = true, .pin = Pin::kPreparedStatement};
    case StatementKind::kFetch:  // the cursor's functions run now
      return {.writes_anything = true};
    case StatementKind::kMaintenance:  // ANALYZE runs the functions of indexes and statistics
      return {.writes_anything = true};
    case StatementKind::kListen:
      return {.pin = Pin::kListen};
    case StatementKind::kCall:
    case StatementKind::kDo:
      return {.runs_names = true, .may_commit = true};
    case StatementKind::kLoad:
      return {.environment_unknown = true, .pin = Pin::kLoad};
    case StatementKind::kCreateTemp:
      return {.runs_names = true, .pin = Pin::kTemporaryObject};
    case StatementKind::kDdl:
      return {.runs_names = true,
              .writes_anything = true,
              .changes_catalog = true,
              .may_end_pin = true};
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
  if (statement.kind == StatementKind::kDo) AddDo(catalog, statement, outermost, effects);
  judge.Run(statement);  // also compares values of the types that occur by now
  if (effects.has_time_of_day && effects.converts_zone) effects.Refuse(Refusal::kTimeDependent);
  keys = FindRowKeys(statement, catalog, path, direct, effects);
}

// Views, triggers and overloads that nobody has seen yet may run behind any name.
void JudgeWithoutCatalog(const StatementInfo& statement, Effects& effects) {
  effects.Refuse(Refusal::kCatalogNotLoaded);
  const bool names_anything = !statement.reads.empty() || !statement.writes.empty() ||
                              !statement.functions.empty() || !statement.operators.empty() ||
                              !statement.types.empty() || statement.kind == StatementKind::kDo;
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

bool IsAskedFor(Pin pin) {
  switch (pin) {
    case Pin::kTemporaryObject:
    case Pin::kHoldCursor:
    case Pin::kAdvisoryLock:
    case Pin::kListen:
    case Pin::kPreparedStatement:
      return true;
    default:
      return false;
  }
}

Pin Stronger(Pin a, Pin b) {
  constexpr auto strength = [](Pin pin) {
    switch (pin) {
      case Pin::kNone:
        return 0;
      case Pin::kAdvisoryLock:
        return 1;
      case Pin::kPreparedStatement:
        return 2;
      case Pin::kHoldCursor:
        return 3;
      case Pin::kListen:
        return 4;
      case Pin::kTemporaryObject:
        return 5;
      case Pin::kSequence:
        return 6;
      case Pin::kFunction:  // it may be asked what that has left, but not of what comes below
        return 7;
      case Pin::kSetting:
      case Pin::kSeed:
        return 8;
      case Pin::kLoad:
        return 9;
      case Pin::kUnknown:
      case Pin::kCount_:
        return 10;
    }
    return 10;
  };
  return strength(a) >= strength(b) ? a : b;
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
  resolved.makes_temporary = statement.kind == StatementKind::kCreateTemp ||
                             (statement.names_temp_schema &&
                              (!statement.writes.empty() || FiresEventTriggers(statement.kind)));
  resolved.may_end_pin = of_kind.may_end_pin;
  resolved.uses_sequence = effects.uses_sequence;
  resolved.reads_sequence = effects.reads_sequence;
  resolved.environment_unknown = effects.environment_unknown;
  resolved.may_commit = of_kind.may_commit;
  return resolved;
}

}  // namespace pgsidecar::catalog
