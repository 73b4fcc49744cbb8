// The repeated groups that several messages share. Internal to pgwire/.

#ifndef PGSIDECAR_PGWIRE_LISTS_H_
#define PGSIDECAR_PGWIRE_LISTS_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "pgwire/reader.h"

namespace pgsidecar::pgwire {

// A count and that many format codes, instead of what `into` held.
inline void ReadFormats(Reader& reader, std::vector<uint16_t>& into) {
  into.resize(reader.Count(sizeof(uint16_t)));
  for (uint16_t& format : into) format = reader.Int16();
}

// A count and that many type OIDs.
inline std::vector<uint32_t> ReadTypes(Reader& reader) {
  std::vector<uint32_t> types(reader.Count(sizeof(uint32_t)));
  for (uint32_t& type : types) type = reader.Int32();
  return types;
}

// A count and that many values, each behind its length, instead of what `into` held.
inline void ReadValues(Reader& reader, std::vector<std::optional<std::string_view>>& into) {
  into.resize(reader.Count(sizeof(uint32_t)));
  for (auto& value : into) value = reader.Value();
}

}  // namespace pgsidecar::pgwire

#endif  // PGSIDECAR_PGWIRE_LISTS_H_
