#include "catalog/environment.h"

#include <algorithm>
#include <array>

namespace pgsidecar::catalog {

bool AnswersIgnore(std::string_view name) {
  constexpr std::array<std::string_view, 12> kNames = {"application_name",
                                                       "in_hot_standby",
                                                       "lc_messages",
                                                       "synchronous_commit",
                                                       "update_process_title",
                                                       "client_connection_check_interval",
                                                       "transaction_isolation",
                                                       "transaction_read_only",
                                                       "transaction_deferrable",
                                                       "default_transaction_isolation",
                                                       "default_transaction_read_only",
                                                       "default_transaction_deferrable"};
  constexpr std::array<std::string_view, 5> kPrefixes = {"log_", "tcp_", "ssl_", "track_",
                                                         "debug_print_"};
  // A setting of the user's own means what the user makes of it.
  if (name.find('.') != std::string_view::npos) return false;
  return name.ends_with("_timeout") ||
         std::find(kNames.begin(), kNames.end(), name) != kNames.end() ||
         std::any_of(kPrefixes.begin(), kPrefixes.end(),
                     [name](std::string_view prefix) { return name.starts_with(prefix); });
}

bool IsSettingInKey(std::string_view name) {
  // SHOW ALL has none of these.
  constexpr std::array<std::string_view, 5> kNotShown = {"", "role", "session_authorization",
                                                         "is_superuser", "seed"};
  return !AnswersIgnore(name) && !name.starts_with("pgsidecar.") &&
         std::find(kNotShown.begin(), kNotShown.end(), name) == kNotShown.end();
}

}  // namespace pgsidecar::catalog
