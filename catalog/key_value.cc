// Reading values: one function a type.

#include "catalog/key_value.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/bytes.h"
#include "base/hash.h"

namespace pgsidecar::catalog {
namespace {

struct TypeOids {
  uint32_t oid;
  uint32_t array;
  KeyType type;
};
constexpr TypeOids kTypeOids[] = {
    {21, 1005, KeyType::kInteger}, {23, 1007, KeyType::kInteger}, {20, 1016, KeyType::kInteger},
    {25, 1009, KeyType::kText},    {1043, 1015, KeyType::kText},  {2950, 2951, KeyType::kUuid},
    {16, 1000, KeyType::kBool},    {26, 1028, KeyType::kOid},
};

template <typename Number>
uint64_t HashOfNumber(Number number) {
  return Hash64({reinterpret_cast<const char*>(&number), sizeof number});
}

// Digits, perhaps behind a sign. What newer servers read besides (0x10, 1_000) is no number here.
std::optional<uint64_t> HashOfInteger(std::string_view text) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return std::nullopt;
  }
  int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return HashOfNumber(number);
}

std::optional<uint64_t> HashOfOid(std::string_view text) {
  uint32_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return HashOfNumber(number);
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// 8-4-4-4-12.
std::optional<uint64_t> HashOfUuid(std::string_view text) {
  constexpr size_t kTextBytes = 36;
  if (text.size() != kTextBytes) return std::nullopt;
  std::string bytes;
  for (size_t at = 0; at < kTextBytes;) {
    if (at == 8 || at == 13 || at == 18 || at == 23) {
      if (text[at++] != '-') return std::nullopt;
      continue;
    }
    const int high = HexDigit(text[at]), low = HexDigit(text[at + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high << 4 | low);
    at += 2;
  }
  return Hash64(bytes);
}

std::optional<uint64_t> HashOfBool(std::string_view text) {
  if (text == "t" || text == "true") return HashOfNumber(char{1});
  if (text == "f" || text == "false") return HashOfNumber(char{0});
  return std::nullopt;
}

// Whitespace may or may not belong to an element, and the rest has a meaning.
bool IsPlainInArray(char c) {
  return static_cast<unsigned char>(c) > ' ' &&
         std::string_view("{},\"\\").find(c) == std::string_view::npos;
}

bool IsNullWord(std::string_view word) {
  constexpr std::string_view kNull = "null";
  return std::equal(word.begin(), word.end(), kNull.begin(), kNull.end(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  });
}

// Takes one element from the front of `text`.
std::optional<std::string> TakeElement(std::string_view& text) {
  std::string element;
  if (!text.starts_with('"')) {
    while (!text.empty() && IsPlainInArray(text[0])) {
      element += text[0];
      text.remove_prefix(1);
    }
    if (element.empty() || IsNullWord(element)) return std::nullopt;
    return element;
  }
  for (text.remove_prefix(1); !text.empty(); text.remove_prefix(1)) {
    if (text[0] == '"') {
      text.remove_prefix(1);
      return element;
    }
    if (text[0] == '\\') {
      text.remove_prefix(1);
      if (text.empty()) break;
    }
    element += text[0];
  }
  return std::nullopt;
}

}  // namespace

std::optional<uint64_t> HashOfText(KeyType type, std::string_view text) {
  switch (type) {
    case KeyType::kInteger:
      return HashOfInteger(text);
    case KeyType::kText:
      return Hash64(text);
    case KeyType::kUuid:
      return HashOfUuid(text);
    case KeyType::kBool:
      return HashOfBool(text);
    case KeyType::kOid:
      return HashOfOid(text);
  }
  return std::nullopt;
}

std::optional<uint64_t> HashOfBinary(KeyType type, std::string_view bytes) {
  switch (type) {
    case KeyType::kInteger:
      // Which of the widths is right, the server knows; it refuses the others.
      if (bytes.size() == 2) {
        return HashOfNumber(int64_t{static_cast<int16_t>(LoadBig16(bytes.data()))});
      }
      if (bytes.size() == 4) {
        return HashOfNumber(int64_t{static_cast<int32_t>(LoadBig32(bytes.data()))});
      }
      if (bytes.size() == 8) return HashOfNumber(static_cast<int64_t>(LoadBig64(bytes.data())));
      return std::nullopt;
    case KeyType::kText:
      return Hash64(bytes);
    case KeyType::kUuid:
      if (bytes.size() != 16) return std::nullopt;
      return Hash64(bytes);
    case KeyType::kBool:
      if (bytes.size() != 1) return std::nullopt;
      return HashOfNumber(bytes[0] == 0 ? char{0} : char{1});
    case KeyType::kOid:
      if (bytes.size() != 4) return std::nullopt;
      return HashOfNumber(LoadBig32(bytes.data()));
  }
  return std::nullopt;
}

std::optional<std::vector<std::string>> TextArrayElements(std::string_view text,
                                                          size_t max_elements) {
  if (text.size() < 2 || text.front() != '{' || text.back() != '}') return std::nullopt;
  text = text.substr(1, text.size() - 2);
  std::vector<std::string> elements;
  if (text.empty()) return elements;
  while (elements.size() < max_elements) {
    std::optional<std::string> element = TakeElement(text);
    if (!element) return std::nullopt;
    elements.push_back(*std::move(element));
    if (text.empty()) return elements;
    if (text[0] != ',') return std::nullopt;
    text.remove_prefix(1);
  }
  return std::nullopt;
}

// dimensions, flags, element type; each dimension's size and lower bound; each element's length
// and bytes.
std::optional<std::vector<std::string_view>> BinaryArrayElements(std::string_view bytes,
                                                                 size_t max_elements) {
  constexpr size_t kHeaderBytes = 12, kDimensionBytes = 8, kLengthBytes = 4;
  if (bytes.size() < kHeaderBytes) return std::nullopt;
  const uint32_t dimensions = LoadBig32(bytes.data());
  std::vector<std::string_view> elements;
  bytes.remove_prefix(kHeaderBytes);
  if (dimensions == 0 && bytes.empty()) return elements;
  if (dimensions != 1 || bytes.size() < kDimensionBytes) return std::nullopt;
  const uint32_t count = LoadBig32(bytes.data());
  if (count > max_elements) return std::nullopt;
  bytes.remove_prefix(kDimensionBytes);
  for (uint32_t i = 0; i < count; ++i) {
    if (bytes.size() < kLengthBytes) return std::nullopt;
    const uint32_t length = LoadBig32(bytes.data());
    bytes.remove_prefix(kLengthBytes);
    if (length > bytes.size()) return std::nullopt;  // also NULL's
    elements.push_back(bytes.substr(0, length));
    bytes.remove_prefix(length);
  }
  if (!bytes.empty()) return std::nullopt;
  return elements;
}

std::optional<KeyType> KeyTypeOfOid(uint32_t oid, bool array) {
  for (const TypeOids& entry : kTypeOids) {
    if ((array ? entry.array : entry.oid) == oid) return entry.type;
  }
  return std::nullopt;
}

}  // namespace pgsidecar::catalog
