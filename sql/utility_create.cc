// CREATE TABLE, VIEW, SEQUENCE and TABLE AS: temporary ones belong to the session, the others are
// DDL. What a temporary table's definition calls is recorded; the permanent ones' is not, because
// DDL counts as everything.

#include "sql/utility.h"

namespace pgsidecar::sql {

namespace {

bool IsTemporary(const PgQuery__RangeVar* relation) {
  if (relation == nullptr) return false;
  return Text(relation->relpersistence) == "t" || IsTempSchema(Text(relation->schemaname));
}

StatementKind KindOfCreate(const PgQuery__RangeVar* relation, Collector* out) {
  if (relation == nullptr) {
    out->Unknown("relation without a name");
    return StatementKind::kUnknown;
  }
  out->Schema(Text(relation->schemaname));
  return IsTemporary(relation) ? StatementKind::kCreateTemp : StatementKind::kDdl;
}

void TableConstraint(const PgQuery__Constraint& constraint, Collector* out) {
  switch (constraint.contype) {
    case PG_QUERY__CONSTR_TYPE__CONSTR_NULL:
    case PG_QUERY__CONSTR_TYPE__CONSTR_NOTNULL:
    case PG_QUERY__CONSTR_TYPE__CONSTR_IDENTITY:
    case PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY:
    case PG_QUERY__CONSTR_TYPE__CONSTR_UNIQUE:
    case PG_QUERY__CONSTR_TYPE__CONSTR_ATTR_DEFERRABLE:
    case PG_QUERY__CONSTR_TYPE__CONSTR_ATTR_NOT_DEFERRABLE:
    case PG_QUERY__CONSTR_TYPE__CONSTR_ATTR_DEFERRED:
    case PG_QUERY__CONSTR_TYPE__CONSTR_ATTR_IMMEDIATE:
      return;
    case PG_QUERY__CONSTR_TYPE__CONSTR_DEFAULT:
    case PG_QUERY__CONSTR_TYPE__CONSTR_GENERATED:
    case PG_QUERY__CONSTR_TYPE__CONSTR_CHECK:
      return Walker(out).Expression(constraint.raw_expr);
    case PG_QUERY__CONSTR_TYPE__CONSTR_FOREIGN:
      return out->Read(constraint.pktable);
    default:
      return out->Unknown("kind of constraint of a temporary table");
  }
}

void TableConstraints(Nodes constraints, Collector* out) {
  for (const Node* node : constraints) {
    if (node->node_case == PG_QUERY__NODE__NODE_CONSTRAINT) {
      TableConstraint(*node->constraint, out);
    } else {
      out->UnknownNode("constraints", node);
    }
  }
}

void TableColumn(const PgQuery__ColumnDef& column, Collector* out) {
  Walker walker(out);
  if (column.type_name != nullptr) walker.Type(*column.type_name, /*of_constant=*/false);
  if (column.coll_clause != nullptr) walker.Collate(*column.coll_clause);
  walker.Expression(column.raw_default);
  TableConstraints(List(column.n_constraints, column.constraints), out);
}

void TableElements(Nodes elements, Collector* out) {
  for (const Node* node : elements) {
    switch (node->node_case) {
      case PG_QUERY__NODE__NODE_COLUMN_DEF:
        TableColumn(*node->column_def, out);
        break;
      case PG_QUERY__NODE__NODE_CONSTRAINT:
        TableConstraint(*node->constraint, out);
        break;
      case PG_QUERY__NODE__NODE_TABLE_LIKE_CLAUSE:
        out->Read(node->table_like_clause->relation);
        break;
      default:
        out->UnknownNode("CREATE TABLE", node);
    }
  }
}

// A temporary child changes what its permanent parent shows to this session: not understood.
void CreateTable(const PgQuery__CreateStmt& create, Collector* out) {
  out->info().kind = KindOfCreate(create.relation, out);
  if (!IsTemporary(create.relation)) return;
  if (create.n_inh_relations != 0 || create.partbound != nullptr || create.partspec != nullptr) {
    out->Unknown("temporary table that inherits or is partitioned");
  }
  if (create.of_typename != nullptr) {
    Walker(out).Type(*create.of_typename, /*of_constant=*/false);
  }
  TableElements(List(create.n_table_elts, create.table_elts), out);
  TableConstraints(List(create.n_constraints, create.constraints), out);
}

void CreateTableAs(const PgQuery__CreateTableAsStmt& create, Collector* out) {
  const bool executes =
      create.query != nullptr && create.query->node_case == PG_QUERY__NODE__NODE_EXECUTE_STMT;
  if (executes) out->Unknown("CREATE TABLE AS EXECUTE");
  Walker walker(out);
  if (!executes) walker.Query(create.query);
  if (walker.into() != nullptr) out->Unknown("INTO inside CREATE TABLE AS");
  SetKindOfInto(create.into, out);
  const bool is_table = create.objtype == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE;
  if (!is_table && out->info().kind == StatementKind::kCreateTemp) {
    out->Unknown("temporary materialized view");
  }
}

void CreateView(const PgQuery__ViewStmt& view, Collector* out) {
  out->info().kind = KindOfCreate(view.view, out);
  if (!IsTemporary(view.view)) return;
  Walker walker(out);
  walker.Query(view.query);
  if (walker.into() != nullptr) out->Unknown("INTO inside CREATE VIEW");
}

}  // namespace

void SetKindOfInto(const PgQuery__IntoClause* into, Collector* out) {
  if (into == nullptr) return out->Unknown("CREATE TABLE AS without a table");
  out->info().kind = KindOfCreate(into->rel, out);
}

bool AnalyzeCreateStatement(const Node& statement, Collector* out) {
  switch (statement.node_case) {
    case PG_QUERY__NODE__NODE_CREATE_STMT:
      CreateTable(*statement.create_stmt, out);
      break;
    case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
      CreateTableAs(*statement.create_table_as_stmt, out);
      break;
    case PG_QUERY__NODE__NODE_VIEW_STMT:
      CreateView(*statement.view_stmt, out);
      break;
    case PG_QUERY__NODE__NODE_CREATE_SEQ_STMT:
      out->info().kind = KindOfCreate(statement.create_seq_stmt->sequence, out);
      break;
    default:
      return false;
  }
  NoteTempSchemas(statement, out);
  return true;
}

}  // namespace pgsidecar::sql
