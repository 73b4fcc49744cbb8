#include "proxy/auth_settings.h"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "proxy/config.h"
#include "proxy/config_text.h"

namespace pgsidecar::proxy {
namespace {

// What one of these files may measure: a hundred thousand users.
constexpr size_t kMaxFileBytes = size_t{16} << 20;

Result<std::string> ReadFile(const std::string& path) {
  errno = 0;
  std::ifstream file(path);
  std::ostringstream text;
  if (!file || (file.peek() != std::ifstream::traits_type::eof() && !(text << file.rdbuf()))) {
    return Error{"F0000",
                 "expected a readable file, got " + Quote(path) +
                     (errno != 0 ? std::string(": ") + std::strerror(errno) : ""),
                 "", ""};
  }
  if (text.view().size() > kMaxFileBytes) return Expected("a file of at most 16MB", path);
  return std::move(text).str();
}

// What samehost means: the addresses of this machine at the time when the file is read.
std::vector<IpAddress> OwnAddresses() {
  std::vector<IpAddress> own;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return own;
  for (const ifaddrs* each = list; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr) continue;
    IpAddress address;
    if (each->ifa_addr->sa_family == AF_INET) {
      std::memcpy(address.bytes.data(),
                  &reinterpret_cast<const sockaddr_in*>(each->ifa_addr)->sin_addr, 4);
    } else if (each->ifa_addr->sa_family == AF_INET6) {
      address.v6 = true;
      std::memcpy(address.bytes.data(),
                  &reinterpret_cast<const sockaddr_in6*>(each->ifa_addr)->sin6_addr, 16);
    } else {
      continue;
    }
    own.push_back(address);
  }
  freeifaddrs(list);
  return own;
}

std::optional<AuthMethod> MethodNamed(std::string_view name) {
  for (const AuthMethod method : {AuthMethod::kPassthrough, AuthMethod::kTrust, AuthMethod::kPlain,
                                  AuthMethod::kMd5, AuthMethod::kScram, AuthMethod::kCert}) {
    if (AuthMethodName(method) == name) return method;
  }
  return std::nullopt;
}

Result<std::set<std::string, std::less<>>> ReadNames(std::string_view text) {
  std::set<std::string, std::less<>> names;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    std::string_view name = text.substr(0, comma);
    text.remove_prefix(comma == text.npos ? text.size() : comma + 1);
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    if (name.empty()) return Expected("users with commas between them", text);
    names.emplace(name);
  }
  return names;
}

// Secrets that clients are judged by cost the same at every login.
std::optional<Error> ReadUsers(const Config& config, AuthSettings* auth) {
  if (config.auth_file.empty()) return std::nullopt;
  const Result<std::string> text = ReadFile(config.auth_file);
  if (!text.ok()) return text.error();
  Result<Userlist> users = ReadUserlist(*text, config.auth_file);
  if (!users.ok()) return users.error();
  size_t by_md5 = 0;
  size_t by_scram = 0;
  for (auto& [user, held] : *users) {
    (held->verifier ? by_scram : by_md5) += held->empty() ? 0 : 1;
    if (held->plain.empty()) continue;
    UserSecret secret = *held;
    DeriveVerifier(user, &secret);
    held = std::make_shared<const UserSecret>(std::move(secret));
  }
  auth->mock_md5 = by_md5 > by_scram;
  auth->users = std::move(*users);
  return std::nullopt;
}

std::optional<Error> ReadRequire(const Config& config, AuthSettings* auth) {
  std::string text = config.require_auth;
  for (const auto& [name, value] : config.upstream.parameters) {
    if (name == "require_auth" && text.empty()) text = value;
  }
  Result<pool::RequireAuth> require = pool::ParseRequireAuth(text);
  if (!require.ok()) return require.error();
  auth->require = std::move(*require);
  return std::nullopt;
}

// Every user of the console needs a secret, unless something else judges.
std::optional<AuthSettingsError> ReadConsoleUsers(const Config& config, AuthSettings* auth) {
  const bool by_secret =
      auth->method && *auth->method != AuthMethod::kTrust && *auth->method != AuthMethod::kCert;
  for (const auto& [setting, text, names] :
       {std::tuple("admin_users", &config.admin_users, &auth->admins),
        std::tuple("stats_users", &config.stats_users, &auth->stats)}) {
    auto read = ReadNames(*text);
    if (!read.ok()) return AuthSettingsError{setting, read.error()};
    for (const std::string& name : *read) {
      if (by_secret && !auth->users.contains(name)) {
        return AuthSettingsError{setting, Expected("users that auth_file has a secret of", name)};
      }
    }
    *names = std::move(*read);
  }
  return std::nullopt;
}

// No rule lets the client in, or one keeps it out.
Error Refused(bool by_rule, const HbaRequest& request, std::string_view host) {
  std::string message = by_rule ? "pg_hba.conf rejects " : "no pg_hba.conf entry for ";
  if (request.replication) message += "replication ";
  if (request.replication || by_rule) message += "connection ";
  if (by_rule) message += "for ";
  if (request.replication && !by_rule) message += "from ";
  message += "host \"" + std::string(host) + "\", user \"" + std::string(request.user) + "\", ";
  if (!request.replication) message += "database \"" + std::string(request.database) + "\", ";
  message += request.encrypted ? "SSL encryption" : "no encryption";
  return {"28000", std::move(message), "The proxy's own list, auth_hba_file, says so.", ""};
}

// The address at the front of a peer's name: [::1]:5432, 127.0.0.1:5432.
std::string_view HostOf(std::string_view peer) {
  const std::string_view host = peer.substr(0, peer.rfind(':'));
  return host.starts_with('[') && host.ends_with(']') ? host.substr(1, host.size() - 2) : host;
}

Error CertificateRequired() {
  return {"28000", "connection requires a valid client certificate", "", ""};
}

// Of a rule that holds, or of auth_type.
Result<AuthMethod> CheckWay(const Config& config, AuthMethod method, std::string_view user,
                            const TransportSecurity& transport, bool trusted_listener) {
  if (method == AuthMethod::kTrust && !trusted_listener && !config.accept_unauthenticated) {
    return Error{"28000", "trust is for connections of this machine only", "",
                 "Ask for a password, or set accept_unauthenticated."};
  }
  if (method == AuthMethod::kPlain && !trusted_listener && !transport.encrypted &&
      !config.accept_cleartext) {
    return Error{"28000", "a password in clear over a network needs TLS", "",
                 "Connect with sslmode=require, or set accept_cleartext."};
  }
  if (method == AuthMethod::kCert) {
    if (!transport.peer_verified) return CertificateRequired();
    if (transport.peer_common_name != user) {
      return Error{"28000",
                   "certificate authentication failed for user \"" + std::string(user) + "\"", "",
                   ""};
    }
  }
  return method;
}

}  // namespace

std::optional<AuthSettingsError> ReadAuthSettings(
    const Config& config, const std::function<bool(std::string_view)>& given, AuthSettings* auth) {
  auth->method = MethodNamed(config.auth_type);
  if (!auth->method && config.auth_hba_file.empty()) {
    return AuthSettingsError{"auth_type", Expected("auth_hba_file with auth_type = hba", "none")};
  }
  if (auth->method && !config.auth_hba_file.empty()) {
    return AuthSettingsError{"auth_hba_file",
                             Expected("auth_type = hba with auth_hba_file", config.auth_type)};
  }
  if (auth->method == AuthMethod::kTrust && !config.accept_unauthenticated) {
    for (const ListenAddress& address : config.listen) {
      if (IsLoopback(address.host)) continue;
      return AuthSettingsError{"auth_type",
                               Expected("listeners of this machine only with auth_type = trust, or "
                                        "accept_unauthenticated = on",
                                        address.host)};
    }
  }
  if (auth->method == AuthMethod::kCert &&
      (config.client_tls_sslmode == TlsMode::kDisable || config.client_tls_ca_file.empty())) {
    return AuthSettingsError{
        "auth_type",
        Expected("client_tls_cert_file and client_tls_ca_file with auth_type = cert", "none")};
  }
  if (auto error = ReadUsers(config, auth)) return AuthSettingsError{"auth_file", *error};
  if (!config.auth_hba_file.empty()) {
    const Result<std::string> text = ReadFile(config.auth_hba_file);
    if (!text.ok()) return AuthSettingsError{"auth_hba_file", text.error()};
    auto rules = ReadHba(*text, config.auth_hba_file, OwnAddresses());
    if (!rules.ok()) return AuthSettingsError{"auth_hba_file", rules.error()};
    auth->rules = std::move(*rules);
  }
  if (!config.upstream.password.empty() && auth->method != AuthMethod::kPassthrough) {
    UserSecret secret;
    secret.plain = SecretString(config.upstream.password);
    DeriveVerifier(config.upstream.user, &secret);
    auth->upstream = std::make_shared<const UserSecret>(std::move(secret));
  }
  const bool asks = config.auth_file.empty() || given("auth_query") || given("auth_user");
  if (asks) auth->query = config.auth_query;
  auth->query_user = config.auth_user.empty() ? config.upstream.user : config.auth_user;
  if (auto error = ReadRequire(config, auth)) return AuthSettingsError{"require_auth", *error};
  return ReadConsoleUsers(config, auth);
}

Result<AuthMethod> DecideAuth(const Config& config, std::string_view user,
                              std::string_view database, bool replication, std::string_view peer,
                              const TransportSecurity& transport, bool trusted_listener) {
  const AuthSettings& auth = *config.auth;
  if (auth.method) {
    return CheckWay(config, *auth.method, user, transport, trusted_listener);
  }
  const bool local = peer == "unix";
  const std::string_view host = local ? "[local]" : HostOf(peer);
  HbaRequest request;
  request.user = user;
  request.database = database;
  request.replication = replication;
  if (!local) request.address = ParseIpAddress(host).value_or(IpAddress{});
  request.encrypted = transport.encrypted;
  const HbaRule* rule = FindHbaRule(auth.rules, request);
  if (rule == nullptr || rule->method == AuthMethod::kReject) {
    return Refused(rule != nullptr, request, host);
  }
  if (rule->needs_certificate && !transport.peer_verified) return CertificateRequired();
  if (rule->certificate_names_user && rule->method != AuthMethod::kCert &&
      transport.peer_common_name != user) {
    return Error{"28000",
                 "certificate authentication failed for user \"" + std::string(user) + "\"", "",
                 ""};
  }
  return CheckWay(config, rule->method, user, transport, trusted_listener);
}

}  // namespace pgsidecar::proxy
