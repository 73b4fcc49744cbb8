// How many server connections there are, how long they live, and what is done with them between two
// clients.

#include <gtest/gtest.h>

#include <algorithm>

#include "pgwire/startup.h"
#include "tests/unit/proxy/world.h"

namespace pgsidecar::proxy {
namespace {

using pool::PoolMode;
using pool::ServerState;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr char kRead[] = "SELECT bbalance FROM branches WHERE bid = 1";
constexpr char kWrite[] = "UPDATE branches SET bbalance = 5 WHERE bid = 1";
constexpr char kPin[] = "SELECT opaque(1)";

size_t Connecting(const World& world) {
  size_t count = 0;
  for (const auto& [id, server] : world.servers) count += !server.connected;
  return count;
}

uint64_t Closed(const World& world, CloseReason why) {
  return world.hub->statistics().servers_closed[static_cast<size_t>(why)];
}

// The server is gone: every attempt to connect fails.
void Refuse(World& world) {
  std::vector<ServerId> ids;
  for (const auto& [id, server] : world.servers) {
    if (!server.connected) ids.push_back(id);
  }
  for (const ServerId id : ids) {
    world.servers.erase(id);
    world.hub->OnServerConnectFailed(id, {"08006", "connection refused", "", ""}, world.now);
    world.Collect();
  }
}

// --- limits ---

TEST(PoolsTest, ALimitOfADatabaseIsKeptForEveryUser) {
  Config config = World::DefaultConfig();
  config.pools.databases["app"].max_db_connections = 1;
  World world(config);
  FakeClient& pinned = world.LoggedIn();
  world.Ask(pinned, kPin);
  FakeClient& other = world.LoggedIn("other");
  EXPECT_EQ(other.pid, 0u);
  FakeClient& elsewhere = world.LoggedIn("other", "second");
  EXPECT_NE(elsewhere.pid, 0u) << "who waits for one database keeps nobody from another";
  world.Vanish(pinned);
  world.Run();
  EXPECT_NE(other.pid, 0u);
}

TEST(PoolsTest, ALimitOfAUserIsKeptInEveryDatabase) {
  Config config = World::DefaultConfig();
  config.pools.users["other"].max_user_connections = 1;
  World world(config);
  FakeClient& pinned = world.LoggedIn("other");
  world.Ask(pinned, kPin);
  FakeClient& waiting = world.LoggedIn("other", "second");
  EXPECT_EQ(waiting.pid, 0u);
  EXPECT_NE(world.LoggedIn("app", "second").pid, 0u);
  world.Vanish(pinned);
  world.Run();
  EXPECT_NE(waiting.pid, 0u);
}

TEST(PoolsTest, AnIdleConnectionMakesRoom) {
  Config config = World::DefaultConfig();
  config.max_db_connections = 1;
  World world(config);
  world.LoggedIn();
  EXPECT_NE(world.LoggedIn("other").pid, 0u);
  EXPECT_EQ(Closed(world, CloseReason::kRoom), 1u);
}

TEST(PoolsTest, ClientsOfADatabaseAreCounted) {
  Config config = World::DefaultConfig();
  config.max_db_client_connections = 1;
  World world(config);
  FakeClient& first = world.LoggedIn();
  FakeClient& second = world.Open();
  world.Run();
  EXPECT_EQ(second.Take(), "E:53300");
  EXPECT_TRUE(second.closed);
  world.Vanish(first);
  world.Run();
  EXPECT_NE(world.LoggedIn().pid, 0u);
}

TEST(PoolsTest, LoginsUnderWayAreFew) {
  Config config = World::DefaultConfig();
  config.max_server_logins = 2;
  config.default_pool_size = 20;
  World world(config);
  std::vector<FakeClient*> clients;
  for (int i = 0; i < 7; ++i) {
    clients.push_back(&world.Open());
    world.hub->OnClientBytes(clients.back()->id, clients.back()->to_proxy, world.now);
    clients.back()->to_proxy.clear();
    world.Collect();
  }
  EXPECT_EQ(Connecting(world), 2u);
  EXPECT_EQ(world.hub->waiting_logins(), 5u);
  world.Run();
  for (FakeClient* client : clients) EXPECT_NE(client->pid, 0u);
  EXPECT_EQ(world.hub->statistics().logins_held, 5u);
}

TEST(PoolsTest, TheReserveIsForWhoHasWaited) {
  Config config = World::DefaultConfig();
  config.default_pool_size = 1;
  config.reserve_pool_size = 1;
  config.reserve_pool_timeout = seconds(3);
  World world(config);
  FakeClient& pinned = world.LoggedIn();
  FakeClient& waiting = world.LoggedIn();
  world.Ask(pinned, kPin);
  EXPECT_EQ(world.Ask(waiting, kRead), "");
  world.Advance(seconds(2));
  world.Run();
  EXPECT_EQ(waiting.Take(), "");
  world.Advance(seconds(2));
  world.Run();
  EXPECT_EQ(waiting.Take(), "T D:0 C:SELECT 1 Z:I");
  // It is closed when nobody waits any more.
  EXPECT_EQ(world.Count(ServerState::kIdle), 0u);
  EXPECT_EQ(Closed(world, CloseReason::kSurplus), 1u + 1u) << "that of the second login, too";
}

TEST(PoolsTest, AMinimumIsKeptWhileThereAreClients) {
  Config config = World::DefaultConfig();
  config.min_pool_size = 2;
  World world(config);
  FakeClient& client = world.LoggedIn();
  world.Advance(milliseconds(50));
  world.Run();
  EXPECT_EQ(world.Count(ServerState::kIdle), 2u);
  world.Advance(config.server_idle_timeout + seconds(1));
  world.Run();
  EXPECT_EQ(world.Count(ServerState::kIdle), 2u);
  world.Vanish(client);
  world.Advance(config.server_idle_timeout + seconds(1));
  world.Run();
  EXPECT_EQ(world.Count(ServerState::kIdle), 0u);
}

TEST(PoolsTest, WhatIsOldIsClosed) {
  World world;
  world.LoggedIn();
  EXPECT_EQ(world.Count(ServerState::kIdle), 1u);
  world.config.server_idle_timeout = seconds(100'000);
  world.Advance(world.config.server_lifetime + seconds(1));
  EXPECT_EQ(world.Count(ServerState::kIdle), 0u);
  EXPECT_EQ(Closed(world, CloseReason::kLifetime), 1u);
}

// --- a server that is not there ---

TEST(PoolsTest, WhileTheServerIsGoneOneLoginTriesAtATime) {
  Config config = World::DefaultConfig();
  config.server_login_retry = seconds(10);
  World world(config);
  for (auto& [id, server] : world.servers) server.held = true;
  FakeClient& first = world.Open();
  world.hub->OnClientBytes(first.id, std::exchange(first.to_proxy, {}), world.now);
  world.Collect();
  Refuse(world);
  EXPECT_EQ(first.Take(), "E:08006");
  std::vector<FakeClient*> others;
  for (int i = 0; i < 5; ++i) {
    others.push_back(&world.Open());
    world.hub->OnClientBytes(others.back()->id, std::exchange(others.back()->to_proxy, {}),
                             world.now);
    world.Collect();
  }
  EXPECT_EQ(Connecting(world), 0u);
  world.Advance(seconds(9));
  EXPECT_EQ(Connecting(world), 0u);
  world.Advance(seconds(2));
  EXPECT_EQ(Connecting(world), 1u);
  Refuse(world);
  for (FakeClient* client : others) EXPECT_EQ(client->Take(), "E:08006");
  // It comes back.
  FakeClient& last = world.Open();
  world.hub->OnClientBytes(last.id, std::exchange(last.to_proxy, {}), world.now);
  world.Collect();
  EXPECT_EQ(Connecting(world), 0u);
  world.Advance(seconds(11));
  world.Run();
  EXPECT_NE(last.pid, 0u);
  EXPECT_FALSE(world.hub->server_failing());
}

TEST(PoolsTest, WhoWaitsForAPoolThatCannotGrowIsTold) {
  Config config = World::DefaultConfig();
  config.server_login_retry = seconds(10);
  World world(config);
  FakeClient& client = world.LoggedIn();
  std::vector<ServerId> ids;
  for (const auto& [id, server] : world.servers) ids.push_back(id);
  for (const ServerId id : ids) world.Kill(id);
  client.Query(kWrite);
  world.hub->OnClientBytes(client.id, std::exchange(client.to_proxy, {}), world.now);
  world.Collect();
  EXPECT_GE(Connecting(world), 1u);
  Refuse(world);
  EXPECT_EQ(client.Take(), "E:08006");
  EXPECT_TRUE(client.closed);
}

// --- health ---

TEST(PoolsTest, WhatHasBeenIdleIsCheckedBeforeItIsUsed) {
  World world;
  FakeClient& client = world.LoggedIn();
  world.Ask(client, kWrite);
  EXPECT_EQ(world.hub->statistics().server_checks, 0u);
  world.Advance(world.config.server_check_delay + seconds(1));
  EXPECT_EQ(world.Ask(client, kWrite), "C:UPDATE 1 Z:I");
  EXPECT_EQ(world.hub->statistics().server_checks, 1u);
  EXPECT_EQ(world.Ask(client, kWrite), "C:UPDATE 1 Z:I");
  EXPECT_EQ(world.hub->statistics().server_checks, 1u);
}

TEST(PoolsTest, WhoWouldHaveHadADeadConnectionGetsAnother) {
  for (const bool silent : {false, true}) {
    SCOPED_TRACE(silent);
    Config config = World::DefaultConfig();
    if (!silent) config.server_check_query = "nonsense";
    World world(config);
    FakeClient& client = world.LoggedIn();
    world.Ask(client, kWrite);
    world.Advance(config.server_check_delay + seconds(1));
    for (auto& [id, server] : world.servers) {
      const pool::ServerConnection* connection = world.hub->FindServer(id);
      if (connection->pool != nullptr) server.mute = silent;
    }
    client.Query(kWrite);
    world.Run();
    EXPECT_EQ(client.Take(), silent ? "" : "C:UPDATE 1 Z:I");
    world.Advance(config.server_connect_timeout + seconds(1));
    world.Run();
    EXPECT_EQ(client.Take(), silent ? "C:UPDATE 1 Z:I" : "");
    EXPECT_EQ(Closed(world, CloseReason::kHealth), 1u);
  }
}

// --- pool modes ---

TEST(PoolsTest, InModeSessionTheConnectionIsKeptAndReset) {
  Config config = World::DefaultConfig();
  config.pool_mode = PoolMode::kSession;
  World world(config);
  FakeClient& plain = world.LoggedIn();
  const ServerId id = world.ServerOf(plain);
  EXPECT_NE(id, 0u);
  world.Ask(plain, kWrite);
  EXPECT_EQ(world.ServerOf(plain), id);
  world.Vanish(plain);
  world.Run();
  EXPECT_EQ(world.hub->statistics().server_resets, 0u) << "it has left nothing behind";
  EXPECT_EQ(world.Count(ServerState::kIdle), 1u);

  FakeClient& prepares = world.LoggedIn();
  world.Ask(prepares, "SET temp_buffers = 100");  // which cannot be set again elsewhere
  const ServerId reset = world.ServerOf(prepares);
  world.Ask(prepares, "BEGIN");
  world.Ask(prepares, kWrite);
  world.Vanish(prepares);
  world.Run();
  EXPECT_EQ(world.hub->statistics().server_resets, 1u);
  ASSERT_NE(world.hub->FindServer(reset), nullptr);
  EXPECT_EQ(world.hub->FindServer(reset)->state(), ServerState::kIdle);
  EXPECT_TRUE(world.database.locks.empty());

  FakeClient& unknown = world.LoggedIn();
  world.Ask(unknown, kPin);
  const ServerId dropped = world.ServerOf(unknown);
  world.Vanish(unknown);
  world.Run();
  EXPECT_EQ(world.hub->FindServer(dropped), nullptr) << "what a function has done nobody knows";
}

TEST(PoolsTest, AResetThatFailsClosesTheConnection) {
  Config config = World::DefaultConfig();
  config.pool_mode = PoolMode::kSession;
  config.server_reset_query = "discard all;";  // which the fake server does not understand
  World world(config);
  FakeClient& client = world.LoggedIn();
  world.Ask(client, "SET temp_buffers = 100");
  const ServerId id = world.ServerOf(client);
  world.Vanish(client);
  world.Run();
  EXPECT_EQ(world.hub->FindServer(id), nullptr);
  EXPECT_EQ(Closed(world, CloseReason::kReset), 1u);
}

TEST(PoolsTest, InModeStatementABlockIsRefusedAsAWhole) {
  Config config = World::DefaultConfig();
  config.pools.databases["app"].pool_mode = PoolMode::kSession;
  config.pools.users["app"].pool_mode = PoolMode::kStatement;  // before the database's
  World world(config);
  FakeClient& client = world.LoggedIn();
  EXPECT_EQ(world.Ask(client, "BEGIN"), "E:0A000 Z:I");
  EXPECT_EQ(world.Ask(client, std::string(kWrite) + "; BEGIN"), "E:0A000 Z:I");
  EXPECT_EQ(world.database.IndexOf(1, 5), -1);
  client.Parse("", "BEGIN").Run("");
  world.Run();
  EXPECT_EQ(client.Take(), "E:0A000 Z:I");
  EXPECT_EQ(world.Ask(client, kWrite), "C:UPDATE 1 Z:I");
  EXPECT_EQ(world.ServerOf(client), 0u);
}

// --- clients that vanish ---

TEST(PoolsTest, ACancelRequestThatCameTooEarlyIsFollowedByAnother) {
  for (const char* before : {"SELECT 1", kPin}) {
    SCOPED_TRACE(before);
    World world;
    FakeClient& client = world.LoggedIn();
    world.Ask(client, before);
    world.Ask(client, "BEGIN");
    client.Query(kWrite);
    for (auto& [id, server] : world.servers) server.held = true;
    world.Run();
    ASSERT_NE(world.ServerOf(client), 0u);
    World::Server& server = world.At(world.ServerOf(client));
    world.Vanish(client);
    world.Run();  // the request finds a backend to which nothing has come yet
    EXPECT_TRUE(world.cancels.empty());
    world.Advance(milliseconds(50));
    world.Advance(seconds(1));
    ASSERT_EQ(world.cancels.size(), 1u);
    server.backend->Receive(std::exchange(server.to_backend, {}));
    world.Run();
    for (auto& [id, each] : world.servers) each.held = false;
    world.Run();
    EXPECT_EQ(world.database.IndexOf(1, 5), -1);
    EXPECT_TRUE(world.database.locks.empty());
    EXPECT_FALSE(world.AnythingPending());
    EXPECT_EQ(world.hub->sessions().size(), 0u);
  }
}

// --- orders ---

TEST(PoolsTest, PauseWaitsForWhoIsAtWorkAndHoldsTheOthersBack) {
  World world;
  FakeClient& console = world.Console();
  FakeClient& busy = world.LoggedIn();
  FakeClient& other = world.LoggedIn();
  world.Ask(busy, "BEGIN");
  world.Ask(busy, kWrite);
  EXPECT_EQ(world.Ask(console, "PAUSE app"), "") << "it waits";
  EXPECT_EQ(world.Ask(other, "UPDATE branches SET bbalance = 6 WHERE bid = 2"), "");
  EXPECT_EQ(world.LoggedIn().pid, 0u);
  EXPECT_NE(world.LoggedIn("app", "second").pid, 0u);
  EXPECT_EQ(world.Ask(busy, "COMMIT"), "C:COMMIT Z:I");
  world.Advance(milliseconds(50));
  world.Run();
  EXPECT_EQ(console.Take(), "C:PAUSE Z:I");
  EXPECT_FALSE(world.hub->HasServersOf("app"));
  EXPECT_EQ(other.Take(), "");
  EXPECT_EQ(world.Ask(console, "RESUME app"), "C:RESUME Z:I");
  EXPECT_EQ(other.Take(), "C:UPDATE 1 Z:I");
  EXPECT_EQ(world.Ask(console, "RESUME app"), "E:55000 Z:I");
}

TEST(PoolsTest, ReconnectClosesWhatIsFreeNowAndTheRestLater) {
  World world;
  FakeClient& console = world.Console();
  FakeClient& busy = world.LoggedIn();
  world.Ask(busy, "BEGIN");
  world.Ask(busy, kWrite);
  const ServerId id = world.ServerOf(busy);
  EXPECT_EQ(world.Ask(console, "RECONNECT"), "C:RECONNECT Z:I");
  EXPECT_EQ(world.Ask(console, "WAIT_CLOSE"), "");
  EXPECT_EQ(world.ServerOf(busy), id);
  EXPECT_EQ(world.Ask(busy, "COMMIT"), "C:COMMIT Z:I");
  EXPECT_EQ(world.hub->FindServer(id), nullptr);
  world.Advance(milliseconds(50));
  world.Run();
  EXPECT_EQ(console.Take(), "C:WAIT_CLOSE Z:I");
  EXPECT_EQ(world.Ask(busy, kWrite), "C:UPDATE 1 Z:I");
}

TEST(PoolsTest, KillEndsEverybodyOfADatabase) {
  World world;
  FakeClient& console = world.Console();
  FakeClient& busy = world.LoggedIn();
  FakeClient& elsewhere = world.LoggedIn("app", "second");
  world.Ask(busy, "BEGIN");
  world.Ask(busy, kWrite);
  EXPECT_EQ(world.Ask(console, "KILL app"), "C:KILL Z:I");
  EXPECT_EQ(busy.Take(), "E:57P01");
  EXPECT_TRUE(busy.closed);
  EXPECT_FALSE(elsewhere.closed);
  EXPECT_FALSE(world.hub->HasServersOf("app"));
  EXPECT_TRUE(world.database.locks.empty());
  FakeClient& later = world.LoggedIn();
  EXPECT_EQ(later.pid, 0u) << "it waits for RESUME";
  world.Ask(console, "RESUME app");
  EXPECT_NE(later.pid, 0u);
  EXPECT_EQ(world.Ask(console, "KILL_CLIENT " + std::to_string(later.id)), "C:KILL_CLIENT Z:I");
  EXPECT_TRUE(later.closed);
  EXPECT_EQ(world.Ask(console, "KILL_CLIENT 4711"), "E:42704 Z:I");
}

TEST(PoolsTest, DisableTurnsNewClientsAway) {
  World world;
  FakeClient& console = world.Console();
  FakeClient& before = world.LoggedIn();
  world.Ask(console, "DISABLE \"app\"");
  FakeClient& refused = world.Open();
  world.Run();
  EXPECT_EQ(refused.Take(), "E:57P03");
  EXPECT_EQ(world.Ask(before, kWrite), "C:UPDATE 1 Z:I");
  world.Ask(console, "ENABLE app");
  EXPECT_NE(world.LoggedIn().pid, 0u);
  for (const char* wrong :
       {"DISABLE", "ENABLE app", "KILL_CLIENT", "SET x", "SHUTDOWN soon", "PAUSE a b", "RELOAD"}) {
    EXPECT_TRUE(world.Ask(console, wrong).starts_with("E:")) << wrong;
  }
}

// --- configuration ---

Config LoadedConfig(std::vector<const char*> flags) {
  flags.insert(flags.begin(), {"pgsidecar", "--upstream=postgres://app@upstream/app"});
  auto loaded = LoadConfig(static_cast<int>(flags.size()), flags.data(), {});
  return std::get<Config>(*std::move(loaded));
}

TEST(PoolsTest, AReloadHoldsForWhoIsThere) {
  World world;
  FakeClient& console = world.Console();
  FakeClient& client = world.LoggedIn();
  bool valid = true;
  world.hub->set_reload([&valid]() -> Result<Config> {
    if (!valid) return Error{"F0000", "x.toml:3: ttl: expected a duration", "", ""};
    return LoadedConfig({"--cache=off", "--cache-bytes=64kB", "--query-wait-timeout=7s"});
  });
  world.Ask(client, kRead);
  world.Ask(client, kRead);
  EXPECT_EQ(world.hits(), 1u);
  EXPECT_EQ(world.Ask(console, "RELOAD"), "C:RELOAD Z:I");
  EXPECT_EQ(world.hub->config().query_wait_timeout, seconds(7));
  EXPECT_EQ(world.hub->config().cache_bytes, size_t{256} << 20) << "read at the start only";
  EXPECT_EQ(world.Ask(client, kRead), "T D:0 C:SELECT 1 Z:I");
  EXPECT_EQ(world.hits(), 1u);
  valid = false;
  EXPECT_EQ(world.Ask(console, "RELOAD"), "E:F0000 Z:I");
  EXPECT_EQ(world.hub->config().query_wait_timeout, seconds(7));
}

TEST(PoolsTest, RulesOfBeforeAReloadAreForgotten) {
  World world;
  FakeClient& client = world.LoggedIn();
  world.Ask(client, kRead);
  world.Ask(client, kRead);
  EXPECT_EQ(world.hits(), 1u);
  Config config = world.config;
  Rule rule;
  rule.relation = "branches";
  rule.wishes.cache = CacheMode::kOff;
  config.rules = {rule};
  world.hub->Reconfigure(config, world.now);
  world.Ask(client, kRead);
  EXPECT_EQ(world.hits(), 1u);
  EXPECT_EQ(world.hub->statistics().rule_matches, std::vector<uint64_t>{1});
  config.rules.clear();
  world.hub->Reconfigure(config, world.now);
  world.Ask(client, kRead);
  EXPECT_EQ(world.hits(), 2u);
}

TEST(PoolsTest, SetChangesWhatMayBeChanged) {
  World world(LoadedConfig({"--sole-writer", "--default-pool-size=3"}));
  FakeClient& console = world.Console();
  FakeClient& client = world.LoggedIn();
  EXPECT_EQ(world.Ask(console, "SET default_pool_size = 7"), "C:SET Z:I");
  EXPECT_EQ(world.hub->config().default_pool_size, 7u);
  EXPECT_EQ(world.hub->pools().begin()->second->limits.pool_size, 7u);
  EXPECT_EQ(world.Ask(console, "set server_lifetime to '90s';"), "C:SET Z:I");
  EXPECT_EQ(world.hub->config().server_lifetime, seconds(90));
  for (const char* wrong : {"SET cache_bytes = 1MB", "SET default_pool_size = many",
                            "SET nonsense = 1", "SET default_pool_size"}) {
    EXPECT_TRUE(world.Ask(console, wrong).starts_with("E:")) << wrong;
  }
  EXPECT_EQ(world.Ask(client, kWrite), "C:UPDATE 1 Z:I");
}

// --- patience ---

TEST(PoolsTest, ClientsThatTakeTooLongAreDisconnected) {
  struct Case {
    Duration Config::*setting;
    std::vector<const char*> before;
    bool mute;
    const char* sqlstate;
  };
  const Case cases[] = {
      {&Config::client_idle_timeout, {kWrite}, false, "E:57P05"},
      {&Config::idle_transaction_timeout, {"BEGIN", kWrite}, false, "E:25P03"},
      {&Config::transaction_timeout, {"BEGIN", kWrite}, false, "E:25P04"},
      {&Config::query_timeout, {kWrite}, true, "E:57014"},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.sqlstate);
    Config config = World::DefaultConfig();
    config.*each.setting = seconds(10);
    World world(config);
    FakeClient& client = world.LoggedIn();
    if (each.mute) {
      for (auto& [id, server] : world.servers) server.mute = true;
    }
    for (const char* sql : each.before) world.Ask(client, sql);
    world.Advance(seconds(9));
    world.Run();
    EXPECT_FALSE(client.closed);
    for (int i = 0; i < 40; ++i)
      world.Advance(milliseconds(50));  // an idle one is told now and then
    EXPECT_EQ(client.Take(), each.sqlstate);
    EXPECT_TRUE(client.closed);
    EXPECT_EQ(world.hub->statistics().client_timeouts, 1u);
    for (auto& [id, server] : world.servers) server.mute = false;
    world.Run();
    EXPECT_TRUE(world.database.locks.empty());
  }
}

TEST(PoolsTest, IdleClientsAreToldTheTimeInTurnsAndOthersAlways) {
  constexpr int kIdle = 1000;
  Config config = World::DefaultConfig();
  config.client_idle_timeout = config.idle_transaction_timeout = seconds(10);
  config.max_client_connections = kIdle + 1;
  World world(config);
  for (int i = 0; i < kIdle; ++i) world.LoggedIn();
  FakeClient& in_transaction = world.LoggedIn();
  world.Ask(in_transaction, "BEGIN");
  world.Ask(in_transaction, kWrite);
  world.Advance(milliseconds(50));  // from here on those who have logged in are idle
  const auto closed = [&world] {
    return std::ranges::count_if(world.clients, [](const FakeClient& each) { return each.closed; });
  };
  world.Advance(seconds(11));
  EXPECT_TRUE(in_transaction.closed);
  EXPECT_LT(closed(), kIdle / 5);
  for (int i = 0; i < 25; ++i) world.Advance(milliseconds(50));
  EXPECT_EQ(closed(), kIdle + 1);
}

// --- replication ---

FakeClient& Replicate(World& world, std::string_view value) {
  FakeClient& client = world.clients.emplace_back();
  client.id = world.hub->OnClientOpened(true, "test", world.now);
  pgwire::StartupMessage startup;
  startup.parameters = {{"user", "app"}, {"database", "app"}, {"replication", std::string(value)}};
  startup.Encode(client.to_proxy);
  world.Run();
  return client;
}

TEST(PoolsTest, AReplicationHasAConnectionOfItsOwn) {
  World world;
  const size_t before = world.servers.size();
  FakeClient& client = Replicate(world, "database");
  EXPECT_NE(client.pid, 0u);
  EXPECT_EQ(client.Take(), "Z:I");
  const ServerId id = world.ServerOf(client);
  EXPECT_EQ(world.servers.size(), before + 1);
  EXPECT_TRUE(world.hub->pools().empty());
  const uint64_t executed = world.database.executed;
  EXPECT_EQ(world.Ask(client, kRead), "T D:0 C:SELECT 1 Z:I");
  EXPECT_EQ(world.Ask(client, kRead), "T D:0 C:SELECT 1 Z:I");
  EXPECT_EQ(world.database.executed, executed + 2) << "nothing is answered here";
  EXPECT_EQ(world.ServerOf(client), id);
  world.Vanish(client);
  world.Run();
  EXPECT_EQ(world.hub->FindServer(id), nullptr);
}

TEST(PoolsTest, WhatSaysNoToReplicationIsAnOrdinaryClient) {
  World world;
  for (const char* no : {"false", "OFF", "0", "n"}) {
    FakeClient& client = Replicate(world, no);
    EXPECT_EQ(client.Take(), "Z:I");
    EXPECT_EQ(world.ServerOf(client), 0u) << no;
  }
}

}  // namespace
}  // namespace pgsidecar::proxy
