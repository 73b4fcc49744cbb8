#include "pool/limits.h"

namespace pgsidecar::pool {

std::string_view PoolModeName(PoolMode mode) {
  switch (mode) {
    case PoolMode::kSession:
      return "session";
    case PoolMode::kTransaction:
      return "transaction";
    case PoolMode::kStatement:
      return "statement";
  }
  return "";
}

std::optional<PoolMode> ParsePoolMode(std::string_view text) {
  for (const PoolMode mode : {PoolMode::kSession, PoolMode::kTransaction, PoolMode::kStatement}) {
    if (text == PoolModeName(mode)) return mode;
  }
  return std::nullopt;
}

Duration LifetimeOf(uint64_t id, Duration lifetime) {
  // Of neighbouring ids the multiples of the golden ratio are spread evenly (Fibonacci hashing).
  constexpr uint64_t kGolden = 0x9e3779b97f4a7c15;
  constexpr int64_t kSteps = 1024;
  const auto step = static_cast<int64_t>((id * kGolden) >> 54);
  return lifetime - lifetime / 5 * step / kSteps;
}

}  // namespace pgsidecar::pool
