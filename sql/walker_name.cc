// Names of columns, types and functions, and what they may turn out to be: t.f and (e).f may call
// the function f; a cast, or a function with the name of a type, may turn text into a date.

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "sql/walker.h"

namespace pgsidecar::sql {

namespace {

// Types whose input functions know the word "now", with their ranges and multiranges; what they
// had under older servers too. An array's type may be written with a leading underscore.
bool IsDateTypeName(std::string_view name) {
  static constexpr std::array<std::string_view, 15> kNames = {
      "date",      "time",         "timetz",         "timestamp",      "timestamptz",
      "abstime",   "reltime",      "tinterval",      "daterange",      "tsrange",
      "tstzrange", "tsmultirange", "tstzmultirange", "datemultirange", "datetime"};
  if (name.starts_with('_')) name.remove_prefix(1);
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

// REQUIRES: the names are String nodes. Unqualified or in pg_catalog: another schema's type is
// for catalog/ to judge.
bool NamesDateType(Nodes names) {
  bool ok = false;
  if (names.empty() || names.size() > 3) return false;
  if (names.size() > 1 && StringOf(names[names.size() - 2], &ok) != "pg_catalog") return false;
  return IsDateTypeName(StringOf(names.back(), &ok));
}

bool IsConstant(const Node* node) {
  while (node != nullptr && node->node_case == PG_QUERY__NODE__NODE_TYPE_CAST) {
    node = node->type_cast->arg;
  }
  return node != nullptr && node->node_case == PG_QUERY__NODE__NODE_A_CONST;
}

// x AT TIME ZONE y gives a time, whatever x is, and never a text that could say 'now'. What x says
// itself is looked at where it stands.
bool IsAtTimeZone(const Node* node) {
  if (node == nullptr || node->node_case != PG_QUERY__NODE__NODE_FUNC_CALL) return false;
  const PgQuery__FuncCall& call = *node->func_call;
  bool ok = false;
  return call.funcformat == PG_QUERY__COERCION_FORM__COERCE_SQL_SYNTAX && call.n_funcname == 2 &&
         call.n_args == 2 && StringOf(call.funcname[0], &ok) == "pg_catalog" &&
         StringOf(call.funcname[1], &ok) == "timezone";
}

// Whether a cast of it to a date depends on nothing that the text does not show.
bool IsConstantOrTime(const Node* node) { return IsConstant(node) || IsAtTimeZone(node); }

// A string, maybe cast to text, as PostgreSQL prints one.
std::optional<std::string_view> TextConstant(const Node* node) {
  if (node != nullptr && node->node_case == PG_QUERY__NODE__NODE_TYPE_CAST) {
    const PgQuery__TypeCast& cast = *node->type_cast;
    bool ok = false;
    if (cast.type_name == nullptr || cast.type_name->n_names == 0) return std::nullopt;
    const Nodes names = List(cast.type_name->n_names, cast.type_name->names);
    if (StringOf(names.back(), &ok) != "text" || cast.type_name->n_array_bounds != 0) {
      return std::nullopt;
    }
    node = cast.arg;
  }
  const bool is_text = node != nullptr && node->node_case == PG_QUERY__NODE__NODE_A_CONST &&
                       node->a_const->val_case == PG_QUERY__A__CONST__VAL_SVAL;
  if (!is_text) return std::nullopt;
  return Text(node->a_const->sval->sval);
}

bool IsParameter(const Node* node) {
  return node != nullptr && node->node_case == PG_QUERY__NODE__NODE_PARAM_REF;
}

}  // namespace

// Three names are schema.table.column and four database.schema.table.column; which of them is
// what, only the server knows, so every part may be a schema.
void Walker::Column(const PgQuery__ColumnRef& column) {
  const Nodes fields = List(column.n_fields, column.fields);
  for (const Node* field : fields) {
    const bool is_last = field == fields.back();
    if (is_last && field->node_case == PG_QUERY__NODE__NODE_A_STAR) return;
    bool ok = false;
    const std::string_view name = StringOf(field, &ok);
    if (!ok) return out_.UnknownNode("column reference", field);
    if (is_last && (name == "ctid" || name == "xmax" || name == "cmin" || name == "cmax")) {
      out_.AddHazard(kHazardSystemColumn);
    }
    if (!is_last) {
      out_.Schema(name);
    } else if (fields.size() > 1) {
      out_.Attribute(name);
    } else if (name == "system_user") {
      out_.AddHazard(kHazardSystemUser);  // a keyword from PostgreSQL 16 on
    }
  }
}

void Walker::Indirection(const PgQuery__AIndirection& indirection) {
  if (IsNull(indirection.arg)) return out_.Unknown("indirection of nothing");
  Expression(indirection.arg);
  const bool plain_base = indirection.arg->node_case == PG_QUERY__NODE__NODE_COLUMN_REF;
  IndirectionSteps(List(indirection.n_indirection, indirection.indirection), plain_base);
}

void Walker::IndirectionSteps(Nodes steps, bool plain_base) {
  for (const Node* step : steps) {
    switch (step->node_case) {
      case PG_QUERY__NODE__NODE_STRING:
        out_.Attribute(Text(step->string->sval));
        if (!plain_base) out_.AddHazard(kHazardRowTypeField);
        break;
      case PG_QUERY__NODE__NODE_A_STAR:
        if (!plain_base) out_.AddHazard(kHazardRowTypeField);
        break;
      case PG_QUERY__NODE__NODE_A_INDICES:
        Expression(step->a_indices->lidx);
        Expression(step->a_indices->uidx);
        break;
      default:
        out_.UnknownNode("indirection", step);
    }
  }
}

void Walker::Type(const PgQuery__TypeName& type, bool of_constant) {
  if (type.setof || type.pct_type) out_.Unknown("SETOF or %TYPE in an expression");
  out_.Type(List(type.n_names, type.names), of_constant);
  Expressions(List(type.n_typmods, type.typmods));
}

void Walker::Cast(const PgQuery__TypeCast& cast) {
  if (cast.type_name == nullptr || IsNull(cast.arg)) return out_.Unknown("cast without a type");
  Expression(cast.arg);
  Type(*cast.type_name, IsConstantOrTime(cast.arg));
  DateHazard(*cast.type_name, cast.arg);
}

// `argument` is null where no single expression is converted.
void Walker::DateHazard(const PgQuery__TypeName& type, const Node* argument) {
  if (!NamesDateType(List(type.n_names, type.names)) || IsConstantOrTime(argument)) return;
  out_.AddHazard(IsParameter(argument) ? kHazardParameterDate : kHazardDynamicDate);
}

void Walker::Collate(const PgQuery__CollateClause& collate) {
  Expression(collate.arg);
  out_.Collation(List(collate.n_collname, collate.collname));
}

void Walker::ColumnDefinitions(Nodes columns) {
  for (const Node* node : columns) {
    const bool plain = node->node_case == PG_QUERY__NODE__NODE_COLUMN_DEF &&
                       node->column_def->type_name != nullptr &&
                       node->column_def->n_constraints == 0 &&
                       IsNull(node->column_def->raw_default);
    if (!plain) {
      out_.UnknownNode("column definition list", node);
      continue;
    }
    const PgQuery__ColumnDef& column = *node->column_def;
    Type(*column.type_name, /*of_constant=*/false);
    DateHazard(*column.type_name, nullptr);
    if (column.coll_clause != nullptr) Collate(*column.coll_clause);
  }
}

// Of any schema: catalog/ says whether it is PostgreSQL's.
void Walker::CurrentSetting(Nodes name, Nodes arguments) {
  bool ok = false;
  if (name.empty() || StringOf(name.back(), &ok) != "current_setting") return;
  std::string setting;
  if (!arguments.empty()) setting = LowerCase(TextConstant(arguments[0]).value_or(""));
  out_.SettingRead(setting);
}

void Walker::FunctionCall(const PgQuery__FuncCall& call) {
  const Nodes name = List(call.n_funcname, call.funcname);
  const Nodes arguments = List(call.n_args, call.args);
  const bool plain = !call.agg_within_group;
  out_.Function(name, plain ? static_cast<uint32_t>(arguments.size()) : FunctionUse::kAnyCount);
  Expressions(arguments);
  CurrentSetting(name, arguments);
  if (NamesDateType(name)) {
    for (const Node* argument : arguments) {
      if (IsConstantOrTime(argument)) continue;
      out_.AddHazard(IsParameter(argument) ? kHazardParameterDate : kHazardDynamicDate);
    }
  }
  if (call.agg_distinct) SortOperators();
  SortClause(List(call.n_agg_order, call.agg_order));
  Expression(call.agg_filter);
  if (call.over != nullptr) Window(*call.over);
}

}  // namespace pgsidecar::sql
