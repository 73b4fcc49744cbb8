// The exchange in which the proxy itself judges a client by its password: in clear, by md5 or by
// SCRAM (PostgreSQL documentation, "Message Flow: Start-up"). Pure: messages in, messages out.
//
// Invariant: a user of whom nothing is known is asked the same, at the same cost, and told the same
// as one who gives a wrong password.

#ifndef PGSIDECAR_PROXY_AUTH_EXCHANGE_H_
#define PGSIDECAR_PROXY_AUTH_EXCHANGE_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/outbox.h"
#include "base/result.h"
#include "pgwire/scram_server.h"
#include "pool/login_secret.h"
#include "proxy/auth_hba.h"
#include "proxy/auth_secret.h"

namespace pgsidecar::proxy {

// 28P01, in PostgreSQL's wording.
Error WrongPassword(std::string_view user);
// What a stored secret alone is good for at the server.
pool::LoginSecret LoginSecretOf(const UserSecret& secret);

class AuthExchange {
 public:
  enum class Outcome : uint8_t { kMore, kAccepted };
  static constexpr size_t kRandomBytes = 22;  // 18 of a nonce, 4 of a salt

  // `method`: kPlain, kMd5 or kScram; kMd5 is SCRAM for who has a verifier alone. `secret`: null if
  // nothing is known of the user; then `mock_md5` says which exchange kMd5 is. `random`: fresh.
  // `endpoint_hash`: of our certificate, empty without TLS.
  AuthExchange(AuthMethod method, std::string user, std::shared_ptr<const UserSecret> secret,
               bool mock_md5, std::string_view random, std::string endpoint_hash);

  // What the client is asked first.
  void Start(Outbox& out) const;
  // What the body of its answer may measure.
  size_t max_message_bytes() const;
  // The body of an answer. An Error ends the connection.
  Result<Outcome> OnMessage(std::string_view body, Outbox& out);

  // With what the proxy may now log in to the server as that user. REQUIRES: kAccepted.
  pool::LoginSecret TakeGained() { return std::move(gained_); }

 private:
  Result<Outcome> OnPassword(std::string_view body);
  Result<Outcome> OnSasl(std::string_view body, Outbox& out);
  bool Accepts(std::string_view password) const;

  AuthMethod method_;
  std::string user_;
  std::shared_ptr<const UserSecret> secret_;
  std::string salt_;                          // of md5
  std::optional<pgwire::ScramServer> scram_;  // of SCRAM
  bool challenged_ = false;                   // SCRAM's first message has been answered
  pool::LoginSecret gained_;
};

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_AUTH_EXCHANGE_H_
