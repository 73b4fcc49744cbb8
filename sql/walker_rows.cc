// What INSERT and UPDATE say of the rows that they change.

#include <utility>

#include "sql/restrictions.h"
#include "sql/walker.h"

namespace pgsidecar::sql {

// INSERT ... VALUES alone: what a query yields is not known. OVERRIDING USER VALUE puts another
// value in the place of the one that is given.
void Walker::InsertedRows(const PgQuery__InsertStmt& insert) {
  if (insert.relation == nullptr || IsNull(insert.select_stmt) ||
      insert.select_stmt->node_case != PG_QUERY__NODE__NODE_SELECT_STMT ||
      insert.override == PG_QUERY__OVERRIDING_KIND__OVERRIDING_USER_VALUE) {
    return;
  }
  const PgQuery__SelectStmt& select = *insert.select_stmt->select_stmt;
  if (select.n_values_lists == 0 || select.n_values_lists > kMaxRowValues) return;
  // With any of these, the values get their types before they meet the columns.
  if (select.n_sort_clause != 0 || !IsNull(select.limit_count) || !IsNull(select.limit_offset) ||
      select.with_clause != nullptr) {
    return;
  }
  RowWrite rows;
  for (const Node* node : List(insert.n_cols, insert.cols)) {
    if (node->node_case != PG_QUERY__NODE__NODE_RES_TARGET) return;
    if (node->res_target->n_indirection != 0) return;
    rows.columns.emplace_back(Text(node->res_target->name));
  }
  for (const Node* list : List(select.n_values_lists, select.values_lists)) {
    if (list->node_case != PG_QUERY__NODE__NODE_LIST) return;
    std::vector<Value>& row = rows.rows.emplace_back();
    for (const Node* value : List(list->list->n_items, list->list->items)) {
      row.push_back(ValueOf(value, out_));
    }
  }
  out_.WriteRows(*insert.relation, std::move(rows));
}

void Walker::UpdatedRows(const PgQuery__UpdateStmt& update) {
  if (update.relation == nullptr) return;
  RowWrite rows;
  for (const Node* node : List(update.n_target_list, update.target_list)) {
    if (node->node_case != PG_QUERY__NODE__NODE_RES_TARGET) return;
    const PgQuery__ResTarget& target = *node->res_target;
    // What is stored into a part of the column is not the column's value.
    rows.assignments.push_back({std::string(Text(target.name)),
                                target.n_indirection == 0 ? ValueOf(target.val, out_) : Value{}});
  }
  rows.restrictions = RestrictTarget(*update.relation, update.where_clause, out_);
  out_.WriteRows(*update.relation, std::move(rows));
}

}  // namespace pgsidecar::sql
