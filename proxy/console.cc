#include "proxy/console.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>
#include <vector>

#include "proxy/console_cache.h"
#include "proxy/console_commands.h"
#include "proxy/console_pools.h"
#include "proxy/console_table.h"
#include "proxy/hub.h"

namespace pgsidecar::proxy {
namespace {

// Every figure of the proxy once, for SHOW STATS, SHOW CACHE and /metrics.
struct Figure {
  std::string_view name;
  std::string_view help;
  bool counter;  // else a gauge
  uint64_t value;
};

std::vector<Figure> StatsFigures(const Hub& hub) {
  const Statistics& s = hub.statistics();
  return {
      {"client_connections_total", "Client connections accepted", true, s.client_connections},
      {"client_logins_total", "Clients that were let in", true, s.client_logins},
      {"client_login_failures_total", "Clients that the proxy judged and refused", true,
       s.login_failures},
      {"client_logins_under_way", "Clients that are not let in yet", false, hub.logins_under_way()},
      {"auth_queries_total", "Users whom auth_query has been run for", true, hub.auth_queries()},
      {"client_tls_handshakes_total", "TLS handshakes with clients", true, s.client_tls_handshakes},
      {"client_tls_resumptions_total", "Of these, on an earlier session", true,
       s.client_tls_resumptions},
      {"client_tls_failures_total", "TLS handshakes with clients that failed", true,
       s.client_tls_failures},
      {"server_tls_handshakes_total", "TLS handshakes with the server", true,
       s.server_tls_handshakes},
      {"server_tls_resumptions_total", "Of these, on an earlier session", true,
       s.server_tls_resumptions},
      {"server_tls_failures_total", "TLS handshakes with the server that failed", true,
       s.server_tls_failures},
      {"server_connections_total", "Server connections opened", true, s.server_connections},
      {"clients", "Client connections now", false, hub.sessions().size()},
      {"servers", "Server connections now", false, hub.servers().size()},
      {"requests_total", "Queries and extended-protocol requests", true, s.requests},
      {"hits_total", "Requests answered from the cache", true, s.hits},
      {"misses_total", "Cacheable requests that the server answered", true, s.misses},
      {"bypasses_total", "Requests that the cache had no part in", true, s.bypasses},
      {"observed_hits_total", "Requests that would have been hits, in mode observe or verify", true,
       s.observed_hits},
      {"verify_matches_total", "Would-be hits that were what the server answered", true,
       s.verify_matches},
      {"verify_mismatches_total", "Would-be hits that were not", true, s.verify_mismatches},
      {"verify_skipped_total", "Would-be hits that could not be compared", true, s.verify_skipped},
      {"writes_total", "Requests that moved versions", true, s.writes},
      {"writes_to_anything_total", "Of these, writes that the analysis could not bound", true,
       s.writes_to_anything},
      {"flights_followed_total", "Requests that waited for another's fill", true,
       s.flights_followed},
      {"local_transactions_total", "Transactions that the server never heard of", true,
       s.local_transactions},
      {"replays_total", "Statements prepared again on another server connection", true, s.replays},
      {"settings_replays_total", "Server connections given the settings of another session", true,
       s.settings_replays},
      {"settings_replays_failed_total", "Of these, those that were cancelled or failed", true,
       s.settings_replays_failed},
      {"pins_total", "Times that a session had to keep its server connection", true, s.pins},
      {"pinned_microseconds_total", "How long, of those that have let go of it", true,
       static_cast<uint64_t>(s.pinned_time.count())},
      {"audits_total", "Times that the server was asked what a session holds", true, s.audits},
      {"cancels_total", "Cancel requests sent to the server", true, s.cancels},
      {"client_errors_total", "Client connections ended by an error of the proxy's", true,
       s.errors},
      {"client_timeouts_total", "Clients disconnected by client_idle_timeout and its kin", true,
       s.client_timeouts},
      {"logins_waiting", "Client logins that wait for room now", false, hub.waiting_logins()},
      {"logins_held_total", "Client logins that have waited for room", true, s.logins_held},
      {"logins_refused_total", "Client logins refused by a limit or an order", true,
       s.logins_refused},
      {"server_logins_in_flight", "Logins that the server is at", false, hub.LoginsInFlight()},
      {"server_logins_failed_total", "Connections to the server that failed before it said a word",
       true, s.logins_failed},
      {"server_failing", "1 while the server cannot be reached", false,
       hub.server_failing() ? uint64_t{1} : uint64_t{0}},
      {"server_checks_total", "Idle server connections checked before they were used", true,
       s.server_checks},
      {"server_resets_total", "Server connections reset behind a client in pool_mode session", true,
       s.server_resets},
      {"server_waits_total", "Requests that waited for a server connection", true, s.waits},
      {"server_wait_microseconds_total", "How long they waited", true,
       static_cast<uint64_t>(s.wait_time.count())},
      {"server_time_saved_microseconds_total", "Server time that hits did not need", true,
       static_cast<uint64_t>(s.server_time_saved.count())},
      {"observed_server_time_microseconds_total", "Server time that observed hits would not need",
       true, static_cast<uint64_t>(s.observed_server_time.count())},
      {"received_bytes_total", "Bytes from clients", true, s.bytes_from_clients},
      {"sent_bytes_total", "Bytes to clients", true, s.bytes_to_clients},
      {"server_received_bytes_total", "Bytes from the server", true, s.bytes_from_servers},
      {"server_sent_bytes_total", "Bytes to the server", true, s.bytes_to_servers},
  };
}

std::vector<Figure> CacheFigures(const Hub& hub) {
  const cache::StoreStats store = hub.store().Stats();
  const Statistics& s = hub.statistics();
  return {
      {"cache_entries", "Entries now", false, store.entries},
      {"cache_bytes", "Bytes now, bookkeeping included", false, store.bytes},
      {"cache_lookups_hit_total", "Lookups that found a valid entry", true, store.hits},
      {"cache_lookups_miss_total", "Lookups that found none", true, store.misses},
      {"cache_invalidations_total", "Entries found invalidated by a write", true, store.stale},
      {"cache_expirations_total", "Entries found past their age", true, store.expired},
      {"cache_stored_total", "Results stored", true, store.stored},
      {"cache_evictions_total", "Entries dropped to make room", true, store.evicted},
      {"cache_swept_total", "Dead entries dropped in the background", true, store.swept},
      {"cache_rejected_large_total", "Results larger than the cache", true, store.rejected_large},
      {"cache_fills_abandoned_total", "Fills that could not be stored", true, s.fills_abandoned},
      {"cache_fills_in_flight", "Fills that others may wait for", false, hub.flights().in_flight()},
  };
}

LocalAnswer ShowFigures(const std::vector<Figure>& figures) {
  std::vector<Row> rows;
  for (const Figure& figure : figures) {
    rows.push_back({Text(figure.name), Count(figure.value), Text(figure.help)});
  }
  return Show({"name", "value", "description"}, std::move(rows));
}

// The same of each class.
struct ClassFigure {
  std::string_view name;
  std::string_view help;
  bool counter;
  std::array<uint64_t, kCacheClasses> values;
};

std::vector<ClassFigure> ClassFigures(const Hub& hub) {
  const cache::StoreStats store = hub.store().Stats();
  ClassFigure entries = {"cache_class_entries", "Entries now, by class", false, {}};
  ClassFigure bytes = {"cache_class_bytes", "Bytes now, by class", false, {}};
  for (size_t i = 0; i < kCacheClasses; ++i) {
    entries.values[i] = store.groups[i].entries;
    bytes.values[i] = store.groups[i].bytes;
  }
  return {entries,
          bytes,
          {"cache_class_hits_total", "Requests answered from the cache, by class", true,
           hub.statistics().hits_by_class}};
}

LocalAnswer ShowCache(const Hub& hub) {
  LocalAnswer answer = ShowFigures(CacheFigures(hub));
  for (const ClassFigure& figure : ClassFigures(hub)) {
    for (size_t i = 0; i < kCacheClasses; ++i) {
      const std::string_view name = CacheClassName(static_cast<CacheClass>(i));
      answer.rows.push_back({std::string(figure.name) + "." + std::string(name),
                             Count(figure.values[i]), Text(figure.help)});
    }
  }
  return answer;
}

LocalAnswer ShowClients(const Hub& hub, TimePoint now) {
  std::vector<Row> rows;
  for (const auto& [id, session] : hub.sessions()) {
    const std::string* user = session->startup().Find("user");
    const std::string* application = session->startup().Find("application_name");
    rows.push_back(
        {Count(id), Text(session->peer()), Text(session->transport().Summary()),
         user ? Value(*user) : Value(),
         session->database() ? Value(session->database()->name())
         : session->state() == SessionState::kReplication
             ? Value(Hub::DatabaseOf(session->startup()))
             : Value(),
         application ? Value(*application) : Value(), Text(SessionStateName(session->state())),
         Text(session->in_transaction() ? "transaction"
              : session->busy()         ? "query"
                                        : "idle"),
         session->server() ? Count(session->server()->id()) : Value(),
         session->pin() == catalog::Pin::kNone ? Value() : Text(PinName(session->pin())),
         session->pin() == catalog::Pin::kNone ? Value() : Seconds(now - session->pinned_since()),
         session->bypass().empty() ? Value() : Text(session->bypass()),
         Seconds(now - session->connected_at()), Count(session->worker)});
  }
  return Show(
      {"id", "addr", "tls", "user", "database", "application_name", "state", "activity",
       "server_id", "pinned_because", "pinned_seconds", "bypass_because", "age_seconds", "worker"},
      std::move(rows));
}

std::string_view PurposeOf(const pool::ServerConnection& server) {
  if (server.pool != nullptr) return "pool";
  if (server.client == 0) return "catalog";
  return server.state() == pool::ServerState::kLeased ? "replication" : "login";
}

LocalAnswer ShowServers(const Hub& hub, TimePoint now) {
  std::vector<Row> rows;
  for (const auto& [id, server] : hub.servers()) {
    const std::string* user = server->startup().Find("user");
    const std::string* database = server->startup().Find("database");
    rows.push_back({Count(id), Text(server->transport.Summary()), user ? Value(*user) : Value(),
                    database ? Value(*database) : Value(), Text(ServerStateName(server->state())),
                    Text(PurposeOf(*server)), Count(server->pid),
                    server->client ? Count(server->client) : Value(),
                    Count(server->statements().size()), Text(server->close_needed ? "yes" : "no"),
                    Seconds(now - server->created_at), Seconds(now - server->used_at),
                    Count(server->worker)});
  }
  return Show({"id", "tls", "user", "database", "state", "purpose", "remote_pid", "client_id",
               "prepared_statements", "close_needed", "age_seconds", "idle_seconds", "worker"},
              std::move(rows));
}

// The same of each worker, in their order.
struct WorkerFigure {
  std::string_view name;
  std::string_view help;
  bool counter;
  std::vector<uint64_t> values;
};

std::vector<WorkerFigure> WorkerFigures(const Hub& hub) {
  WorkerFigure clients = {"worker_clients", "Client connections now, by worker", false, {}};
  WorkerFigure servers = {"worker_servers", "Server connections now, by worker", false, {}};
  WorkerFigure busy = {"worker_processor_microseconds_total",
                       "Processor time that the worker's thread has used",
                       true,
                       {}};
  for (WorkerId worker = 0; worker < hub.workers(); ++worker) {
    const Hub::WorkerFigures figures = hub.figures_of(worker);
    clients.values.push_back(figures.clients);
    servers.values.push_back(figures.servers);
    busy.values.push_back(static_cast<uint64_t>(figures.processor_time.count()));
  }
  return {std::move(clients), std::move(servers), std::move(busy)};
}

LocalAnswer ShowWorkers(const Hub& hub) {
  const std::vector<WorkerFigure> figures = WorkerFigures(hub);
  std::vector<Row> rows;
  for (WorkerId worker = 0; worker < hub.workers(); ++worker) {
    Row row = {Count(worker)};
    for (const WorkerFigure& figure : figures) row.push_back(Count(figure.values[worker]));
    rows.push_back(std::move(row));
  }
  return Show({"worker", "clients", "servers", "processor_microseconds"}, std::move(rows));
}

LocalAnswer ShowConfig(const Hub& hub) {
  std::vector<Row> rows;
  for (const ConfigRow& row : Describe(hub.config())) {
    rows.push_back({Text(row.name), Text(row.value), Text(row.default_value),
                    Text(row.changeable ? "yes" : "no"), Text(row.description)});
  }
  return Show({"key", "value", "default", "changeable", "description"}, std::move(rows));
}

LocalAnswer ShowVersion(const Hub&) {
  return Show({"version"}, {{"pgsidecar " + std::string(kVersion)}});
}

using Command = LocalAnswer (*)(Hub&, TimePoint);

struct NamedCommand {
  std::string_view words;
  Command run;
  std::string_view help;
};

LocalAnswer ShowHelp(Hub&, TimePoint);

constexpr std::array<NamedCommand, 17> kCommands = {{
    {"SHOW STATS", [](Hub& hub, TimePoint) { return ShowFigures(StatsFigures(hub)); },
     "what the proxy has done since its start"},
    {"SHOW TOTALS", [](Hub& hub, TimePoint) { return ShowFigures(StatsFigures(hub)); }, "the same"},
    {"SHOW CACHE", [](Hub& hub, TimePoint) { return ShowCache(hub); },
     "what the cache holds and has done"},
    {"SHOW POOLS", [](Hub& hub, TimePoint now) { return ShowPools(hub, now); },
     "server connections by user and database"},
    {"SHOW USERS", [](Hub& hub, TimePoint) { return ShowUsers(hub); },
     "connections by user, and their limits"},
    {"SHOW LISTS", [](Hub& hub, TimePoint) { return ShowLists(hub); },
     "how many there are of everything"},
    {"SHOW CLIENTS", [](Hub& hub, TimePoint now) { return ShowClients(hub, now); },
     "client connections"},
    {"SHOW SERVERS", [](Hub& hub, TimePoint now) { return ShowServers(hub, now); },
     "server connections"},
    {"SHOW WORKERS", [](Hub& hub, TimePoint) { return ShowWorkers(hub); },
     "event loops, and the connections that each carries"},
    {"SHOW STATEMENTS", [](Hub& hub, TimePoint) { return ShowStatements(hub); },
     "calls, hits and refusals by statement, most called first"},
    {"SHOW RULES", [](Hub& hub, TimePoint) { return ShowRules(hub); },
     "the configuration's rules and how many cacheable requests each has matched"},
    {"SHOW MISMATCHES", [](Hub& hub, TimePoint now) { return ShowMismatches(hub, now); },
     "where the cache would have answered otherwise than the server, newest first"},
    {"SHOW DATABASES", [](Hub& hub, TimePoint) { return ShowDatabases(hub); },
     "limits, orders, and whose catalog is loaded"},
    {"SHOW CONFIG", [](Hub& hub, TimePoint) { return ShowConfig(hub); }, "the configuration"},
    {"SHOW VERSION", [](Hub& hub, TimePoint) { return ShowVersion(hub); }, "the version"},
    {"SHOW HELP", ShowHelp, "this list"},
    {"FLUSH",
     [](Hub& hub, TimePoint) {
       return LocalAnswer{
           .columns = {}, .rows = {}, .tag = "FLUSH " + std::to_string(hub.Flush()), .error = {}};
     },
     "drops everything that is cached"},
}};

LocalAnswer ShowHelp(Hub&, TimePoint) {
  std::vector<Row> rows;
  for (const NamedCommand& command : kCommands) {
    rows.push_back({Text(command.words), Text(command.help)});
  }
  for (const CommandHelp& command : Commands()) {
    rows.push_back({Text(command.words), Text(command.help)});
  }
  return Show({"command", "description"}, std::move(rows));
}

// Upper case, one blank between words, no semicolon.
std::string Normalize(std::string_view sql) {
  std::string words;
  for (const char c : sql) {
    if (c == ';' || std::isspace(static_cast<unsigned char>(c)) != 0) {
      if (!words.empty() && words.back() != ' ') words.push_back(' ');
    } else {
      words.push_back(static_cast<char>(std::toupper(static_cast<unsigned char>(c))));
    }
  }
  while (!words.empty() && words.back() == ' ') words.pop_back();
  return words;
}

Error NotAllowed() { return {"42501", "permission denied: admin_users only", "", ""}; }

// What others have asked is no affair of a user who is not an admin.
void HideTexts(LocalAnswer& answer) {
  for (size_t i = 0; i < answer.columns.size(); ++i) {
    if (answer.columns[i] != "query") continue;
    for (Row& row : answer.rows) row[i].reset();
  }
}

}  // namespace

ConsoleOutcome RunConsole(Hub& hub, std::string_view sql, bool admin, TimePoint now) {
  const std::string words = Normalize(sql);
  ConsoleOutcome outcome;
  if (words.empty()) return outcome;
  for (const NamedCommand& command : kCommands) {
    if (words != command.words) continue;
    if (!admin && !command.words.starts_with("SHOW ")) {
      outcome.answer.error = NotAllowed();
      return outcome;
    }
    outcome.answer = command.run(hub, now);
    if (!admin) HideTexts(outcome.answer);
    return outcome;
  }
  if (!admin) {
    outcome.answer.error = NotAllowed();
    return outcome;
  }
  if (auto command = RunCommand(hub, sql, now)) return *std::move(command);
  outcome.answer.error = Error{"42601", "invalid console command \"" + std::string(sql) + "\"", "",
                               "Use SHOW HELP to see the available commands."};
  return outcome;
}

std::string Metrics(const Hub& hub) {
  std::string text;
  const auto append = [&text](const std::vector<Figure>& figures) {
    for (const Figure& figure : figures) {
      const std::string name = "pgsidecar_" + std::string(figure.name);
      text += "# HELP " + name + " " + std::string(figure.help) + "\n";
      text += "# TYPE " + name + (figure.counter ? " counter\n" : " gauge\n");
      text += name + " " + std::to_string(figure.value) + "\n";
    }
  };
  append(StatsFigures(hub));
  append(CacheFigures(hub));
  AppendPoolMetrics(hub, &text);
  const auto by_reason = [&text](const std::string& name, std::string_view help,
                                 const auto& counts) {
    text += "# HELP " + name + " " + std::string(help) + "\n# TYPE " + name + " counter\n";
    for (const auto& [reason, count] : counts) {
      text += name + "{reason=\"" + std::string(reason) + "\"} " + std::to_string(count) + "\n";
    }
  };
  const Statistics& statistics = hub.statistics();
  by_reason("pgsidecar_bypasses_by_reason_total", "Requests that the cache had no part in",
            statistics.bypasses_by_reason);
  by_reason("pgsidecar_pins_by_reason_total", "Times that a session had to keep its connection",
            statistics.pins_by_reason);
  by_reason("pgsidecar_pinned_microseconds_by_reason_total",
            "How long, of those that have let go of it", statistics.pinned_time_by_reason);
  for (const ClassFigure& figure : ClassFigures(hub)) {
    const std::string name = "pgsidecar_" + std::string(figure.name);
    text += "# HELP " + name + " " + std::string(figure.help) + "\n";
    text += "# TYPE " + name + (figure.counter ? " counter\n" : " gauge\n");
    for (size_t i = 0; i < kCacheClasses; ++i) {
      text += name + "{class=\"" + std::string(CacheClassName(static_cast<CacheClass>(i))) +
              "\"} " + std::to_string(figure.values[i]) + "\n";
    }
  }
  for (const WorkerFigure& figure : WorkerFigures(hub)) {
    const std::string name = "pgsidecar_" + std::string(figure.name);
    text += "# HELP " + name + " " + std::string(figure.help) + "\n";
    text += "# TYPE " + name + (figure.counter ? " counter\n" : " gauge\n");
    for (size_t worker = 0; worker < figure.values.size(); ++worker) {
      text += name + "{worker=\"" + std::to_string(worker) + "\"} " +
              std::to_string(figure.values[worker]) + "\n";
    }
  }
  return text;
}

std::string StatsJson(const Hub& hub) {
  nlohmann::json json;
  json["version"] = kVersion;
  for (const Figure& figure : StatsFigures(hub)) json["stats"][figure.name] = figure.value;
  for (const Figure& figure : CacheFigures(hub)) json["cache"][figure.name] = figure.value;
  for (const ClassFigure& figure : ClassFigures(hub)) {
    for (size_t i = 0; i < kCacheClasses; ++i) {
      json["classes"][CacheClassName(static_cast<CacheClass>(i))][figure.name] = figure.values[i];
    }
  }
  json["rules"] = nlohmann::json::array();
  for (const uint64_t matches : hub.statistics().rule_matches) {
    json["rules"].push_back({{"matches", matches}});
  }
  json["databases"] = nlohmann::json::array();
  for (const auto& database : hub.databases()) {
    json["databases"].push_back({{"name", database->name()},
                                 {"cache_usable", database->usable()},
                                 {"catalog_version", database->catalog_version()},
                                 {"statements", database->book.records().size()}});
  }
  // A database's name may be in any encoding.
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace pgsidecar::proxy
