// Private to sql/: refuses, from the tokens alone, texts whose parse tree would cost too much.
//
// libpg_query packs the tree into nested protobuf messages, which takes time in the product of
// size and depth, and it repeats the source of a multiple assignment, SET (a, b) = (...), once a
// column, which is exponential where such assignments are nested. Both are judged here before the
// parser sees the text.

#ifndef PGSIDECAR_SQL_PRESCAN_H_
#define PGSIDECAR_SQL_PRESCAN_H_

#include <string>
#include <string_view>

namespace pgsidecar::sql {

// Texts up to this size may nest as deep as they can: the cost is bounded by the size.
inline constexpr size_t kUncheckedNestingBytes = 8 * 1024;
// In longer texts, the most tokens that may lie on one way from the tree's root to a leaf.
inline constexpr size_t kMaxNestingTokens = 1000;
// The most bytes of text, counting what multiple assignments repeat as often as they repeat it.
inline constexpr size_t kMaxExpandedBytes = 4 * 1024 * 1024;

// Why `text` must not be parsed; empty: nothing against it.
std::string_view ReasonNotToParse(const std::string& text);

}  // namespace pgsidecar::sql

#endif  // PGSIDECAR_SQL_PRESCAN_H_
