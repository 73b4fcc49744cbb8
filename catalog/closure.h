// What follows from touching one relation: views to their tables, policies, trees, triggers, rules,
// foreign-key cascades, defaults, checks and domains. Computed on first use, remembered in the
// Catalog's memo.
//
// Invariant: no recursion without end. A frame names what is being computed further out; whatever
// leads back there, or too deep, counts as unknown.
//
// The texts of views and expressions were printed by PostgreSQL under an empty search_path: an
// unqualified name in them is pg_catalog's.

#ifndef PGSIDECAR_CATALOG_CLOSURE_H_
#define PGSIDECAR_CATALOG_CLOSURE_H_

#include <cstdint>

#include "catalog/effects.h"
#include "catalog/snapshot.h"

namespace pgsidecar::catalog {

// One computation in progress; the outermost is the statement itself.
struct Frame {
  const Frame* outer = nullptr;
  uint64_t key = 0;
  int depth = 0;

  bool Contains(uint64_t sought) const {
    for (const Frame* frame = this; frame->outer != nullptr; frame = frame->outer) {
      if (frame->key == sought) return true;
    }
    return false;
  }
};

// Of reading `relation`, by whatever role. The reference is valid as long as the catalog.
const Effects& ReadEffects(const Catalog& catalog, const Relation& relation, const Frame& frame);

// Of writing it. `operations` are bits of sql::WriteOperation.
const Effects& WriteEffects(const Catalog& catalog, const Relation& relation, uint8_t operations,
                            const Frame& frame);

// Of values of a type that occur; what casts of them run is for the statement to add.
void AddTypeEffects(const TypeFacts& facts, Effects& effects);
// Of making such values: the checks and defaults of its domains run.
void AddTypeExpressions(const Catalog& catalog, const TypeFacts& facts, const Frame& frame,
                        Effects& effects);

}  // namespace pgsidecar::catalog

#endif  // PGSIDECAR_CATALOG_CLOSURE_H_
