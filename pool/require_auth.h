// Which ways of logging in to the server are allowed: libpq's require_auth (PostgreSQL
// documentation, "Parameter Key Words"), the same words in the same list.

#ifndef PGSIDECAR_POOL_REQUIRE_AUTH_H_
#define PGSIDECAR_POOL_REQUIRE_AUTH_H_

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "pgwire/backend.h"

namespace pgsidecar::pool {

struct RequireAuth {
  std::string text;  // as given; empty: anything goes, but for a password in clear over a network
  bool none = true;
  bool password = true;
  bool md5 = true;
  bool scram = true;
  // By what the server asks for; nullopt if that may be answered. `challenged`: it has asked for
  // something before. `private_channel`: nobody listens, by TLS or because it leaves no machine.
  std::optional<Error> Check(pgwire::AuthenticationRequest request, bool challenged,
                             bool private_channel) const;
};

// A list with commas of password, md5, gss, sspi, scram-sha-256 and none, or of all of these with a
// ! in front. The Error's message says what was expected.
Result<RequireAuth> ParseRequireAuth(std::string_view text);

}  // namespace pgsidecar::pool

#endif  // PGSIDECAR_POOL_REQUIRE_AUTH_H_
