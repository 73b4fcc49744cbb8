// Runs PostgreSQL's scanner where a quick look cannot rule the costs out, and estimates both
// costs from above in one pass over the tokens.

#include "sql/prescan.h"

#include <pg_query.h>

#include <algorithm>
#include <span>
#include <vector>

namespace pgsidecar::sql {

namespace {

using Token = PgQuery__Token;

bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

// Whether a ')' could be followed by an '=': by nothing else between than spaces, or behind the
// start of what may be a comment. Every multiple assignment has that.
bool MayAssignSeveral(std::string_view text) {
  for (size_t i = text.find(')'); i != std::string_view::npos; i = text.find(')', i + 1)) {
    size_t next = i + 1;
    while (next < text.size() && IsSpace(text[next])) ++next;
    if (next == text.size()) return false;
    if (text[next] == '=' || text[next] == '-' || text[next] == '/') return true;
  }
  return false;
}

}  // namespace

bool HasLongSignRun(std::string_view text) {
  size_t end = 0;
  for (size_t i = text.find('+'); i != std::string_view::npos; i = text.find('+', end)) {
    end = std::min(text.find_first_not_of("+-", i), text.size());
    if (end - i > kMaxSignRun) return true;
  }
  return false;
}

namespace {

// What is open between two brackets, or between CASE and END, or nothing (the whole text).
struct Level {
  Token opened_by = PG_QUERY__TOKEN__NUL;
  bool may_be_targets = false;  // "(" behind SET or a comma
  size_t columns = 1;           // commas directly inside, plus one
  size_t betweens = 0;          // BETWEENs whose AND has not come
  // Depth, in tokens. What stands beside each other does not nest: a comma, a semicolon, AND, OR,
  // the words of CASE, UNION and its kin, JOIN start a new part. UNION and JOIN also make a chain.
  size_t part = 0;
  size_t inner = 0;  // the deepest bracket inside the part
  size_t deepest_part = 0;
  size_t chain = 0;
  size_t deepest_statement = 0;

  void EndPart() {
    deepest_part = std::max(deepest_part, part + inner);
    part = 0;
    inner = 0;
  }
  void EndStatement() {
    deepest_statement = Depth();
    part = inner = deepest_part = chain = 0;
  }
  size_t Depth() const {
    return std::max(deepest_statement, std::max(deepest_part, part + inner) + chain);
  }
};

class Estimate {
 public:
  explicit Estimate(size_t text_bytes) : expanded_bytes_(text_bytes) { levels_.emplace_back(); }

  void Add(Token token) {
    if (token == PG_QUERY__TOKEN__SQL_COMMENT || token == PG_QUERY__TOKEN__C_COMMENT) return;
    if (token == PG_QUERY__TOKEN__ASCII_61 && closed_targets_ > 1) Repeat(closed_targets_);
    closed_targets_ = 0;
    if (Opens(token)) {
      Open(token);
    } else if (Closes(token)) {
      Close();
    } else {
      Count(token);
    }
    previous_ = token;
    nesting_ = std::max(nesting_, levels_.size() + levels_.back().Depth());
  }

  size_t nesting() const { return nesting_; }
  size_t expanded_bytes() const { return expanded_bytes_; }

 private:
  static bool Opens(Token token) {
    return token == PG_QUERY__TOKEN__ASCII_40 || token == PG_QUERY__TOKEN__ASCII_91 ||
           token == PG_QUERY__TOKEN__CASE;
  }

  bool Closes(Token token) const {
    if (levels_.size() == 1) return false;
    if (token == PG_QUERY__TOKEN__END_P) return levels_.back().opened_by == PG_QUERY__TOKEN__CASE;
    return token == PG_QUERY__TOKEN__ASCII_41 || token == PG_QUERY__TOKEN__ASCII_93;
  }

  void Open(Token token) {
    levels_.back().part += 1;
    Level level;
    level.opened_by = token;
    level.may_be_targets =
        token == PG_QUERY__TOKEN__ASCII_40 &&
        (previous_ == PG_QUERY__TOKEN__SET || previous_ == PG_QUERY__TOKEN__ASCII_44);
    levels_.push_back(level);
  }

  void Close() {
    const Level closed = levels_.back();
    levels_.pop_back();
    if (closed.may_be_targets) closed_targets_ = closed.columns;
    Level& outer = levels_.back();
    outer.inner = std::max(outer.inner, closed.Depth() + 1);
  }

  void Count(Token token) {
    Level& level = levels_.back();
    switch (token) {
      case PG_QUERY__TOKEN__ASCII_44:
        level.columns += 1;
        level.EndPart();
        break;
      case PG_QUERY__TOKEN__ASCII_59:
        level.EndStatement();
        break;
      case PG_QUERY__TOKEN__OR:
        level.EndPart();
        break;
      case PG_QUERY__TOKEN__AND:
        if (level.betweens == 0) {
          level.EndPart();
        } else {
          level.betweens -= 1;
        }
        break;
      case PG_QUERY__TOKEN__UNION:
      case PG_QUERY__TOKEN__INTERSECT:
      case PG_QUERY__TOKEN__EXCEPT:
      case PG_QUERY__TOKEN__JOIN:
        level.EndPart();
        level.chain += 1;
        break;
      case PG_QUERY__TOKEN__WHEN:
      case PG_QUERY__TOKEN__THEN:
      case PG_QUERY__TOKEN__ELSE:
        if (level.opened_by == PG_QUERY__TOKEN__CASE) level.EndPart();
        level.part += 1;
        break;
      default:
        if (token == PG_QUERY__TOKEN__BETWEEN) level.betweens += 1;
        level.part += 1;
    }
  }

  // As if every multiple assignment held all the others.
  void Repeat(size_t times) {
    if (expanded_bytes_ <= kMaxExpandedBytes) expanded_bytes_ *= times;
  }

  std::vector<Level> levels_;
  Token previous_ = PG_QUERY__TOKEN__NUL;
  size_t closed_targets_ = 0;  // columns of the list that the last token closed; 0: none
  size_t nesting_ = 0;
  size_t expanded_bytes_;
};

}  // namespace

Tokens Scan(const std::string& text) {
  PgQueryScanResult scan = pg_query_scan(text.c_str());
  Tokens tokens;
  if (scan.error == nullptr) {
    tokens.reset(pg_query__scan_result__unpack(nullptr, scan.pbuf.len,
                                               reinterpret_cast<const uint8_t*>(scan.pbuf.data)));
  }
  pg_query_free_scan_result(scan);
  return tokens;
}

std::string_view ReasonNotToParse(const std::string& text) {
  if (HasLongSignRun(text)) return "run of signs too long";
  const bool check_nesting = text.size() > kUncheckedNestingBytes;
  if (!check_nesting && !MayAssignSeveral(text)) return {};
  const Tokens tokens = Scan(text);
  if (tokens == nullptr) return "text that does not scan";
  Estimate estimate(text.size());
  for (const PgQuery__ScanToken* token : std::span(tokens->tokens, tokens->n_tokens)) {
    estimate.Add(token->token);
  }
  if (estimate.expanded_bytes() > kMaxExpandedBytes) return "multiple assignments that multiply";
  if (check_nesting && estimate.nesting() > kMaxNestingTokens) return "text nested too deeply";
  return {};
}

}  // namespace pgsidecar::sql
