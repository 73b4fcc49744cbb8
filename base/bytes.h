// Bytes in network order.
//
// Everywhere in pgsidecar a run of bytes that somebody else owns is a std::string_view, and a run
// that one owns and appends to is a std::string; neither implies text. A view is valid as long as
// the declaration that hands it out says, never longer.

#ifndef PGSIDECAR_BASE_BYTES_H_
#define PGSIDECAR_BASE_BYTES_H_

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace pgsidecar {

// REQUIRES: `from` points at two (four, eight) readable bytes.
inline uint16_t LoadBig16(const char* from) {
  uint16_t value;
  std::memcpy(&value, from, sizeof value);
  return __builtin_bswap16(value);
}
inline uint32_t LoadBig32(const char* from) {
  uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return __builtin_bswap32(value);
}
inline uint64_t LoadBig64(const char* from) {
  uint64_t value;
  std::memcpy(&value, from, sizeof value);
  return __builtin_bswap64(value);
}

inline void StoreBig32(char* to, uint32_t value) {
  value = __builtin_bswap32(value);
  std::memcpy(to, &value, sizeof value);
}

inline void AppendBig16(std::string& to, uint16_t value) {
  value = __builtin_bswap16(value);
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}
inline void AppendBig32(std::string& to, uint32_t value) {
  value = __builtin_bswap32(value);
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}
inline void AppendBig64(std::string& to, uint64_t value) {
  value = __builtin_bswap64(value);
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace pgsidecar

#endif  // PGSIDECAR_BASE_BYTES_H_
