#include "proxy/console_pools.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/console_table.h"
#include "proxy/hub.h"

namespace pgsidecar::proxy {
namespace {

using pool::ServerState;

// The server connections and clients of one pool by what they are at.
struct PoolCensus {
  size_t active = 0;  // lent to a client
  size_t login = 0;   // not fit for use yet, or being checked or cleaned
  size_t pinned = 0;
};

PoolCensus CensusOf(const Hub& hub, const pool::Pool& pool) {
  PoolCensus census;
  for (const auto& [id, server] : hub.servers()) {
    if (server->pool != &pool) continue;
    census.active += server->state() == ServerState::kLeased;
    census.login +=
        server->state() != ServerState::kLeased && server->state() != ServerState::kIdle;
  }
  for (const auto& [id, session] : hub.sessions()) {
    census.pinned += session->pool() == &pool && session->pin() != catalog::Pin::kNone;
  }
  return census;
}

// Connections of each name: of databases, or of users.
struct Connections {
  size_t clients = 0;
  size_t servers = 0;
};
using ByName = std::map<std::string, Connections, std::less<>>;

ByName CountBy(const Hub& hub, const std::string& (*name_of)(const pgwire::StartupMessage&)) {
  ByName all;
  for (const auto& [id, session] : hub.sessions()) {
    const bool counts = session->state() == SessionState::kReady ||
                        session->state() == SessionState::kReplication ||
                        session->state() == SessionState::kDraining;
    if (counts) ++all[name_of(session->startup())].clients;
  }
  for (const auto& [id, server] : hub.servers()) {
    if (!hub.IsWatch(*server)) ++all[name_of(server->startup())].servers;
  }
  return all;
}

std::string Yes(bool value) { return value ? "yes" : "no"; }

// A label's value, as the exposition format wants it.
std::string Label(std::string_view value) {
  std::string label;
  for (const char c : value) {
    if (c == '\n') {
      label += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') label += '\\';
    label += c;
  }
  return label;
}

}  // namespace

LocalAnswer ShowPools(const Hub& hub, TimePoint now) {
  std::vector<Row> rows;
  for (const auto& [key, pool] : hub.pools()) {
    const PoolCensus census = CensusOf(hub, *pool);
    const Duration waited =
        pool->waiters().empty() ? Duration{0} : now - pool->waiters().front().since;
    const pool::PoolLimits& limits = pool->limits;
    rows.push_back({Text(pool->database()), Text(pool->user()), Count(pool->clients),
                    Count(pool->waiters().size()), Count(census.active), Count(pool->idle().size()),
                    Count(census.login), Count(pool->size()), Count(census.pinned),
                    Milliseconds(waited), Text(PoolModeName(limits.mode)), Count(limits.pool_size),
                    Count(limits.min_pool_size), Count(limits.reserve_pool_size),
                    Text(Yes(pool->can_log_in))});
  }
  return Show({"database", "user", "cl_total", "cl_waiting", "sv_active", "sv_idle", "sv_login",
               "sv_total", "cl_pinned", "maxwait_ms", "pool_mode", "pool_size", "min_pool_size",
               "reserve_pool_size", "can_log_in"},
              std::move(rows));
}

LocalAnswer ShowDatabases(const Hub& hub) {
  const Config& config = hub.config();
  const ByName connections = CountBy(hub, &Hub::DatabaseOf);
  std::set<std::string> names;
  for (const auto& database : hub.databases()) names.insert(database->name());
  for (const auto& [name, settings] : config.pools.databases) names.insert(name);
  std::vector<Row> rows;
  for (const std::string& name : names) {
    const auto known =
        std::find_if(hub.databases().begin(), hub.databases().end(),
                     [&name](const auto& database) { return database->name() == name; });
    const Database* database = known == hub.databases().end() ? nullptr : known->get();
    const pool::PoolLimits limits = config.LimitsOf(name, "");
    const auto found = connections.find(name);
    const Connections now = found == connections.end() ? Connections{} : found->second;
    rows.push_back({Text(name), Text(Yes(database != nullptr && database->usable())),
                    Count(database == nullptr ? 0 : database->catalog_version()),
                    Count(database == nullptr ? 0 : database->book.records().size()),
                    Count(database == nullptr ? 0 : database->orphans().size()),
                    Text(config.upstream.host), Count(config.upstream.port),
                    Text(PoolModeName(limits.mode)), Count(limits.pool_size),
                    Count(limits.min_pool_size), Count(limits.reserve_pool_size),
                    Count(limits.max_db_connections), Count(now.servers),
                    Count(limits.max_db_client_connections), Count(now.clients),
                    Text(Yes(hub.orders().paused(name))), Text(Yes(hub.orders().disabled(name)))});
  }
  return Show({"database", "cache_usable", "catalog_version", "statements", "orphaned_writes",
               "host", "port", "pool_mode", "pool_size", "min_pool_size", "reserve_pool_size",
               "max_connections", "current_connections", "max_client_connections",
               "current_client_connections", "paused", "disabled"},
              std::move(rows));
}

LocalAnswer ShowUsers(const Hub& hub) {
  ByName connections = CountBy(hub, &Hub::UserOf);
  for (const auto& [name, settings] : hub.config().pools.users) connections[name];
  std::vector<Row> rows;
  for (const auto& [name, now] : connections) {
    const auto own = hub.config().pools.users.find(name);
    const bool has_mode = own != hub.config().pools.users.end() && own->second.pool_mode;
    rows.push_back({Text(name), has_mode ? Text(PoolModeName(*own->second.pool_mode)) : Value(),
                    Count(hub.config().LimitsOf("", name).max_user_connections), Count(now.servers),
                    Count(now.clients)});
  }
  return Show({"name", "pool_mode", "max_user_connections", "current_connections",
               "current_client_connections"},
              std::move(rows));
}

LocalAnswer ShowLists(const Hub& hub) {
  size_t login_clients = 0;
  for (const auto& [id, session] : hub.sessions()) {
    login_clients +=
        session->state() == SessionState::kStartup || session->state() == SessionState::kLoggingIn;
  }
  size_t free_servers = 0;
  for (const auto& [key, pool] : hub.pools()) free_servers += pool->idle().size();
  const std::pair<std::string_view, size_t> lists[] = {
      {"databases", hub.databases().size()},
      {"users", CountBy(hub, &Hub::UserOf).size()},
      {"pools", hub.pools().size()},
      {"used_clients", hub.sessions().size() - login_clients},
      {"login_clients", login_clients},
      {"waiting_logins", hub.waiting_logins()},
      {"free_servers", free_servers},
      {"used_servers", hub.servers().size() - free_servers},
      {"login_servers", hub.LoginsInFlight()},
  };
  std::vector<Row> rows;
  for (const auto& [name, items] : lists) rows.push_back({Text(name), Count(items)});
  return Show({"list", "items"}, std::move(rows));
}

void AppendPoolMetrics(const Hub& hub, std::string* to) {
  // Of one name all samples stand together; pools of one user and database are one.
  struct Sums {
    size_t clients = 0, waiting = 0, active = 0, idle = 0, servers = 0;
  };
  std::map<std::pair<std::string, std::string>, Sums> sums;
  for (const auto& [key, pool] : hub.pools()) {
    Sums& sum = sums[{pool->database(), pool->user()}];
    sum.clients += pool->clients;
    sum.waiting += pool->waiters().size();
    sum.active += CensusOf(hub, *pool).active;
    sum.idle += pool->idle().size();
    sum.servers += pool->size();
  }
  const auto gauge = [&](std::string_view name, std::string_view help, size_t Sums::*field) {
    *to += "# HELP pgsidecar_" + std::string(name) + " " + std::string(help) + "\n";
    *to += "# TYPE pgsidecar_" + std::string(name) + " gauge\n";
    for (const auto& [of, sum] : sums) {
      *to += "pgsidecar_" + std::string(name) + "{database=\"" + Label(of.first) + "\",user=\"" +
             Label(of.second) + "\"} " + std::to_string(sum.*field) + "\n";
    }
  };
  gauge("pool_clients", "Clients of the pool", &Sums::clients);
  gauge("pool_clients_waiting", "Of these, who wait for a server connection", &Sums::waiting);
  gauge("pool_servers", "Server connections of the pool", &Sums::servers);
  gauge("pool_servers_active", "Of these, lent to a client", &Sums::active);
  gauge("pool_servers_idle", "Of these, free", &Sums::idle);
  *to += "# HELP pgsidecar_servers_closed_total Server connections closed, by reason\n";
  *to += "# TYPE pgsidecar_servers_closed_total counter\n";
  for (size_t i = 0; i < kCloseReasons; ++i) {
    *to += "pgsidecar_servers_closed_total{reason=\"" +
           std::string(CloseReasonName(static_cast<CloseReason>(i))) + "\"} " +
           std::to_string(hub.statistics().servers_closed[i]) + "\n";
  }
}

}  // namespace pgsidecar::proxy
