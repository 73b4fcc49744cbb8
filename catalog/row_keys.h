// Private to catalog/: which rows of the tables that a statement names it can read and write, by
// the values of tracked columns.
//
// Invariant: a table that is reached in any other way (a view, a policy, a function, a cascade) is
// read and written as a whole.

#ifndef PGSIDECAR_CATALOG_ROW_KEYS_H_
#define PGSIDECAR_CATALOG_ROW_KEYS_H_

#include <vector>

#include "catalog/effects.h"
#include "catalog/judge.h"
#include "catalog/resolve.h"

namespace pgsidecar::catalog {

// As the fields of Resolved.
struct RowKeys {
  std::vector<KeyedRead> reads;
  std::vector<ColumnId> written_columns;
  std::vector<KeyedColumn> written_values;
};

// `direct` is what the judge has left out of `effects`; it is put back there. `effects` is complete
// but for that.
RowKeys FindRowKeys(const sql::StatementInfo& statement, const Catalog& catalog, const Path& path,
                    const DirectUse& direct, Effects& effects);

}  // namespace pgsidecar::catalog

#endif  // PGSIDECAR_CATALOG_ROW_KEYS_H_
