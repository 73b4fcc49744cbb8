#include "proxy/config_text.h"

#include <algorithm>

namespace pgsidecar::proxy {

std::string Quote(std::string_view text) {
  constexpr size_t kLongest = 80;
  const size_t scheme = text.find("://");
  const size_t shown = scheme == std::string_view::npos ? kLongest : std::min(scheme + 3, kLongest);
  std::string quoted = "\"";
  for (const char character : text.substr(0, shown)) {
    const bool is_control = static_cast<unsigned char>(character) < ' ' || character == '\x7f';
    quoted.push_back(is_control ? '?' : character);
  }
  return quoted + (text.size() > shown ? "...\"" : "\"");
}

Error Expected(const std::string& what, std::string_view got) {
  return Error{"F0000", "expected " + what + ", got " + Quote(got), "", ""};
}

}  // namespace pgsidecar::proxy
