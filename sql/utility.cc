// The dispatcher over statements, and those utilities that run or hold a query or an expression:
// EXPLAIN, PREPARE, EXECUTE, DECLARE, COPY, CALL, TRUNCATE, LOCK.

#include "sql/utility.h"

#include <utility>

namespace pgsidecar::sql {

namespace {

StatementKind KindOfQuery(const Node* query) {
  switch (query->node_case) {
    case PG_QUERY__NODE__NODE_SELECT_STMT:
      return StatementKind::kSelect;
    case PG_QUERY__NODE__NODE_INSERT_STMT:
      return StatementKind::kInsert;
    case PG_QUERY__NODE__NODE_UPDATE_STMT:
      return StatementKind::kUpdate;
    case PG_QUERY__NODE__NODE_DELETE_STMT:
      return StatementKind::kDelete;
    case PG_QUERY__NODE__NODE_MERGE_STMT:
      return StatementKind::kMerge;
    default:
      return StatementKind::kUnknown;
  }
}

// A query inside a utility, which may not create a table.
void InnerQuery(const Node* query, Collector* out) {
  Walker walker(out);
  walker.Query(query);
  if (walker.into() != nullptr) out->Unknown("INTO inside a utility statement");
}

// What cannot be read as false counts as true.
bool IsFalse(const Node* argument) {
  if (IsNull(argument)) return false;
  if (argument->node_case == PG_QUERY__NODE__NODE_INTEGER) return argument->integer->ival == 0;
  bool ok = false;
  const std::string_view text = StringOf(argument, &ok);
  return text == "false" || text == "off";
}

void Explain(const PgQuery__ExplainStmt& explain, Collector* out) {
  out->info().kind = StatementKind::kExplain;
  for (const Node* option : List(explain.n_options, explain.options)) {
    if (option->node_case != PG_QUERY__NODE__NODE_DEF_ELEM) {
      out->UnknownNode("EXPLAIN", option);
      continue;
    }
    const PgQuery__DefElem& element = *option->def_elem;
    if (Text(element.defname) == "analyze" && !IsFalse(element.arg)) {
      out->info().explain_analyze = true;
    }
  }
  const bool is_cursor = explain.query != nullptr &&
                         explain.query->node_case == PG_QUERY__NODE__NODE_DECLARE_CURSOR_STMT;
  // Under EXPLAIN a CREATE TABLE AS or an EXECUTE is refused by Query(): not known.
  InnerQuery(is_cursor ? explain.query->declare_cursor_stmt->query : explain.query, out);
  if (!out->info().explain_analyze) out->info().writes.clear();
}

void Prepare(const PgQuery__PrepareStmt& prepare, Collector* out) {
  out->info().kind = StatementKind::kPrepare;
  out->info().name = Text(prepare.name);
  for (const Node* type : List(prepare.n_argtypes, prepare.argtypes)) {
    if (type->node_case == PG_QUERY__NODE__NODE_TYPE_NAME) {
      Walker(out).Type(*type->type_name, /*of_constant=*/false);
    } else {
      out->UnknownNode("PREPARE", type);
    }
  }
  const auto prepared = std::make_shared<StatementInfo>();
  Collector inner(prepared.get(), out->text());
  AnalyzeStatement(prepare.query, &inner);
  inner.Finish();
  prepared->references.clear();
  prepared->row_write.reset();
  out->info().prepared = prepared;
  InnerQuery(prepare.query, out);
  out->info().writes.clear();
}

void Execute(const PgQuery__ExecuteStmt& execute, Collector* out) {
  out->info().kind = StatementKind::kExecute;
  out->info().name = Text(execute.name);
  Walker(out).Expressions(List(execute.n_params, execute.params));
}

void DeclareCursor(const PgQuery__DeclareCursorStmt& declare, Collector* out) {
  constexpr int32_t kCursorOptionHold = 0x20;  // CURSOR_OPT_HOLD of PostgreSQL's parsenodes.h
  out->info().kind = StatementKind::kDeclareCursor;
  out->info().name = Text(declare.portalname);
  out->info().with_hold = (declare.options & kCursorOptionHold) != 0;
  InnerQuery(declare.query, out);
}

// The options name formats and columns, nothing that runs.
void Copy(const PgQuery__CopyStmt& copy, Collector* out) {
  out->info().kind = copy.is_from ? StatementKind::kCopyFrom : StatementKind::kCopyTo;
  if (copy.is_program || !Text(copy.filename).empty()) {
    out->Unknown("COPY with a file or a program of the server");
  }
  if (copy.is_from) {
    out->Write(copy.relation, kWriteInsert);
  } else if (copy.relation != nullptr) {
    out->Read(copy.relation);
  } else {
    InnerQuery(copy.query, out);
  }
  Walker(out).Expression(copy.where_clause);
}

void Call(const PgQuery__CallStmt& call, Collector* out) {
  out->info().kind = StatementKind::kCall;
  if (call.funccall == nullptr) return out->Unknown("CALL of nothing");
  Walker(out).FunctionCall(*call.funccall);
  // From PostgreSQL 14 on, what stands for OUT parameters is counted, too.
  out->info().functions.front().arguments = FunctionUse::kAnyCount;
}

void Truncate(const PgQuery__TruncateStmt& truncate, Collector* out) {
  out->info().kind = StatementKind::kTruncate;
  uint8_t operations = kWriteTruncate;
  if (truncate.behavior != PG_QUERY__DROP_BEHAVIOR__DROP_RESTRICT) {
    operations |= kWriteTruncateCascade;
  }
  for (const Node* node : List(truncate.n_relations, truncate.relations)) {
    if (node->node_case == PG_QUERY__NODE__NODE_RANGE_VAR) {
      out->Write(node->range_var, operations);
    } else {
      out->UnknownNode("TRUNCATE", node);
    }
  }
}

void Lock(const PgQuery__LockStmt& lock, Collector* out) {
  out->info().kind = StatementKind::kLock;
  for (const Node* node : List(lock.n_relations, lock.relations)) {
    if (node->node_case == PG_QUERY__NODE__NODE_RANGE_VAR) {
      out->Read(node->range_var);
    } else {
      out->UnknownNode("LOCK", node);
    }
  }
}

bool AnalyzeHolder(const Node& statement, Collector* out) {
  switch (statement.node_case) {
    case PG_QUERY__NODE__NODE_EXPLAIN_STMT:
      Explain(*statement.explain_stmt, out);
      return true;
    case PG_QUERY__NODE__NODE_PREPARE_STMT:
      Prepare(*statement.prepare_stmt, out);
      return true;
    case PG_QUERY__NODE__NODE_EXECUTE_STMT:
      Execute(*statement.execute_stmt, out);
      return true;
    case PG_QUERY__NODE__NODE_DECLARE_CURSOR_STMT:
      DeclareCursor(*statement.declare_cursor_stmt, out);
      return true;
    case PG_QUERY__NODE__NODE_COPY_STMT:
      Copy(*statement.copy_stmt, out);
      return true;
    case PG_QUERY__NODE__NODE_CALL_STMT:
      Call(*statement.call_stmt, out);
      return true;
    case PG_QUERY__NODE__NODE_TRUNCATE_STMT:
      Truncate(*statement.truncate_stmt, out);
      return true;
    case PG_QUERY__NODE__NODE_LOCK_STMT:
      Lock(*statement.lock_stmt, out);
      return true;
    default:
      return false;
  }
}

}  // namespace

void AnalyzeQuery(const Node* query, Collector* out) {
  Walker walker(out);
  walker.Query(query);
  out->info().kind = KindOfQuery(query);
  if (query->node_case == PG_QUERY__NODE__NODE_SELECT_STMT) {
    out->info().ordered = query->select_stmt->n_sort_clause > 0;
    out->info().settings = SetConfigCalls(*query->select_stmt);
  }
  if (walker.into() != nullptr) SetKindOfInto(walker.into(), out);
}

void AnalyzeStatement(const Node* statement, Collector* out) {
  if (IsNull(statement)) return out->UnknownNode("text", statement);
  if (Walker::IsQuery(statement)) return AnalyzeQuery(statement, out);
  if (AnalyzeHolder(*statement, out)) return;
  if (AnalyzeSessionStatement(*statement, out)) return;
  if (AnalyzeCreateStatement(*statement, out)) return;
  if (IsDdl(statement->node_case)) {
    out->info().kind = StatementKind::kDdl;
    return NoteTempSchemas(*statement, out);
  }
  out->UnknownNode("text", statement);
}

}  // namespace pgsidecar::sql
