// From a key to its entry: an open-addressing table of eight bytes a slot. Not thread-safe.
//
//     | tag, 16 bits | address of the entry, 44 bits (it is a multiple of 16) | distance, 4 bits |
//
// The tag is of the key, so that another key's entry is looked at once in 65 536 times only. The
// distance is how far the slot is from where its key would be at best (15: that far or farther).
// Slots of a run are ordered by where they would be at best (Robin Hood hashing: Celis, 1986), so
// that a search for what is not there ends as soon as a slot is nearer to its own place; what is
// taken out is closed up by what follows, and no tombstones are left.
//
// Keys are SHA-256: some of their bits are as good as any hash of them. The table grows by a third
// when it is 85 % full and shrinks below 40 %; it then looks at every entry, and otherwise only at
// those that are 15 slots away or more. An empty one has no memory.

#ifndef PGSIDECAR_CACHE_INDEX_H_
#define PGSIDECAR_CACHE_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/hash.h"
#include "cache/entry.h"

namespace pgsidecar::cache {

class EntryIndex {
 public:
  // nullptr if there is none.
  const Entry* Find(const Digest& key) const;

  // REQUIRES: there is none under its key.
  void Add(const Entry& entry);
  // REQUIRES, of these: `entry` is in the table; `successor` has the same key.
  void Replace(const Entry& entry, const Entry& successor);
  void Remove(const Entry& entry);

  void Clear();
  void Swap(EntryIndex& other);

  size_t size() const { return size_; }
  size_t slots() const { return slot_count_; }
  // nullptr if the slot is empty. REQUIRES: slot < slots().
  const Entry* At(size_t slot) const { return EntryOf(slots_[slot]); }
  // What the table takes.
  size_t bytes() const { return slots() * sizeof(uint64_t); }

 private:
  static constexpr uint64_t kAddressMask = 0x0000'ffff'ffff'fff0;
  static constexpr uint64_t kFarthest = 15;

  static const Entry* EntryOf(uint64_t slot) {
    return reinterpret_cast<const Entry*>(slot & kAddressMask);
  }
  static uint64_t DistanceIn(uint64_t slot) { return slot & kFarthest; }
  static uint64_t Tagged(const Entry& entry);
  size_t HomeOf(const Digest& key) const;
  size_t Next(size_t at) const { return at + 1 == slot_count_ ? 0 : at + 1; }
  size_t DistanceAt(size_t at) const;
  size_t PlaceOf(const Entry& entry) const;
  void Put(uint64_t tagged, const Digest& key);
  void Resize(size_t slots);

  std::unique_ptr<uint64_t[]> slots_;
  uint32_t slot_count_ = 0;
  uint32_t size_ = 0;
};

}  // namespace pgsidecar::cache

#endif  // PGSIDECAR_CACHE_INDEX_H_
