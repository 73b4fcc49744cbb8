// The freshness protocol at its worst moments: what is read is never older than what anybody has
// been told.

#include <gtest/gtest.h>

#include "tests/unit/proxy/world.h"

namespace pgsidecar::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr char kRead[] = "SELECT bbalance FROM branches WHERE bid = 1";
constexpr char kWrite[] = "UPDATE branches SET bbalance = 5 WHERE bid = 1";

std::string Row(int balance) { return "T D:" + std::to_string(balance) + " C:SELECT 1 Z:I"; }

class FreshnessTest : public testing::Test {
 protected:
  std::string Get(FakeClient& client) {
    world_.Run();
    return client.Take();
  }
  // The client's server connection handles what comes, but its answers are held up.
  World::Server& Mute(FakeClient& client) {
    World::Server& server = world_.At(world_.ServerOf(client));
    server.mute = true;
    return server;
  }
  // Sends `sql` and keeps the answer on its way; the server has handled it.
  ServerId AnswerHeldUp(FakeClient& client, std::string_view sql) {
    std::vector<ServerId> muted;
    for (auto& [id, server] : world_.servers) {
      if (server.mute || world_.hub->FindServer(id)->pool == nullptr) continue;
      server.mute = true;
      muted.push_back(id);
    }
    client.Query(sql);
    world_.Run();
    const ServerId own = world_.ServerOf(client);
    for (const ServerId id : muted) world_.At(id).mute = id == own;
    return own;
  }
  World world_;
  FakeClient& reader_ = world_.LoggedIn();
  FakeClient& writer_ = world_.LoggedIn();
  FakeClient& third_ = world_.LoggedIn();
};

TEST_F(FreshnessTest, RowsThatAWriteHasOvertakenAreNotStored) {
  const ServerId slow = AnswerHeldUp(reader_, kRead);
  ASSERT_NE(slow, 0u);
  EXPECT_EQ(world_.Ask(writer_, kWrite), "C:UPDATE 1 Z:I");
  world_.At(slow).mute = false;
  EXPECT_EQ(Get(reader_), Row(0));  // it began before the write was acknowledged
  EXPECT_EQ(world_.Ask(third_, kRead), Row(5));
  EXPECT_EQ(world_.Ask(reader_, kRead), Row(5));
}

TEST_F(FreshnessTest, NobodySeesOldAfterNewWhileACommitIsUnderWay) {
  world_.Ask(reader_, kRead);
  EXPECT_EQ(world_.Ask(third_, kRead), Row(0));
  EXPECT_EQ(world_.hits(), 1u);
  EXPECT_EQ(world_.Ask(writer_, "BEGIN"), "C:BEGIN Z:T");
  EXPECT_EQ(world_.Ask(writer_, kWrite), "C:UPDATE 1 Z:T");
  EXPECT_EQ(world_.Ask(third_, kRead), Row(0));
  EXPECT_EQ(world_.hits(), 2u);  // uncommitted: the old row is the right one
  Mute(writer_);
  writer_.Query("COMMIT");
  EXPECT_EQ(Get(writer_), "");
  EXPECT_EQ(world_.Ask(reader_, kRead), Row(5));
  EXPECT_EQ(world_.Ask(third_, kRead), Row(5));
  world_.At(world_.ServerOf(writer_)).mute = false;
  EXPECT_EQ(Get(writer_), "C:COMMIT Z:I");
  EXPECT_EQ(world_.Ask(third_, kRead), Row(5));
  EXPECT_FALSE(world_.AnythingPending());
}

TEST_F(FreshnessTest, OwnWritesAreSeenAndUnseen) {
  world_.Ask(reader_, kRead);
  world_.Ask(writer_, "BEGIN");
  EXPECT_EQ(world_.Ask(writer_, kRead), "T D:0 C:SELECT 1 Z:T");
  world_.Ask(writer_, kWrite);
  EXPECT_EQ(world_.Ask(writer_, kRead), "T D:5 C:SELECT 1 Z:T");
  EXPECT_EQ(world_.Ask(reader_, kRead), Row(0));
  EXPECT_EQ(world_.Ask(writer_, "ROLLBACK"), "C:ROLLBACK Z:I");
  EXPECT_EQ(world_.Ask(writer_, kRead), Row(0));
  EXPECT_FALSE(world_.AnythingPending());
}

TEST_F(FreshnessTest, AFailedTransactionIsToldSoByTheServer) {
  world_.Ask(reader_, kRead);
  world_.Ask(writer_, "BEGIN");
  world_.Ask(writer_, "nonsense");
  EXPECT_EQ(world_.Ask(writer_, kRead), "E:25P02 Z:E");
  EXPECT_EQ(world_.Ask(writer_, "COMMIT"), "C:ROLLBACK Z:I");
}

TEST_F(FreshnessTest, AWriteWhoseConnectionIsLostStaysPendingUntilItsBackendIsGone) {
  world_.Ask(reader_, kRead);
  world_.Ask(writer_, "BEGIN");
  world_.Ask(writer_, kWrite);
  const ServerId id = world_.ServerOf(writer_);
  // COMMIT has reached the server, which has not looked at it yet.
  world_.At(id).held = true;
  writer_.Query("COMMIT");
  world_.Run();
  world_.LoseConnection(id);
  world_.orphans.back().held = true;
  EXPECT_EQ(Get(writer_), "E:08006");
  for (int i = 0; i < 3; ++i) {
    world_.Advance(seconds(2));
    world_.Run();
    EXPECT_TRUE(world_.AnythingPending());
    const size_t hits = world_.hits();
    EXPECT_EQ(world_.Ask(reader_, kRead), Row(0));
    EXPECT_EQ(world_.hits(), hits);
  }
  world_.orphans.back().held = false;  // it commits now, and ends
  EXPECT_EQ(world_.Ask(reader_, kRead), Row(5));
  world_.Advance(seconds(2));
  world_.Run();
  EXPECT_FALSE(world_.AnythingPending());
  // It may have been DDL, which the poll that found its backend gone may not have seen.
  EXPECT_FALSE(world_.hub->databases()[0]->usable());
  world_.Advance(milliseconds(100));
  world_.Run();
  EXPECT_EQ(world_.Ask(reader_, kRead), Row(5));
  const size_t hits = world_.hits();
  EXPECT_EQ(world_.Ask(third_, kRead), Row(5));
  EXPECT_EQ(world_.hits(), hits + 1);
}

// A poll that was under way when the connection was lost has not been asked for its backend.
TEST_F(FreshnessTest, APollThatWasSentBeforeALossSaysNothingOfTheLostBackend) {
  world_.Ask(reader_, kRead);
  world_.Ask(writer_, "BEGIN");
  world_.Ask(writer_, kWrite);
  World::Server* watch = nullptr;
  for (auto& [id, server] : world_.servers) {
    if (world_.hub->FindServer(id)->pool == nullptr) watch = &server;
  }
  ASSERT_NE(watch, nullptr);
  watch->mute = true;
  world_.Advance(seconds(2));
  world_.Run();
  const ServerId id = world_.ServerOf(writer_);
  world_.At(id).held = true;
  writer_.Query("COMMIT");
  world_.Run();
  world_.LoseConnection(id);
  world_.orphans.back().held = true;
  watch->mute = false;
  world_.Run();
  EXPECT_TRUE(world_.AnythingPending());
  EXPECT_EQ(world_.Ask(reader_, kRead), Row(0));
  world_.orphans.back().held = false;
  world_.Run();
  EXPECT_EQ(world_.Ask(reader_, kRead), Row(5));
}

// A poll that was under way when DDL ended may not have seen it.
TEST_F(FreshnessTest, APollThatWasSentBeforeDdlSaysNothingOfIt) {
  ServerId watch = 0;
  for (const auto& [id, server] : world_.servers) {
    if (world_.hub->FindServer(id)->pool == nullptr) watch = id;
  }
  ASSERT_NE(watch, 0u);
  const uint64_t loads = world_.database.loads;
  world_.At(watch).mute = true;
  world_.Advance(seconds(2));
  world_.Run();
  EXPECT_EQ(world_.Ask(writer_, "CREATE TABLE t (a int)"), "C:CREATE TABLE Z:I");
  world_.At(watch).mute = false;
  world_.Run();
  EXPECT_TRUE(!world_.hub->databases()[0]->usable() || world_.database.loads > loads);
  world_.Advance(milliseconds(100));
  world_.Run();
  EXPECT_TRUE(world_.hub->databases()[0]->usable());
  EXPECT_EQ(world_.database.loads, loads + 1);
}

TEST_F(FreshnessTest, FollowersGetTheLeadersRows) {
  const ServerId slow = AnswerHeldUp(reader_, kRead);
  third_.Query(kRead);
  EXPECT_EQ(Get(third_), "");
  EXPECT_EQ(world_.hub->statistics().flights_followed, 1u);
  world_.At(slow).mute = false;
  EXPECT_EQ(Get(reader_), Row(0));
  EXPECT_EQ(third_.Take(), Row(0));
  EXPECT_EQ(world_.hits(), 1u);
}

TEST_F(FreshnessTest, AFollowerOutlivesItsLeadersEnd) {
  for (const bool cancelled : {false, true}) {
    FakeClient& leader = world_.LoggedIn();
    FakeClient& follower = world_.LoggedIn();
    const std::string sql =
        "SELECT bbalance FROM branches WHERE bid = " + std::to_string(cancelled ? 2 : 3);
    for (auto& [id, server] : world_.servers) {
      server.held = world_.hub->FindServer(id)->pool != nullptr;
    }
    leader.Query(sql);
    world_.Run();
    follower.Query(sql);
    world_.Run();
    for (auto& [id, server] : world_.servers) {
      if (server.held) server.backend->Receive(std::exchange(server.to_backend, {}));
    }
    cancelled ? world_.RequestCancel(leader) : world_.Vanish(leader);
    world_.Run();
    EXPECT_EQ(Get(follower), "");
    for (auto& [id, server] : world_.servers) server.held = false;
    EXPECT_EQ(Get(follower), Row(0)) << cancelled;
    EXPECT_EQ(leader.Take(), cancelled ? "E:57014 Z:I" : "");
  }
  EXPECT_EQ(world_.hub->flights().in_flight(), 0u);
}

TEST_F(FreshnessTest, AFollowerDoesNotWaitLongForASlowLeader) {
  AnswerHeldUp(reader_, kRead);
  third_.Query(kRead);
  EXPECT_EQ(Get(third_), "");
  world_.Advance(milliseconds(1100));
  EXPECT_EQ(Get(third_), Row(0));
}

TEST_F(FreshnessTest, AFollowerOutlivesItsLeadersServer) {
  const ServerId slow = AnswerHeldUp(reader_, kRead);
  third_.Query(kRead);
  world_.Run();
  world_.Kill(slow);
  EXPECT_EQ(Get(reader_), "E:08006");
  EXPECT_EQ(third_.Take(), Row(0));
}

TEST_F(FreshnessTest, AWriteBetweenLeaderAndFollowerIsSeenByTheFollower) {
  const ServerId slow = AnswerHeldUp(reader_, kRead);
  EXPECT_EQ(world_.Ask(writer_, kWrite), "C:UPDATE 1 Z:I");
  EXPECT_EQ(world_.Ask(third_, kRead), Row(5));
  world_.At(slow).mute = false;
  EXPECT_EQ(Get(reader_), Row(0));
}

// Whoever waited for a fill while the server turned out to be another looks at its new counters.
TEST_F(FreshnessTest, AFillDependsOnTheCountersOfTheCatalogThatItIsSentUnder) {
  world_.Advance(milliseconds(900));
  world_.Run();
  const ServerId slow = AnswerHeldUp(reader_, kRead);
  third_.Query(kRead);
  EXPECT_EQ(Get(third_), "");
  const uint64_t loads = world_.database.loads;
  world_.database.timeline = "2";
  world_.Advance(milliseconds(500));
  world_.Run();
  ASSERT_EQ(world_.database.loads, loads + 1);
  ASSERT_TRUE(world_.hub->databases()[0]->usable());
  ASSERT_EQ(third_.Take(), "");
  world_.Kill(slow);
  world_.Run();
  EXPECT_EQ(third_.Take(), Row(0));
  EXPECT_EQ(world_.Ask(writer_, kWrite), "C:UPDATE 1 Z:I");
  EXPECT_EQ(world_.Ask(third_, kRead), Row(5));
}

}  // namespace
}  // namespace pgsidecar::proxy
