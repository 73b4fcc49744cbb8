// The other side of the pattern in catalog/probe_query.sql.inc: a test holds one against the other.

#include "catalog/environment.h"

#include <algorithm>
#include <array>

namespace pgsidecar::catalog {

bool IsSettingInKey(std::string_view name) {
  constexpr std::array<std::string_view, 17> kNotInKey = {
      "", "application_name", "in_hot_standby", "lc_messages", "synchronous_commit",
      "update_process_title", "client_connection_check_interval", "transaction_isolation",
      "transaction_read_only", "transaction_deferrable", "default_transaction_isolation",
      "default_transaction_read_only", "default_transaction_deferrable",
      // pg_settings has none of these.
      "role", "session_authorization", "is_superuser", "seed"};
  constexpr std::array<std::string_view, 6> kPrefixes = {"log_",   "tcp_",         "ssl_",
                                                         "track_", "debug_print_", "pgsidecar."};
  if (name.ends_with("_timeout")) return false;
  for (const std::string_view prefix : kPrefixes) {
    if (name.starts_with(prefix)) return false;
  }
  return std::find(kNotInKey.begin(), kNotInKey.end(), name) == kNotInKey.end();
}

}  // namespace pgsidecar::catalog
