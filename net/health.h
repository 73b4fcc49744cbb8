// The HTTP listener: health, readiness and statistics, on threads of its own. Readiness is written
// by the worker; statistics are asked of it, and answered by its loop.

#ifndef PGSIDECAR_NET_HEALTH_H_
#define PGSIDECAR_NET_HEALTH_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/result.h"
#include "proxy/config.h"

namespace httplib {
class Server;
}

namespace pgsidecar::net {

// The statistics of one moment; empty if they could not be had.
struct Report {
  std::string metrics;
  std::string stats;
};

class Health {
 public:
  Health();
  ~Health();
  Health(const Health&) = delete;
  Health& operator=(const Health&) = delete;

  // Serves GET /healthz (200 while the loop turns), /readyz (200 while the upstream answers and
  // clients are let in, else 503), /metrics (Prometheus) and /stats (JSON), on a thread of its own.
  // `ask` is called on the HTTP threads; it may block for a moment.
  Result<bool> Listen(const proxy::ListenAddress& address, std::function<Report()> ask);

  // Ends the HTTP threads, and waits for what they are at.
  void End();
  // For the worker: the loop has turned, at least once a second.
  void Turn(bool ready);

 private:
  std::atomic<bool> ready_{false};
  std::atomic<int64_t> turned_at_ms_{0};
  std::unique_ptr<httplib::Server> server_;
  std::thread thread_;
};

}  // namespace pgsidecar::net

#endif  // PGSIDECAR_NET_HEALTH_H_
