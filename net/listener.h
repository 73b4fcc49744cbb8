// A socket on which clients arrive.
//
// It accepts and hands each client's socket on: whose loop will carry it is not the listener's
// affair. In a turn of the loop it accepts one, however many have arrived: accepting takes longer
// than answering, and the loop has others to answer.

#ifndef PGSIDECAR_NET_LISTENER_H_
#define PGSIDECAR_NET_LISTENER_H_

#include <uv.h>

#include <functional>
#include <string>
#include <utility>

#include "base/result.h"
#include "proxy/config.h"

namespace pgsidecar::net {

// A client that has arrived. Whoever has it closes the descriptor.
struct Arrival {
  uv_os_sock_t socket;
  bool unix_socket;
  bool trusted;      // only this machine reaches the listener
  std::string peer;  // host:port, or kUnixPeer
};

class Listener {
 public:
  using OnArrival = std::function<void(Arrival)>;

  explicit Listener(OnArrival on_arrival) : on_arrival_(std::move(on_arrival)) {}
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Binds and listens; clients arrive on the loop's thread. The error names the address and what is
  // wrong with it. The listener outlives the loop.
  // `mode`: the permissions of a Unix socket.
  Result<bool> Open(uv_loop_t* loop, const proxy::ListenAddress& address, uint32_t mode);
  void Close();

  const std::string& name() const { return name_; }  // host:port as bound

 private:
  static void OnConnection(uv_stream_t* stream, int status);
  void OnTurn();
  void Accept();

  OnArrival on_arrival_;
  union {
    uv_handle_t handle_;
    uv_stream_t stream_;
    uv_tcp_t tcp_;
    uv_pipe_t pipe_;
  };
  uv_prepare_t turn_;
  bool has_accepted_ = false;  // in this turn
  bool one_waits_ = false;     // libuv has accepted it, and goes on when it is taken
  bool unix_socket_ = false;
  bool trusted_ = false;
  std::string path_;  // of a Unix socket
  std::string name_;
};

}  // namespace pgsidecar::net

#endif  // PGSIDECAR_NET_LISTENER_H_
