// The server's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), with PostgreSQL's
// rules and wording (auth-scram.c): the user of the message is ignored, an authorization identity
// and mandatory extensions are refused, tls-server-end-point (RFC 5929) is the only channel
// binding.
//
// Judges a client by a verifier. A user that does not exist is given one that nothing fits
// (`doomed`), so that the exchange takes the same way and the same time for either.

#ifndef PGSIDECAR_PGWIRE_SCRAM_SERVER_H_
#define PGSIDECAR_PGWIRE_SCRAM_SERVER_H_

#include <string>
#include <string_view>

#include "base/result.h"
#include "pgwire/scram_keys.h"

namespace pgsidecar::pgwire {

// PostgreSQL's PG_MAX_SASL_MESSAGE_LENGTH.
inline constexpr size_t kMaxSaslMessageBytes = 1024;

// One exchange: Mechanisms, then ServerFirst, then ServerFinal.
class ScramServer {
 public:
  // `nonce` is printable ASCII without commas, at least 18 characters of fresh randomness.
  // `endpoint_hash`: of the certificate that the client has been shown; empty without TLS, and
  // channel binding is then not offered.
  ScramServer(ScramVerifier verifier, bool doomed, std::string nonce, std::string endpoint_hash);

  // What AuthenticationSASL lists: each name terminated, an empty one at the end.
  std::string Mechanisms() const;
  // The two parts of a SASLInitialResponse; returns what AuthenticationSASLContinue says. Errors as
  // PostgreSQL gives them: 08P01, 28000 for a channel binding that was talked away, 0A000.
  Result<std::string> ServerFirst(std::string_view mechanism, std::string_view client_first);
  // A SASLResponse; returns what AuthenticationSASLFinal says. The same errors; 28P01, its message
  // left to the caller, if the client does not know the password.
  // REQUIRES: ServerFirst has succeeded.
  Result<std::string> ServerFinal(std::string_view client_final);

  // What the client's proof has given away: with it the proxy can log in as that user.
  // REQUIRES: ServerFinal has succeeded.
  const ScramKeys& keys() const { return keys_; }

 private:
  std::string ChannelBinding() const;

  ScramVerifier verifier_;
  bool doomed_;
  std::string nonce_;
  std::string endpoint_hash_;
  std::string gs2_header_;         // as the client sent it
  std::string client_first_bare_;  // behind it
  std::string server_first_;
  std::string whole_nonce_;  // the client's and ours
  ScramKeys keys_;
};

}  // namespace pgsidecar::pgwire

#endif  // PGSIDECAR_PGWIRE_SCRAM_SERVER_H_
