// What SCRAM makes of a password, and how it is written down. The names are those of RFC 5802,
// section 3:
//
//   SaltedPassword  = PBKDF2-HMAC-SHA-256(password, salt, i)
//   ClientKey       = HMAC(SaltedPassword, "Client Key")     StoredKey = SHA-256(ClientKey)
//   ServerKey       = HMAC(SaltedPassword, "Server Key")
//   AuthMessage     = client-first-bare "," server-first "," client-final-without-proof
//   ClientProof     = ClientKey XOR HMAC(StoredKey, AuthMessage)
//   ServerSignature = HMAC(ServerKey, AuthMessage)
//
// StoredKey and ServerKey together (a verifier) judge a client, but do not let anybody log in;
// ClientKey and ServerKey together do, wherever the same verifier is used.

#ifndef PGSIDECAR_PGWIRE_SCRAM_KEYS_H_
#define PGSIDECAR_PGWIRE_SCRAM_KEYS_H_

#include <openssl/crypto.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/hash.h"

namespace pgsidecar::pgwire {

// What asks for more iterations than this is refused rather than obeyed.
inline constexpr uint32_t kMaxScramIterations = 1000000;
// PostgreSQL's defaults (scram_iterations, SCRAM_DEFAULT_SALT_LEN).
inline constexpr uint32_t kScramIterations = 4096;
inline constexpr size_t kScramSaltBytes = 16;

// A digest that does not outlive its use in memory.
struct ScramSecret {
  ScramSecret() : bytes{} {}
  ScramSecret(const ScramSecret&) = default;
  ScramSecret& operator=(const ScramSecret&) = default;
  ~ScramSecret() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
  std::string_view view() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  Digest bytes;
};

struct ScramVerifier {
  uint32_t iterations = kScramIterations;
  std::string salt;  // decoded
  ScramSecret stored_key;
  ScramSecret server_key;
};

// What lets one log in as a user without the password, and of which verifier.
struct ScramKeys {
  uint32_t iterations = kScramIterations;
  std::string salt;
  ScramSecret client_key;
  ScramSecret server_key;
};

// PostgreSQL's form, pg_authid.rolpassword:
// SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey> with the last three in base64. nullopt
// for anything else.
std::optional<ScramVerifier> ParseScramVerifier(std::string_view text);
std::string FormatScramVerifier(const ScramVerifier& verifier);
bool IsScramVerifier(std::string_view text);  // begins like one

// Cost as much processor time as the iterations ask for: about a millisecond at 4096.
// REQUIRES: iterations is from 1 to kMaxScramIterations.
ScramKeys DeriveScramKeys(std::string_view password, std::string_view salt, uint32_t iterations);
ScramVerifier MakeScramVerifier(std::string_view password, std::string_view salt,
                                uint32_t iterations);

// HMAC-SHA-256.
void ScramHmac(std::string_view key, std::string_view text, ScramSecret& mac);
// Of the client: ClientProof.
void ScramProof(const ScramSecret& client_key, std::string_view auth_message, ScramSecret& proof);
// Of the server: whether `proof` is by one who has the password; `client_key` is then his.
bool CheckScramProof(const ScramSecret& stored_key, std::string_view auth_message,
                     std::string_view proof, ScramSecret& client_key);

}  // namespace pgsidecar::pgwire

#endif  // PGSIDECAR_PGWIRE_SCRAM_KEYS_H_
