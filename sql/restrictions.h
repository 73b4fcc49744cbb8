// Private to sql/: finds in WHERE and ON what restricts a table reference to rows of which a
// column equals a constant.
//
// A conjunct of WHERE restricts every reference of its query level, on whichever side of an outer
// join: a result row keeps its place by that conjunct alone, and whether the joins give it to WHERE
// depends, of that reference, on no other row. A conjunct of ON does the same for an inner join's
// two sides, and for the nullable side of LEFT and RIGHT; FULL keeps unmatched rows of both.

#ifndef PGSIDECAR_SQL_RESTRICTIONS_H_
#define PGSIDECAR_SQL_RESTRICTIONS_H_

#include <vector>

#include "sql/collector.h"
#include "sql/row_info.h"
#include "sql/tree.h"

namespace pgsidecar::sql {

// The references of one query level, which have been given to `out` as reads.
void RestrictReferences(Nodes from, const Node* where, Collector& out);

// The target of an UPDATE or DELETE without other tables.
std::vector<Restriction> RestrictTarget(const PgQuery__RangeVar& target, const Node* where,
                                        const Collector& out);

// A constant or a parameter, perhaps cast; kUnknown for everything else.
Value ValueOf(const Node* node, const Collector& out);
// What an array on the right of = ANY holds, or the array itself as one value; none if that is not
// known.
std::vector<Value> ArrayValuesOf(const Node* node, const Collector& out);

}  // namespace pgsidecar::sql

#endif  // PGSIDECAR_SQL_RESTRICTIONS_H_
