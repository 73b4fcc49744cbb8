#include "net/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <utility>

namespace pgsidecar::net {
namespace {

constexpr int kKeepaliveSeconds = 60;

template <typename Call>
ssize_t Repeat(const Call& call) {
  ssize_t result = -1;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  if (result >= 0) return result;
  return errno == ENOBUFS ? UV_EAGAIN : uv_translate_sys_error(errno);  // no memory now
}

}  // namespace

int Socket::Open(uv_loop_t* loop, int descriptor, void* owner) {
  const int status = uv_poll_init_socket(loop, &poll_, descriptor);
  if (status != 0) {
    close(descriptor);
    return status;
  }
  poll_.data = owner;
  descriptor_ = descriptor;
  return 0;
}

void Socket::SetTcpOptions() const {
  const int on = 1;
  setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(descriptor_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(descriptor_, IPPROTO_TCP, TCP_KEEPIDLE, &kKeepaliveSeconds, sizeof kKeepaliveSeconds);
}

void Socket::Watch(int events, uv_poll_cb ready) {
  if (std::exchange(watched_, events) == events) return;
  [[maybe_unused]] const int status =
      events == 0 ? uv_poll_stop(&poll_) : uv_poll_start(&poll_, events, ready);
  assert(status == 0);  // the descriptor is nobody else's
}

int Socket::Ready(int status, int events) {
  if (status == 0) return events;
  return std::exchange(watched_, 0);  // libuv has stopped
}

int Socket::ConnectStatus() const {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  return uv_translate_sys_error(error);
}

ssize_t Socket::Receive(std::span<char> to) const {
  return Repeat([&] { return recv(descriptor_, to.data(), to.size(), 0); });
}

ssize_t Socket::Send(std::span<const std::string_view> pieces) const {
  if (pieces.size() == 1) {
    return Repeat(
        [&] { return send(descriptor_, pieces[0].data(), pieces[0].size(), MSG_NOSIGNAL); });
  }
  std::array<iovec, kMaxPieces> parts;
  std::ranges::transform(pieces, parts.begin(), [](std::string_view piece) {
    return iovec{const_cast<char*>(piece.data()), piece.size()};
  });
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = pieces.size();
  return Repeat([&] { return sendmsg(descriptor_, &message, MSG_NOSIGNAL); });
}

void Socket::ShutDown() const { shutdown(descriptor_, SHUT_WR); }

void Socket::Close(uv_close_cb closed) {
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_), closed);
  close(std::exchange(descriptor_, -1));
}

}  // namespace pgsidecar::net
