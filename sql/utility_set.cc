// SET in its many spellings, as a list of settings changed.
//
// The grammar has already turned SET TIME ZONE, SET NAMES, SET ROLE, SET SESSION AUTHORIZATION,
// SET SCHEMA and SET XML OPTION into the settings that they are.

#include <optional>
#include <string>

#include "sql/utility.h"

namespace pgsidecar::sql {

namespace {

// What SET makes of a list (PostgreSQL: flatten_set_variable_args).
std::optional<std::string> ListText(Nodes arguments) {
  std::string list;
  for (const Node* argument : arguments) {
    const std::optional<std::string> text = ConstantText(argument);
    if (!text.has_value()) return std::nullopt;
    if (!list.empty()) list += ", ";
    list += '"';
    for (const char c : *text) list.append(c == '"' ? 2 : 1, c);
    list += '"';
  }
  return list;
}

std::optional<IsolationLevel> ReadIsolation(std::string_view text) {
  if (text == "read uncommitted") return IsolationLevel::kReadUncommitted;
  if (text == "read committed") return IsolationLevel::kReadCommitted;
  if (text == "repeatable read") return IsolationLevel::kRepeatableRead;
  if (text == "serializable") return IsolationLevel::kSerializable;
  return std::nullopt;
}

void AddSetting(SettingChange change, Collector* out) {
  out->info().settings.push_back(std::move(change));
}

// The arguments may hold a cast (SET TIME ZONE INTERVAL ...), so they are walked as expressions.
void SetValue(const PgQuery__VariableSetStmt& set, Collector* out) {
  const Nodes arguments = List(set.n_args, set.args);
  Walker(out).Expressions(arguments);
  for (const Node* argument : arguments) {
    const std::optional<std::string> text = ConstantText(argument);
    if (text.has_value() && text->find("pg_temp") != std::string::npos) {
      out->info().names_temp_schema = true;
    }
  }
  SettingChange change{.name = LowerCase(Text(set.name)),
                       .value = std::nullopt,
                       .local = set.is_local != 0,
                       .reset = false};
  const bool is_list = arguments.size() > 1 || change.name == "search_path";
  change.value = is_list ? ListText(arguments) : ConstantText(arguments[0]);
  AddSetting(std::move(change), out);
}

void SetSeveral(const PgQuery__VariableSetStmt& set, Collector* out) {
  const std::string_view name = Text(set.name);
  const Nodes arguments = List(set.n_args, set.args);
  if (name == "TRANSACTION") {
    AnalyzeTransactionModes(arguments, {.prefix = "", .local = true, .record_settings = true}, out);
  } else if (name == "SESSION CHARACTERISTICS") {
    AnalyzeTransactionModes(arguments,
                            {.prefix = "default_", .local = false, .record_settings = true}, out);
  } else if (name == "TRANSACTION SNAPSHOT") {
    Walker(out).Expressions(arguments);
    AddSetting({.name = "transaction_snapshot",
                .value = arguments.size() == 1 ? ConstantText(arguments[0]) : std::nullopt,
                .local = true,
                .reset = false},
               out);
  } else {
    out->Unknown("SET of several settings");
  }
}

}  // namespace

void AnalyzeTransactionModes(Nodes options, const TransactionModes& modes, Collector* out) {
  for (const Node* option : options) {
    if (option->node_case != PG_QUERY__NODE__NODE_DEF_ELEM) {
      out->UnknownNode("transaction modes", option);
      continue;
    }
    const std::string_view name = Text(option->def_elem->defname);
    std::optional<std::string> value = ConstantText(option->def_elem->arg);
    const bool is_isolation = name == "transaction_isolation";
    const bool is_flag = name == "transaction_read_only" || name == "transaction_deferrable";
    if (!value.has_value() || (!is_isolation && !is_flag)) {
      out->Unknown("transaction mode");
      continue;
    }
    if (is_isolation) {
      out->info().isolation = ReadIsolation(*value);
      if (!out->info().isolation.has_value()) out->Unknown("isolation level");
    } else {
      value = *value == "0" || *value == "off" ? "off" : "on";
    }
    if (!modes.record_settings) continue;
    AddSetting({.name = std::string(modes.prefix) + std::string(name),
                .value = std::move(value),
                .local = modes.local,
                .reset = false},
               out);
  }
}

void AnalyzeSet(const PgQuery__VariableSetStmt& set, Collector* out) {
  out->info().kind = StatementKind::kSet;
  const bool local = set.is_local != 0;
  switch (set.kind) {
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_VALUE:
      return SetValue(set, out);
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_MULTI:
      return SetSeveral(set, out);
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_DEFAULT:
    case PG_QUERY__VARIABLE_SET_KIND__VAR_RESET:
      return AddSetting({LowerCase(Text(set.name)), std::nullopt, local, /*reset=*/true}, out);
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_CURRENT:
      return AddSetting({LowerCase(Text(set.name)), std::nullopt, local, /*reset=*/false}, out);
    case PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL:
      return AddSetting({"", std::nullopt, local, /*reset=*/true}, out);
    default:
      return out->Unknown("kind of SET");
  }
}

}  // namespace pgsidecar::sql
