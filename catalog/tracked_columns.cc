// Which columns of a tree have counters for their values.

#include <map>
#include <utility>

#include "base/hash.h"
#include "catalog/snapshot.h"

namespace pgsidecar::catalog {
namespace {

constexpr Oid kVarchar = 1043;
constexpr int kMaxDomainDepth = 32;

}  // namespace

// A domain's values are equal as its base type's are. One over varchar may have a limit of its own.
std::optional<KeyType> Catalog::KeyTypeOf(Oid type) const {
  bool is_domain = false;
  for (int depth = 0; depth < kMaxDomainDepth; ++depth) {
    const Type* found = FindType(type);
    if (found == nullptr) return std::nullopt;
    if (found->kind != 'd') break;
    is_domain = true;
    type = found->base;
  }
  if (is_domain && type == kVarchar) return std::nullopt;
  return KeyTypeOfOid(type, /*array=*/false);
}

// nullopt if the members do not agree.
std::optional<TrackedColumn> Catalog::Track(Oid root, const std::string& name) const {
  TrackedColumn tracked{.name = name, .id = Hash64(name)};
  bool first = true;
  for (const Relation* member : Tree(root)) {
    for (const Column& column : member->columns) {
      if (column.name != name) continue;
      const std::optional<KeyType> type = KeyTypeOf(column.type);
      if (!type || !column.deterministic || column.generated) return std::nullopt;
      if (!std::exchange(first, false) && *type != tracked.type) return std::nullopt;
      tracked.type = *type;
      if (column.max_characters != 0 &&
          (tracked.max_characters == 0 || column.max_characters < tracked.max_characters)) {
        tracked.max_characters = column.max_characters;
      }
    }
  }
  if (first) return std::nullopt;
  return tracked;
}

void Catalog::IndexTrackedColumns() {
  std::map<Oid, std::map<std::string, bool>> keys;  // by root: names, and whether unique
  for (const KeyColumn& key : rows_.key_columns) {
    const Relation* relation = FindRelation(key.relation);
    if (relation != nullptr) keys[relation->root][key.column] |= key.unique;
  }
  for (const auto& [root, names] : keys) {
    for (const auto& [name, unique] : names) {
      std::optional<TrackedColumn> tracked = Track(root, name);
      if (!tracked) continue;
      tracked->unique = unique;
      tracked_columns_[root].push_back(*std::move(tracked));
    }
  }
}

}  // namespace pgsidecar::catalog
