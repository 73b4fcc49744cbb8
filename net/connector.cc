#include "net/connector.h"

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

void OnConnected(uv_connect_t* request, int status) {
  if (status == UV_ECANCELED) return;  // closed by us
  auto* connection = static_cast<Connection*>(request->handle->data);
  connection->rest->connect_ended(connection, status);
}

int ConnectTo(Connection* connection, const sockaddr* address) {
  uv_tcp_nodelay(&connection->tcp, 1);
  return uv_tcp_connect(&connection->rest.Edit().connect_request, &connection->tcp, address,
                        OnConnected);
}

void OnResolved(uv_getaddrinfo_t* request, int status, addrinfo* addresses) {
  const std::unique_ptr<Resolution> resolution(static_cast<Resolution*>(request->data));
  if (Connection* connection = resolution->connection) {
    connection->rest.Edit().resolution = nullptr;
    if (status == 0) status = ConnectTo(connection, addresses->ai_addr);
    if (status != 0) connection->rest->connect_ended(connection, status);
  }
  uv_freeaddrinfo(addresses);
}

}  // namespace

int Connect(uv_loop_t* loop, const proxy::UpstreamUrl& upstream, Connection* connection) {
  if (IsUnixDirectory(upstream.host)) {
    uv_pipe_init(loop, &connection->pipe, 0);
    connection->handle.data = connection;
    uv_pipe_connect(&connection->rest.Edit().connect_request, &connection->pipe,
                    SocketPath(upstream.host, upstream.port).c_str(), OnConnected);
    return 0;
  }
  uv_tcp_init(loop, &connection->tcp);
  connection->handle.data = connection;
  // An address needs no name service, and no turn of the thread pool.
  sockaddr_storage address{};
  auto* in4 = reinterpret_cast<sockaddr_in*>(&address);
  auto* in6 = reinterpret_cast<sockaddr_in6*>(&address);
  if (uv_ip4_addr(upstream.host.c_str(), upstream.port, in4) == 0 ||
      uv_ip6_addr(upstream.host.c_str(), upstream.port, in6) == 0) {
    return ConnectTo(connection, reinterpret_cast<sockaddr*>(&address));
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
