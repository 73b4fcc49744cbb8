// One pass over the text. Why two texts of one key have the same tokens: PostgreSQL's scanner reads
// from left to right without looking back, every literal stripped is one whole token in its plain
// state (not within quotes or a comment), and neither the byte before nor what follows can become
// part of it. So after each literal both are in the same state before the same bytes.
//
// And why Analyze() finds the same: the grammar looks at a literal's value only in a type's
// modifiers and in options of utilities, and the walker only for time words; neither is stripped.

#include "sql/template.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "sql/analyzer.h"
#include "sql/time_words.h"

namespace pgsidecar::sql {

namespace {

enum class Class : uint8_t {
  kRefused,  // also '?', so that a key's are all ours, and '\v', which newer versions skip
  kSpace,
  kLetter,  // and '_' and every byte that is not ASCII
  kDigit,
  kOperator,
  kPunctuation,  // , ( ) [ ] . ; : and $
  kQuote,
  kDoubleQuote,
};

constexpr std::array<Class, 256> MakeClasses() {
  std::array<Class, 256> classes{};
  const auto set = [&](std::string_view bytes, Class value) {
    for (const char c : bytes) classes[static_cast<uint8_t>(c)] = value;
  };
  for (size_t i = 128; i < 256; ++i) classes[i] = Class::kLetter;
  for (char c = 'a'; c <= 'z'; ++c) classes[static_cast<uint8_t>(c)] = Class::kLetter;
  for (char c = 'A'; c <= 'Z'; ++c) classes[static_cast<uint8_t>(c)] = Class::kLetter;
  set("_", Class::kLetter);
  set("0123456789", Class::kDigit);
  set(" \t\n\r\f", Class::kSpace);
  set("~!@#^&|`+-*/<>=%", Class::kOperator);
  set(",()[].;:$", Class::kPunctuation);
  set("'", Class::kQuote);
  set("\"", Class::kDoubleQuote);
  return classes;
}
constexpr std::array<Class, 256> kClasses = MakeClasses();

constexpr std::array<bool, 256> MakeWordBytes() {
  std::array<bool, 256> bytes{};
  for (size_t i = 0; i < 256; ++i) {
    bytes[i] = kClasses[i] == Class::kLetter || kClasses[i] == Class::kDigit || i == '$';
  }
  return bytes;
}
constexpr std::array<bool, 256> kWordBytes = MakeWordBytes();

Class ClassOf(char c) { return kClasses[static_cast<uint8_t>(c)]; }
bool IsWordByte(char c) { return kWordBytes[static_cast<uint8_t>(c)]; }

// A word of at most eight bytes as a number, letters in lower case. No other byte becomes a letter.
constexpr uint64_t Pack(std::string_view word) {
  uint64_t packed = 0;
  for (const char c : word) packed = packed << 8 | (static_cast<uint8_t>(c) | 0x20U);
  return packed;
}

// The same, where at least eight bytes may be read.
uint64_t PackInPlace(const char* word, size_t size) {
  uint64_t bytes = LoadBig64(word);
  bytes |= 0x2020202020202020U;
  return bytes >> (64 - 8 * size);
}

// What the tokens so far let the next one be.
enum class After : uint8_t {
  kOther,
  kValue,       // a literal: behind a comparison or LIKE, or an item of a list
  kBetween,     // a literal, then AND
  kBetweenLow,  // AND
  kCount,       // an integer: behind LIMIT, OFFSET
  kArithmetic,  // a number: behind a column's '+' or '-'
  kOperand,     // behind a column that follows a comparison
  kOperandDot,  // ... and its dot
  kDot,         // another dot: the next word is no keyword
  kIn,          // a list in brackets
  kValues,      // a row in brackets
  kRow,         // behind such a row
  kFrame,       // ROWS, RANGE, GROUPS: their BETWEEN is another
  kString,      // a string that has not been stripped: another may continue it
};

class Scanner {
 public:
  Scanner(std::string_view text, Template* into) : text_(text), into_(*into) {}

  bool Run() {
    into_.key.clear();
    into_.literals.clear();
    while (at_ < text_.size()) {
      if (!Next()) return false;
    }
    if (into_.literals.empty()) return false;
    into_.key.append(text_, copied_);
    into_.key += '\0';
    for (const Literal& literal : into_.literals) into_.key += static_cast<char>(literal.kind);
    return true;
  }

 private:
  static constexpr size_t kNone = std::string_view::npos;
  static constexpr unsigned kMaxDepth = 63;

  char At(size_t at) const { return at < text_.size() ? text_[at] : '\0'; }

  // Passes one token, comment or run of spaces. Returns false if there is to be no template.
  bool Next() {
    const char c = text_[at_];
    switch (ClassOf(c)) {
      case Class::kSpace:
        ++at_;
        return true;
      case Class::kLetter:
        return Word();
      case Class::kOperator:
        return StartsComment(at_) ? SkipComment(&at_) : begun_ && Operator();
      case Class::kPunctuation:
        return (begun_ || c == '(') && Punctuation(c);
      case Class::kDigit:
        return begun_ && Number();
      case Class::kQuote:
        return begun_ && String();
      case Class::kDoubleQuote:
        return begun_ && QuotedName();
      case Class::kRefused:
        return false;
    }
    return false;
  }

  void Follow(After after) {
    after_ = after;
    sign_ = kNone;
  }

  // --- comments and what may follow a literal ---

  bool StartsComment(size_t at) const {
    return (At(at) == '-' && At(at + 1) == '-') || (At(at) == '/' && At(at + 1) == '*');
  }

  // Block comments nest. Returns false if it does not end.
  bool SkipComment(size_t* at) const {
    if (text_[*at] == '-') {
      *at = std::min(text_.find_first_of("\r\n", *at), text_.size());
      return true;
    }
    size_t depth = 1;
    for (*at += 2; *at + 1 < text_.size();) {
      const char c = text_[*at];
      const char next = text_[*at + 1];
      if (c == '*' && next == '/') {
        *at += 2;
        if (--depth == 0) return true;
      } else if (c == '/' && next == '*') {
        *at += 2;
        ++depth;
      } else {
        ++*at;
      }
    }
    return false;
  }

  // Whether what follows a literal that ends at `at` leaves it alone: no cast, no string that
  // continues it.
  bool StandsAlone(size_t at) const {
    while (true) {
      while (at < text_.size() && ClassOf(text_[at]) == Class::kSpace) ++at;
      if (!StartsComment(at)) break;
      if (!SkipComment(&at)) return false;
    }
    if (at == text_.size()) return true;
    switch (ClassOf(text_[at])) {
      case Class::kLetter:
      case Class::kOperator:
        return true;
      case Class::kPunctuation:
        return text_[at] == ',' || text_[at] == ')' || text_[at] == ';' || text_[at] == ']';
      default:
        return false;
    }
  }

  void Strip(size_t end, LiteralKind kind) {
    into_.key.append(text_, copied_, at_ - copied_);
    into_.key += '?';
    copied_ = end;
    into_.literals.push_back({.offset = static_cast<uint32_t>(at_),
                              .length = static_cast<uint32_t>(end - at_),
                              .sign = static_cast<uint32_t>(sign_ == kNone ? at_ : sign_),
                              .kind = kind});
    Follow(after_ == After::kBetween ? After::kBetweenLow : After::kOther);
    at_ = end;
  }

  // --- the tokens ---

  bool Word() {
    size_t end = at_ + 1;
    while (end < text_.size() && IsWordByte(text_[end])) ++end;
    const std::string_view word = text_.substr(at_, end - at_);
    const char next = At(end);
    if (word.size() == 1 && (next == '\'' || next == '&')) return false;  // E'', B'', U&'' and kin
    uint64_t packed = 0;
    if (word.size() <= 8) {
      packed = at_ + 8 <= text_.size() ? PackInPlace(word.data(), word.size()) : Pack(word);
    }
    at_ = end;
    if (!begun_ && !Begins(packed)) return false;
    begun_ = true;
    Follow(AfterWord(packed));
    return true;
  }

  static bool Begins(uint64_t packed) {
    switch (packed) {
      case Pack("select"):
      case Pack("insert"):
      case Pack("update"):
      case Pack("delete"):
      case Pack("with"):
      case Pack("values"):
      case Pack("table"):
        return true;
      default:
        return false;
    }
  }

  After AfterWord(uint64_t packed) {
    if (after_ == After::kDot) return After::kOther;
    if (after_ == After::kOperandDot) return After::kOperand;
    switch (packed) {
      case Pack("in"):
        return After::kIn;
      case Pack("limit"):
      case Pack("offset"):
        return After::kCount;
      case Pack("between"):
        return after_ == After::kFrame ? After::kOther : After::kBetween;
      case Pack("and"):
        return after_ == After::kBetweenLow ? After::kValue : After::kOther;
      case Pack("like"):
      case Pack("ilike"):
        return After::kValue;
      case Pack("rows"):
      case Pack("range"):
      case Pack("groups"):
        return After::kFrame;
      case Pack("values"):
        return After::kValues;
      case Pack("select"):
      case Pack("with"):
      case Pack("table"):
      case Pack("by"):
        lists_ &= ~uint64_t{1};  // these brackets hold a query: its commas are not a list's
        return After::kOther;
      default:
        return AfterName();
    }
  }

  After AfterName() const {
    const bool operand = after_ == After::kValue || after_ == After::kOperandDot;
    return operand ? After::kOperand : After::kOther;
  }

  bool QuotedName() {
    const size_t end = EndOfQuotes('"');
    if (end == kNone) return false;
    at_ = end;
    Follow(AfterName());
    return true;
  }

  // Behind the quotes that open at at_; doubled ones are part of what they hold.
  size_t EndOfQuotes(char quote) const {
    for (size_t at = at_ + 1;;) {
      at = text_.find(quote, at);
      if (at == kNone) return kNone;
      if (At(at + 1) != quote) return at + 1;
      at += 2;
    }
  }

  bool String() {
    if (after_ == After::kString) return false;
    const size_t end = EndOfQuotes('\'');
    if (end == kNone) return false;
    const bool takes = (after_ == After::kValue || after_ == After::kBetween) && sign_ == kNone;
    const std::string_view token = text_.substr(at_, end - at_);
    if (takes && StandsAlone(end) && !ContainsTimeWord(token)) {
      const bool ascii =
          std::none_of(token.begin(), token.end(), [](char c) { return (c & 0x80) != 0; });
      Strip(end, ascii ? LiteralKind::kAsciiString : LiteralKind::kString);
      return true;
    }
    at_ = end;
    Follow(After::kString);
    return true;
  }

  size_t EndOfDigits(size_t at) const {
    while (at < text_.size() && ClassOf(text_[at]) == Class::kDigit) ++at;
    return at;
  }

  bool Number() {
    size_t end = EndOfDigits(at_);
    const std::string_view digits = text_.substr(at_, end - at_);
    const bool decimal = At(end) == '.';
    if (decimal) {
      const size_t fraction = end + 1;
      end = EndOfDigits(fraction);
      if (end == fraction || At(end) == '.') return false;
    }
    if (end < text_.size() && IsWordByte(text_[end])) return false;
    LiteralKind kind = LiteralKind::kDecimal;
    if (Takes(decimal) && (decimal || KindOfInteger(digits, &kind)) && StandsAlone(end)) {
      Strip(end, kind);
      return true;
    }
    at_ = end;
    Follow(After::kOther);
    return true;
  }

  bool Takes(bool decimal) const {
    return after_ == After::kValue || after_ == After::kBetween || after_ == After::kArithmetic ||
           (after_ == After::kCount && !decimal);
  }

  // Returns false for what is left as it is.
  static bool KindOfInteger(std::string_view digits, LiteralKind* kind) {
    constexpr std::string_view kMaxInt4 = "2147483647";
    constexpr std::string_view kLeastOther = "2147483648";
    constexpr std::string_view kMaxInt8 = "9223372036854775807";
    if (digits.size() > 1 && digits[0] == '0') return false;
    if (digits.size() < kMaxInt4.size() ||
        (digits.size() == kMaxInt4.size() && digits <= kMaxInt4)) {
      *kind = LiteralKind::kInt4;
      return true;
    }
    if (digits == kLeastOther || digits.size() > kMaxInt8.size() ||
        (digits.size() == kMaxInt8.size() && digits > kMaxInt8)) {
      return false;
    }
    *kind = LiteralKind::kInt8;
    return true;
  }

  // Where the operator that begins at at_ ends, by the rules of PostgreSQL's scanner: it ends
  // before a comment, and in a '+' or '-' only if it holds a character that no SQL operator has.
  size_t EndOfOperator() const {
    size_t end = at_ + 1;
    while (end < text_.size() && ClassOf(text_[end]) == Class::kOperator && !StartsComment(end)) {
      ++end;
    }
    const std::string_view own = text_.substr(at_, end - at_ - 1);
    if (own.find_first_of("~!@#^&|`%") == kNone) {
      while (end > at_ + 1 && (text_[end - 1] == '+' || text_[end - 1] == '-')) --end;
    }
    return end;
  }

  static bool IsComparison(std::string_view op) {
    return op == "=" || op == "<" || op == ">" || op == "<>" || op == "!=" || op == "<=" ||
           op == ">=";
  }

  bool Operator() {
    const size_t at = at_;
    at_ = EndOfOperator();
    const std::string_view op = text_.substr(at, at_ - at);
    if (IsComparison(op)) {
      Follow(After::kValue);
      return true;
    }
    const bool minus = op == "-";
    if ((minus || op == "+") && after_ == After::kOperand) {
      Follow(After::kArithmetic);
    } else if (!minus || sign_ != kNone || !Takes(/*decimal=*/true)) {
      Follow(After::kOther);
      return true;
    }
    if (minus) sign_ = at;
    return true;
  }

  bool Punctuation(char c) {
    const After before = after_;
    ++at_;
    Follow(After::kOther);
    switch (c) {
      case '(':
        rows_ = rows_ << 1 | (before == After::kValues ? 1U : 0U);
        return Open(before == After::kIn || before == After::kValues);
      case '[':
        rows_ <<= 1;
        return Open(false);
      case ')':
      case ']':
        if (depth_ == 0) return false;
        --depth_;
        if ((rows_ & 1) != 0) after_ = After::kRow;
        rows_ >>= 1;
        lists_ >>= 1;
        return true;
      case ',':
        if (before == After::kRow) {
          after_ = After::kValues;
        } else if ((lists_ & 1) != 0) {
          after_ = After::kValue;
        }
        return true;
      case '.':
        after_ = before == After::kOperand ? After::kOperandDot : After::kDot;
        return ClassOf(At(at_)) != Class::kDigit && At(at_) != '.';
      case ':':
        if (At(at_) == '=' || At(at_) == ':') ++at_;
        return true;
      case ';':
        return text_.find_first_not_of(" \t\n\r\f", at_) == kNone;
      default:
        return Parameter();
    }
  }

  bool Open(bool list) {
    if (++depth_ > kMaxDepth) return false;
    lists_ = lists_ << 1 | (list ? 1U : 0U);
    if (list) after_ = After::kValue;
    return true;
  }

  // Behind a '$'. What is not $n is a dollar quote.
  bool Parameter() {
    const size_t end = EndOfDigits(at_);
    if (end == at_ || IsWordByte(At(end))) return false;
    at_ = end;
    return true;
  }

  std::string_view text_;
  Template& into_;
  size_t at_ = 0;
  size_t copied_ = 0;   // what of the text is in the key, or stands there as a literal
  bool begun_ = false;  // a word that may begin such a text has been seen
  After after_ = After::kOther;
  size_t sign_ = kNone;  // a '-' before what comes next, where after_ takes a number
  // The open brackets, the innermost as the lowest bit.
  unsigned depth_ = 0;
  uint64_t lists_ = 0;  // their commas part literals
  uint64_t rows_ = 0;   // opened as a row of VALUES
};

}  // namespace

bool StripLiterals(std::string_view text, Template* into) {
  if (text.size() > kMaxAnalyzedBytes || text.find('\0') != std::string_view::npos) return false;
  return Scanner(text, into).Run();
}

std::string_view TemplateText(std::string_view key) { return key.substr(0, key.find('\0')); }

ConstantPlace PlaceOf(std::span<const Literal> literals, size_t location) {
  using Source = ConstantPlace::Source;
  // The first literal that ends behind the location: the constant is its, or stands before it.
  const auto it = std::partition_point(literals.begin(), literals.end(), [&](const Literal& l) {
    return size_t{l.offset} + l.length <= location;
  });
  if (it == literals.end() || location < it->sign) return {.source = Source::kTemplate};
  const size_t index = static_cast<size_t>(it - literals.begin());
  if (location == it->offset) return {.source = Source::kLiteral, .index = index};
  if (location == it->sign) return {.source = Source::kLiteral, .negated = true, .index = index};
  return {.source = Source::kUnknown};
}

namespace {

// Calls `visit` with each Value of the statement until it returns false.
template <typename Visit>
bool EachValue(StatementInfo& info, Visit visit) {
  const auto each = [&](std::vector<Value>& values) {
    return std::all_of(values.begin(), values.end(), visit);
  };
  const auto restricted = [&](std::vector<Restriction>& restrictions) {
    return std::all_of(restrictions.begin(), restrictions.end(),
                       [&](Restriction& restriction) { return each(restriction.values); });
  };
  for (Reference& reference : info.references) {
    if (!restricted(reference.restrictions)) return false;
  }
  if (!info.row_write) return true;
  RowWrite& write = *info.row_write;
  return std::all_of(write.rows.begin(), write.rows.end(), each) &&
         std::all_of(write.assignments.begin(), write.assignments.end(),
                     [&](Assignment& assignment) { return visit(assignment.value); }) &&
         restricted(write.restrictions);
}

bool IsShareable(const TextInfo& info) {
  if (!info.parsed || info.statements.size() != 1) return false;
  switch (info.statements[0].kind) {
    case StatementKind::kSelect:
    case StatementKind::kInsert:
    case StatementKind::kUpdate:
    case StatementKind::kDelete:
      return info.statements[0].settings.empty();
    default:
      return false;
  }
}

}  // namespace

bool MakeShared(std::span<const Literal> literals, TextInfo* info) {
  if (!IsShareable(*info)) return false;
  StatementInfo& statement = info->statements[0];
  const auto is_literal = [](const Value& value) {
    return value.kind == ValueKind::kNumber || value.kind == ValueKind::kString;
  };
  // A number's place is that of its digits, and the sign is the template's.
  const bool all_known = EachValue(statement, [&](const Value& value) {
    if (!is_literal(value)) return true;
    const ConstantPlace place = PlaceOf(literals, value.location);
    return place.source != ConstantPlace::Source::kUnknown && !place.negated;
  });
  if (!all_known) return false;
  return EachValue(statement, [&](Value& value) {
    const ConstantPlace place = PlaceOf(literals, value.location);
    value.location = 0;  // of one text only
    if (!is_literal(value) || place.source != ConstantPlace::Source::kLiteral) return true;
    value.literal = static_cast<uint32_t>(place.index + 1);
    value.text.clear();
    return true;
  });
}

std::string_view Literals::Value(size_t index, std::string* scratch) const {
  const Literal& place = places[index];
  const std::string_view token = text.substr(place.offset, place.length);
  if (token.front() != '\'') return token;
  const std::string_view inside = token.substr(1, token.size() - 2);
  if (inside.find('\'') == std::string_view::npos) return inside;
  scratch->clear();
  for (size_t at = 0; at < inside.size(); ++at) {
    *scratch += inside[at];
    if (inside[at] == '\'') ++at;
  }
  return *scratch;
}

}  // namespace pgsidecar::sql
