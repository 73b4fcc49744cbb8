// Single-flight: who leads, who waits, who goes alone.

#include "cache/single_flight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace pgsidecar::cache {
namespace {

using Role = SingleFlight::Role;
using testing::ElementsAre;
using testing::IsEmpty;

class SingleFlightTest : public testing::Test {
 protected:
  std::vector<Stamp> Capture() { return *versions_.Capture(std::vector<CounterIndex>{1, 2}); }

  const Digest key_ = Sha256("a"), other_ = Sha256("b");
  VersionTable versions_{4};
  SingleFlight flights_{&versions_};
};

TEST_F(SingleFlightTest, FirstLeadsAndTheOthersFollowInOrder) {
  EXPECT_EQ(flights_.Join(key_, Capture(), 1), Role::kLeader);
  EXPECT_EQ(flights_.Join(key_, Capture(), 2), Role::kFollower);
  EXPECT_EQ(flights_.Join(key_, Capture(), 9), Role::kFollower);
  EXPECT_EQ(flights_.Join(key_, Capture(), 3), Role::kFollower);
  EXPECT_EQ(flights_.in_flight(), 1u);
  EXPECT_THAT(flights_.Land(key_), ElementsAre(2, 9, 3));
  EXPECT_EQ(flights_.in_flight(), 0u);
  EXPECT_EQ(flights_.Join(key_, Capture(), 4), Role::kLeader);
  EXPECT_THAT(flights_.Land(key_), IsEmpty());
}

TEST_F(SingleFlightTest, KeysAreApart) {
  EXPECT_FALSE(flights_.HasFollowers(key_));
  EXPECT_EQ(flights_.Join(key_, Capture(), 1), Role::kLeader);
  EXPECT_EQ(flights_.Join(other_, Capture(), 2), Role::kLeader);
  EXPECT_EQ(flights_.Join(other_, Capture(), 3), Role::kFollower);
  EXPECT_FALSE(flights_.HasFollowers(key_));
  EXPECT_TRUE(flights_.HasFollowers(other_));
  EXPECT_THAT(flights_.Land(key_), IsEmpty());
  EXPECT_THAT(flights_.Land(other_), ElementsAre(3));
}

// A write lands between leader and follower: the leader's answer would be too old.
TEST_F(SingleFlightTest, DifferentStampsGoAlone) {
  EXPECT_EQ(flights_.Join(key_, Capture(), 1), Role::kLeader);
  EXPECT_EQ(flights_.Join(key_, Capture(), 2), Role::kFollower);
  versions_.BeginWrite(2);
  versions_.EndWrite(2);
  EXPECT_EQ(flights_.Join(key_, Capture(), 3), Role::kAlone);
  EXPECT_EQ(flights_.Join(key_, Capture(), 4), Role::kAlone);
  EXPECT_THAT(flights_.Land(key_), ElementsAre(2));
  EXPECT_EQ(flights_.Join(key_, Capture(), 5), Role::kLeader);
}

TEST_F(SingleFlightTest, FewerOrMoreStampsGoAlone) {
  EXPECT_EQ(flights_.Join(key_, Capture(), 1), Role::kLeader);
  EXPECT_EQ(flights_.Join(key_, {}, 2), Role::kAlone);
  EXPECT_EQ(flights_.Join(key_, *versions_.Capture(std::vector<CounterIndex>{1, 2, 3}), 3),
            Role::kAlone);
}

TEST_F(SingleFlightTest, StampsThatMovedSinceTheirCaptureGoAlone) {
  const std::vector<Stamp> stamps = Capture();
  EXPECT_EQ(flights_.Join(key_, stamps, 1), Role::kLeader);
  versions_.BeginWrite(1);
  EXPECT_EQ(flights_.Join(key_, stamps, 2), Role::kAlone);
  versions_.EndWrite(1);
  EXPECT_EQ(flights_.Join(key_, stamps, 2), Role::kAlone);
}

TEST_F(SingleFlightTest, LeaveForgetsTheWaiter) {
  EXPECT_EQ(flights_.Join(key_, Capture(), 1), Role::kLeader);
  EXPECT_EQ(flights_.Join(key_, Capture(), 2), Role::kFollower);
  EXPECT_EQ(flights_.Join(key_, Capture(), 3), Role::kFollower);
  flights_.Leave(key_, 2);
  flights_.Leave(key_, 77);
  flights_.Leave(other_, 3);
  EXPECT_THAT(flights_.Land(key_), ElementsAre(3));
  flights_.Leave(key_, 3);
}

TEST_F(SingleFlightTest, EveryFollowerIsNamedOnceAndOneLeadsAtATime) {
  constexpr WaiterId kThreads = 4, kRounds = 3000;
  std::atomic<int> leaders = 0, wrong = 0;
  std::atomic<uint64_t> followed = 0, named = 0;
  std::vector<std::thread> threads;
  for (WaiterId id = 0; id < kThreads; ++id) {
    threads.emplace_back([&, id] {
      for (WaiterId round = 0; round < kRounds; ++round) {
        if (flights_.Join(key_, Capture(), id * kRounds + round) == Role::kFollower) {
          ++followed;
          continue;
        }
        if (++leaders != 1) ++wrong;
        --leaders;
        named += flights_.Land(key_).size();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(named, followed);
  EXPECT_EQ(flights_.in_flight(), 0u);
}

}  // namespace
}  // namespace pgsidecar::cache
