// The cache key: SHA-256 over length-delimited fields under a version tag. Injective: every field
// is written as (field number, length, bytes), so that no two different requests concatenate alike.

#ifndef PGSIDECAR_CACHE_KEY_H_
#define PGSIDECAR_CACHE_KEY_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "cache/versions.h"

namespace pgsidecar::cache {

// How the answer is framed; results of different flavours are never exchanged.
enum class Flavor : uint8_t { kSimple = 1, kExtended = 2 };

// Everything that can change the answer. Views are valid during MakeKey only.
struct KeyFields {
  Flavor flavor = Flavor::kSimple;
  DatabaseId database;
  std::string_view session_user;
  std::string_view current_role;
  std::string_view environment;  // fingerprint of the settings, with the startup packet's own
  std::string_view sql;          // exact
  std::span<const uint32_t> parameter_types;
  std::span<const uint16_t> parameter_formats;                  // as sent
  std::span<const std::optional<std::string_view>> parameters;  // nullopt is NULL
  std::span<const uint16_t> result_formats;                     // as sent
};

// `scratch` is cleared and reused, so that a warm thread does not allocate.
Digest MakeKey(const KeyFields& fields, std::string& scratch);

}  // namespace pgsidecar::cache

#endif  // PGSIDECAR_CACHE_KEY_H_
