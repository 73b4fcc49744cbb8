#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

namespace pgsidecar {

namespace {

constexpr std::array<std::pair<const char*, log::level::level_enum>, 5> kLevels = {{
    {"debug", log::level::debug},
    {"info", log::level::info},
    {"warn", log::level::warn},
    {"error", log::level::err},
    {"off", log::level::off},
}};

}  // namespace

void SetLogLevel(const std::string& level) {
  for (const auto& [name, value] : kLevels) {
    if (level == name) log::set_level(value);
  }
}

Result<bool> InitLogging(const std::string& level, const std::string& format) {
  const bool known = std::any_of(kLevels.begin(), kLevels.end(),
                                 [&level](const auto& each) { return level == each.first; });
  if (!known) {
    return Error{"F0000", "invalid log_level \"" + level + "\"",
                 "expected debug, info, warn, error or off", ""};
  }
  log::set_default_logger(
      std::make_shared<log::logger>("pgsidecar", std::make_shared<log::sinks::stderr_sink_mt>()));
  SetLogLevel(level);
  if (format == "text") {
    log::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  } else if (format == "json") {
    // Messages are written as key=value without quotes or backslashes of their own.
    log::set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","message":"%v"})");
  } else {
    return Error{"F0000", "invalid log_format \"" + format + "\"", "expected text or json", ""};
  }
  return true;
}

}  // namespace pgsidecar
