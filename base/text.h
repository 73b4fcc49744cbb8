// ASCII within texts of unknown encoding.

#ifndef PGSIDECAR_BASE_TEXT_H_
#define PGSIDECAR_BASE_TEXT_H_

#include <algorithm>
#include <string>
#include <string_view>

namespace pgsidecar {

inline bool IsAscii(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return (c & 0x80) != 0; });
}

// Of ASCII letters alone: so PostgreSQL compares names of settings and keywords.
inline std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return lower;
}

}  // namespace pgsidecar

#endif  // PGSIDECAR_BASE_TEXT_H_
