#include "cache/sweeper.h"

#include <algorithm>
#include <cstdint>

namespace pgsidecar::cache {

size_t Sweeper::Sweep(TimePoint now, Duration interval) {
  constexpr size_t kFewestPlaces = 16;  // fewer are left for a later call
  const double share = static_cast<double>((now - swept_at_).count()) /
                       (kParts * static_cast<double>(std::max<int64_t>(interval.count(), 1)));
  const auto places =
      static_cast<size_t>(std::min(share, 1.0) * static_cast<double>(store_->places()));
  if (places < kFewestPlaces && share < 1) return 0;
  swept_at_ = now;
  return store_->Sweep(now, std::clamp(places, kFewestPlaces, kMostPlaces));
}

Duration Sweeper::Pause(Duration interval) const {
  constexpr Duration kLeast = std::chrono::milliseconds(50);
  constexpr Duration kMost = std::chrono::seconds(1);
  const double intervals = kParts * static_cast<double>(kMostPlaces / 2) /
                           static_cast<double>(std::max<size_t>(store_->places(), 1));
  const double count = std::min(intervals, 1.0) * static_cast<double>(interval.count());
  return std::clamp(Duration(static_cast<int64_t>(count)), kLeast, kMost);
}

}  // namespace pgsidecar::cache
