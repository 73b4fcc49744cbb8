// The thread that cleans the cache up: no client waits for it, but for the moment in which it holds
// a shard's mutex. It has the priority of the others, lest it be kept from letting go of that.

#ifndef PGSIDECAR_NET_JANITOR_H_
#define PGSIDECAR_NET_JANITOR_H_

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "base/clock.h"
#include "base/result.h"
#include "cache/sweeper.h"
#include "net/thread.h"

namespace pgsidecar::net {

class Janitor {
 public:
  // `sweeper` outlives it, and is nobody else's.
  explicit Janitor(cache::Sweeper* sweeper) : sweeper_(sweeper) {}
  ~Janitor() { Stop(); }

  // The time in which a sixteenth of the cache is looked through. From any thread.
  void set_interval(Duration interval) { interval_ = interval; }

  Result<bool> Start();
  void Stop();

 private:
  void Run();

  cache::Sweeper* sweeper_;
  std::atomic<Duration> interval_{};
  std::mutex mutex_;  // guards ended_
  std::condition_variable end_;
  bool ended_ = false;
  Thread thread_;
};

}  // namespace pgsidecar::net

#endif  // PGSIDECAR_NET_JANITOR_H_
