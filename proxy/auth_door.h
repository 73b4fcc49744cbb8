// How clients that the proxy has judged get in: what they are told of the server is what it told
// the proxy's own login with the same startup packet, as long as that still holds. So a storm of
// logins costs the server one.
//
// A door stands for one startup packet. It is open while a server connection of its pool lives that
// logged in under the catalog and the configuration of now: roles, grants and ALTER ROLE ... SET
// that have changed since ask for a new login, which shuts out whom the server would.

#ifndef PGSIDECAR_PROXY_AUTH_DOOR_H_
#define PGSIDECAR_PROXY_AUTH_DOOR_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "pool/server_connection.h"

namespace pgsidecar::proxy {

// What a server connection was told at its login.
struct LoginState {
  pool::Parameters parameters;
  std::shared_ptr<const pool::Environment> environment;  // null: not known
  uint32_t pid = 0;
  size_t cancel_key_bytes = 0;
};

struct Door {
  pool::ServerId knocking = 0;  // the server connection that is logging in; 0: none
  std::vector<pool::ClientId> waiting;
  std::string pool_key;
  std::optional<LoginState> login;
  // Of when the login began.
  uint64_t catalog_version = 0;
  uint64_t signs = 0;
  TimePoint begun_at{};
};

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_AUTH_DOOR_H_
