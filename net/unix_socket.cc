#include "net/unix_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace pgsidecar::net {
namespace {

// Whether the file is a socket that nobody listens on. One whose owner cannot be asked is taken for
// alive.
bool IsStale(const std::string& path) {
  struct stat status {};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode) ||
      path.size() >= sizeof address.sun_path) {
    return false;
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return false;
  const bool refused =
      connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
      errno == ECONNREFUSED;
  close(probe);
  return refused;
}

}  // namespace

int BindUnixSocket(uv_pipe_t* pipe, const std::string& path, uint32_t mode) {
  if (IsStale(path)) unlink(path.c_str());
  const int status = uv_pipe_bind(pipe, path.c_str());
  if (status != 0) return status;
  return chmod(path.c_str(), mode) == 0 ? 0 : uv_translate_sys_error(errno);
}

}  // namespace pgsidecar::net
