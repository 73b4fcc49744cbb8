#include "proxy/config_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <span>

namespace pgsidecar::proxy {
namespace {

struct Unit {
  std::string_view name;
  int64_t factor;
};
// The largest first, so that a value is shown in the largest unit that divides it.
constexpr std::array kTimeUnits = std::to_array<Unit>({{"d", 86'400'000'000},
                                                       {"h", 3'600'000'000},
                                                       {"min", 60'000'000},
                                                       {"s", 1'000'000},
                                                       {"ms", 1000},
                                                       {"us", 1}});
constexpr std::array kSizeUnits = std::to_array<Unit>({{"TB", int64_t{1} << 40},
                                                       {"GB", int64_t{1} << 30},
                                                       {"MB", int64_t{1} << 20},
                                                       {"kB", int64_t{1} << 10},
                                                       {"B", 1},
                                                       {"TiB", int64_t{1} << 40},
                                                       {"GiB", int64_t{1} << 30},
                                                       {"MiB", int64_t{1} << 20},
                                                       {"KiB", int64_t{1} << 10}});

// A number, perhaps a space, and a unit of `units`, or of `bare_factor` without one.
std::optional<int64_t> ReadWithUnit(std::string_view text, std::span<const Unit> units,
                                    int64_t bare_factor) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  std::string_view suffix = text.substr(digits);
  if (const size_t begin = suffix.find_first_not_of(' '); begin != std::string_view::npos) {
    suffix.remove_prefix(begin);
  }
  int64_t factor = suffix.empty() ? bare_factor : 0;
  for (const Unit& unit : units) {
    if (suffix == unit.name) factor = unit.factor;
  }
  const std::optional<int64_t> number = ReadNumber(text.substr(0, digits));
  int64_t value = 0;
  if (!number || factor == 0 || __builtin_mul_overflow(*number, factor, &value)) {
    return std::nullopt;
  }
  return value;
}

std::string ShowWithUnit(int64_t value, std::span<const Unit> units) {
  for (const Unit& unit : units) {
    if (value != 0 && value % unit.factor == 0) {
      return std::to_string(value / unit.factor) + std::string(unit.name);
    }
  }
  return "0";
}

}  // namespace

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

std::optional<int64_t> ReadNumber(std::string_view text) {
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, number);
  if (failure != std::errc{} || stop != end) return std::nullopt;
  if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
  return static_cast<int64_t>(number);
}

std::optional<int64_t> ReadTime(std::string_view text) {
  return ReadWithUnit(text, kTimeUnits, 1'000'000);
}

std::optional<int64_t> ReadSize(std::string_view text) { return ReadWithUnit(text, kSizeUnits, 1); }

std::string ShowSize(int64_t bytes) { return ShowWithUnit(bytes, kSizeUnits); }
std::string ShowTime(int64_t microseconds) { return ShowWithUnit(microseconds, kTimeUnits); }
std::string ShowCount(int64_t count) { return std::to_string(count); }

}  // namespace pgsidecar::proxy
