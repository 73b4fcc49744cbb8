// Private to sql/: a text's parse tree, within the limits on what the parser is given.

#ifndef PGSIDECAR_SQL_PARSE_H_
#define PGSIDECAR_SQL_PARSE_H_

#include <pg_query/pg_query.pb-c.h>

#include <memory>
#include <string>
#include <string_view>

namespace pgsidecar::sql {

struct FreeTree {
  void operator()(PgQuery__ParseResult* tree) const {
    pg_query__parse_result__free_unpacked(tree, nullptr);
  }
};
using Tree = std::unique_ptr<PgQuery__ParseResult, FreeTree>;

// Null, with the reason in `*error`, if the text is refused or does not parse.
Tree Parse(std::string_view text, std::string* error);

}  // namespace pgsidecar::sql

#endif  // PGSIDECAR_SQL_PARSE_H_
