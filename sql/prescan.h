// Private to sql/: refuses, from the tokens alone, texts whose parse tree would cost too much.
//
// libpg_query packs the tree into nested protobuf messages, which takes time in the product of
// size and depth, and it repeats the source of a multiple assignment, SET (a, b) = (...), once a
// column, which is exponential where such assignments are nested. The scanner takes time in the
// square of a run of signs, because it reads the whole run for each of them. All three are judged
// here before the parser sees the text.

#ifndef PGSIDECAR_SQL_PRESCAN_H_
#define PGSIDECAR_SQL_PRESCAN_H_

#include <pg_query/pg_query.pb-c.h>

#include <memory>
#include <string>
#include <string_view>

namespace pgsidecar::sql {

// Texts up to this size may nest as deep as they can: the cost is bounded by the size.
inline constexpr size_t kUncheckedNestingBytes = 4 * 1024;
// In longer texts, the most tokens that may lie on one way from the tree's root to a leaf.
inline constexpr size_t kMaxNestingTokens = 1000;
// The most bytes of text, counting what multiple assignments repeat as often as they repeat it.
inline constexpr size_t kMaxExpandedBytes = 4 * 1024 * 1024;
// The most '+' and '-' in a row, from the first '+' on: a run of '-' alone is a comment.
inline constexpr size_t kMaxSignRun = 256;

// Why `text` must not be parsed; empty: nothing against it.
std::string_view ReasonNotToParse(const std::string& text);

bool HasLongSignRun(std::string_view text);

struct FreeTokens {
  void operator()(PgQuery__ScanResult* tokens) const {
    pg_query__scan_result__free_unpacked(tokens, nullptr);
  }
};
using Tokens = std::unique_ptr<PgQuery__ScanResult, FreeTokens>;

// Null if the text does not scan; then it does not parse either.
// REQUIRES: !HasLongSignRun(text), and no zero byte in it.
Tokens Scan(const std::string& text);

}  // namespace pgsidecar::sql

#endif  // PGSIDECAR_SQL_PRESCAN_H_
