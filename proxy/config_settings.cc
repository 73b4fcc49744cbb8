#include "proxy/config_settings.h"

#include <algorithm>
#include <array>

namespace pgsidecar::proxy {
namespace {

constexpr std::array<std::string_view, 5> kLogLevels = {"debug", "info", "warn", "error", "off"};
constexpr std::array<std::string_view, 2> kSequenceWays = {"affinity", "pin"};
constexpr std::array<std::string_view, 2> kCodeWays = {"pin", "audit"};
constexpr std::array<std::string_view, 2> kLogFormats = {"text", "json"};
constexpr std::array<std::string_view, 2> kTlsProtocols = {"TLSv1.2", "TLSv1.3"};

constexpr std::array<std::string_view, 7> kAuthTypes = {
    "passthrough", "scram-sha-256", "md5", "plain", "cert", "trust", "hba"};

constexpr int64_t kMillisecond = 1000;
constexpr int64_t kKilobyte = 1024;

// One that a reload does not change.
constexpr Setting AtStart(Setting setting) {
  setting.at_start = true;
  return setting;
}

constexpr std::array kSettings = std::to_array<Setting>({
    AtStart({"config", &Config::config_file, "a TOML file with any of the settings below"}),
    AtStart({"upstream", &Config::upstream,
             "the server: postgres://user:password@host:5432/db, or ?host=/directory for a Unix "
             "socket"}),
    AtStart(
        {"listen", &Config::listen,
         "where clients connect: host:port, [IPv6]:port or /directory:port, several with commas"}),
    AtStart(
        {"http_listen", &Config::http_listen, "where health, metrics and statistics are served"}),
    AtStart({"workers", &Config::workers, "event loops, a thread each; 0: as many as processors", 0,
             kMaxWorkers}),
    {"accept_unauthenticated", &Config::accept_unauthenticated,
     "let clients of other machines in when the server, or auth_type trust, asks them for nothing"},
    {"auth_type", Choice{&Config::auth_type, kAuthTypes},
     "who judges a login: passthrough (the server), or the proxy by scram-sha-256, md5, plain, "
     "cert, "
     "trust or the rules of hba"},
    {"auth_file", &Config::auth_file,
     "users and their passwords or verifiers, in PgBouncer's format"},
    {"auth_hba_file", &Config::auth_hba_file, "rules for auth_type hba, in pg_hba.conf's format"},
    {"auth_query", &Config::auth_query,
     "asks the server for name and password of user $1; without auth_file, or if given; empty: "
     "never"},
    {"auth_user", &Config::auth_user, "as whom auth_query is run; the upstream's user by default"},
    {"auth_query_ttl", &Config::auth_query_ttl, "how long an answer of auth_query is remembered"},
    {"require_auth", &Config::require_auth,
     "what the server may ask for, as in libpq: password, md5, scram-sha-256, none, or !..."},
    {"accept_cleartext", &Config::accept_cleartext,
     "take clients' passwords in clear over a network without TLS"},
    {"admin_users", &Config::admin_users,
     "who may use the console, with commas; local connections if nobody is named"},
    {"stats_users", &Config::stats_users, "who may only look at it"},
    {"max_client_logins", &Config::max_client_logins, "client logins under way at once", 1,
     1'000'000},
    {"client_tls_sslmode", &Config::client_tls_sslmode,
     "TLS to clients: disable, allow, prefer, require, verify-ca or verify-full; prefer if a "
     "certificate is given"},
    {"client_tls_cert_file", &Config::client_tls_cert_file,
     "the certificate that clients are shown, with its chain (PEM)"},
    {"client_tls_key_file", &Config::client_tls_key_file, "the private key of that certificate"},
    {"client_tls_ca_file", &Config::client_tls_ca_file,
     "the root certificates that clients' certificates are checked against"},
    {"client_tls_min_protocol", Choice{&Config::client_tls_min_protocol, kTlsProtocols},
     "TLSv1.2 or TLSv1.3"},
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
    AtStart({"row_precision", &Config::row_precision,
             "let a write of rows by key drop only the answers that depend on those rows"}),
    AtStart({"cache_bytes", &Config::cache_bytes, "memory for cached answers, all told",
             64 * kKilobyte}),
    AtStart({"cache_entries", &Config::cache_entries, "cached answers", 1}),
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
    AtStart({"harmless_functions", &Config::harmless_functions,
             "functions, as schema.name with commas between them, that change nothing, whatever "
             "they are;"
             " of an IMMUTABLE one the answer is cached"}),
    {"pool_mode", &Config::pool_mode,
     "when a server connection goes back to its pool: session (when the client leaves), "
     "transaction or statement (transaction blocks are refused)"},
    {"default_pool_size", &Config::default_pool_size,
     "server connections of one user to one database", 1},
    {"min_pool_size", &Config::min_pool_size,
     "of these, how many are kept open while there are clients", 0, 1'000'000},
    {"reserve_pool_size", &Config::reserve_pool_size,
     "how many more there may be when clients wait for longer than reserve_pool_timeout", 0,
     1'000'000},
    {"reserve_pool_timeout", &Config::reserve_pool_timeout,
     "how long a client waits before the reserve is used"},
    {"max_db_connections", &Config::max_db_connections,
     "server connections to one database, whoever uses them; 0: no limit", 0, 1'000'000},
    {"max_user_connections", &Config::max_user_connections,
     "server connections of one user, to whatever database; 0: no limit", 0, 1'000'000},
    {"max_db_client_connections", &Config::max_db_client_connections,
     "clients of one database; 0: no limit", 0, 1'000'000},
    {"max_server_logins", &Config::max_server_logins,
     "logins to the server that may be under way at the same time", 1, 1'000'000},
    {"server_login_retry", &Config::server_login_retry,
     "how long no login is tried after the server could not be reached", kMillisecond},
    {"max_prepared_statements", &Config::max_prepared_statements,
     "prepared statements that a server connection keeps for all its clients", 1},
    {"sequences", Choice{&Config::sequences, kSequenceWays},
     "what keeps currval and lastval: affinity (a session goes back to the connection of its last "
     "nextval) or pin"},
    {"unknown_code", Choice{&Config::unknown_code, kCodeWays},
     "after code that is not understood: pin (a session keeps its connection) or audit (until the "
     "server says that nothing is left of it; of custom settings, seeds and libraries it cannot)"},
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
     "a server connection is not used again after this, or up to a fifth less", kMillisecond},
    {"server_check_delay", &Config::server_check_delay,
     "a server connection that has been idle for longer is checked before it is used"},
    {"server_check_query", &Config::server_check_query,
     "what it is asked then; empty: it is not checked"},
    {"server_reset_query", &Config::server_reset_query,
     "what is run behind a client in pool_mode session that has left something behind; empty: its "
     "connection is closed"},
    {"client_login_timeout", &Config::client_login_timeout, "how long a client's login may take",
     kMillisecond},
    {"drain_timeout", &Config::drain_timeout,
     "how long sessions may go on after the order to shut down"},
    {"client_idle_timeout", &Config::client_idle_timeout,
     "a client that asks for nothing is disconnected after this; 0: never"},
    {"idle_transaction_timeout", &Config::idle_transaction_timeout,
     "a client that asks for nothing within a transaction is disconnected after this; 0: never"},
    {"transaction_timeout", &Config::transaction_timeout,
     "a client whose transaction takes longer is disconnected; 0: never"},
    {"query_timeout", &Config::query_timeout,
     "a client whose query takes longer is disconnected, and the query cancelled; 0: never"},
    AtStart({"unix_socket_mode", FileMode{&Config::unix_socket_mode},
             "permissions of the Unix sockets that clients connect to, in octal"}),
    {"client_buffer_bytes", &Config::client_buffer_bytes,
     "bytes that wait for a slow client before its server is paused", 16 * kKilobyte},
    {"server_buffer_bytes", &Config::server_buffer_bytes,
     "bytes that wait for a slow server before its client is paused", 16 * kKilobyte},
    {"log_level", Choice{&Config::log_level, kLogLevels}, "debug, info, warn, error or off"},
    AtStart({"log_format", Choice{&Config::log_format, kLogFormats}, "text or json"}),
});

}  // namespace

std::span<const Setting> Settings() { return kSettings; }

const Setting* FindSetting(std::string_view name) {
  const auto found = std::find_if(kSettings.begin(), kSettings.end(),
                                  [name](const Setting& each) { return each.name == name; });
  return found == kSettings.end() ? nullptr : &*found;
}

size_t IndexOf(const Setting& setting) { return static_cast<size_t>(&setting - kSettings.data()); }

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
    std::string operator()(TlsMode Config::*) { return "SSLMODE"; }
    std::string operator()(bool Config::*) { return "on|off"; }
    std::string operator()(Duration Config::*) { return "DURATION"; }
    std::string operator()(size_t Config::*) { return "SIZE"; }
    std::string operator()(uint32_t Config::*) { return "NUMBER"; }
    std::string operator()(std::string Config::*) { return "TEXT"; }
    std::string operator()(pool::PoolMode Config::*) { return "MODE"; }
    std::string operator()(const Choice&) { return "WORD"; }
    std::string operator()(const FileMode&) { return "OCTAL"; }
  } name;
  return std::visit(name, setting.field);
}

}  // namespace pgsidecar::proxy
