// The ledger against a model that knows, for each batch, what may have been committed.

#include "proxy/write_ledger.h"

#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <random>
#include <set>
#include <vector>

namespace pgsidecar::proxy {
namespace {

using cache::CounterIndex;
using cache::VersionTable;

constexpr CounterIndex kCounters = 8;

uint64_t Word(const VersionTable& versions, CounterIndex counter) {
  const auto stamps = versions.Capture(std::array{counter});
  return stamps ? stamps->front().word() : UINT64_MAX;
}
bool Pending(const VersionTable& versions, CounterIndex counter) {
  return Word(versions, counter) == UINT64_MAX;
}

TEST(WriteLedgerTest, AnAutocommitWriteIsPendingUntilItsEnd) {
  VersionTable versions(4);
  WriteLedger ledger(&versions);
  const uint64_t before = Word(versions, 3);
  ledger.BeginBatch();
  ledger.Write(std::array<CounterIndex, 1>{3}, true);
  EXPECT_TRUE(Pending(versions, 3));
  EXPECT_FALSE(Pending(versions, 4));
  ledger.EndBatch(true);
  EXPECT_GT(Word(versions, 3), before);
  EXPECT_TRUE(ledger.empty());
}

TEST(WriteLedgerTest, ATransactionIsPendingWhileItMayCommit) {
  VersionTable versions(4);
  WriteLedger ledger(&versions);
  const uint64_t before = Word(versions, 3);
  ledger.BeginBatch();
  ledger.Write(std::array<CounterIndex, 1>{3}, false);
  EXPECT_EQ(Word(versions, 3), before);
  ledger.EndBatch(false);
  EXPECT_EQ(Word(versions, 3), before);
  EXPECT_FALSE(ledger.empty());
  ledger.BeginBatch();
  ledger.Write({}, true);  // COMMIT
  EXPECT_TRUE(Pending(versions, 3));
  ledger.EndBatch(true);
  EXPECT_GT(Word(versions, 3), before);
}

TEST(WriteLedgerTest, EscalationReachesWhatMayCommitNowAndLater) {
  VersionTable versions(4);
  WriteLedger ledger(&versions);
  ledger.Escalate(7);  // nothing is written: nothing to escalate
  EXPECT_FALSE(Pending(versions, 7));
  ledger.BeginBatch();
  ledger.Write(std::array<CounterIndex, 1>{3}, false);
  ledger.Escalate(7);
  EXPECT_FALSE(Pending(versions, 7));
  ledger.EndBatch(false);
  ledger.BeginBatch();
  ledger.Write({}, true);
  EXPECT_TRUE(Pending(versions, 7));
  ledger.Escalate(7);  // once is enough
  ledger.EndBatch(true);
  EXPECT_FALSE(Pending(versions, 7));
  EXPECT_FALSE(Pending(versions, 3));
}

TEST(WriteLedgerTest, MergedBatchesEndTogether) {
  VersionTable versions(4);
  WriteLedger ledger(&versions);
  ledger.BeginBatch();
  ledger.Write(std::array<CounterIndex, 2>{3, 5}, true);
  ledger.BeginBatch();
  ledger.Write(std::array<CounterIndex, 1>{4}, true);  // and what was written before it
  ledger.MergeOldest();
  EXPECT_EQ(ledger.open_batches(), 1u);
  for (const CounterIndex counter : {3u, 4u, 5u}) EXPECT_TRUE(Pending(versions, counter));
  ledger.EndBatch(true);
  for (const CounterIndex counter : {3u, 4u, 5u}) EXPECT_FALSE(Pending(versions, counter));
}

TEST(WriteLedgerTest, AbandonHandsOnEveryPendingMark) {
  VersionTable versions(4);
  WriteLedger ledger(&versions);
  ledger.BeginBatch();
  ledger.Write(std::array<CounterIndex, 1>{3}, true);
  ledger.BeginBatch();
  ledger.Write(std::array<CounterIndex, 1>{4}, true);
  for (const CounterIndex counter : ledger.Abandon()) versions.EndWrite(counter);
  EXPECT_FALSE(Pending(versions, 3));
  EXPECT_FALSE(Pending(versions, 4));
  EXPECT_TRUE(ledger.empty());
  EXPECT_TRUE(ledger.Abandon().empty());
}

// The model: per batch the counters that may become visible at its end. What is not needed may be
// pending, what is needed must be.
class Model {
 public:
  void Begin() { batches_.emplace_back(); }
  void Write(const std::vector<CounterIndex>& counters, bool may_commit) {
    written_.insert(counters.begin(), counters.end());
    batches_.back().written.insert(counters.begin(), counters.end());
    if (may_commit || batches_.back().may_commit) {
      batches_.back().may_commit = true;
      batches_.back().visible.insert(written_.begin(), written_.end());
    }
  }
  void WriteOldest(CounterIndex counter) {
    written_.insert(counter);
    batches_.front().written.insert(counter);
    batches_.front().visible.insert(counter);
  }
  void Escalate(CounterIndex counter) {
    if (written_.empty()) return;
    written_.insert(counter);
    for (Batch& batch : batches_) {
      if (batch.may_commit) batch.visible.insert(counter);
    }
  }
  void Merge() {
    if (batches_.size() < 2) return;
    const Batch oldest = batches_.front();
    batches_.pop_front();
    batches_.front().written.insert(oldest.written.begin(), oldest.written.end());
    batches_.front().visible.insert(oldest.visible.begin(), oldest.visible.end());
    batches_.front().may_commit |= oldest.may_commit;
  }
  void End(bool idle) {
    batches_.pop_front();
    if (!idle) return;
    written_.clear();
    for (const Batch& batch : batches_) written_.insert(batch.written.begin(), batch.written.end());
  }
  std::set<CounterIndex> AllVisible() const {
    std::set<CounterIndex> all;
    for (const Batch& batch : batches_) all.insert(batch.visible.begin(), batch.visible.end());
    return all;
  }
  size_t batches() const { return batches_.size(); }
  void Clear() {
    batches_.clear();
    written_.clear();
  }

 private:
  struct Batch {
    std::set<CounterIndex> written;
    std::set<CounterIndex> visible;
    bool may_commit = false;
  };
  std::deque<Batch> batches_;
  std::set<CounterIndex> written_;
};

TEST(WriteLedgerTest, RandomOperationsNeverLeakAndNeverMissAMove) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto roll = [&](unsigned below) {
      return std::uniform_int_distribution<unsigned>(0, below - 1)(random);
    };
    VersionTable versions(4);
    WriteLedger ledger(&versions);
    Model model;
    std::array<uint64_t, kCounters> quiet{};  // the word before it went pending
    std::set<CounterIndex> pending;
    for (int i = 0; i < 2000; ++i) {
      switch (roll(8)) {
        case 0:
        case 1:
          if (model.batches() > 6) break;
          ledger.BeginBatch();
          model.Begin();
          [[fallthrough]];
        case 2:
        case 3: {
          if (model.batches() == 0) break;
          std::set<CounterIndex> counters;
          for (unsigned n = roll(3); n > 0; --n) counters.insert(roll(kCounters));
          const std::vector<CounterIndex> sorted(counters.begin(), counters.end());
          const bool may_commit = roll(2) == 0;
          ledger.Write(sorted, may_commit);
          model.Write(sorted, may_commit);
          break;
        }
        case 4:
          if (model.batches() > 0 && roll(4) == 0) {
            const CounterIndex counter = roll(kCounters);
            ledger.WriteOldest(counter);
            model.WriteOldest(counter);
          } else {
            const CounterIndex counter = roll(kCounters);
            ledger.Escalate(counter);
            model.Escalate(counter);
          }
          break;
        case 5:
          if (roll(3) != 0) break;
          ledger.MergeOldest();
          model.Merge();
          break;
        case 6:
          if (roll(10) == 0) {
            for (const CounterIndex counter : ledger.Abandon()) versions.EndWrite(counter);
            model.Clear();
          }
          break;
        default: {
          if (model.batches() == 0) break;
          const bool idle = roll(2) == 0;
          model.End(idle);
          ledger.EndBatch(idle);
          break;
        }
      }
      for (const CounterIndex counter : model.AllVisible()) {
        ASSERT_TRUE(Pending(versions, counter)) << counter;
      }
      for (CounterIndex counter = 0; counter < kCounters; ++counter) {
        if (Pending(versions, counter)) {
          ASSERT_GT(model.batches(), 0u) << counter;
          pending.insert(counter);
          continue;
        }
        // Whatever went pending has moved when it no longer is.
        if (pending.erase(counter) > 0) {
          ASSERT_GT(Word(versions, counter), quiet[counter]);
        }
        quiet[counter] = Word(versions, counter);
      }
    }
    ledger.Abandon();
  }
}

}  // namespace
}  // namespace pgsidecar::proxy
