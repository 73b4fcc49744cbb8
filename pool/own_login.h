// A login of the proxy's own: for the catalog's connection, with the upstream URL's user and
// password, and for pools whose server lets their user in without a challenge. A client's login is
// not made here: it is relayed, and the server judges it.

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

namespace pgsidecar::pool {

class OwnLogin {
 public:
  // Over TLS the SCRAM exchange is bound to the server's certificate (SCRAM-SHA-256-PLUS) if the
  // server offers that and `binding` does not forbid it; if `binding` requires it, nothing else is
  // answered.
  OwnLogin(pgwire::StartupMessage startup, std::string password,
           const TransportSecurity& transport = {},
           ChannelBinding binding = ChannelBinding::kPrefer);

  void Start(Outbox& out) const;

  // An Authentication message; answers it. 28P01 where the server wants a password and there is
  // none, 28000 where it wants a method that is not supported.
  Result<bool> OnAuthentication(std::string_view body, Outbox& out);

 private:
  Result<bool> OnSasl(std::string_view mechanisms, Outbox& out);

  pgwire::StartupMessage startup_;
  std::string password_;
  bool encrypted_;
  std::string endpoint_hash_;  // empty: nothing to bind to
  ChannelBinding binding_;
  std::optional<pgwire::ScramClient> scram_;
  bool scram_verified_ = false;  // the server has proved that it knows the password, too
};

}  // namespace pgsidecar::pool

#endif  // PGSIDECAR_POOL_OWN_LOGIN_H_
