// The part of a Plan that waits for the request's own values: which slots they are.
//
// Immutable once made, and shared by all who run the text.

#ifndef PGSIDECAR_PROXY_ROW_PLAN_H_
#define PGSIDECAR_PROXY_ROW_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cache/versions.h"
#include "catalog/resolve.h"
#include "pgwire/frontend.h"
#include "sql/template.h"

namespace pgsidecar::proxy {

class Database;

struct RowPlan {
  std::vector<catalog::KeyedRead> reads;
  std::vector<catalog::KeyedColumn> writes;
};

// What one run of a text is given. Views of what the caller owns.
struct RunValues {
  sql::Literals literals = {};                     // of a text whose record is a template's
  const pgwire::Bind* bind = nullptr;              // null: none, or not known
  std::span<const uint32_t> parameter_types = {};  // as declared
  // The types that are not declared were inferred from the columns that the catalog of now has.
  bool types_inferred = false;
  // Both ends use UTF-8, so that one text has one spelling. Else only ASCII is looked at.
  bool utf8 = false;
};

// More slots than this are not told apart, in one answer or one transaction.
inline constexpr size_t kMaxSlots = 256;

// Appends the counters that the answer depends on: columns and slots; any[relation] where the
// values are not known.
void AppendReadCounters(const RowPlan& plan, const Database& database, const RunValues& values,
                        std::vector<cache::CounterIndex>& counters);

// Appends the counters that the write moves: slots; column[relation, c] where the values are not
// known, everywhere if `values` is null.
void AppendWriteCounters(const RowPlan& plan, const Database& database, const RunValues* values,
                         std::vector<cache::CounterIndex>& counters);

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_ROW_PLAN_H_
