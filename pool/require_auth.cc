#include "pool/require_auth.h"

#include <algorithm>
#include <set>
#include <utility>

namespace pgsidecar::pool {
namespace {

constexpr std::string_view kMethods = "password, md5, gss, sspi, scram-sha-256 or none";

std::string Quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

}  // namespace

Result<RequireAuth> ParseRequireAuth(std::string_view text) {
  RequireAuth result;
  result.text = text;
  if (text.empty()) return result;
  const bool negated = text.starts_with('!');
  std::set<std::string_view> named;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    std::string_view method = text.substr(begin, end - begin);
    begin = end + 1;
    if (method.starts_with('!') != negated) {
      return Error{"F0000", "expected a ! in front of all methods or of none, got " + Quoted(text),
                   "", ""};
    }
    if (negated) method.remove_prefix(1);
    const bool known = method == "password" || method == "md5" || method == "gss" ||
                       method == "sspi" || method == "scram-sha-256" || method == "none";
    if (!known) {
      return Error{
          "F0000",
          "expected " + std::string(kMethods) + ", several with commas, got " + Quoted(method), "",
          ""};
    }
    if (!named.insert(method).second) {
      return Error{"F0000", "expected each method once, got " + Quoted(text), "", ""};
    }
  }
  result.none = named.contains("none") != negated;
  result.password = named.contains("password") != negated;
  result.md5 = named.contains("md5") != negated;
  result.scram = named.contains("scram-sha-256") != negated;
  return result;
}

std::optional<Error> RequireAuth::Check(pgwire::AuthenticationRequest request, bool challenged,
                                        bool private_channel) const {
  using Request = pgwire::AuthenticationRequest;
  const auto refuse = [this](std::string_view reason) {
    return Error{
        "28000",
        "authentication method requirement " + Quoted(text) + " failed: " + std::string(reason), "",
        "require_auth says what the server may ask for."};
  };
  switch (request) {
    case Request::kOk:
      if (!none && !challenged) return refuse("server did not complete authentication");
      return std::nullopt;
    case Request::kCleartextPassword:
      if (!password) return refuse("server requested a cleartext password");
      if (text.empty() && !private_channel) {
        return Error{
            "28000", "the server requested a cleartext password over a network without TLS",
            "The password has not been sent.", "Name password in require_auth if it may be."};
      }
      return std::nullopt;
    case Request::kMd5Password:
      if (!md5) return refuse("server requested a hashed password");
      return std::nullopt;
    case Request::kSasl:
      if (!scram) return refuse("server requested SASL authentication");
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

}  // namespace pgsidecar::pool
