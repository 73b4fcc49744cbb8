// Indexing the rows of a load: schemas, relations and their trees, foreign keys, and the lookups.
// Functions and operators are indexed in catalog/overloads.cc, types and casts in
// catalog/type_facts.cc.

#include "catalog/snapshot.h"

#include <algorithm>
#include <utility>

namespace pgsidecar::catalog {
namespace {

// Union-find over the relations of pg_inherits. A relation may have several parents, so a tree is
// whatever hangs together.
class Forest {
 public:
  Oid Find(Oid oid) {
    Oid root = oid;
    for (Oid next = ParentOf(root); next != root; next = ParentOf(root)) root = next;
    while (oid != root) {
      const Oid next = ParentOf(oid);
      parents_[oid] = root;
      oid = next;
    }
    return root;
  }
  void Unite(Oid a, Oid b) { parents_[Find(a)] = Find(b); }

 private:
  Oid ParentOf(Oid oid) const {
    const auto found = parents_.find(oid);
    return found == parents_.end() ? oid : found->second;
  }

  std::unordered_map<Oid, Oid> parents_;
};

template <typename T>
std::span<const T> SpanOf(const ByName<std::vector<T>>& map, std::string_view name) {
  const auto found = map.find(name);
  return found == map.end() ? std::span<const T>() : std::span<const T>(found->second);
}

template <typename T>
std::span<const T> SpanOf(const std::unordered_map<Oid, std::vector<T>>& map, Oid oid) {
  const auto found = map.find(oid);
  return found == map.end() ? std::span<const T>() : std::span<const T>(found->second);
}

// One representative for each set of relations that hang together: a member without a parent, of
// those the oldest.
std::unordered_map<Oid, Oid> RootsOf(std::span<const std::pair<Oid, Oid>> inherits) {
  Forest forest;
  std::unordered_map<Oid, bool> is_child;
  for (const auto& [child, parent] : inherits) {
    forest.Unite(child, parent);
    is_child[child] = true;
    is_child.try_emplace(parent, false);
  }
  std::unordered_map<Oid, Oid> root_of_set;
  for (const auto& [oid, child] : is_child) {
    if (child) continue;
    const auto [found, added] = root_of_set.try_emplace(forest.Find(oid), oid);
    if (!added) found->second = std::min(found->second, oid);
  }
  std::unordered_map<Oid, Oid> roots;
  for (const auto& [oid, child] : is_child) roots[oid] = root_of_set[forest.Find(oid)];
  return roots;
}

}  // namespace

const Effects* EffectsMemo::Find(uint64_t key) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : found->second.get();
}

const Effects& EffectsMemo::Insert(uint64_t key, Effects effects) {
  auto entry = std::make_unique<const Effects>(std::move(effects));
  const std::lock_guard lock(mutex_);
  return *entries_.try_emplace(key, std::move(entry)).first->second;
}

Catalog::Catalog(CatalogRows rows, std::vector<std::string> harmless)
    : rows_(std::move(rows)), harmless_(std::move(harmless)) {
  IndexSchemas();
  IndexRelations();
  IndexTypes();
  IndexTrackedColumns();
  IndexCasts();
  IndexFunctions();
  IndexOperators();
}

void Catalog::IndexSchemas() {
  for (const auto& [oid, name] : rows_.schemas) {
    schemas_[name] = oid;
    if (name.starts_with("pg_") || name == "information_schema") system_schemas_.push_back(oid);
  }
}

void Catalog::IndexRelations() {
  for (Relation& relation : rows_.relations) {
    relation.root = relation.oid;
    relations_[relation.oid] = &relation;
    relations_by_name_[relation.name].push_back(&relation);
  }
  for (const auto& [oid, root] : RootsOf(rows_.inherits)) {
    const auto found = relations_.find(oid);
    if (found != relations_.end()) found->second->root = root;
  }
  for (auto& [oid, column] : rows_.columns) {
    const auto found = relations_.find(oid);
    if (found != relations_.end()) found->second->columns.push_back(std::move(column));
  }
  for (const Relation& relation : rows_.relations) trees_[relation.root].push_back(&relation);
  for (auto& [oid, text] : rows_.relation_expressions) {
    const auto found = relations_.find(oid);
    if (found != relations_.end()) found->second->expressions.push_back(std::move(text));
  }
  for (auto& [oid, text] : rows_.relation_defaults) {
    const auto found = relations_.find(oid);
    if (found != relations_.end()) found->second->defaults.push_back(std::move(text));
  }
  for (auto& [oid, trigger] : rows_.triggers) {
    const auto found = relations_.find(oid);
    if (found != relations_.end()) found->second->triggers.push_back(std::move(trigger));
  }
  MarkRowChangingTriggers();
  for (auto& [oid, text] : rows_.policies) {
    const auto found = relations_.find(oid);
    if (found != relations_.end()) found->second->policies.push_back(std::move(text));
  }
  for (const ForeignKey& key : rows_.foreign_keys) {
    const Relation* referenced = FindRelation(key.referenced);
    if (referenced != nullptr) references_[referenced->root].push_back(key);
  }
}

void Catalog::MarkRowChangingTriggers() {
  const auto changes_rows = [](const Trigger& trigger) {
    return (trigger.type & Trigger::kInstead) != 0 ||
           ((trigger.type & Trigger::kBefore) != 0 && (trigger.type & Trigger::kRow) != 0);
  };
  for (Relation& relation : rows_.relations) {
    for (const Relation* member : trees_[relation.root]) {
      if (std::any_of(member->triggers.begin(), member->triggers.end(), changes_rows)) {
        relation.has_row_changing_triggers = true;
      }
    }
  }
}

std::vector<Oid> Catalog::AllSchemas() const {
  std::vector<Oid> all;
  for (const auto& [name, oid] : schemas_) all.push_back(oid);
  return all;
}

std::string_view Catalog::SchemaName(Oid schema) const {
  for (const auto& [oid, name] : rows_.schemas) {
    if (oid == schema) return name;
  }
  return {};
}

std::optional<Oid> Catalog::FindSchema(std::string_view name) const {
  const auto found = schemas_.find(name);
  if (found == schemas_.end()) return std::nullopt;
  return found->second;
}

bool Catalog::IsSystemSchema(Oid schema) const {
  return std::find(system_schemas_.begin(), system_schemas_.end(), schema) != system_schemas_.end();
}

const Relation* Catalog::FindRelation(Oid oid) const {
  const auto found = relations_.find(oid);
  return found == relations_.end() ? nullptr : found->second;
}

std::span<const Relation* const> Catalog::RelationsNamed(std::string_view name) const {
  return SpanOf(relations_by_name_, name);
}

std::span<const Relation* const> Catalog::Tree(Oid root) const { return SpanOf(trees_, root); }

std::span<const ForeignKey> Catalog::ReferencesTo(Oid root) const {
  return SpanOf(references_, root);
}

std::span<const TrackedColumn> Catalog::TrackedColumns(Oid root) const {
  return SpanOf(tracked_columns_, root);
}

const Type* Catalog::FindType(Oid oid) const {
  const auto found = types_.find(oid);
  return found == types_.end() ? nullptr : found->second;
}

std::span<const Type* const> Catalog::TypesNamed(std::string_view name) const {
  return SpanOf(types_by_name_, name);
}

const TypeCasts* Catalog::CastsOf(Oid type) const {
  const auto found = casts_.find(type);
  return found == casts_.end() ? nullptr : &found->second;
}

const Comparisons* Catalog::ComparisonsOf(Oid type) const {
  const auto found = comparisons_.find(type);
  return found == comparisons_.end() ? nullptr : &found->second;
}

const FunctionName* Catalog::FunctionsNamed(std::string_view name) const {
  const auto found = functions_.find(name);
  return found == functions_.end() ? nullptr : &found->second;
}

const Function* Catalog::FindFunction(Oid oid) const {
  const auto found = functions_by_oid_.find(oid);
  return found == functions_by_oid_.end() ? nullptr : found->second;
}

bool Catalog::IsDeclaredHarmless(const Function& function) const {
  for (const std::string& name : harmless_) {
    const size_t dot = name.find('.');
    if (dot == std::string::npos || name.substr(dot + 1) != function.name) continue;
    if (FindSchema(name.substr(0, dot)) == function.schema) return true;
  }
  return false;
}

const OperatorName* Catalog::OperatorsNamed(std::string_view name) const {
  const auto found = operators_.find(name);
  return found == operators_.end() ? nullptr : &found->second;
}

}  // namespace pgsidecar::catalog
