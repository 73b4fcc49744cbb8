// Server connections change hands: who waits gets one, whoever vanishes leaves none behind.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/proxy/world.h"

namespace pgsidecar::proxy {
namespace {

using pool::ServerState;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr char kRead[] = "SELECT bbalance FROM branches WHERE bid = 1";

TEST(LeaseTest, AQueryLeasesAndReleases) {
  World world;
  FakeClient& client = world.LoggedIn();
  EXPECT_EQ(world.Ask(client, kRead), "T D:0 C:SELECT 1 Z:I");
  EXPECT_EQ(world.ServerOf(client), 0u);
  EXPECT_EQ(world.Count(ServerState::kIdle), 1u);
  EXPECT_EQ(world.Ask(client, kRead), "T D:0 C:SELECT 1 Z:I");
  EXPECT_EQ(world.hits(), 1u);
}

// A client that has had its answer to DISCARD TEMP, while the answer to the audit behind it is
// still to come: its server connection, mute.
ServerId WithAnAuditUnanswered(World& world, FakeClient& client) {
  EXPECT_EQ(world.Ask(client, "CREATE TEMP TABLE x (a int)"), "C:CREATE TABLE Z:I");
  const ServerId server = world.ServerOf(client);
  World::Server& there = world.At(server);
  there.held = true;
  client.Query("DISCARD TEMP");
  world.Run();
  EXPECT_EQ(world.hub->statistics().audits, 2u);
  // They come in the same write, and arrive apart.
  const std::string audit = there.to_backend.substr(there.to_backend.find("DISCARD TEMP") + 13);
  there.to_backend.resize(there.to_backend.size() - audit.size());
  there.held = false;
  world.Run();
  EXPECT_EQ(client.received.back(), "Z:I");
  there.mute = true;  // it says that there is nothing, unheard
  there.to_backend = audit;
  world.Run();
  return server;
}

TEST(LeaseTest, WhatIsMadeBehindAnAuditKeepsItsConnection) {
  World world;
  FakeClient& client = world.LoggedIn();
  const ServerId server = WithAnAuditUnanswered(world, client);
  ASSERT_NE(server, 0u);
  client.Query("CREATE TEMP TABLE x (a int)");
  world.Run();
  world.At(server).mute = false;
  world.Run();
  EXPECT_EQ(client.Take(), "C:DISCARD TEMP Z:I C:CREATE TABLE Z:I");
  EXPECT_EQ(world.ServerOf(client), server);
  EXPECT_EQ(world.hub->FindSession(client.id)->pin(), catalog::Pin::kTemporaryObject);
  EXPECT_EQ(world.Ask(client, "DISCARD TEMP"), "C:DISCARD TEMP Z:I");
  EXPECT_EQ(world.ServerOf(client), 0u);
}

TEST(LeaseTest, AReadBehindAnAuditIsStored) {
  World world;
  FakeClient& client = world.LoggedIn();
  const ServerId server = WithAnAuditUnanswered(world, client);
  ASSERT_NE(server, 0u);
  client.Query(kRead);
  world.Run();
  world.At(server).mute = false;
  world.Run();
  EXPECT_EQ(client.Take(), "C:DISCARD TEMP Z:I T D:0 C:SELECT 1 Z:I");
  EXPECT_EQ(world.Ask(client, kRead), "T D:0 C:SELECT 1 Z:I");
  EXPECT_EQ(world.hits(), 1u);
}

TEST(LeaseTest, CodeThatHasLeftNothingIsForgottenIfSo) {
  Config config = World::DefaultConfig();
  config.unknown_code = "audit";
  World world(config);
  FakeClient& client = world.LoggedIn();
  EXPECT_EQ(world.Ask(client, kRead), "T D:0 C:SELECT 1 Z:I");  // what is clean is known from it
  EXPECT_EQ(world.ServerOf(client), 0u);
  EXPECT_EQ(world.hub->statistics().audits, 1u);
  EXPECT_EQ(world.Ask(client, "SELECT opaque(1)"), "T D:1 C:SELECT 1 Z:I");
  EXPECT_EQ(world.ServerOf(client), 0u);
  EXPECT_EQ(world.hub->statistics().audits, 2u);
  EXPECT_EQ(world.Ask(client, kRead), "T D:0 C:SELECT 1 Z:I");
  EXPECT_EQ(world.Ask(client, kRead), "T D:0 C:SELECT 1 Z:I");
  EXPECT_GE(world.hits(), 1u);

  world.database.code_leaves = "search_path='app'";
  EXPECT_EQ(world.Ask(client, "SELECT opaque(1)"), "T D:1 C:SELECT 1 Z:I");
  EXPECT_NE(world.ServerOf(client), 0u);
  EXPECT_EQ(world.hub->FindSession(client.id)->pin(), catalog::Pin::kFunction);
}

// The audit goes behind the code in the same write. After a few that have found nothing it is put
// off, until somebody has to know.
TEST(LeaseTest, AnAuditIsPutOffWhereNothingWasLeftSoFar) {
  Config config = World::DefaultConfig();
  config.unknown_code = "audit";
  config.default_pool_size = 1;
  World world(config);
  FakeClient& client = world.LoggedIn();
  FakeClient& other = world.LoggedIn();
  const auto audits = [&] { return world.hub->statistics().audits; };
  world.Ask(client, kRead);  // what is clean is known from it
  const auto sent_at_once = [&](FakeClient& by) {
    for (auto& [id, server] : world.servers) server.held = true;
    by.Query("SELECT opaque(1)");
    world.Run();
    const std::string sent = world.At(world.ServerOf(by)).to_backend;
    for (auto& [id, server] : world.servers) server.held = false;
    world.Run();
    EXPECT_EQ(by.Take(), "T D:1 C:SELECT 1 Z:I");
    return sent;
  };
  for (int i = 0; i < 4; ++i) {
    EXPECT_THAT(sent_at_once(client), testing::HasSubstr("pg_my_temp_schema"));
    EXPECT_EQ(world.ServerOf(client), 0u);
  }
  const uint64_t before = audits();
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(sent_at_once(client), testing::Not(testing::HasSubstr("pg_my_temp_schema")));
    EXPECT_NE(world.ServerOf(client), 0u);
  }
  EXPECT_EQ(audits(), before);
  // Another needs the connection: no time has passed.
  EXPECT_EQ(world.Ask(other, kRead), "T D:0 C:SELECT 1 Z:I");
  EXPECT_EQ(audits(), before + 1);
  EXPECT_EQ(world.ServerOf(client), 0u);
  // It waits already when the code has run.
  for (auto& [id, server] : world.servers) server.held = true;
  client.Query("SELECT opaque(1)");
  world.Run();
  other.Query(kRead);
  world.Run();
  for (auto& [id, server] : world.servers) server.held = false;
  world.Run();
  EXPECT_EQ(client.Take(), "T D:1 C:SELECT 1 Z:I");
  EXPECT_EQ(other.Take(), "T D:0 C:SELECT 1 Z:I");
  EXPECT_EQ(audits(), before + 2);
  // Its own read wants the cache.
  world.Ask(client, "SELECT opaque(1)");
  const size_t hits = world.hits();
  EXPECT_EQ(world.Ask(client, kRead), "T D:0 C:SELECT 1 Z:I");
  EXPECT_EQ(world.Ask(client, kRead), "T D:0 C:SELECT 1 Z:I");
  EXPECT_EQ(world.hits(), hits + 1);
  EXPECT_EQ(audits(), before + 3);
  // Time passes.
  world.Ask(client, "SELECT opaque(1)");
  EXPECT_NE(world.ServerOf(client), 0u);
  world.Advance(std::chrono::seconds(2));
  world.Run();
  EXPECT_EQ(world.ServerOf(client), 0u);
  // Its client goes.
  world.Ask(client, "SELECT opaque(1)");
  const size_t connections = world.servers.size();
  client.Terminate();
  world.Run();
  EXPECT_EQ(world.servers.size(), connections);
  EXPECT_EQ(world.Count(pool::ServerState::kIdle), 1u);
  // What is left after all is for nobody else, and the next time it is asked at once.
  world.Ask(other, "SELECT opaque(1)");
  world.database.code_leaves = "search_path='app'";
  world.Ask(other, "SELECT opaque(1)");
  FakeClient& third = world.LoggedIn();
  EXPECT_EQ(world.Ask(third, kRead), "");
  EXPECT_EQ(world.hub->FindSession(other.id)->pin(), catalog::Pin::kFunction);
  EXPECT_THAT(sent_at_once(other), testing::HasSubstr("pg_my_temp_schema"));
  other.Terminate();
  world.Run();
  EXPECT_EQ(third.Take(), "T D:0 C:SELECT 1 Z:I");
}

TEST(LeaseTest, WhatAuditsHaveFoundIsForgotten) {
  World world;
  world.LoggedIn();
  StatementRecord record(StatementRecord::Of::kText, "SELECT opaque(1)", true, nullptr);
  const auto learn = [&] {
    for (int i = 0; i < 4; ++i) record.NoteAudit(true, 1, world.now);
  };
  learn();
  EXPECT_TRUE(record.SeemsClean(1, world.now));
  EXPECT_FALSE(record.SeemsClean(2, world.now));  // DDL
  EXPECT_FALSE(record.SeemsClean(1, world.now + std::chrono::minutes(1)));
  record.NoteAudit(false, 1, world.now);
  EXPECT_FALSE(record.SeemsClean(1, world.now));
  for (int i = 0; i < 200; ++i) record.NoteAudit(true, 1, world.now);
  EXPECT_TRUE(record.SeemsClean(1, world.now + std::chrono::minutes(4)));
  EXPECT_FALSE(record.SeemsClean(1, world.now + std::chrono::minutes(5)));
  EXPECT_FALSE(record.SeemsClean(1, world.now + std::chrono::hours(9)));
}

// It exists on the connection from then on, so that only sessions that have it, too, may use that.
TEST(LeaseTest, AConnectionWithACustomSettingGoesWithTheLastWhoHasIt) {
  World world;
  FakeClient& first = world.LoggedIn();
  FakeClient& second = world.LoggedIn();
  world.LoggedIn();
  for (FakeClient* tenant : {&first, &second}) world.Ask(*tenant, "SET app.tenant = '1'");
  const auto with_tenant = [&] {
    size_t count = 0;
    for (const auto& [id, server] : world.servers) {
      count += pool::HoldsCustom(world.hub->FindServer(id)->label);
    }
    return count;
  };
  const size_t connections = world.servers.size();
  EXPECT_GE(with_tenant(), 1u);
  first.Terminate();
  world.Run();
  EXPECT_EQ(world.servers.size(), connections);
  EXPECT_GE(with_tenant(), 1u);
  second.Terminate();
  world.Run();
  EXPECT_LT(world.servers.size(), connections);
  EXPECT_EQ(with_tenant(), 0u);
}

TEST(LeaseTest, WhoWaitsIsServedWhenAPinnedClientLeaves) {
  Config config = World::DefaultConfig();
  config.default_pool_size = 1;
  World world(config);
  FakeClient& pinned = world.LoggedIn();
  FakeClient& other = world.LoggedIn();
  EXPECT_EQ(world.Ask(pinned, "SELECT opaque(1)"), "T D:1 C:SELECT 1 Z:I");
  EXPECT_EQ(world.Ask(other, kRead), "");  // it waits
  world.Vanish(pinned);
  world.Run();
  EXPECT_EQ(other.Take(), "T D:0 C:SELECT 1 Z:I");
}

TEST(LeaseTest, AWaitingLoginIsServedWhenAPinnedClientLeaves) {
  Config config = World::DefaultConfig();
  config.max_server_connections = 1;
  World world(config);
  FakeClient& pinned = world.LoggedIn();
  world.Ask(pinned, "SELECT opaque(1)");
  FakeClient& other = world.LoggedIn("other");
  EXPECT_EQ(other.pid, 0u);
  world.Vanish(pinned);
  world.Run();
  EXPECT_NE(other.pid, 0u);
}

TEST(LeaseTest, ACopyGivesItsConnectionBack) {
  World world;
  FakeClient& client = world.LoggedIn();
  EXPECT_EQ(world.Ask(client, "COPY branches FROM STDIN"), "G");
  client.CopyData("1\t5\n").CopyDone();
  world.Run();
  EXPECT_EQ(client.Take(), "C:COPY 1 Z:I");
  EXPECT_EQ(world.ServerOf(client), 0u);
  EXPECT_EQ(world.Ask(client, "SHOW pgsidecar.cache"), "T D:on C:SHOW Z:I");
  EXPECT_EQ(world.Ask(client, kRead), "T D:5 C:SELECT 1 Z:I");
}

TEST(LeaseTest, AClientThatVanishesWithinATransactionLeavesItRolledBack) {
  World world;
  FakeClient& client = world.LoggedIn();
  world.Ask(client, "BEGIN");
  world.Ask(client, "UPDATE branches SET bbalance = 5 WHERE bid = 1");
  world.Vanish(client);
  world.Run();
  EXPECT_TRUE(world.database.locks.empty());
  EXPECT_EQ(world.Count(ServerState::kIdle), 1u);
  EXPECT_FALSE(world.AnythingPending());
}

TEST(LeaseTest, AClientThatVanishesAmidDdlDoesNotTurnTheCacheOff) {
  World world;
  FakeClient& client = world.LoggedIn();
  FakeClient& reader = world.LoggedIn();
  world.Ask(client, "BEGIN");
  world.Ask(client, "CREATE TABLE x (i int)");
  world.Vanish(client);
  world.Run();
  world.Advance(seconds(2));
  world.Run();
  EXPECT_TRUE(world.hub->databases()[0]->usable());
  world.Ask(reader, kRead);
  world.Ask(reader, kRead);
  EXPECT_EQ(world.hits(), 1u);
}

TEST(LeaseTest, ADatabaseThatAppearsDuringDdlIsUsableAfterwards) {
  World world;
  FakeClient& client = world.LoggedIn();
  world.Ask(client, "BEGIN");
  world.Ask(client, "CREATE TABLE x (i int)");
  world.LoggedIn("app", "second");
  world.Ask(client, "COMMIT");
  world.Advance(seconds(2));
  world.Run();
  ASSERT_EQ(world.hub->databases().size(), 2u);
  EXPECT_TRUE(world.hub->databases()[0]->usable());
  EXPECT_TRUE(world.hub->databases()[1]->usable());
  world.Ask(client, "BEGIN");
  world.Ask(client, "CREATE TABLE y (i int)");
  EXPECT_FALSE(world.hub->databases()[1]->usable());
}

TEST(LeaseTest, ACancelledWaitForAConnectionThatIsBeingProbedLeaksNone) {
  World world;
  FakeClient& client = world.LoggedIn();
  // The configuration is reloaded: an idle connection is asked anew before it is given away.
  world.database.conf_load_time = "2";
  world.Advance(seconds(2));
  world.Run();
  for (auto& [id, server] : world.servers) server.held = true;
  client.Query("UPDATE branches SET bbalance = 5 WHERE bid = 1");
  world.Run();
  EXPECT_EQ(world.Count(ServerState::kProbing), 1u);
  world.RequestCancel(client);
  client.Query("UPDATE branches SET bbalance = 6 WHERE bid = 1");
  world.Run();
  for (auto& [id, server] : world.servers) server.held = false;
  world.Run();
  EXPECT_EQ(client.Take(), "E:57014 Z:I C:UPDATE 1 Z:I");
  EXPECT_EQ(world.Count(ServerState::kLeased), 0u);
  EXPECT_FALSE(world.AnythingPending());
}

// The transaction has failed with the statement, be it that the server hears of it later.
TEST(LeaseTest, ACancelledWaitFailsTheTransaction) {
  Config config = World::DefaultConfig();
  config.default_pool_size = 1;
  World world(config);
  FakeClient& holder = world.LoggedIn();
  FakeClient& client = world.LoggedIn();
  world.Ask(holder, "BEGIN");
  world.Ask(holder, "UPDATE branches SET bbalance = 4 WHERE bid = 1");
  EXPECT_EQ(world.Ask(client, "BEGIN"), "C:BEGIN Z:T");
  client.Query("UPDATE branches SET bbalance = 5 WHERE bid = 2");
  world.Run();
  world.RequestCancel(client);
  EXPECT_EQ(client.Take(), "");
  world.Ask(holder, "COMMIT");
  EXPECT_EQ(client.Take(), "E:57014 Z:E");
  EXPECT_EQ(world.Ask(client, "UPDATE branches SET bbalance = 6 WHERE bid = 2"), "E:25P02 Z:E");
  EXPECT_EQ(world.Ask(client, "COMMIT"), "C:ROLLBACK Z:I");
  EXPECT_EQ(world.Count(ServerState::kLeased), 0u);
  EXPECT_FALSE(world.AnythingPending());
}

TEST(LeaseTest, AServerThatHasSaidFatalIsNotGivenToAnother) {
  World world;
  FakeClient& client = world.LoggedIn();
  client.Query(kRead);
  for (auto& [id, server] : world.servers) server.mute = true;
  world.Run();
  const ServerId id = world.ServerOf(client);
  ASSERT_NE(id, 0u);
  pgwire::EncodeError(world.At(id).backend->out, "FATAL", {"57P01", "terminating", "", ""});
  world.At(id).mute = false;
  world.Run();
  EXPECT_EQ(client.Take(), "T D:0 C:SELECT 1 Z:I E:57P01");
  EXPECT_EQ(world.Count(ServerState::kIdle), 0u);
  world.Kill(id);
  EXPECT_TRUE(client.closed);
}

TEST(LeaseTest, AMessageThatComesInHalvesMayBeginIdleAndEndLeased) {
  World world;
  FakeClient& client = world.LoggedIn();
  ASSERT_EQ(world.Count(ServerState::kIdle), 1u);
  ServerId id = 0;
  for (const auto& [server, connection] : world.hub->servers()) {
    if (connection->state() == ServerState::kIdle && connection->pool != nullptr) id = server;
  }
  std::string notice;
  pgwire::EncodeWarning(notice, {"01000", "hello", "", ""});
  world.hub->OnServerBytes(id, notice.substr(0, 7), world.now);
  client.Query(kRead);
  world.At(id).mute = true;
  world.Run();
  world.At(id).backend->out.insert(0, notice.substr(7));
  world.At(id).mute = false;
  world.Run();
  EXPECT_TRUE(client.Take().ends_with("T D:0 C:SELECT 1 Z:I"));
  EXPECT_FALSE(client.closed);
}

TEST(LeaseTest, ARowThatIsCutOffIsNotFilledUpWithAnError) {
  World world;
  FakeClient& client = world.LoggedIn();
  client.Query(kRead);
  for (auto& [id, server] : world.servers) server.mute = true;
  world.Run();
  const ServerId id = world.ServerOf(client);
  ASSERT_NE(id, 0u);
  // Its RowDescription and the beginning of the row.
  const std::string answer = world.At(id).backend->out;
  const size_t row = answer.find('D', pgwire::kHeaderBytes + answer.find("bbalance"));
  world.hub->OnServerBytes(id, answer.substr(0, row + 8), world.now);
  world.Kill(id);
  EXPECT_EQ(client.Take(), "T");
  EXPECT_EQ(client.unread, answer.substr(row, 8));
  EXPECT_TRUE(client.closed);
}

TEST(LeaseTest, AServerThatTalksNonsenseWhileItsClientIsGoneIsDropped) {
  World world;
  FakeClient& client = world.LoggedIn();
  client.Query(kRead);
  for (auto& [id, server] : world.servers) server.mute = true;
  world.Run();
  const ServerId id = world.ServerOf(client);
  world.Vanish(client);
  world.hub->OnServerBytes(id, std::string("Z\0\0\0\1", 5), world.now);
  world.Collect();
  EXPECT_EQ(world.hub->FindServer(id), nullptr);
  EXPECT_TRUE(world.hub->sessions().empty());
}

TEST(LeaseTest, TheEndLeavesNoSessionBehind) {
  World world;
  FakeClient& idle = world.LoggedIn();
  FakeClient& busy = world.LoggedIn();
  FakeClient& gone = world.LoggedIn();
  for (auto& [id, server] : world.servers) server.mute = true;
  busy.Query(kRead);
  gone.Query("UPDATE branches SET bbalance = 5 WHERE bid = 1");
  world.Run();
  world.Vanish(gone);
  world.hub->EndAll(world.now);
  world.Collect();
  EXPECT_TRUE(world.hub->sessions().empty());
  EXPECT_EQ(idle.Take(), "E:57P01");
  EXPECT_EQ(busy.Take(), "E:57P01");
}

TEST(LeaseTest, OnlyQueriesReachTheConsole) {
  World world;
  FakeClient& call = world.Console();
  const size_t begin = pgwire::BeginMessage(call.to_proxy, 'F');
  call.to_proxy.append(10, '\0');
  pgwire::EndMessage(call.to_proxy, begin);
  world.Run();
  EXPECT_TRUE(call.closed);
  FakeClient& large = world.Console();
  large.Query("SHOW " + std::string(400'000, 'x'));
  const std::string rest = large.to_proxy.substr(100'000);
  large.to_proxy.resize(100'000);
  world.Run();
  large.to_proxy = rest;
  world.Run();
  EXPECT_TRUE(large.closed);
}

}  // namespace
}  // namespace pgsidecar::proxy
