// How the cache treats one request, and the words for it that configuration, rules, settings and
// hints share.

#ifndef PGSIDECAR_PROXY_CACHE_POLICY_H_
#define PGSIDECAR_PROXY_CACHE_POLICY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "cache/store.h"

namespace pgsidecar::proxy {

// What a read may be told, hit or miss.
enum class Consistency : uint8_t {
  kTtl,           // no older than max_age; writes are not watched
  kSession,       // and every acknowledged write that passed through this proxy is seen
  kLinearizable,  // as if it ran on the primary; needs the change feed
};

// The narrowest first: whoever has a say may only narrow.
enum class CacheMode : uint8_t {
  kOff,
  kObserve,  // answers are stored and would-be hits counted, never served
  kVerify,   // never served; the server's answer is compared with the one that would have been
  kOn,
};

// What an answer is kept as: each class has its own age and size.
enum class CacheClass : uint8_t { kQuery, kSearch, kContent };
inline constexpr size_t kCacheClasses = cache::kGroups;

Result<CacheMode> ParseCacheMode(std::string_view text);
std::string_view CacheModeName(CacheMode mode);
Result<CacheClass> ParseCacheClass(std::string_view text);
std::string_view CacheClassName(CacheClass cache_class);

// What somebody has said of some requests: a session's settings, a hint, a rule. What is not set is
// for others to say.
struct CacheWishes {
  std::optional<CacheMode> cache{};
  std::optional<Duration> ttl{};
  std::optional<Consistency> consistency{};
  std::optional<CacheClass> cache_class{};
  bool operator==(const CacheWishes&) const = default;
};

// What holds for one request.
struct CachePolicy {
  CacheMode mode = CacheMode::kOff;
  std::string_view off_because;  // where the mode is kOff: a constant
  CacheClass cache_class = CacheClass::kQuery;
  cache::ReadPolicy read;
  size_t max_entry_bytes = 0;
};

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_CACHE_POLICY_H_
