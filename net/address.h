// How addresses are written, and what PostgreSQL calls its Unix sockets.

#ifndef PGSIDECAR_NET_ADDRESS_H_
#define PGSIDECAR_NET_ADDRESS_H_

#include <uv.h>

#include <cstdint>
#include <string>

#include "base/result.h"

namespace pgsidecar::net {

inline bool IsUnixDirectory(const std::string& host) {
  return !host.empty() && host.front() == '/';
}

inline std::string SocketPath(const std::string& directory, uint16_t port) {
  return directory + "/.s.PGSQL." + std::to_string(port);
}

// host:port of the other end; "?" if it has gone.
std::string PeerName(const uv_tcp_t* tcp);

// 08006: `what`, and why according to libuv.
Error NetError(const std::string& what, int status);

}  // namespace pgsidecar::net

#endif  // PGSIDECAR_NET_ADDRESS_H_
