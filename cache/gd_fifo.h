// The entries of one shard of the store and their order of leaving: GreedyDual-Size-Frequency
// (Cherkasova, "Improving WWW proxies performance with Greedy-Dual-Size-Frequency caching policy",
// HP Laboratories, 1998) in FIFO queues by rounded worth instead of a heap, as in CAMP
// (Ghandeharizadeh, Irani, Lam, Yap, Middleware 2014). Not thread-safe: the shard's mutex guards
// it.
//
// An entry is worth the server time that a hit saves for each byte that it takes, times how often
// it has been asked for. Its class is the number of binary digits of that, and every class has a
// queue. It is due when the shard's level, which is what was due last, has risen by 2^class: what
// is worth little, soon.
//
//      class 20   [ newest ............................ oldest ]   due at  level then + 2^20
//      ...
//      class 9    [ newest ....... oldest ]                        due at  level then + 2^9
//
// In a queue all are due in their order, so the next to leave is the first due of 21. If it has
// been asked for since it was queued it does not leave, but is queued again by its worth of now. A
// hit therefore only counts. Chosen on traces: benchmarks/eviction/README.md.
//
// Invariant: every entry is in the index once and in exactly one queue. The shard has one reference
// to each of its entries. The queues are lists through the entries themselves.

#ifndef PGSIDECAR_CACHE_GD_FIFO_H_
#define PGSIDECAR_CACHE_GD_FIFO_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/hash.h"
#include "cache/entry.h"
#include "cache/index.h"

namespace pgsidecar::cache {

class GdFifo {
 public:
  GdFifo() = default;
  ~GdFifo();
  GdFifo(const GdFifo&) = delete;
  GdFifo& operator=(const GdFifo&) = delete;

  // The entry under `key`, or nullptr; does not count as asking for it. It is valid until the next
  // call of anything that is not const: who needs it longer makes an EntryRef of it.
  const Entry* Find(const Digest& key) const { return index_.Find(key); }
  // The same, and counts.
  const Entry* Touch(const Digest& key);

  // Puts the entry in; in the place of another under its key, which it returns, and whose askings
  // it inherits. REQUIRES: this very entry is in no store.
  EntryRef Put(EntryRef entry);

  // Takes the entry to be evicted next out; nullptr if there is none. Amortised O(1): at most
  // kMostSpared that have been asked for are queued again, then the next one leaves all the same.
  EntryRef Evict();

  // Takes this very entry out, if it is still there, and returns whether it was. REQUIRES: the
  // caller has a reference of his own.
  bool Drop(const Entry& entry);

  // Hands out all entries and forgets everything.
  std::vector<EntryRef> Clear();

  // Appends the entries of up to `slots` of the index from `slot` on; returns where the next call
  // goes on, or 0 when it was the last.
  size_t Copy(size_t slot, size_t slots, std::vector<EntryRef>& to) const;

  static constexpr int kMostSpared = 256;

  size_t bytes() const { return bytes_; }
  size_t size() const { return index_.size(); }
  // Of the index: it grows with the entries.
  size_t index_bytes() const { return index_.bytes(); }
  size_t slots() const { return index_.slots(); }

 private:
  static constexpr unsigned kClasses = 21;
  static constexpr uint32_t kMostAsked = 3;
  static constexpr uint32_t kDueMask = (uint32_t{1} << Entry::kDueBits) - 1;

  // A list through the entries.
  struct Queue {
    const Entry* newest = nullptr;
    const Entry* oldest = nullptr;
  };

  // How far the level is from when the entry is due: at most 2^20.
  uint32_t DueIn(const Entry& entry) const { return (entry.due_ - level_) & kDueMask; }
  void Push(const Entry& entry);
  void Unlink(const Entry& entry);
  const Entry& FirstDue() const;
  EntryRef TakeOut(const Entry& entry);

  EntryIndex index_;
  std::array<Queue, kClasses> queues_;
  uint32_t occupied_ = 0;  // a bit for each class that has entries
  uint32_t level_ = 0;     // modulo 2^kDueBits, as what is due
  size_t bytes_ = 0;       // what the entries are charged
};

}  // namespace pgsidecar::cache

#endif  // PGSIDECAR_CACHE_GD_FIFO_H_
