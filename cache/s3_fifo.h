// The entries of one shard of the store and their order of leaving: S3-FIFO (Yang et al., "FIFO
// queues are all you need for cache eviction", SOSP 2023). Not thread-safe: the shard's mutex
// guards it.
//
//     new key ----------> [ small, a tenth of the bytes ] --- asked for once or never ---> ghost
//                                     |
//                                     | asked for at least twice
//                                     v
//     key in the ghost -> [ main: asked for since: once more around ] --- else ---> gone
//
// Invariant: every entry is in the index once and in exactly one queue, and a queue's bytes are the
// sum of its entries' charges. The shard has one reference to each of its entries. The queues are
// lists through the entries themselves.

#ifndef PGSIDECAR_CACHE_S3_FIFO_H_
#define PGSIDECAR_CACHE_S3_FIFO_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/hash.h"
#include "cache/entry.h"
#include "cache/ghost.h"
#include "cache/index.h"

namespace pgsidecar::cache {

class S3Fifo {
 public:
  // `places`: as many as entries are expected. The ghost has so many.
  explicit S3Fifo(size_t places);
  ~S3Fifo();
  S3Fifo(const S3Fifo&) = delete;
  S3Fifo& operator=(const S3Fifo&) = delete;

  // What a place costs from the start.
  static constexpr size_t kPlaceBytes = Ghost::kPlaceBytes;

  // The entry under `key`, or nullptr; does not count as asking for it. It is valid until the next
  // call of anything that is not const: who needs it longer makes an EntryRef of it.
  const Entry* Find(const Digest& key) const { return index_.Find(key); }
  // The same, and counts.
  const Entry* Touch(const Digest& key);

  // Puts the entry in; in the place of another under its key, which it returns. REQUIRES: this very
  // entry is in no store.
  EntryRef Put(EntryRef entry);

  // Takes the entry to be evicted next out; nullptr if there is none. Amortised O(1).
  EntryRef Evict();

  // Takes this very entry out, if it is still there, and returns whether it was. `refill`: somebody
  // wants its key again, so the next entry under it begins in main. REQUIRES: the caller has a
  // reference of his own.
  bool Drop(const Entry& entry, bool refill);

  // Hands out all entries and forgets everything.
  std::vector<EntryRef> Clear();

  // Appends the entries of up to `slots` of the index from `slot` on; returns where the next call
  // goes on, or 0 when it was the last.
  size_t Copy(size_t slot, size_t slots, std::vector<EntryRef>& to) const;

  size_t bytes() const { return small_.bytes + main_.bytes; }
  size_t size() const { return index_.size(); }
  // Of the index: it grows with the entries.
  size_t index_bytes() const { return index_.bytes(); }

 private:
  // A list through the entries.
  struct Queue {
    const Entry* newest = nullptr;
    const Entry* oldest = nullptr;
    size_t bytes = 0;

    void Push(const Entry& entry);
    void Remove(const Entry& entry);
    void Replace(const Entry& entry, const Entry& successor);
  };
  static constexpr uint8_t kMostAsked = 3;

  static bool HasAnotherRound(const Entry& entry);
  Queue& QueueOf(const Entry& entry) { return entry.in_main_ != 0 ? main_ : small_; }
  EntryRef TakeOut(const Entry& entry);

  EntryIndex index_;
  Queue small_;
  Queue main_;
  Ghost ghost_;
};

}  // namespace pgsidecar::cache

#endif  // PGSIDECAR_CACHE_S3_FIFO_H_
