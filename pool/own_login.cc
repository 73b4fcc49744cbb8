#include "pool/own_login.h"

#include <utility>

#include "pgwire/backend.h"
#include "pgwire/frontend.h"

namespace pgsidecar::pool {
namespace {

void SendPassword(Outbox& out, std::string_view password) {
  out.Emit([&](std::string& to) { pgwire::Password{password}.Encode(to); });
}

// AuthenticationSASL lists mechanism names, each terminated, with an empty one at the end.
bool Offers(std::string_view mechanisms, std::string_view wanted) {
  while (!mechanisms.empty()) {
    const size_t end = mechanisms.find('\0');
    if (end == std::string_view::npos || end == 0) return false;
    if (mechanisms.substr(0, end) == wanted) return true;
    mechanisms.remove_prefix(end + 1);
  }
  return false;
}

}  // namespace

OwnLogin::OwnLogin(pgwire::StartupMessage startup, LoginSecret secret, LoginPolicy policy)
    : startup_(std::move(startup)), secret_(std::move(secret)), policy_(std::move(policy)) {}

void OwnLogin::Start(Outbox& out) const {
  out.Emit([&](std::string& to) { startup_.Encode(to); });
}

Error OwnLogin::NoSecret() const {
  const std::string* user = startup_.Find("user");
  return {"28P01",
          "the server asks for the password of user \"" + (user ? *user : "") +
              "\", which the proxy does not know",
          secret_.empty() ? "" : "What it has answers other methods only.", ""};
}

Result<bool> OwnLogin::OnAuthentication(std::string_view body, const TransportSecurity& transport,
                                        Outbox& out) {
  const Result<pgwire::Authentication> message = pgwire::Authentication::Decode(body);
  if (!message.ok()) return message.error();
  const bool challenged = std::exchange(challenged_, true);
  const bool is_private = transport.encrypted || policy_.local_server;
  if (const auto refused = policy_.require.Check(message->request, challenged, is_private)) {
    return *refused;
  }
  const bool is_sasl = message->request == pgwire::AuthenticationRequest::kSasl ||
                       message->request == pgwire::AuthenticationRequest::kSaslContinue ||
                       message->request == pgwire::AuthenticationRequest::kSaslFinal;
  const bool is_ok = message->request == pgwire::AuthenticationRequest::kOk;
  if (policy_.binding == ChannelBinding::kRequire && (is_ok ? !scram_ : !is_sasl)) {
    return Error{
        "28000",
        "channel binding required, but server authenticated client without channel binding", "",
        ""};
  }
  return Answer(*message, transport, out);
}

Result<bool> OwnLogin::Answer(const pgwire::Authentication& message,
                              const TransportSecurity& transport, Outbox& out) {
  using Request = pgwire::AuthenticationRequest;
  switch (message.request) {
    case Request::kOk:
      if (!scram_ || scram_verified_) return true;
      return Error{"28000", "the server ended the SCRAM exchange without proving itself", "", ""};
    case Request::kCleartextPassword:
      if (secret_.password.empty()) return NoSecret();
      SendPassword(out, secret_.password.view());
      return true;
    case Request::kMd5Password: {
      const std::string* user = startup_.Find("user");
      const std::string secret =
          secret_.password.empty() ? std::string(secret_.md5.view())
                                   : pgwire::Md5Secret(user ? *user : "", secret_.password.view());
      if (secret.empty()) return NoSecret();
      SendPassword(out, pgwire::Md5Answer(secret, message.data));
      return true;
    }
    case Request::kSasl:
      return OnSasl(message.data, transport, out);
    case Request::kSaslContinue: {
      if (!scram_) return Error{"28000", "unexpected SASL challenge from the server", "", ""};
      const Result<std::string> answer = scram_->ClientFinal(message.data);
      if (!answer.ok()) return answer.error();
      out.Emit([&](std::string& to) { pgwire::SaslResponse{*answer}.Encode(to); });
      return true;
    }
    case Request::kSaslFinal: {
      if (!scram_) return Error{"28000", "unexpected SASL outcome from the server", "", ""};
      Result<bool> verified = scram_->CheckServerFinal(message.data);
      scram_verified_ = verified.ok();
      return verified;
    }
    default:
      return Error{"28000",
                   "the server asks for an authentication method that is not supported: " +
                       std::to_string(static_cast<uint32_t>(message.request)),
                   "", ""};
  }
}

Result<bool> OwnLogin::OnSasl(std::string_view mechanisms, const TransportSecurity& transport,
                              Outbox& out) {
  const bool can_bind = transport.encrypted && !transport.endpoint_hash.empty() &&
                        policy_.binding != ChannelBinding::kDisable;
  const bool binds = can_bind && Offers(mechanisms, pgwire::kScramSha256Plus);
  if (!binds && policy_.binding == ChannelBinding::kRequire) {
    return Error{"28000",
                 "channel binding is required, but server did not offer an authentication method "
                 "that supports channel binding",
                 "", ""};
  }
  if (!binds && !Offers(mechanisms, pgwire::kScramSha256)) {
    return Error{"28000", "the server offers no SASL mechanism that is supported",
                 "expected SCRAM-SHA-256", ""};
  }
  pgwire::ScramBinding binding;
  if (binds) {
    binding = {pgwire::ScramBinding::Flag::kBound, transport.endpoint_hash};
  } else if (can_bind) {
    binding.flag = pgwire::ScramBinding::Flag::kOffered;
  }
  if (!secret_.password.empty()) {
    scram_.emplace(secret_.password.view(), pgwire::MakeScramNonce(), "", std::move(binding));
  } else if (secret_.scram) {
    scram_.emplace(*secret_.scram, pgwire::MakeScramNonce(), std::move(binding));
  } else {
    return NoSecret();
  }
  const std::string first = scram_->ClientFirst();
  const std::string_view mechanism = binds ? pgwire::kScramSha256Plus : pgwire::kScramSha256;
  out.Emit([&](std::string& to) { pgwire::SaslInitialResponse{mechanism, first}.Encode(to); });
  return true;
}

}  // namespace pgsidecar::pool
