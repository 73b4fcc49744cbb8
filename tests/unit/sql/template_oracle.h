// What a template promises, held against PostgreSQL's own scanner and parser and the analyser:
// every text of the template has the tokens of the others, each stripped literal is one of them,
// the analyser says the same of all, and each constant of the tree is the one that PlaceOf() says.

#ifndef PGSIDECAR_TESTS_UNIT_SQL_TEMPLATE_ORACLE_H_
#define PGSIDECAR_TESTS_UNIT_SQL_TEMPLATE_ORACLE_H_

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "describe.h"
#include "sql/analyzer.h"
#include "sql/prescan.h"
#include "sql/template.h"
#include "sql/time_words.h"
#include "tree_oracle.h"

namespace pgsidecar::sql {

class TemplateOracle {
 public:
  explicit TemplateOracle(uint64_t seed) : random_(seed) {}

  // What is wrong with the template of `text`; empty: nothing, or it has none.
  std::string FaultOf(const std::string& text) {
    Template own;
    if (!StripLiterals(text, &own)) return "";
    const Tokens tokens = Scan(text);
    for (const Literal& literal : own.literals) {
      if (!tokens.failed && !IsOneToken(tokens, literal))
        return "not a token of that kind: " + text;
    }
    const std::string other = Vary(text, own.literals);
    Template other_template;
    if (!StripLiterals(other, &other_template)) return "no template: " + Both(text, other);
    if (other_template.key != own.key) return "another template: " + Both(text, other);
    const Tokens other_tokens = Scan(other);
    if (other_tokens.failed != tokens.failed || other_tokens.kinds != tokens.kinds)
      return "other tokens: " + Both(text, other);
    TextInfo info = Analyze(text);
    TextInfo other_info = Analyze(other);
    if (info.parsed != other_info.parsed) {
      // A limit of size may stand between the two.
      const bool limited = std::max(text.size(), other.size()) > kUncheckedNestingBytes;
      return limited ? "" : "one parses: " + Both(text, other);
    }
    // A message names the token at which it stopped.
    if (!info.parsed) return "";
    const bool shared = MakeShared(own.literals, &info);
    if (shared != MakeShared(other_template.literals, &other_info)) {
      return "one is shared: " + Both(text, other);
    }
    if (shared) {
      const StatementInfo& statement = info.statements[0];
      const StatementInfo& other_statement = other_info.statements[0];
      if (statement.references != other_statement.references ||
          statement.row_write != other_statement.row_write) {
        return "other rows: " + Both(text, other);
      }
      if (Describe(info) != Describe(other_info)) return "other analysis: " + Both(text, other);
    }
    const std::vector<Constant> constants = ConstantsOf(text);
    const std::vector<Constant> other_constants = ConstantsOf(other);
    if (constants.size() != other_constants.size()) return "other tree: " + Both(text, other);
    for (size_t i = 0; i < constants.size(); ++i) {
      // The template's places are those of the text that was analysed; the other's values its own.
      const ConstantPlace place = PlaceOf(own.literals, constants[i].location);
      const bool right =
          IsAt(place, {text, own.literals}, constants[i].value) &&
          (place.source == ConstantPlace::Source::kTemplate
               ? constants[i].value == other_constants[i].value
               : IsAt(place, {other, other_template.literals}, other_constants[i].value));
      if (!right) return "constant " + constants[i].value + ": " + Both(text, other);
    }
    return "";
  }

  // The text with other literals of the same kinds.
  std::string Vary(const std::string& text, const std::vector<Literal>& literals) {
    std::string other;
    size_t copied = 0;
    for (const Literal& literal : literals) {
      other.append(text, copied, literal.offset - copied);
      other += Random(literal.kind);
      copied = literal.offset + literal.length;
    }
    return other.append(text, copied);
  }

 private:
  struct Tokens {
    bool failed = true;
    std::vector<PgQuery__Token> kinds;
    std::vector<std::pair<size_t, size_t>> spans;  // from, to
  };

  struct Constant {
    size_t location;
    std::string value;  // as the parser holds it; numbers in decimal
  };

  static std::vector<Constant> ConstantsOf(const std::string& text) {
    PgQueryProtobufParseResult parsed = pg_query_parse_protobuf(text.c_str());
    PgQuery__ParseResult* tree = pg_query__parse_result__unpack(
        nullptr, parsed.parse_tree.len, reinterpret_cast<const uint8_t*>(parsed.parse_tree.data));
    std::vector<Constant> constants;
    CollectConstants(tree->base, &constants);
    pg_query__parse_result__free_unpacked(tree, nullptr);
    pg_query_free_protobuf_parse_result(parsed);
    return constants;
  }

  static void CollectConstants(const ProtobufCMessage& message, std::vector<Constant>* into) {
    if (message.descriptor == &pg_query__a__const__descriptor) {
      const auto& constant = *reinterpret_cast<const PgQuery__AConst*>(&message);
      const auto location = static_cast<size_t>(constant.location);
      if (constant.val_case == PG_QUERY__A__CONST__VAL_IVAL) {
        into->push_back({location, std::to_string(constant.ival->ival)});
      } else if (constant.val_case == PG_QUERY__A__CONST__VAL_FVAL) {
        into->push_back({location, constant.fval->fval});
      } else if (constant.val_case == PG_QUERY__A__CONST__VAL_SVAL) {
        into->push_back({location, constant.sval->sval});
      }
    }
    ForEachChild(message, [into](const char*, const ProtobufCMessage& child) {
      CollectConstants(child, into);
    });
  }

  // Whether the constant is what stands at its place in the text.
  static bool IsAt(const ConstantPlace& place, const Literals& literals,
                   const std::string& constant) {
    if (place.source == ConstantPlace::Source::kTemplate) return true;
    if (place.source == ConstantPlace::Source::kUnknown) return false;
    std::string scratch;
    const std::string value(literals.Value(place.index, &scratch));
    const LiteralKind kind = literals.places[place.index].kind;
    // libpg_query keeps an int4 as a number: there is no "-0".
    const bool is_minus_zero = kind == LiteralKind::kInt4 && value == "0";
    return constant == (place.negated && !is_minus_zero ? "-" + value : value);
  }

  static std::string Both(const std::string& text, const std::string& other) {
    return text + "\n-- and --\n" + other;
  }

  static Tokens Scan(const std::string& text) {
    PgQueryScanResult result = pg_query_scan(text.c_str());
    Tokens tokens;
    tokens.failed = result.error != nullptr;
    if (!tokens.failed) {
      PgQuery__ScanResult* scan = pg_query__scan_result__unpack(
          nullptr, result.pbuf.len, reinterpret_cast<const uint8_t*>(result.pbuf.data));
      for (size_t i = 0; i < scan->n_tokens; ++i) {
        const PgQuery__ScanToken& token = *scan->tokens[i];
        tokens.kinds.push_back(token.token);
        tokens.spans.emplace_back(token.start, token.end);
      }
      pg_query__scan_result__free_unpacked(scan, nullptr);
    }
    pg_query_free_scan_result(result);
    return tokens;
  }

  static bool IsOneToken(const Tokens& tokens, const Literal& literal) {
    const std::pair<size_t, size_t> span{literal.offset, literal.offset + literal.length};
    for (size_t i = 0; i < tokens.spans.size(); ++i) {
      if (tokens.spans[i] != span) continue;
      switch (literal.kind) {
        case LiteralKind::kInt4:
          return tokens.kinds[i] == PG_QUERY__TOKEN__ICONST;
        case LiteralKind::kInt8:
        case LiteralKind::kDecimal:
          return tokens.kinds[i] == PG_QUERY__TOKEN__FCONST;
        default:
          return tokens.kinds[i] == PG_QUERY__TOKEN__SCONST;
      }
    }
    return false;
  }

  uint64_t Below(uint64_t end) { return random_() % end; }

  std::string Random(LiteralKind kind) {
    switch (kind) {
      case LiteralKind::kInt4:
        return Below(4) == 0 ? "2147483647" : std::to_string(Below(1000));
      case LiteralKind::kInt8:
        return Below(4) == 0 ? "9223372036854775807" : std::to_string(2147483649U + Below(1000));
      case LiteralKind::kDecimal:
        return std::to_string(Below(100)) + "." + std::to_string(Below(100));
      case LiteralKind::kAsciiString:
        return RandomString("");
      default:
        return RandomString("\xC3\xA9");
    }
  }

  std::string RandomString(const std::string& part) {
    static const std::vector<std::string> kParts = {"a",  "7",  " ",  "''", "\\", "--",  "/*",
                                                    "*/", "$$", "$1", "?",  ";",  "\n",  "\"",
                                                    "::", "(",  ")",  "E",  "\t", "''''"};
    while (true) {
      std::string value = part;
      for (uint64_t i = Below(6); i > 0; --i) value += kParts[Below(kParts.size())];
      if (!ContainsTimeWord(value)) return "'" + value + "'";
    }
  }

  std::mt19937_64 random_;
};

}  // namespace pgsidecar::sql

#endif  // PGSIDECAR_TESTS_UNIT_SQL_TEMPLATE_ORACLE_H_
