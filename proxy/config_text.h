// Private to the configuration: its numbers, times and sizes as text, and how its errors quote what
// they are about.

#ifndef PGSIDECAR_PROXY_CONFIG_TEXT_H_
#define PGSIDECAR_PROXY_CONFIG_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pgsidecar::proxy {

// `text` for an error: quoted, one line, not endless, and without what may be a URL's password.
std::string Quote(std::string_view text);

Error Expected(const std::string& what, std::string_view got);

// No setting is longer or larger, so that sums and products of settings cannot overflow.
inline constexpr int64_t kLongestMicroseconds = 366 * int64_t{86'400'000'000};
inline constexpr int64_t kLargestBytes = int64_t{1} << 46;

// A decimal number that takes all of `text`; nullopt also if it does not fit.
std::optional<int64_t> ReadNumber(std::string_view text);
// A number, perhaps a space, and a unit: microseconds, or seconds without one.
std::optional<int64_t> ReadTime(std::string_view text);
// The same: bytes.
std::optional<int64_t> ReadSize(std::string_view text);

// In the largest unit that leaves no remainder.
std::string ShowTime(int64_t microseconds);
std::string ShowSize(int64_t bytes);
std::string ShowCount(int64_t count);

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_CONFIG_TEXT_H_
