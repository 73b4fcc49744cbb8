// A statement's text for logs.

#ifndef PGSIDECAR_SQL_NORMALIZE_H_
#define PGSIDECAR_SQL_NORMALIZE_H_

#include <string>
#include <string_view>

namespace pgsidecar::sql {

// With $1, $2 ... in place of its constants, which may be secrets; empty if it does not parse.
std::string WithoutConstants(std::string_view text);

}  // namespace pgsidecar::sql

#endif  // PGSIDECAR_SQL_NORMALIZE_H_
