// The store: what a lookup accepts, and that the bounds hold.

#include "cache/store.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "cache/sweeper.h"
#include "tests/unit/cache/make_entry.h"

namespace pgsidecar::cache {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

const TimePoint kNow{std::chrono::hours(10)};
constexpr ReadPolicy kAnyAge = {.max_age = std::chrono::hours(24)};

class StoreTest : public testing::Test {
 protected:
  std::vector<Stamp> Capture() { return *versions_.Capture(std::vector<CounterIndex>{1, 2}); }
  EntryRef Valid(uint64_t number, TimePoint filled_at = kNow) {
    return MakeEntry(number, 100, Capture(), filled_at);
  }

  VersionTable versions_{4};
};

TEST_F(StoreTest, HitAndMiss) {
  Store store({}, &versions_);
  EXPECT_EQ(store.Lookup(KeyOf(1), kNow, kAnyAge), nullptr);
  const auto entry = Valid(1);
  EXPECT_TRUE(store.Insert(entry));
  EXPECT_EQ(store.Lookup(KeyOf(1), kNow, kAnyAge), entry);
  EXPECT_EQ(store.Lookup(KeyOf(2), kNow, kAnyAge), nullptr);
  const StoreStats stats = store.Stats();
  EXPECT_EQ(stats.entries, 1u);
  EXPECT_EQ(stats.bytes, entry->ChargeBytes());
  EXPECT_EQ(stats.hits, 1u);
  EXPECT_EQ(stats.misses, 2u);
  EXPECT_EQ(stats.stored, 1u);
}

TEST_F(StoreTest, AWriteMakesItStale) {
  Store store({}, &versions_);
  store.Insert(Valid(1));
  versions_.BeginWrite(2);
  EXPECT_EQ(store.Lookup(KeyOf(1), kNow, kAnyAge), nullptr);
  versions_.EndWrite(2);
  EXPECT_EQ(store.Lookup(KeyOf(1), kNow, kAnyAge), nullptr);
  const StoreStats stats = store.Stats();
  EXPECT_EQ(stats.stale, 1u);
  EXPECT_EQ(stats.misses, 1u);  // it was dropped the first time
  EXPECT_EQ(stats.hits, 0u);
  EXPECT_EQ(stats.entries, 0u);
  EXPECT_EQ(stats.bytes, 0u);
}

TEST_F(StoreTest, StampsAreNotCheckedAtLevelTtl) {
  Store store({}, &versions_);
  store.Insert(Valid(1));
  versions_.Move(1);
  const ReadPolicy ttl = {.max_age = minutes(1), .check_stamps = false};
  EXPECT_NE(store.Lookup(KeyOf(1), kNow, ttl), nullptr);
  EXPECT_EQ(store.Lookup(KeyOf(1), kNow + minutes(1), ttl), nullptr);
  EXPECT_EQ(store.Stats().expired, 1u);
}

TEST_F(StoreTest, TimeToLive) {
  Store store({}, &versions_);
  const ReadPolicy policy = {.max_age = seconds(5)};
  store.Insert(Valid(1, kNow));
  EXPECT_NE(store.Lookup(KeyOf(1), kNow, policy), nullptr);
  EXPECT_NE(store.Lookup(KeyOf(1), kNow + seconds(5) - Duration(1), policy), nullptr);
  EXPECT_EQ(store.Lookup(KeyOf(1), kNow + seconds(5), policy), nullptr);
  EXPECT_EQ(store.Lookup(KeyOf(1), kNow, policy), nullptr);
  EXPECT_EQ(store.Stats().expired, 1u);
  EXPECT_EQ(store.Stats().entries, 0u);
}

TEST_F(StoreTest, MaxAgeZeroServesNothing) {
  Store store({}, &versions_);
  store.Insert(Valid(1));
  EXPECT_EQ(store.Lookup(KeyOf(1), kNow, {}), nullptr);
}

// Another thread's clock may be read a little later than ours; but an entry from the far future has
// no age that one could trust.
TEST_F(StoreTest, FilledInTheFuture) {
  Store store({}, &versions_);
  const ReadPolicy policy = {.max_age = seconds(5)};
  store.Insert(Valid(1, kNow + milliseconds(20)));
  EXPECT_NE(store.Lookup(KeyOf(1), kNow, policy), nullptr);
  store.Insert(Valid(2, kNow + minutes(1)));
  EXPECT_EQ(store.Lookup(KeyOf(2), kNow, policy), nullptr);
  EXPECT_EQ(store.Stats().entries, 1u);
}

TEST_F(StoreTest, StaleEntriesAreNotStored) {
  Store store({}, &versions_);
  const auto moved = Valid(1);
  versions_.Move(1);
  EXPECT_FALSE(store.Insert(moved));
  const auto pending = Valid(2);
  versions_.BeginWrite(2);
  EXPECT_FALSE(store.Insert(pending));
  versions_.EndWrite(2);
  EXPECT_FALSE(store.Insert(pending));
  EXPECT_EQ(store.Stats().stored, 0u);
  EXPECT_EQ(store.Stats().bytes, 0u);
}

TEST_F(StoreTest, SameKeyIsReplaced) {
  Store store({}, &versions_);
  store.Insert(Valid(1, kNow));
  const auto young = MakeEntry(1, 5000, Capture(), kNow + seconds(1));
  EXPECT_TRUE(store.Insert(young));
  EXPECT_EQ(store.Lookup(KeyOf(1), kNow + seconds(1), kAnyAge), young);
  EXPECT_EQ(store.Stats().entries, 1u);
  EXPECT_EQ(store.Stats().bytes, young->ChargeBytes());
  EXPECT_EQ(store.Stats().stored, 2u);
}

// A slow fill must not bring back what others have seen changed by a foreign writer.
TEST_F(StoreTest, AnEarlierFillDoesNotReplaceALaterOne) {
  Store store({}, &versions_);
  const auto young = Valid(1, kNow + seconds(1));
  store.Insert(young);
  EXPECT_FALSE(store.Insert(Valid(1, kNow)));
  EXPECT_EQ(store.Lookup(KeyOf(1), kNow + seconds(1), kAnyAge), young);
  EXPECT_EQ(store.Stats().bytes, young->ChargeBytes());
  versions_.Move(1);
  EXPECT_TRUE(store.Insert(Valid(1, kNow)));  // the later one is dead
}

TEST_F(StoreTest, EvictionTakesNothingFromAReader) {
  Store store({.max_bytes = 64 << 10, .max_entries = 1, .shards = 1}, &versions_);
  store.Insert(Valid(1));
  const auto held = store.Lookup(KeyOf(1), kNow, kAnyAge);
  store.Insert(Valid(2));
  EXPECT_EQ(store.Lookup(KeyOf(1), kNow, kAnyAge), nullptr);
  EXPECT_EQ(held->rows(), std::string(100, 'D'));
}

TEST_F(StoreTest, SweepDropsTheDead) {
  Store store({.shards = 4}, &versions_);
  for (uint64_t i = 0; i < 40; ++i) store.Insert(Valid(i, kNow));
  for (uint64_t i = 40; i < 60; ++i) store.Insert(Valid(i, kNow - minutes(1)));
  const auto other = MakeEntry(100, 100, *versions_.Capture(std::vector<CounterIndex>{3}), kNow);
  store.Insert(other);
  EXPECT_EQ(store.Sweep(kNow), 20u);
  versions_.Move(1);
  size_t swept = 20;
  for (const size_t places = 8; swept < 60;) {
    const size_t some = store.Sweep(kNow, places);
    EXPECT_LE(some, places);
    swept += some;
  }
  EXPECT_EQ(swept, 60u);
  const StoreStats stats = store.Stats();
  EXPECT_EQ(stats.swept, 60u);
  EXPECT_EQ(stats.entries, 1u);
  EXPECT_EQ(stats.bytes, other->ChargeBytes());
  EXPECT_EQ(store.Lookup(KeyOf(100), kNow, kAnyAge), other);
}

TEST_F(StoreTest, SweepLeavesWhatItsFillerWouldStillRead) {
  Store store({.shards = 1}, &versions_);
  EntrySpec spec = SpecOf(1, 100, Capture(), kNow - minutes(5));
  spec.keep = {.max_age = minutes(10), .check_stamps = false};
  const EntryRef old = spec.Build();
  store.Insert(old);
  store.Insert(Valid(2, kNow));
  versions_.Move(1);
  EXPECT_EQ(store.Sweep(kNow), 1u);
  EXPECT_EQ(store.Lookup(KeyOf(1), kNow, {.max_age = minutes(10), .check_stamps = false}), old);
  EXPECT_EQ(store.Sweep(kNow + minutes(5)), 1u);
}

TEST_F(StoreTest, SweeperGoesThroughASixteenthInAnInterval) {
  Store store({.shards = 1}, &versions_);
  Sweeper sweeper(&store);
  constexpr size_t kDead = 4000;
  for (uint64_t i = 0; i < kDead; ++i) store.Insert(Valid(i, kNow - minutes(1)));
  TimePoint now = kNow;
  size_t swept = sweeper.Sweep(now, seconds(1));  // the first call knows of no last one
  EXPECT_LE(swept, Sweeper::kMostPlaces);
  const auto pass = [&](Duration duration) {
    size_t more = 0;
    for (const TimePoint end = now + duration; now < end;) {
      now += milliseconds(50);
      more += sweeper.Sweep(now, seconds(1));
    }
    return more;
  };
  const size_t in_a_second = pass(seconds(1));
  EXPECT_GT(in_a_second, kDead / 32);
  EXPECT_LT(in_a_second, kDead / 8);
  // The table shrinks meanwhile, and is swept in smaller parts.
  swept += in_a_second + pass(minutes(5));
  EXPECT_EQ(swept, kDead);
}

TEST_F(StoreTest, SweeperPausesUntilEnoughIsDue) {
  Store store({.shards = 1}, &versions_);
  const Sweeper sweeper(&store);
  EXPECT_EQ(sweeper.Pause(milliseconds(10)), milliseconds(50));
  EXPECT_EQ(sweeper.Pause(milliseconds(200)), milliseconds(200));
  EXPECT_EQ(sweeper.Pause(minutes(1)), seconds(1));
  for (uint64_t i = 0; i < 40'000; ++i) store.Insert(Valid(i, kNow));
  const double parts = 8.0 * Sweeper::kMostPlaces / static_cast<double>(store.places());
  EXPECT_NEAR(std::chrono::duration<double>(sweeper.Pause(seconds(1))).count(), parts, 1e-5);
  EXPECT_EQ(sweeper.Pause(minutes(1)), seconds(1));
}

// Whatever the sizes of the shards, and of all of them, once around takes sixteen intervals.
TEST_F(StoreTest, SweeperPassesEverythingInSixteenIntervals) {
  for (const uint64_t dead : {1u, 2u, 70u, 1'200u, 6'000u}) {
    constexpr uint64_t kAliveToo = 9;  // a table that shrinks is swept in another order
    Store store({.max_entries = dead * (1 + kAliveToo)}, &versions_);
    for (uint64_t i = 0; i < dead * (1 + kAliveToo); ++i) {
      store.Insert(Valid(i, i < dead ? kNow - minutes(1) : kNow));
    }
    Sweeper sweeper(&store);
    TimePoint now = kNow;
    size_t swept = sweeper.Sweep(now, seconds(1));  // the first call knows of no last one
    while (now < kNow + seconds(17)) {
      now += sweeper.Pause(seconds(1));
      swept += sweeper.Sweep(now, seconds(1));
    }
    // What a removal has moved to where it has been looked already waits for the next time.
    EXPECT_GE(swept, dead - dead / 50);
  }
}

TEST_F(StoreTest, LookupTellsWhatItCameTo) {
  Store store({}, &versions_);
  LookupOutcome outcome = LookupOutcome::kHit;
  store.Lookup(KeyOf(1), kNow, kAnyAge, &outcome);
  EXPECT_EQ(outcome, LookupOutcome::kAbsent);
  store.Insert(Valid(1, kNow));
  store.Lookup(KeyOf(1), kNow, kAnyAge, &outcome);
  EXPECT_EQ(outcome, LookupOutcome::kHit);
  store.Lookup(KeyOf(1), kNow + minutes(1), {.max_age = minutes(1)}, &outcome);
  EXPECT_EQ(outcome, LookupOutcome::kExpired);
  store.Insert(Valid(1, kNow));
  versions_.Move(1);
  store.Lookup(KeyOf(1), kNow, kAnyAge, &outcome);
  EXPECT_EQ(outcome, LookupOutcome::kInvalidated);
}

TEST_F(StoreTest, DropTakesThisVeryEntry) {
  Store store({}, &versions_);
  const auto first = Valid(1, kNow);
  const auto second = Valid(1, kNow);
  store.Insert(first);
  store.Insert(second);
  store.Drop(*first);
  EXPECT_EQ(store.Lookup(KeyOf(1), kNow, kAnyAge), second);
  store.Drop(*second);
  EXPECT_EQ(store.Stats().entries, 0u);
  EXPECT_EQ(store.Stats().bytes, 0u);
}

TEST_F(StoreTest, GroupsAreCountedApart) {
  Store store({.max_entries = 3, .shards = 1}, &versions_);
  for (uint64_t i = 0; i < 9; ++i) {
    EntrySpec entry = SpecOf(i, 100, Capture(), kNow);
    entry.group = static_cast<uint8_t>(i % 2);
    store.Insert(entry.Build());
  }
  const StoreStats stats = store.Stats();
  EXPECT_EQ(stats.groups[0].entries + stats.groups[1].entries, stats.entries);
  EXPECT_EQ(stats.groups[0].bytes + stats.groups[1].bytes, stats.bytes);
  EXPECT_GT(stats.groups[0].entries, 0u);
  EXPECT_GT(stats.groups[1].entries, 0u);
  EXPECT_EQ(stats.groups[2].entries, 0u);
  store.Clear();
  for (const GroupStats& group : store.Stats().groups) EXPECT_EQ(group.bytes, 0u);
}

TEST_F(StoreTest, Clear) {
  Store store({}, &versions_);
  for (uint64_t i = 0; i < 100; ++i) store.Insert(Valid(i));
  EXPECT_EQ(store.Clear(), 100u);
  EXPECT_EQ(store.Clear(), 0u);
  EXPECT_EQ(store.Stats().entries, 0u);
  EXPECT_EQ(store.Stats().bytes, 0u);
  EXPECT_EQ(store.Lookup(KeyOf(1), kNow, kAnyAge), nullptr);
  EXPECT_TRUE(store.Insert(Valid(1)));
}

TEST_F(StoreTest, EntriesBound) {
  for (const size_t max_entries : {1u, 3u, 16u, 100u}) {
    Store store({.max_entries = max_entries}, &versions_);
    for (uint64_t i = 0; i < 500; ++i) {
      EXPECT_TRUE(store.Insert(Valid(i)));
      EXPECT_EQ(store.Stats().entries, std::min<uint64_t>(i + 1, max_entries));
    }
    EXPECT_EQ(store.Stats().evicted, 500 - max_entries);
    EXPECT_NE(store.Lookup(KeyOf(499), kNow, kAnyAge), nullptr);
  }
}

// One entry may be as large as all the rest: a small cache is as usable as its bytes allow, however
// many shards it has.
TEST_F(StoreTest, BytesBoundWithLargeEntries) {
  constexpr size_t kMaxBytes = 1 << 20;
  Store store({.max_bytes = kMaxBytes}, &versions_);
  for (uint64_t i = 0; i < 200; ++i) {
    const size_t row_bytes = i % 10 == 0 ? 900'000 : 20'000;
    EXPECT_TRUE(store.Insert(MakeEntry(i, row_bytes, Capture(), kNow))) << i;
    EXPECT_LE(store.Stats().bytes + store.Stats().table_bytes, kMaxBytes);
    EXPECT_NE(store.Lookup(KeyOf(i), kNow, kAnyAge), nullptr);
  }
  for (uint64_t i = 200; i < 300; ++i) store.Insert(MakeEntry(i, 20'000, Capture(), kNow));
  EXPECT_GT(store.Stats().bytes, kMaxBytes * 9 / 10);
  EXPECT_FALSE(store.Insert(MakeEntry(1000, kMaxBytes, Capture(), kNow)));
  EXPECT_EQ(store.Stats().rejected_large, 1u);
  EXPECT_GT(store.Stats().entries, 1u) << "what does not fit evicts nothing";
}

TEST_F(StoreTest, ABoundTooSmallForAnythingStoresNothing) {
  for (const StoreOptions& options : {StoreOptions{.max_bytes = 0}, StoreOptions{.max_bytes = 300},
                                      StoreOptions{.max_entries = 0}}) {
    Store store(options, &versions_);
    EXPECT_FALSE(store.Insert(Valid(1)));
    EXPECT_EQ(store.Stats().entries, 0u);
  }
}

TEST_F(StoreTest, ShardsShareTheBudgetEvenly) {
  constexpr size_t kMaxEntries = 1600;
  Store store({.max_entries = kMaxEntries}, &versions_);
  // Without hits the store is about first in, first out, across shards.
  for (uint64_t i = 0; i < 5 * kMaxEntries; ++i) store.Insert(Valid(i));
  uint64_t young = 0;
  for (uint64_t i = 4 * kMaxEntries; i < 5 * kMaxEntries; ++i) {
    young += store.Lookup(KeyOf(i), kNow, kAnyAge) != nullptr ? 1 : 0;
  }
  EXPECT_GT(young, kMaxEntries * 9 / 10);
}

TEST_F(StoreTest, RandomWorkStaysWithinTheBounds) {
  constexpr uint32_t kSeed = 815;
  std::mt19937 random(kSeed);
  constexpr size_t kMaxBytes = 300'000, kMaxEntries = 120;
  Store store({.max_bytes = kMaxBytes, .max_entries = kMaxEntries, .shards = 4}, &versions_);
  TimePoint now = kNow;
  for (int step = 0; step < 30'000; ++step) {
    now += milliseconds(random() % 50);
    const uint64_t number = random() % 400;
    switch (random() % 16) {
      case 0:
        store.Sweep(now);
        break;
      case 1:
        if (random() % 20 == 0) versions_.Move(1);
        break;
      default:
        if (store.Lookup(KeyOf(number), now, {.max_age = seconds(10)})) break;
        store.Insert(
            MakeEntry(number, random() % (random() % 50 == 0 ? 200'000 : 5'000), Capture(), now));
    }
    const StoreStats stats = store.Stats();
    ASSERT_LE(stats.bytes + stats.table_bytes, kMaxBytes) << "seed " << kSeed << ", step " << step;
    ASSERT_LE(stats.entries, kMaxEntries) << "seed " << kSeed << ", step " << step;
  }
  // What comes out one by one is what was counted.
  const StoreStats stats = store.Stats();
  EXPECT_GT(stats.evicted, 0u);
  EXPECT_GT(stats.hits, 0u);
  uint64_t entries = 0, bytes = 0;
  for (uint64_t number = 0; number < 400; ++number) {
    const auto entry =
        store.Lookup(KeyOf(number), now, {.max_age = minutes(9), .check_stamps = false});
    if (!entry) continue;
    ++entries;
    bytes += entry->ChargeBytes();
  }
  EXPECT_EQ(entries, stats.entries);
  EXPECT_EQ(bytes, stats.bytes);
}

TEST_F(StoreTest, ManyThreadsStayWithinTheBounds) {
  constexpr size_t kMaxBytes = 200'000, kMaxEntries = 60;
  Store store({.max_bytes = kMaxBytes, .max_entries = kMaxEntries, .shards = 4}, &versions_);
  std::vector<std::thread> threads;
  for (uint32_t seed = 0; seed < 4; ++seed) {
    threads.emplace_back([&, seed] {
      std::mt19937 random(seed);
      for (int step = 0; step < 4000; ++step) {
        const uint64_t number = random() % 150;
        if (random() % 100 == 0) versions_.Move(1);
        if (random() % 100 == 0) store.Sweep(kNow);
        if (random() % 1000 == 0) store.Clear();
        if (store.Lookup(KeyOf(number), kNow, kAnyAge)) continue;
        store.Insert(MakeEntry(number, random() % 10'000, Capture(), kNow));
      }
    });
  }
  for (int i = 0; i < 300; ++i) {
    const StoreStats stats = store.Stats();
    EXPECT_LE(stats.entries, kMaxEntries + 4);  // the shards are not counted at one moment
    std::this_thread::yield();
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(store.Stats().bytes, kMaxBytes);
  EXPECT_LE(store.Stats().entries, kMaxEntries);
  // Nothing has leaked out of the budget: it can be filled to the last entry.
  store.Clear();
  for (uint64_t i = 0; i < kMaxEntries; ++i) store.Insert(Valid(i));
  EXPECT_EQ(store.Stats().entries, kMaxEntries);
}

}  // namespace
}  // namespace pgsidecar::cache
