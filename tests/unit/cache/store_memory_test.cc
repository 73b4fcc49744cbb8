// The store's accounts against malloc's own.

#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "cache/fill.h"
#include "cache/store.h"
#include "tests/unit/cache/make_entry.h"

namespace pgsidecar::cache {
namespace {

// What is allocated: blocks of the heap, and those that are mapped.
size_t AllocatedBytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

// Sanitizers have a malloc of their own, which keeps no such accounts.
bool KnowsWhatIsAllocated() {
  const size_t before = AllocatedBytes();
  const std::string block(1 << 20, 'x');
  return AllocatedBytes() >= before + block.size();
}

class StoreMemoryTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!KnowsWhatIsAllocated()) GTEST_SKIP() << "mallinfo2 says nothing here";
    // What malloc keeps for the thread's next blocks counts as allocated: it is there before as
    // well.
    std::vector<EntryRef> warm_up;
    for (uint64_t i = 0; i < 5000; ++i) warm_up.push_back(RandomEntry(i));
  }

  // A result as it comes from a server, mostly small, in pieces.
  EntryRef RandomEntry(uint64_t number) {
    std::vector<CounterIndex> counters(random_() % 6);
    for (CounterIndex& counter : counters) counter = random_() % 16;
    Fill fill(KeyOf(number), *versions_.Capture(counters), TimePoint{}, size_t{8} << 20,
              {.max_age = std::chrono::hours(1)});
    const uint64_t kind = random_() % 1000;
    const uint64_t rows = random_() % (kind == 0 ? 2000 : 10);
    for (uint64_t i = 0; i < rows; ++i) Feed(fill, 'D', random_() % (kind < 100 ? 2000 : 100));
    Feed(fill, 'C', "SELECT " + std::to_string(rows) + '\0');
    return fill.Finish(TimePoint{});
  }
  static void Feed(Fill& fill, char type, size_t bytes) {
    Feed(fill, type, std::string(bytes, 'x'));
  }
  static void Feed(Fill& fill, char type, const std::string& body) {
    std::string message(1, type);
    AppendBig32(message, static_cast<uint32_t>(body.size() + 4));
    message += body;
    const size_t half = message.size() / 2;
    fill.OnPiece(type, message.size(), true, std::string_view(message).substr(0, half));
    fill.OnPiece(type, message.size(), false, std::string_view(message).substr(half));
  }

  VersionTable versions_{4};
  std::mt19937 random_{99};
};

TEST_F(StoreMemoryTest, ChargesWhatIsTaken) {
  const size_t before = AllocatedBytes();
  Store store({.max_bytes = size_t{1} << 30, .max_entries = 1'000'000}, &versions_);
  for (const uint64_t entries : {20'000, 60'000, 150'000}) {
    while (store.Stats().stored < entries) store.Insert(RandomEntry(store.Stats().stored));
    const StoreStats stats = store.Stats();
    const auto counted = static_cast<double>(stats.bytes + stats.table_bytes);
    EXPECT_NEAR(counted, static_cast<double>(AllocatedBytes() - before), counted * 0.01);
  }
  const size_t full = AllocatedBytes();
  store.Clear();
  EXPECT_LT(AllocatedBytes() - before, (full - before) / 10) << "the shards are left";
}

TEST_F(StoreMemoryTest, StaysWithinTheBound) {
  constexpr size_t kMaxBytes = size_t{24} << 20;
  const size_t before = AllocatedBytes();
  Store store({.max_bytes = kMaxBytes, .max_entries = 1'000'000}, &versions_);
  size_t most = 0;  // now and then less: what a large one has left behind is not full again at once
  for (uint64_t i = 0; i < 150'000; ++i) {
    store.Insert(RandomEntry(i));
    if (i % 100 == 0) {
      most = std::max(most, AllocatedBytes() - before);
      ASSERT_LE(most, kMaxBytes * 101 / 100) << i;
    }
  }
  EXPECT_GT(store.Stats().evicted, 10'000u);
  EXPECT_GT(most, kMaxBytes * 99 / 100);
}

}  // namespace
}  // namespace pgsidecar::cache
