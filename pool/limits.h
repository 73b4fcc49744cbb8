// How many server connections a pool may have, and how it lends them: PgBouncer's settings, as they
// hold for one user of one database.

#ifndef PGSIDECAR_POOL_LIMITS_H_
#define PGSIDECAR_POOL_LIMITS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"

namespace pgsidecar::pool {

// When a server connection goes back.
enum class PoolMode : uint8_t {
  kSession,      // when the client leaves
  kTransaction,  // when its transaction ends
  kStatement,    // the same; blocks of several statements are refused
};
std::string_view PoolModeName(PoolMode mode);
std::optional<PoolMode> ParsePoolMode(std::string_view text);

struct PoolLimits {
  PoolMode mode = PoolMode::kTransaction;
  uint32_t pool_size = 20;
  uint32_t min_pool_size = 0;
  uint32_t reserve_pool_size = 0;  // on top of pool_size, for who waits long
  // 0: no limit.
  uint32_t max_db_connections = 0;
  uint32_t max_user_connections = 0;
  uint32_t max_db_client_connections = 0;

  // What is kept for clients that come back: never more than the pool may have.
  size_t least() const { return min_pool_size < pool_size ? min_pool_size : pool_size; }
  bool operator==(const PoolLimits&) const = default;
};

// How long the server connection `id` is used when `lifetime` is set: up to a fifth less, so that
// connections that were opened together do not end together.
Duration LifetimeOf(uint64_t id, Duration lifetime);

}  // namespace pgsidecar::pool

#endif  // PGSIDECAR_POOL_LIMITS_H_
