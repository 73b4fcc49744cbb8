// The list of rules that says who may log in from where and how: pg_hba.conf's format (PostgreSQL
// documentation, "The pg_hba.conf File"). The first rule that matches holds; if none does, nobody
// is let in.
//
// Not known, and therefore refused when the file is read: name maps, include directives, @files,
// +groups, samerole, regular expressions, host names, samenet, and methods other than AuthMethod's.

#ifndef PGSIDECAR_PROXY_AUTH_HBA_H_
#define PGSIDECAR_PROXY_AUTH_HBA_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pgsidecar::proxy {

// How a login is judged.
enum class AuthMethod : uint8_t {
  kPassthrough,  // by the server: the exchange is relayed
  kTrust,        // not at all
  kReject,
  kPlain,  // a password in clear
  kMd5,    // or SCRAM, for who has a verifier
  kScram,
  kCert,  // the verified certificate's common name is the user
};
// As it is written in auth_type and auth_hba_file (`password` there for plain).
std::string_view AuthMethodName(AuthMethod method);

struct IpAddress {
  bool v6 = false;
  std::array<uint8_t, 16> bytes{};  // the first four of an IPv4 address
  bool operator==(const IpAddress&) const = default;
};
// An address without brackets and port; an IPv4 address mapped into IPv6 is the former.
std::optional<IpAddress> ParseIpAddress(std::string_view text);

struct IpRange {
  IpAddress address;
  uint8_t prefix_bits = 0;
  bool Contains(const IpAddress& other) const;
};

// What a rule is asked about.
struct HbaRequest {
  std::string_view user;
  std::string_view database;
  bool replication = false;          // physical: of no database
  std::optional<IpAddress> address;  // nullopt: over a Unix socket
  bool encrypted = false;
};

struct HbaRule {
  enum class Connection : uint8_t { kLocal, kHost, kHostSsl, kHostNoSsl };
  struct Names {
    bool all = false;
    bool same_user = false;    // of databases
    bool replication = false;  // of databases
    std::vector<std::string> names;
  };

  size_t line = 0;
  Connection connection = Connection::kHost;
  Names databases;
  Names users;
  bool any_address = false;
  std::vector<IpRange> ranges;
  AuthMethod method = AuthMethod::kReject;
  bool needs_certificate = false;       // clientcert=verify-ca or verify-full
  bool certificate_names_user = false;  // clientcert=verify-full, or method cert

  bool Matches(const HbaRequest& request) const;
};

// `own_addresses`: what samehost means. The Error's message begins with `path` and the line's
// number, and says what was expected.
Result<std::vector<HbaRule>> ReadHba(std::string_view text, const std::string& path,
                                     const std::vector<IpAddress>& own_addresses);

// The rule that holds, or nullptr.
const HbaRule* FindHbaRule(const std::vector<HbaRule>& rules, const HbaRequest& request);

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_AUTH_HBA_H_
