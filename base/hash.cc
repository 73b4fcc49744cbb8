// OpenSSL calls SHA256_Init and its kin deprecated. What it recommends, EVP, allocates for each
// digest and takes nearly twice the time for 150 bytes.
#define OPENSSL_SUPPRESS_DEPRECATED
#define XXH_INLINE_ALL

#include "base/hash.h"

#include <openssl/sha.h>
#include <xxhash.h>

#include <cstring>

namespace pgsidecar {

Digest Sha256(std::string_view bytes) {
  Digest digest;
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, bytes.data(), bytes.size());
  SHA256_Final(digest.data(), &context);
  return digest;
}

uint64_t Hash64(std::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::string ToHex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    hex.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
    hex.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
  }
  return hex;
}

size_t DigestHash::operator()(const Digest& digest) const {
  size_t hash;
  std::memcpy(&hash, digest.data(), sizeof hash);
  return hash;
}

}  // namespace pgsidecar
