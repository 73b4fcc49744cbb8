// Time as an argument. Only net/ reads a clock; everything else is handed a TimePoint, so that
// tests and the simulation own time. The clock is monotonic: a wall clock that jumps moves nothing.

#ifndef PGSIDECAR_BASE_CLOCK_H_
#define PGSIDECAR_BASE_CLOCK_H_

#include <chrono>

namespace pgsidecar {

using Duration = std::chrono::microseconds;
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

}  // namespace pgsidecar

#endif  // PGSIDECAR_BASE_CLOCK_H_
