#include "net/address.h"

namespace pgsidecar::net {

std::string PeerName(const uv_tcp_t* tcp) {
  sockaddr_storage address{};
  int length = sizeof address;
  if (uv_tcp_getpeername(tcp, reinterpret_cast<sockaddr*>(&address), &length) != 0) return "?";
  char text[INET6_ADDRSTRLEN + 1] = "";
  if (address.ss_family == AF_INET6) {
    const auto* in6 = reinterpret_cast<const sockaddr_in6*>(&address);
    uv_ip6_name(in6, text, sizeof text);
    return "[" + std::string(text) + "]:" + std::to_string(ntohs(in6->sin6_port));
  }
  const auto* in4 = reinterpret_cast<const sockaddr_in*>(&address);
  uv_ip4_name(in4, text, sizeof text);
  return std::string(text) + ":" + std::to_string(ntohs(in4->sin_port));
}

Error NetError(const std::string& what, int status) {
  return {"08006", what + ": " + uv_strerror(status), "", ""};
}

}  // namespace pgsidecar::net
