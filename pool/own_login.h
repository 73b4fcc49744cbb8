// A login of the proxy's own: for the catalog's connection and auth_query's, with the upstream
// URL's user and password, and for the pools of users whose secret is known or whom the server lets
// in without a challenge. A login that the server is to judge is not made here: it is relayed.

#ifndef PGSIDECAR_POOL_OWN_LOGIN_H_
#define PGSIDECAR_POOL_OWN_LOGIN_H_

#include <optional>
#include <string>
#include <string_view>

#include "base/outbox.h"
#include "base/result.h"
#include "base/transport.h"
#include "pgwire/scram.h"
#include "pgwire/startup.h"
#include "pool/login_secret.h"
#include "pool/require_auth.h"

namespace pgsidecar::pool {

// What the proxy agrees to when it logs in.
struct LoginPolicy {
  ChannelBinding binding = ChannelBinding::kPrefer;
  RequireAuth require{};
  bool local_server = true;  // the way to it leaves no machine
};

class OwnLogin {
 public:
  // Over TLS the SCRAM exchange is bound to the server's certificate (SCRAM-SHA-256-PLUS) if the
  // server offers that and the policy does not forbid it; if the policy requires it, nothing else
  // is answered.
  OwnLogin(pgwire::StartupMessage startup, LoginSecret secret, LoginPolicy policy);

  void Start(Outbox& out) const;

  // An Authentication message that has come by `transport`; answers it. 28P01 where the server
  // wants a password and there is none that would do, 28000 where it wants a method that is not
  // supported or not allowed.
  Result<bool> OnAuthentication(std::string_view body, const TransportSecurity& transport,
                                Outbox& out);

 private:
  Result<bool> Answer(const pgwire::Authentication& message, const TransportSecurity& transport,
                      Outbox& out);
  Result<bool> OnSasl(std::string_view mechanisms, const TransportSecurity& transport, Outbox& out);
  Error NoSecret() const;

  pgwire::StartupMessage startup_;
  LoginSecret secret_;
  LoginPolicy policy_;
  std::optional<pgwire::ScramClient> scram_;
  bool challenged_ = false;
  bool scram_verified_ = false;  // the server has proved that it knows the password, too
};

}  // namespace pgsidecar::pool

#endif  // PGSIDECAR_POOL_OWN_LOGIN_H_
