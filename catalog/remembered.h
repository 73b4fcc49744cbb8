// Private to catalog/: what is computed once and remembered in the Catalog's memo, and where the
// recursion ends.

#ifndef PGSIDECAR_CATALOG_REMEMBERED_H_
#define PGSIDECAR_CATALOG_REMEMBERED_H_

#include <cstdint>
#include <string>
#include <utility>

#include "catalog/closure.h"
#include "catalog/effects.h"
#include "catalog/snapshot.h"

namespace pgsidecar::catalog {

inline constexpr int kMaxDepth = 32;

// Keys of the memo: an OID, and what of it. Writing a relation is the bits of the operations.
inline constexpr uint64_t kReadKey = 0x100;
inline constexpr uint64_t kRowChecksKey = 0x200;  // with the bits of the operations
inline constexpr uint64_t kCallKey = 0x400;       // of a function
inline uint64_t MemoKey(Oid oid, uint64_t what) { return uint64_t{oid} << 16 | what; }

inline const Effects& UnknownEffects() {
  static const Effects unknown = [] {
    Effects effects;
    effects.reads_incomplete = true;
    effects.RunsUnknown(Refusal::kOther);
    return effects;
  }();
  return unknown;
}

// What is remembered under `key`, or else what `compute(frame)` gives now.
template <typename Compute>
const Effects& Remembered(const Catalog& catalog, uint64_t key, const Frame& outer,
                          Compute compute) {
  if (const Effects* known = catalog.memo().Find(key)) return *known;
  if (outer.depth >= kMaxDepth || outer.Contains(key)) return UnknownEffects();
  const Frame frame = {&outer, key, outer.depth + 1};
  Effects effects = compute(frame);
  effects.Normalize();
  return catalog.memo().Insert(key, std::move(effects));
}

// What running an expression that PostgreSQL printed does; or several, with commas between them.
Effects EffectsOfExpression(const Catalog& catalog, const std::string& text, const Frame& frame);

}  // namespace pgsidecar::catalog

#endif  // PGSIDECAR_CATALOG_REMEMBERED_H_
