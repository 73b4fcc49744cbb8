// From nodes of the tree to Values.

#include <cstdlib>
#include <string>

#include "sql/restrictions.h"

namespace pgsidecar::sql {
namespace {

struct TypeWord {
  std::string_view name;
  ValueType type;
};
// As the grammar turns them into pg_catalog's, or as they stand.
constexpr TypeWord kTypeWords[] = {
    {"int2", ValueType::kInteger}, {"int4", ValueType::kInteger}, {"int8", ValueType::kInteger},
    {"text", ValueType::kText},    {"varchar", ValueType::kText}, {"uuid", ValueType::kUuid},
    {"bool", ValueType::kBoolean}, {"oid", ValueType::kOid},
};

// kNone for every other type. A cast with a modifier may change what it casts.
ValueType TypeOf(const PgQuery__TypeName& type, bool array) {
  const bool is_array = type.n_array_bounds == 1;
  if (type.setof || type.pct_type || type.n_typmods != 0 || type.n_array_bounds > 1 ||
      is_array != array || type.n_names == 0 || type.n_names > 2) {
    return ValueType::kNone;
  }
  bool ok = false;
  if (type.n_names == 2 && StringOf(type.names[0], &ok) != "pg_catalog") return ValueType::kNone;
  const std::string_view name = StringOf(type.names[type.n_names - 1], &ok);
  for (const TypeWord& word : kTypeWords) {
    if (word.name == name) return word.type;
  }
  return ValueType::kNone;
}

// The parser gives a negative number the place of its sign.
Value NumberAt(std::string_view text, int32_t location, std::string digits) {
  Value value;
  size_t at = location < 0 ? text.size() : static_cast<size_t>(location);
  if (at < text.size() && text[at] == '-') {
    value.negative = true;
    at = text.find_first_not_of(" \t\r\n", at + 1);
  }
  if (at >= text.size() || text[at] < '0' || text[at] > '9') return {};
  value.kind = ValueKind::kNumber;
  value.location = static_cast<uint32_t>(at);
  value.text = std::move(digits);
  return value;
}

Value OfConstant(const PgQuery__AConst& constant, std::string_view text) {
  Value value;
  value.location = constant.location < 0 ? 0 : static_cast<uint32_t>(constant.location);
  switch (constant.val_case) {
    case PG_QUERY__A__CONST__VAL_IVAL:
      return NumberAt(text, constant.location,
                      std::to_string(std::abs(int64_t{constant.ival->ival})));
    case PG_QUERY__A__CONST__VAL_FVAL: {
      std::string_view digits = Text(constant.fval->fval);
      if (digits.starts_with('-')) digits.remove_prefix(1);
      return NumberAt(text, constant.location, std::string(digits));
    }
    case PG_QUERY__A__CONST__VAL_BOOLVAL:
      value.kind = ValueKind::kBoolean;
      value.text = constant.boolval->boolval ? "t" : "f";
      return value;
    case PG_QUERY__A__CONST__VAL_SVAL:
      value.kind = ValueKind::kString;
      value.text = Text(constant.sval->sval);
      return value;
    default:
      if (constant.isnull) value.kind = ValueKind::kNull;
      return value;
  }
}

Value Uncast(const Node& node, std::string_view text) {
  Value value;
  switch (node.node_case) {
    case PG_QUERY__NODE__NODE_A_CONST:
      return OfConstant(*node.a_const, text);
    case PG_QUERY__NODE__NODE_PARAM_REF:
      value.kind = ValueKind::kParameter;
      value.parameter = static_cast<uint32_t>(node.param_ref->number);
      return value;
    case PG_QUERY__NODE__NODE_SET_TO_DEFAULT:
      value.kind = ValueKind::kDefault;
      return value;
    default:
      return value;
  }
}

}  // namespace

Value ValueOf(const Node* node, const Collector& out) {
  if (IsNull(node)) return {};
  if (node->node_case != PG_QUERY__NODE__NODE_TYPE_CAST) return Uncast(*node, out.text());
  const PgQuery__TypeCast& cast = *node->type_cast;
  if (cast.type_name == nullptr || IsNull(cast.arg)) return {};
  Value value = Uncast(*cast.arg, out.text());
  value.cast = TypeOf(*cast.type_name, /*array=*/false);
  return value.cast == ValueType::kNone ? Value{} : value;
}

std::vector<Value> ArrayValuesOf(const Node* node, const Collector& out) {
  ValueType cast = ValueType::kNone;
  if (!IsNull(node) && node->node_case == PG_QUERY__NODE__NODE_TYPE_CAST) {
    if (node->type_cast->type_name == nullptr) return {};
    cast = TypeOf(*node->type_cast->type_name, /*array=*/true);
    if (cast == ValueType::kNone) return {};
    node = node->type_cast->arg;
  }
  if (IsNull(node)) return {};
  std::vector<Value> values;
  if (node->node_case == PG_QUERY__NODE__NODE_A_ARRAY_EXPR) {
    const PgQuery__AArrayExpr& array = *node->a_array_expr;
    if (array.n_elements > kMaxRowValues) return {};
    for (const Node* element : List(array.n_elements, array.elements)) {
      values.push_back(ValueOf(element, out));
      // The array's type is pushed down to its elements.
      if (values.back().cast == ValueType::kNone) {
        values.back().cast = cast;
      } else if (cast != ValueType::kNone && values.back().cast != cast) {
        return {};
      }
    }
    return values;
  }
  Value value = Uncast(*node, out.text());
  if (value.kind != ValueKind::kString && value.kind != ValueKind::kParameter) return {};
  value.array = true;
  value.cast = cast;
  values.push_back(std::move(value));
  return values;
}

}  // namespace pgsidecar::sql
