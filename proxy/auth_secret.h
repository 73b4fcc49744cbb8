// What is known of a user's password, in the three forms that pg_authid.rolpassword and PgBouncer's
// auth_file have: as it is, md5<hex of md5(password + user)>, or a SCRAM verifier.

#ifndef PGSIDECAR_PROXY_AUTH_SECRET_H_
#define PGSIDECAR_PROXY_AUTH_SECRET_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"
#include "pgwire/scram_keys.h"

namespace pgsidecar::proxy {

struct UserSecret {
  SecretString plain;
  SecretString md5;                               // with its prefix
  std::optional<pgwire::ScramVerifier> verifier;  // also of a plain one, once it is derived
  // The user exists and has no password: nothing that he says is right.
  bool empty() const { return plain.empty() && md5.empty() && !verifier; }
};

// Says which form `text` has. The Error's message says what was expected and repeats nothing of it.
Result<UserSecret> ReadSecret(std::string_view text);
// Gives a plain secret its verifier, so that a login costs the same whoever logs in.
void DeriveVerifier(std::string_view user, UserSecret* secret);

using Userlist = std::map<std::string, std::shared_ptr<const UserSecret>, std::less<>>;

// PgBouncer's auth_file: lines of "user" "secret", a quote in either doubled, what stands behind
// them ignored; empty lines, and comments that begin with ; or #. A user stands there once. The
// Error's message begins with `path`, the line's number, and says what was expected. Verifiers of
// plain secrets are not derived.
Result<Userlist> ReadUserlist(std::string_view text, const std::string& path);

// For a user of whom nothing is known: a verifier as anybody might have it, which nothing fits. The
// same for the same name as long as the process lives, since a salt that changes gives it away.
pgwire::ScramVerifier MockVerifier(std::string_view user);
// Likewise, in the form md5...
std::string MockMd5(std::string_view user);

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_AUTH_SECRET_H_
