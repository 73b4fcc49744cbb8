// The eviction order: one-hit wonders leave first, and who comes back from the ghost may stay.

#include "cache/s3_fifo.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "tests/unit/cache/make_entry.h"

namespace pgsidecar::cache {
namespace {

constexpr size_t kPlaces = 1024;

void Ask(S3Fifo& queues, uint64_t number, int times) {
  for (int i = 0; i < times; ++i) ASSERT_NE(queues.Touch(KeyOf(number)), nullptr);
}

// The number of the entry that is evicted next.
uint64_t Evicted(S3Fifo& queues) {
  const auto entry = queues.Evict();
  EXPECT_TRUE(entry);
  return entry ? entry->row_count : ~uint64_t{0};
}

TEST(S3FifoTest, FirstInFirstOutWithoutHits) {
  S3Fifo queues(kPlaces);
  for (uint64_t i = 0; i < 5; ++i) queues.Put(MakeEntry(i));
  for (uint64_t i = 0; i < 5; ++i) EXPECT_EQ(Evicted(queues), i);
  EXPECT_EQ(queues.Evict(), nullptr);
  EXPECT_EQ(queues.bytes(), 0u);
  EXPECT_EQ(queues.size(), 0u);
}

TEST(S3FifoTest, OneHitWondersLeaveFirst) {
  S3Fifo queues(kPlaces);
  for (uint64_t i = 0; i < 10; ++i) queues.Put(MakeEntry(i));
  Ask(queues, 0, 2);
  Ask(queues, 3, 5);
  Ask(queues, 5, 1);  // once is not enough
  const std::vector<uint64_t> wonders = {1, 2, 4, 5, 6, 7, 8, 9};
  for (const uint64_t number : wonders) EXPECT_EQ(Evicted(queues), number);
  EXPECT_EQ(Evicted(queues), 0u);
  EXPECT_EQ(Evicted(queues), 3u);
}

TEST(S3FifoTest, AScanDoesNotWashOutWhatIsAskedFor) {
  S3Fifo queues(kPlaces);
  for (uint64_t i = 0; i < 50; ++i) {
    queues.Put(MakeEntry(i));
    Ask(queues, i, 2);
  }
  for (uint64_t i = 1000; i < 3000; ++i) {
    queues.Put(MakeEntry(i));
    if (queues.size() > 100) queues.Evict();
  }
  for (uint64_t i = 0; i < 50; ++i) EXPECT_NE(queues.Find(KeyOf(i)), nullptr) << i;
}

TEST(S3FifoTest, GhostIsReadmittedToMain) {
  S3Fifo queues(kPlaces);
  queues.Put(MakeEntry(1));
  EXPECT_EQ(Evicted(queues), 1u);
  queues.Put(MakeEntry(1));  // in main now
  for (uint64_t i = 2; i < 12; ++i) queues.Put(MakeEntry(i));
  for (uint64_t i = 2; i < 11; ++i) EXPECT_EQ(Evicted(queues), i);
  EXPECT_NE(queues.Find(KeyOf(1)), nullptr);
}

TEST(S3FifoTest, GhostForgetsWhomItHasLetIn) {
  S3Fifo queues(kPlaces);
  queues.Put(MakeEntry(1));
  queues.Evict();
  queues.Put(MakeEntry(1));
  EXPECT_EQ(Evicted(queues), 1u);  // from main, which leaves no ghost
  queues.Put(MakeEntry(1));        // in small again
  queues.Put(MakeEntry(2));
  Ask(queues, 2, 2);
  EXPECT_EQ(Evicted(queues), 1u);
}

TEST(S3FifoTest, MainGivesOneMoreRoundAHit) {
  S3Fifo queues(kPlaces);
  for (uint64_t i = 1; i <= 3; ++i) {
    queues.Put(MakeEntry(i));
    Ask(queues, i, 2);
  }
  queues.Put(MakeEntry(4));
  EXPECT_EQ(Evicted(queues), 4u);  // 1, 2, 3 have gone to main on the way
  Ask(queues, 1, 1);
  EXPECT_EQ(Evicted(queues), 2u);
  EXPECT_EQ(Evicted(queues), 3u);
  EXPECT_EQ(Evicted(queues), 1u);
}

TEST(S3FifoTest, ReplacingKeepsTheTurn) {
  S3Fifo queues(kPlaces);
  const auto old = MakeEntry(1, 100);
  EXPECT_EQ(queues.Put(old), nullptr);
  queues.Put(MakeEntry(2, 100));
  const auto young = MakeEntry(1, 500);
  EXPECT_EQ(queues.Put(young), old);
  EXPECT_EQ(queues.size(), 2u);
  EXPECT_EQ(queues.bytes(), young->ChargeBytes() + MakeEntry(2, 100)->ChargeBytes());
  EXPECT_EQ(queues.Evict(), young);
}

TEST(S3FifoTest, DropIsOfThatVeryEntry) {
  S3Fifo queues(kPlaces);
  const auto old = MakeEntry(1);
  queues.Put(old);
  const auto young = MakeEntry(1);
  queues.Put(young);
  EXPECT_FALSE(queues.Drop(*old, false));
  EXPECT_EQ(*queues.Find(KeyOf(1)), young);
  EXPECT_TRUE(queues.Drop(*young, false));
  EXPECT_FALSE(queues.Drop(*young, false));
  EXPECT_EQ(queues.bytes(), 0u);
}

TEST(S3FifoTest, ARefillBeginsInMain) {
  for (const bool refill : {false, true}) {
    S3Fifo queues(kPlaces);
    const auto entry = MakeEntry(1);
    queues.Put(entry);
    queues.Drop(*entry, refill);
    queues.Put(MakeEntry(1));
    queues.Put(MakeEntry(2));
    EXPECT_EQ(Evicted(queues), refill ? 2u : 1u);
  }
}

TEST(S3FifoTest, ClearForgetsGhostsToo) {
  S3Fifo queues(kPlaces);
  queues.Put(MakeEntry(1));
  queues.Evict();
  queues.Put(MakeEntry(2));
  EXPECT_EQ(queues.Clear().size(), 1u);
  EXPECT_EQ(queues.size(), 0u);
  EXPECT_EQ(queues.bytes(), 0u);
  queues.Put(MakeEntry(1));
  queues.Put(MakeEntry(2));
  EXPECT_EQ(Evicted(queues), 1u);
}

// Whatever is done to it, its bytes are the sum of its entries' charges, and all can be evicted.
TEST(S3FifoTest, RandomWorkKeepsTheBooks) {
  constexpr uint32_t kSeed = 4711;
  std::mt19937 random(kSeed);
  S3Fifo queues(64);
  for (int step = 0; step < 20'000; ++step) {
    const uint64_t number = random() % 200;
    switch (random() % 6) {
      case 0:
      case 1:
        queues.Put(MakeEntry(number, random() % 2000));
        break;
      case 2:
        queues.Evict();
        break;
      case 3:
        if (const auto* found = queues.Find(KeyOf(number))) {
          const std::shared_ptr<const Entry> entry = *found;
          queues.Drop(*entry, random() % 2 == 0);
        }
        break;
      default:
        queues.Touch(KeyOf(number));
    }
    if (step % 100 != 0) continue;
    size_t sum = 0;
    for (const auto& entry : queues.All()) sum += entry->ChargeBytes();
    ASSERT_EQ(sum, queues.bytes()) << "seed " << kSeed << ", step " << step;
  }
  std::set<uint64_t> left;
  while (queues.size() != 0) EXPECT_TRUE(left.insert(Evicted(queues)).second);
  EXPECT_EQ(queues.bytes(), 0u);
  EXPECT_EQ(queues.Evict(), nullptr);
}

}  // namespace
}  // namespace pgsidecar::cache
