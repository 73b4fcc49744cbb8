// Invariant: between a key's best place and the slot that it is in, no slot is empty, and none has
// a distance smaller than that key would have there.

#include "cache/index.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace pgsidecar::cache {
namespace {

constexpr size_t kFewestSlots = 12;

// The first two bytes of the key; those from the eighth on say where it belongs, and the store
// takes the last four.
uint64_t TagOf(const Digest& key) {
  uint16_t tag;
  std::memcpy(&tag, key.data(), sizeof tag);
  return uint64_t{tag} << 48;
}

constexpr uint64_t kTagMask = uint64_t{0xffff} << 48;

}  // namespace

uint64_t EntryIndex::Tagged(const Entry& entry) {
  const auto address = reinterpret_cast<uintptr_t>(&entry);
  // malloc aligns to 16, and no user's address has more than 47 bits unless it is asked for.
  assert((address & ~kAddressMask) == 0);
  return TagOf(entry.key()) | address;
}

// Spreads the hash over the table in order, whatever number of slots it has. In a table of another
// number of slots it is another order: else what is left when the first slots have been swept would
// all belong to the last of the next table.
size_t EntryIndex::HomeOf(const Digest& key) const {
  constexpr size_t kFirstByte = 8;
  uint64_t hash;
  std::memcpy(&hash, key.data() + kFirstByte, sizeof hash);
  uint64_t order = slot_count_ * 0x9e3779b97f4a7c15;
  order = (order ^ order >> 29) * 0xbf58476d1ce4e5b9 | 1;
  return static_cast<size_t>((((hash * order) >> 32) * slot_count_) >> 32);
}

const Entry* EntryIndex::Find(const Digest& key) const {
  if (size_ == 0) return nullptr;
  const uint64_t tag = TagOf(key);
  uint64_t distance = 0;
  for (size_t at = HomeOf(key);; at = Next(at)) {
    const uint64_t slot = slots_[at];
    if (slot == 0 || DistanceIn(slot) < distance) return nullptr;
    if ((slot & kTagMask) == tag) {
      const Entry* const entry = EntryOf(slot);
      __builtin_prefetch(entry->stamps().data());
      if (entry->key() == key) return entry;
    }
    if (distance < kFarthest) ++distance;
  }
}

void EntryIndex::Add(const Entry& entry) {
  assert(Find(entry.key()) == nullptr);
  if ((size() + 1) * 20 > slots() * 17) {
    Resize(std::max(kFewestSlots, slots() + slots() / 3));
  }
  Put(Tagged(entry), entry.key());
  ++size_;
}

// Takes the first slot of which the present owner is nearer to its best place, and moves everything
// from there to the next empty slot on by one.
void EntryIndex::Put(uint64_t tagged, const Digest& key) {
  size_t distance = 0;
  size_t at = HomeOf(key);
  while (slots_[at] != 0 && (distance <= DistanceIn(slots_[at]) || distance <= DistanceAt(at))) {
    ++distance;
    at = Next(at);
  }
  uint64_t moving = tagged | std::min<uint64_t>(distance, kFarthest);
  for (;; at = Next(at)) {
    std::swap(moving, slots_[at]);
    if (moving == 0) return;
    if (DistanceIn(moving) < kFarthest) ++moving;
  }
}

// Of a slot that is not empty; one that is far away can say it only by its key.
size_t EntryIndex::DistanceAt(size_t at) const {
  const uint64_t distance = DistanceIn(slots_[at]);
  if (distance < kFarthest) return distance;
  const size_t home = HomeOf(EntryOf(slots_[at])->key());
  return at >= home ? at - home : at + slot_count_ - home;
}

size_t EntryIndex::PlaceOf(const Entry& entry) const {
  size_t at = HomeOf(entry.key());
  while (EntryOf(slots_[at]) != &entry) at = Next(at);
  return at;
}

void EntryIndex::Replace(const Entry& entry, const Entry& successor) {
  assert(entry.key() == successor.key());
  uint64_t& slot = slots_[PlaceOf(entry)];
  slot = Tagged(successor) | DistanceIn(slot);
}

void EntryIndex::Remove(const Entry& entry) {
  size_t hole = PlaceOf(entry);
  for (size_t at = Next(hole); slots_[at] != 0 && DistanceIn(slots_[at]) != 0; at = Next(at)) {
    const size_t distance = DistanceAt(at) - 1;
    const uint64_t moving = (slots_[at] & ~kFarthest) | std::min<uint64_t>(distance, kFarthest);
    slots_[hole] = moving;
    hole = at;
  }
  slots_[hole] = 0;
  --size_;
  if (slots() > kFewestSlots && size() * 5 < slots() * 2) {
    Resize(std::max(kFewestSlots, size() + size() / 2));
  }
}

void EntryIndex::Resize(size_t slots) {
  assert(slots > size_ && slots <= UINT32_MAX);
  const std::unique_ptr<uint64_t[]> old(slots_.release());
  const size_t old_count = std::exchange(slot_count_, static_cast<uint32_t>(slots));
  slots_.reset(new uint64_t[slots]());
  constexpr size_t kAhead = 8;  // that many entries are on their way from memory at a time
  for (size_t at = 0; at < old_count; ++at) {
    if (at + kAhead < old_count && old[at + kAhead] != 0) {
      __builtin_prefetch(&EntryOf(old[at + kAhead])->key());
    }
    if (old[at] != 0) Put(old[at] & ~kFarthest, EntryOf(old[at])->key());
  }
}

void EntryIndex::Clear() {
  slots_.reset();
  slot_count_ = size_ = 0;
}

void EntryIndex::Swap(EntryIndex& other) {
  std::swap(slots_, other.slots_);
  std::swap(slot_count_, other.slot_count_);
  std::swap(size_, other.size_);
}

}  // namespace pgsidecar::cache
