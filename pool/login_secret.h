// With what the proxy logs in to the server as somebody: whichever of these is known.

#ifndef PGSIDECAR_POOL_LOGIN_SECRET_H_
#define PGSIDECAR_POOL_LOGIN_SECRET_H_

#include <optional>
#include <string>
#include <utility>

#include "base/secret.h"
#include "pgwire/scram_keys.h"

namespace pgsidecar::pool {

struct LoginSecret {
  LoginSecret() = default;
  LoginSecret(std::string the_password) : password(std::move(the_password)) {}  // NOLINT

  SecretString password;                   // answers every question
  SecretString md5;                        // as stored: answers AuthenticationMD5Password
  std::optional<pgwire::ScramKeys> scram;  // answers SCRAM by the verifier that they are of

  bool empty() const { return password.empty() && md5.empty() && !scram; }
};

}  // namespace pgsidecar::pool

#endif  // PGSIDECAR_POOL_LOGIN_SECRET_H_
