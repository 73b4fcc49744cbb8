// One query level: its table references by name, then the conjuncts that restrict them.

#include "sql/restrictions.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

namespace pgsidecar::sql {
namespace {

// A name that a column may be qualified with.
struct Leaf {
  std::string_view name;
  const PgQuery__RangeVar* relation = nullptr;  // null: something else, or its columns are renamed
};
using Leaves = std::vector<Leaf>;

std::string_view NameOf(const PgQuery__Alias* alias) {
  return alias == nullptr ? std::string_view() : Text(alias->aliasname);
}

Leaf LeafOf(const PgQuery__RangeVar& relation) {
  const std::string_view alias = NameOf(relation.alias);
  const bool renamed = relation.alias != nullptr && relation.alias->n_colnames != 0;
  return {alias.empty() ? Text(relation.relname) : alias, renamed ? nullptr : &relation};
}

Leaf LeafOf(const Node& item) {
  switch (item.node_case) {
    case PG_QUERY__NODE__NODE_RANGE_VAR:
      return LeafOf(*item.range_var);
    case PG_QUERY__NODE__NODE_RANGE_SUBSELECT:
      return {NameOf(item.range_subselect->alias)};
    case PG_QUERY__NODE__NODE_RANGE_FUNCTION:
      return {NameOf(item.range_function->alias)};
    default:
      return {};
  }
}

const PgQuery__JoinExpr* AsJoin(const Node* item) {
  return !IsNull(item) && item->node_case == PG_QUERY__NODE__NODE_JOIN_EXPR ? item->join_expr
                                                                            : nullptr;
}

// A column, perhaps qualified, and the values that it has to equal one of.
struct Condition {
  std::string_view qualifier;
  std::string_view column;
  std::vector<Value> values;
};

bool ReadColumn(const Node* node, Condition* condition) {
  if (IsNull(node) || node->node_case != PG_QUERY__NODE__NODE_COLUMN_REF) return false;
  const PgQuery__ColumnRef& column = *node->column_ref;
  if (column.n_fields == 0 || column.n_fields > 2) return false;
  bool ok = false;
  if (column.n_fields == 2) {
    condition->qualifier = StringOf(column.fields[0], &ok);
    if (!ok) return false;
  }
  condition->column = StringOf(column.fields[column.n_fields - 1], &ok);
  return ok;
}

// `column = NULL` is IS NULL under transform_null_equals; so the keyword is no value here.
bool MayCompare(const Value& value) {
  return value.kind != ValueKind::kUnknown && value.kind != ValueKind::kDefault &&
         value.kind != ValueKind::kNull;
}

bool IsEquality(const PgQuery__AExpr& expression) {
  const Nodes names = List(expression.n_name, expression.name);
  bool ok = false;
  if (names.empty() || names.size() > 2 || StringOf(names.back(), &ok) != "=") return false;
  return names.size() == 1 || StringOf(names[0], &ok) == "pg_catalog";
}

std::optional<Condition> ConditionOf(const Node* node, const Collector& out) {
  if (IsNull(node) || node->node_case != PG_QUERY__NODE__NODE_A_EXPR) return std::nullopt;
  const PgQuery__AExpr& expression = *node->a_expr;
  if (!IsEquality(expression)) return std::nullopt;
  Condition condition;
  switch (expression.kind) {
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP: {
      const Node* other = expression.rexpr;
      if (!ReadColumn(expression.lexpr, &condition)) {
        other = expression.lexpr;
        if (!ReadColumn(expression.rexpr, &condition)) return std::nullopt;
      }
      condition.values.push_back(ValueOf(other, out));
      break;
    }
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY:
      if (!ReadColumn(expression.lexpr, &condition)) return std::nullopt;
      condition.values = ArrayValuesOf(expression.rexpr, out);
      break;
    case PG_QUERY__A__EXPR__KIND__AEXPR_IN: {
      if (!ReadColumn(expression.lexpr, &condition) || IsNull(expression.rexpr) ||
          expression.rexpr->node_case != PG_QUERY__NODE__NODE_LIST ||
          expression.rexpr->list->n_items > kMaxRowValues) {
        return std::nullopt;
      }
      const PgQuery__List& list = *expression.rexpr->list;
      for (const Node* item : List(list.n_items, list.items)) {
        condition.values.push_back(ValueOf(item, out));
      }
      break;
    }
    default:
      return std::nullopt;
  }
  if (condition.values.empty() ||
      !std::all_of(condition.values.begin(), condition.values.end(), MayCompare)) {
    return std::nullopt;
  }
  return condition;
}

// Calls `take(condition)` for each conjunct of `node` that is one.
template <typename Take>
void ForEachCondition(const Node* node, const Collector& out, const Take& take) {
  if (IsNull(node)) return;
  if (node->node_case == PG_QUERY__NODE__NODE_BOOL_EXPR) {
    const PgQuery__BoolExpr& expression = *node->bool_expr;
    if (expression.boolop != PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR) return;
    for (const Node* part : List(expression.n_args, expression.args)) {
      ForEachCondition(part, out, take);
    }
  } else if (std::optional<Condition> condition = ConditionOf(node, out)) {
    take(*std::move(condition));
  }
}

class Level {
 public:
  explicit Level(Collector& out) : out_(out) {}

  void Run(Nodes from, const Node* where) {
    for (const Node* item : from) CountNames(item);
    if (names_.size() > kMaxRestrictedReferences) return;
    Leaves visible;
    for (const Node* item : from) {
      const Leaves leaves = OfItem(item);
      visible.insert(visible.end(), leaves.begin(), leaves.end());
    }
    // Where there is one relation alone, a column that it has needs no qualifier.
    const bool single = from.size() == 1 && AsJoin(from[0]) == nullptr;
    Restrict(visible, where, single);
  }

 private:
  // Every name of the level, whether it is visible or hidden behind a join's alias.
  void CountNames(const Node* item) {
    if (names_.size() > kMaxRestrictedReferences || IsNull(item)) return;
    const PgQuery__JoinExpr* join = AsJoin(item);
    if (join == nullptr) {
      names_.push_back(LeafOf(*item).name);
      return;
    }
    names_.push_back(NameOf(join->alias));
    names_.push_back(NameOf(join->join_using_alias));
    CountNames(join->larg);
    CountNames(join->rarg);
  }

  // The leaves that are visible outside of `item`; restricts by the ON clauses inside.
  Leaves OfItem(const Node* item) {
    if (IsNull(item)) return {};
    const PgQuery__JoinExpr* join = AsJoin(item);
    if (join == nullptr) return {LeafOf(*item)};
    Leaves left = OfItem(join->larg);
    Leaves right = OfItem(join->rarg);
    switch (join->jointype) {
      case PG_QUERY__JOIN_TYPE__JOIN_INNER:
        Restrict(left, join->quals, /*single=*/false);
        Restrict(right, join->quals, /*single=*/false);
        break;
      case PG_QUERY__JOIN_TYPE__JOIN_LEFT:
        Restrict(right, join->quals, /*single=*/false);
        break;
      case PG_QUERY__JOIN_TYPE__JOIN_RIGHT:
        Restrict(left, join->quals, /*single=*/false);
        break;
      default:
        break;
    }
    if (!NameOf(join->alias).empty()) return {};
    left.insert(left.end(), right.begin(), right.end());
    return left;
  }

  void Restrict(const Leaves& leaves, const Node* quals, bool single) {
    ForEachCondition(quals, out_, [&](Condition condition) {
      for (const Leaf& leaf : leaves) {
        const bool named = condition.qualifier.empty()
                               ? single
                               : condition.qualifier == leaf.name &&
                                     std::count(names_.begin(), names_.end(), leaf.name) == 1;
        if (!named || leaf.relation == nullptr) continue;
        out_.Restrict(leaf.relation, {std::string(condition.column), std::move(condition.values)});
        return;
      }
    });
  }

  Collector& out_;
  std::vector<std::string_view> names_;
};

}  // namespace

void RestrictReferences(Nodes from, const Node* where, Collector& out) {
  Level(out).Run(from, where);
}

std::vector<Restriction> RestrictTarget(const PgQuery__RangeVar& target, const Node* where,
                                        const Collector& out) {
  const Leaf leaf = LeafOf(target);
  std::vector<Restriction> restrictions;
  if (leaf.relation == nullptr) return restrictions;
  ForEachCondition(where, out, [&](Condition condition) {
    if (!condition.qualifier.empty() && condition.qualifier != leaf.name) return;
    restrictions.push_back({std::string(condition.column), std::move(condition.values)});
  });
  return restrictions;
}

}  // namespace pgsidecar::sql
