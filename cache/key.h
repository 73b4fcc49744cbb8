// The cache key: SHA-256 over length-delimited fields under a version tag, in two steps: what is
// the session's, and with the digest of that what is the request's. Injective: no two different
// requests are written alike.

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

// What of a session can change its answers. Each below 4 GB.
struct SessionFields {
  std::string_view session_user;
  std::string_view current_role;
  std::string_view environment;  // the settings, with the startup packet's own
};
Digest MakeSessionKey(const SessionFields& fields);

// Everything that can change the answer, within the protocol's own limits: at most 65535 of what is
// counted, each text and value below 4 GB. Views are valid during MakeKey only.
struct KeyFields {
  Flavor flavor = Flavor::kSimple;
  DatabaseId database;
  Digest session{};      // MakeSessionKey
  std::string_view sql;  // exact
  std::span<const uint32_t> parameter_types;
  std::span<const uint16_t> parameter_formats;                  // as sent
  std::span<const std::optional<std::string_view>> parameters;  // nullopt is NULL
  std::span<const uint16_t> result_formats;                     // as sent
};

// `scratch` is cleared and reused, so that a warm thread does not allocate.
Digest MakeKey(const KeyFields& fields, std::string& scratch);

}  // namespace pgsidecar::cache

#endif  // PGSIDECAR_CACHE_KEY_H_
