// Which settings take part in the cache key.

#ifndef PGSIDECAR_CATALOG_ENVIRONMENT_H_
#define PGSIDECAR_CATALOG_ENVIRONMENT_H_

#include <string_view>

namespace pgsidecar::catalog {

// `name` in lower case. A setting that is not may differ between two connections that share
// answers: what the probe leaves out, or pg_settings never shows.
bool IsSettingInKey(std::string_view name);

}  // namespace pgsidecar::catalog

#endif  // PGSIDECAR_CATALOG_ENVIRONMENT_H_
