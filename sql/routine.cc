// Bodies that are SQL: a string of statements, or a parse tree inside a definition.

#include "sql/routine.h"

#include <pg_query/pg_query.pb-c.h>

#include "sql/analyzer.h"
#include "sql/collector.h"
#include "sql/parse.h"
#include "sql/utility.h"

namespace pgsidecar::sql {

namespace {

// Of no text: nobody asks for the values of its literals.
constexpr std::string_view kNoText;

void Statement(const Node* statement, RoutineInfo* routine) {
  Collector collector(&routine->statements.emplace_back(), kNoText);
  AnalyzeStatement(statement, &collector);
  collector.Finish();
}

void Expression(const Node* expression, RoutineInfo* routine) {
  StatementInfo& info = routine->statements.emplace_back();
  info.kind = StatementKind::kSelect;
  Collector collector(&info, kNoText);
  Walker(&collector).Expression(expression);
  collector.Finish();
}

// RETURN expression, or BEGIN ATOMIC: a list of a list of statements.
void Body(const Node* body, RoutineInfo* routine) {
  switch (body->node_case) {
    case PG_QUERY__NODE__NODE_RETURN_STMT:
      return Expression(body->return_stmt->returnval, routine);
    case PG_QUERY__NODE__NODE_LIST:
      for (const Node* item : List(body->list->n_items, body->list->items)) {
        if (!IsNull(item)) Body(item, routine);
      }
      return;
    default:
      return Statement(body, routine);
  }
}

void Definition(const Node& statement, RoutineInfo* routine) {
  switch (statement.node_case) {
    case PG_QUERY__NODE__NODE_CREATE_FUNCTION_STMT:
      if (IsNull(statement.create_function_stmt->sql_body)) break;
      return Body(statement.create_function_stmt->sql_body, routine);
    case PG_QUERY__NODE__NODE_CREATE_TRIG_STMT:
      return Expression(statement.create_trig_stmt->when_clause, routine);
    default:
      break;
  }
  routine->unknown_reason = "definition without a body";
}

}  // namespace

RoutineInfo AnalyzeSqlBody(std::string_view body) {
  RoutineInfo routine;
  TextInfo text = Analyze(body);
  if (!text.parsed) {
    routine.unknown_reason = text.error;
  } else {
    routine.statements = std::move(text.statements);
  }
  return routine;
}

RoutineInfo AnalyzeDefinition(std::string_view definition) {
  RoutineInfo routine;
  const Tree tree = Parse(definition, &routine.unknown_reason);
  if (tree == nullptr) return routine;
  if (tree->n_stmts != 1 || IsNull(tree->stmts[0]->stmt)) {
    routine.unknown_reason = "not one definition";
    return routine;
  }
  Definition(*tree->stmts[0]->stmt, &routine);
  return routine;
}

}  // namespace pgsidecar::sql
