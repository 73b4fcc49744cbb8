// The bodies of functions: what they may run, as statements of their own.
//
// Invariant: everything that a body can run is in `statements` or makes the body not understood. In
// which order and how often does not matter, so conditions, loops and handlers are walked as one
// after the other.

#ifndef PGSIDECAR_SQL_ROUTINE_H_
#define PGSIDECAR_SQL_ROUTINE_H_

#include <string>
#include <string_view>
#include <vector>

#include "sql/statement_info.h"

namespace pgsidecar::sql {

struct RoutineInfo {
  std::string unknown_reason;  // empty: understood
  // Of any kind, also such as a body must not hold; an expression is a SELECT of it.
  std::vector<StatementInfo> statements;

  // Of PL/pgSQL, which turns the text of any value into the type of what it is assigned to.
  std::vector<QualifiedName> row_types;     // relations named before %ROWTYPE or %TYPE
  std::vector<std::string> possible_types;  // or names of variables, before %TYPE
  std::vector<std::string> assigned;        // names of variables, $n, without fields
  bool assigns_field = false;               // of a record, a row or an array
  bool returns_expression = false;          // RETURN or RETURN NEXT

  bool understood() const { return unknown_reason.empty(); }
};

// A body of LANGUAGE sql that is a string.
RoutineInfo AnalyzeSqlBody(std::string_view body);

// A body of LANGUAGE plpgsql. Not understood: dynamic SQL, transaction control, cursors that are
// not declared with their query.
RoutineInfo AnalyzePlpgsqlBody(std::string_view body);

// What CREATE FUNCTION with a body in its own syntax, or CREATE TRIGGER with WHEN, says is to run
// later. As pg_get_functiondef and pg_get_triggerdef print them.
RoutineInfo AnalyzeDefinition(std::string_view definition);

}  // namespace pgsidecar::sql

#endif  // PGSIDECAR_SQL_ROUTINE_H_
