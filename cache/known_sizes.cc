#include "cache/known_sizes.h"

#include <algorithm>

namespace pgsidecar::cache {

size_t KnownSizes::CopyLimit(const Digest& key, size_t max_entry_bytes) const {
  const uint64_t hash = DigestHash{}(key);
  const Slot& slot = slots_[hash % kSlots];
  if (slot.bytes == 0 || slot.hash != hash) return std::min(max_entry_bytes, kUnseenBytes);
  return slot.bytes > max_entry_bytes ? 0 : max_entry_bytes;
}

void KnownSizes::Note(const Digest& key, size_t bytes) {
  const uint64_t hash = DigestHash{}(key);
  Slot& slot = slots_[hash % kSlots];
  if (bytes > kUnseenBytes) {
    slot = {.hash = hash, .bytes = bytes};
  } else if (slot.hash == hash) {
    slot = {};
  }
}

}  // namespace pgsidecar::cache
