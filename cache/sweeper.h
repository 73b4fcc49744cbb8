// The clean-up of a store, a little at a time: a sixteenth of its places in every interval, as far
// as that is not more than kMostPlaces a call.

#ifndef PGSIDECAR_CACHE_SWEEPER_H_
#define PGSIDECAR_CACHE_SWEEPER_H_

#include <cstddef>

#include "base/clock.h"
#include "cache/store.h"

namespace pgsidecar::cache {

class Sweeper {
 public:
  static constexpr size_t kMostPlaces = 1024;

  // `store` outlives it.
  explicit Sweeper(Store* store) : store_(store) {}

  // Sweeps what is due at `now`, and returns how many entries were dropped. By one thread at a
  // time.
  size_t Sweep(TimePoint now, Duration interval);
  // How long to wait for the next call: until half of kMostPlaces are due, but no longer than an
  // interval or a second, lest a store that grows meanwhile has to wait.
  Duration Pause(Duration interval) const;

 private:
  static constexpr int kParts = 16;

  Store* store_;
  TimePoint swept_at_{};
};

}  // namespace pgsidecar::cache

#endif  // PGSIDECAR_CACHE_SWEEPER_H_
