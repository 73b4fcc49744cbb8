#include "net/listener.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

#include "net/address.h"
#include "net/unix_socket.h"
#include "proxy/session.h"

namespace pgsidecar::net {
namespace {

constexpr int kBacklog = 1024;

// What a client is accepted into, on the listener's loop, before its socket is handed on.
union Accepted {
  uv_handle_t handle;
  uv_stream_t stream;
  uv_tcp_t tcp;
  uv_pipe_t pipe;
};

}  // namespace

Result<bool> Listener::Open(uv_loop_t* loop, const proxy::ListenAddress& address, uint32_t mode) {
  unix_socket_ = IsUnixDirectory(address.host);
  trusted_ = unix_socket_ || proxy::IsLoopback(address.host);
  name_ = address.host + ":" + std::to_string(address.port);
  int status = 0;
  if (unix_socket_) {
    uv_pipe_init(loop, &pipe_, 0);
    path_ = SocketPath(address.host, address.port);
    status = BindUnixSocket(&pipe_, path_, mode);
  } else {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;
    uv_getaddrinfo_t request;
    status = uv_getaddrinfo(loop, &request, nullptr, address.host.c_str(),
                            std::to_string(address.port).c_str(), &hints);
    if (status == 0) {
      uv_tcp_init(loop, &tcp_);
      status = uv_tcp_bind(&tcp_, request.addrinfo->ai_addr, 0);
      uv_freeaddrinfo(request.addrinfo);
    }
  }
  if (status == 0) status = uv_listen(&stream_, kBacklog, OnConnection);
  if (status != 0) {
    return Error{"F0000",
                 "listen: cannot listen on " + name_ + ": " + uv_strerror(status) +
                     "; expected a free local address and port",
                 "", ""};
  }
  stream_.data = this;
  uv_prepare_init(loop, &turn_);
  turn_.data = this;
  uv_prepare_start(&turn_,
                   [](uv_prepare_t* turn) { static_cast<Listener*>(turn->data)->OnTurn(); });
  if (!unix_socket_) {
    sockaddr_storage bound{};
    int length = sizeof bound;
    uv_tcp_getsockname(&tcp_, reinterpret_cast<sockaddr*>(&bound), &length);
    const uint16_t port =
        ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                                          : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
    name_ = address.host + ":" + std::to_string(port);
  }
  return true;
}

void Listener::OnConnection(uv_stream_t* stream, int status) {
  auto* listener = static_cast<Listener*>(stream->data);
  if (status != 0) return;
  if (listener->has_accepted_) {
    listener->one_waits_ = true;
  } else {
    listener->Accept();
  }
}

void Listener::OnTurn() {
  has_accepted_ = false;
  if (std::exchange(one_waits_, false)) Accept();
}

void Listener::Accept() {
  has_accepted_ = true;
  auto* accepted = new Accepted;
  Arrival arrival{-1, unix_socket_, trusted_, std::string(proxy::kUnixPeer)};
  if (unix_socket_) {
    uv_pipe_init(handle_.loop, &accepted->pipe, 0);
  } else {
    uv_tcp_init(handle_.loop, &accepted->tcp);
  }
  // A handle belongs to its loop for good. Its socket does not: that is duplicated.
  uv_os_fd_t descriptor = -1;
  if (uv_accept(&stream_, &accepted->stream) == 0 &&
      uv_fileno(&accepted->handle, &descriptor) == 0) {
    if (!unix_socket_) arrival.peer = PeerName(&accepted->tcp);
    arrival.socket = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  }
  accepted->handle.data = accepted;
  uv_close(&accepted->handle,
           [](uv_handle_t* handle) { delete static_cast<Accepted*>(handle->data); });
  if (arrival.socket >= 0) on_arrival_(std::move(arrival));
}

void Listener::Close() {
  uv_close(&handle_, nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&turn_), nullptr);
  if (unix_socket_) unlink(path_.c_str());
}

}  // namespace pgsidecar::net
