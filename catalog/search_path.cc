// A scanner over the text of the setting: identifiers between commas, quoted or folded.

#include "catalog/search_path.h"

namespace pgsidecar::catalog {
namespace {

constexpr size_t kMaxIdentifierBytes = 63;  // NAMEDATALEN - 1

bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  void SkipSpace() {
    while (!AtEnd() && IsSpace(text_[at_])) ++at_;
  }
  bool AtEnd() const { return at_ == text_.size(); }
  bool SkipComma() {
    if (AtEnd() || text_[at_] != ',') return false;
    ++at_;
    return true;
  }

  std::optional<std::string> Identifier() {
    return !AtEnd() && text_[at_] == '"' ? Quoted() : Plain();
  }

 private:
  std::optional<std::string> Quoted() {
    std::string name;
    for (++at_; !AtEnd(); ++at_) {
      if (text_[at_] == '"') {
        if (at_ + 1 == text_.size() || text_[at_ + 1] != '"') {
          ++at_;
          return name;
        }
        ++at_;
      }
      name += text_[at_];
    }
    return std::nullopt;  // no closing quote
  }

  // Folding of other than ASCII letters depends on the server's encoding and locale: not followed.
  std::optional<std::string> Plain() {
    std::string name;
    for (; !AtEnd() && text_[at_] != ',' && !IsSpace(text_[at_]); ++at_) {
      const char c = text_[at_];
      if (static_cast<unsigned char>(c) >= 0x80) return std::nullopt;
      name += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    if (name.empty()) return std::nullopt;
    return name;
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

std::optional<std::vector<std::string>> SplitSearchPath(std::string_view text,
                                                        std::string_view user) {
  std::vector<std::string> names;
  Scanner scanner(text);
  scanner.SkipSpace();
  if (scanner.AtEnd()) return names;
  while (true) {
    std::optional<std::string> name = scanner.Identifier();
    if (!name || name->size() > kMaxIdentifierBytes) return std::nullopt;
    names.push_back(*name == "$user" ? std::string(user) : std::move(*name));
    scanner.SkipSpace();
    if (scanner.AtEnd()) return names;
    if (!scanner.SkipComma()) return std::nullopt;
    scanner.SkipSpace();
  }
}

}  // namespace pgsidecar::catalog
