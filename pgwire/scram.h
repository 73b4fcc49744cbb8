// The client's side of SASL: SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, which is bound to the server's
// certificate by tls-server-end-point (RFC 5802, RFC 7677, RFC 5929), and the older password
// answers. Used for the proxy's own connections to the server; a client's exchange is relayed, or
// judged by pgwire/scram_server.h.
//
// Passwords are used byte for byte. For ASCII this is what SASLprep (RFC 4013) yields; a password
// beyond ASCII works if it is already in the normal form that SASLprep would give it, since
// nothing here normalises.

#ifndef PGSIDECAR_PGWIRE_SCRAM_H_
#define PGSIDECAR_PGWIRE_SCRAM_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"
#include "pgwire/scram_keys.h"

namespace pgsidecar::pgwire {

inline constexpr std::string_view kScramSha256 = "SCRAM-SHA-256";
inline constexpr std::string_view kScramSha256Plus = "SCRAM-SHA-256-PLUS";
inline constexpr std::string_view kTlsServerEndPoint = "tls-server-end-point";

// What the client says of channel binding, in its gs2 header.
struct ScramBinding {
  enum class Flag : uint8_t {
    kNone,     // n: the client cannot, as without TLS
    kOffered,  // y: it could, and thinks that the server cannot
    kBound,    // p=tls-server-end-point: mechanism SCRAM-SHA-256-PLUS
  };
  Flag flag = Flag::kNone;
  std::string data{};  // of kBound: the digest of the server's certificate
};

// One exchange: ClientFirst, then ClientFinal(server-first), then CheckServerFinal(server-final).
// Errors are 28000 (what the server sent is not SCRAM) or 28P01 (its signature is wrong).
class ScramClient {
 public:
  // `nonce` is printable ASCII without commas, at least 18 characters of fresh randomness.
  // PostgreSQL ignores the user of a SCRAM message and takes the startup packet's: leave it empty.
  ScramClient(std::string_view password, std::string nonce, std::string_view user = "",
              ScramBinding binding = {});
  // With the keys instead of the password. 28P01 from ClientFinal if they are of another verifier
  // than the server's.
  ScramClient(ScramKeys keys, std::string nonce, ScramBinding binding = {});

  std::string ClientFirst() const;
  // Costs as much processor time as the server's iteration count asks for: about a millisecond at
  // PostgreSQL's 4096, a few tenths of a second at the limit.
  Result<std::string> ClientFinal(std::string_view server_first);
  Result<bool> CheckServerFinal(std::string_view server_final) const;

 private:
  SecretString password_;
  std::optional<ScramKeys> keys_;
  std::string nonce_;
  std::string client_first_bare_;
  ScramBinding binding_;
  std::string server_signature_;
};

// 24 characters of fresh randomness for a nonce.
std::string MakeScramNonce();

// What pg_authid.rolpassword holds under md5: "md5" + md5(password + user). Empty, here and below,
// if libcrypto has no MD5 (FIPS mode); the login is then refused.
std::string Md5Secret(std::string_view user, std::string_view password);
// The answer to AuthenticationMD5Password: "md5" + md5(md5(password + user) + salt); from what is
// stored, or from the password.
std::string Md5Answer(std::string_view secret, std::string_view salt);
std::string Md5Password(std::string_view user, std::string_view password, std::string_view salt);

}  // namespace pgsidecar::pgwire

#endif  // PGSIDECAR_PGWIRE_SCRAM_H_
