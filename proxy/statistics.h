// Counters of what the proxy has done since its start: SHOW STATS and /metrics read them.

#ifndef PGSIDECAR_PROXY_STATISTICS_H_
#define PGSIDECAR_PROXY_STATISTICS_H_

#include <array>
#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "proxy/cache_policy.h"

namespace pgsidecar::proxy {

// Why the proxy has closed a server connection.
enum class CloseReason : uint8_t {
  kUnusable,  // lost, or in a state that nothing is known of
  kLogin,     // it did not come to life
  kSurplus,   // more than the pool may have
  kIdle,      // server_idle_timeout
  kLifetime,  // server_lifetime
  kHealth,    // it did not pass the check
  kReset,     // what a client had left behind could not be undone
  kRoom,      // another was wanted where a limit was reached
  kOrdered,   // on the console, or by the end of the process
  kCount_,
};
inline constexpr size_t kCloseReasons = static_cast<size_t>(CloseReason::kCount_);
std::string_view CloseReasonName(CloseReason reason);

struct Statistics {
  uint64_t client_connections = 0;  // accepted
  uint64_t client_logins = 0;       // of these, let in
  uint64_t login_failures = 0;      // judged by the proxy, and refused
  uint64_t server_connections = 0;  // opened
  uint64_t client_tls_handshakes = 0;
  uint64_t client_tls_resumptions = 0;  // of these, on an earlier session
  uint64_t client_tls_failures = 0;
  uint64_t server_tls_handshakes = 0;
  uint64_t server_tls_resumptions = 0;
  uint64_t server_tls_failures = 0;
  uint64_t requests = 0;  // decided: queries and extended-protocol requests
  uint64_t hits = 0;
  uint64_t misses = 0;
  uint64_t bypasses = 0;
  std::map<std::string_view, uint64_t> bypasses_by_reason;  // of constants
  uint64_t observed_hits = 0;  // would have been hits, in mode observe or verify
  uint64_t verify_matches = 0;
  uint64_t verify_mismatches = 0;
  uint64_t verify_skipped = 0;  // could not be compared: a write came in between, an error, ...
  std::array<uint64_t, kCacheClasses> hits_by_class{};
  std::vector<uint64_t> rule_matches;  // cacheable requests, by rule of the configuration
  uint64_t fills_stored = 0;
  uint64_t fills_abandoned = 0;
  uint64_t flights_followed = 0;
  uint64_t local_transactions = 0;  // begun and ended without the server
  uint64_t writes = 0;              // requests that moved versions
  uint64_t writes_to_anything = 0;
  uint64_t replays = 0;  // statements prepared again on another server connection
  uint64_t pins = 0;
  std::map<std::string_view, uint64_t> pins_by_reason;         // of constants
  Duration pinned_time{0};                                     // of pins that have ended
  std::map<std::string_view, uint64_t> pinned_time_by_reason;  // microseconds
  uint64_t audits = 0;                                         // of what sessions hold
  uint64_t settings_replays = 0;  // server connections that were given a session's settings
  uint64_t settings_replays_failed = 0;
  uint64_t cancels = 0;
  uint64_t errors = 0;  // ended client connections by an error of ours
  uint64_t bytes_from_clients = 0;
  uint64_t bytes_to_clients = 0;
  uint64_t bytes_from_servers = 0;
  uint64_t bytes_to_servers = 0;
  std::array<uint64_t, kCloseReasons> servers_closed{};
  uint64_t logins_refused = 0;   // by a limit or an order of ours
  uint64_t logins_held = 0;      // made to wait for room or for others' logins
  uint64_t logins_failed = 0;    // the server could not be reached
  uint64_t server_checks = 0;    // before a lease
  uint64_t server_resets = 0;    // behind a client in pool_mode session
  uint64_t client_timeouts = 0;  // clients disconnected by one of their timeouts
  uint64_t waits = 0;            // for a server connection
  Duration wait_time{0};
  Duration server_time_saved{0};
  Duration observed_server_time{0};  // that observed hits would have saved
};

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_STATISTICS_H_
