// Version stamps: what a capture and a match say before, during and after a write.

#include "cache/versions.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

namespace pgsidecar::cache {
namespace {

constexpr DatabaseId kShop = {.cluster = 7, .oid = 5};

TEST(VersionsTest, UnchangedMatches) {
  VersionTable versions(10);
  const std::vector<CounterIndex> counters = {versions.DatabaseCounter(kShop),
                                              versions.RelationCounter(kShop, 16384)};
  const auto stamps = versions.Capture(counters);
  ASSERT_TRUE(stamps);
  ASSERT_EQ(stamps->size(), 2u);
  EXPECT_TRUE(versions.Match(*stamps));
  EXPECT_EQ(versions.Capture(counters), stamps);
  EXPECT_TRUE(versions.Match({}));
  EXPECT_TRUE(versions.Capture({})->empty());
}

TEST(VersionsTest, PendingBlocksCaptureAndMatch) {
  VersionTable versions(10);
  const std::vector<CounterIndex> counters = {3, 4};
  const auto before = versions.Capture(counters);
  versions.BeginWrite(4);
  EXPECT_FALSE(versions.Match(*before));
  EXPECT_FALSE(versions.Capture(counters));
  EXPECT_TRUE(versions.Capture(std::vector<CounterIndex>{3}));
  versions.EndWrite(4);
  EXPECT_TRUE(versions.Capture(counters));
}

TEST(VersionsTest, BitsWithin) {
  EXPECT_EQ(VersionTable::BitsWithin(0), 20u);
  EXPECT_EQ(VersionTable::BitsWithin((size_t{16} << 20) - 1), 20u);
  EXPECT_EQ(VersionTable::BitsWithin(size_t{16} << 20), 21u);
  EXPECT_EQ(VersionTable::BitsWithin(size_t{1} << 40), 22u);
}

TEST(VersionsTest, EndAlwaysMoves) {
  VersionTable versions(10);
  const std::vector<CounterIndex> counters = {3};
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    const auto stamps = versions.Capture(counters);
    EXPECT_TRUE(seen.insert(stamps->front().word()).second);
    versions.BeginWrite(3);
    versions.EndWrite(3);
    EXPECT_FALSE(versions.Match(*stamps));
  }
}

TEST(VersionsTest, MoveMoves) {
  VersionTable versions(10);
  const auto stamps = versions.Capture(std::vector<CounterIndex>{3});
  versions.Move(3);
  EXPECT_FALSE(versions.Match(*stamps));
  EXPECT_TRUE(versions.Capture(std::vector<CounterIndex>{3}));
}

TEST(VersionsTest, MoveUnderAWriteKeepsItPending) {
  VersionTable versions(10);
  versions.BeginWrite(3);
  versions.Move(3);
  EXPECT_FALSE(versions.Capture(std::vector<CounterIndex>{3}));
  versions.EndWrite(3);
  EXPECT_TRUE(versions.Capture(std::vector<CounterIndex>{3}));
}

TEST(VersionsTest, OverlappingWritesBlockUntilTheLast) {
  VersionTable versions(10);
  const std::vector<CounterIndex> counters = {3};
  constexpr int kWriters = 100'000;
  const auto before = versions.Capture(counters);
  for (int i = 0; i < kWriters; ++i) versions.BeginWrite(3);
  for (int i = 0; i < kWriters; ++i) {
    EXPECT_FALSE(versions.Capture(counters));
    versions.EndWrite(3);
  }
  EXPECT_TRUE(versions.Capture(counters));
  EXPECT_FALSE(versions.Match(*before));
}

TEST(VersionsTest, DuplicatesInACaptureAreFine) {
  VersionTable versions(10);
  const auto stamps = versions.Capture(std::vector<CounterIndex>{3, 3, 3});
  EXPECT_EQ(stamps->size(), 3u);
  EXPECT_TRUE(versions.Match(*stamps));
  versions.Move(3);
  EXPECT_FALSE(versions.Match(*stamps));
}

TEST(VersionsTest, OthersAreNotMoved) {
  VersionTable versions(10);
  const auto stamps = versions.Capture(std::vector<CounterIndex>{2, 4});
  versions.Move(3);
  versions.BeginWrite(3);
  EXPECT_TRUE(versions.Match(*stamps));
  versions.EndWrite(3);
}

TEST(VersionsTest, PlacesAreStableAndSpread) {
  VersionTable versions, again;
  std::set<CounterIndex> places;
  for (uint32_t relation = 16384; relation < 16384 + 1000; ++relation) {
    const CounterIndex place = versions.RelationCounter(kShop, relation);
    EXPECT_EQ(place, again.RelationCounter(kShop, relation));
    EXPECT_LT(place, 1u << 20);
    places.insert(place);
  }
  EXPECT_GT(places.size(), 980u);
  const DatabaseId other_cluster = {.cluster = 8, .oid = 5},
                   other_database = {.cluster = 7, .oid = 6};
  EXPECT_NE(versions.RelationCounter(kShop, 1), versions.RelationCounter(other_cluster, 1));
  EXPECT_NE(versions.RelationCounter(kShop, 1), versions.RelationCounter(other_database, 1));
  EXPECT_NE(versions.DatabaseCounter(kShop), versions.DatabaseCounter(other_cluster));
  EXPECT_NE(versions.DatabaseCounter(kShop), versions.DatabaseCounter(other_database));
}

// A write to a relation must not empty a database's whole cache by an unlucky hash.
TEST(VersionsTest, RelationsNeverShareAPlaceWithDatabases) {
  for (const unsigned bits : {1u, 4u, 9u, 12u}) {
    VersionTable versions(bits);
    CounterIndex last_database = 0, first_relation = ~0u;
    for (uint32_t i = 0; i < 20'000; ++i) {
      last_database = std::max(last_database, versions.DatabaseCounter({.cluster = 7, .oid = i}));
      first_relation = std::min(first_relation, versions.RelationCounter(kShop, i));
      ASSERT_LT(versions.RelationCounter(kShop, i), 1u << bits);
    }
    EXPECT_LT(last_database, first_relation) << bits;
  }
}

// A relation that is written all the time must not take the slots of others with it.
TEST(VersionsTest, SlotsNeverShareAPlaceWithRelations) {
  for (const unsigned bits : {2u, 4u, 9u, 12u}) {
    VersionTable versions(bits);
    CounterIndex last_relation = 0, first_slot = ~0u;
    for (uint32_t i = 0; i < 20'000; ++i) {
      last_relation = std::max(
          {last_relation, versions.RelationCounter(kShop, i), versions.ColumnCounter(kShop, i, 1)});
      first_slot = std::min(first_slot, versions.SlotCounter(kShop, 1, 1, i));
      ASSERT_LT(versions.SlotCounter(kShop, 1, 1, i), 1u << bits);
    }
    EXPECT_LT(last_relation, first_slot) << bits;
  }
}

TEST(VersionsTest, ColumnsAndSlotsDifferInEverythingThatNamesThem) {
  const VersionTable versions;
  const DatabaseId other = {.cluster = 7, .oid = 6};
  const std::set<CounterIndex> columns = {
      versions.RelationCounter(kShop, 1), versions.ColumnCounter(kShop, 1, 1),
      versions.ColumnCounter(kShop, 1, 2), versions.ColumnCounter(kShop, 2, 1),
      versions.ColumnCounter(other, 1, 1)};
  EXPECT_EQ(columns.size(), 5u);
  const std::set<CounterIndex> slots = {
      versions.SlotCounter(kShop, 1, 1, 1), versions.SlotCounter(kShop, 1, 1, 2),
      versions.SlotCounter(kShop, 1, 2, 1), versions.SlotCounter(kShop, 2, 1, 1),
      versions.SlotCounter(other, 1, 1, 1)};
  EXPECT_EQ(slots.size(), 5u);
}

// In a table of two words every relation shares its place with every other: needless misses, but
// a write is never overlooked.
TEST(VersionsTest, CollisionsAreHarmless) {
  VersionTable versions(1);
  const CounterIndex a = versions.RelationCounter(kShop, 1), b = versions.RelationCounter(kShop, 2);
  ASSERT_EQ(a, b);
  const auto stamps = versions.Capture(std::vector<CounterIndex>{a});
  versions.BeginWrite(b);
  versions.BeginWrite(a);
  versions.EndWrite(b);
  EXPECT_FALSE(versions.Capture(std::vector<CounterIndex>{a}));
  versions.EndWrite(a);
  EXPECT_FALSE(versions.Match(*stamps));
}

TEST(VersionsTest, ManyThreadsLoseNoMove) {
  VersionTable versions(4);
  const std::vector<CounterIndex> counters = {0, 1, 2};
  constexpr int kThreads = 4, kRounds = 5000;
  std::vector<std::thread> threads;
  std::atomic<int> unnoticed = 0;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        const auto stamps = versions.Capture(counters);
        for (const CounterIndex counter : counters) versions.BeginWrite(counter);
        if (versions.Capture(counters)) ++unnoticed;
        for (const CounterIndex counter : counters) versions.EndWrite(counter);
        if (stamps && versions.Match(*stamps)) ++unnoticed;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(unnoticed, 0);
  const auto last = versions.Capture(counters);
  ASSERT_TRUE(last);
  for (const Stamp& stamp : *last) EXPECT_EQ(stamp.word(), uint64_t{kThreads * kRounds} << 20);
}

}  // namespace
}  // namespace pgsidecar::cache
