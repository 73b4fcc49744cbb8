// The search_path setting, split as PostgreSQL splits it (SplitIdentifierString in varlena.c).

#ifndef PGSIDECAR_CATALOG_SEARCH_PATH_H_
#define PGSIDECAR_CATALOG_SEARCH_PATH_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgsidecar::catalog {

// The schemas that the setting names, in order, "$user" replaced by `user`; pg_catalog and pg_temp
// only where the text says so. nullopt if the text is not a list of identifiers, or if PostgreSQL
// would cut one short.
std::optional<std::vector<std::string>> SplitSearchPath(std::string_view text,
                                                        std::string_view user);

}  // namespace pgsidecar::catalog

#endif  // PGSIDECAR_CATALOG_SEARCH_PATH_H_
