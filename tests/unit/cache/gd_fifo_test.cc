// The eviction order: by what is saved for each byte, and who is asked for stays.

#include "cache/gd_fifo.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <map>
#include <random>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/unit/cache/make_entry.h"

namespace pgsidecar::cache {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

EntryRef Costing(uint64_t number, Duration server_time, size_t row_bytes = 100) {
  EntrySpec spec = SpecOf(number, row_bytes);
  spec.server_time = server_time;
  return spec.Build();
}

void Ask(GdFifo& queues, uint64_t number, int times) {
  for (int i = 0; i < times; ++i) ASSERT_NE(queues.Touch(KeyOf(number)), nullptr);
}

// The number of the entry that is evicted next.
uint64_t Evicted(GdFifo& queues) {
  const auto entry = queues.Evict();
  EXPECT_TRUE(entry);
  return entry ? entry->row_count() : ~uint64_t{0};
}

TEST(GdFifoTest, FirstInFirstOutAmongEquals) {
  GdFifo queues;
  for (uint64_t i = 0; i < 5; ++i) queues.Put(Costing(i, milliseconds(1)));
  for (uint64_t i = 0; i < 5; ++i) EXPECT_EQ(Evicted(queues), i);
  EXPECT_EQ(queues.Evict(), nullptr);
  EXPECT_EQ(queues.bytes(), 0u);
  EXPECT_EQ(queues.size(), 0u);
}

TEST(GdFifoTest, WhatSavesLittleForItsBytesLeavesFirst) {
  GdFifo queues;
  queues.Put(Costing(1, milliseconds(100)));
  queues.Put(Costing(2, microseconds(100)));
  queues.Put(Costing(3, milliseconds(100), 100'000));  // as dear as the first, and large
  queues.Put(Costing(4, milliseconds(5)));
  for (const uint64_t number : {2, 3, 4, 1}) EXPECT_EQ(Evicted(queues), number);
}

TEST(GdFifoTest, WhatIsAskedForStays) {
  GdFifo queues;
  for (uint64_t i = 0; i < 10; ++i) queues.Put(Costing(i, milliseconds(1)));
  Ask(queues, 0, 1);
  Ask(queues, 3, 5);
  for (const uint64_t number : {1, 2, 4, 5, 6, 7, 8, 9}) EXPECT_EQ(Evicted(queues), number);
  EXPECT_EQ(Evicted(queues), 0u);  // its one time is less than three
  EXPECT_EQ(Evicted(queues), 3u);
}

TEST(GdFifoTest, AScanDoesNotWashOutWhatIsAskedFor) {
  GdFifo queues;
  for (uint64_t i = 0; i < 50; ++i) {
    queues.Put(Costing(i, milliseconds(1)));
    Ask(queues, i, 2);
  }
  for (uint64_t i = 1000; i < 1300; ++i) {
    queues.Put(Costing(i, milliseconds(1)));
    if (queues.size() > 100) queues.Evict();
  }
  for (uint64_t i = 0; i < 50; ++i) EXPECT_NE(queues.Find(KeyOf(i)), nullptr) << i;
}

// Else what was dear once would fill the cache for good.
TEST(GdFifoTest, WhatIsDearAndNotAskedForLeavesInTheEnd) {
  GdFifo queues;
  queues.Put(Costing(0, milliseconds(20)));
  for (uint64_t i = 1; i < 100'000; ++i) {
    queues.Put(Costing(i, microseconds(300)));
    if (queues.size() > 50) queues.Evict();
    if (queues.Find(KeyOf(0)) == nullptr) return;
  }
  FAIL() << "it is still there";
}

// Nobody waits for the whole cache to be looked at.
TEST(GdFifoTest, WhereAllIsAskedForOneLeavesSoon) {
  GdFifo queues;
  for (uint64_t i = 0; i < 2 * GdFifo::kMostSpared; ++i) {
    queues.Put(Costing(i, milliseconds(1)));
    Ask(queues, i, 1);
  }
  EXPECT_EQ(Evicted(queues), uint64_t{GdFifo::kMostSpared});
}

TEST(GdFifoTest, AReplacementInheritsItsAskings) {
  GdFifo queues;
  const auto old = Costing(1, milliseconds(1));
  EXPECT_EQ(queues.Put(old), nullptr);
  queues.Put(Costing(2, milliseconds(1)));
  Ask(queues, 1, 1);
  const auto young = Costing(1, milliseconds(1), 110);
  EXPECT_EQ(queues.Put(young), old);
  EXPECT_EQ(queues.size(), 2u);
  EXPECT_EQ(queues.bytes(), young->ChargeBytes() + Costing(2, milliseconds(1))->ChargeBytes());
  EXPECT_EQ(Evicted(queues), 2u);
  EXPECT_EQ(queues.Evict(), young);
}

TEST(GdFifoTest, DropIsOfThatVeryEntry) {
  GdFifo queues;
  const auto old = MakeEntry(1);
  queues.Put(old);
  const auto young = MakeEntry(1);
  queues.Put(young);
  EXPECT_FALSE(queues.Drop(*old));
  EXPECT_EQ(queues.Find(KeyOf(1)), young.get());
  EXPECT_TRUE(queues.Drop(*young));
  EXPECT_FALSE(queues.Drop(*young));
  EXPECT_EQ(queues.bytes(), 0u);
}

TEST(GdFifoTest, ClearHandsOutAll) {
  GdFifo queues;
  for (uint64_t i = 0; i < 10; ++i) queues.Put(Costing(i, microseconds(1 << i)));
  EXPECT_EQ(queues.Clear().size(), 10u);
  EXPECT_EQ(queues.size(), 0u);
  EXPECT_EQ(queues.bytes(), 0u);
  EXPECT_EQ(queues.Evict(), nullptr);
}

TEST(GdFifoTest, CopiesInPieces) {
  GdFifo queues;
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

// The same policy without queues, without words that wrap, and looking at everything each time.
class Model {
 public:
  bool Touch(const Digest& key) {
    const auto found = items_.find(key);
    if (found == items_.end()) return false;
    found->second.asked = std::min(3u, found->second.asked + 1);
    return true;
  }

  EntryRef Put(const EntryRef& entry) {
    Item& item = items_[entry->key()];
    EntryRef old = std::exchange(item.entry, entry);
    Queue(item);
    return old;
  }

  EntryRef Evict() {
    while (!items_.empty()) {
      const auto first = std::min_element(items_.begin(), items_.end(), [](auto& a, auto& b) {
        return std::tie(a.second.due, a.second.order) < std::tie(b.second.due, b.second.order);
      });
      Item& item = first->second;
      level_ = item.due;
      if (item.asked == 0) {
        EntryRef entry = item.entry;
        items_.erase(first);
        return entry;
      }
      item.uses = item.uses / 2 + std::exchange(item.asked, 0);
      Queue(item);
    }
    return nullptr;
  }

  bool Drop(const EntryRef& entry) {
    const auto found = items_.find(entry->key());
    if (found == items_.end() || found->second.entry != entry) return false;
    items_.erase(found);
    return true;
  }

  size_t bytes() const {
    size_t bytes = 0;
    for (const auto& [key, item] : items_) bytes += item.entry->ChargeBytes();
    return bytes;
  }
  size_t size() const { return items_.size(); }

 private:
  struct Item {
    EntryRef entry;
    unsigned asked = 0;
    unsigned uses = 0;
    uint64_t due = 0;
    std::pair<int, uint64_t> order;  // among what is due at once: by class, then by age
  };

  void Queue(Item& item) {
    const double times = item.uses == 0 ? 0.125 : item.uses;
    const auto saved = static_cast<double>(item.entry->server_time().count());
    const auto worth = static_cast<uint64_t>(
        saved * 4096 * times / static_cast<double>(item.entry->ChargeBytes()) + 1e-9);
    const int digits = std::min(static_cast<int>(std::bit_width(worth)), 20);
    item.due = level_ + (uint64_t{1} << digits);
    item.order = {digits, ++turn_};
  }

  std::map<Digest, Item> items_;
  uint64_t level_ = 0;
  uint64_t turn_ = 0;
};

TEST(GdFifoTest, RandomOperationsAgainstAModel) {
  for (const uint32_t seed : {1u, 2u, 3u}) {
    std::mt19937 random(seed);
    GdFifo queues;
    Model model;
    std::vector<EntryRef> seen;
    for (int step = 0; step < 20'000; ++step) {
      const uint64_t number = random() % 120;
      SCOPED_TRACE(testing::Message() << "seed " << seed << ", step " << step);
      switch (random() % 8) {
        case 0:
        case 1: {
          // From nothing to half an hour: the level passes its 22 bits many times.
          const Duration server_time(random() >> (1 + random() % 31));
          const EntryRef entry = Costing(number, server_time, random() % 3000);
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
            ASSERT_EQ(queues.Drop(*entry), model.Drop(entry));
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

}  // namespace
}  // namespace pgsidecar::cache
