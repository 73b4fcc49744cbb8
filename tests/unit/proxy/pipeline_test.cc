// Requests behind one another: Flush in place of Sync, errors in the middle, names of statements
// across connections, messages larger than is held.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/proxy/world.h"

namespace pgsidecar::proxy {
namespace {

using pool::ServerState;

constexpr char kRead[] = "SELECT bbalance FROM branches WHERE bid = 1";
constexpr char kReadSecond[] = "SELECT bbalance FROM branches WHERE bid = 2";
constexpr char kReadThird[] = "SELECT bbalance FROM branches WHERE bid = 3";
constexpr char kUpdate[] = "UPDATE branches SET bbalance = $1 WHERE bid = $2";
constexpr char kUpdateFirst[] = "UPDATE branches SET bbalance = $1 WHERE bid = 1";
constexpr char kUpdateSecond[] = "UPDATE branches SET bbalance = $1 WHERE bid = 2";
constexpr char kOurs[] = "SHOW pgsidecar.cache";

class PipelineTest : public testing::Test {
 protected:
  static Config OneConnection() {
    Config config = World::DefaultConfig();
    config.default_pool_size = 1;
    return config;
  }
  // After everything: the connection is back, and nothing is pending.
  void ExpectClean() {
    EXPECT_EQ(world_.Count(ServerState::kLeased), 0u);
    EXPECT_FALSE(world_.AnythingPending());
  }
  std::string Get(FakeClient& client) {
    world_.Run();
    return client.Take();
  }
  World world_{OneConnection()};
  FakeClient& client_ = world_.LoggedIn();
};

TEST_F(PipelineTest, AQueryBeforeTerminateIsRun) {
  FakeClient& other = world_.LoggedIn();
  const auto hold = [this](bool held) {
    for (auto& [id, server] : world_.servers) server.held = held;
  };
  hold(true);
  client_.Query("UPDATE branches SET bbalance = 17 WHERE bid = 1").Terminate();
  world_.Run();
  world_.Vanish(client_);
  hold(false);
  EXPECT_EQ(world_.Ask(other, "SELECT bbalance FROM branches WHERE bid = 1"),
            "T D:17 C:SELECT 1 Z:I");
  EXPECT_TRUE(world_.cancels.empty());
  EXPECT_EQ(world_.hub->statistics().cancels, 0u);
  ExpectClean();
}

TEST_F(PipelineTest, HitsAndMissesKeepTheirPlaces) {
  for (int i = 0; i < 2; ++i) {
    client_.Parse("", kRead)
        .Run("")
        .Parse("", kUpdate)
        .Run("", {"7", "2"})
        .Parse("", kRead)
        .Run("");
    EXPECT_EQ(Get(client_), "1 2 D:0 C:SELECT 1 Z:I 1 2 C:UPDATE 1 Z:I 1 2 D:0 C:SELECT 1 Z:I");
  }
  ExpectClean();
}

// Whether what they read is kept does not depend on who waits for what.
TEST_F(PipelineTest, WhatIsReadBehindReadsIsKept) {
  const auto ask = [this] {
    client_.Query(kRead).Parse("", kReadThird).Run("").Query(kReadSecond);
    EXPECT_EQ(Get(client_), "T D:0 C:SELECT 1 Z:I 1 2 D:0 C:SELECT 1 Z:I T D:0 C:SELECT 1 Z:I");
  };
  ask();
  EXPECT_EQ(world_.hub->statistics().fills_stored, 3u);
  EXPECT_EQ(world_.hub->statistics().misses, 3u);
  ask();
  EXPECT_EQ(world_.hub->statistics().hits, 3u);
  EXPECT_EQ(world_.hub->statistics().bypasses, 0u);
  ExpectClean();
}

// Each that is kept takes memory before it is answered.
TEST_F(PipelineTest, OnlySoManyAreKeptBehindOneAnother) {
  for (int i = 0; i < 100; ++i) client_.Query(kRead);
  Get(client_);
  EXPECT_EQ(world_.hub->statistics().fills_stored, 64u);
  EXPECT_EQ(world_.hub->statistics().bypasses_by_reason.at("in_pipeline"), 36u);
  ExpectClean();
}

TEST_F(PipelineTest, WhatIsReadBehindAWriteOrASettingIsNotKept) {
  const std::vector<std::array<std::string, 3>> behind = {
      {"UPDATE branches SET bbalance = 5 WHERE bid = 2", "C:UPDATE 1", "D:5"},
      {"SET app.tenant = '1'", "C:SET", "D:0"}};
  for (const auto& [sql, answer, row] : behind) {
    World world(OneConnection());
    FakeClient& client = world.LoggedIn();
    client.Query(kRead).Query(sql).Query(kReadSecond);
    world.Run();
    EXPECT_EQ(client.Take(),
              "T D:0 C:SELECT 1 Z:I " + answer + " Z:I T " + row + " C:SELECT 1 Z:I");
    EXPECT_EQ(world.hub->statistics().fills_stored, 1u);
    EXPECT_EQ(world.hub->statistics().bypasses_by_reason.at("in_pipeline"), 1u);
  }
}

TEST_F(PipelineTest, OneOfSeveralReadsIsCancelled) {
  for (auto& [id, server] : world_.servers) server.held = true;
  client_.Query(kRead).Query(kReadSecond).Query(kReadThird);
  world_.Run();
  for (auto& [id, server] : world_.servers) {
    server.backend->Receive(std::exchange(server.to_backend, {}));
  }
  world_.RequestCancel(client_);
  world_.Run();
  for (auto& [id, server] : world_.servers) server.held = false;
  EXPECT_EQ(Get(client_), "E:57014 Z:I T D:0 C:SELECT 1 Z:I T D:0 C:SELECT 1 Z:I");
  EXPECT_EQ(world_.hub->statistics().fills_abandoned, 1u);
  EXPECT_EQ(world_.hub->statistics().fills_stored, 2u);
  EXPECT_EQ(world_.Ask(client_, kReadSecond), "T D:0 C:SELECT 1 Z:I");
  EXPECT_EQ(world_.hub->statistics().hits, 1u);
}

// Another writes before the server has answered, and is seen by the second or not.
TEST_F(PipelineTest, WhatIsReadBehindReadsIsNotKeptIfAnotherWrites) {
  FakeClient& other = world_.LoggedIn();
  client_.Query(kRead).Query(kReadSecond);
  for (auto& [id, server] : world_.servers) server.held = true;
  world_.Run();
  other.Query("UPDATE branches SET bbalance = 5 WHERE bid = 2");
  world_.Run();
  for (auto& [id, server] : world_.servers) server.held = false;
  EXPECT_EQ(Get(client_), "T D:0 C:SELECT 1 Z:I T D:0 C:SELECT 1 Z:I");
  EXPECT_EQ(Get(other), "C:UPDATE 1 Z:I");
  EXPECT_EQ(world_.Ask(other, kReadSecond), "T D:5 C:SELECT 1 Z:I");
  EXPECT_EQ(world_.Ask(client_, kReadSecond), "T D:5 C:SELECT 1 Z:I");
  ExpectClean();
}

TEST_F(PipelineTest, WhatIsKnownIsAskedAnewBehindAMiss) {
  world_.Ask(client_, kRead);
  client_.Query(kReadSecond).Query(kRead).Query(kReadThird);
  EXPECT_EQ(Get(client_), "T D:0 C:SELECT 1 Z:I T D:0 C:SELECT 1 Z:I T D:0 C:SELECT 1 Z:I");
  EXPECT_EQ(world_.hub->statistics().hits, 0u);
  EXPECT_EQ(world_.hub->statistics().fills_stored, 4u);
  ExpectClean();
}

TEST_F(PipelineTest, WithinATransactionNothingIsKeptBehindWhatIsUnanswered) {
  world_.Ask(client_, "BEGIN");
  world_.Ask(client_, kRead);
  client_.Query(kReadSecond).Query(kReadThird).Query("COMMIT");
  EXPECT_EQ(Get(client_), "T D:0 C:SELECT 1 Z:T T D:0 C:SELECT 1 Z:T C:COMMIT Z:I");
  EXPECT_EQ(world_.hub->statistics().fills_stored, 2u);
  EXPECT_EQ(world_.hub->statistics().bypasses_by_reason.at("in_pipeline"), 1u);
  ExpectClean();
}

TEST_F(PipelineTest, OursBehindAFlushIsAnError) {
  EXPECT_EQ(Get(client_.Parse("", kRead).Flush()), "1");
  EXPECT_EQ(Get(client_.Query(kOurs)), "E:0A000 Z:I");
  EXPECT_EQ(Get(client_.Parse("", kRead).Flush()), "1");
  EXPECT_EQ(Get(client_.Parse("", kOurs).Run("")), "E:0A000 Z:I");
  EXPECT_EQ(Get(client_.Query(kOurs)), "T D:on C:SHOW Z:I");
  ExpectClean();
}

TEST_F(PipelineTest, OursAfterAnErrorIsIgnoredUpToTheSync) {
  EXPECT_EQ(Get(client_.Parse("", "nonsense").Flush()), "E:42601");
  EXPECT_EQ(Get(client_.Query(kOurs)), "");
  EXPECT_EQ(Get(client_.Parse("", kOurs).Run("")), "Z:I");
  EXPECT_EQ(Get(client_.Query(kOurs)), "T D:on C:SHOW Z:I");
  ExpectClean();
}

TEST_F(PipelineTest, ANameMayBeParsedAgainBehindAFlush) {
  EXPECT_EQ(Get(client_.Parse("s", kRead).Flush()), "1");
  EXPECT_EQ(Get(client_.CloseStatement("s").Parse("s", kRead).Sync()), "3 1 Z:I");
  EXPECT_EQ(Get(client_.Parse("t", kRead).Flush()), "1");
  EXPECT_EQ(Get(client_.Parse("t", kRead).Sync()), "E:42P05 Z:I");
  ExpectClean();
}

TEST_F(PipelineTest, AQueryMayFollowAParseWithoutSync) {
  EXPECT_EQ(Get(client_.Parse("s", kRead).Query(kRead)), "1 T D:0 C:SELECT 1 Z:I");
  ExpectClean();
}

TEST_F(PipelineTest, AQueryBehindAnErrorIsIgnoredUpToTheSync) {
  EXPECT_EQ(Get(client_.Parse("", "nonsense").Query(kRead).Sync()), "E:42601 Z:I");
  EXPECT_EQ(Get(client_.Query(kRead)), "T D:0 C:SELECT 1 Z:I");
  EXPECT_EQ(Get(client_.Parse("", "nonsense").Query(kRead)), "E:42601");
  EXPECT_EQ(Get(client_.Sync()), "Z:I");
  ExpectClean();
}

TEST_F(PipelineTest, AnErrorBeforeAParseLeavesTheStatementToOthers) {
  FakeClient& other = world_.LoggedIn();
  EXPECT_EQ(Get(client_.Parse("mine", kUpdate).Sync()), "1 Z:I");
  EXPECT_EQ(Get(other.Parse("", "nonsense").Parse("yours", kUpdate).Sync()), "E:42601 Z:I");
  EXPECT_EQ(Get(client_.Run("mine", {"5", "1"})), "2 C:UPDATE 1 Z:I");
  EXPECT_EQ(world_.database.balances[1], 5);
}

TEST_F(PipelineTest, AParseThatTheServerIgnoresPreparesNothing) {
  FakeClient& other = world_.LoggedIn();
  EXPECT_EQ(Get(other.Parse("", "nonsense").Flush()), "E:42601");
  EXPECT_EQ(Get(other.Parse("yours", kUpdate).Sync()), "Z:I");
  EXPECT_EQ(Get(other.Run("yours", {"5", "1"})), "E:26000 Z:I");
  // Prepared on a connection that has gone since.
  EXPECT_EQ(Get(client_.Parse("mine", kUpdateFirst).Sync()), "1 Z:I");
  for (auto& [id, server] : world_.servers) {
    if (world_.hub->FindServer(id)->pool != nullptr) {
      world_.Kill(id);
      break;
    }
  }
  EXPECT_EQ(Get(other.Parse("", "nonsense").Flush()), "E:42601");
  EXPECT_EQ(Get(other.Parse("yours", kUpdateFirst).Sync()), "Z:I");
  EXPECT_EQ(Get(client_.Run("mine", {"6"})), "2 C:UPDATE 1 Z:I");
}

TEST_F(PipelineTest, AnotherClientsUnnamedStatementIsNeverRun) {
  FakeClient& other = world_.LoggedIn();
  EXPECT_EQ(Get(client_.Parse("", kUpdateFirst).Sync()), "1 Z:I");
  EXPECT_EQ(Get(other.Parse("", kUpdateSecond).Sync()), "1 Z:I");
  EXPECT_EQ(Get(client_.Parse("s", "nonsense").Flush()), "E:42601");
  EXPECT_EQ(Get(client_.Parse("", kUpdateFirst).Sync()), "Z:I");
  EXPECT_EQ(Get(client_.Run("", {"7"})), "2 C:UPDATE 1 Z:I");
  EXPECT_EQ(world_.database.balances[1], 7);
  EXPECT_EQ(world_.database.balances[2], 0);
}

TEST_F(PipelineTest, AQueryWhoseStatementsCannotBePreparedAnyMoreIsAnswered) {
  EXPECT_EQ(Get(client_.Parse("s", "SELECT x FROM gone").Sync()), "1 Z:I");
  world_.database.gone_exists = false;
  EXPECT_EQ(Get(client_.Query("DEALLOCATE t")), "E:42P01 Z:I");
  EXPECT_EQ(Get(client_.Query(kRead)), "T D:0 C:SELECT 1 Z:I");
}

TEST_F(PipelineTest, DiscardAllNeedsNothingThatItDrops) {
  EXPECT_EQ(Get(client_.Parse("s", "SELECT x FROM gone").Sync()), "1 Z:I");
  world_.database.gone_exists = false;
  EXPECT_EQ(Get(client_.Query("DISCARD ALL")), "C:DISCARD ALL Z:I");
}

TEST_F(PipelineTest, AClientThatVanishesWhileItsNamesAreAdoptedTakesTheConnectionWithIt) {
  FakeClient& other = world_.LoggedIn();
  EXPECT_EQ(Get(client_.Parse("s", kUpdate).Sync()), "1 Z:I");
  for (auto& [id, server] : world_.servers) server.mute = true;
  client_.Query("DEALLOCATE t");
  world_.Run();
  world_.Vanish(client_);
  for (auto& [id, server] : world_.servers) server.mute = false;
  world_.Run();
  EXPECT_EQ(Get(other.Run("s", {"1", "1"})), "E:26000 Z:I");
  EXPECT_EQ(world_.database.balances[1], 0);
}

// What it takes to run a statement elsewhere goes in the write of the request.
TEST_F(PipelineTest, WhatIsPreparedAgainIsNotWaitedFor) {
  for (const char* sql : {kRead, kUpdateFirst}) {
    World world{World::DefaultConfig()};
    FakeClient& client = world.LoggedIn();
    world.LoggedIn();  // so that there is a connection where it has prepared nothing
    client.Parse("s", sql).Sync().Query("BEGIN").Query(
        "UPDATE branches SET bbalance = 1 WHERE bid = 2");
    world.Run();
    const ServerId home = world.ServerOf(client);
    client.Query("COMMIT");
    world.Run();
    world.Kill(home);
    world.Run();
    client.Take();
    for (auto& [id, server] : world.servers) server.held = true;
    client.Run("s", {"4"});
    world.Run();
    ASSERT_NE(world.ServerOf(client), 0u);
    const std::string sent = world.At(world.ServerOf(client)).to_backend;
    EXPECT_THAT(sent, testing::HasSubstr(sql));
    EXPECT_TRUE(sent.ends_with(std::string_view("S\0\0\0\4", 5))) << sql;
    EXPECT_EQ(world.hub->statistics().replays, 1u);
    for (auto& [id, server] : world.servers) server.held = false;
    world.Run();
    EXPECT_THAT(client.Take(), testing::StartsWith("2 ")) << sql;
  }
}

TEST_F(PipelineTest, TheRestOfALargeMessageThatWasRefusedIsDropped) {
  EXPECT_EQ(Get(client_.Query("BEGIN")), "C:BEGIN Z:T");
  client_.Bind("", {std::string(400'000, 'Q')}).Sync();
  const std::string rest = client_.to_proxy.substr(100'000);
  client_.to_proxy.resize(100'000);
  world_.Run();
  client_.to_proxy = rest;
  EXPECT_EQ(Get(client_), "E:26000 Z:E");
  EXPECT_EQ(Get(client_.Query("ROLLBACK")), "C:ROLLBACK Z:I");
  ExpectClean();
}

TEST_F(PipelineTest, ALargeMessagePassesInPieces) {
  client_.Parse("s", kUpdate).Sync();
  Get(client_);
  client_.Bind("s", {"00000" + std::string(400'000, '0') + "9", "1"}).Execute().Sync();
  std::string all = client_.to_proxy;
  client_.to_proxy.clear();
  while (!all.empty()) {
    client_.to_proxy = all.substr(0, 50'000);
    all.erase(0, client_.to_proxy.size());
    world_.Run();
  }
  EXPECT_EQ(client_.Take(), "2 C:UPDATE 1 Z:I");
  EXPECT_EQ(world_.database.balances[1], 9);
  ExpectClean();
}

TEST_F(PipelineTest, SyncsAmidACopyAreIgnored) {
  client_.Parse("", "COPY branches FROM STDIN").Bind("").Execute().Sync();
  client_.CopyData("1\t5\n").CopyDone().Sync();
  EXPECT_EQ(Get(client_), "1 2 G C:COPY 1 Z:I");
  ExpectClean();
  client_.Parse("", "COPY branches FROM STDIN").Bind("").Execute().Sync();
  EXPECT_EQ(Get(client_), "1 2 G");
  EXPECT_EQ(Get(client_.CopyData("1\t6\n").CopyDone().Sync()), "C:COPY 1 Z:I");
  ExpectClean();
  EXPECT_EQ(world_.database.balances[1], 6);
}

TEST_F(PipelineTest, AnErrorTooLongToBeHeldIsAnErrorAllTheSame) {
  for (auto& [id, server] : world_.servers) server.mute = true;
  client_.Parse("", kUpdate).Run("", {"1", "1"});
  world_.Run();
  const ServerId id = world_.ServerOf(client_);
  world_.At(id).backend->out.clear();
  std::string out;
  pgwire::EncodeError(out, "ERROR", {"P0001", std::string(3 << 20, 'x'), "", ""});
  pgwire::ReadyForQuery{}.Encode(out);
  for (size_t at = 0; at < out.size(); at += 60'000) {
    world_.hub->OnServerBytes(id, std::string_view(out).substr(at, 60'000), world_.now);
    world_.Collect();
  }
  for (auto& [server_id, server] : world_.servers) server.mute = false;
  EXPECT_EQ(Get(client_), "E:P0001 Z:I");
  EXPECT_EQ(Get(client_.Query(kRead)), "T D:1 C:SELECT 1 Z:I");
  ExpectClean();
}

TEST_F(PipelineTest, AFailedTransactionEndsByAPreparedRollback) {
  EXPECT_EQ(Get(client_.Parse("r", "ROLLBACK").Parse("s", kRead).Sync()), "1 1 Z:I");
  world_.Ask(client_, "BEGIN");
  EXPECT_EQ(world_.Ask(client_, "nonsense"), "E:42601 Z:E");
  EXPECT_EQ(Get(client_.Run("s")), "E:25P02 Z:E");
  EXPECT_EQ(Get(client_.Run("r")), "2 C:ROLLBACK Z:I");
}

}  // namespace
}  // namespace pgsidecar::proxy
