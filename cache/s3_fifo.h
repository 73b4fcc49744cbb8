// The queues of one shard of the store: S3-FIFO (Yang et al., "FIFO queues are all you need for
// cache eviction", SOSP 2023). Not thread-safe: the shard's mutex guards it.
//
//     new key ----------> [ small, a tenth of the bytes ] --- asked for once or never ---> ghost
//                                     |
//                                     | asked for at least twice
//                                     v
//     key in the ghost -> [ main: asked for since: once more around ] --- else ---> gone
//
// Invariant: every entry is in the map once and in exactly one queue, and a queue's bytes are the
// sum of its entries' charges.
//
// The ghost remembers fingerprints of keys that have left, in a table of fixed size: a new one
// takes the place of an older one, so that it fades after about as many as there are places. Should
// it take one key for another, an entry begins in the wrong queue; that is all.

#ifndef PGSIDECAR_CACHE_S3_FIFO_H_
#define PGSIDECAR_CACHE_S3_FIFO_H_

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/hash.h"

namespace pgsidecar::cache {

struct Entry;

class S3Fifo {
 public:
  // `places`, a power of two: as many as entries are expected. The ghost has so many, and the map
  // begins with so many buckets.
  explicit S3Fifo(size_t places);

  // What a place costs, and what an entry costs beside itself: its node in the map.
  static constexpr size_t kPlaceBytes = 16;
  static constexpr size_t kNodeBytes = 96;

  // The entry under `key`, or nullptr; does not count as asking for it.
  const std::shared_ptr<const Entry>* Find(const Digest& key) const;
  // The same, and counts.
  const std::shared_ptr<const Entry>* Touch(const Digest& key);

  // Puts the entry in; in the place of another under its key, which it returns.
  std::shared_ptr<const Entry> Put(std::shared_ptr<const Entry> entry);

  // Takes the entry to be evicted next out; nullptr if there is none. Amortised O(1).
  std::shared_ptr<const Entry> Evict();

  // Takes this very entry out, if it is still there, and returns whether it was. `refill`: somebody
  // wants its key again, so the next entry under it begins in main.
  bool Drop(const Entry& entry, bool refill);

  // Hands out all entries and forgets everything.
  std::vector<std::shared_ptr<const Entry>> Clear();

  std::vector<std::shared_ptr<const Entry>> All() const;
  size_t bytes() const { return small_.bytes + main_.bytes; }
  size_t size() const { return nodes_.size(); }

 private:
  struct Node {
    std::shared_ptr<const Entry> entry;
    Node* newer = nullptr;
    Node* older = nullptr;
    uint8_t asked = 0;  // since it came into its queue, up to kMostAsked
    bool in_main = false;
  };
  // A list through the nodes.
  struct Queue {
    Node* newest = nullptr;
    Node* oldest = nullptr;
    size_t bytes = 0;

    void Push(Node& node);
    void Remove(Node& node);
  };
  static constexpr uint8_t kMostAsked = 3;

  Queue& QueueOf(const Node& node) { return node.in_main ? main_ : small_; }
  std::shared_ptr<const Entry> TakeOut(Node& node);
  uint64_t& GhostPlace(const Digest& key);
  void Remember(const Digest& key);
  bool Recall(const Digest& key);

  std::unordered_map<Digest, Node, DigestHash> nodes_;
  Queue small_;
  Queue main_;
  std::vector<uint64_t> ghost_;  // a fingerprint, or 0
};

}  // namespace pgsidecar::cache

#endif  // PGSIDECAR_CACHE_S3_FIFO_H_
