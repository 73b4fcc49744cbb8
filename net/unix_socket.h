// The file of a Unix socket that clients connect to.

#ifndef PGSIDECAR_NET_UNIX_SOCKET_H_
#define PGSIDECAR_NET_UNIX_SOCKET_H_

#include <uv.h>

#include <cstdint>
#include <string>

namespace pgsidecar::net {

// Binds `pipe` to `path`, with the permissions `mode` before anybody can connect. A socket that a
// process has left there when it died is replaced; one on which somebody listens is not. Returns 0
// or an error of libuv.
int BindUnixSocket(uv_pipe_t* pipe, const std::string& path, uint32_t mode);

}  // namespace pgsidecar::net

#endif  // PGSIDECAR_NET_UNIX_SOCKET_H_
