// The races that a cache in front of a database can lose, each in every order of its events up to a
// small bound. What was exhausted and what was bounded stands in the output.
//
// Each scenario runs with simple and with extended queries. PGSIDECAR_PREEMPTIONS=n replaces the
// bounds on preemptions, -1 lifts them; PGSIDECAR_ORDERS=n gives up after n orders of each.

#include <gtest/gtest.h>

#include <climits>
#include <cstdlib>

#include "tests/unit/proxy/explorer.h"

namespace pgsidecar::proxy {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

int FromEnvironment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::stoi(text);
}

// --- what is asked ---

Call Read(int id = 1) { return {.id = id}; }
// Each write of a scenario has a serial number of its own.
Call Write(int serial, int id = 1) {
  return {.kind = Call::Kind::kWrite, .id = id, .value = serial * 10 + id};
}
Call Say(std::string sql) { return {.kind = Call::Kind::kOther, .sql = std::move(sql)}; }
// To be answered together with what comes behind it.
Call And(Call call) {
  call.syncs = false;
  call.form = Call::Form::kUnnamed;
  return call;
}
Call Fails(Call call, std::string sqlstate) {
  call.fails_with = std::move(sqlstate);
  return call;
}

// Each call is sent when the one before has been answered.
std::vector<Turn> InTurn(std::vector<Call> calls) {
  std::vector<Turn> turns;
  for (Call& call : calls) turns.push_back({std::move(call)});
  return turns;
}

// --- what goes wrong ---

bool HoldsServer(Play& play, size_t client) {
  return !play.players[client].client->gone &&
         play.world.ServerOf(*play.players[client].client) != 0;
}

Fault LosesConnection(size_t client) {
  return {"the connection of client " + std::to_string(client) + " is lost",
          [client](Play& play) { return HoldsServer(play, client); },
          [client](Play& play) {
            play.world.LoseConnection(play.world.ServerOf(*play.players[client].client));
          }};
}

Fault BackendDies(size_t client) {
  return {
      "the backend of client " + std::to_string(client) + " dies",
      [client](Play& play) { return HoldsServer(play, client); },
      [client](Play& play) { play.world.Kill(play.world.ServerOf(*play.players[client].client)); }};
}

Fault Vanishes(size_t client) {
  return {"client " + std::to_string(client) + " vanishes",
          [client](Play& play) { return !play.players[client].unanswered.empty(); },
          [client](Play& play) { play.world.Vanish(*play.players[client].client); }};
}

Fault Cancels(size_t client) {
  return {"client " + std::to_string(client) + " cancels",
          [client](Play& play) { return !play.players[client].unanswered.empty(); },
          [client](Play& play) {
            play.players[client].cancelled = true;
            play.world.RequestCancel(*play.players[client].client);
          }};
}

Fault Passes(Duration time) {
  return {"time passes", [](Play&) { return true; },
          [time](Play& play) { play.world.Advance(time); }};
}

class InterleavingTest : public testing::Test {
 protected:
  // Returns what happened in all orders of both.
  Exploration ExploreAll(Scenario scenario, const std::vector<Call::Form>& forms = {
                                                Call::Form::kSimple, Call::Form::kUnnamed}) {
    Exploration all;
    for (const Call::Form form : forms) {
      for (auto& turns : scenario.clients) {
        for (Turn& turn : turns) {
          for (Call& call : turn) {
            if (!call.is_control() && call.syncs) call.form = form;
          }
        }
      }
      if (scenario.preemptions != kEveryOrder) {
        scenario.preemptions = FromEnvironment("PGSIDECAR_PREEMPTIONS", scenario.preemptions);
      }
      const std::string name =
          std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) +
          (form == Call::Form::kSimple ? "/simple" : "/extended");
      const Exploration result = Explore(
          name, scenario, static_cast<size_t>(FromEnvironment("PGSIDECAR_ORDERS", INT_MAX)));
      EXPECT_GT(result.orders, 1u);
      all.hits += result.hits;
      all.replays += result.replays;
      all.replays_failed += result.replays_failed;
      if (HasFailure()) break;
    }
    return all;
  }
};

// --- rows on their way into the cache while they change ---

TEST_F(InterleavingTest, FillRace) {
  EXPECT_GT(ExploreAll({.clients = {InTurn({Read()}), InTurn({Write(1)}), InTurn({Read()})},
                        .cached = {},
                        .preemptions = kEveryOrder})
                .hits,
            0u);
}
TEST_F(InterleavingTest, FillRaceWithATransaction) {
  ExploreAll({.clients = {InTurn({Read()}), InTurn({Say("BEGIN"), Write(1), Say("COMMIT")}),
                          InTurn({Read()})},
              .cached = {}});
}
TEST_F(InterleavingTest, FillRaceWithAPipeline) {
  ExploreAll({.clients = {InTurn({Read()}), {{Write(1), Read()}}, InTurn({Read()})}, .cached = {}});
}
TEST_F(InterleavingTest, FillRaceWithAPipelineOfOneSync) {
  ExploreAll({.clients = {InTurn({Read()}), {{And(Write(1)), Read()}}, InTurn({Read()})},
              .cached = {},
              .preemptions = kEveryOrder});
}

// --- old after new, while the answer to a COMMIT is on its way ---

TEST_F(InterleavingTest, OldAfterNew) {
  ExploreAll({.clients = {InTurn({Say("SET pgsidecar.cache = off"), Read()}),
                          InTurn({Say("BEGIN"), Write(1), Say("COMMIT")}), InTurn({Read()})}});
}
TEST_F(InterleavingTest, OldAfterNewOnTwoRows) {
  ExploreAll({.clients = {InTurn({Say("SET pgsidecar.cache = off"), Read()}),
                          InTurn({Write(1), Write(2, 2)}), InTurn({Read(2), Read()})},
              .cached = {1, 2}});
}

// --- own writes, and their end ---

TEST_F(InterleavingTest, OwnWriteRolledBack) {
  ExploreAll({.clients = {InTurn({Say("BEGIN"), Write(1), Read(), Say("ROLLBACK"), Read()}),
                          InTurn({Read(), Read()})},
              .preemptions = kEveryOrder});
}
TEST_F(InterleavingTest, OwnWriteCommitted) {
  ExploreAll({.clients = {InTurn({Say("BEGIN"), Read(), Write(1), Read(), Say("COMMIT"), Read()}),
                          InTurn({Read(), Read()})},
              .preemptions = 2});
}
TEST_F(InterleavingTest, OwnWriteRolledBackToASavepoint) {
  ExploreAll({.clients = {InTurn({Say("BEGIN"), Say("SAVEPOINT s"), Write(1), Read(),
                                  Say("ROLLBACK TO SAVEPOINT s"), Read(), Write(2, 2), Read(2),
                                  Say("COMMIT"), Read(2)}),
                          InTurn({Read(2), Read()})},
              .cached = {1, 2},
              .preemptions = 2});
}
TEST_F(InterleavingTest, TwoWriters) {
  ExploreAll({.clients = {InTurn({Say("BEGIN"), Write(1), Read(2), Say("COMMIT"), Read(2)}),
                          InTurn({Write(2, 2), Read()})},
              .cached = {1, 2},
              .preemptions = 2});
}
TEST_F(InterleavingTest, RepeatableRead) {
  ExploreAll({.clients = {InTurn({Say("BEGIN ISOLATION LEVEL REPEATABLE READ"), Read(), Read(),
                                  Say("COMMIT"), Read()}),
                          InTurn({Write(1), Read()})},
              .preemptions = 2});
}

// --- a BEGIN that the server does not know of yet ---

TEST_F(InterleavingTest, TransactionOfHits) {
  const Exploration all =
      ExploreAll({.clients = {InTurn({Say("BEGIN"), Read(), Read(2), Say("COMMIT")}),
                              InTurn({Write(1), Write(2, 2)})},
                  .cached = {1, 2},
                  .preemptions = 2});
  EXPECT_GT(all.hits, 0u);
}
TEST_F(InterleavingTest, ConnectionIsLostWithABeginOwed) {
  ExploreAll({.clients = {InTurn({Say("BEGIN"), Read(), Write(1), Say("COMMIT"), Read()}),
                          InTurn({Read(), Read()})},
              .faults = {LosesConnection(0), BackendDies(0)}});
}
TEST_F(InterleavingTest, CancelHitsABeginOwed) {
  ExploreAll({.clients = {{{Say("BEGIN")}, {Write(1)}, {Write(2, 2)}, {Say("COMMIT")}}},
              .faults = {Cancels(0)},
              .fine = true,
              .preemptions = 0});
}
TEST_F(InterleavingTest, CancelHitsABeginOwedWithMoreBehindIt) {
  ExploreAll({.clients = {{{Say("BEGIN")}, {Write(1), Write(2, 2)}, {Say("COMMIT")}}},
              .faults = {Cancels(0)},
              .fine = true,
              .preemptions = 0});
}
TEST_F(InterleavingTest, SetTransactionBehindAHit) {
  ExploreAll(
      {.clients = {InTurn({Say("BEGIN"), Read(),
                           Fails(Say("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"), "25001"),
                           Say("ROLLBACK")}),
                   InTurn({Write(1)})},
       .preemptions = kEveryOrder});
}
TEST_F(InterleavingTest, SetTransactionInFrontOfReads) {
  ExploreAll(
      {.clients = {InTurn({Say("BEGIN"), Say("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"),
                           Read(), Read(), Say("COMMIT")}),
                   InTurn({Write(1), Read()})},
       .preemptions = 2});
}

// --- a writer that is lost on the way ---

TEST_F(InterleavingTest, WriterIsLostBeforeItsAnswer) {
  ExploreAll({.clients = {InTurn({Say("SET pgsidecar.cache = off"), Read()}), InTurn({Write(1)}),
                          InTurn({Read(), Read()})},
              .faults = {LosesConnection(1)}});
}
TEST_F(InterleavingTest, CommitterIsLostBeforeItsAnswer) {
  ExploreAll(
      {.clients = {InTurn({Read(), Read()}), InTurn({Say("BEGIN"), Write(1), Say("COMMIT")})},
       .faults = {LosesConnection(1), Passes(seconds(2))},
       .preemptions = 0});
}
TEST_F(InterleavingTest, CommittersBackendDies) {
  ExploreAll(
      {.clients = {InTurn({Read(), Read()}), InTurn({Say("BEGIN"), Write(1), Say("COMMIT")})},
       .faults = {BackendDies(1), Passes(seconds(2))},
       .preemptions = 0});
}
TEST_F(InterleavingTest, WriterVanishes) {
  ExploreAll(
      {.clients = {InTurn({Read(), Read()}), InTurn({Say("BEGIN"), Write(1), Say("COMMIT")})},
       .faults = {Vanishes(1)},
       .preemptions = 0});
}
TEST_F(InterleavingTest, WriterIsCancelled) {
  ExploreAll({.clients = {InTurn({Read(), Read()}), InTurn({Write(1), Read()})},
              .faults = {Cancels(1)},
              .fine = true,
              .preemptions = 0});
}

// --- two-phase commit ---

TEST_F(InterleavingTest, PreparedHereCommittedThere) {
  ExploreAll({.clients = {InTurn({Say("BEGIN"), Write(1), Say("PREPARE TRANSACTION 'p'"),
                                  Say("COMMIT PREPARED 'p'")}),
                          InTurn({Read(), Read()})},
              .preemptions = 2});
}

// --- who waits for whose fill ---

TEST_F(InterleavingTest, LeaderAndFollowersAndAWrite) {
  ExploreAll({.clients = {InTurn({Read()}), InTurn({Read()}), InTurn({Read()}), InTurn({Write(1)})},
              .cached = {}});
}
TEST_F(InterleavingTest, LeaderIsCancelled) {
  ExploreAll({.clients = {InTurn({Read()}), InTurn({Read()}), InTurn({Write(1)})},
              .faults = {Cancels(0)},
              .cached = {},
              .fine = true,
              .preemptions = 0});
}
TEST_F(InterleavingTest, LeaderVanishes) {
  ExploreAll({.clients = {InTurn({Read()}), InTurn({Read()}), InTurn({Write(1)})},
              .faults = {Vanishes(0)},
              .cached = {},
              .preemptions = 0});
}
TEST_F(InterleavingTest, LeadersBackendDies) {
  ExploreAll({.clients = {InTurn({Read()}), InTurn({Read()}), InTurn({Write(1)})},
              .faults = {BackendDies(0)},
              .cached = {}});
}
TEST_F(InterleavingTest, LeaderIsSlow) {
  ExploreAll({.clients = {InTurn({Read()}), InTurn({Read()}), InTurn({Write(1)})},
              .faults = {Passes(std::chrono::milliseconds(1100))},
              .cached = {},
              .preemptions = 0});
}
TEST_F(InterleavingTest, FollowerIsCancelled) {
  ExploreAll({.clients = {InTurn({Read()}), InTurn({Read()}), InTurn({Write(1)})},
              .faults = {Cancels(1)},
              .cached = {},
              .preemptions = 0});
}
TEST_F(InterleavingTest, FollowerVanishes) {
  ExploreAll({.clients = {InTurn({Read()}), InTurn({Read()}), InTurn({Write(1)})},
              .faults = {Vanishes(1)},
              .cached = {},
              .preemptions = 0});
}

// --- the catalog and the clock ---

TEST_F(InterleavingTest, DdlAmidAFillAndAWrite) {
  ExploreAll({.clients = {InTurn({Read()}), InTurn({Say("CREATE TABLE x (i int)")}),
                          InTurn({Write(1), Read()})}});
}
// Time goes by hours at once, never backward: the clock is steady (base/clock.h).
TEST_F(InterleavingTest, HoursPass) {
  ExploreAll({.clients = {InTurn({Read(), Read()}), InTurn({Write(1)})},
              .faults = {Passes(hours(5))},
              .preemptions = 0});
}

// --- settings ---

TEST_F(InterleavingTest, TwoTenants) {
  const auto tenant = [](const std::string& id) {
    return InTurn({Say("BEGIN"), Say("SET LOCAL app.tenant = '" + id + "'"), Read(kTenantRow),
                   Say("COMMIT"), Read(kTenantRow)});
  };
  const Exploration all =
      ExploreAll({.clients = {tenant("1"), tenant("2")}, .cached = {}, .preemptions = 2});
  EXPECT_GT(all.hits, 0u);
}
TEST_F(InterleavingTest, TwoTenantsAndAWrite) {
  const auto tenant = [](const std::string& id) {
    return InTurn({Say("BEGIN"), Say("SET LOCAL app.tenant = '" + id + "'"), Read(kTenantRow),
                   Say("COMMIT")});
  };
  ExploreAll({.clients = {tenant("1"), tenant("2"), InTurn({Write(1)})}, .cached = {}});
}

// --- settings that are replayed ahead of a request ---

// Each session has a tenant of its own, and there is one server connection for both, which holds
// the second's. Nothing comes from the cache.
class ReplayTest : public InterleavingTest {
 protected:
  static Scenario Share(std::vector<std::vector<Turn>> clients) {
    Scenario scenario;
    scenario.clients = std::move(clients);
    Call prepared = Read(kTenantRow);
    prepared.form = Call::Form::kNamed;
    scenario.before = {Say("SET app.tenant = '1'"), Say("SET app.tenant = '2'"), prepared,
                       prepared};
    scenario.cached = {};
    scenario.config.cache = CacheMode::kOff;
    scenario.config.default_pool_size = 1;
    return scenario;
  }
  // Between any two messages; the others ask at the end.
  Exploration Disturb(Turn turn, Fault fault, Call::Form form = Call::Form::kSimple) {
    Scenario scenario = Share({{std::move(turn)}, {}});
    scenario.faults = {std::move(fault)};
    scenario.fine = true;
    scenario.preemptions = 0;
    return ExploreAll(scenario, {form});
  }
};

TEST_F(ReplayTest, TwoTenantsShareAConnection) {
  Scenario scenario = Share({InTurn({Read(kTenantRow), Read(kTenantRow), Read(kTenantRow)}),
                             InTurn({Read(kTenantRow), Read(kTenantRow)})});
  scenario.preemptions = 3;
  EXPECT_GT(ExploreAll(scenario).replays, 0u);
}
TEST_F(ReplayTest, CancelHitsAReplay) {
  EXPECT_GT(Disturb({Read(kTenantRow)}, Cancels(0)).replays_failed, 0u);
}
TEST_F(ReplayTest, CancelHitsAReplayOfAnExtendedQuery) {
  EXPECT_GT(Disturb({Read(kTenantRow)}, Cancels(0), Call::Form::kUnnamed).replays_failed, 0u);
}
// What is prepared there is not taken for more than what the rollback has left.
TEST_F(ReplayTest, CancelHitsAReplayAheadOfAPreparedStatement) {
  Call prepared = Read(kTenantRow);
  prepared.form = Call::Form::kNamed;
  EXPECT_GT(Disturb({prepared}, Cancels(0), Call::Form::kNamed).replays_failed, 0u);
}
TEST_F(ReplayTest, CancelHitsAReplayWithMoreBehindIt) {
  EXPECT_GT(Disturb({Read(kTenantRow), Read(kTenantRow)}, Cancels(0)).replays_failed, 0u);
}
TEST_F(ReplayTest, ClientVanishesAmidAReplay) {
  EXPECT_GT(Disturb({Read(kTenantRow), Read(kTenantRow)}, Vanishes(0)).replays, 0u);
}
TEST_F(ReplayTest, BackendDiesAmidAReplay) {
  EXPECT_GT(Disturb({Read(kTenantRow)}, BackendDies(0)).replays, 0u);
}

}  // namespace
}  // namespace pgsidecar::proxy
