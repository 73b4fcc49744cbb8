// A StatementInfo on one line, as the tables of expectations write it.

#ifndef PGSIDECAR_TESTS_UNIT_SQL_DESCRIBE_H_
#define PGSIDECAR_TESTS_UNIT_SQL_DESCRIBE_H_

#include <string>

#include "sql/statement_info.h"

namespace pgsidecar::sql {

// The kind, then every field that is not empty. A type applied to a constant ends in '!'.
std::string Describe(const StatementInfo& info);
// The statements' descriptions, separated by " ; "; or "error: ..." if the text was not parsed.
std::string Describe(const TextInfo& info);

}  // namespace pgsidecar::sql

#endif  // PGSIDECAR_TESTS_UNIT_SQL_DESCRIBE_H_
