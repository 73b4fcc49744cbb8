// How the configuration is read. Every source (file, environment, flags) is first turned into
// `Given` texts that remember where they come from; then one function applies them in the order of
// rising precedence, with the one parser that the setting's type has.

#include "proxy/config.h"

#include <arpa/inet.h>
#include <toml++/toml.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "proxy/config_pools.h"
#include "proxy/config_rules.h"
#include "proxy/config_settings.h"
#include "proxy/config_text.h"
#include "proxy/config_value.h"

namespace pgsidecar::proxy {

// --- The sources ------------------------------------------------------------------------------

namespace {

// What one source says of one setting.
struct Given {
  std::string origin;  // for an error: "--ttl", "PGSIDECAR_TTL", "pgsidecar.toml:3: ttl"
  std::string text;
};
// Of each setting of the table, what has been given, in the order of rising precedence.
using Givens = std::vector<std::vector<Given>>;

}  // namespace

struct ConfigSource {
  Givens givens;
  // Of the file only.
  std::vector<Rule> rules;
  PoolSettings pools;
};

namespace {

Error Failure(std::string message) { return Error{"F0000", std::move(message), "", ""}; }

Error At(const std::string& origin, const Error& error) {
  return Failure(origin + ": " + error.message);
}

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
std::optional<Error> TakeToml(const toml::table& table, const std::string& path,
                              ConfigSource& source) {
  for (const auto& [key, node] : table) {
    if (key.str() == kRulesKey) {
      if (auto error = ReadRules(node, path, source.rules)) return error;
      continue;
    }
    if (key.str() == kDatabasesKey) {
      if (auto error = ReadDatabases(node, path, source.pools)) return error;
      continue;
    }
    if (key.str() == kUsersKey) {
      if (auto error = ReadUsers(node, path, source.pools)) return error;
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
    source.givens[IndexOf(*setting)].push_back({where, *text});
  }
  return std::nullopt;
}

// `origin` says who named the file.
std::optional<Error> TakeFile(const std::string& path, const std::string& origin,
                              ConfigSource& source) {
  std::ifstream file(path);
  std::ostringstream text;
  const bool opened = file.is_open();
  const bool is_empty = opened && file.peek() == std::ifstream::traits_type::eof() && !file.bad();
  if (!opened || (!is_empty && !(text << file.rdbuf()))) {
    return Failure(origin + ": expected a readable file, got " + Quote(path) +
                   (errno != 0 ? std::string(": ") + std::strerror(errno) : ""));
  }
  try {
    return TakeToml(toml::parse(text.view(), path), path, source);
  } catch (const toml::parse_error& error) {
    return Failure(path + ":" + std::to_string(error.source().begin.line) +
                   ": expected TOML: " + std::string(error.description()));
  }
}

void TakeEnvironment(const std::map<std::string, std::string>& environment, Givens& givens) {
  for (const Setting& setting : Settings()) {
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
  std::vector<CLI::Option*> flags(Settings().size());
  const Config defaults;
  for (const Setting& setting : Settings()) {
    CLI::Option* flag = app.add_option(
        FlagOf(setting), [](const CLI::results_t&) { return true; },
        std::string(setting.description));
    const std::string default_value = ShowValue(setting, defaults);
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
  for (const Setting& setting : Settings()) {
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

// Of TLS to clients, each file that the mode needs.
std::optional<Error> CheckClientTls(Config& config, const Givens& givens) {
  const bool mode_given = !givens[IndexOf("client_tls_sslmode")].empty();
  if (!mode_given && !config.client_tls_cert_file.empty()) {
    config.client_tls_sslmode = TlsMode::kPrefer;
  }
  if (config.client_tls_sslmode == TlsMode::kDisable) return std::nullopt;
  const std::string mode =
      "client_tls_sslmode = " + std::string(TlsModeName(config.client_tls_sslmode));
  const std::string origin =
      OriginOf(mode_given ? "client_tls_sslmode" : "client_tls_cert_file", givens);
  if (config.client_tls_cert_file.empty() || config.client_tls_key_file.empty()) {
    return At(origin,
              Failure("expected client_tls_cert_file and client_tls_key_file with " + mode));
  }
  if (config.client_tls_sslmode >= TlsMode::kVerifyCa && config.client_tls_ca_file.empty()) {
    return At(origin, Failure("expected client_tls_ca_file with " + mode));
  }
  return std::nullopt;
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
  if (auto error = CheckClientTls(config, givens)) return error;
  if (auto error = CheckAddresses(config, givens)) return error;
  auto auth = std::make_shared<AuthSettings>();
  const auto given = [&givens](std::string_view name) { return !givens[IndexOf(name)].empty(); };
  if (const auto wrong = ReadAuthSettings(config, given, auth.get())) {
    return At(OriginOf(wrong->setting, givens), wrong->error);
  }
  config.auth = std::move(auth);
  return std::nullopt;
}

Result<Config> Apply(ConfigSource source) {
  const Givens& givens = source.givens;
  Config config;
  config.rules = source.rules;
  config.pools = source.pools;
  for (const Setting& setting : Settings()) {
    for (const Given& given : givens[IndexOf(setting)]) {
      if (auto error = SetValue(setting, given.text, config)) {
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
  config.source = std::make_shared<const ConfigSource>(std::move(source));
  return config;
}

}  // namespace

Result<std::variant<Config, ExitMessage>> LoadConfig(
    int argc, const char* const* argv, const std::map<std::string, std::string>& environment) {
  Givens flags(Settings().size()), variables(flags);
  ConfigSource source{.givens = flags, .rules = {}, .pools = {}};
  Givens& givens = source.givens;
  Result<std::optional<ExitMessage>> exit = TakeFlags(argc, argv, flags);
  if (!exit.ok()) return exit.error();
  if (exit->has_value()) return std::variant<Config, ExitMessage>(**exit);
  TakeEnvironment(environment, variables);

  const size_t config = IndexOf("config");
  const std::vector<Given>& file = flags[config].empty() ? variables[config] : flags[config];
  if (!file.empty()) {
    if (auto error = TakeFile(file[0].text, file[0].origin, source)) return *error;
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
  Result<Config> result = Apply(std::move(source));
  if (!result.ok()) return result.error();
  return std::variant<Config, ExitMessage>(std::move(*result));
}

Result<Config> WithSetting(const Config& running, std::string_view name, std::string_view text) {
  const Setting* setting = FindSetting(name);
  if (setting == nullptr) {
    return Failure("unknown setting " + Quote(name) + ", expected one of those of SHOW CONFIG");
  }
  if (setting->at_start) {
    return Failure(std::string(name) + ": cannot be changed while pgsidecar runs");
  }
  ConfigSource source = *running.source;
  source.givens[IndexOf(*setting)].push_back({std::string(name), std::string(text)});
  Result<Config> changed = Apply(std::move(source));
  if (changed.ok()) KeepStartSettings(running, *changed);
  return changed;
}

std::vector<std::string> KeepStartSettings(const Config& running, Config& loaded) {
  std::vector<std::string> kept;
  for (const Setting& setting : Settings()) {
    if (!setting.at_start || ShowValue(setting, running) == ShowValue(setting, loaded)) continue;
    kept.emplace_back(setting.name);
    std::visit(
        [&](const auto& field) {
          if constexpr (requires { field.field; }) {
            loaded.*field.field = running.*field.field;
          } else {
            loaded.*field = running.*field;
          }
        },
        setting.field);
  }
  // What was checked against a cache of another size.
  for (size_t Config::*field :
       {&Config::cache_entry_bytes, &Config::search_entry_bytes, &Config::content_entry_bytes}) {
    loaded.*field = std::min(loaded.*field, loaded.cache_bytes);
  }
  return kept;
}

std::vector<ConfigRow> Describe(const Config& config) {
  const Config defaults;
  std::vector<ConfigRow> rows;
  rows.reserve(Settings().size());
  for (const Setting& setting : Settings()) {
    rows.push_back({std::string(setting.name), ShowValue(setting, config),
                    ShowValue(setting, defaults), std::string(setting.description),
                    !setting.at_start});
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

pool::PoolLimits Config::LimitsOf(std::string_view database, std::string_view user) const {
  pool::PoolLimits limits = {.mode = pool_mode,
                             .pool_size = default_pool_size,
                             .min_pool_size = min_pool_size,
                             .reserve_pool_size = reserve_pool_size,
                             .max_db_connections = max_db_connections,
                             .max_user_connections = max_user_connections,
                             .max_db_client_connections = max_db_client_connections};
  if (const auto it = pools.databases.find(database); it != pools.databases.end()) {
    const DatabaseSettings& own = it->second;
    limits.mode = own.pool_mode.value_or(limits.mode);
    limits.pool_size = own.pool_size.value_or(limits.pool_size);
    limits.min_pool_size = own.min_pool_size.value_or(limits.min_pool_size);
    limits.reserve_pool_size = own.reserve_pool_size.value_or(limits.reserve_pool_size);
    limits.max_db_connections = own.max_db_connections.value_or(limits.max_db_connections);
    limits.max_db_client_connections =
        own.max_db_client_connections.value_or(limits.max_db_client_connections);
  }
  if (const auto it = pools.users.find(user); it != pools.users.end()) {
    limits.mode = it->second.pool_mode.value_or(limits.mode);
    limits.max_user_connections =
        it->second.max_user_connections.value_or(limits.max_user_connections);
  }
  return limits;
}

bool Config::ResetDiscardsAll() const {
  std::string words = server_reset_query;
  while (words.ends_with(';') || words.ends_with(' ')) words.pop_back();
  std::transform(words.begin(), words.end(), words.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return words == "DISCARD ALL";
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
  const std::optional<int64_t> value = ReadTime(text);
  if (!value) return Expected("a duration such as 30s or 5min", text);
  if (*value > kLongestMicroseconds) {
    return Expected("at most " + ShowTime(kLongestMicroseconds), text);
  }
  return Duration(*value);
}

Result<Duration> ParseTtl(std::string_view text) {
  const Result<Duration> ttl = ParseDuration(text);
  if (ttl.ok() && *ttl < std::chrono::milliseconds(1)) return Expected("at least 1ms", text);
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