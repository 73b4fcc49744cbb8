// What the configuration says of logins, its files read: how a client is judged, by which secrets,
// and what the proxy agrees to when it logs in to the server itself.

#ifndef PGSIDECAR_PROXY_AUTH_SETTINGS_H_
#define PGSIDECAR_PROXY_AUTH_SETTINGS_H_

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/transport.h"
#include "pool/login_secret.h"
#include "pool/require_auth.h"
#include "proxy/auth_hba.h"
#include "proxy/auth_secret.h"

namespace pgsidecar::proxy {

struct Config;

struct AuthSettings {
  std::optional<AuthMethod> method = AuthMethod::kPassthrough;  // nullopt: the rules say it
  std::vector<HbaRule> rules;
  Userlist users;  // of auth_file
  // Which exchange an unknown user has under md5: that of most users of the file.
  bool mock_md5 = false;
  std::shared_ptr<const UserSecret> upstream;  // the URL's own; null if it has no password
  std::string query;                           // of auth_query; empty: nobody is asked
  std::string query_user;
  pool::RequireAuth require;
  // Of the console; if both are empty it is open to local connections.
  std::set<std::string, std::less<>> admins;
  std::set<std::string, std::less<>> stats;
};

// What is wrong, and with which setting.
struct AuthSettingsError {
  std::string_view setting;
  Error error;
};

// Reads the files that `config` names and checks what belongs together. `given`: whether somebody
// has set a setting.
std::optional<AuthSettingsError> ReadAuthSettings(
    const Config& config, const std::function<bool(std::string_view)>& given, AuthSettings* auth);

// How a login is to be judged, which the client has told nothing but its startup packet: never
// kReject, which is an Error (28000) as is what must not come this way.
// `trusted_listener`: only this machine reaches it. `peer`: an address with its port, or "unix".
Result<AuthMethod> DecideAuth(const Config& config, std::string_view user,
                              std::string_view database, bool replication, std::string_view peer,
                              const TransportSecurity& transport, bool trusted_listener);

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_AUTH_SETTINGS_H_
