// From a text to its template: the text with '?' where a literal stood that no analysis depends on.
// Applications that write their values into the text (WHERE id = 17) send a new text each time; all
// of them are analysed once.
//
// Invariant: texts with the same key have the same bytes but for the stripped literals,
// PostgreSQL's scanner gives the same kinds of token for both, and Analyze() the same TextInfo.
// What the scanner here does not know well enough to promise that has no template.
//
// REQUIRES of every text what Analyze() requires: standard_conforming_strings = on, and a client
// encoding in which no byte of a multibyte character is an ASCII byte.
//
// Stripped are integers and plain decimals, and plain '...' strings without a time word,
//
//     behind = <> != < > <= >= LIKE ILIKE BETWEEN, and BETWEEN's AND
//     as an item of IN (...) or of a row of VALUES
//     numbers also behind a column's + or - (SET n = n + 1), integers behind LIMIT and OFFSET
//
// and never what is followed by a cast. All else stays as it is: a literal in a list of arguments
// may be a setting's or a sequence's name, one behind ORDER BY a column's place, one in brackets a
// type's modifier.

#ifndef PGSIDECAR_SQL_TEMPLATE_H_
#define PGSIDECAR_SQL_TEMPLATE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sql/statement_info.h"

namespace pgsidecar::sql {

// What PostgreSQL takes the constant for; also with a minus sign before it. Between int4 and int8
// lies 2147483648, whose negative is an int4: it is not stripped.
enum class LiteralKind : char {
  kInt4 = 'i',
  kInt8 = 'l',
  kDecimal = 'n',
  kAsciiString = 's',
  kString = 'u',  // with a byte that is not ASCII
};

// A stripped literal's place in its text.
struct Literal {
  uint32_t offset;  // of the token; of a string's opening quote
  uint32_t length;
  uint32_t sign;  // where the '-' before the number stands; `offset` if there is none
  LiteralKind kind;
};

struct Template {
  std::string key;  // the text with '?' for each literal, a zero byte, the literals' kinds
  std::vector<Literal> literals;  // as they come in the text; never empty after success
};

// Strips the literals of `text` into `into`, whose buffers are reused. Returns false if the text
// has no template; `into` is then of no use.
bool StripLiterals(std::string_view text, Template* into);

// The part of a key that people read.
std::string_view TemplateText(std::string_view key);

// Turns the analysis of one text into that of all texts of its template: its values name the
// literals that they are made of (Value::literal). Returns false, with `info` as it was, if it does
// not hold for all. Whatever in a StatementInfo may hold a literal's own value has to be looked at
// here.
bool MakeShared(std::span<const Literal> literals, TextInfo* info);

// What a constant is made of, in every text of a template, by its place in the one that was
// analysed: libpg_query's location, which is that of the minus sign if it has folded one in.
struct ConstantPlace {
  enum class Source : uint8_t {
    kTemplate,  // the same in all of them
    kLiteral,   // literal number `index`
    kUnknown,   // the template must not be shared: it says nothing of this constant
  };
  Source source = Source::kUnknown;
  bool negated = false;
  size_t index = 0;
  bool operator==(const ConstantPlace&) const = default;
};
ConstantPlace PlaceOf(std::span<const Literal> literals, size_t location);

// The literals of one text.
struct Literals {
  std::string_view text;
  std::span<const Literal> places;

  // What a literal means, without a sign; views `text`, or `scratch` if it is written there in
  // another way (a quote is doubled).
  std::string_view Value(size_t index, std::string* scratch) const;
};

}  // namespace pgsidecar::sql

#endif  // PGSIDECAR_SQL_TEMPLATE_H_
