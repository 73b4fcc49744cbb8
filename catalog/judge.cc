// What the names in one statement may mean. Relations and types are judged first, because which
// overloads of a function or an operator can apply depends on the types that occur.

#include "catalog/judge.h"

#include <algorithm>

#include "catalog/functions.h"
#include "catalog/search_path.h"

namespace pgsidecar::catalog {
namespace {

struct HazardRefusal {
  sql::Hazard hazard;
  Refusal refusal;
};

constexpr HazardRefusal kHazardRefusals[] = {
    {sql::kHazardTimeValue, Refusal::kTimeDependent},
    {sql::kHazardRowLock, Refusal::kRowLock},
    {sql::kHazardTableSample, Refusal::kTableSample},
    {sql::kHazardTimeString, Refusal::kTimeDependent},
    {sql::kHazardDynamicDate, Refusal::kTimeDependent},
    {sql::kHazardModifyingCte, Refusal::kModifiesData},
    {sql::kHazardCurrentOf, Refusal::kOther},
    {sql::kHazardXml, Refusal::kOther},
    {sql::kHazardRowTypeField, Refusal::kOther},
    {sql::kHazardSystemUser, Refusal::kIdentityDependent},
};

Effects WithoutReadOf(Oid root, Effects effects) {
  std::erase(effects.reads, root);
  return effects;
}

Effects WithoutWriteOf(Oid root, Effects effects) {
  std::erase(effects.writes, root);
  return effects;
}

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
  settings_named_ = in_client_text() && !statement.settings.empty();
  Hazards(statement.hazards);
  if (!path_.known) effects_.RunsUnknown(Refusal::kUnknownRelation);
  if (catalog_.builtin_casts_changed()) effects_.RunsUnknown(Refusal::kUnknownFunction);
  Types(statement.types);
  Reads(statement.reads);
  Writes(statement.writes);
  OccurringTypes(statement);
  AddSettingsRead(statement.settings_read, effects_);
  Functions(statement.functions);
  Operators(statement.operators);
  Attributes(statement.attribute_names);
  Comparisons();
  Casts();
}

void Judge::Hazards(uint32_t hazards) {
  if (hazards == 0) return;
  if ((hazards & sql::kHazardIdentityValue) != 0) {
    AddFunctionClass(FunctionClass::kKeyIdentity, in_client_text(), effects_);
    hazards &= ~static_cast<uint32_t>(sql::kHazardIdentityValue);
  }
  for (const HazardRefusal& entry : kHazardRefusals) {
    if ((hazards & entry.hazard) != 0) effects_.Refuse(entry.refusal);
    hazards &= ~static_cast<uint32_t>(entry.hazard);
  }
  if (hazards != 0) effects_.Refuse(Refusal::kOther);
}

bool MatchesSchema(const Catalog& catalog, const Path& path, const sql::QualifiedName& name,
                   Oid schema) {
  if (name.schema.empty()) return schema == kPgCatalogSchema || path.Contains(schema);
  return catalog.FindSchema(name.schema) == schema;
}

bool Judge::IsDirect(const Relation& relation) const {
  return direct_ != nullptr && (relation.kind == 'r' || relation.kind == 'p') &&
         !catalog_.IsSystemSchema(relation.schema);
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
  AddTypeEffects(facts, effects_);
  AddTypeExpressions(catalog_, facts, frame_, effects_);
}

void Judge::Reads(const std::vector<sql::QualifiedName>& names) {
  for (const sql::QualifiedName& name : names) {
    bool found = false;
    for (const Relation* relation : catalog_.RelationsNamed(name.name)) {
      if (!MatchesSchema(name, relation->schema)) continue;
      found = true;
      const Effects& effects = ReadEffects(catalog_, *relation, frame_);
      if (!IsDirect(*relation) || effects.reads_itself) {
        effects_.Add(effects);
        continue;
      }
      effects_.Add(WithoutReadOf(relation->root, effects));
      direct_->reads.push_back(relation);
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
      const Effects& effects = WriteEffects(catalog_, *relation, target.operations, frame_);
      if (!IsDirect(*relation) || effects.writes_itself) {
        effects_.AddRun(effects);
        continue;
      }
      effects_.AddRun(WithoutWriteOf(relation->root, effects));
      direct_->writes.push_back(relation);
    }
    if (!found) effects_.writes_anything = true;
  }
}

}  // namespace pgsidecar::catalog
