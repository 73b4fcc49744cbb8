#include "proxy/auth_exchange.h"

#include <utility>

#include "pgwire/backend.h"
#include "pgwire/frame.h"
#include "pgwire/frontend.h"
#include "pgwire/reader.h"
#include "pgwire/scram.h"
#include "pgwire/scram_text.h"

namespace pgsidecar::proxy {
namespace {

constexpr size_t kNonceBytes = 18;

using pgwire::AuthenticationRequest;

void Ask(Outbox& out, AuthenticationRequest request, std::string_view data) {
  out.Emit([&](std::string& to) { pgwire::Authentication{request, data}.Encode(to); });
}

}  // namespace

Error WrongPassword(std::string_view user) {
  return {"28P01", "password authentication failed for user \"" + std::string(user) + "\"", "", ""};
}

pool::LoginSecret LoginSecretOf(const UserSecret& secret) {
  pool::LoginSecret login;
  login.password = secret.plain;
  login.md5 = secret.md5;
  return login;
}

AuthExchange::AuthExchange(AuthMethod method, std::string user,
                           std::shared_ptr<const UserSecret> secret, bool mock_md5,
                           std::string_view random, std::string endpoint_hash)
    : method_(method),
      user_(std::move(user)),
      secret_(std::move(secret)),
      salt_(random.substr(kNonceBytes)) {
  const bool known = secret_ != nullptr && !secret_->empty();
  if (method_ == AuthMethod::kMd5) {
    const bool by_md5 = known ? !secret_->plain.empty() || !secret_->md5.empty() : mock_md5;
    if (!by_md5) method_ = AuthMethod::kScram;
  }
  if (method_ != AuthMethod::kScram) return;
  const bool can = known && secret_->verifier;
  scram_.emplace(can ? *secret_->verifier : MockVerifier(user_), !can,
                 pgwire::ToBase64(random.substr(0, kNonceBytes)), std::move(endpoint_hash));
}

void AuthExchange::Start(Outbox& out) const {
  if (scram_) return Ask(out, AuthenticationRequest::kSasl, scram_->Mechanisms());
  if (method_ == AuthMethod::kMd5) return Ask(out, AuthenticationRequest::kMd5Password, salt_);
  Ask(out, AuthenticationRequest::kCleartextPassword, "");
}

size_t AuthExchange::max_message_bytes() const {
  return scram_ ? pgwire::kMaxSaslMessageBytes : pgwire::kMaxAuthBytes;
}

Result<AuthExchange::Outcome> AuthExchange::OnMessage(std::string_view body, Outbox& out) {
  return scram_ ? OnSasl(body, out) : OnPassword(body);
}

Result<AuthExchange::Outcome> AuthExchange::OnPassword(std::string_view body) {
  const auto message = pgwire::Password::Decode(body);
  if (!message.ok()) return message.error();
  if (message->password.empty()) {
    return Error{"28P01", "empty password returned by client", "", ""};
  }
  if (!Accepts(message->password)) return WrongPassword(user_);
  if (method_ == AuthMethod::kPlain) {
    gained_.password = SecretString(std::string(message->password));
  } else {
    gained_ = LoginSecretOf(*secret_);
  }
  return Outcome::kAccepted;
}

// Each way takes as long for a user of whom nothing is known.
bool AuthExchange::Accepts(std::string_view password) const {
  const bool known = secret_ != nullptr && !secret_->empty();
  if (method_ == AuthMethod::kMd5) {
    const bool plain = known && !secret_->plain.empty();
    const std::string secret = plain   ? pgwire::Md5Secret(user_, secret_->plain.view())
                               : known ? std::string(secret_->md5.view())
                                       : MockMd5(user_);
    const std::string expected = pgwire::Md5Answer(secret, salt_);
    return SameSecret(expected, password) && known && !expected.empty();
  }
  const bool by_verifier = known && secret_->verifier;
  const pgwire::ScramVerifier verifier = by_verifier ? *secret_->verifier : MockVerifier(user_);
  const pgwire::ScramVerifier given =
      pgwire::MakeScramVerifier(password, verifier.salt, verifier.iterations);
  const bool verified = SameSecret(given.stored_key.view(), verifier.stored_key.view());
  const std::string md5 = pgwire::Md5Secret(user_, password);
  const bool by_md5 = known && !by_verifier && !md5.empty();
  const bool same_md5 = SameSecret(by_md5 ? secret_->md5.view() : MockMd5(user_), md5);
  return (by_verifier && verified) || (by_md5 && same_md5);
}

Result<AuthExchange::Outcome> AuthExchange::OnSasl(std::string_view body, Outbox& out) {
  if (!challenged_) {
    const auto message = pgwire::SaslInitialResponse::Decode(body);
    if (!message.ok()) return message.error();
    challenged_ = true;
    // Without an initial response the client would have to be asked for one; none of this method
    // leaves it out.
    const Result<std::string> answer =
        scram_->ServerFirst(message->mechanism, message->response.value_or(""));
    if (!answer.ok()) return answer.error();
    Ask(out, AuthenticationRequest::kSaslContinue, *answer);
    return Outcome::kMore;
  }
  const Result<std::string> answer = scram_->ServerFinal(body);
  if (!answer.ok()) {
    return answer.error().sqlstate == "28P01" ? WrongPassword(user_) : answer.error();
  }
  Ask(out, AuthenticationRequest::kSaslFinal, *answer);
  gained_ = LoginSecretOf(*secret_);
  if (gained_.password.empty()) gained_.scram = scram_->keys();
  return Outcome::kAccepted;
}

}  // namespace pgsidecar::proxy
