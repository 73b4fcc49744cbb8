// The [databases.NAME] and [users.NAME] tables of the TOML file: what of the pool's settings holds
// for one database or one user, in PgBouncer's names.

#ifndef PGSIDECAR_PROXY_CONFIG_POOLS_H_
#define PGSIDECAR_PROXY_CONFIG_POOLS_H_

#include <toml++/toml.h>

#include <optional>
#include <string>

#include "base/result.h"
#include "proxy/pool_settings.h"

namespace pgsidecar::proxy {

inline constexpr std::string_view kDatabasesKey = "databases";
inline constexpr std::string_view kUsersKey = "users";

// Adds the tables of `node`, the value of kDatabasesKey or kUsersKey in the file at `path`.
std::optional<Error> ReadDatabases(const toml::node& node, const std::string& path,
                                   PoolSettings& settings);
std::optional<Error> ReadUsers(const toml::node& node, const std::string& path,
                               PoolSettings& settings);

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_CONFIG_POOLS_H_
