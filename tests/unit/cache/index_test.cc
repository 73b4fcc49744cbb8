// The index against a map, with keys that get in each other's way.

#include "cache/index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <unordered_map>
#include <vector>

#include "tests/unit/cache/make_entry.h"

namespace pgsidecar::cache {
namespace {

EntryRef EntryOf(const Digest& key) { return EntrySpec{.key = key}.Build(); }

// A key with these bits for its tag and its place, in each table the same.
Digest KeyAt(uint32_t hash, uint16_t tag, uint64_t number) {
  Digest key{};
  std::memcpy(key.data(), &tag, sizeof tag);
  const uint64_t place = uint64_t{hash} << 32;
  std::memcpy(key.data() + 8, &place, sizeof place);
  std::memcpy(key.data() + 24, &number, sizeof number);
  return key;
}

// The index and what it should hold, changed together.
class IndexTest : public testing::Test {
 protected:
  void Add(const Digest& key) {
    const EntryRef entry = EntryOf(key);
    index_.Add(*entry);
    EXPECT_TRUE(model_.emplace(key, entry).second);
  }
  void Remove(const Digest& key) {
    const auto found = model_.find(key);
    ASSERT_NE(found, model_.end());
    index_.Remove(*found->second);
    model_.erase(found);
  }
  void Replace(const Digest& key) {
    const EntryRef entry = EntryOf(key);
    index_.Replace(*model_.at(key), *entry);
    model_.at(key) = entry;
  }
  void ExpectEqual() {
    ASSERT_EQ(index_.size(), model_.size());
    for (const auto& [key, entry] : model_) ASSERT_EQ(index_.Find(key), entry.get());
    size_t found = 0;
    for (size_t slot = 0; slot < index_.slots(); ++slot) found += index_.At(slot) != nullptr;
    ASSERT_EQ(found, model_.size());
  }

  EntryIndex index_;
  std::map<Digest, EntryRef> model_;
};

TEST_F(IndexTest, EmptyTakesNoMemory) {
  EXPECT_EQ(index_.Find(KeyOf(1)), nullptr);
  EXPECT_EQ(index_.bytes(), 0u);
  Add(KeyOf(1));
  EXPECT_EQ(index_.Find(KeyOf(2)), nullptr);
  ExpectEqual();
  Remove(KeyOf(1));
  ExpectEqual();
  index_.Clear();
  EXPECT_EQ(index_.bytes(), 0u);
}

// More of one place and tag than distances can be told apart, at both ends of the table.
TEST_F(IndexTest, KeysOfOnePlaceAndTag) {
  for (const uint32_t hash : {0u, 0x7fff'ffffu, 0xffff'ffffu}) {
    for (uint64_t i = 0; i < 60; ++i) Add(KeyAt(hash, 7, i));
    for (uint64_t i = 0; i < 10; ++i) Add(KeyAt(hash, 8, i));
  }
  ExpectEqual();
  EXPECT_EQ(index_.Find(KeyAt(0, 7, 100)), nullptr);
  EXPECT_EQ(index_.Find(KeyAt(0xffff'ffff, 9, 1)), nullptr);
  std::vector<Digest> keys;
  for (const auto& [key, entry] : model_) keys.push_back(key);
  std::shuffle(keys.begin(), keys.end(), std::mt19937(1));
  for (const Digest& key : keys) {
    Remove(key);
    ExpectEqual();
    EXPECT_EQ(index_.Find(key), nullptr);
  }
}

TEST_F(IndexTest, GrowsAndShrinks) {
  for (uint64_t i = 0; i < 5000; ++i) {
    Add(KeyOf(i));
    ASSERT_LE(index_.size() * 20, index_.slots() * 17);
  }
  ExpectEqual();
  EXPECT_GE(index_.size() * 20, index_.slots() * 12);
  for (uint64_t i = 0; i < 5000; ++i) {
    Remove(KeyOf(i));
    if (index_.size() > 20) {
      ASSERT_GE(index_.size() * 5, index_.slots() * 2);
    }
  }
  EXPECT_LT(index_.bytes(), 200u);
}

TEST_F(IndexTest, SwapAndClear) {
  EntryIndex other;
  Add(KeyOf(1));
  index_.Swap(other);
  EXPECT_EQ(index_.size(), 0u);
  EXPECT_EQ(index_.Find(KeyOf(1)), nullptr);
  EXPECT_EQ(other.Find(KeyOf(1)), model_.at(KeyOf(1)).get());
}

// Keys from a space so small that runs are long, of many lengths and over the table's end.
TEST_F(IndexTest, RandomOperationsAgainstAMap) {
  for (const uint32_t seed : {1u, 2u, 3u, 4u}) {
    std::mt19937 random(seed);
    const uint32_t places = seed % 2 == 0 ? 40 : 4000;
    size_t most = 10;
    for (int step = 0; step < 30'000; ++step) {
      if (step % 3000 == 0) most = 10 + random() % 600;
      const Digest key = KeyAt(static_cast<uint32_t>(random() % places * (0xffff'ffff / places)),
                               static_cast<uint16_t>(random() % 2), random() % 20);
      const bool is_in = model_.contains(key);
      ASSERT_EQ(index_.Find(key) != nullptr, is_in) << "seed " << seed << ", step " << step;
      if (!is_in && model_.size() < most) {
        Add(key);
      } else if (is_in && random() % 4 == 0) {
        Replace(key);
      } else if (is_in) {
        Remove(key);
      } else if (model_.size() >= most) {
        const auto next = model_.lower_bound(key);
        Remove(next == model_.end() ? model_.begin()->first : next->first);
      }
      if (step % 100 == 0) ExpectEqual();
    }
  }
}

TEST_F(IndexTest, RandomKeysInRandomOrder) {
  std::mt19937 random(5);
  std::unordered_map<uint64_t, EntryRef> in;
  for (int step = 0; step < 100'000; ++step) {
    const uint64_t number = random() % (step < 50'000 ? 20'000 : 2'000);
    if (const auto found = in.find(number); found != in.end()) {
      ASSERT_EQ(index_.Find(KeyOf(number)), found->second.get());
      index_.Remove(*found->second);
      in.erase(found);
    } else {
      ASSERT_EQ(index_.Find(KeyOf(number)), nullptr);
      const EntryRef entry = EntryOf(KeyOf(number));
      index_.Add(*entry);
      in.emplace(number, entry);
    }
    ASSERT_EQ(index_.size(), in.size());
  }
  for (const auto& [number, entry] : in) ASSERT_EQ(index_.Find(KeyOf(number)), entry.get());
}

// As the sweeper does it: what is left does not crowd together in the smaller table.
TEST(EntryIndexTest, TakenOutInTheOrderOfItsSlots) {
  EntryIndex index;
  std::vector<EntryRef> entries;
  for (uint64_t i = 0; i < 20'000; ++i) {
    entries.push_back(MakeEntry(i, 1));
    index.Add(*entries.back());
  }
  for (size_t slot = 0; index.size() > 0; slot = slot + 1 < index.slots() ? slot + 1 : 0) {
    // It may become smaller by that.
    while (slot < index.slots() && index.At(slot) != nullptr) index.Remove(*index.At(slot));
    if (slot % 500 != 0) continue;
    size_t run = 0, longest = 0;
    for (size_t at = 0; at < index.slots(); ++at) {
      run = index.At(at) == nullptr ? 0 : run + 1;
      longest = std::max(longest, run);
    }
    ASSERT_LT(longest, 500u) << index.size() << " are left in " << index.slots() << " slots";
  }
}

}  // namespace
}  // namespace pgsidecar::cache
