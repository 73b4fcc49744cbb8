// How the configuration is read. Every source (file, environment, flags) is first turned into
// `Given` texts that remember where they come from; then one function applies them in the order of
// rising precedence, with the one parser that the setting's type has.

#include "proxy/config.h"

#include <arpa/inet.h>
#include <toml++/toml.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <limits>
#include <span>
#include <sstream>
#include <type_traits>
#include <utility>

#include "proxy/config_rules.h"
#include "proxy/config_text.h"

namespace pgsidecar::proxy {
namespace {

// --- The table --------------------------------------------------------------------------------

constexpr std::array<std::string_view, 5> kLogLevels = {"debug", "info", "warn", "error", "off"};
constexpr std::array<std::string_view, 2> kLogFormats = {"text", "json"};

// A setting that takes one of a few words.
struct Choice {
  std::string Config::*field;
  std::span<const std::string_view> words;
};

// Where a setting lives; its type decides how it is read, checked, shown and named in --help.
using Field =
    std::variant<UpstreamUrl Config::*, std::vector<ListenAddress> Config::*,
                 std::vector<std::string> Config::*, std::optional<ListenAddress> Config::*,
                 Consistency Config::*, CacheMode Config::*, bool Config::*, Duration Config::*,
                 size_t Config::*, uint32_t Config::*, std::string Config::*, Choice>;

struct Setting {
  std::string_view name;  // as in the TOML file
  Field field;
  std::string_view description;
  // The smallest value allowed: microseconds, bytes or a count, as the type has it.
  int64_t least = 0;
  int64_t most = 1'000'000'000;  // of a count
};

constexpr int64_t kMillisecond = 1000;
constexpr int64_t kKilobyte = 1024;

constexpr std::array kSettings = std::to_array<Setting>({
    {"config", &Config::config_file, "a TOML file with any of the settings below"},
    {"upstream", &Config::upstream,
     "the server: postgres://user:password@host:5432/db, or ?host=/directory for a Unix socket"},
    {"listen", &Config::listen,
     "where clients connect: host:port, [IPv6]:port or /directory:port, several with commas"},
    {"http_listen", &Config::http_listen, "where health, metrics and statistics are served"},
    {"workers", &Config::workers, "event loops, a thread each; 0: as many as processors", 0,
     kMaxWorkers},
    {"accept_unauthenticated", &Config::accept_unauthenticated,
     "let clients of other machines in when the server asks them for nothing"},
    {"consistency", &Config::consistency, "what a cached read promises: session or ttl"},
    {"ttl", &Config::ttl, "the oldest answer served from the cache; lifts max_foreign_staleness",
     kMillisecond},
    {"search_ttl", &Config::search_ttl, "the same for class search; ttl if only that is given",
     kMillisecond},
    {"content_ttl", &Config::content_ttl, "the same for class content; ttl if only that is given",
     kMillisecond},
    {"max_foreign_staleness", &Config::max_foreign_staleness,
     "the oldest answer while others may write past this proxy, unless ttl is given"},
    {"sole_writer", &Config::sole_writer,
     "promise that all writes pass through this proxy; lifts max_foreign_staleness"},
    {"cache", &Config::cache,
     "answer repeated reads from memory; verify: compare with the server's answers; observe: "
     "count"},
    {"cache_share", &Config::cache_share, "percent of the sessions that cache holds for", 0, 100},
    {"cache_rest", &Config::cache_rest, "what holds for the other sessions, as in cache"},
    {"row_precision", &Config::row_precision,
     "let a write of rows by key drop only the answers that depend on those rows"},
    {"cache_bytes", &Config::cache_bytes, "memory for cached answers, all told", 64 * kKilobyte},
    {"cache_entries", &Config::cache_entries, "cached answers", 1},
    {"cache_entry_bytes", &Config::cache_entry_bytes, "the largest answer that is cached",
     kKilobyte},
    {"search_entry_bytes", &Config::search_entry_bytes,
     "the same for class search; cache_entry_bytes if only that is given", kKilobyte},
    {"content_entry_bytes", &Config::content_entry_bytes,
     "the same for class content; cache_entry_bytes if only that is given", kKilobyte},
    {"lazy_begin", &Config::lazy_begin,
     "send BEGIN with the first statement that the cache cannot answer"},
    {"single_flight_wait", &Config::single_flight_wait,
     "how long a read waits for the same read of another client"},
    {"sweep_interval", &Config::sweep_interval,
     "how often a part of the cache is searched for dead entries", kMillisecond},
    {"catalog_poll_interval", &Config::catalog_poll_interval,
     "how often the server is asked whether its catalogs have changed", kMillisecond},
    {"harmless_functions", &Config::harmless_functions,
     "functions, as schema.name with commas between them, that change nothing, whatever they are;"
     " of an IMMUTABLE one the answer is cached"},
    {"default_pool_size", &Config::default_pool_size,
     "server connections of one user to one database", 1},
    {"max_server_connections", &Config::max_server_connections, "server connections in all", 1},
    {"max_client_connections", &Config::max_client_connections, "client connections in all", 1,
     1'000'000},  // below the 2^20 writes in flight that a version stamp can count
    {"query_wait_timeout", &Config::query_wait_timeout,
     "how long a query waits for a server connection", kMillisecond},
    {"server_connect_timeout", &Config::server_connect_timeout,
     "how long connecting to the server may take, login included", kMillisecond},
    {"server_idle_timeout", &Config::server_idle_timeout,
     "an idle server connection is closed after this", kMillisecond},
    {"server_lifetime", &Config::server_lifetime,
     "a server connection is not used again after this", kMillisecond},
    {"client_login_timeout", &Config::client_login_timeout, "how long a client's login may take",
     kMillisecond},
    {"drain_timeout", &Config::drain_timeout,
     "how long sessions may go on after the order to shut down"},
    {"client_buffer_bytes", &Config::client_buffer_bytes,
     "bytes that wait for a slow client before its server is paused", 16 * kKilobyte},
    {"server_buffer_bytes", &Config::server_buffer_bytes,
     "bytes that wait for a slow server before its client is paused", 16 * kKilobyte},
    {"log_level", Choice{&Config::log_level, kLogLevels}, "debug, info, warn, error or off"},
    {"log_format", Choice{&Config::log_format, kLogFormats}, "text or json"},
});

// The name with '_' turned into '-', behind two dashes.
std::string FlagOf(const Setting& setting) {
  std::string flag = "--" + std::string(setting.name);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

std::string VariableOf(const Setting& setting) {
  std::string variable = "PGSIDECAR_";
  for (const char letter : setting.name) {
    variable.push_back(letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A')
                                                      : letter);
  }
  return variable;
}

bool IsList(const Setting& setting) {
  return std::holds_alternative<std::vector<ListenAddress> Config::*>(setting.field) ||
         std::holds_alternative<std::vector<std::string> Config::*>(setting.field);
}

bool IsSwitch(const Setting& setting) {
  return std::holds_alternative<bool Config::*>(setting.field) ||
         std::holds_alternative<CacheMode Config::*>(setting.field);
}

std::string TypeName(const Setting& setting) {
  struct {
    std::string operator()(UpstreamUrl Config::*) { return "URL"; }
    std::string operator()(std::vector<ListenAddress> Config::*) { return "HOST:PORT,..."; }
    std::string operator()(std::vector<std::string> Config::*) { return "SCHEMA.NAME,..."; }
    std::string operator()(std::optional<ListenAddress> Config::*) { return "HOST:PORT"; }
    std::string operator()(Consistency Config::*) { return "LEVEL"; }
    std::string operator()(CacheMode Config::*) { return "on|off|verify|observe"; }
    std::string operator()(bool Config::*) { return "on|off"; }
    std::string operator()(Duration Config::*) { return "DURATION"; }
    std::string operator()(size_t Config::*) { return "SIZE"; }
    std::string operator()(uint32_t Config::*) { return "NUMBER"; }
    std::string operator()(std::string Config::*) { return "FILE"; }
    std::string operator()(const Choice&) { return "WORD"; }
  } name;
  return std::visit(name, setting.field);
}

// --- Values as text ---------------------------------------------------------------------------

struct Unit {
  std::string_view name;
  int64_t factor;
};
// The largest first, so that a value is shown in the largest unit that divides it.
constexpr std::array kTimeUnits = std::to_array<Unit>({{"d", 86'400'000'000},
                                                       {"h", 3'600'000'000},
                                                       {"min", 60'000'000},
                                                       {"s", 1'000'000},
                                                       {"ms", 1000},
                                                       {"us", 1}});
constexpr std::array kSizeUnits = std::to_array<Unit>({{"TB", int64_t{1} << 40},
                                                       {"GB", int64_t{1} << 30},
                                                       {"MB", int64_t{1} << 20},
                                                       {"kB", int64_t{1} << 10},
                                                       {"B", 1},
                                                       {"TiB", int64_t{1} << 40},
                                                       {"GiB", int64_t{1} << 30},
                                                       {"MiB", int64_t{1} << 20},
                                                       {"KiB", int64_t{1} << 10}});
// No setting is longer or larger, so that sums and products of settings cannot overflow.
constexpr int64_t kLongestMicroseconds = 366 * int64_t{86'400'000'000};
constexpr int64_t kLargestBytes = int64_t{1} << 46;

// A decimal number that takes all of `text`; nullopt also if it does not fit.
std::optional<int64_t> ReadNumber(std::string_view text) {
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, number);
  if (failure != std::errc{} || stop != end) return std::nullopt;
  if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
  return static_cast<int64_t>(number);
}

// A number, perhaps a space, and a unit of `units`, or of `bare_factor` without one.
std::optional<int64_t> ReadWithUnit(std::string_view text, std::span<const Unit> units,
                                    int64_t bare_factor) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  std::string_view suffix = text.substr(digits);
  if (const size_t begin = suffix.find_first_not_of(' '); begin != std::string_view::npos) {
    suffix.remove_prefix(begin);
  }
  int64_t factor = suffix.empty() ? bare_factor : 0;
  for (const Unit& unit : units) {
    if (suffix == unit.name) factor = unit.factor;
  }
  const std::optional<int64_t> number = ReadNumber(text.substr(0, digits));
  int64_t value = 0;
  if (!number || factor == 0 || __builtin_mul_overflow(*number, factor, &value)) {
    return std::nullopt;
  }
  return value;
}

std::string ShowWithUnit(int64_t value, std::span<const Unit> units) {
  for (const Unit& unit : units) {
    if (value != 0 && value % unit.factor == 0) {
      return std::to_string(value / unit.factor) + std::string(unit.name);
    }
  }
  return "0";
}

std::string ShowSize(int64_t bytes) { return ShowWithUnit(bytes, kSizeUnits); }
std::string ShowTime(int64_t microseconds) { return ShowWithUnit(microseconds, kTimeUnits); }
std::string ShowCount(int64_t count) { return std::to_string(count); }

std::string ShowAddress(const ListenAddress& address) {
  const bool bracketed =
      address.host.find(':') != std::string::npos && !address.host.starts_with('/');
  return (bracketed ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

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

// --- Setting and showing one ------------------------------------------------------------------

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
    return KeepNumber(field, ReadWithUnit(text_, kSizeUnits, 1),
                      "a size such as 64kB, 256MB or 1GB", kLargestBytes, ShowSize);
  }
  std::optional<Error> operator()(uint32_t Config::*field) {
    return KeepNumber(field, ReadNumber(text_), "a whole number", setting_.most, ShowCount);
  }
  std::optional<Error> operator()(std::string Config::*field) {
    config_.*field = text_;
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

// The text that a Setter would read to the same value; of the upstream, without its password.
std::string Show(const Setting& setting, const Config& config) {
  const auto show = [&config](const auto& field) -> std::string {
    if constexpr (std::is_same_v<std::decay_t<decltype(field)>, Choice>) {
      return config.*field.field;
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

// --- The sources ------------------------------------------------------------------------------

// What one source says of one setting.
struct Given {
  std::string origin;  // for an error: "--ttl", "PGSIDECAR_TTL", "pgsidecar.toml:3: ttl"
  std::string text;
};
// Of each setting of the table, what has been given, in the order of rising precedence.
using Givens = std::array<std::vector<Given>, kSettings.size()>;

Error Failure(std::string message) { return Error{"F0000", std::move(message), "", ""}; }

Error At(const std::string& origin, const Error& error) {
  return Failure(origin + ": " + error.message);
}

const Setting* FindSetting(std::string_view name) {
  const auto found = std::find_if(kSettings.begin(), kSettings.end(),
                                  [name](const Setting& each) { return each.name == name; });
  return found == kSettings.end() ? nullptr : &*found;
}

size_t IndexOf(const Setting& setting) { return static_cast<size_t>(&setting - kSettings.data()); }

size_t IndexOf(std::string_view name) { return IndexOf(*FindSetting(name)); }

// The value of a TOML key as the text that a flag would have; nullopt for dates and tables.
std::optional<std::string> TomlText(const toml::node& node, bool is_list) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "on" : "off";
  if (const auto* array = node.as_array(); array && is_list) {
    std::string list;
    for (const toml::node& element : *array) {
      if (!element.is_string()) return std::nullopt;
      list += (list.empty() ? "" : ",") + element.as_string()->get();
    }
    return list;
  }
  return std::nullopt;
}

// Takes every key of the file's table.
std::optional<Error> TakeToml(const toml::table& table, const std::string& path, Givens& givens,
                              std::vector<Rule>& rules) {
  for (const auto& [key, node] : table) {
    if (key.str() == kRulesKey) {
      if (auto error = ReadRules(node, path, rules)) return error;
      continue;
    }
    const Setting* setting = FindSetting(key.str());
    const std::string name = Quote(key.str());
    const std::string where = path + ":" + std::to_string(node.source().begin.line) + ": " +
                              name.substr(1, name.size() - 2);
    if (!setting || setting == FindSetting("config")) {
      return Failure(where + ": unknown setting, expected one of those that --help lists");
    }
    const std::optional<std::string> text = TomlText(node, IsList(*setting));
    if (!text) {
      return Failure(
          where + ": expected a string" +
          (IsList(*setting) ? ", or an array of strings" : ", a number or true or false"));
    }
    givens[IndexOf(*setting)].push_back({where, *text});
  }
  return std::nullopt;
}

// `origin` says who named the file.
std::optional<Error> TakeFile(const std::string& path, const std::string& origin, Givens& givens,
                              std::vector<Rule>& rules) {
  std::ifstream file(path);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    return Failure(origin + ": expected a readable file, got " + Quote(path) +
                   (errno != 0 ? std::string(": ") + std::strerror(errno) : ""));
  }
  try {
    return TakeToml(toml::parse(text.view(), path), path, givens, rules);
  } catch (const toml::parse_error& error) {
    return Failure(path + ":" + std::to_string(error.source().begin.line) +
                   ": expected TOML: " + std::string(error.description()));
  }
}

void TakeEnvironment(const std::map<std::string, std::string>& environment, Givens& givens) {
  for (const Setting& setting : kSettings) {
    const auto found = environment.find(VariableOf(setting));
    if (found == environment.end() || found->second.empty()) continue;
    givens[IndexOf(setting)].push_back({found->first, found->second});
  }
}

// Takes the flags, or returns what --help or --version ask for.
Result<std::optional<ExitMessage>> TakeFlags(int argc, const char* const* argv, Givens& givens) {
  CLI::App app("A caching and pooling proxy for PostgreSQL.", "pgsidecar");
  app.footer(
      "pgsidecar explain \"SELECT ...\" [--user NAME] [--search-path PATH] and these flags say "
      "what\n"
      "the cache makes of a statement: 0 if it may be cached, 1 if not, 2 on an error.\n\n"
      "Every setting is also an environment variable (--cache-bytes is PGSIDECAR_CACHE_BYTES)\n"
      "and a key of the TOML file (cache_bytes). Flags win over the environment, the environment\n"
      "over the file. DATABASE_URL is the upstream if nothing else says one.\n"
      "DURATION: 500ms, 30s, 5min, 1h; SIZE: 64kB, 256MB, 1GB.");
  app.allow_extras();  // to be refused below: CLI11 would print them, passwords and all
  app.set_version_flag("--version,-V", "pgsidecar " + std::string(kVersion));
  std::array<CLI::Option*, kSettings.size()> flags;
  const Config defaults;
  for (const Setting& setting : kSettings) {
    CLI::Option* flag = app.add_option(
        FlagOf(setting), [](const CLI::results_t&) { return true; },
        std::string(setting.description));
    const std::string default_value = Show(setting, defaults);
    if (IsSwitch(setting)) {  // may stand alone, and then CLI11 would take a default_str for it
      flag->type_name(TypeName(setting) + " [" + default_value + "]")->expected(0, 1);
    } else {
      flag->type_name(TypeName(setting))->default_str(default_value);
    }
    if (IsList(setting)) {
      flag->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)->allow_extra_args(false);
    }
    flags[IndexOf(setting)] = flag;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return std::optional(ExitMessage{app.help()});
  } catch (const CLI::CallForVersion&) {
    return std::optional(ExitMessage{app.version() + "\n"});
  } catch (const CLI::ParseError& error) {
    return Failure(error.what());
  }
  for (const std::string& extra : app.remaining()) {
    return Expected("only flags that --help lists", extra);
  }
  for (const Setting& setting : kSettings) {
    const CLI::Option* flag = flags[IndexOf(setting)];
    if (flag->count() == 0) continue;
    std::string text;
    for (const std::string& each : flag->results()) text += (text.empty() ? "" : ",") + each;
    if (IsSwitch(setting) && text.empty()) text = "on";
    if (text.starts_with("--")) {  // CLI11 took the next flag for the value
      return Failure(FlagOf(setting) + ": expected a value behind it");
    }
    givens[IndexOf(setting)].push_back({FlagOf(setting), text});
  }
  return std::optional<ExitMessage>();
}

// --- Putting it together ----------------------------------------------------------------------

// Where the value that holds comes from.
std::string OriginOf(std::string_view name, const Givens& givens) {
  const std::vector<Given>& given = givens[IndexOf(name)];
  return given.empty() ? std::string(name) : given.back().origin;
}

std::optional<Error> CheckAddresses(const Config& config, const Givens& givens) {
  std::vector<ListenAddress> all = config.listen;
  if (config.http_listen) all.push_back(*config.http_listen);
  for (size_t i = 0; i < all.size(); ++i) {
    const std::string origin =
        OriginOf(i < config.listen.size() ? "listen" : "http_listen", givens);
    for (size_t j = 0; j < i; ++j) {
      if (all[i].port != 0 && all[i] == all[j]) {
        return At(origin, Expected("each address once", ShowAddress(all[i])));
      }
    }
    const bool same_host =
        config.upstream.host == all[i].host ||
        (IsLoopback(config.upstream.host) && !config.upstream.host.starts_with('/') &&
         !all[i].host.starts_with('/') &&
         (IsLoopback(all[i].host) || all[i].host == "0.0.0.0" || all[i].host == "::"));
    if (all[i].port == config.upstream.port && same_host) {
      return At(OriginOf("upstream", givens),
                Expected("the server's address rather than the one that pgsidecar listens on",
                         ShowAddress(all[i])));
    }
  }
  return std::nullopt;
}

// An entry's largest size is at most that of the cache: a default is lowered to it.
std::optional<Error> CheckEntryBytes(std::string_view name, size_t Config::*field, Config& config,
                                     const Givens& givens) {
  if (config.*field <= config.cache_bytes) return std::nullopt;
  if (!givens[IndexOf(name)].empty()) {
    return At(
        OriginOf(name, givens),
        Expected("at most cache_bytes (" + ShowSize(static_cast<int64_t>(config.cache_bytes)) + ")",
                 ShowSize(static_cast<int64_t>(config.*field))));
  }
  config.*field = config.cache_bytes;
  return std::nullopt;
}

// Of each class, what has been said: by its own setting, or else by the general one.
void SettleClasses(Config& config, const Givens& givens) {
  const auto given = [&givens](std::string_view name) { return !givens[IndexOf(name)].empty(); };
  config.ttl_given = given("ttl");
  config.search_ttl_given = given("search_ttl") || config.ttl_given;
  config.content_ttl_given = given("content_ttl") || config.ttl_given;
  if (config.ttl_given && !given("search_ttl")) config.search_ttl = config.ttl;
  if (config.ttl_given && !given("content_ttl")) config.content_ttl = config.ttl;
  if (!given("cache_entry_bytes")) return;
  if (!given("search_entry_bytes")) config.search_entry_bytes = config.cache_entry_bytes;
  if (!given("content_entry_bytes")) config.content_entry_bytes = config.cache_entry_bytes;
}

// What holds between settings. Lowers a default that a smaller limit has overtaken.
std::optional<Error> CheckTogether(Config& config, const Givens& givens) {
  SettleClasses(config, givens);
  constexpr std::array<std::pair<std::string_view, size_t Config::*>, 3> kEntryBytes = {{
      {"cache_entry_bytes", &Config::cache_entry_bytes},
      {"search_entry_bytes", &Config::search_entry_bytes},
      {"content_entry_bytes", &Config::content_entry_bytes},
  }};
  for (const auto& [name, field] : kEntryBytes) {
    if (auto error = CheckEntryBytes(name, field, config, givens)) return error;
  }
  return CheckAddresses(config, givens);
}

Result<Config> Apply(const Givens& givens) {
  Config config;
  for (const Setting& setting : kSettings) {
    for (const Given& given : givens[IndexOf(setting)]) {
      if (auto error = std::visit(Setter(setting, given.text, config), setting.field)) {
        return At(given.origin, *error);
      }
    }
  }
  if (givens[IndexOf("upstream")].empty()) {
    return Failure(
        "no upstream: give --upstream postgres://user:password@host:5432/db, PGSIDECAR_UPSTREAM "
        "or DATABASE_URL");
  }
  if (auto error = CheckTogether(config, givens)) return *error;
  return config;
}

}  // namespace

Result<std::variant<Config, ExitMessage>> LoadConfig(
    int argc, const char* const* argv, const std::map<std::string, std::string>& environment) {
  Givens flags, variables, givens;
  std::vector<Rule> rules;
  Result<std::optional<ExitMessage>> exit = TakeFlags(argc, argv, flags);
  if (!exit.ok()) return exit.error();
  if (exit->has_value()) return std::variant<Config, ExitMessage>(**exit);
  TakeEnvironment(environment, variables);

  const size_t config = IndexOf("config");
  const std::vector<Given>& file = flags[config].empty() ? variables[config] : flags[config];
  if (!file.empty()) {
    if (auto error = TakeFile(file[0].text, file[0].origin, givens, rules)) return *error;
  }
  for (size_t i = 0; i < givens.size(); ++i) {
    givens[i].insert(givens[i].end(), variables[i].begin(), variables[i].end());
    givens[i].insert(givens[i].end(), flags[i].begin(), flags[i].end());
  }
  const auto database_url = environment.find("DATABASE_URL");
  std::vector<Given>& upstream = givens[IndexOf("upstream")];
  if (upstream.empty() && database_url != environment.end() && !database_url->second.empty()) {
    upstream.push_back({database_url->first, database_url->second});
  }
  Result<Config> result = Apply(givens);
  if (!result.ok()) return result.error();
  result->rules = std::move(rules);
  return std::variant<Config, ExitMessage>(std::move(*result));
}

std::vector<ConfigRow> Describe(const Config& config) {
  const Config defaults;
  std::vector<ConfigRow> rows;
  rows.reserve(kSettings.size());
  for (const Setting& setting : kSettings) {
    rows.push_back({std::string(setting.name), Show(setting, config), Show(setting, defaults),
                    std::string(setting.description)});
  }
  return rows;
}

Duration Config::MaxAge(CacheClass cache_class, Consistency level) const {
  Duration age = ttl;
  bool given = ttl_given;
  if (cache_class == CacheClass::kSearch) {
    age = search_ttl;
    given = search_ttl_given;
  } else if (cache_class == CacheClass::kContent) {
    age = content_ttl;
    given = content_ttl_given;
  }
  const bool capped = level == Consistency::kSession && !given && !sole_writer;
  return capped ? std::min(age, max_foreign_staleness) : age;
}

size_t Config::MaxEntryBytes(CacheClass cache_class) const {
  switch (cache_class) {
    case CacheClass::kQuery:
      break;
    case CacheClass::kSearch:
      return search_entry_bytes;
    case CacheClass::kContent:
      return content_entry_bytes;
  }
  return cache_entry_bytes;
}

CacheMode Config::ModeOfSession(uint64_t n) const {
  const bool in_share = (n + 1) * cache_share / 100 > n * cache_share / 100;
  return in_share ? cache : cache_rest;
}

std::string Config::FreshnessSummary() const {
  const std::string age = FormatDuration(MaxAge(CacheClass::kQuery, consistency));
  if (consistency == Consistency::kTtl) {
    return "consistency ttl: an answer is at most " + age + " old; writes are not watched";
  }
  std::string why = "ttl";
  if (!ttl_given && sole_writer) {
    why = "ttl; sole_writer says that there are none";
  } else if (!ttl_given && max_foreign_staleness < ttl) {
    why = "max_foreign_staleness; a ttl of your own or sole_writer lifts this cap";
  }
  return "consistency session: writes through this proxy are seen at once, writes made elsewhere "
         "within " +
         age + " (" + why + ")";
}

Result<Duration> ParseDuration(std::string_view text) {
  const std::optional<int64_t> value = ReadWithUnit(text, kTimeUnits, 1'000'000);
  if (!value) return Expected("a duration such as 30s or 5min", text);
  if (*value > kLongestMicroseconds) {
    return Expected("at most " + ShowTime(kLongestMicroseconds), text);
  }
  return Duration(*value);
}

Result<Duration> ParseTtl(std::string_view text) {
  const Result<Duration> ttl = ParseDuration(text);
  if (ttl.ok() && ttl->count() < kMillisecond) return Expected("at least 1ms", text);
  return ttl;
}

std::string FormatDuration(Duration duration) { return ShowTime(duration.count()); }

Result<Consistency> ParseConsistency(std::string_view text) {
  if (text == "ttl") return Consistency::kTtl;
  if (text == "session") return Consistency::kSession;
  if (text == "linearizable") {
    return Failure(
        "linearizable needs the change feed, which this version does not have; expected session "
        "or ttl");
  }
  return Expected("session or ttl", text);
}

std::string_view ConsistencyName(Consistency consistency) {
  switch (consistency) {
    case Consistency::kTtl:
      return "ttl";
    case Consistency::kSession:
      return "session";
    case Consistency::kLinearizable:
      return "linearizable";
  }
  return "";
}

bool IsLoopback(std::string_view host) {
  if (host == "localhost" || host.starts_with('/')) return true;
  const std::string address(host);
  in_addr v4;
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6;
  if (inet_pton(AF_INET6, address.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
  return false;
}

}  // namespace pgsidecar::proxy
