// How libpq cuts a URL: the credentials end at the first '@' that comes before any '/'; the host
// ends at ':', '/' or '?'; each part is percent-decoded after the cut, so that a decoded delimiter
// is never taken for one.

#include "proxy/url.h"

#include <pwd.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <optional>

namespace pgsidecar::proxy {
namespace {

Error Expected(std::string message) {
  return Error{"F0000", "expected " + std::move(message), "", ""};
}

// The value of a hexadecimal digit, or -1.
int HexValue(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

// `part` names what is decoded for the error; the text itself may be secret.
Result<std::string> PercentDecode(std::string_view text, std::string_view part) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    char byte = text[i];
    if (byte == '%') {
      const int high = i + 2 < text.size() ? HexValue(text[i + 1]) : -1;
      const int low = high >= 0 ? HexValue(text[i + 2]) : -1;
      if (low < 0) {
        return Expected("two hexadecimal digits behind each % in the " + std::string(part));
      }
      byte = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (byte == '\0') return Expected("no zero byte in the " + std::string(part));
    decoded.push_back(byte);
  }
  return decoded;
}

std::string PercentEncode(std::string_view text) {
  static constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  for (const char character : text) {
    if (kPlain.find(character) != std::string_view::npos) {
      encoded.push_back(character);
      continue;
    }
    const auto byte = static_cast<unsigned char>(character);
    encoded += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return encoded;
}

// Cuts what comes before the first of `delimiters` (or everything) off the front of `rest`, and
// leaves the delimiter.
std::string_view CutBefore(std::string_view& rest, std::string_view delimiters) {
  const std::string_view head = rest.substr(0, rest.find_first_of(delimiters));
  rest.remove_prefix(head.size());
  return head;
}

// Decodes into `to`, or says why not.
std::optional<Error> DecodeInto(std::string& to, std::string_view text, std::string_view part) {
  Result<std::string> decoded = PercentDecode(text, part);
  if (!decoded.ok()) return decoded.error();
  to = std::move(*decoded);
  return std::nullopt;
}

std::optional<Error> SetPort(UpstreamUrl& url, std::string_view text) {
  unsigned port = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (failure != std::errc{} || end != text.data() + text.size() || port < 1 || port > 65535) {
    return Expected("a port from 1 to 65535 in the URL");
  }
  url.port = static_cast<uint16_t>(port);
  return std::nullopt;
}

std::optional<Error> TakeCredentials(UpstreamUrl& url, std::string_view& rest) {
  const size_t end = rest.find_first_of("@/");
  if (end == std::string_view::npos || rest[end] != '@') return std::nullopt;
  std::string_view credentials = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  if (auto error = DecodeInto(url.user, CutBefore(credentials, ":"), "user")) return error;
  if (credentials.empty()) return std::nullopt;
  return DecodeInto(url.password, credentials.substr(1), "password");
}

std::optional<Error> TakeHost(UpstreamUrl& url, std::string_view& rest) {
  if (!rest.starts_with('[')) {
    if (auto error = DecodeInto(url.host, CutBefore(rest, ":/?"), "host")) return error;
  } else {
    rest.remove_prefix(1);
    const std::string_view address = CutBefore(rest, "]");
    if (rest.empty() || address.empty()) return Expected("an IPv6 address between [ and ]");
    rest.remove_prefix(1);
    if (!rest.empty() && rest.find_first_of(":/?") != 0) {
      return Expected("a port, a database or nothing behind the ] of the host");
    }
    if (auto error = DecodeInto(url.host, address, "host")) return error;
  }
  if (!rest.starts_with(':')) return std::nullopt;
  rest.remove_prefix(1);
  const std::string_view port = CutBefore(rest, "/?");
  return port.empty() ? std::nullopt : SetPort(url, port);  // "host:/db" is allowed, as in libpq
}

// Sets `to` to the one of `values` that `words` names at the same place.
template <typename T, size_t N>
std::optional<Error> SetWord(T& to, const std::array<std::string_view, N>& words,
                             const std::array<T, N>& values, std::string_view name,
                             std::string_view value) {
  std::string expected;
  for (size_t i = 0; i < N; ++i) {
    if (value == words[i]) {
      to = values[i];
      return std::nullopt;
    }
    expected += i == 0 ? "" : i + 1 == N ? " or " : ", ";
    expected += words[i];
  }
  return Expected(std::string(name) + " to be " + expected);
}

// The parameters that say how the bytes are protected. `known` is whether `name` is one.
std::optional<Error> SetTlsParameter(ServerTls& tls, std::string_view name, std::string& value,
                                     bool& known) {
  known = true;
  if (name == "sslmode") {
    tls.mode_given = true;
    const std::optional<TlsMode> mode = ParseTlsMode(value);
    if (!mode) {
      return Expected("sslmode to be disable, allow, prefer, require, verify-ca or verify-full");
    }
    tls.mode = *mode;
    return std::nullopt;
  }
  if (name == "ssl") {  // JDBC's spelling, as libpq takes it
    if (value != "true") return Expected("ssl to be true; sslmode says everything else");
    tls.mode_given = true;
    tls.mode = TlsMode::kRequire;
    return std::nullopt;
  }
  if (name == "sslnegotiation") {
    return SetWord<bool, 2>(tls.direct, {"postgres", "direct"}, {false, true}, name, value);
  }
  if (name == "ssl_min_protocol_version") {
    return SetWord<std::string, 2>(tls.min_protocol, {"TLSv1.2", "TLSv1.3"}, {"TLSv1.2", "TLSv1.3"},
                                   name, value);
  }
  if (name == "channel_binding") {
    return SetWord<ChannelBinding, 3>(
        tls.channel_binding, {"disable", "prefer", "require"},
        {ChannelBinding::kDisable, ChannelBinding::kPrefer, ChannelBinding::kRequire}, name, value);
  }
  if (name == "gssencmode" && value == "require") {
    return Error{"F0000", "gssencmode=require: GSSAPI encryption is not supported, expected TLS",
                 "", ""};
  }
  constexpr std::array<std::pair<std::string_view, std::string ServerTls::*>, 4> kFiles = {
      {{"sslrootcert", &ServerTls::root_cert},
       {"sslcert", &ServerTls::cert},
       {"sslkey", &ServerTls::key},
       {"sslcrl", &ServerTls::crl}}};
  for (const auto& [file, field] : kFiles) {
    if (name != file) continue;
    tls.*field = std::move(value);
    return std::nullopt;
  }
  known = false;
  return std::nullopt;
}

// What holds between these parameters, as in libpq.
std::optional<Error> CheckTls(ServerTls& tls) {
  if (tls.root_cert == kSystemRoots) {
    if (!tls.mode_given) tls.mode = TlsMode::kVerifyFull;
    if (tls.mode != TlsMode::kVerifyFull) {
      return Expected("sslmode=verify-full with sslrootcert=system, got sslmode=" +
                      std::string(TlsModeName(tls.mode)));
    }
  }
  if (tls.mode >= TlsMode::kVerifyCa && tls.root_cert.empty()) {
    return Expected("sslrootcert (a file, or system) with sslmode=" +
                    std::string(TlsModeName(tls.mode)));
  }
  if (tls.direct && tls.mode < TlsMode::kRequire) {
    return Expected(
        "sslmode=require, verify-ca or verify-full with sslnegotiation=direct, got sslmode=" +
        std::string(TlsModeName(tls.mode)));
  }
  if (tls.cert.empty() != tls.key.empty()) return Expected("sslcert and sslkey together");
  if (!tls.crl.empty() && tls.root_cert.empty()) return Expected("sslrootcert with sslcrl");
  return std::nullopt;
}

std::optional<Error> SetParameter(UpstreamUrl& url, std::string name, std::string value) {
  if (name == "port") return SetPort(url, value);
  bool known = false;
  if (auto error = SetTlsParameter(url.tls, name, value, known); error || known) return error;
  if (name == "user") {
    url.user = std::move(value);
  } else if (name == "password") {
    url.password = std::move(value);
  } else if (name == "host") {
    url.host = std::move(value);
  } else if (name == "dbname") {
    url.database = std::move(value);
  } else {
    url.parameters.emplace_back(std::move(name), std::move(value));
  }
  return std::nullopt;
}

// REQUIRES: `rest` is empty or begins with '?'.
std::optional<Error> TakeParameters(UpstreamUrl& url, std::string_view rest) {
  while (!rest.empty()) {
    rest.remove_prefix(1);  // '?' or '&'
    std::string_view pair = CutBefore(rest, "&");
    if (pair.empty() && rest.empty()) return std::nullopt;
    const std::string_view name = CutBefore(pair, "=");
    if (name.empty() || pair.empty() || pair.find('=', 1) != std::string_view::npos) {
      return Expected("name=value pairs, separated by &, behind the ? of the URL");
    }
    std::string decoded_name, decoded_value;
    if (auto error = DecodeInto(decoded_name, name, "name of a parameter")) return error;
    if (auto error = DecodeInto(decoded_value, pair.substr(1), "value of a parameter")) {
      return error;
    }
    if (auto error = SetParameter(url, std::move(decoded_name), std::move(decoded_value))) {
      return error;
    }
  }
  return std::nullopt;
}

// The name of this process's owner, or empty.
std::string OperatingSystemUser() {
  std::array<char, 4096> buffer;
  passwd record;
  passwd* found = nullptr;
  if (getpwuid_r(geteuid(), &record, buffer.data(), buffer.size(), &found) != 0 || !found) {
    return "";
  }
  return found->pw_name;
}

}  // namespace

Result<UpstreamUrl> ParseUrl(std::string_view text) {
  UpstreamUrl url;
  std::string_view rest = text;
  const size_t scheme_end = rest.find("://");
  const std::string_view scheme = rest.substr(0, scheme_end);
  if (scheme_end == std::string_view::npos || (scheme != "postgres" && scheme != "postgresql")) {
    return Expected("a URL such as postgres://user:password@host:5432/db");
  }
  rest.remove_prefix(scheme_end + 3);
  if (auto error = TakeCredentials(url, rest)) return *error;
  if (auto error = TakeHost(url, rest)) return *error;
  if (rest.starts_with('/')) {
    rest.remove_prefix(1);
    if (auto error = DecodeInto(url.database, CutBefore(rest, "?"), "database")) return *error;
  }
  if (auto error = TakeParameters(url, rest)) return *error;
  if (url.host.empty()) {
    return Expected("a host in the URL, as in postgres://user:password@host:5432/db");
  }
  if (url.host.find(',') != std::string::npos) return Expected("one host in the URL");
  if (auto error = CheckTls(url.tls)) return *error;
  if (url.user.empty()) url.user = OperatingSystemUser();
  if (url.user.empty()) {
    return Expected("a user in the URL, as in postgres://user:password@host:5432/db");
  }
  if (url.database.empty()) url.database = url.user;
  return url;
}

std::string RedactedUrl(const UpstreamUrl& url) {
  const bool is_address = url.host.find(':') != std::string::npos && !url.host.starts_with('/');
  const std::string host = is_address ? "[" + url.host + "]" : PercentEncode(url.host);
  return "postgres://" + PercentEncode(url.user) + "@" + host + ":" + std::to_string(url.port) +
         "/" + PercentEncode(url.database) +
         (url.tls.mode_given ? "?sslmode=" + std::string(TlsModeName(url.tls.mode)) : "") +
         (url.tls.root_cert.empty()
              ? ""
              : (url.tls.mode_given ? "&" : "?") + std::string("sslrootcert=") +
                    PercentEncode(url.tls.root_cert));
}

}  // namespace pgsidecar::proxy
