// The closure of calling a function: its arguments' types, its defaults, its body.

#include "catalog/functions.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/environment.h"
#include "catalog/judge.h"
#include "catalog/known_extensions.h"
#include "catalog/remembered.h"
#include "sql/routine.h"

namespace pgsidecar::catalog {
namespace {

using sql::RoutineInfo;
using sql::StatementInfo;
using sql::StatementKind;

// Settings under which a body means what it says: they choose plans and how values are printed and
// read. As PostgreSQL spells them.
bool IsHarmlessConfig(std::string_view name) {
  constexpr std::array<std::string_view, 13> kNames = {
      "search_path",       "work_mem",        "maintenance_work_mem",
      "statement_timeout", "lock_timeout",    "TimeZone",
      "DateStyle",         "IntervalStyle",   "client_min_messages",
      "row_security",      "plan_cache_mode", "bytea_output",
      "extra_float_digits"};
  return name.starts_with("enable_") || name.starts_with("jit") ||
         std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

// Is it a trigger's function, whose rows are of any table, or one with arguments of any type?
bool TakesAnyType(const Catalog& catalog, const Routine& routine) {
  const auto is_pseudo = [&catalog](Oid oid) {
    const Type* type = catalog.FindType(oid);
    return type == nullptr || type->kind == 'p';
  };
  const auto& arguments = routine.argument_types;
  return (arguments.empty() && is_pseudo(routine.result)) ||
         std::any_of(arguments.begin(), arguments.end(), is_pseudo);
}

// The schemas that a body's unqualified names may mean.
Path SchemasOfBody(const Catalog& catalog, const Routine& routine) {
  for (const std::string& setting : routine.config) {
    constexpr std::string_view kName = "search_path=";
    if (!setting.starts_with(kName) || setting.find("$user") != std::string::npos) continue;
    return MakePath({std::string_view(setting).substr(kName.size()), "", false}, catalog);
  }
  return MakePath({"", "", /*any_schema=*/true}, catalog);
}

Path BodyPath(const Catalog& catalog, const Routine& routine) {
  Path path = SchemasOfBody(catalog, routine);
  path.any_type = TakesAnyType(catalog, routine);
  return path;
}

// What a statement of a body does. All but queries could change the session or end the transaction.
void AddStatement(const Catalog& catalog, const Path& path, const StatementInfo& statement,
                  const Frame& frame, Effects& effects) {
  if (statement.names_temp_schema) return effects.RunsUnknown(Refusal::kTemporaryTable);
  switch (statement.kind) {
    case StatementKind::kSelect:
    case StatementKind::kInsert:
    case StatementKind::kUpdate:
    case StatementKind::kDelete:
    case StatementKind::kMerge:
    case StatementKind::kTruncate:
      return Judge(catalog, path, frame, effects).Run(statement);
    case StatementKind::kCall:  // what it gives back is assigned to variables
      effects.Refuse(Refusal::kVolatileFunction);
      return Judge(catalog, path, frame, effects).Run(statement);
    case StatementKind::kEmpty:
    case StatementKind::kLock:
    case StatementKind::kNotify:
      return;
    default:
      return effects.RunsUnknown(Refusal::kUnknownFunction);
  }
}

void AddType(const Catalog& catalog, Oid oid, const Frame& frame, Effects& effects) {
  const Type* type = catalog.FindType(oid);
  // Of a pseudo-type (trigger, record, anyelement) are values whose types occur elsewhere.
  if (type != nullptr && type->kind == 'p') return;
  const TypeFacts facts = catalog.FactsOf(oid);
  AddTypeEffects(facts, effects);
  AddTypeExpressions(catalog, facts, frame, effects);
}

// Of the values that go in and come out.
void AddSignature(const Catalog& catalog, const Routine& routine, const Frame& frame,
                  Effects& effects) {
  for (const Oid type : routine.argument_types) AddType(catalog, type, frame, effects);
  AddType(catalog, routine.result, frame, effects);
}

// PL/pgSQL reads the text of any value as the type of the variable that it is assigned to, so that
// 'today' may become a date without a cast to be seen.
void AddAssignments(const Catalog& catalog, const Routine& routine, const RoutineInfo& body,
                    Effects& effects) {
  const auto turns_text = [&](Oid type) {
    const TypeFacts facts = catalog.FactsOf(type);
    return facts.has_time || facts.is_registry;
  };
  if (body.assigns_field) effects.Refuse(Refusal::kOther);
  if (body.returns_expression && turns_text(routine.result)) {
    effects.Refuse(Refusal::kTimeDependent);
  }
  for (size_t i = 0; i < routine.argument_types.size(); ++i) {
    if (!turns_text(routine.argument_types[i])) continue;
    const auto is_this = [&](const std::string& assigned) {
      return assigned.starts_with('$') ||
             (i < routine.argument_names.size() && assigned == routine.argument_names[i]);
    };
    if (std::any_of(body.assigned.begin(), body.assigned.end(), is_this)) {
      effects.Refuse(Refusal::kTimeDependent);
    }
  }
}

// Variables of the type of a table's row or column.
void AddRowTypes(const Catalog& catalog, const RoutineInfo& body, const Frame& frame,
                 Effects& effects) {
  for (const sql::QualifiedName& name : body.row_types) {
    bool found = false;
    for (const Relation* relation : catalog.RelationsNamed(name.name)) {
      if (!name.schema.empty() && catalog.FindSchema(name.schema) != relation->schema) continue;
      found = true;
      for (const Oid type : relation->column_types) {
        const TypeFacts facts = catalog.FactsOf(type);
        if (facts.has_time || facts.is_registry) effects.Refuse(Refusal::kTimeDependent);
        AddType(catalog, type, frame, effects);
      }
    }
    if (!found) effects.RunsUnknown(Refusal::kUnknownRelation);
  }
  for (const std::string& name : body.possible_types) {
    for (const Type* type : catalog.TypesNamed(name)) {
      AddType(catalog, type->oid, frame, effects);
    }
  }
}

// Of a body whose signature and variables have been seen to.
void AddStatements(const Catalog& catalog, const Path& path, const RoutineInfo& body,
                   const Frame& frame, Effects& effects) {
  if (!body.understood()) return effects.RunsUnknown(Refusal::kUnknownFunction);
  // A variable carries values from one statement to any other, and their types let overloads apply.
  size_t types_before = 0;
  do {
    effects.Normalize();
    types_before = effects.user_types.size();
    for (const StatementInfo& statement : body.statements) {
      AddStatement(catalog, path, statement, frame, effects);
    }
    effects.Normalize();
  } while (effects.user_types.size() != types_before);
}

void AddBody(const Catalog& catalog, const Function& function, const Frame& frame,
             Effects& effects) {
  const Routine& routine = *function.routine;
  RoutineInfo body;
  if (function.language == "sql" && routine.definition) {
    body = sql::AnalyzeDefinition(*routine.definition);
  } else if (function.language == "sql" && routine.source) {
    body = sql::AnalyzeSqlBody(*routine.source);
  } else if (function.language == "plpgsql" && routine.source) {
    body = sql::AnalyzePlpgsqlBody(*routine.source);
    AddAssignments(catalog, routine, body, effects);
    AddRowTypes(catalog, body, frame, effects);
  } else {
    return effects.RunsUnknown(Refusal::kUnknownFunction);
  }
  // A definition was printed with every name qualified that is not pg_catalog's.
  const Path path = routine.definition ? Path() : BodyPath(catalog, routine);
  AddStatements(catalog, path, body, frame, effects);
}

// An aggregate is what it calls; everything else of C must be of an extension that is known.
void AddCompiled(const Catalog& catalog, const Function& function, const Frame& frame,
                 Effects& effects) {
  const Routine& routine = *function.routine;
  if (!routine.support.empty()) {
    for (const Oid called : routine.support) {
      if (called != 0) effects.Add(CallEffects(catalog, called, frame));
    }
  } else if (!IsTrustedInExtension(routine.extension, function.name)) {
    effects.RunsUnknown(Refusal::kUnknownFunction);
  }
}

// What the body does not say, an operator of the proxy may have declared. It may still read what
// the declaration does not name, unless it is IMMUTABLE.
Effects DeclaredHarmless(const Function& function) {
  Effects effects;
  if (function.volatility != 'i') effects.Refuse(Refusal::kVolatileFunction);
  return effects;
}

Effects ComputeCall(const Catalog& catalog, const Function& function, const Frame& frame) {
  Effects effects;
  if (function.routine == nullptr) {
    effects.RunsUnknown(Refusal::kUnknownFunction);
    return effects;
  }
  const Routine& routine = *function.routine;
  for (const std::string& setting : routine.config) {
    if (!IsHarmlessConfig(std::string_view(setting).substr(0, setting.find('=')))) {
      effects.RunsUnknown(Refusal::kUnknownFunction);
    }
  }
  AddSignature(catalog, routine, frame, effects);
  if (function.language == "c" || function.language == "internal") {
    AddCompiled(catalog, function, frame, effects);
  } else {
    AddBody(catalog, function, frame, effects);
  }
  // Plans compute the answer of an IMMUTABLE function once and for all.
  const bool depends =
      !effects.reads.empty() || effects.reads_incomplete || effects.depends_on_session;
  if (function.volatility == 'v' || (function.volatility == 'i' && depends)) {
    effects.Refuse(Refusal::kVolatileFunction);
  }
  const bool is_unknown = effects.writes_anything || effects.environment_unknown;
  if (is_unknown && catalog.IsDeclaredHarmless(function)) {
    effects = DeclaredHarmless(function);
    AddSignature(catalog, routine, frame, effects);
  }

  if (routine.defaults) effects.Add(EffectsOfExpression(catalog, *routine.defaults, frame));
  return effects;
}

Effects ComputeBuiltinCall(const Catalog& catalog, const Function& function) {
  Effects effects;
  const FunctionName* name = catalog.FunctionsNamed(function.name);
  const bool is_own = function.schema == kPgCatalogSchema && name != nullptr;
  FunctionClass function_class = is_own ? name->builtin : FunctionClass::kUnknown;
  // Which setting, nobody knows here.
  if (function_class == FunctionClass::kCurrentSetting) function_class = FunctionClass::kUnknown;
  AddFunctionClass(function_class, /*in_client_text=*/false, effects);
  AddZoneUse(function.name, effects);
  return effects;
}

// Which events of a trigger these operations are.
uint32_t EventsOf(uint8_t operations, bool in_tree) {
  uint32_t events = 0;
  if ((operations & sql::kWriteInsert) != 0) events |= Trigger::kInsert;
  if ((operations & sql::kWriteUpdate) != 0) {
    events |= Trigger::kUpdate;
    // A row that moves to another partition is deleted there and inserted here.
    if (in_tree) events |= Trigger::kInsert | Trigger::kDelete;
  }
  if ((operations & sql::kWriteDelete) != 0) events |= Trigger::kDelete;
  constexpr uint8_t kTruncates = sql::kWriteTruncate | sql::kWriteTruncateCascade;
  if ((operations & kTruncates) != 0) events |= Trigger::kTruncate;
  return events;
}

}  // namespace

const Effects& CallEffects(const Catalog& catalog, Oid oid, const Frame& outer) {
  const uint64_t key = MemoKey(oid, kCallKey);
  if (outer.outer != nullptr && outer.key == key) {
    static const Effects nothing_more;
    return nothing_more;
  }
  return Remembered(catalog, key, outer, [&](const Frame& frame) {
    const Function* function = catalog.FindFunction(oid);
    if (function == nullptr) return UnknownEffects();
    return IsUserOid(oid) ? ComputeCall(catalog, *function, frame)
                          : ComputeBuiltinCall(catalog, *function);
  });
}

void AddDo(const Catalog& catalog, const StatementInfo& statement, const Frame& outer,
           Effects& effects) {
  const Frame frame = {&outer, 0, outer.depth + 1};  // not the client's own text
  if (!statement.body) return effects.RunsUnknown(Refusal::kUnknownFunction);
  const RoutineInfo body = sql::AnalyzePlpgsqlBody(*statement.body);
  AddRowTypes(catalog, body, frame, effects);
  AddStatements(catalog, MakePath({"", "", /*any_schema=*/true}, catalog), body, frame, effects);
}

void AddTriggers(const Catalog& catalog, const Relation& relation, uint8_t operations,
                 const Frame& frame, Effects& effects) {
  const uint32_t events = EventsOf(operations, catalog.Tree(relation.root).size() > 1);
  for (const Trigger& trigger : relation.triggers) {
    if ((trigger.type & events) == 0) continue;
    Effects of_row;
    for (const Oid type : relation.column_types) AddType(catalog, type, frame, of_row);
    effects.AddRun(of_row);
    effects.AddRun(CallEffects(catalog, trigger.function, frame));
    if (!trigger.definition) continue;
    const RoutineInfo condition = sql::AnalyzeDefinition(*trigger.definition);
    if (!condition.understood()) effects.RunsUnknown(Refusal::kNotUnderstood);
    Effects of_condition;
    for (const StatementInfo& statement : condition.statements) {
      AddStatement(catalog, Path(), statement, frame, of_condition);
    }
    effects.AddRun(of_condition);
  }
}

void AddFunctionClass(FunctionClass function_class, bool in_client_text, Effects& effects) {
  switch (function_class) {
    case FunctionClass::kPure:
    case FunctionClass::kSetting:
    case FunctionClass::kCurrentSetting:  // AddSettingsRead judges the names
      return;
    case FunctionClass::kUnknown:
      return effects.RunsUnknown(Refusal::kUnknownFunction);
    case FunctionClass::kTime:
      return effects.Refuse(Refusal::kTimeDependent);
    case FunctionClass::kVolatile:
      return effects.Refuse(Refusal::kVolatileFunction);
    case FunctionClass::kIdentity:
      return effects.Refuse(Refusal::kIdentityDependent);
    case FunctionClass::kKeyIdentity:
      effects.depends_on_session = true;
      if (in_client_text) effects.Refuse(Refusal::kIdentityDependent);
      return;
    case FunctionClass::kCatalogInfo:
      return effects.Refuse(Refusal::kSystemCatalog);
    case FunctionClass::kSequence:
      effects.Refuse(Refusal::kSessionFunction);
      effects.uses_sequence = true;
      return;
    case FunctionClass::kSequenceState:
      effects.Refuse(Refusal::kSessionFunction);
      effects.reads_sequence = true;
      return;
    case FunctionClass::kSetConfig:
      effects.Refuse(Refusal::kSessionFunction);
      effects.environment_unknown = true;
      return effects.AddPin(Pin::kSetting);
    case FunctionClass::kSetSeed:
      effects.Refuse(Refusal::kSessionFunction);
      return effects.AddPin(Pin::kSeed);
    case FunctionClass::kAdvisoryLock:
      effects.Refuse(Refusal::kSessionFunction);
      return effects.AddPin(Pin::kAdvisoryLock);
  }
}

void AddZoneUse(std::string_view function, Effects& effects) {
  if (function == "timezone") effects.converts_zone = true;
  if (function == "make_time") effects.has_time_of_day = true;
}

void AddSettingsRead(const std::vector<std::string>& names, Effects& effects) {
  for (const std::string& name : names) {
    effects.depends_on_session = true;
    if (!IsSettingInKey(name)) effects.Refuse(Refusal::kSessionFunction);
  }
}

}  // namespace pgsidecar::catalog
