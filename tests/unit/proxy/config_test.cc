// The configuration: one name everywhere, precedence, units, and errors that say where and what.

#include "proxy/config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

namespace pgsidecar::proxy {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

using Environment = std::map<std::string, std::string>;
using Flags = std::vector<std::string>;

const std::string kUpstream = "postgres://u:s3cret@db:5432/shop";
const std::string kUpstreamFlag = "--upstream=" + kUpstream;

Result<std::variant<Config, ExitMessage>> Load(const Flags& flags, const Environment& env = {}) {
  std::vector<const char*> argv = {"pgsidecar"};
  for (const std::string& flag : flags) argv.push_back(flag.c_str());
  return LoadConfig(static_cast<int>(argv.size()), argv.data(), env);
}

Config Loaded(const Flags& flags, const Environment& env = {}) {
  auto result = Load(flags, env);
  EXPECT_TRUE(result.ok()) << result.error().message;
  if (!result.ok() || !std::holds_alternative<Config>(*result)) return {};
  return std::get<Config>(*result);
}

// With an upstream, so that only the flags under test can be wrong.
Config With(Flags flags) {
  flags.push_back(kUpstreamFlag);
  return Loaded(flags);
}

std::string Refusal(const Flags& flags, const Environment& env = {}) {
  auto result = Load(flags, env);
  EXPECT_FALSE(result.ok());
  const std::string message = result.ok() ? "" : result.error().message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  EXPECT_EQ(message.find("s3cret"), std::string::npos) << message;
  return message;
}

std::string RefusalWith(Flags flags) {
  flags.push_back(kUpstreamFlag);
  return Refusal(flags);
}

// A TOML file that lives as long as the test.
class ConfigFileTest : public testing::Test {
 protected:
  ConfigFileTest()
      : path_(testing::TempDir() + "pgsidecar_" + std::to_string(getpid()) + ".toml") {}
  ~ConfigFileTest() override { std::remove(path_.c_str()); }

  Flags File(const std::string& text, Flags more = {}) {
    std::ofstream(path_) << text;
    more.push_back("--config=" + path_);
    return more;
  }

  const std::string path_;
};

TEST(ConfigTest, Defaults) {
  const Config config = With({});
  EXPECT_EQ(config.upstream, *ParseUrl(kUpstream));
  EXPECT_EQ(config.listen, (std::vector<ListenAddress>{{"127.0.0.1", 6432}}));
  EXPECT_FALSE(config.http_listen);
  EXPECT_FALSE(config.accept_unauthenticated);
  EXPECT_EQ(config.consistency, Consistency::kSession);
  EXPECT_EQ(config.ttl, minutes(5));
  EXPECT_FALSE(config.ttl_given);
  EXPECT_EQ(config.max_foreign_staleness, seconds(5));
  EXPECT_FALSE(config.sole_writer);
  EXPECT_EQ(config.cache, CacheMode::kOn);
  EXPECT_EQ(config.cache_bytes, 256u << 20);
  EXPECT_EQ(config.cache_entries, 50'000u);
  EXPECT_EQ(config.cache_entry_bytes, 8u << 20);
  EXPECT_EQ(config.query_wait_timeout, seconds(120));
  EXPECT_EQ(config.max_client_connections, 10'000u);
  EXPECT_EQ(config.client_buffer_bytes, 1u << 20);
  EXPECT_EQ(config.log_level, "info");
}

TEST(ConfigTest, Durations) {
  const std::vector<std::pair<std::string, Duration>> good = {{"500ms", milliseconds(500)},
                                                              {"30s", seconds(30)},
                                                              {"5min", minutes(5)},
                                                              {"1h", hours(1)},
                                                              {"2d", hours(48)},
                                                              {"30", seconds(30)},
                                                              {"250us", Duration(250)},
                                                              {"5 min", minutes(5)},
                                                              {"0", Duration(0)}};
  for (const auto& [text, value] : good) {
    EXPECT_EQ(ParseDuration(text).value(), value) << text;
    EXPECT_EQ(ParseDuration(FormatDuration(value)).value(), value) << text;
  }
  for (const char* wrong : {"", "fast", "5m", "-1s", "1.5s", "s", "5min ", " 5s", "1h30min", "0x5",
                            "+5s", "5MIN", "9223372036854775807s", "99999999999999999999"}) {
    const Result<Duration> duration = ParseDuration(wrong);
    ASSERT_FALSE(duration.ok()) << wrong;
    EXPECT_EQ(duration.error().message,
              "expected a duration such as 30s or 5min, got \"" + std::string(wrong) + "\"");
  }
  EXPECT_EQ(ParseDuration("367d").error().message, "expected at most 366d, got \"367d\"");
  EXPECT_EQ(FormatDuration(seconds(90)), "90s");
  EXPECT_EQ(FormatDuration(hours(24)), "1d");
}

TEST(ConfigTest, Sizes) {
  const std::vector<std::pair<std::string, size_t>> good = {
      {"64kB", 65536},  {"256MB", 256u << 20},  {"1GB", 1u << 30},
      {"64KiB", 65536}, {"256MiB", 256u << 20}, {"1GiB", 1u << 30},
      {"70000", 70000}, {"70000B", 70000},      {"1TB", size_t{1} << 40}};
  for (const auto& [text, value] : good) {
    EXPECT_EQ(With({"--cache-bytes=" + text}).cache_bytes, value) << text;
  }
  for (const char* wrong : {"-1", "1.5GB", "256mb", "MB", "big", "18446744073709551616"}) {
    EXPECT_EQ(RefusalWith({std::string("--cache-bytes=") + wrong}),
              std::string("--cache-bytes: expected a size such as 64kB, 256MB or 1GB, got \"") +
                  wrong + "\"");
  }
  EXPECT_EQ(RefusalWith({"--cache-bytes=1kB"}),
            "--cache-bytes: expected between 64kB and 64TB, got \"1kB\"");
}

TEST(ConfigTest, Counts) {
  EXPECT_EQ(With({"--default-pool-size", "7"}).default_pool_size, 7u);
  EXPECT_EQ(RefusalWith({"--default-pool-size=0"}),
            "--default-pool-size: expected between 1 and 1000000000, got \"0\"");
  EXPECT_EQ(RefusalWith({"--max-client-connections=1000001"}),
            "--max-client-connections: expected between 1 and 1000000, got \"1000001\"");
  EXPECT_EQ(RefusalWith({"--default-pool-size=many"}),
            "--default-pool-size: expected a whole number, got \"many\"");
}

TEST(ConfigTest, Switches) {
  EXPECT_TRUE(With({"--sole-writer"}).sole_writer);
  EXPECT_TRUE(With({"--sole-writer", "--ttl=5s"}).sole_writer);
  EXPECT_TRUE(With({"--sole-writer", "on"}).sole_writer);
  EXPECT_TRUE(With({"--sole-writer=true"}).sole_writer);
  EXPECT_FALSE(With({"--sole-writer=no"}).sole_writer);
}

TEST(ConfigTest, CacheMode) {
  EXPECT_EQ(With({"--cache"}).cache, CacheMode::kOn);
  EXPECT_EQ(With({"--cache=off"}).cache, CacheMode::kOff);
  EXPECT_EQ(With({"--cache", "off"}).cache, CacheMode::kOff);
  EXPECT_EQ(With({"--cache=verify"}).cache, CacheMode::kVerify);
  EXPECT_EQ(With({"--cache=observe"}).cache, CacheMode::kObserve);
  EXPECT_EQ(RefusalWith({"--cache=maybe"}),
            "--cache: expected on, off, verify or observe, got \"maybe\"");
  EXPECT_EQ(RefusalWith({"--cache-share=101"}),
            "--cache-share: expected between 0 and 100, got \"101\"");
}

TEST(ConfigTest, ShareOfSessionsIsDealtEvenly) {
  for (const uint32_t share : {0U, 1U, 25U, 50U, 99U, 100U}) {
    const Config config =
        With({"--cache=verify", "--cache-rest=observe", "--cache-share=" + std::to_string(share)});
    uint32_t verify = 0;
    for (uint64_t n = 0; n < 100; ++n) {
      const CacheMode mode = config.ModeOfSession(n);
      EXPECT_EQ(mode, config.ModeOfSession(n + 100)) << share;
      verify += mode == CacheMode::kVerify;
      EXPECT_TRUE(mode == CacheMode::kVerify || mode == CacheMode::kObserve);
      EXPECT_LE(verify, (n + 1) * share / 100 + 1) << share;
    }
    EXPECT_EQ(verify, share);
  }
}

TEST(ConfigTest, ClassesFollowTheGeneralSetting) {
  const auto age = [](const Flags& flags, CacheClass cache_class) {
    return With(flags).MaxAge(cache_class, Consistency::kSession);
  };
  EXPECT_EQ(age({}, CacheClass::kContent), seconds(5));
  EXPECT_EQ(age({"--sole-writer"}, CacheClass::kSearch), minutes(30));
  EXPECT_EQ(age({"--sole-writer"}, CacheClass::kContent), hours(1));
  EXPECT_EQ(age({"--ttl=10s"}, CacheClass::kSearch), seconds(10));
  EXPECT_EQ(age({"--ttl=10s", "--search-ttl=20s"}, CacheClass::kSearch), seconds(20));
  EXPECT_EQ(age({"--content-ttl=20s"}, CacheClass::kContent), seconds(20));
  EXPECT_EQ(age({"--content-ttl=20s"}, CacheClass::kQuery), seconds(5));
  EXPECT_EQ(With({}).MaxEntryBytes(CacheClass::kContent), 100u << 20);
  EXPECT_EQ(With({"--cache-entry-bytes=1MB"}).MaxEntryBytes(CacheClass::kContent), 1u << 20);
  EXPECT_EQ(With({"--cache-bytes=50MB"}).MaxEntryBytes(CacheClass::kContent), 50u << 20);
  EXPECT_EQ(RefusalWith({"--cache-bytes=50MB", "--content-entry-bytes=60MB"}),
            "--content-entry-bytes: expected at most cache_bytes (50MB), got \"60MB\"");
}

TEST(ConfigTest, ListenAddresses) {
  const std::vector<ListenAddress> expected = {{"0.0.0.0", 6432}, {"::1", 0}, {"/tmp", 6432}};
  EXPECT_EQ(With({"--listen=0.0.0.0:6432,[::1]:0,/tmp:6432"}).listen, expected);
  EXPECT_EQ(With({"--listen=0.0.0.0:6432", "--listen", "[::1]:0", "--listen=/tmp:6432"}).listen,
            expected);
  EXPECT_EQ(With({"--http-listen=127.0.0.1:9090"}).http_listen, (ListenAddress{"127.0.0.1", 9090}));
  for (const char* wrong :
       {"6432", ":6432", "localhost", "[]:6432", "::1:6432", "a:b", "a:-1", "a:1,", "[::1:5"}) {
    EXPECT_TRUE(RefusalWith({std::string("--listen=") + wrong})
                    .starts_with("--listen: expected host:port, such as 127.0.0.1:6432"))
        << wrong;
  }
  EXPECT_EQ(RefusalWith({"--listen=a:65536"}),
            "--listen: expected a port from 0 to 65535, got \"65536\"");
  EXPECT_EQ(RefusalWith({"--listen=/tmp:0"}),
            "--listen: expected a port above 0 for a Unix socket, got \"/tmp:0\"");
}

TEST(ConfigTest, AddressesAreDistinct) {
  EXPECT_EQ(RefusalWith({"--listen=a:1,a:1"}), "--listen: expected each address once, got \"a:1\"");
  EXPECT_EQ(RefusalWith({"--listen=a:1", "--http-listen=a:1"}),
            "--http-listen: expected each address once, got \"a:1\"");
  EXPECT_EQ(With({"--listen=a:0,a:0"}).listen.size(), 2u);
}

TEST(ConfigTest, UpstreamIsNotItself) {
  for (const char* upstream : {"postgres://u@127.0.0.1:6432", "postgres://u@localhost:6432"}) {
    for (const char* listen : {"127.0.0.1:6432", "0.0.0.0:6432"}) {
      EXPECT_EQ(Refusal({"--listen", listen}, {{"DATABASE_URL", upstream}}),
                "DATABASE_URL: expected the server's address rather than the one that pgsidecar "
                "listens on, got \"" +
                    std::string(listen) + "\"");
    }
  }
  EXPECT_EQ(
      Loaded({"--upstream=postgres://u@127.0.0.1:5432", "--listen=127.0.0.1:6432"}).upstream.port,
      5432);
}

TEST(ConfigTest, ConsistencyLevels) {
  EXPECT_EQ(With({"--consistency=ttl"}).consistency, Consistency::kTtl);
  EXPECT_EQ(With({"--consistency=session"}).consistency, Consistency::kSession);
  EXPECT_EQ(RefusalWith({"--consistency=linearizable"}),
            "--consistency: linearizable needs the change feed, which this version does not have; "
            "expected session or ttl");
  EXPECT_EQ(RefusalWith({"--consistency=eventual"}),
            "--consistency: expected session or ttl, got \"eventual\"");
}

TEST(ConfigTest, MaxAge) {
  EXPECT_EQ(With({}).MaxAge(CacheClass::kQuery, Consistency::kSession), seconds(5));
  EXPECT_EQ(With({"--ttl=5min"}).MaxAge(CacheClass::kQuery, Consistency::kSession), minutes(5));
  EXPECT_TRUE(With({"--ttl=5min"}).ttl_given);
  EXPECT_EQ(With({"--sole-writer"}).MaxAge(CacheClass::kQuery, Consistency::kSession), minutes(5));
  EXPECT_EQ(With({"--max-foreign-staleness=1h"}).MaxAge(CacheClass::kQuery, Consistency::kSession),
            minutes(5));
  EXPECT_EQ(With({"--max-foreign-staleness=0"}).MaxAge(CacheClass::kQuery, Consistency::kSession),
            seconds(0));
  // Only what is promised about others' writes is capped.
  EXPECT_EQ(With({}).MaxAge(CacheClass::kQuery, Consistency::kTtl), minutes(5));
  EXPECT_TRUE(Loaded({kUpstreamFlag}, {{"PGSIDECAR_TTL", "1h"}}).ttl_given);
}

TEST(ConfigTest, FreshnessSummary) {
  EXPECT_EQ(With({}).FreshnessSummary(),
            "consistency session: writes through this proxy are seen at once, writes made "
            "elsewhere within 5s (max_foreign_staleness; a ttl of your own or sole_writer lifts "
            "this cap)");
  EXPECT_EQ(With({"--ttl=1h"}).FreshnessSummary(),
            "consistency session: writes through this proxy are seen at once, writes made "
            "elsewhere within 1h (ttl)");
  EXPECT_NE(With({"--sole-writer"}).FreshnessSummary().find("5min (ttl; sole_writer"),
            std::string::npos);
  EXPECT_EQ(With({"--consistency=ttl", "--ttl=1h"}).FreshnessSummary(),
            "consistency ttl: an answer is at most 1h old; writes are not watched");
}

TEST(ConfigTest, EntryLimitFollowsASmallCache) {
  EXPECT_EQ(With({"--cache-bytes=1MB"}).cache_entry_bytes, 1u << 20);
  EXPECT_EQ(RefusalWith({"--cache-bytes=1MB", "--cache-entry-bytes=2MB"}),
            "--cache-entry-bytes: expected at most cache_bytes (1MB), got \"2MB\"");
}

TEST(ConfigTest, EnvironmentAndPrecedence) {
  const Environment env = {
      {"PGSIDECAR_TTL", "7s"},           {"PGSIDECAR_MAX_FOREIGN_STALENESS", "9s"},
      {"PGSIDECAR_UPSTREAM", kUpstream}, {"PGSIDECAR_SERVICE_HOST", "10.0.0.1"},
      {"PGSIDECAR_CACHE_BYTES", ""},     {"DATABASE_URL", "not looked at"}};
  const Config config = Loaded({"--ttl=8s"}, env);
  EXPECT_EQ(config.ttl, seconds(8));
  EXPECT_EQ(config.max_foreign_staleness, seconds(9));
  EXPECT_EQ(config.upstream.host, "db");
  EXPECT_EQ(Loaded({}, {{"DATABASE_URL", "postgres://u@fallback"}}).upstream.host, "fallback");
  EXPECT_EQ(Refusal({kUpstreamFlag}, {{"PGSIDECAR_TTL", "fast"}}),
            "PGSIDECAR_TTL: expected a duration such as 30s or 5min, got \"fast\"");
  EXPECT_EQ(Refusal({kUpstreamFlag, "--ttl=1s"}, {{"PGSIDECAR_TTL", "fast"}}),
            "PGSIDECAR_TTL: expected a duration such as 30s or 5min, got \"fast\"");
}

TEST(ConfigTest, UpstreamIsNeeded) {
  const std::string wanted =
      "no upstream: give --upstream postgres://user:password@host:5432/db, PGSIDECAR_UPSTREAM or "
      "DATABASE_URL";
  EXPECT_EQ(Refusal({}), wanted);
  EXPECT_EQ(Refusal({}, {{"DATABASE_URL", ""}}), wanted);
  EXPECT_EQ(Refusal({"--upstream=postgres://u:s3cret@:5432/d"}),
            "--upstream: expected a host in the URL, as in postgres://user:password@host:5432/db");
  EXPECT_EQ(Refusal({}, {{"DATABASE_URL", "u:s3cret@h"}}),
            "DATABASE_URL: expected a URL such as postgres://user:password@host:5432/db");
}

TEST(ConfigTest, MistakenFlags) {
  EXPECT_EQ(RefusalWith({"--tll=5s"}), "expected only flags that --help lists, got \"--tll=5s\"");
  EXPECT_EQ(RefusalWith({"postgres://u:s3cret@h"}),
            "expected only flags that --help lists, got \"postgres://...\"");
  EXPECT_EQ(RefusalWith({"--upstraem=postgres://u:s3cret@h"}),
            "expected only flags that --help lists, got \"--upstraem=postgres://...\"");
  EXPECT_EQ(RefusalWith({"--ttl"}), "--ttl: expected a value behind it");
  EXPECT_EQ(RefusalWith({"--ttl="}), "--ttl: expected a value behind it");
  EXPECT_EQ(Refusal({"--ttl"}), "--ttl: 1 required DURATION missing");
  EXPECT_EQ(RefusalWith({"--ttl=1s", "--ttl=2s"}), "--ttl: At Most 1 required but received 2");
  EXPECT_EQ(Refusal({kUpstreamFlag}, {{"PGSIDECAR_LISTEN", kUpstream}}),
            "PGSIDECAR_LISTEN: expected host:port, such as 127.0.0.1:6432 or [::1]:6432, got "
            "\"postgres://...\"");
  EXPECT_EQ(RefusalWith({"--ttl=0"}), "--ttl: expected at least 1ms, got \"0\"");
  EXPECT_EQ(RefusalWith({"--ttl=a\nb"}),
            "--ttl: expected a duration such as 30s or 5min, got \"a?b\"");
  EXPECT_EQ(RefusalWith({"--log-level=loud"}),
            "--log-level: expected debug, info, warn, error or off, got \"loud\"");
}

TEST(ConfigTest, HelpAndVersion) {
  auto help = Load({"--help"});
  ASSERT_TRUE(help.ok());
  const std::string text = std::get<ExitMessage>(*help).text;
  for (const ConfigRow& row : Describe(Config{})) {
    std::string flag = "--" + row.name;
    std::replace(flag.begin(), flag.end(), '_', '-');
    EXPECT_NE(text.find(flag), std::string::npos) << flag;
    EXPECT_NE(text.find(row.default_value), std::string::npos) << row.default_value;
  }
  auto version = Load({"--version"});
  ASSERT_TRUE(version.ok());
  EXPECT_EQ(std::get<ExitMessage>(*version).text, "pgsidecar 0.1.0\n");
}

TEST(ConfigTest, Describe) {
  const Config config = With({"--ttl=90s", "--listen=[::1]:1,b:2", "--cache=off"});
  std::map<std::string, ConfigRow> rows;
  for (const ConfigRow& row : Describe(config)) rows[row.name] = row;
  EXPECT_EQ(rows.at("upstream").value, "postgres://u@db:5432/shop");
  EXPECT_EQ(rows.at("upstream").default_value, "");
  EXPECT_EQ(rows.at("ttl").value, "90s");
  EXPECT_EQ(rows.at("ttl").default_value, "5min");
  EXPECT_EQ(rows.at("listen").value, "[::1]:1,b:2");
  EXPECT_EQ(rows.at("cache").value, "off");
  EXPECT_EQ(rows.at("cache_bytes").value, "256MB");
  EXPECT_EQ(rows.at("consistency").value, "session");
  EXPECT_EQ(rows.size(), Describe(config).size()) << "a name is there twice";
  for (const auto& [name, row] : rows) EXPECT_FALSE(row.description.empty()) << name;
}

// What SHOW CONFIG says can be given back, through every source, to the same effect.
TEST_F(ConfigFileTest, EverySettingHasOneNameEverywhere) {
  const Config config = With({});
  Flags flags;
  Environment env;
  std::string toml;
  for (const ConfigRow& row : Describe(config)) {
    if (row.value.empty()) continue;
    std::string flag = "--" + row.name, variable = "PGSIDECAR_" + row.name;
    std::replace(flag.begin(), flag.end(), '_', '-');
    std::transform(variable.begin(), variable.end(), variable.begin(),
                   [](unsigned char letter) { return static_cast<char>(std::toupper(letter)); });
    flags.push_back(flag + "=" + row.value);
    env[variable] = row.value;
    toml += row.name + " = \"" + row.value + "\"\n";
  }
  const auto values = [](const Config& of) {
    std::vector<std::string> list;
    for (const ConfigRow& row : Describe(of)) {
      if (row.name != "config") list.push_back(row.name + "=" + row.value);
    }
    return list;
  };
  EXPECT_EQ(values(Loaded(flags)), values(config));
  EXPECT_EQ(values(Loaded({}, env)), values(config));
  EXPECT_EQ(values(Loaded(File(toml))), values(config));
}

TEST_F(ConfigFileTest, TypesOfToml) {
  const Config config = Loaded(File(R"(# everything in its own type
upstream = "postgres://u@db/shop"
listen = ["127.0.0.1:0", "[::1]:0"]
ttl = 30
cache_bytes = "64MB"
cache_entries = 100
sole_writer = true
cache = "off"
)"));
  EXPECT_EQ(config.listen, (std::vector<ListenAddress>{{"127.0.0.1", 0}, {"::1", 0}}));
  EXPECT_EQ(config.ttl, seconds(30));
  EXPECT_TRUE(config.ttl_given);
  EXPECT_EQ(config.cache_bytes, 64u << 20);
  EXPECT_EQ(config.cache_entries, 100u);
  EXPECT_TRUE(config.sole_writer);
  EXPECT_EQ(config.cache, CacheMode::kOff);
  EXPECT_EQ(config.config_file, path_);
}

TEST_F(ConfigFileTest, Rules) {
  const Config config = Loaded(File(R"(
[[rule]]
relation = "shop.orders"
pattern = "select *"
user = "web"
application_name = "report"
database = "shop"
class = "content"
ttl = "30s"
cache = "verify"
consistency = "ttl"

[[rule]]
cache = false
)",
                                    {kUpstreamFlag}));
  Rule first{.relation = "shop.orders",
             .pattern = "select *",
             .user = "web",
             .application_name = "report",
             .database = "shop",
             .wishes = {.cache = CacheMode::kVerify,
                        .ttl = seconds(30),
                        .consistency = Consistency::kTtl,
                        .cache_class = CacheClass::kContent}};
  Rule second;
  second.wishes.cache = CacheMode::kOff;
  EXPECT_EQ(config.rules, (std::vector<Rule>{first, second}));
}

TEST_F(ConfigFileTest, BadRules) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"rule = 1\n", ":1: rule: expected tables, each under [[rule]]"},
      {"[rule]\nttl = '1s'\n", ":1: rule: expected tables, each under [[rule]]"},
      {"[[rule]]\nrelation = 't'\n",
       ":1: rule: expected at least one of class, ttl, cache, consistency"},
      {"[[rule]]\nttl = 'soon'\n",
       ":2: rule.ttl: expected a duration such as 30s or 5min, got \"soon\""},
      {"[[rule]]\nttl = 0\n", ":2: rule.ttl: expected at least 1ms, got \"0\""},
      {"[[rule]]\ncache = 'maybe'\n",
       ":2: rule.cache: expected on, off, verify or observe, got \"maybe\""},
      {"[[rule]]\nclass = 'big'\n",
       ":2: rule.class: expected query, search or content, got \"big\""},
      {"[[rule]]\nconsistency = 'linearizable'\n",
       ":2: rule.consistency: linearizable needs the change feed, which this version does not "
       "have; "
       "expected session or ttl, got \"linearizable\""},
      {"[[rule]]\nrelation = ''\n",
       ":2: rule.relation: expected a text that is not empty, got \"\""},
      {"[[rule]]\nrelation = ['t']\n", ":2: rule.relation: expected a string"},
      {"[[rule]]\nrelations = 't'\n",
       ":2: rule.relations: unknown key of a rule, expected relation, pattern, user, "
       "application_name, database, class, ttl, cache or consistency"},
  };
  for (const auto& [toml, expected] : cases) {
    EXPECT_EQ(Refusal(File(toml, {kUpstreamFlag})), path_ + expected) << toml;
  }
}

TEST_F(ConfigFileTest, DatabasesAndUsers) {
  const Config config = Loaded(File(R"(
upstream = "postgres://u@db/shop"
default_pool_size = 7
max_user_connections = 9
[databases.shop]
pool_mode = "session"
pool_size = 3
min_pool_size = 2
reserve_pool_size = 1
max_db_connections = 5
max_db_client_connections = 4
[databases."with.dot"]
pool_size = 1
[users.report]
pool_mode = "statement"
max_user_connections = 2
)"));
  using pool::PoolMode;
  EXPECT_EQ(config.LimitsOf("shop", "web"), (pool::PoolLimits{.mode = PoolMode::kSession,
                                                              .pool_size = 3,
                                                              .min_pool_size = 2,
                                                              .reserve_pool_size = 1,
                                                              .max_db_connections = 5,
                                                              .max_user_connections = 9,
                                                              .max_db_client_connections = 4}));
  EXPECT_EQ(config.LimitsOf("shop", "report").mode, PoolMode::kStatement);
  EXPECT_EQ(config.LimitsOf("shop", "report").max_user_connections, 2u);
  EXPECT_EQ(config.LimitsOf("other", "web").pool_size, 7u);
  EXPECT_EQ(config.LimitsOf("other", "web").mode, PoolMode::kTransaction);
  EXPECT_EQ(config.LimitsOf("with.dot", "web").pool_size, 1u);
}

TEST_F(ConfigFileTest, BadDatabasesAndUsers) {
  const std::string upstream = "upstream = \"postgres://u@db/shop\"\n";
  const std::pair<std::string, std::string> cases[] = {
      {"[databases.shop]\npool_mode = \"sometimes\"",
       ":3: databases.shop.pool_mode: expected \"session\", \"transaction\" or \"statement\", got "
       "\"sometimes\""},
      {"[databases.shop]\npool_size = 0",
       ":3: databases.shop.pool_size: expected between 1 and 1000000, got \"0\""},
      {"[databases.shop]\nmin_pool_size = \"2\"",
       ":3: databases.shop.min_pool_size: expected a whole number"},
      {"[databases.shop]\nhost = \"x\"", ":3: databases.shop.host: unknown key of a database"},
      {"[users.web]\npool_size = 3", ":3: users.web.pool_size: unknown key of a user"},
      {"[databases]\nshop = 1", ":3: databases.shop: expected tables, each under [databases.NAME]"},
      {"users = 1", ":2: users: expected tables, each under [users.NAME]"},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_NE(Refusal(File(upstream + text)).find(path_ + expected), std::string::npos)
        << Refusal(File(upstream + text));
  }
}

TEST_F(ConfigFileTest, OneSettingOfARunningConfiguration) {
  const Config running = Loaded(File("upstream = \"postgres://u@db/shop\"\nttl = 30\n"));
  const Result<Config> changed = WithSetting(running, "max_server_logins", "3");
  ASSERT_TRUE(changed.ok());
  EXPECT_EQ(changed->max_server_logins, 3u);
  EXPECT_EQ(changed->ttl, seconds(30));
  const Result<Config> again = WithSetting(*changed, "ttl", "2min");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->max_server_logins, 3u);
  EXPECT_EQ(again->ttl, minutes(2));
  EXPECT_EQ(WithSetting(running, "max_server_logins", "0").error().message,
            "max_server_logins: expected between 1 and 1000000, got \"0\"");
  EXPECT_EQ(WithSetting(running, "listen", "x:1").error().message,
            "listen: cannot be changed while pgsidecar runs");
  EXPECT_FALSE(WithSetting(running, "nonsense", "1").ok());
}

TEST(ConfigTest, WhatIsReadAtTheStartStays) {
  const Config running = With({"--cache-bytes=1MB", "--listen=a:1"});
  Config loaded = Loaded({"--upstream=postgres://u:other@db:5432/shop", "--cache-bytes=64MB",
                          "--listen=b:2", "--ttl=7s"});
  EXPECT_EQ(KeepStartSettings(running, loaded),
            (std::vector<std::string>{"listen", "cache_bytes"}));
  EXPECT_EQ(loaded.cache_bytes, size_t{1} << 20);
  EXPECT_EQ(loaded.cache_entry_bytes, size_t{1} << 20);
  EXPECT_EQ(loaded.listen, running.listen);
  EXPECT_EQ(loaded.ttl, seconds(7));
  EXPECT_EQ(loaded.upstream.password, "other");
  loaded = Loaded({"--upstream=postgres://u@elsewhere:5432/shop"});
  KeepStartSettings(running, loaded);
  EXPECT_EQ(loaded.upstream, running.upstream);
}

TEST(ConfigTest, PoolModesAndFileModes) {
  EXPECT_EQ(With({"--pool-mode=session"}).pool_mode, pool::PoolMode::kSession);
  EXPECT_EQ(With({"--unix-socket-mode=0750"}).unix_socket_mode, 0750u);
  EXPECT_EQ(RefusalWith({"--pool-mode=auto"}),
            "--pool-mode: expected session, transaction or statement, got \"auto\"");
  for (const char* wrong : {"rwx", "0800", "1777"}) {
    EXPECT_NE(RefusalWith({"--unix-socket-mode=" + std::string(wrong)}).find("octal"),
              std::string::npos)
        << wrong;
  }
}

TEST_F(ConfigFileTest, FileIsBelowEnvironmentAndFlags) {
  const std::string toml = "ttl = '1s'\nsweep_interval = '2s'\ndrain_timeout = '3s'\n";
  const Config config = Loaded(File(toml, {kUpstreamFlag, "--ttl=4s"}),
                               {{"PGSIDECAR_TTL", "5s"}, {"PGSIDECAR_SWEEP_INTERVAL", "6s"}});
  EXPECT_EQ(config.ttl, seconds(4));
  EXPECT_EQ(config.sweep_interval, seconds(6));
  EXPECT_EQ(config.drain_timeout, seconds(3));
  File(toml);
  EXPECT_EQ(Loaded({kUpstreamFlag}, {{"PGSIDECAR_CONFIG", path_}}).ttl, seconds(1));
}

TEST_F(ConfigFileTest, ErrorsNameFileLineKeyAndWhatWasExpected) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\n\nttl = \"fast\"\n", ":3: ttl: expected a duration such as 30s or 5min, got \"fast\""},
      {"ttl = -5\n", ":1: ttl: expected a duration such as 30s or 5min, got \"-5\""},
      {"ttl = 1.5\n", ":1: ttl: expected a string, a number or true or false"},
      {"ttl = [1]\n", ":1: ttl: expected a string, a number or true or false"},
      {"\ntll = 5\n", ":2: tll: unknown setting, expected one of those that --help lists"},
      {"[cache]\n", ":1: cache: expected a string, a number or true or false"},
      {"[query]\nttl = 5\n", ":1: query: unknown setting, expected one of those that --help lists"},
      {"config = \"x\"\n", ":1: config: unknown setting, expected one of those that --help lists"},
      {"listen = [1]\n", ":1: listen: expected a string, or an array of strings"},
      {"listen = []\n",
       ":1: listen: expected host:port, such as 127.0.0.1:6432 or [::1]:6432, got \"\""},
      {"cache_bytes = \"1MB\"\ncache_entry_bytes = \"2MB\"\n",
       ":2: cache_entry_bytes: expected at most cache_bytes (1MB), got \"2MB\""},
  };
  for (const auto& [toml, message] : cases) {
    EXPECT_EQ(Refusal(File(toml, {kUpstreamFlag})), path_ + message) << toml;
  }
  const std::string syntax = Refusal(File("ttl = \n", {kUpstreamFlag}));
  EXPECT_TRUE(syntax.starts_with(path_ + ":1: expected TOML: ")) << syntax;
  const std::string twice = Refusal(File("ttl = 1\nttl = 2\n", {kUpstreamFlag}));
  EXPECT_TRUE(twice.starts_with(path_ + ":2: expected TOML: ")) << twice;
}

TEST_F(ConfigFileTest, AnEmptyFileSaysNothing) {
  EXPECT_EQ(Loaded(File("", {kUpstreamFlag})).ttl, minutes(5));
}

TEST(ConfigTest, UnreadableFile) {
  EXPECT_EQ(RefusalWith({"--config=/nowhere/pgsidecar.toml"}),
            "--config: expected a readable file, got \"/nowhere/pgsidecar.toml\": No such file or "
            "directory");
  EXPECT_TRUE(RefusalWith({"--config=/"}).starts_with("--config: expected a readable file"));
}

TEST(ConfigTest, Loopback) {
  for (const char* host : {"localhost", "127.0.0.1", "127.9.9.9", "::1", "/tmp"}) {
    EXPECT_TRUE(IsLoopback(host)) << host;
  }
  for (const char* host : {"0.0.0.0", "::", "10.0.0.1", "127.evil.com", "127.0.0.1.evil.com", ""}) {
    EXPECT_FALSE(IsLoopback(host)) << host;
  }
}

TEST(ConfigTest, TlsToClientsIsPreferredOnceThereIsACertificate) {
  EXPECT_EQ(With({}).client_tls_sslmode, TlsMode::kDisable);
  const Flags files = {"--client-tls-cert-file=/c", "--client-tls-key-file=/k"};
  EXPECT_EQ(With(files).client_tls_sslmode, TlsMode::kPrefer);
  for (const char* mode : {"disable", "allow", "prefer", "require"}) {
    Flags flags = files;
    flags.push_back(std::string("--client-tls-sslmode=") + mode);
    EXPECT_EQ(TlsModeName(With(flags).client_tls_sslmode), mode);
  }
  EXPECT_EQ(With({"--client-tls-sslmode=disable"}).client_tls_sslmode, TlsMode::kDisable);
}

TEST(ConfigTest, TlsToClientsNeedsItsFiles) {
  EXPECT_EQ(RefusalWith({"--client-tls-sslmode=on"}),
            "--client-tls-sslmode: expected disable, allow, prefer, require, verify-ca or "
            "verify-full, got \"on\"");
  EXPECT_EQ(RefusalWith({"--client-tls-sslmode=require", "--client-tls-cert-file=/c"}),
            "--client-tls-sslmode: expected client_tls_cert_file and client_tls_key_file with "
            "client_tls_sslmode = require");
  EXPECT_EQ(RefusalWith({"--client-tls-cert-file=/c"}),
            "--client-tls-cert-file: expected client_tls_cert_file and client_tls_key_file with "
            "client_tls_sslmode = prefer");
  EXPECT_EQ(RefusalWith({"--client-tls-cert-file=/c", "--client-tls-key-file=/k",
                         "--client-tls-sslmode=verify-full"}),
            "--client-tls-sslmode: expected client_tls_ca_file with client_tls_sslmode = "
            "verify-full");
  EXPECT_EQ(RefusalWith({"--client-tls-min-protocol=TLSv1"}),
            "--client-tls-min-protocol: expected TLSv1.2 or TLSv1.3, got \"TLSv1\"");
}

}  // namespace
}  // namespace pgsidecar::proxy
