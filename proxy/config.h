// The configuration: what can be set, where it may be set, and what holds if it is not.
//
// One table in config_settings.cc describes every setting once; the flags, the environment
// variables, the keys of the TOML file, --help and SHOW CONFIG all come from it. A setting has one
// name: the flag
// --max-foreign-staleness is PGSIDECAR_MAX_FOREIGN_STALENESS in the environment and
// max_foreign_staleness in the file. A Config that LoadConfig returns has passed every check.

#ifndef PGSIDECAR_PROXY_CONFIG_H_
#define PGSIDECAR_PROXY_CONFIG_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/transport.h"
#include "pool/limits.h"
#include "proxy/auth_settings.h"
#include "proxy/cache_policy.h"
#include "proxy/pool_settings.h"
#include "proxy/rules.h"
#include "proxy/url.h"

namespace pgsidecar::proxy {

// Event loops, one thread each.
inline constexpr uint32_t kMaxWorkers = 64;

// What --version prints; the project's version in CMakeLists.txt.
inline constexpr std::string_view kVersion = "0.1.0";

struct ListenAddress {
  std::string host;   // an address or a name, without brackets; or a directory for a Unix socket
  uint16_t port = 0;  // 0: whichever is free
  bool operator==(const ListenAddress&) const = default;
};

// What has been given, by whom; private to config.cc.
struct ConfigSource;

struct Config {
  std::string config_file;  // empty: none

  UpstreamUrl upstream;
  std::vector<ListenAddress> listen = {{"127.0.0.1", 6432}};
  std::optional<ListenAddress> http_listen;  // for health, metrics and statistics
  uint32_t workers = 1;                      // event loops; 0: one a processor
  // Whether a server that lets a client in without a challenge is believed on a listener that
  // others than this machine reach (such a server's pg_hba trusts the proxy's address, not the
  // client's), and whether `trust` holds there.
  bool accept_unauthenticated = false;

  // How clients are judged, and what the proxy agrees to at the server.
  std::string auth_type = "passthrough";
  std::string auth_file;
  std::string auth_hba_file;
  // One row of name and secret of user $1; whoever asks needs to read pg_shadow.
  std::string auth_query =
      "SELECT usename, CASE WHEN valuntil < now() THEN NULL ELSE passwd END FROM pg_shadow"
      " WHERE usename = $1";
  std::string auth_user;  // empty: the upstream's
  Duration auth_query_ttl = std::chrono::seconds(5);
  std::string require_auth;       // empty: the upstream URL's
  bool accept_cleartext = false;  // a client's password in clear over a network without TLS
  std::string admin_users;        // of the console
  std::string stats_users;
  uint32_t max_client_logins = 5000;  // under way at once
  // What all this comes to, its files read.
  std::shared_ptr<const AuthSettings> auth = std::make_shared<const AuthSettings>();

  // TLS to clients, in PgBouncer's names. Without a certificate there is none.
  TlsMode client_tls_sslmode = TlsMode::kDisable;  // kPrefer if nobody says, and a certificate is
  std::string client_tls_cert_file;
  std::string client_tls_key_file;
  std::string client_tls_ca_file;  // who may vouch for a client's certificate
  std::string client_tls_min_protocol = "TLSv1.2";

  Consistency consistency = Consistency::kSession;
  Duration ttl = std::chrono::minutes(5);
  bool ttl_given = false;  // somebody set ttl, even if to its default
  // Of the other classes; the general setting holds for each that does not say otherwise.
  Duration search_ttl = std::chrono::minutes(30);
  bool search_ttl_given = false;
  Duration content_ttl = std::chrono::hours(1);
  bool content_ttl_given = false;
  Duration max_foreign_staleness = std::chrono::seconds(5);
  bool sole_writer = false;  // promised by the user: nobody writes except through this proxy

  CacheMode cache = CacheMode::kOn;
  uint32_t cache_share = 100;              // percent of the sessions that `cache` holds for
  CacheMode cache_rest = CacheMode::kOff;  // of the others
  bool row_precision = true;  // a write by key leaves the answers about other rows alone
  size_t cache_bytes = size_t{256} << 20;
  uint32_t cache_entries = 50'000;
  // The largest entry of each class; at most cache_bytes.
  size_t cache_entry_bytes = size_t{8} << 20;
  size_t search_entry_bytes = size_t{8} << 20;
  size_t content_entry_bytes = size_t{100} << 20;
  std::vector<Rule> rules;  // of the file only
  bool lazy_begin = true;
  Duration single_flight_wait = std::chrono::seconds(1);
  Duration sweep_interval = std::chrono::seconds(1);
  Duration catalog_poll_interval = std::chrono::seconds(1);
  std::vector<std::string> harmless_functions;  // as schema.name

  pool::PoolMode pool_mode = pool::PoolMode::kTransaction;
  uint32_t default_pool_size = 20;  // server connections of one user to one database
  uint32_t min_pool_size = 0;
  uint32_t reserve_pool_size = 0;
  Duration reserve_pool_timeout = std::chrono::seconds(5);
  PoolSettings pools;                      // of the file only
  uint32_t max_prepared_statements = 500;  // that one server connection keeps for all clients
  std::string sequences = "affinity";
  std::string unknown_code = "pin";
  uint32_t max_server_connections = 100;
  uint32_t max_db_connections = 0;         // 0: no limit
  uint32_t max_user_connections = 0;       // 0: no limit
  uint32_t max_db_client_connections = 0;  // 0: no limit
  uint32_t max_client_connections = 10'000;
  uint32_t max_server_logins = 8;  // under way at the same time
  Duration server_login_retry = std::chrono::seconds(1);
  Duration query_wait_timeout = std::chrono::seconds(120);
  Duration server_connect_timeout = std::chrono::seconds(15);
  Duration server_idle_timeout = std::chrono::seconds(600);
  Duration server_lifetime = std::chrono::seconds(3600);
  Duration server_check_delay = std::chrono::seconds(30);
  std::string server_check_query = ";";
  std::string server_reset_query = "DISCARD ALL";
  Duration client_login_timeout = std::chrono::seconds(60);
  // Of a client; 0: no limit.
  Duration client_idle_timeout{0};
  Duration idle_transaction_timeout{0};
  Duration transaction_timeout{0};
  Duration query_timeout{0};
  Duration drain_timeout = std::chrono::seconds(30);
  uint32_t unix_socket_mode = 0777;

  // What may be buffered towards a client before its server is paused, and the reverse.
  size_t client_buffer_bytes = size_t{1} << 20;
  size_t server_buffer_bytes = size_t{1} << 20;

  std::string log_level = "info";
  std::string log_format = "text";

  // The oldest answer of a class that may be served from the cache: its ttl; at level `session`
  // capped by max_foreign_staleness unless the user chose the ttl or promised to be the sole
  // writer.
  Duration MaxAge(CacheClass cache_class, Consistency level) const;
  size_t MaxEntryBytes(CacheClass cache_class) const;
  // What `cache`, `cache_share` and `cache_rest` say to the nth session that logs in: evenly dealt.
  CacheMode ModeOfSession(uint64_t n) const;
  // What holds for one user of one database: as the user's table has it, then the database's, then
  // the settings for all.
  pool::PoolLimits LimitsOf(std::string_view database, std::string_view user) const;
  // Whether server_reset_query is DISCARD ALL, of which it is known what it does.
  bool ResetDiscardsAll() const;
  // One line for the start-up log: which promise holds, and why.
  std::string FreshnessSummary() const;

  std::shared_ptr<const ConfigSource> source;  // what this has been made of
  uint64_t generation = 0;                     // how many others the process has had before it
};

// What to print on standard output before leaving with success: the answer to --help or --version.
struct ExitMessage {
  std::string text;
};

// Reads the configuration: flags before PGSIDECAR_<NAME> variables before the TOML file that
// --config or PGSIDECAR_CONFIG names before the defaults; DATABASE_URL is the upstream if nothing
// else says one. An empty variable counts as unset. All that is given is checked, also where it is
// overridden. The message of an Error is one line that says where the mistake is and what was
// expected.
Result<std::variant<Config, ExitMessage>> LoadConfig(
    int argc, const char* const* argv, const std::map<std::string, std::string>& environment);

// `running` with one setting as if a flag had given it. Fails if there is none of that name, if it
// is read at the start only, or if the value is not allowed.
Result<Config> WithSetting(const Config& running, std::string_view name, std::string_view text);

// What `loaded` cannot change of a process that runs under `running` stays as it is: returns the
// names of the settings that differ. Of the upstream only the password may change.
std::vector<std::string> KeepStartSettings(const Config& running, Config& loaded);

struct ConfigRow {
  std::string name;
  std::string value;
  std::string default_value;
  std::string description;
  bool changeable;  // by a reload
};
// Every setting, in the order of --help; the upstream without its password.
std::vector<ConfigRow> Describe(const Config& config);

// PostgreSQL's way to write a time: 500ms, 30s, 5min, 1h; a bare number is in seconds. The Error's
// message says what was expected.
Result<Duration> ParseDuration(std::string_view text);
// A time that an answer may be old: at least a millisecond.
Result<Duration> ParseTtl(std::string_view text);
// As ParseDuration reads it, in the largest unit that leaves no remainder.
std::string FormatDuration(Duration duration);

// ttl, session, linearizable. Refuses what this version cannot promise.
Result<Consistency> ParseConsistency(std::string_view text);
std::string_view ConsistencyName(Consistency consistency);

// True if nobody outside this machine reaches a listener on `host`: "localhost", an address of
// 127.0.0.0/8, ::1, or the directory of a Unix socket.
bool IsLoopback(std::string_view host);

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_CONFIG_H_
