// The text that loads a catalog. Its result sets are numbered as ResultSet in catalog/builder.cc.
//
// Several statements in one message are one transaction, which ends by itself, whatever happens. It
// holds a snapshot, and to write an expression out PostgreSQL locks its table; who has locked that
// may be waiting for all old snapshots to go (CREATE INDEX CONCURRENTLY, DETACH PARTITION). So it
// does not wait for a lock, or not for so long that anybody would look for a deadlock.

#include <string>

#include "catalog/catalog.h"

namespace pgsidecar::catalog {

const std::string& LoadQuery() {
  static const std::string text =
#include "catalog/load_query.sql.inc"
      ;
  return text;
}

}  // namespace pgsidecar::catalog
