#include "base/hash.h"

#define XXH_INLINE_ALL
#include <openssl/evp.h>
#include <xxhash.h>

#include <cstdlib>
#include <cstring>
#include <memory>

namespace pgsidecar {
namespace {

// The context of one thread, so that a digest costs neither an allocation nor a fetch.
struct Sha256Context {
  Sha256Context() : md(EVP_MD_fetch(nullptr, "SHA256", nullptr)), context(EVP_MD_CTX_new()) {
    if (md == nullptr || context == nullptr) std::abort();  // a libcrypto without SHA-256
  }
  ~Sha256Context() {
    EVP_MD_CTX_free(context);
    EVP_MD_free(md);
  }
  EVP_MD* md;
  EVP_MD_CTX* context;
};

}  // namespace

Digest Sha256(std::string_view bytes) {
  thread_local Sha256Context sha;
  Digest digest;
  if (EVP_DigestInit_ex2(sha.context, sha.md, nullptr) != 1 ||
      EVP_DigestUpdate(sha.context, bytes.data(), bytes.size()) != 1 ||
      EVP_DigestFinal_ex(sha.context, digest.data(), nullptr) != 1) {
    std::abort();
  }
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
