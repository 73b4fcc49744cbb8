// The upstream's connection URL, in libpq's form: one host, decoded, with libpq's defaults filled
// in. No function here puts a password into an error or into a redacted URL.

#ifndef PGSIDECAR_PROXY_URL_H_
#define PGSIDECAR_PROXY_URL_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/transport.h"

namespace pgsidecar::proxy {

// What sslrootcert says for the roots that the operating system trusts.
inline constexpr std::string_view kSystemRoots = "system";

// How the bytes to the server are protected: libpq's parameters of section 34.19 "SSL Support".
// Nothing of it holds on a Unix socket.
struct ServerTls {
  TlsMode mode = TlsMode::kPrefer;
  bool mode_given = false;
  bool direct = false;    // sslnegotiation=direct: no SSLRequest first
  std::string root_cert;  // sslrootcert: a file, or "system"; empty: whoever the server is
  std::string cert;       // sslcert, with sslkey: a client certificate
  std::string key;
  std::string crl;                                           // sslcrl
  std::string min_protocol = "TLSv1.2";                      // ssl_min_protocol_version
  ChannelBinding channel_binding = ChannelBinding::kPrefer;  // of the proxy's own logins
  bool operator==(const ServerTls&) const = default;
};

// All strings are percent-decoded and free of zero bytes.
struct UpstreamUrl {
  std::string user;
  std::string password;  // empty if the URL has none
  std::string host;      // a name, an address without brackets, or a directory (begins with '/')
  std::string database;
  uint16_t port = 5432;  // of a directory: the socket is <host>/.s.PGSQL.<port>
  ServerTls tls;
  // What the query part says beyond that, in order.
  std::vector<std::pair<std::string, std::string>> parameters;
  bool operator==(const UpstreamUrl&) const = default;
};

// Reads postgres:// and postgresql:// as section 34.1.1.2 "Connection URIs" of PostgreSQL's
// documentation describes them, except that there is exactly one host and that it must be given.
// Without a user it is the operating system's name for this process's owner, without a database
// it is named as the user. The message of an Error says what was expected.
Result<UpstreamUrl> ParseUrl(std::string_view text);

// The URL of user, host, port, database and what sslmode and sslrootcert say: for logs and
// consoles.
std::string RedactedUrl(const UpstreamUrl& url);

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_URL_H_
