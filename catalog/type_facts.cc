// Types and casts of a Catalog: what a type is made of, and which casts users have added.

#include <algorithm>
#include <array>

#include "catalog/known_extensions.h"
#include "catalog/snapshot.h"

namespace pgsidecar::catalog {
namespace {

constexpr int kMaxTypeDepth = 32;

// date, time, timestamp, timestamptz, timetz and the multiranges over them: their input takes
// 'today' and kin. Ranges show it by their subtype.
constexpr std::array<Oid, 8> kTimeTypes = {1082, 1083, 1114, 1184, 1266, 4533, 4534, 4535};

bool IsRegistry(const Type& type) {
  constexpr std::array<std::string_view, 11> names = {
      "regclass", "regcollation", "regconfig",    "regdictionary", "regnamespace", "regoper",
      "regproc",  "regoperator",  "regprocedure", "regrole",       "regtype"};
  return !IsUserOid(type.oid) && std::find(names.begin(), names.end(), type.name) != names.end();
}

}  // namespace

void Catalog::IndexTypes() {
  for (Type& type : rows_.types) {
    types_[type.oid] = &type;
    types_by_name_[type.name].push_back(&type);
  }
  for (auto& [oid, text] : rows_.type_expressions) {
    const auto found = types_.find(oid);
    if (found != types_.end()) found->second->expressions.push_back(std::move(text));
  }
}

void Catalog::IndexCasts() {
  const auto kind_of = [this](Oid oid) {
    const Type* type = FindType(oid);
    return type == nullptr ? '\0' : type->kind;
  };
  for (const Cast& cast : rows_.casts) {
    // CREATE TYPE AS RANGE makes this one by itself.
    if (kind_of(cast.source) == 'r' && kind_of(cast.target) == 'm') continue;
    if (!IsUserOid(cast.source) && !IsUserOid(cast.target)) builtin_casts_changed_ = true;
    for (const Oid oid : {cast.source, cast.target}) {
      if (!IsUserOid(oid)) continue;
      TypeCasts& casts = casts_[oid];
      if (cast.function != 0) casts.functions.push_back(cast.function);
      if (oid == cast.target && cast.context == 'i') casts.implicit_target = true;
    }
  }
  for (const auto& [type, function] : rows_.comparisons) {
    comparisons_[IsUserOid(type) ? type : 0].push_back(function);
  }
}

TypeFacts Catalog::FactsOf(Oid type) const {
  TypeFacts facts;
  CollectType(type, 0, facts);
  return facts;
}

void Catalog::CollectType(Oid oid, int depth, TypeFacts& facts) const {
  const Type* type = FindType(oid);
  if (type == nullptr || depth > kMaxTypeDepth) {
    facts.known = false;
    return;
  }
  if (type->element != 0) return CollectType(type->element, depth + 1, facts);
  if (std::find(kTimeTypes.begin(), kTimeTypes.end(), oid) != kTimeTypes.end()) {
    facts.has_time = true;
  }
  if (IsRegistry(*type)) facts.is_registry = true;
  if (type->kind == 'd') {
    if (!type->expressions.empty()) facts.expressions.push_back(oid);
    return CollectType(type->base, depth + 1, facts);
  }
  if (IsUserOid(oid)) {
    const auto& seen = facts.user_types;
    if (std::find(seen.begin(), seen.end(), oid) != seen.end()) return;
    facts.user_types.push_back(oid);
  }
  switch (type->kind) {
    case 'b':
    case 'm':
      if (IsUserOid(oid) && !IsTrustedExtension(type->extension)) facts.known = false;
      return;
    case 'e':
      return;
    case 'r':
      return CollectType(type->range_subtype, depth + 1, facts);
    case 'c': {
      const Relation* relation = IsUserOid(oid) ? FindRelation(type->relation) : nullptr;
      if (relation == nullptr) {
        facts.known = false;
        return;
      }
      for (const Oid column : relation->column_types) CollectType(column, depth + 1, facts);
      return;
    }
    default:  // pseudo-types
      facts.known = false;
      return;
  }
}

}  // namespace pgsidecar::catalog
