// From a text to a TextInfo, by libpg_query (PostgreSQL's own grammar, version 15). REQUIRES of
// every text: it was sent under standard_conforming_strings = on and a client encoding in which no
// byte of a multibyte character is an ASCII byte; the caller checks.
//
// The parser is recursive. A text of kMaxAnalyzedBytes needs at most kAnalyzerStackBytes of stack;
// threads that call Analyze have that much.

#ifndef PGSIDECAR_SQL_ANALYZER_H_
#define PGSIDECAR_SQL_ANALYZER_H_

#include <cstddef>
#include <string_view>

#include "sql/statement_info.h"

namespace pgsidecar::sql {

inline constexpr size_t kMaxAnalyzedBytes = size_t{128} * 1024;
inline constexpr size_t kAnalyzerStackBytes = size_t{256} << 20;

// Never fails: what it does not understand comes back as unknown.
TextInfo Analyze(std::string_view text);

// What `info` takes in memory.
size_t ChargeBytes(const TextInfo& info);

}  // namespace pgsidecar::sql

#endif  // PGSIDECAR_SQL_ANALYZER_H_
