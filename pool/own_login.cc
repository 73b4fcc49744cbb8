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

OwnLogin::OwnLogin(pgwire::StartupMessage startup, std::string password,
                   const TransportSecurity& transport, ChannelBinding binding)
    : startup_(std::move(startup)),
      password_(std::move(password)),
      encrypted_(transport.encrypted),
      endpoint_hash_(transport.endpoint_hash),
      binding_(binding) {}

void OwnLogin::Start(Outbox& out) const {
  out.Emit([&](std::string& to) { startup_.Encode(to); });
}

Result<bool> OwnLogin::OnAuthentication(std::string_view body, Outbox& out) {
  const Result<pgwire::Authentication> message = pgwire::Authentication::Decode(body);
  if (!message.ok()) return message.error();
  using Request = pgwire::AuthenticationRequest;
  const bool is_sasl = message->request == Request::kSasl ||
                       message->request == Request::kSaslContinue ||
                       message->request == Request::kSaslFinal;
  if (binding_ == ChannelBinding::kRequire &&
      (message->request == Request::kOk ? !scram_ : !is_sasl)) {
    return Error{
        "28000",
        "channel binding required, but server authenticated client without channel binding", "",
        ""};
  }
  if (message->request == Request::kOk) {
    if (!scram_ || scram_verified_) return true;
    return Error{"28000", "the server ended the SCRAM exchange without proving itself", "", ""};
  }
  if (password_.empty()) {
    return Error{"28P01", "the server asks for a password and the upstream URL has none", "", ""};
  }
  switch (message->request) {
    case Request::kCleartextPassword:
      SendPassword(out, password_);
      return true;
    case Request::kMd5Password: {
      const std::string* user = startup_.Find("user");
      SendPassword(out, pgwire::Md5Password(user ? *user : "", password_, message->data));
      return true;
    }
    case Request::kSasl:
      return OnSasl(message->data, out);
    case Request::kSaslContinue: {
      if (!scram_) return Error{"28000", "unexpected SASL challenge from the server", "", ""};
      const Result<std::string> answer = scram_->ClientFinal(message->data);
      if (!answer.ok()) return answer.error();
      out.Emit([&](std::string& to) { pgwire::SaslResponse{*answer}.Encode(to); });
      return true;
    }
    case Request::kSaslFinal: {
      if (!scram_) return Error{"28000", "unexpected SASL outcome from the server", "", ""};
      Result<bool> verified = scram_->CheckServerFinal(message->data);
      scram_verified_ = verified.ok();
      return verified;
    }
    default:
      return Error{"28000",
                   "the server asks for an authentication method that is not supported: " +
                       std::to_string(static_cast<uint32_t>(message->request)),
                   "", ""};
  }
}

Result<bool> OwnLogin::OnSasl(std::string_view mechanisms, Outbox& out) {
  const bool can_bind =
      encrypted_ && !endpoint_hash_.empty() && binding_ != ChannelBinding::kDisable;
  const bool binds = can_bind && Offers(mechanisms, pgwire::kScramSha256Plus);
  if (!binds && binding_ == ChannelBinding::kRequire) {
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
    binding = {pgwire::ScramBinding::Flag::kBound, endpoint_hash_};
  } else if (can_bind) {
    binding.flag = pgwire::ScramBinding::Flag::kOffered;
  }
  scram_.emplace(password_, pgwire::MakeScramNonce(), "", std::move(binding));
  const std::string first = scram_->ClientFirst();
  out.Emit([&](std::string& to) {
    pgwire::SaslInitialResponse{binds ? pgwire::kScramSha256Plus : pgwire::kScramSha256, first}
        .Encode(to);
  });
  return true;
}

}  // namespace pgsidecar::pool
