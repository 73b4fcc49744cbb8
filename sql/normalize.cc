#include "sql/normalize.h"

#include <pg_query.h>

namespace pgsidecar::sql {

std::string WithoutConstants(std::string_view text) {
  const PgQueryNormalizeResult result = pg_query_normalize(std::string(text).c_str());
  std::string normalized = result.error == nullptr ? result.normalized_query : "";
  pg_query_free_normalize_result(result);
  return normalized;
}

}  // namespace pgsidecar::sql
