// Parses a text with libpg_query and has every statement of it walked. Owns the parse tree for the
// time of the walk; the TextInfo holds copies.

#include "sql/analyzer.h"

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

#include <memory>
#include <span>

#include "sql/collector.h"
#include "sql/prescan.h"
#include "sql/utility.h"

namespace pgsidecar::sql {

namespace {

struct FreeTree {
  void operator()(PgQuery__ParseResult* tree) const {
    pg_query__parse_result__free_unpacked(tree, nullptr);
  }
};
using Tree = std::unique_ptr<PgQuery__ParseResult, FreeTree>;

// Null, with the reason in `*error`, if the text does not parse. The packed form is freed before
// the tree is walked.
Tree Parse(const std::string& text, std::string* error) {
  PgQueryProtobufParseResult parsed = pg_query_parse_protobuf(text.c_str());
  Tree tree;
  if (parsed.error != nullptr) {
    *error = parsed.error->message == nullptr ? "parse error" : parsed.error->message;
  } else {
    tree.reset(pg_query__parse_result__unpack(
        nullptr, parsed.parse_tree.len, reinterpret_cast<const uint8_t*>(parsed.parse_tree.data)));
    if (tree == nullptr) *error = "parse tree does not unpack";
  }
  pg_query_free_protobuf_parse_result(parsed);
  return tree;
}

TextInfo Refused(std::string_view reason) {
  TextInfo info;
  info.error = reason;
  return info;
}

}  // namespace

TextInfo Analyze(std::string_view text) {
  if (text.size() > kMaxAnalyzedBytes) {
    return Refused("text longer than " + std::to_string(kMaxAnalyzedBytes) + " bytes");
  }
  if (text.find('\0') != std::string_view::npos) return Refused("text with a zero byte");
  const std::string terminated(text);
  const std::string_view reason = ReasonNotToParse(terminated);
  if (!reason.empty()) return Refused(reason);

  TextInfo info;
  const Tree tree = Parse(terminated, &info.error);
  if (tree == nullptr) return info;
  info.parsed = true;
  info.statements.reserve(tree->n_stmts);
  for (const PgQuery__RawStmt* raw : std::span(tree->stmts, tree->n_stmts)) {
    Collector collector(&info.statements.emplace_back(), terminated);
    AnalyzeStatement(raw->stmt, &collector);
    collector.Finish();
  }
  return info;
}

}  // namespace pgsidecar::sql
