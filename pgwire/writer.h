// Appends the fields of one message; the counterpart of pgwire/reader.h. Internal to pgwire/.

#ifndef PGSIDECAR_PGWIRE_WRITER_H_
#define PGSIDECAR_PGWIRE_WRITER_H_

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace pgsidecar::pgwire {

// A string on the wire ends at its first zero byte, so nothing behind one is sent: it could only
// be taken for the next field.
inline void AppendString(std::string& to, std::string_view text) {
  to.append(text.substr(0, text.find('\0')));
  to.push_back('\0');
}

// REQUIRES: bytes.size() fits the limit of a message.
inline void AppendValue(std::string& to, std::optional<std::string_view> value) {
  AppendBig32(to, value ? static_cast<uint32_t>(value->size()) : ~uint32_t{0});
  if (value) to.append(*value);
}

// REQUIRES: count is at most 65535.
inline void AppendCount(std::string& to, size_t count) {
  assert(count <= UINT16_MAX);
  AppendBig16(to, static_cast<uint16_t>(count));
}

inline void AppendList(std::string& to, const std::vector<uint16_t>& items) {
  AppendCount(to, items.size());
  for (const uint16_t item : items) AppendBig16(to, item);
}
inline void AppendList(std::string& to, const std::vector<uint32_t>& items) {
  AppendCount(to, items.size());
  for (const uint32_t item : items) AppendBig32(to, item);
}
inline void AppendList(std::string& to, const std::vector<std::optional<std::string_view>>& items) {
  AppendCount(to, items.size());
  for (const auto& item : items) AppendValue(to, item);
}

}  // namespace pgsidecar::pgwire

#endif  // PGSIDECAR_PGWIRE_WRITER_H_
