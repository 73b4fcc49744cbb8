// A catalog load that a hostile or broken server might answer, and statements resolved over it.
//
// The input is lines of fields between tabs. A line whose first field is a number is a row of that
// result set, '\N' standing for NULL; a line '?' TAB text is a statement. Checked: nothing crashes
// or runs without end, and whatever may be cached has no other effect.

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <vector>

#include "catalog/catalog.h"
#include "catalog/resolve.h"
#include "sql/analyzer.h"

namespace {

using Fields = std::vector<std::optional<std::string_view>>;

std::string_view TakeUntil(std::string_view& rest, char separator) {
  const size_t end = rest.find(separator);
  const std::string_view taken = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return taken;
}

void Check(bool holds) {
  if (!holds) std::abort();
}

void ResolveOver(const pgsidecar::catalog::Catalog* catalog, std::string_view text) {
  using pgsidecar::catalog::Pin;
  using pgsidecar::catalog::Refusal;
  const pgsidecar::catalog::NameContext names = {"\"$user\", public", "someone"};
  for (const auto& statement : pgsidecar::sql::Analyze(text).statements) {
    const auto resolved = pgsidecar::catalog::Resolve(statement, names, catalog);
    Check(!resolved.changes_catalog || resolved.writes_anything);
    if (resolved.refusal != Refusal::kNone) continue;
    Check(catalog != nullptr && resolved.pin == Pin::kNone && resolved.writes.empty());
    Check(!resolved.writes_anything && !resolved.environment_unknown && !resolved.may_commit);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  pgsidecar::catalog::CatalogBuilder builder;
  std::vector<std::string_view> statements;
  while (!rest.empty()) {
    std::string_view line = TakeUntil(rest, '\n');
    const std::string_view head = TakeUntil(line, '\t');
    if (head == "?") {
      statements.push_back(line);
      continue;
    }
    Fields fields;
    while (!line.empty()) {
      const std::string_view field = TakeUntil(line, '\t');
      fields.push_back(field == "\\N" ? std::nullopt : std::optional(field));
    }
    builder.AddRow(static_cast<size_t>(std::atoi(std::string(head).c_str())), fields);
  }
  const auto catalog = builder.Finish();
  for (const std::string_view text : statements) {
    ResolveOver(catalog.ok() ? catalog->get() : nullptr, text);
  }
  return 0;
}
