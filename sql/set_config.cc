// SELECT set_config(...): SET by another name, and the only one that takes parameters.
//
// Only a SELECT that does nothing else is read: the server's CommandComplete then confirms every
// change in it.

#include <optional>
#include <string>
#include <vector>

#include "sql/utility.h"

namespace pgsidecar::sql {

std::optional<std::string> ConstantText(const Node* node) {
  if (IsNull(node) || node->node_case != PG_QUERY__NODE__NODE_A_CONST) return std::nullopt;
  const PgQuery__AConst& constant = *node->a_const;
  switch (constant.val_case) {
    case PG_QUERY__A__CONST__VAL_SVAL:
      return std::string(Text(constant.sval->sval));
    case PG_QUERY__A__CONST__VAL_IVAL:
      return std::to_string(constant.ival->ival);
    case PG_QUERY__A__CONST__VAL_FVAL:
      return std::string(Text(constant.fval->fval));
    case PG_QUERY__A__CONST__VAL_BOOLVAL:
      return constant.boolval->boolval ? "on" : "off";
    default:
      return std::nullopt;
  }
}

namespace {

// Without a cast that changes nothing: the argument is a text as it is.
const Node* WithoutTextCast(const Node* node) {
  if (IsNull(node) || node->node_case != PG_QUERY__NODE__NODE_TYPE_CAST) return node;
  const PgQuery__TypeName& type = *node->type_cast->type_name;
  bool ok = false;
  const bool is_own = type.n_names == 2 && StringOf(type.names[0], &ok) != "pg_catalog";
  const bool is_text = !is_own && type.n_names > 0 && type.n_typmods == 0 &&
                       type.n_array_bounds == 0 &&
                       StringOf(type.names[type.n_names - 1], &ok) == "text";
  return is_text ? node->type_cast->arg : node;
}

std::optional<bool> Flag(const Node* node) {
  if (!IsNull(node) && node->node_case == PG_QUERY__NODE__NODE_TYPE_CAST) {
    node = node->type_cast->arg;  // 't'::bool; of another type the call is an error
  }
  const std::optional<std::string> text = ConstantText(node);
  if (!text) return std::nullopt;
  if (*text == "on" || *text == "t" || *text == "true") return true;
  if (*text == "off" || *text == "f" || *text == "false") return false;
  return std::nullopt;
}

bool IsString(const Node* node) {
  return !IsNull(node) && node->node_case == PG_QUERY__NODE__NODE_A_CONST &&
         node->a_const->val_case == PG_QUERY__A__CONST__VAL_SVAL;
}

bool IsNullConstant(const Node* node) {
  return node->node_case == PG_QUERY__NODE__NODE_A_CONST && node->a_const->isnull != 0;
}

bool IsPlainCall(const PgQuery__FuncCall& call) {
  bool ok = false;
  if (call.n_funcname == 0 || StringOf(call.funcname[call.n_funcname - 1], &ok) != "set_config") {
    return false;
  }
  if (call.n_funcname == 2 && StringOf(call.funcname[0], &ok) != "pg_catalog") return false;
  return call.n_funcname <= 2 && call.n_args == 3 && call.n_agg_order == 0 &&
         call.agg_filter == nullptr && call.over == nullptr && call.agg_within_group == 0 &&
         call.agg_star == 0 && call.agg_distinct == 0 && call.func_variadic == 0;
}

std::optional<SettingChange> ReadCall(const Node* node) {
  if (IsNull(node) || node->node_case != PG_QUERY__NODE__NODE_FUNC_CALL) return std::nullopt;
  const PgQuery__FuncCall& call = *node->func_call;
  if (!IsPlainCall(call)) return std::nullopt;
  const Node* name = WithoutTextCast(call.args[0]);
  const Node* value = WithoutTextCast(call.args[1]);
  const std::optional<bool> local = Flag(call.args[2]);
  if (!IsString(name) || IsNull(value) || !local) return std::nullopt;
  SettingChange change{.name = LowerCase(*ConstantText(name)),
                       .value = std::nullopt,
                       .local = *local,
                       .reset = false,
                       .parameter = 0};
  if (change.name.empty()) return std::nullopt;
  if (IsString(value)) {
    change.value = ConstantText(value);
  } else if (IsNullConstant(value)) {
    change.reset = true;
  } else if (value->node_case == PG_QUERY__NODE__NODE_PARAM_REF) {
    change.parameter = static_cast<uint32_t>(value->param_ref->number);
  } else {
    return std::nullopt;
  }
  return change;
}

}  // namespace

std::vector<SettingChange> SetConfigCalls(const PgQuery__SelectStmt& select) {
  const bool plain =
      select.n_from_clause == 0 && select.where_clause == nullptr && select.n_group_clause == 0 &&
      select.having_clause == nullptr && select.n_window_clause == 0 &&
      select.n_values_lists == 0 && select.n_sort_clause == 0 && select.limit_offset == nullptr &&
      select.limit_count == nullptr && select.n_locking_clause == 0 &&
      select.with_clause == nullptr && select.into_clause == nullptr &&
      select.n_distinct_clause == 0 && select.op == PG_QUERY__SET_OPERATION__SETOP_NONE;
  std::vector<SettingChange> changes;
  if (!plain) return changes;
  for (const Node* target : List(select.n_target_list, select.target_list)) {
    std::optional<SettingChange> change;
    if (target->node_case == PG_QUERY__NODE__NODE_RES_TARGET &&
        target->res_target->n_indirection == 0) {
      change = ReadCall(target->res_target->val);
    }
    if (!change) return {};
    changes.push_back(*std::move(change));
  }
  return changes;
}

}  // namespace pgsidecar::sql
