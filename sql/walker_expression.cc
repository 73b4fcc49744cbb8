// Expressions: one dispatcher in three parts, and what each kind of node adds.

#include "sql/time_words.h"
#include "sql/walker.h"

namespace pgsidecar::sql {

void Walker::Expressions(Nodes nodes) {
  for (const Node* node : nodes) {
    if (IsNull(node)) {
      out_.UnknownNode("expression list", node);
    } else {
      Expression(node);
    }
  }
}

void Walker::Expression(const Node* node) {
  if (node == nullptr) return;
  if (SimpleExpression(*node) || CompoundExpression(*node) || SqlSyntaxExpression(*node)) return;
  out_.UnknownNode("expression", node);
}

// The commonest, and those that end a branch of the tree.
bool Walker::SimpleExpression(const Node& node) {
  switch (node.node_case) {
    case PG_QUERY__NODE__NODE_COLUMN_REF:
      Column(*node.column_ref);
      return true;
    case PG_QUERY__NODE__NODE_A_CONST:
      Constant(*node.a_const);
      return true;
    case PG_QUERY__NODE__NODE_PARAM_REF:
      out_.Parameter(node.param_ref->number);
      return true;
    case PG_QUERY__NODE__NODE_SQLVALUE_FUNCTION:
      SqlValue(*node.sqlvalue_function);
      return true;
    case PG_QUERY__NODE__NODE_CURRENT_OF_EXPR:
      out_.AddHazard(kHazardCurrentOf);
      return true;
    case PG_QUERY__NODE__NODE_SET_TO_DEFAULT:  // what the default is, catalog/ knows
      met_default_ = true;
      return true;
    default:
      return false;
  }
}

// Operators, calls and whatever else holds expressions in general.
bool Walker::CompoundExpression(const Node& node) {
  switch (node.node_case) {
    case PG_QUERY__NODE__NODE_A_EXPR:
      OperatorExpression(*node.a_expr);
      return true;
    case PG_QUERY__NODE__NODE_BOOL_EXPR:
      Expressions(List(node.bool_expr->n_args, node.bool_expr->args));
      return true;
    case PG_QUERY__NODE__NODE_FUNC_CALL:
      FunctionCall(*node.func_call);
      return true;
    case PG_QUERY__NODE__NODE_NAMED_ARG_EXPR:
      Expression(node.named_arg_expr->arg);
      return true;
    case PG_QUERY__NODE__NODE_TYPE_CAST:
      Cast(*node.type_cast);
      return true;
    case PG_QUERY__NODE__NODE_COLLATE_CLAUSE:
      Collate(*node.collate_clause);
      return true;
    case PG_QUERY__NODE__NODE_SUB_LINK:
      SubQuery(*node.sub_link);
      return true;
    case PG_QUERY__NODE__NODE_CASE_EXPR:
      Case(*node.case_expr);
      return true;
    case PG_QUERY__NODE__NODE_A_INDIRECTION:
      Indirection(*node.a_indirection);
      return true;
    case PG_QUERY__NODE__NODE_MULTI_ASSIGN_REF:
      MultipleAssignment(*node.multi_assign_ref);
      return true;
    case PG_QUERY__NODE__NODE_LIST:  // the right side of IN
      Expressions(List(node.list->n_items, node.list->items));
      return true;
    default:
      return false;
  }
}

// Special syntax of SQL that names no function of its own.
bool Walker::SqlSyntaxExpression(const Node& node) {
  switch (node.node_case) {
    case PG_QUERY__NODE__NODE_A_ARRAY_EXPR:
      Expressions(List(node.a_array_expr->n_elements, node.a_array_expr->elements));
      return true;
    case PG_QUERY__NODE__NODE_ROW_EXPR:
      Expressions(List(node.row_expr->n_args, node.row_expr->args));
      return true;
    case PG_QUERY__NODE__NODE_COALESCE_EXPR:
      Expressions(List(node.coalesce_expr->n_args, node.coalesce_expr->args));
      return true;
    case PG_QUERY__NODE__NODE_MIN_MAX_EXPR:
      SortOperators();
      Expressions(List(node.min_max_expr->n_args, node.min_max_expr->args));
      return true;
    case PG_QUERY__NODE__NODE_NULL_TEST:
      Expression(node.null_test->arg);
      return true;
    case PG_QUERY__NODE__NODE_BOOLEAN_TEST:
      Expression(node.boolean_test->arg);
      return true;
    case PG_QUERY__NODE__NODE_GROUPING_FUNC:
      Expressions(List(node.grouping_func->n_args, node.grouping_func->args));
      return true;
    case PG_QUERY__NODE__NODE_XML_EXPR:
      Xml(*node.xml_expr);
      return true;
    case PG_QUERY__NODE__NODE_XML_SERIALIZE:
      out_.AddHazard(kHazardXml);
      Expression(node.xml_serialize->expr);
      if (node.xml_serialize->type_name == nullptr) {
        out_.Unknown("XMLSERIALIZE without a type");
      } else {
        Type(*node.xml_serialize->type_name, /*of_constant=*/false);
        DateHazard(*node.xml_serialize->type_name, node.xml_serialize->expr);
      }
      return true;
    default:
      return false;
  }
}

void Walker::Constant(const PgQuery__AConst& constant) {
  switch (constant.val_case) {
    case PG_QUERY__A__CONST__VAL_SVAL:
      if (ContainsTimeWord(Text(constant.sval->sval))) out_.AddHazard(kHazardTimeString);
      return;
    case PG_QUERY__A__CONST__VAL_IVAL:
    case PG_QUERY__A__CONST__VAL_FVAL:
    case PG_QUERY__A__CONST__VAL_BOOLVAL:
    case PG_QUERY__A__CONST__VAL_BSVAL:
      return;
    default:
      if (!constant.isnull) out_.Unknown("constant without a value");
  }
}

void Walker::OperatorExpression(const PgQuery__AExpr& expression) {
  switch (expression.kind) {
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN:
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN_SYM:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM:
      Between(expression);
      break;
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP:
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY:
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ALL:
    case PG_QUERY__A__EXPR__KIND__AEXPR_DISTINCT:      // "="
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_DISTINCT:  // "="
    case PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF:        // "="
    case PG_QUERY__A__EXPR__KIND__AEXPR_IN:            // "=" or "<>"
    case PG_QUERY__A__EXPR__KIND__AEXPR_LIKE:          // "~~" or "!~~"
    case PG_QUERY__A__EXPR__KIND__AEXPR_ILIKE:         // "~~*" or "!~~*"
    case PG_QUERY__A__EXPR__KIND__AEXPR_SIMILAR:       // "~" or "!~"
      out_.Operator(List(expression.n_name, expression.name));
      break;
    default:
      out_.Unknown("kind of operator expression");
  }
  Expression(expression.lexpr);
  Expression(expression.rexpr);
}

// The tree names the syntax ("NOT BETWEEN SYMMETRIC"), not the operators.
void Walker::Between(const PgQuery__AExpr& expression) {
  const bool negated = expression.kind == PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN ||
                       expression.kind == PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM;
  out_.Operator(negated ? "<" : ">=");
  out_.Operator(negated ? ">" : "<=");
}

void Walker::SubQuery(const PgQuery__SubLink& link) {
  const bool names_operator = link.n_oper_name != 0;
  switch (link.sub_link_type) {
    case PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK:
    case PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK:
    case PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK:
      break;
    case PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK:  // IN has no name
    case PG_QUERY__SUB_LINK_TYPE__ALL_SUBLINK:
      if (!names_operator) out_.Operator("=");
      break;
    default:
      out_.Unknown("kind of subquery expression");
  }
  if (names_operator) out_.Operator(List(link.n_oper_name, link.oper_name));
  Expression(link.testexpr);
  Query(link.subselect);
}

void Walker::Case(const PgQuery__CaseExpr& expression) {
  if (!IsNull(expression.arg)) out_.Operator("=");
  Expression(expression.arg);
  for (const Node* node : List(expression.n_args, expression.args)) {
    if (node->node_case != PG_QUERY__NODE__NODE_CASE_WHEN) {
      out_.UnknownNode("CASE", node);
      continue;
    }
    Expression(node->case_when->expr);
    Expression(node->case_when->result);
  }
  Expression(expression.defresult);
}

void Walker::Xml(const PgQuery__XmlExpr& expression) {
  out_.AddHazard(kHazardXml);
  Targets(List(expression.n_named_args, expression.named_args));
  Expressions(List(expression.n_args, expression.args));
}

void Walker::SqlValue(const PgQuery__SQLValueFunction& function) {
  switch (function.op) {
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_ROLE:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_USER:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_USER:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_SESSION_USER:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_CATALOG:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_SCHEMA:
      return out_.AddHazard(kHazardIdentityValue);
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_DATE:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIME:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIME_N:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP_N:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIME:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIME_N:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP_N:
      return out_.AddHazard(kHazardTimeValue);
    default:
      return out_.Unknown("SQL value function");
  }
}

// (a, b) = source: every column of the left side carries the same source.
void Walker::MultipleAssignment(const PgQuery__MultiAssignRef& assignment) {
  if (assignment.colno == 1) Expression(assignment.source);
}

}  // namespace pgsidecar::sql
