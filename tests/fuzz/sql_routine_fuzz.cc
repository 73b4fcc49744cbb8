// Any bytes as the body of a function, or as the definition of one: the analysis ends, and what is
// not understood says why.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sql/routine.h"

namespace {

void Check(const pgsidecar::sql::RoutineInfo& routine) {
  using pgsidecar::sql::StatementKind;
  for (const auto& statement : routine.statements) {
    const bool unknown = statement.kind == StatementKind::kUnknown;
    if (unknown == statement.unknown_reason.empty()) std::abort();
  }
  for (const auto& name : routine.row_types) {
    if (name.name.empty() && routine.understood()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Check(pgsidecar::sql::AnalyzePlpgsqlBody(text));
  Check(pgsidecar::sql::AnalyzeSqlBody(text));
  Check(pgsidecar::sql::AnalyzeDefinition(text));
  return 0;
}
