// Looks for the rare letters first: every word has a 'w' as its last letter (now, tomorrow) or the
// only 'd' before "ay" (today, yesterday). Only there the neighbours are compared. Time is linear
// in the letters; a run of characters to drop is passed at most a few times a letter beside it.

#include "sql/time_words.h"

#include <cstddef>

namespace pgsidecar::sql {

namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

bool IsDropped(char c) { return c == '\\' || c == '"'; }

// Whether `bytes` ends in `word` (in lower case), leaving out dropped characters.
bool EndsWith(std::string_view bytes, std::string_view word) {
  while (!word.empty()) {
    while (!bytes.empty() && IsDropped(bytes.back())) bytes.remove_suffix(1);
    if (bytes.empty() || Lower(bytes.back()) != word.back()) return false;
    bytes.remove_suffix(1);
    word.remove_suffix(1);
  }
  return true;
}

bool StartsWith(std::string_view bytes, std::string_view word) {
  while (!word.empty()) {
    while (!bytes.empty() && IsDropped(bytes.front())) bytes.remove_prefix(1);
    if (bytes.empty() || Lower(bytes.front()) != word.front()) return false;
    bytes.remove_prefix(1);
    word.remove_prefix(1);
  }
  return true;
}

}  // namespace

bool ContainsTimeWord(std::string_view bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    const char c = Lower(bytes[i]);
    if (c == 'w') {
      const std::string_view before = bytes.substr(0, i);
      if (EndsWith(before, "no") || EndsWith(before, "tomorro")) return true;
    } else if (c == 'd') {
      if (!StartsWith(bytes.substr(i + 1), "ay")) continue;
      const std::string_view before = bytes.substr(0, i);
      if (EndsWith(before, "to") || EndsWith(before, "yester")) return true;
    }
  }
  return false;
}

}  // namespace pgsidecar::sql
