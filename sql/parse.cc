// Parses with libpg_query what neither is too long nor would cost too much.

#include "sql/parse.h"

#include <pg_query.h>

#include "sql/analyzer.h"
#include "sql/prescan.h"

namespace pgsidecar::sql {

// The packed form is freed before the tree is walked.
Tree Parse(std::string_view text, std::string* error) {
  if (text.size() > kMaxAnalyzedBytes) {
    *error = "text longer than " + std::to_string(kMaxAnalyzedBytes) + " bytes";
    return nullptr;
  }
  if (text.find('\0') != std::string_view::npos) {
    *error = "text with a zero byte";
    return nullptr;
  }
  const std::string terminated(text);
  *error = ReasonNotToParse(terminated);
  if (!error->empty()) return nullptr;

  PgQueryProtobufParseResult parsed = pg_query_parse_protobuf(terminated.c_str());
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

}  // namespace pgsidecar::sql
