// Fuzzes what the proxy reads when it judges logins. The first byte says what the rest is: U an
// auth_file, H an auth_hba_file, R a require_auth, else the messages of a client, cut at 0x1e, in
// an exchange of the method that the byte names (p, m, s; x: SCRAM with channel binding).

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/outbox.h"
#include "pool/require_auth.h"
#include "proxy/auth_exchange.h"
#include "proxy/auth_hba.h"
#include "proxy/auth_secret.h"
#include "tests/fuzz/pgwire_fuzz_checks.h"

namespace pgsidecar::proxy {
namespace {

using pgwire::Require;

void CheckPlaced(const Error& error) {
  Require(error.message.starts_with("file:"), "an error names file and line");
  Require(error.message.find(": expected ") != std::string::npos, "and says what was expected");
}

void CheckUserlist(std::string_view text) {
  const auto users = ReadUserlist(text, "file");
  if (!users.ok()) return CheckPlaced(users.error());
  for (const auto& [user, secret] : *users) {
    Require(!user.empty(), "a user has a name");
    const int forms = !secret->plain.empty() + !secret->md5.empty() + secret->verifier.has_value();
    Require(forms == (secret->empty() ? 0 : 1), "a secret has one form");
  }
}

void CheckHba(std::string_view text) {
  const auto rules = ReadHba(text, "file", {*ParseIpAddress("192.0.2.1")});
  if (!rules.ok()) return CheckPlaced(rules.error());
  for (const char* address : {"127.0.0.1", "192.0.2.1", "::1", "2001:db8::1"}) {
    HbaRequest request;
    request.user = "user";
    request.database = "database";
    request.address = ParseIpAddress(address);
    for (const bool encrypted : {false, true}) {
      request.encrypted = encrypted;
      const HbaRule* rule = FindHbaRule(*rules, request);
      Require(rule == nullptr || rule->connection != HbaRule::Connection::kLocal,
              "local is not for addresses");
      Require(rule == nullptr || encrypted || rule->method != AuthMethod::kCert,
              "a certificate comes with TLS");
    }
  }
}

// Nobody gets in: nothing fits the secret of the user.
void CheckExchange(char how, std::string_view text) {
  const AuthMethod method = how == 'p'   ? AuthMethod::kPlain
                            : how == 'm' ? AuthMethod::kMd5
                                         : AuthMethod::kScram;
  auto secret = std::make_shared<UserSecret>();
  if (how == 'm') {
    secret->md5 = SecretString(MockMd5("user"));
  } else {
    secret->verifier = MockVerifier("user");
    secret->verifier->iterations = 1;
  }
  AuthExchange exchange(method, "user", std::move(secret), false, "0123456789abcdefghijkl",
                        how == 'x' ? "hash" : "");
  Outbox out;
  exchange.Start(out);
  for (int i = 0; i < 3; ++i) {
    const size_t end = text.find('\x1e');
    const auto outcome = exchange.OnMessage(text.substr(0, end), out);
    if (!outcome.ok()) return pgwire::RequireError(outcome.error());
    Require(*outcome == AuthExchange::Outcome::kMore, "nobody gets in");
    Require(i == 0, "an exchange has an end");
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
}

}  // namespace
}  // namespace pgsidecar::proxy

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pgsidecar::proxy;  // NOLINT(google-build-using-namespace)
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (text.empty()) return 0;
  const char how = text.front();
  text.remove_prefix(1);
  switch (how) {
    case 'U':
      CheckUserlist(text);
      break;
    case 'H':
      CheckHba(text);
      break;
    case 'R':
      if (const auto require = pgsidecar::pool::ParseRequireAuth(text); !require.ok()) {
        pgsidecar::pgwire::RequireError(require.error());
      }
      break;
    default:
      CheckExchange(how, text);
  }
  return 0;
}
