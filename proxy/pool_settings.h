// What the configuration says of single databases and users.

#ifndef PGSIDECAR_PROXY_POOL_SETTINGS_H_
#define PGSIDECAR_PROXY_POOL_SETTINGS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "pool/limits.h"

namespace pgsidecar::proxy {

// What is not said is as for all.
struct DatabaseSettings {
  std::optional<pool::PoolMode> pool_mode;
  std::optional<uint32_t> pool_size;
  std::optional<uint32_t> min_pool_size;
  std::optional<uint32_t> reserve_pool_size;
  std::optional<uint32_t> max_db_connections;
  std::optional<uint32_t> max_db_client_connections;
};

struct UserSettings {
  std::optional<pool::PoolMode> pool_mode;  // before the database's
  std::optional<uint32_t> max_user_connections;
};

struct PoolSettings {
  std::map<std::string, DatabaseSettings, std::less<>> databases;
  std::map<std::string, UserSettings, std::less<>> users;
};

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_POOL_SETTINGS_H_
