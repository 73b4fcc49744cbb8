// How large the answers were that are too large to be copied on trust.
//
// Whether an answer fits into the cache is known only when it is over, and until then the copy of
// it takes memory, though it may have been a dump of a whole table. So of an answer whose size
// nobody knows no more is copied than kUnseenBytes; kAwaitedBytes if others wait for it. A larger
// one is only measured the first time, and stored when it is asked for again and is known to fit.
//
// A table of fixed size in which a newer answer takes an older one's place. What is forgotten, or
// taken for another by its hash, is measured again.
//
// Not thread-safe.

#ifndef PGSIDECAR_CACHE_KNOWN_SIZES_H_
#define PGSIDECAR_CACHE_KNOWN_SIZES_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/hash.h"

namespace pgsidecar::cache {

class KnownSizes {
 public:
  static constexpr size_t kUnseenBytes = size_t{1} << 20;
  static constexpr size_t kAwaitedBytes = size_t{8} << 20;

  // How much of the answer may be copied if entries may have `max_entry_bytes`; 0 if it is known
  // not to fit.
  size_t CopyLimit(const Digest& key, size_t max_entry_bytes) const;
  // All of the answer has been seen, copied or not. A small one needs no place here.
  void Note(const Digest& key, size_t bytes);

 private:
  static constexpr size_t kSets = 256;
  struct Slot {
    uint64_t hash = 0;
    size_t bytes = 0;  // 0: free
  };
  using Set = std::array<Slot, 4>;
  std::array<Set, kSets> sets_;
};

}  // namespace pgsidecar::cache

#endif  // PGSIDECAR_CACHE_KNOWN_SIZES_H_
