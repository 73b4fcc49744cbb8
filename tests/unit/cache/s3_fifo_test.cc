// The eviction order: one-hit wonders leave first, and who comes back from the ghost may stay.

#include "cache/s3_fifo.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "cache/ghost.h"
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
  return entry ? entry->row_count() : ~uint64_t{0};
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
  EXPECT_EQ(queues.Find(KeyOf(1)), young.get());
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
        if (const EntryRef entry(queues.Find(KeyOf(number))); entry) {
          queues.Drop(*entry, random() % 2 == 0);
        }
        break;
      default:
        queues.Touch(KeyOf(number));
    }
    if (step % 100 != 0) continue;
    size_t sum = 0;
    std::vector<EntryRef> all;
    EXPECT_EQ(queues.Copy(0, SIZE_MAX, all), 0u);
    EXPECT_EQ(all.size(), queues.size());
    for (const EntryRef& entry : all) sum += entry->ChargeBytes();
    ASSERT_EQ(sum, queues.bytes()) << "seed " << kSeed << ", step " << step;
  }
  std::set<uint64_t> left;
  while (queues.size() != 0) EXPECT_TRUE(left.insert(Evicted(queues)).second);
  EXPECT_EQ(queues.bytes(), 0u);
  EXPECT_EQ(queues.Evict(), nullptr);
}

// The same policy as lists and a map.
class Model {
 public:
  explicit Model(size_t places) : ghost_(places) {}

  struct Item {
    EntryRef entry;
    int asked = 0;
    bool in_main = false;
  };
  using Queue = std::list<Item>;

  bool Touch(const Digest& key) {
    const auto found = items_.find(key);
    if (found == items_.end()) return false;
    found->second->asked = std::min(3, found->second->asked + 1);
    return true;
  }

  EntryRef Put(const EntryRef& entry) {
    if (const auto found = items_.find(entry->key()); found != items_.end()) {
      return std::exchange(found->second->entry, entry);
    }
    const bool in_main = ghost_.Recall(entry->key());
    Queue& queue = in_main ? main_ : small_;
    items_[entry->key()] = queue.insert(queue.end(), {.entry = entry, .in_main = in_main});
    return nullptr;
  }

  EntryRef Evict() {
    while (!items_.empty()) {
      const size_t small = BytesOf(small_);
      const bool from_small =
          !small_.empty() && (main_.empty() || small >= (small + BytesOf(main_)) / 10);
      Queue& queue = from_small ? small_ : main_;
      Item& item = queue.front();
      if (from_small ? item.asked >= 2 : item.asked >= 1) {
        item.asked = from_small ? 0 : item.asked - 1;
        item.in_main = true;
        main_.splice(main_.end(), queue, queue.begin());
        continue;
      }
      if (from_small) ghost_.Remember(item.entry->key());
      return TakeOut(item.entry->key());
    }
    return nullptr;
  }

  bool Drop(const EntryRef& entry, bool refill) {
    const auto found = items_.find(entry->key());
    if (found == items_.end() || found->second->entry != entry) return false;
    if (refill) ghost_.Remember(entry->key());
    TakeOut(entry->key());
    return true;
  }

  size_t bytes() const { return BytesOf(small_) + BytesOf(main_); }
  size_t size() const { return items_.size(); }

 private:
  static size_t BytesOf(const Queue& queue) {
    size_t bytes = 0;
    for (const Item& item : queue) bytes += item.entry->ChargeBytes();
    return bytes;
  }
  EntryRef TakeOut(const Digest& key) {
    const auto found = items_.find(key);
    const Queue::iterator item = found->second;
    EntryRef entry = item->entry;
    (item->in_main ? main_ : small_).erase(item);
    items_.erase(found);
    return entry;
  }

  std::map<Digest, Queue::iterator> items_;
  Queue small_, main_;
  Ghost ghost_;
};

TEST(S3FifoTest, RandomOperationsAgainstAModel) {
  for (const uint32_t seed : {1u, 2u, 3u}) {
    std::mt19937 random(seed);
    constexpr size_t kFew = 50;
    S3Fifo queues(kFew);
    Model model(kFew);
    std::vector<EntryRef> seen;
    for (int step = 0; step < 20'000; ++step) {
      const uint64_t number = random() % 120;
      SCOPED_TRACE(testing::Message() << "seed " << seed << ", step " << step);
      switch (random() % 8) {
        case 0:
        case 1: {
          const EntryRef entry = MakeEntry(number, random() % 3000);
          seen.push_back(entry);
          ASSERT_EQ(queues.Put(entry), model.Put(entry));
          break;
        }
        case 2:
          if (queues.size() > 40) {
            ASSERT_EQ(queues.Evict(), model.Evict());
          }
          break;
        case 3:
          if (!seen.empty() && random() % 3 == 0) {
            const EntryRef entry = seen[random() % seen.size()];  // most have long gone
            const bool refill = random() % 2 == 0;
            ASSERT_EQ(queues.Drop(*entry, refill), model.Drop(entry, refill));
          }
          break;
        default:
          ASSERT_EQ(queues.Touch(KeyOf(number)) != nullptr, model.Touch(KeyOf(number)));
      }
      ASSERT_EQ(queues.size(), model.size());
      if (step % 20 == 0) {
        ASSERT_EQ(queues.bytes(), model.bytes());
      }
    }
    while (queues.size() != 0) ASSERT_EQ(queues.Evict(), model.Evict());
    EXPECT_EQ(model.size(), 0u);
  }
}

TEST(S3FifoTest, CopiesInPieces) {
  S3Fifo queues(kPlaces);
  std::vector<EntryRef> all;
  EXPECT_EQ(queues.Copy(0, 10, all), 0u);
  for (uint64_t i = 0; i < 100; ++i) queues.Put(MakeEntry(i));
  size_t slot = 0;
  do {
    slot = queues.Copy(slot, 7, all);
  } while (slot != 0);
  std::set<uint64_t> numbers;
  for (const EntryRef& entry : all) EXPECT_TRUE(numbers.insert(entry->row_count()).second);
  EXPECT_EQ(numbers.size(), 100u);
  EXPECT_EQ(queues.Copy(100'000, 7, all), 0u);  // the index has become smaller
}

}  // namespace
}  // namespace pgsidecar::cache
