// A stream socket, TCP or Unix, of which a loop tells when it can be read and written.
//
// The bytes are carried by recv and send. A uv_stream_t would carry them by read and write, on
// which the kernel goes through its layer of files first: a tenth of a hit's time.

#ifndef PGSIDECAR_NET_SOCKET_H_
#define PGSIDECAR_NET_SOCKET_H_

#include <sys/types.h>
#include <uv.h>

#include <span>
#include <string_view>

namespace pgsidecar::net {

// Errors are libuv's, negative. The thread of the loop alone may use it.
class Socket {
 public:
  // How many runs of bytes are sent by one call at most.
  static constexpr size_t kMaxPieces = 16;

  Socket() = default;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // Takes the descriptor over, also if it returns an error; callbacks find `owner` in their
  // handle's data.
  [[nodiscard]] int Open(uv_loop_t* loop, int descriptor, void* owner);
  bool is_open() const { return descriptor_ >= 0; }

  // A TCP socket sends at once what it is given, and notices that the other end's machine has gone.
  void SetTcpOptions() const;

  // From now on `ready` is called for these `events`, UV_READABLE and UV_WRITABLE, as often as the
  // loop turns; for none if they are 0. REQUIRES: another `ready` follows on 0 only.
  void Watch(int events, uv_poll_cb ready);
  // What the callback's arguments say can be done without waiting. An error counts as all that was
  // waited for, and whoever does it is told; nothing is watched any more then.
  int Ready(int status, int events);

  // How connecting has ended, of which being writable tells.
  int ConnectStatus() const;
  // How many bytes have come; 0: no more will; UV_EAGAIN: none are there.
  ssize_t Receive(std::span<char> to) const;
  // How many bytes were taken of `pieces`, at most kMaxPieces; UV_EAGAIN: none now.
  ssize_t Send(std::span<const std::string_view> pieces) const;
  // Nothing more will be sent.
  void ShutDown() const;

  // REQUIRES: is_open(). The socket is closed at once; its memory has to stay until `closed` is
  // called.
  void Close(uv_close_cb closed);

 private:
  uv_poll_t poll_;
  int descriptor_ = -1;
  int watched_ = 0;
};

}  // namespace pgsidecar::net

#endif  // PGSIDECAR_NET_SOCKET_H_
