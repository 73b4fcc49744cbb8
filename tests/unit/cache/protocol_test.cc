// The protocol of writers and readers under real threads, against a database of a few numbers:
// whoever has heard of a write, by its acknowledgement or by having read it, never gets an older
// number from the cache.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include "cache/store.h"
#include "cache/versions.h"
#include "tests/unit/cache/make_entry.h"

namespace pgsidecar::cache {
namespace {

constexpr size_t kRelations = 3;
constexpr ReadPolicy kSession = {.max_age = std::chrono::hours(1)};

// What everybody may have heard about one relation.
struct Relation {
  std::mutex writers;                   // the row lock: writes of one relation come one by one
  std::atomic<uint64_t> committed = 0;  // in the database
  std::atomic<uint64_t> known = 0;      // the newest number that somebody has been told of
};

void RaiseTo(std::atomic<uint64_t>& known, uint64_t value) {
  uint64_t before = known.load();
  while (before < value && !known.compare_exchange_weak(before, value)) {
  }
}

class ProtocolTest : public testing::Test {
 protected:
  CounterIndex CounterOf(size_t relation) const {
    return versions_.RelationCounter({}, static_cast<uint32_t>(relation));
  }

  void Write(size_t index, bool rolls_back) {
    Relation& relation = relations_[index];
    const std::lock_guard lock(relation.writers);
    versions_.BeginWrite(CounterOf(index));
    const uint64_t value = relation.committed + (rolls_back ? 0 : 1);
    relation.committed = value;
    std::this_thread::yield();
    versions_.EndWrite(CounterOf(index));
    RaiseTo(relation.known, value);  // the client is told
  }

  void Read(size_t index) {
    Relation& relation = relations_[index];
    const uint64_t known = relation.known;  // whatever was told before the query arrived
    const auto hit = store_.Lookup(KeyOf(index), TimePoint{}, kSession);
    const uint64_t value = hit ? hit->row_count() : Fill(index);
    (hit ? hits_ : misses_).fetch_add(1);
    if (value < known) stale_.fetch_add(1);
    RaiseTo(relation.known, value);
  }

  // Asks the database, and stores what it says if nothing has moved.
  uint64_t Fill(size_t index) {
    const std::array<CounterIndex, 2> counters = {versions_.DatabaseCounter({}), CounterOf(index)};
    auto stamps = versions_.Capture(counters);
    const uint64_t value = relations_[index].committed;
    std::this_thread::yield();  // the rows are on their way
    if (stamps) {
      EntrySpec entry = SpecOf(index, 100, std::move(*stamps));
      entry.row_count = value;
      store_.Insert(entry.Build());
    }
    return value;
  }

  VersionTable versions_;
  Store store_{{}, &versions_};
  std::array<Relation, kRelations> relations_;
  std::atomic<uint64_t> hits_ = 0, misses_ = 0, stale_ = 0;
};

TEST_F(ProtocolTest, NothingOldAfterSomethingNew) {
  std::vector<std::thread> threads;
  for (uint32_t seed = 0; seed < 4; ++seed) {
    threads.emplace_back([this, seed] {
      std::mt19937 random(seed);
      for (int step = 0; step < 20'000; ++step) {
        const size_t index = random() % kRelations;
        if (random() % 20 == 0) {
          Write(index, random() % 4 == 0);
        } else {
          Read(index);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(stale_, 0u);
  EXPECT_GT(hits_, 0u);
  EXPECT_GT(misses_, 0u);
  EXPECT_GT(store_.Stats().stale, 0u);
}

// The fill race of one reader and one writer, in each order of their steps.
TEST_F(ProtocolTest, AFillThatAWriteOverlapsIsNeverServed) {
  enum Step { kCapture, kReadRows, kStore, kBegin, kCommit, kEnd };
  std::vector<int> order = {0, 0, 0, 1, 1, 1};  // 0: the reader's next step, 1: the writer's
  do {
    VersionTable versions(4);
    Store store({}, &versions);
    std::optional<std::vector<Stamp>> stamps;
    uint64_t committed = 0, rows = 0;
    int reader = kCapture, writer = kBegin;
    for (const int who : order) {
      switch (who == 0 ? reader++ : writer++) {
        case kCapture:
          stamps = versions.Capture(std::vector<CounterIndex>{1});
          break;
        case kReadRows:
          rows = committed;
          break;
        case kStore:
          if (stamps) {
            EntrySpec entry = SpecOf(1, 1, *stamps);
            entry.row_count = rows;
            store.Insert(entry.Build());
          }
          break;
        case kBegin:
          versions.BeginWrite(1);
          break;
        case kCommit:
          committed = 1;
          break;
        case kEnd:
          versions.EndWrite(1);
          break;
      }
    }
    const auto hit = store.Lookup(KeyOf(1), TimePoint{}, kSession);
    EXPECT_TRUE(!hit || hit->row_count() == 1);
  } while (std::next_permutation(order.begin(), order.end()));
}

}  // namespace
}  // namespace pgsidecar::cache
