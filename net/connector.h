// From the upstream's name to an open socket.

#ifndef PGSIDECAR_NET_CONNECTOR_H_
#define PGSIDECAR_NET_CONNECTOR_H_

#include <uv.h>

#include "net/connection.h"
#include "proxy/url.h"

namespace pgsidecar::net {

// Opens the connection's socket on `loop`: its `connect_ended` follows, unless the connection is
// closed before or an error of libuv's is returned.
[[nodiscard]] int Connect(uv_loop_t* loop, const proxy::UpstreamUrl& upstream,
                          Connection* connection);

// The connection is being closed: what is asked of the name service for it is of no use any more.
void AbandonResolution(Connection* connection);

}  // namespace pgsidecar::net

#endif  // PGSIDECAR_NET_CONNECTOR_H_
