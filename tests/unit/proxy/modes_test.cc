// Modes verify and observe: the server answers always, and only what can be compared is.

#include <gtest/gtest.h>

#include "tests/unit/proxy/world.h"

namespace pgsidecar::proxy {
namespace {

using std::chrono::seconds;

constexpr char kRead[] = "SELECT bbalance FROM branches WHERE bid = 1";
constexpr char kWrite[] = "UPDATE branches SET bbalance = 5 WHERE bid = 1";

std::string Row(int balance) { return "T D:" + std::to_string(balance) + " C:SELECT 1 Z:I"; }

Config InMode(CacheMode mode) {
  Config config = World::DefaultConfig();
  config.cache = mode;
  return config;
}

class ModesTest : public testing::TestWithParam<CacheMode> {
 protected:
  std::string Last(FakeClient& client) {
    const std::string told = world_.Ask(client, "SHOW pgsidecar.last");
    return told.substr(4, told.find(" C:SHOW") - 4);  // T D:...
  }
  const Statistics& statistics() const { return world_.hub->statistics(); }

  World world_{InMode(GetParam())};
  FakeClient& reader_ = world_.LoggedIn();
  FakeClient& writer_ = world_.LoggedIn();
};

class VerifyModeTest : public ModesTest {};
INSTANTIATE_TEST_SUITE_P(Modes, VerifyModeTest, testing::Values(CacheMode::kVerify));
class ObserveModeTest : public ModesTest {};
INSTANTIATE_TEST_SUITE_P(Modes, ObserveModeTest, testing::Values(CacheMode::kObserve));

TEST_P(VerifyModeTest, MatchesAndInvalidations) {
  EXPECT_EQ(world_.Ask(reader_, kRead), Row(0));
  EXPECT_EQ(Last(reader_), "miss");
  EXPECT_EQ(world_.Ask(writer_, kRead), Row(0));
  EXPECT_EQ(Last(writer_), "verify: match");
  world_.Ask(writer_, kWrite);
  EXPECT_EQ(world_.Ask(reader_, kRead), Row(5));
  EXPECT_EQ(Last(reader_), "miss");
  EXPECT_EQ(statistics().verify_matches, 1u);
  EXPECT_EQ(statistics().verify_mismatches, 0u);
  EXPECT_EQ(statistics().hits, 0u);
}

TEST_P(VerifyModeTest, AWriteElsewhereIsAMismatchAndTheEntryGoes) {
  world_.Ask(reader_, kRead);
  world_.database.balances[1] = 7;
  EXPECT_EQ(world_.Ask(reader_, kRead), Row(7));
  EXPECT_EQ(Last(reader_), "verify: mismatch");
  ASSERT_EQ(world_.hub->mismatches().newest().size(), 1u);
  const Mismatch& mismatch = world_.hub->mismatches().newest().front();
  EXPECT_EQ(mismatch.verdict, Verdict::kRows);
  EXPECT_EQ(mismatch.query, "SELECT bbalance FROM branches WHERE bid = ?");
  EXPECT_EQ(world_.hub->store().Stats().entries, 0u);
  EXPECT_EQ(world_.Ask(reader_, kRead), Row(7));
  EXPECT_EQ(Last(reader_), "miss");
}

TEST_P(VerifyModeTest, AWriteInBetweenIsNotCompared) {
  world_.Ask(reader_, kRead);
  // The reader's answer is held up until a write has been acknowledged.
  for (auto& [id, server] : world_.servers) {
    server.mute = world_.hub->FindServer(id)->pool != nullptr;
  }
  reader_.Query(kRead);
  world_.Run();
  const ServerId slow = world_.ServerOf(reader_);
  for (auto& [id, server] : world_.servers) server.mute = id == slow;
  EXPECT_EQ(world_.Ask(writer_, kWrite), "C:UPDATE 1 Z:I");
  world_.At(slow).mute = false;
  world_.Run();
  EXPECT_EQ(reader_.Take(), Row(0));
  EXPECT_EQ(Last(reader_), "verify: skipped");
  EXPECT_EQ(statistics().verify_skipped, 1u);
  EXPECT_EQ(statistics().verify_mismatches, 0u);
}

TEST_P(VerifyModeTest, TheEntryAgesAsIfItWereServed) {
  world_.Ask(reader_, kRead);
  const Duration half = world_.config.MaxAge(CacheClass::kQuery, world_.config.consistency) / 2;
  world_.Advance(half);
  world_.Ask(reader_, kRead);
  EXPECT_EQ(Last(reader_), "verify: match");
  world_.Advance(half);
  world_.Ask(reader_, kRead);
  EXPECT_EQ(Last(reader_), "miss");
}

TEST_P(VerifyModeTest, InATransactionThatHasWrittenNothing) {
  world_.Ask(reader_, kRead);
  world_.Ask(reader_, "BEGIN");
  EXPECT_EQ(world_.Ask(reader_, kRead), "T D:0 C:SELECT 1 Z:T");
  EXPECT_EQ(statistics().verify_matches, 1u);
  world_.Ask(reader_, kWrite);
  EXPECT_EQ(world_.Ask(reader_, kRead), "T D:5 C:SELECT 1 Z:T");
  world_.Ask(reader_, "COMMIT");
  EXPECT_EQ(statistics().verify_matches, 1u);
  EXPECT_EQ(statistics().verify_mismatches, 0u);
}

TEST_P(VerifyModeTest, ALostServerIsNotCompared) {
  world_.Ask(reader_, kRead);
  for (auto& [id, server] : world_.servers) {
    server.mute = world_.hub->FindServer(id)->pool != nullptr;
  }
  reader_.Query(kRead);
  world_.Run();
  world_.LoseConnection(world_.ServerOf(reader_));
  world_.Run();
  EXPECT_EQ(statistics().verify_skipped, 1u);
  EXPECT_EQ(statistics().verify_matches, 0u);
}

TEST_P(ObserveModeTest, CountsAndNeverServes) {
  EXPECT_EQ(world_.Ask(reader_, kRead), Row(0));
  world_.database.balances[1] = 7;
  EXPECT_EQ(world_.Ask(reader_, kRead), Row(7));
  EXPECT_EQ(Last(reader_), "observe: hit");
  EXPECT_EQ(statistics().observed_hits, 1u);
  EXPECT_EQ(statistics().hits, 0u);
  EXPECT_EQ(world_.hub->store().Stats().stored, 1u);
}

}  // namespace
}  // namespace pgsidecar::proxy
