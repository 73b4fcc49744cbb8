#include "proxy/config_pools.h"

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "proxy/config_text.h"

namespace pgsidecar::proxy {
namespace {

using Field = std::pair<std::string_view, std::optional<uint32_t> DatabaseSettings::*>;
constexpr std::array<Field, 5> kDatabaseNumbers = {{
    {"pool_size", &DatabaseSettings::pool_size},
    {"min_pool_size", &DatabaseSettings::min_pool_size},
    {"reserve_pool_size", &DatabaseSettings::reserve_pool_size},
    {"max_db_connections", &DatabaseSettings::max_db_connections},
    {"max_db_client_connections", &DatabaseSettings::max_db_client_connections},
}};
constexpr int64_t kMost = 1'000'000;

Error Failure(std::string message) { return Error{"F0000", std::move(message), "", ""}; }

std::optional<Error> ReadMode(const toml::node& node, std::optional<pool::PoolMode>& mode) {
  const auto* text = node.as_string();
  mode = pool::ParsePoolMode(text ? text->get() : "");
  if (mode) return std::nullopt;
  return Expected("\"session\", \"transaction\" or \"statement\"", text ? text->get() : "");
}

std::optional<Error> ReadCount(const toml::node& node, int64_t least,
                               std::optional<uint32_t>& count) {
  const auto* number = node.as_integer();
  if (number == nullptr) return Failure("expected a whole number");
  if (number->get() < least || number->get() > kMost) {
    return Expected("between " + ShowCount(least) + " and " + ShowCount(kMost),
                    ShowCount(number->get()));
  }
  count = static_cast<uint32_t>(number->get());
  return std::nullopt;
}

std::optional<Error> ReadKey(std::string_view key, const toml::node& node,
                             DatabaseSettings& database) {
  if (key == "pool_mode") return ReadMode(node, database.pool_mode);
  for (const auto& [name, field] : kDatabaseNumbers) {
    if (key == name) return ReadCount(node, key == "pool_size" ? 1 : 0, database.*field);
  }
  return Failure(
      "unknown key of a database, expected pool_mode, pool_size, min_pool_size, "
      "reserve_pool_size, max_db_connections or max_db_client_connections");
}

std::optional<Error> ReadKey(std::string_view key, const toml::node& node, UserSettings& user) {
  if (key == "pool_mode") return ReadMode(node, user.pool_mode);
  if (key == "max_user_connections") return ReadCount(node, 0, user.max_user_connections);
  return Failure("unknown key of a user, expected pool_mode or max_user_connections");
}

// The tables of one kind, each under its name.
template <typename Settings>
std::optional<Error> ReadTables(const toml::node& node, std::string_view kind,
                                const std::string& path,
                                std::map<std::string, Settings, std::less<>>& all) {
  const auto place = [&path](const toml::node& at, const std::string& name) {
    return path + ":" + std::to_string(at.source().begin.line) + ": " + name;
  };
  const std::string tables = "expected tables, each under [" + std::string(kind) + ".NAME]";
  const toml::table* names = node.as_table();
  if (names == nullptr) return Failure(place(node, std::string(kind)) + ": " + tables);
  for (const auto& [name, value] : *names) {
    const std::string quoted = Quote(name.str());
    const std::string title = std::string(kind) + "." + quoted.substr(1, quoted.size() - 2);
    const toml::table* table = value.as_table();
    if (table == nullptr) return Failure(place(value, title) + ": " + tables);
    Settings& settings = all[std::string(name.str())];
    for (const auto& [key, each] : *table) {
      if (const auto error = ReadKey(key.str(), each, settings)) {
        const std::string shown = Quote(key.str());
        return Failure(place(each, title) + "." + shown.substr(1, shown.size() - 2) + ": " +
                       error->message);
      }
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Error> ReadDatabases(const toml::node& node, const std::string& path,
                                   PoolSettings& settings) {
  return ReadTables(node, kDatabasesKey, path, settings.databases);
}

std::optional<Error> ReadUsers(const toml::node& node, const std::string& path,
                               PoolSettings& settings) {
  return ReadTables(node, kUsersKey, path, settings.users);
}

}  // namespace pgsidecar::proxy
