#include "proxy/cache_policy.h"

#include <string>

namespace pgsidecar::proxy {
namespace {

constexpr std::array<std::string_view, 4> kModeNames = {"off", "observe", "verify", "on"};
constexpr std::array<std::string_view, kCacheClasses> kClassNames = {"query", "search", "content"};

template <typename Word, size_t count>
std::optional<Word> Find(const std::array<std::string_view, count>& names, std::string_view text) {
  for (size_t i = 0; i < count; ++i) {
    if (names[i] == text) return static_cast<Word>(i);
  }
  return std::nullopt;
}

Error Expected(std::string_view what) {
  return Error{"22023", "expected " + std::string(what), "", ""};
}

}  // namespace

Result<CacheMode> ParseCacheMode(std::string_view text) {
  if (const auto mode = Find<CacheMode>(kModeNames, text)) return *mode;
  if (text == "true" || text == "yes" || text == "1") return CacheMode::kOn;
  if (text == "false" || text == "no" || text == "0") return CacheMode::kOff;
  return Expected("on, off, verify or observe");
}

std::string_view CacheModeName(CacheMode mode) { return kModeNames[static_cast<size_t>(mode)]; }

Result<CacheClass> ParseCacheClass(std::string_view text) {
  if (const auto cache_class = Find<CacheClass>(kClassNames, text)) return *cache_class;
  return Expected("query, search or content");
}

std::string_view CacheClassName(CacheClass cache_class) {
  return kClassNames[static_cast<size_t>(cache_class)];
}

}  // namespace pgsidecar::proxy
