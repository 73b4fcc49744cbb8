#include "proxy/config_value.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <type_traits>
#include <utility>

#include "proxy/config_text.h"

namespace pgsidecar::proxy {
namespace {

Result<ListenAddress> ReadAddress(std::string_view text) {
  const Error wrong = Expected("host:port, such as 127.0.0.1:6432 or [::1]:6432", text);
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || text.find('\0') != std::string_view::npos) return wrong;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find_first_of(":[]") != std::string_view::npos && !host.starts_with('/')) {
    return wrong;
  }
  const std::optional<int64_t> port = ReadNumber(text.substr(colon + 1));
  if (host.empty() || !port) return wrong;
  if (*port > 65535) return Expected("a port from 0 to 65535", text.substr(colon + 1));
  if (host.starts_with('/') && *port == 0) {
    return Expected("a port above 0 for a Unix socket", text);
  }
  return ListenAddress{std::string(host), static_cast<uint16_t>(*port)};
}

// Sets one setting of `config` from `text`, or says what was expected.
class Setter {
 public:
  Setter(const Setting& setting, std::string_view text, Config& config)
      : setting_(setting), text_(text), config_(config) {}

  std::optional<Error> operator()(UpstreamUrl Config::*field) {
    return Keep(field, ParseUrl(text_));
  }
  std::optional<Error> operator()(std::vector<ListenAddress> Config::*field) {
    std::vector<ListenAddress> addresses;
    for (size_t begin = 0; begin <= text_.size();) {
      const size_t end = std::min(text_.find(',', begin), text_.size());
      Result<ListenAddress> address = ReadAddress(text_.substr(begin, end - begin));
      if (!address.ok()) return address.error();
      addresses.push_back(std::move(*address));
      begin = end + 1;
    }
    config_.*field = std::move(addresses);
    return std::nullopt;
  }
  std::optional<Error> operator()(std::vector<std::string> Config::*field) {
    std::vector<std::string> names;
    for (size_t begin = 0; begin < text_.size();) {
      const size_t end = std::min(text_.find(',', begin), text_.size());
      const std::string_view name = text_.substr(begin, end - begin);
      const size_t dot = name.find('.');
      if (dot == 0 || dot == std::string_view::npos || dot + 1 == name.size()) {
        return Expected("schema.name, several with commas", name);
      }
      names.emplace_back(name);
      begin = end + 1;
    }
    config_.*field = std::move(names);
    return std::nullopt;
  }
  std::optional<Error> operator()(std::optional<ListenAddress> Config::*field) {
    return Keep(field, ReadAddress(text_));
  }
  std::optional<Error> operator()(Consistency Config::*field) {
    return Keep(field, ParseConsistency(text_));
  }
  std::optional<Error> operator()(CacheMode Config::*field) {
    const Result<CacheMode> mode = ParseCacheMode(text_);
    if (!mode.ok()) return Expected("on, off, verify or observe", text_);
    config_.*field = *mode;
    return std::nullopt;
  }
  std::optional<Error> operator()(TlsMode Config::*field) {
    const std::optional<TlsMode> mode = ParseTlsMode(text_);
    if (!mode) {
      return Expected("disable, allow, prefer, require, verify-ca or verify-full", text_);
    }
    config_.*field = *mode;
    return std::nullopt;
  }
  std::optional<Error> operator()(bool Config::*field) {
    constexpr std::array<std::string_view, 4> kOn = {"on", "true", "yes", "1"};
    constexpr std::array<std::string_view, 4> kOff = {"off", "false", "no", "0"};
    config_.*field = std::find(kOn.begin(), kOn.end(), text_) != kOn.end();
    if (config_.*field || std::find(kOff.begin(), kOff.end(), text_) != kOff.end()) {
      return std::nullopt;
    }
    return Expected("on or off", text_);
  }
  std::optional<Error> operator()(Duration Config::*field) {
    const Result<Duration> duration = ParseDuration(text_);
    if (!duration.ok()) return duration.error();
    if (duration->count() < setting_.least) {
      return Expected("at least " + ShowTime(setting_.least), text_);
    }
    config_.*field = *duration;
    return std::nullopt;
  }
  std::optional<Error> operator()(size_t Config::*field) {
    return KeepNumber(field, ReadSize(text_), "a size such as 64kB, 256MB or 1GB", kLargestBytes,
                      ShowSize);
  }
  std::optional<Error> operator()(uint32_t Config::*field) {
    return KeepNumber(field, ReadNumber(text_), "a whole number", setting_.most, ShowCount);
  }
  std::optional<Error> operator()(std::string Config::*field) {
    config_.*field = text_;
    return std::nullopt;
  }
  std::optional<Error> operator()(pool::PoolMode Config::*field) {
    const std::optional<pool::PoolMode> mode = pool::ParsePoolMode(text_);
    if (!mode) return Expected("session, transaction or statement", text_);
    config_.*field = *mode;
    return std::nullopt;
  }
  std::optional<Error> operator()(const FileMode& mode) {
    uint32_t bits = 0;
    const char* const end = text_.data() + text_.size();
    const auto [stop, failure] = std::from_chars(text_.data(), end, bits, 8);
    if (failure != std::errc{} || stop != end || bits > 0777) {
      return Expected("permissions in octal, such as 0770", text_);
    }
    config_.*mode.field = bits;
    return std::nullopt;
  }
  std::optional<Error> operator()(const Choice& choice) {
    if (std::find(choice.words.begin(), choice.words.end(), text_) == choice.words.end()) {
      return Expected(std::string(setting_.description), text_);
    }
    config_.*choice.field = text_;
    return std::nullopt;
  }

 private:
  template <typename T, typename Parsed>
  std::optional<Error> Keep(T Config::*field, Result<Parsed> parsed) {
    if (!parsed.ok()) return parsed.error();
    config_.*field = std::move(*parsed);
    return std::nullopt;
  }
  template <typename T>
  std::optional<Error> KeepNumber(T Config::*field, std::optional<int64_t> number,
                                  const std::string& expected, int64_t most,
                                  std::string (*show)(int64_t)) {
    if (!number) return Expected(expected, text_);
    if (*number < setting_.least || *number > most) {
      return Expected("between " + show(setting_.least) + " and " + show(most), text_);
    }
    config_.*field = static_cast<T>(*number);
    return std::nullopt;
  }

  const Setting& setting_;
  std::string_view text_;
  Config& config_;
};

}  // namespace

std::optional<Error> SetValue(const Setting& setting, std::string_view text, Config& config) {
  return std::visit(Setter(setting, text, config), setting.field);
}

std::string ShowValue(const Setting& setting, const Config& config) {
  const auto show = [&config](const auto& field) -> std::string {
    if constexpr (std::is_same_v<std::decay_t<decltype(field)>, Choice>) {
      return config.*field.field;
    } else if constexpr (std::is_same_v<std::decay_t<decltype(field)>, FileMode>) {
      std::array<char, 12> digits;
      const auto [end, failure] =
          std::to_chars(digits.data(), digits.data() + digits.size(), config.*field.field, 8);
      return "0" + std::string(digits.data(), end);
    } else {
      const auto& value = config.*field;
      using T = std::decay_t<decltype(value)>;
      if constexpr (std::is_same_v<T, UpstreamUrl>) {
        return value.host.empty() ? "" : RedactedUrl(value);
      } else if constexpr (std::is_same_v<T, std::vector<ListenAddress>>) {
        std::string list;
        for (const ListenAddress& each : value) {
          list += (list.empty() ? "" : ",") + ShowAddress(each);
        }
        return list;
      } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
        std::string list;
        for (const std::string& each : value) list += (list.empty() ? "" : ",") + each;
        return list;
      } else if constexpr (std::is_same_v<T, std::optional<ListenAddress>>) {
        return value ? ShowAddress(*value) : "";
      } else if constexpr (std::is_same_v<T, Consistency>) {
        return std::string(ConsistencyName(value));
      } else if constexpr (std::is_same_v<T, CacheMode>) {
        return std::string(CacheModeName(value));
      } else if constexpr (std::is_same_v<T, pool::PoolMode>) {
        return std::string(pool::PoolModeName(value));
      } else if constexpr (std::is_same_v<T, TlsMode>) {
        return std::string(TlsModeName(value));
      } else if constexpr (std::is_same_v<T, bool>) {
        return value ? "on" : "off";
      } else if constexpr (std::is_same_v<T, Duration>) {
        return ShowTime(value.count());
      } else if constexpr (std::is_same_v<T, size_t>) {
        return ShowSize(static_cast<int64_t>(value));
      } else if constexpr (std::is_same_v<T, uint32_t>) {
        return ShowCount(value);
      } else {
        return value;
      }
    }
  };
  return std::visit(show, setting.field);
}

std::string ShowAddress(const ListenAddress& address) {
  const bool bracketed =
      address.host.find(':') != std::string::npos && !address.host.starts_with('/');
  return (bracketed ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

}  // namespace pgsidecar::proxy
