// The keys that have left a cache: fingerprints in a table of fixed size, four bytes a place. A new
// one takes the place of an older one, so that it fades after about as many as there are places. It
// may take one key for another, once in four thousand million times. Not thread-safe.

#ifndef PGSIDECAR_CACHE_GHOST_H_
#define PGSIDECAR_CACHE_GHOST_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/hash.h"

namespace pgsidecar::cache {

class Ghost {
 public:
  // REQUIRES: 0 < places < 2^32.
  explicit Ghost(size_t places) : places_(places) {}

  void Remember(const Digest& key) { PlaceOf(key) = FingerprintOf(key); }

  // Whether the key is remembered; it no longer is afterwards.
  bool Recall(const Digest& key) {
    uint32_t& place = PlaceOf(key);
    if (place != FingerprintOf(key)) return false;
    place = 0;
    return true;
  }

  void Clear() { std::fill(places_.begin(), places_.end(), 0); }

  static constexpr size_t kPlaceBytes = sizeof(uint32_t);

 private:
  // Bits of the key that neither the index nor the choice of the shard looks at.
  static uint32_t Word(const Digest& key, size_t at) {
    uint32_t word;
    std::memcpy(&word, key.data() + at, sizeof word);
    return word;
  }
  static uint32_t FingerprintOf(const Digest& key) {
    return std::max(Word(key, 8), uint32_t{1});  // 0: the place is empty
  }
  uint32_t& PlaceOf(const Digest& key) {
    return places_[(uint64_t{Word(key, 16)} * places_.size()) >> 32];
  }

  std::vector<uint32_t> places_;
};

}  // namespace pgsidecar::cache

#endif  // PGSIDECAR_CACHE_GHOST_H_
