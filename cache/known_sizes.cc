#include "cache/known_sizes.h"

#include <algorithm>

namespace pgsidecar::cache {

size_t KnownSizes::CopyLimit(const Digest& key, size_t max_entry_bytes) const {
  const uint64_t hash = DigestHash{}(key);
  for (const Slot& slot : sets_[hash % kSets]) {
    if (slot.bytes == 0 || slot.hash != hash) continue;
    return slot.bytes > max_entry_bytes ? 0 : max_entry_bytes;
  }
  return std::min(max_entry_bytes, kUnseenBytes);
}

void KnownSizes::Note(const Digest& key, size_t bytes) {
  const uint64_t hash = DigestHash{}(key);
  Set& set = sets_[hash % kSets];
  const auto known = std::ranges::find(set, hash, &Slot::hash);
  if (known == set.end() && bytes <= kUnseenBytes) return;
  // The one that was noted last is first; what has no place any more is the one noted longest ago.
  std::shift_right(set.begin(), known == set.end() ? known : known + 1, 1);
  set.front() = {.hash = hash, .bytes = bytes > kUnseenBytes ? bytes : 0};
}

}  // namespace pgsidecar::cache
