// Reads sample.rows: COPY's text format under headings '# <number of the result set>'.

#include "tests/unit/catalog/sample.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <vector>

#include "catalog/snapshot.h"
#include "sql/analyzer.h"

namespace pgsidecar::catalog {
namespace {

std::optional<std::string> Unescape(std::string_view field) {
  if (field == "\\N") return std::nullopt;
  std::string value;
  for (size_t i = 0; i < field.size(); ++i) {
    if (field[i] != '\\' || i + 1 == field.size()) {
      value += field[i];
      continue;
    }
    const char c = field[++i];
    value += c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
  }
  return value;
}

std::vector<std::optional<std::string>> Fields(std::string_view line) {
  std::vector<std::optional<std::string>> fields;
  while (true) {
    const size_t tab = line.find('\t');
    fields.push_back(Unescape(line.substr(0, tab)));
    if (tab == std::string_view::npos) return fields;
    line.remove_prefix(tab + 1);
  }
}

std::string Names(std::string_view word, const std::vector<Oid>& oids, const Catalog& catalog) {
  if (oids.empty()) return "";
  std::vector<std::string> names;
  for (const Oid oid : oids) {
    const Relation* relation = catalog.FindRelation(oid);
    const bool in_public = relation != nullptr && relation->schema == catalog.FindSchema("public");
    names.push_back((in_public ? "" : "~") + (relation ? relation->name : "?"));
  }
  std::sort(names.begin(), names.end());
  std::string text(word);
  for (const std::string& name : names) text += (&name == names.data() ? "=" : ",") + name;
  return text;
}

}  // namespace

void ForEachSampleRow(const std::function<void(size_t result_set, Row row)>& on_row) {
  std::ifstream file(std::filesystem::path(__FILE__).parent_path() / "sample.rows");
  if (!file) std::abort();
  size_t result_set = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("# ")) {
      result_set = std::stoul(line.substr(2));
      continue;
    }
    const auto fields = Fields(line);
    std::vector<std::optional<std::string_view>> row(fields.begin(), fields.end());
    on_row(result_set, row);
  }
}

void AddSampleRows(CatalogBuilder& builder) {
  ForEachSampleRow([&](size_t result_set, Row row) { builder.AddRow(result_set, row); });
}

const Catalog& Sample() {
  static const std::shared_ptr<const Catalog> catalog = [] {
    CatalogBuilder builder;
    AddSampleRows(builder);
    auto result = builder.Finish();
    if (!result.ok()) std::abort();
    return *result;
  }();
  return *catalog;
}

std::string Describe(const Resolved& resolved, const Catalog& catalog) {
  std::string text(RefusalName(resolved.refusal));
  const auto add = [&text](const std::string& word) {
    if (!word.empty()) text += " " + word;
  };
  add(Names("reads", resolved.reads, catalog));
  add(resolved.writes_anything ? "anything" : Names("writes", resolved.writes, catalog));
  if (resolved.changes_catalog) add("catalog");
  if (resolved.pin != Pin::kNone) add("pin=" + std::string(PinName(resolved.pin)));
  if (resolved.uses_sequence) add("sequence");
  if (resolved.reads_sequence) add("sequence_state");
  if (resolved.environment_unknown) add("environment");
  if (resolved.may_commit) add("commit");
  return text;
}

std::string Outcome(std::string_view text, std::string_view search_path) {
  return OutcomeIn(Sample(), text, search_path);
}

std::string OutcomeIn(const Catalog& catalog, std::string_view text, std::string_view search_path) {
  const sql::TextInfo info = sql::Analyze(text);
  if (!info.parsed || info.statements.size() != 1) return "not one statement: " + info.error;
  const NameContext names = {search_path, "someone"};
  return Describe(Resolve(info.statements[0], names, &catalog), catalog);
}

}  // namespace pgsidecar::catalog
