// Items of FROM, USING and MERGE's source: relations, joins, subqueries, functions.

#include <algorithm>

#include "sql/walker.h"

namespace pgsidecar::sql {

void Walker::FromItems(Nodes items) {
  for (const Node* item : items) FromItem(item);
}

void Walker::FromItem(const Node* item) {
  if (IsNull(item)) return out_.UnknownNode("FROM", item);
  switch (item->node_case) {
    case PG_QUERY__NODE__NODE_RANGE_VAR:
      return Relation(*item->range_var);
    case PG_QUERY__NODE__NODE_JOIN_EXPR:
      return Join(*item->join_expr);
    case PG_QUERY__NODE__NODE_RANGE_SUBSELECT:
      return Query(item->range_subselect->subquery);
    case PG_QUERY__NODE__NODE_RANGE_FUNCTION:
      return FromFunction(*item->range_function);
    case PG_QUERY__NODE__NODE_RANGE_TABLE_SAMPLE:
      return TableSample(*item->range_table_sample);
    case PG_QUERY__NODE__NODE_RANGE_TABLE_FUNC:
      return XmlTable(*item->range_table_func);
    default:
      return out_.UnknownNode("FROM", item);
  }
}

// Only an unqualified name can be a CTE's.
void Walker::Relation(const PgQuery__RangeVar& relation) {
  const bool qualified = !Text(relation.schemaname).empty() || !Text(relation.catalogname).empty();
  const std::string_view name = Text(relation.relname);
  if (!qualified && std::find(ctes_.rbegin(), ctes_.rend(), name) != ctes_.rend()) return;
  out_.Read(&relation);
}

void Walker::Join(const PgQuery__JoinExpr& join) {
  if (join.is_natural || join.n_using_clause != 0) out_.Operator("=");
  FromItem(join.larg);
  FromItem(join.rarg);
  Expression(join.quals);
}

// Each function is a list of the call and its own column definition list, which may be null.
void Walker::FromFunction(const PgQuery__RangeFunction& function) {
  for (const Node* node : List(function.n_functions, function.functions)) {
    const bool pair = node->node_case == PG_QUERY__NODE__NODE_LIST && node->list->n_items == 2;
    if (!pair) {
      out_.UnknownNode("function in FROM", node);
      continue;
    }
    Expression(node->list->items[0]);
    const Node* columns = node->list->items[1];
    if (IsNull(columns)) continue;
    if (columns->node_case == PG_QUERY__NODE__NODE_LIST) {
      ColumnDefinitions(List(columns->list->n_items, columns->list->items));
    } else {
      out_.UnknownNode("ROWS FROM", columns);
    }
  }
  ColumnDefinitions(List(function.n_coldeflist, function.coldeflist));
}

void Walker::TableSample(const PgQuery__RangeTableSample& sample) {
  out_.AddHazard(kHazardTableSample);
  FromItem(sample.relation);
  out_.Function(List(sample.n_method, sample.method), 1);
  Expressions(List(sample.n_args, sample.args));
  Expression(sample.repeatable);
}

void Walker::XmlTable(const PgQuery__RangeTableFunc& table) {
  out_.AddHazard(kHazardXml);
  Expression(table.docexpr);
  Expression(table.rowexpr);
  Targets(List(table.n_namespaces, table.namespaces));
  for (const Node* node : List(table.n_columns, table.columns)) {
    if (node->node_case != PG_QUERY__NODE__NODE_RANGE_TABLE_FUNC_COL) {
      out_.UnknownNode("XMLTABLE", node);
      continue;
    }
    const PgQuery__RangeTableFuncCol& column = *node->range_table_func_col;
    if (column.type_name != nullptr) {  // a FOR ORDINALITY column has none
      Type(*column.type_name, /*of_constant=*/false);
      DateHazard(*column.type_name, nullptr);
    }
    Expression(column.colexpr);
    Expression(column.coldefexpr);
  }
}

}  // namespace pgsidecar::sql
