#include "net/connector.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "net/address.h"

namespace pgsidecar::net {

// The name service is asked for a connection, which may be gone before the answer comes.
struct Resolution {
  Connection* connection;  // null once it is closed
  uv_getaddrinfo_t request;
};

namespace {

void OnConnected(uv_poll_t* poll, int status, int events) {
  auto* connection = static_cast<Connection*>(poll->data);
  connection->socket.Ready(status, events);
  connection->socket.Watch(0, nullptr);
  connection->rest->connect_ended(connection, connection->socket.ConnectStatus());
}

int ConnectTo(uv_loop_t* loop, Connection* connection, const sockaddr* address, socklen_t size) {
  const int descriptor = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return uv_translate_sys_error(errno);
  if (const int status = connection->socket.Open(loop, descriptor, connection); status != 0) {
    return status;
  }
  if (address->sa_family != AF_UNIX) connection->socket.SetTcpOptions();
  if (connect(descriptor, address, size) != 0 && errno != EINPROGRESS) {
    return uv_translate_sys_error(errno);
  }
  connection->socket.Watch(UV_WRITABLE, OnConnected);
  return 0;
}

void OnResolved(uv_getaddrinfo_t* request, int status, addrinfo* addresses) {
  const std::unique_ptr<Resolution> resolution(static_cast<Resolution*>(request->data));
  if (Connection* connection = resolution->connection) {
    connection->rest.Edit().resolution = nullptr;
    if (status == 0) {
      status = ConnectTo(request->loop, connection, addresses->ai_addr, addresses->ai_addrlen);
    }
    if (status != 0) connection->rest->connect_ended(connection, status);
  }
  uv_freeaddrinfo(addresses);
}

}  // namespace

int Connect(uv_loop_t* loop, const proxy::UpstreamUrl& upstream, Connection* connection) {
  sockaddr_storage address{};
  auto* any = reinterpret_cast<sockaddr*>(&address);
  if (IsUnixDirectory(upstream.host)) {
    auto* local = reinterpret_cast<sockaddr_un*>(&address);
    const std::string path = SocketPath(upstream.host, upstream.port);
    if (path.size() >= sizeof local->sun_path) return UV_ENAMETOOLONG;
    local->sun_family = AF_UNIX;
    path.copy(local->sun_path, path.size());
    return ConnectTo(loop, connection, any, sizeof *local);
  }
  // An address needs no name service, and no turn of the thread pool.
  if (uv_ip4_addr(upstream.host.c_str(), upstream.port, reinterpret_cast<sockaddr_in*>(any)) == 0) {
    return ConnectTo(loop, connection, any, sizeof(sockaddr_in));
  }
  if (uv_ip6_addr(upstream.host.c_str(), upstream.port, reinterpret_cast<sockaddr_in6*>(any)) ==
      0) {
    return ConnectTo(loop, connection, any, sizeof(sockaddr_in6));
  }
  auto resolution = std::make_unique<Resolution>(Resolution{connection, {}});
  resolution->request.data = resolution.get();
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  const int status = uv_getaddrinfo(loop, &resolution->request, OnResolved, upstream.host.c_str(),
                                    std::to_string(upstream.port).c_str(), &hints);
  if (status == 0) connection->rest.Edit().resolution = resolution.release();
  return status;
}

void AbandonResolution(Connection* connection) {
  if (connection->rest->resolution == nullptr) return;
  std::exchange(connection->rest.Edit().resolution, nullptr)->connection = nullptr;
}

}  // namespace pgsidecar::net
