// What a client or the server is to a worker's loop: a socket, and what is on its way out of it.
//
// Created with `new`, touched by the worker's thread alone, and deleted at the end of the turn of
// the loop in which it is closed, never before: libuv, and whoever has called what closed it, may
// hold on to it until then.

#ifndef PGSIDECAR_NET_CONNECTION_H_
#define PGSIDECAR_NET_CONNECTION_H_

#include <uv.h>

#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "base/lazy.h"
#include "base/outbox.h"
#include "net/socket.h"
#include "net/tls_stream.h"
#include "pool/tls_negotiation.h"

namespace pgsidecar::net {

class Worker;
struct Resolution;

enum class Role : uint8_t { kClient, kServer, kCancel };

struct Connection {
  Connection(Worker* the_worker, Role the_role, uint64_t the_id)
      : worker(the_worker), role(the_role), id(the_id) {}

  Socket socket;
  Worker* worker;
  Role role;
  uint64_t id;  // of the session or server connection that it carries

  Outbox taken;          // out of the hub, to be written
  bool blocked = false;  // the socket has taken no more, and is watched until it does
  bool reading = false;
  bool connected = false;  // and TLS to the server up, or left out
  bool closed = false;

  // Null on a plain connection. Until TLS is up it may hold what goes before it in plain.
  std::unique_ptr<TlsStream> tls;
  // What the hub said of it when it was last asked.
  bool wants_bytes = false;
  bool holds_input = false;
  bool left_behind = false;  // the hub may have more to be written than has been taken

  // The other end is to get what is in `last`, then nothing more.
  bool ending = false;
  bool shut_down = false;                 // our direction is; the other end may still be sending
  TimePoint deadline = TimePoint::max();  // of connecting, or of ending

  // What a client whom nothing holds up never needs.
  struct Rest {
    Outbox last;
    // Of a connection to the server, until it is settled whether it is encrypted.
    std::unique_ptr<pool::TlsNegotiation> negotiation;
    // Called by the loop. `status` is libuv's: of the name service or of connecting.
    void (*connect_ended)(Connection* connection, int status) = nullptr;
    Resolution* resolution = nullptr;  // the name service is being asked for the server's address
  };
  Lazy<Rest> rest;
};

}  // namespace pgsidecar::net

#endif  // PGSIDECAR_NET_CONNECTION_H_
