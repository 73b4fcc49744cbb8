// What the HTTP listener tells: written by the worker once a second, read by the HTTP thread.

#ifndef PGSIDECAR_NET_HEALTH_H_
#define PGSIDECAR_NET_HEALTH_H_

#include <atomic>
#include <mutex>
#include <string>
#include <thread>

#include "base/result.h"
#include "proxy/config.h"

namespace httplib {
class Server;
}

namespace pgsidecar::net {

class Health {
 public:
  Health();
  ~Health();  // ends the HTTP thread
  Health(const Health&) = delete;
  Health& operator=(const Health&) = delete;

  // Serves GET /healthz (200 while the loop turns), /readyz (200 while the upstream answers and
  // clients are let in, else 503) and /metrics, on a thread of its own.
  Result<bool> Listen(const proxy::ListenAddress& address);

  // For the worker: the loop has turned.
  void Report(bool ready, std::string metrics);

 private:
  std::atomic<bool> ready_{false};
  std::atomic<int64_t> turned_at_ms_{0};
  std::mutex mutex_;
  std::string metrics_;  // guarded by mutex_
  std::unique_ptr<httplib::Server> server_;
  std::thread thread_;
};

}  // namespace pgsidecar::net

#endif  // PGSIDECAR_NET_HEALTH_H_
