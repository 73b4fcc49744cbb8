// Any bytes as a statement: the analyser neither crashes nor leaves out what the parse tree names,
// and the search for time words agrees with a plain one.

#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sql/analyzer.h"
#include "sql/time_words.h"
#include "tests/unit/sql/tree_oracle.h"

namespace {

void Check(bool holds) {
  if (!holds) std::abort();
}

bool ContainsTimeWordPlainly(std::string_view bytes) {
  std::string kept;
  for (const char c : bytes) {
    if (c != '\\' && c != '"') kept += static_cast<char>(std::tolower(static_cast<uint8_t>(c)));
  }
  for (const char* word : {"now", "today", "tomorrow", "yesterday"}) {
    if (kept.find(word) != std::string::npos) return true;
  }
  return false;
}

void CheckStatement(const pgsidecar::sql::StatementInfo& info) {
  using pgsidecar::sql::StatementKind;
  const bool unknown = info.kind == StatementKind::kUnknown;
  Check(unknown == !info.unknown_reason.empty());
  Check(info.kind != StatementKind::kExplain || info.explain_analyze || info.writes.empty());
  for (const auto& write : info.writes) Check(!write.relation.name.empty() || unknown);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  Check(pgsidecar::sql::ContainsTimeWord(text) == ContainsTimeWordPlainly(text));
  const pgsidecar::sql::TextInfo info = pgsidecar::sql::Analyze(text);
  Check(info.parsed == info.error.empty());
  Check(info.parsed || info.statements.empty());
  for (const auto& statement : info.statements) CheckStatement(statement);
  Check(pgsidecar::sql::TreeOracle::MissingFrom(info, text).empty());
  return 0;
}
