// Formats every field of a StatementInfo but those of rows, which rows_test.cc shows; a field added
// there must be added here.

#include "describe.h"

#include <utility>
#include <vector>

namespace pgsidecar::sql {

namespace {

std::string Word(const std::string& text) { return text; }

std::string Word(const QualifiedName& name) {
  return name.schema.empty() ? name.name : name.schema + "." + name.name;
}

// The number of arguments has tables of its own.
std::string Word(const FunctionUse& use) { return Word(use.name); }

std::string Word(const TypeUse& use) { return Word(use.type) + (use.of_constant ? "!" : ""); }

std::string Word(const SettingChange& change) {
  std::string word = change.local ? "local " + change.name : change.name;
  if (change.reset) return word + " reset";
  if (change.parameter != 0) return word + "=$" + std::to_string(change.parameter);
  return word + (change.value.has_value() ? "='" + *change.value + "'" : "=?");
}

std::string Word(const WriteTarget& write) {
  static const std::vector<std::pair<uint8_t, std::string>> kNames = {
      {kWriteInsert, "insert"},           {kWriteUpdate, "update"},
      {kWriteDelete, "delete"},           {kWriteTruncate, "truncate"},
      {kWriteTruncateCascade, "cascade"}, {kWriteDefaults, "defaults"}};
  std::string word = Word(write.relation) + ":";
  for (const auto& [bit, name] : kNames) {
    if ((write.operations & bit) == 0) continue;
    if (word.back() != ':') word += "+";
    word += name;
  }
  return word;
}

template <typename T>
std::string Field(const std::string& label, const std::vector<T>& list) {
  std::string field;
  std::string last;
  for (const T& item : list) {
    const std::string word = Word(item);
    if (word != last) field += (field.empty() ? " " + label + "=" : ",") + word;
    last = word;
  }
  return field;
}

std::string Hazards(uint32_t hazards) {
  static const std::vector<std::pair<uint32_t, std::string>> kNames = {
      {kHazardTimeValue, "time_value"},
      {kHazardIdentityValue, "identity_value"},
      {kHazardRowLock, "row_lock"},
      {kHazardTableSample, "table_sample"},
      {kHazardTimeString, "time_string"},
      {kHazardDynamicDate, "dynamic_date"},
      {kHazardModifyingCte, "modifying_cte"},
      {kHazardCurrentOf, "current_of"},
      {kHazardXml, "xml"},
      {kHazardRowTypeField, "row_type_field"},
      {kHazardParameterDate, "parameter_date"},
      {kHazardSystemUser, "system_user"}};
  std::vector<std::string> words;
  for (const auto& [bit, name] : kNames) {
    if ((hazards & bit) != 0) words.push_back(name);
  }
  return Field("hazards", words);
}

std::string Isolation(const std::optional<IsolationLevel>& level) {
  if (!level.has_value()) return "";
  static const char* const kNames[] = {"read_uncommitted", "read_committed", "repeatable_read",
                                       "serializable"};
  return std::string(" isolation=") + kNames[static_cast<int>(*level)];
}

}  // namespace

std::string Describe(const StatementInfo& info) {
  std::string text(StatementKindName(info.kind));
  if (info.kind == StatementKind::kUnknown) return text + ": " + info.unknown_reason;
  text += Field("reads", info.reads) + Field("writes", info.writes) +
          Field("functions", info.functions) + Field("operators", info.operators) +
          Field("types", info.types) + Field("attributes", info.attribute_names) +
          Field("settings_read", info.settings_read) + Field("collations", info.collations) +
          Hazards(info.hazards) + Field("settings", info.settings) + Isolation(info.isolation);
  if (info.max_parameter != 0) text += " parameters=" + std::to_string(info.max_parameter);
  if (!info.name.empty()) text += " name=" + info.name;
  if (info.transaction_modifiers) text += " modifiers";
  if (info.with_hold) text += " hold";
  if (info.ordered) text += " ordered";
  if (info.explain_analyze) text += " analyze";
  if (info.names_temp_schema) text += " temp_schema";
  if (info.prepared != nullptr) text += " prepared=(" + Describe(*info.prepared) + ")";
  return text;
}

std::string Describe(const TextInfo& info) {
  if (!info.parsed) return "error: " + info.error;
  std::string text;
  for (const StatementInfo& statement : info.statements) {
    text += (text.empty() ? "" : " ; ") + Describe(statement);
  }
  return text;
}

}  // namespace pgsidecar::sql
