#include "proxy/hint.h"

#include <algorithm>

#include "proxy/config.h"

namespace pgsidecar::proxy {
namespace {

constexpr std::string_view kBlanks = " \t\r\n\f\v";
constexpr std::string_view kOurs = "pgsidecar:";

std::string_view SkipBlanks(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(kBlanks), text.size()));
}

// The inside of the comment that `*text` begins with, which is cut off; false if it begins with
// none. A comment with another inside it holds no hint of ours, so its end need not be found right.
bool TakeComment(std::string_view* text, std::string_view* inside) {
  *text = SkipBlanks(*text);
  if (!text->starts_with("/*")) return false;
  const size_t end = text->find("*/", 2);
  if (end == std::string_view::npos) return false;
  *inside = text->substr(2, end - 2);
  *text = text->substr(end + 2);
  return inside->find("/*") == std::string_view::npos;
}

template <typename T>
bool Keep(const Result<T>& parsed, std::optional<T>& wish) {
  if (!parsed.ok() || wish) return false;  // said twice: which one holds?
  wish = *parsed;
  return true;
}

bool ReadWord(std::string_view word, CacheWishes& wishes) {
  const size_t equals = word.find('=');
  if (equals == std::string_view::npos) return Keep(ParseCacheMode(word), wishes.cache);
  const std::string_view key = word.substr(0, equals);
  const std::string_view value = word.substr(equals + 1);
  if (key == "cache") return Keep(ParseCacheMode(value), wishes.cache);
  if (key == "ttl") return Keep(ParseTtl(value), wishes.ttl);
  if (key == "consistency") return Keep(ParseConsistency(value), wishes.consistency);
  if (key == "class") return Keep(ParseCacheClass(value), wishes.cache_class);
  return false;
}

void ReadWords(std::string_view words, Hint& hint) {
  constexpr std::string_view kSeparators = ", \t\r\n\f\v";
  while (true) {
    words = words.substr(std::min(words.find_first_not_of(kSeparators), words.size()));
    if (words.empty()) return;
    const size_t end = std::min(words.find_first_of(kSeparators), words.size());
    if (!ReadWord(words.substr(0, end), hint.wishes)) hint.bad = true;
    words = words.substr(end);
  }
}

}  // namespace

Hint ReadHint(std::string_view sql) {
  Hint hint;
  std::string_view inside;
  while (TakeComment(&sql, &inside)) {
    inside = SkipBlanks(inside);
    if (inside.starts_with(kOurs)) ReadWords(inside.substr(kOurs.size()), hint);
  }
  return hint;
}

}  // namespace pgsidecar::proxy
