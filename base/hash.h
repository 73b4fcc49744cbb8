// Hashes: SHA-256 where two requests must never be taken for one another (the cache key), xxHash
// where equality is checked afterwards (memos, hash tables).

#ifndef PGSIDECAR_BASE_HASH_H_
#define PGSIDECAR_BASE_HASH_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace pgsidecar {

using Digest = std::array<uint8_t, 32>;

// SHA-256 (FIPS 180-4) of `bytes`, by OpenSSL's libcrypto. No allocation.
Digest Sha256(std::string_view bytes);

// XXH3, 64 bits. Not collision-resistant: whoever finds something under it compares the whole key.
uint64_t Hash64(std::string_view bytes, uint64_t seed = 0);

// For std::unordered_map: a std::string is found by a std::string_view.
struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return Hash64(text); }
};

// Lower-case hexadecimal.
std::string ToHex(std::string_view bytes);
inline std::string ToHex(const Digest& digest) {
  return ToHex({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

// For std::unordered_map: the first eight bytes of a SHA-256 are as good as any hash of it.
struct DigestHash {
  size_t operator()(const Digest& digest) const;
};

}  // namespace pgsidecar

#endif  // PGSIDECAR_BASE_HASH_H_
