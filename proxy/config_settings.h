// Private to the configuration: the table of its settings. Everything that is said of a setting is
// said here once: its name, its type, what it is for, what is allowed.

#ifndef PGSIDECAR_PROXY_CONFIG_SETTINGS_H_
#define PGSIDECAR_PROXY_CONFIG_SETTINGS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "proxy/config.h"

namespace pgsidecar::proxy {

// A setting that takes one of a few words.
struct Choice {
  std::string Config::*field;
  std::span<const std::string_view> words;
};

// A file's permissions, in octal as chmod has them.
struct FileMode {
  uint32_t Config::*field;
};

// Where a setting lives; its type decides how it is read, checked, shown and named in --help.
using Field =
    std::variant<UpstreamUrl Config::*, std::vector<ListenAddress> Config::*,
                 std::vector<std::string> Config::*, std::optional<ListenAddress> Config::*,
                 Consistency Config::*, CacheMode Config::*, TlsMode Config::*,
                 pool::PoolMode Config::*, bool Config::*, Duration Config::*, size_t Config::*,
                 uint32_t Config::*, std::string Config::*, Choice, FileMode>;

struct Setting {
  std::string_view name;  // as in the TOML file
  Field field;
  std::string_view description;
  // The smallest value allowed: microseconds, bytes or a count, as the type has it.
  int64_t least = 0;
  int64_t most = 1'000'000'000;  // of a count
  bool at_start = false;         // read at the start only: a reload does not change it
};

// Every setting, in the order of --help. They stay where they are.
std::span<const Setting> Settings();
const Setting* FindSetting(std::string_view name);
// Its place among Settings().
size_t IndexOf(const Setting& setting);

// --max-foreign-staleness, PGSIDECAR_MAX_FOREIGN_STALENESS.
std::string FlagOf(const Setting& setting);
std::string VariableOf(const Setting& setting);

// Several values with commas between them.
bool IsList(const Setting& setting);
// The flag may stand alone, and then means on.
bool IsSwitch(const Setting& setting);
// For --help.
std::string TypeName(const Setting& setting);

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_CONFIG_SETTINGS_H_
