// The text that loads a catalog. Its result sets are numbered as ResultSet in catalog/builder.cc.

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
