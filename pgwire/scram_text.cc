#include "pgwire/scram_text.h"

#include <openssl/evp.h>

#include "pgwire/scram_keys.h"

namespace pgsidecar::pgwire {
namespace {

const unsigned char* Unsigned(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

std::string ToBase64(std::string_view bytes) {
  // EVP_EncodeBlock ends what it writes with a zero byte.
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), Unsigned(bytes),
                  static_cast<int>(bytes.size()));
  text.pop_back();
  return text;
}

// EVP_DecodeBlock by itself lets blanks at both ends and padding in the middle pass.
std::optional<std::string> FromBase64(std::string_view text) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  const size_t digits = text.find_last_not_of('=') + 1;
  const size_t padding = text.size() - digits;
  if (padding > 2 || text.substr(0, digits).find_first_not_of(kAlphabet) != text.npos) {
    return std::nullopt;
  }
  std::string bytes(text.size() / 4 * 3, '\0');
  const int decoded = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                      Unsigned(text), static_cast<int>(text.size()));
  if (decoded != static_cast<int>(bytes.size())) return std::nullopt;
  bytes.resize(bytes.size() - padding);
  return bytes;
}

bool IsScramPrintable(std::string_view text) {
  for (const char c : text) {
    if (c < 0x21 || c > 0x7e) return false;
  }
  return true;
}

std::optional<std::string_view> TakeAttribute(std::string_view& message, char name) {
  if (message.size() < 2 || message[0] != name || message[1] != '=') return std::nullopt;
  const size_t comma = message.find(',');
  const std::string_view value = message.substr(2, comma == message.npos ? comma : comma - 2);
  message.remove_prefix(comma == message.npos ? message.size() : comma + 1);
  return value;
}

std::optional<uint32_t> ParseIterations(std::string_view text) {
  if (text.empty() || text.size() > 10) return std::nullopt;
  uint64_t iterations = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    iterations = iterations * 10 + static_cast<uint64_t>(c - '0');
  }
  if (iterations == 0 || iterations > kMaxScramIterations) return std::nullopt;
  return static_cast<uint32_t>(iterations);
}

}  // namespace pgsidecar::pgwire
