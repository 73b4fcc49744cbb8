// Has every statement of a text walked. Owns the parse tree for the time of the walk; the TextInfo
// holds copies.

#include "sql/analyzer.h"

#include <span>

#include "sql/collector.h"
#include "sql/parse.h"
#include "sql/utility.h"

namespace pgsidecar::sql {

TextInfo Analyze(std::string_view text) {
  TextInfo info;
  const Tree tree = Parse(text, &info.error);
  if (tree == nullptr) return info;
  info.parsed = true;
  info.statements.reserve(tree->n_stmts);
  for (const PgQuery__RawStmt* raw : std::span(tree->stmts, tree->n_stmts)) {
    Collector collector(&info.statements.emplace_back(), text);
    AnalyzeStatement(raw->stmt, &collector);
    collector.Finish();
  }
  return info;
}

}  // namespace pgsidecar::sql
