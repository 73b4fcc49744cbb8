// Queries: SELECT in all its clauses, the statements that modify rows, and the scope of WITH.

#include <algorithm>

#include "sql/restrictions.h"
#include "sql/walker.h"

namespace pgsidecar::sql {

bool Walker::IsQuery(const Node* node) {
  if (node == nullptr) return false;
  switch (node->node_case) {
    case PG_QUERY__NODE__NODE_SELECT_STMT:
    case PG_QUERY__NODE__NODE_INSERT_STMT:
    case PG_QUERY__NODE__NODE_UPDATE_STMT:
    case PG_QUERY__NODE__NODE_DELETE_STMT:
    case PG_QUERY__NODE__NODE_MERGE_STMT:
      return true;
    default:
      return false;
  }
}

void Walker::Query(const Node* node) {
  if (!IsQuery(node)) return out_.UnknownNode("query", node);
  switch (node->node_case) {
    case PG_QUERY__NODE__NODE_SELECT_STMT:
      return Select(*node->select_stmt);
    case PG_QUERY__NODE__NODE_INSERT_STMT:
      return Insert(*node->insert_stmt);
    case PG_QUERY__NODE__NODE_UPDATE_STMT:
      return Update(*node->update_stmt);
    case PG_QUERY__NODE__NODE_DELETE_STMT:
      return Delete(*node->delete_stmt);
    default:
      return Merge(*node->merge_stmt);
  }
}

// The names become visible to the statement that has the clause until LeaveWith(). Under
// RECURSIVE every name of the clause is visible in every query of it; otherwise a query sees only
// the names before its own.
Walker::Scope Walker::EnterWith(const PgQuery__WithClause* with) {
  const Scope scope = ctes_.size();
  if (with == nullptr) return scope;
  const Nodes ctes = List(with->n_ctes, with->ctes);
  for (const Node* node : ctes) {
    if (node->node_case != PG_QUERY__NODE__NODE_COMMON_TABLE_EXPR) {
      out_.UnknownNode("WITH", node);
      return scope;
    }
  }
  if (with->recursive) {
    for (const Node* node : ctes) ctes_.push_back(Text(node->common_table_expr->ctename));
  }
  for (const Node* node : ctes) {
    Cte(*node->common_table_expr);
    if (!with->recursive) ctes_.push_back(Text(node->common_table_expr->ctename));
  }
  return scope;
}

void Walker::Cte(const PgQuery__CommonTableExpr& cte) {
  const bool modifies =
      IsQuery(cte.ctequery) && cte.ctequery->node_case != PG_QUERY__NODE__NODE_SELECT_STMT;
  if (modifies) out_.AddHazard(kHazardModifyingCte);
  Query(cte.ctequery);
  // SEARCH compares rows by position in an array that the rewriter builds; no operator is named.
  if (const PgQuery__CTECycleClause* cycle = cte.cycle_clause; cycle != nullptr) {
    Expression(cycle->cycle_mark_value);
    Expression(cycle->cycle_mark_default);
    out_.Operator("=");
    out_.Operator("<>");
  }
}

void Walker::Select(const PgQuery__SelectStmt& select) {
  const Scope scope = EnterWith(select.with_clause);
  if (select.into_clause != nullptr) {
    if (into_ != nullptr) out_.Unknown("two INTO clauses");
    into_ = select.into_clause;
  }
  DistinctClause(List(select.n_distinct_clause, select.distinct_clause));
  Targets(List(select.n_target_list, select.target_list));
  FromItems(List(select.n_from_clause, select.from_clause));
  Expression(select.where_clause);
  RestrictReferences(List(select.n_from_clause, select.from_clause), select.where_clause, out_);
  GroupClause(List(select.n_group_clause, select.group_clause));
  Expression(select.having_clause);
  WindowClause(List(select.n_window_clause, select.window_clause));
  ValuesLists(List(select.n_values_lists, select.values_lists));
  SortClause(List(select.n_sort_clause, select.sort_clause));
  Expression(select.limit_offset);
  Expression(select.limit_count);
  LockingClauses(List(select.n_locking_clause, select.locking_clause));
  if (select.op != PG_QUERY__SET_OPERATION__SETOP_NONE) {
    SortOperators();  // also for ALL, which needs none: a superset
    if (select.larg == nullptr || select.rarg == nullptr) return out_.Unknown("half a UNION");
    Select(*select.larg);
    Select(*select.rarg);
  }
  LeaveWith(scope);
}

// Grouping, sorting and removing duplicates take the operators of the type's operator class; these
// are their names.
void Walker::SortOperators() {
  out_.Operator("=");
  out_.Operator("<");
  out_.Operator(">");
}

// A plain DISTINCT is a list of one null; DISTINCT ON lists expressions.
void Walker::DistinctClause(Nodes items) {
  if (items.empty()) return;
  SortOperators();
  if (items.size() == 1 && IsNull(items[0])) return;
  Expressions(items);
}

void Walker::GroupClause(Nodes items) {
  if (items.empty()) return;
  SortOperators();
  for (const Node* item : items) {
    if (item->node_case == PG_QUERY__NODE__NODE_GROUPING_SET) {
      GroupClause(List(item->grouping_set->n_content, item->grouping_set->content));
    } else {
      Expression(item);
    }
  }
}

void Walker::ValuesLists(Nodes lists) {
  for (const Node* list : lists) {
    if (list->node_case != PG_QUERY__NODE__NODE_LIST) {
      out_.UnknownNode("VALUES", list);
      continue;
    }
    Expressions(List(list->list->n_items, list->list->items));
  }
}

void Walker::WindowClause(Nodes windows) {
  for (const Node* window : windows) {
    if (window->node_case == PG_QUERY__NODE__NODE_WINDOW_DEF) {
      Window(*window->window_def);
    } else {
      out_.UnknownNode("WINDOW", window);
    }
  }
}

void Walker::Window(const PgQuery__WindowDef& window) {
  if (window.n_partition_clause != 0) SortOperators();
  Expressions(List(window.n_partition_clause, window.partition_clause));
  SortClause(List(window.n_order_clause, window.order_clause));
  if (!IsNull(window.start_offset) || !IsNull(window.end_offset)) {
    // RANGE with an offset calls the operator family's in_range function, which does these.
    for (const char* name : {"+", "-", "<=", ">="}) out_.Operator(name);
  }
  Expression(window.start_offset);
  Expression(window.end_offset);
}

void Walker::SortClause(Nodes items) {
  if (items.empty()) return;
  SortOperators();
  for (const Node* item : items) {
    if (item->node_case != PG_QUERY__NODE__NODE_SORT_BY) {
      out_.UnknownNode("ORDER BY", item);
      continue;
    }
    const PgQuery__SortBy& sort = *item->sort_by;
    Expression(sort.node);
    if (sort.n_use_op != 0) out_.Operator(List(sort.n_use_op, sort.use_op));
  }
}

// The locked relations are names of FROM items, which are recorded there.
void Walker::LockingClauses(Nodes items) {
  for (const Node* item : items) {
    if (item->node_case != PG_QUERY__NODE__NODE_LOCKING_CLAUSE) {
      out_.UnknownNode("FOR UPDATE", item);
    }
    out_.AddHazard(kHazardRowLock);
  }
}

// SELECT's output list, RETURNING, the columns of INSERT and the assignments of SET. A target's
// own indirection stores into a field or an array element.
void Walker::Targets(Nodes targets) {
  for (const Node* node : targets) {
    if (node->node_case != PG_QUERY__NODE__NODE_RES_TARGET) {
      out_.UnknownNode("target list", node);
      continue;
    }
    const PgQuery__ResTarget& target = *node->res_target;
    IndirectionSteps(List(target.n_indirection, target.indirection), /*plain_base=*/true);
    Expression(target.val);
  }
}

void Walker::Insert(const PgQuery__InsertStmt& insert) {
  const Scope scope = EnterWith(insert.with_clause);
  uint8_t operations = kWriteInsert;
  Targets(List(insert.n_cols, insert.cols));
  // INSERT ... DEFAULT VALUES has no query.
  if (!IsNull(insert.select_stmt)) Query(insert.select_stmt);
  if (const PgQuery__OnConflictClause* clause = insert.on_conflict_clause; clause != nullptr) {
    if (clause->action != PG_QUERY__ON_CONFLICT_ACTION__ONCONFLICT_NOTHING) {
      operations |= kWriteUpdate;
    }
    operations |= OnConflict(*clause);
  }
  Targets(List(insert.n_returning_list, insert.returning_list));
  out_.Write(insert.relation, operations);
  if ((operations & kWriteUpdate) == 0) InsertedRows(insert);
  LeaveWith(scope);
}

uint8_t Walker::Assignments(Nodes targets) {
  met_default_ = false;
  Targets(targets);
  return met_default_ ? kWriteDefaults : 0;
}

uint8_t Walker::OnConflict(const PgQuery__OnConflictClause& clause) {
  if (const PgQuery__InferClause* infer = clause.infer; infer != nullptr) {
    for (const Node* node : List(infer->n_index_elems, infer->index_elems)) {
      if (node->node_case != PG_QUERY__NODE__NODE_INDEX_ELEM) {
        out_.UnknownNode("ON CONFLICT", node);
        continue;
      }
      const PgQuery__IndexElem& element = *node->index_elem;
      Expression(element.expr);
      if (element.n_collation != 0) out_.Collation(List(element.n_collation, element.collation));
      // An operator class only chooses among the indexes that exist.
      if (element.n_opclassopts != 0) out_.Unknown("operator class options in ON CONFLICT");
    }
    Expression(infer->where_clause);
  }
  const uint8_t defaults = Assignments(List(clause.n_target_list, clause.target_list));
  Expression(clause.where_clause);
  return defaults;
}

void Walker::Update(const PgQuery__UpdateStmt& update) {
  const Scope scope = EnterWith(update.with_clause);
  const uint8_t defaults = Assignments(List(update.n_target_list, update.target_list));
  FromItems(List(update.n_from_clause, update.from_clause));
  Expression(update.where_clause);
  Targets(List(update.n_returning_list, update.returning_list));
  out_.Write(update.relation, static_cast<uint8_t>(kWriteUpdate | defaults));
  if (update.n_from_clause == 0) UpdatedRows(update);
  LeaveWith(scope);
}

void Walker::Delete(const PgQuery__DeleteStmt& del) {
  const Scope scope = EnterWith(del.with_clause);
  FromItems(List(del.n_using_clause, del.using_clause));
  Expression(del.where_clause);
  Targets(List(del.n_returning_list, del.returning_list));
  out_.Write(del.relation, kWriteDelete);
  if (del.n_using_clause == 0 && del.relation != nullptr) {
    RowWrite rows;
    rows.restrictions = RestrictTarget(*del.relation, del.where_clause, out_);
    out_.WriteRows(*del.relation, std::move(rows));
  }
  LeaveWith(scope);
}

void Walker::Merge(const PgQuery__MergeStmt& merge) {
  const Scope scope = EnterWith(merge.with_clause);
  FromItem(merge.source_relation);
  Expression(merge.join_condition);
  uint8_t operations = 0;
  for (const Node* node : List(merge.n_merge_when_clauses, merge.merge_when_clauses)) {
    if (node->node_case == PG_QUERY__NODE__NODE_MERGE_WHEN_CLAUSE) {
      MergeWhen(*node->merge_when_clause, &operations);
    } else {
      out_.UnknownNode("MERGE", node);
    }
  }
  out_.Write(merge.relation, operations);
  LeaveWith(scope);
}

void Walker::MergeWhen(const PgQuery__MergeWhenClause& when, uint8_t* operations) {
  switch (when.command_type) {
    case PG_QUERY__CMD_TYPE__CMD_INSERT:
      *operations |= kWriteInsert;
      break;
    case PG_QUERY__CMD_TYPE__CMD_UPDATE:
      *operations |= kWriteUpdate;
      break;
    case PG_QUERY__CMD_TYPE__CMD_DELETE:
      *operations |= kWriteDelete;
      break;
    case PG_QUERY__CMD_TYPE__CMD_NOTHING:
      break;
    default:
      out_.Unknown("command in MERGE");
  }
  Expression(when.condition);
  *operations |= Assignments(List(when.n_target_list, when.target_list));
  Expressions(List(when.n_values, when.values));
}

}  // namespace pgsidecar::sql
