// What the names in one statement may mean. Relations and types are judged first, because which
// overloads of a function or an operator can apply depends on the types that occur.

#include "catalog/judge.h"

#include <algorithm>

#include "catalog/search_path.h"

namespace pgsidecar::catalog {
namespace {

struct HazardRefusal {
  sql::Hazard hazard;
  Refusal refusal;
};

constexpr HazardRefusal kHazardRefusals[] = {
    {sql::kHazardTimeValue, Refusal::kTimeDependent},
    {sql::kHazardIdentityValue, Refusal::kIdentityDependent},
    {sql::kHazardRowLock, Refusal::kRowLock},
    {sql::kHazardTableSample, Refusal::kTableSample},
    {sql::kHazardTimeString, Refusal::kTimeDependent},
    {sql::kHazardDynamicDate, Refusal::kTimeDependent},
    {sql::kHazardModifyingCte, Refusal::kModifiesData},
    {sql::kHazardCurrentOf, Refusal::kOther},
    {sql::kHazardXml, Refusal::kOther},
    {sql::kHazardRowTypeField, Refusal::kOther},
};

}  // namespace

bool Path::Contains(Oid schema) const {
  return std::find(schemas.begin(), schemas.end(), schema) != schemas.end();
}

Path MakePath(const NameContext& names, const Catalog& catalog) {
  Path path;
  if (names.any_schema) {
    path.schemas = catalog.AllSchemas();
    return path;
  }
  const auto parts = SplitSearchPath(names.search_path, names.user);
  if (!parts) {
    path.known = false;
    return path;
  }
  for (const std::string& part : *parts) {
    const std::optional<Oid> schema = catalog.FindSchema(part);
    if (schema) path.schemas.push_back(*schema);
  }
  return path;
}

void Judge::Run(const sql::StatementInfo& statement) {
  // In a view, a default, a function nobody follows what it sets.
  settings_named_ = frame_.outer == nullptr && !statement.settings.empty();
  Hazards(statement.hazards);
  if (!path_.known) effects_.RunsUnknown(Refusal::kUnknownRelation);
  if (catalog_.builtin_casts_changed()) effects_.RunsUnknown(Refusal::kUnknownFunction);
  Types(statement.types);
  Reads(statement.reads);
  Writes(statement.writes);
  Functions(statement.functions);
  Operators(statement.operators);
  Attributes(statement.attribute_names);
}

void Judge::Hazards(uint32_t hazards) {
  if (hazards == 0) return;
  for (const HazardRefusal& entry : kHazardRefusals) {
    if ((hazards & entry.hazard) != 0) effects_.Refuse(entry.refusal);
    hazards &= ~static_cast<uint32_t>(entry.hazard);
  }
  if (hazards != 0) effects_.Refuse(Refusal::kOther);
}

// Could the name, as it is written, mean an object in this schema?
bool Judge::MatchesSchema(const sql::QualifiedName& name, Oid schema) const {
  if (name.schema.empty()) return schema == kPgCatalogSchema || path_.Contains(schema);
  return catalog_.FindSchema(name.schema) == schema;
}

void Judge::Types(const std::vector<sql::TypeUse>& types) {
  for (const sql::TypeUse& use : types) {
    bool found = false;
    for (const Type* type : catalog_.TypesNamed(use.type.name)) {
      if (!MatchesSchema(use.type, type->schema)) continue;
      found = true;
      UseType(type->oid, use.of_constant);
    }
    if (!found) effects_.RunsUnknown(Refusal::kUnknownType);
  }
}

void Judge::UseType(Oid oid, bool of_constant) {
  const TypeFacts facts = catalog_.FactsOf(oid);
  if (facts.is_registry) effects_.Refuse(Refusal::kOther);
  if (facts.has_time && !of_constant) effects_.Refuse(Refusal::kTimeDependent);
  AddTypeEffects(catalog_, facts, effects_);
  AddTypeExpressions(catalog_, facts, frame_, effects_);
}

void Judge::Reads(const std::vector<sql::QualifiedName>& names) {
  for (const sql::QualifiedName& name : names) {
    bool found = false;
    for (const Relation* relation : catalog_.RelationsNamed(name.name)) {
      if (!MatchesSchema(name, relation->schema)) continue;
      found = true;
      effects_.Add(ReadEffects(catalog_, *relation, frame_));
    }
    if (!found) {
      effects_.Refuse(Refusal::kUnknownRelation);
      effects_.reads_incomplete = true;
    }
  }
}

void Judge::Writes(const std::vector<sql::WriteTarget>& targets) {
  for (const sql::WriteTarget& target : targets) {
    effects_.Refuse(Refusal::kModifiesData);
    bool found = false;
    for (const Relation* relation : catalog_.RelationsNamed(target.relation.name)) {
      if (!MatchesSchema(target.relation, relation->schema)) continue;
      found = true;
      effects_.AddRun(WriteEffects(catalog_, *relation, target.operations, frame_));
    }
    if (!found) effects_.writes_anything = true;
  }
}

bool Judge::Applies(const UserOverload& overload) const {
  if (overload.applies.always) return true;
  for (const Oid type : overload.applies.types) {
    const auto& occurring = effects_.user_types;
    if (std::find(occurring.begin(), occurring.end(), type) != occurring.end()) return true;
  }
  return false;
}

void Judge::Functions(const std::vector<sql::QualifiedName>& names) {
  for (const sql::QualifiedName& name : names) {
    const FunctionName* entry = catalog_.FunctionsNamed(name.name);
    bool known = entry != nullptr && entry->is_builtin;
    if (!name.schema.empty()) {
      known = known && name.schema == "pg_catalog";
    } else if (entry != nullptr) {
      for (const UserOverload& overload : entry->user) {
        if (path_.Contains(overload.schema) && Applies(overload)) known = false;
      }
    }
    FunctionClassUsed(known ? entry->builtin : FunctionClass::kUnknown);
  }
}

void Judge::FunctionClassUsed(FunctionClass function_class) {
  switch (function_class) {
    case FunctionClass::kPure:
    case FunctionClass::kSetting:
      return;
    case FunctionClass::kUnknown:
      return effects_.RunsUnknown(Refusal::kUnknownFunction);
    case FunctionClass::kTime:
      return effects_.Refuse(Refusal::kTimeDependent);
    case FunctionClass::kVolatile:
      return effects_.Refuse(Refusal::kVolatileFunction);
    case FunctionClass::kIdentity:
      return effects_.Refuse(Refusal::kIdentityDependent);
    case FunctionClass::kCatalogInfo:
      return effects_.Refuse(Refusal::kSystemCatalog);
    case FunctionClass::kSequence:
      effects_.Refuse(Refusal::kSessionFunction);
      return effects_.AddPin(Pin::kSequence);
    case FunctionClass::kSetConfig:
      effects_.Refuse(Refusal::kSessionFunction);
      if (settings_named_) return;
      effects_.environment_unknown = true;
      return effects_.AddPin(Pin::kSetting);
    case FunctionClass::kSetSeed:
      effects_.Refuse(Refusal::kSessionFunction);
      return effects_.AddPin(Pin::kSetting);
    case FunctionClass::kAdvisoryLock:
      effects_.Refuse(Refusal::kSessionFunction);
      return effects_.AddPin(Pin::kAdvisoryLock);
  }
}

void Judge::Operators(const std::vector<sql::QualifiedName>& names) {
  for (const sql::QualifiedName& name : names) {
    const OperatorName* entry = catalog_.OperatorsNamed(name.name);
    bool known = entry != nullptr && entry->builtin_trusted;
    if (!name.schema.empty()) {
      known = known && name.schema == "pg_catalog";
    } else if (entry != nullptr) {
      for (const UserOverload& overload : entry->user) {
        if (path_.Contains(overload.schema) && Applies(overload)) known = false;
      }
    }
    if (!known) effects_.RunsUnknown(Refusal::kUnknownFunction);
  }
}

// A name behind a dot that is no column may be a function of the row.
void Judge::Attributes(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const FunctionName* entry = catalog_.FunctionsNamed(name);
    if (entry == nullptr) continue;
    bool known = !entry->builtin_takes_row || IsCacheable(entry->builtin);
    for (const UserOverload& overload : entry->user) {
      if (overload.takes_row && path_.Contains(overload.schema)) known = false;
    }
    if (!known) effects_.RunsUnknown(Refusal::kUnknownFunction);
  }
}

}  // namespace pgsidecar::catalog
