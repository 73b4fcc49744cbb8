// The command `pgsidecar explain "SELECT ..."`: connects as the configuration says, loads the
// catalog once, and prints what the cache makes of a statement.

#ifndef PGSIDECAR_NET_EXPLAIN_H_
#define PGSIDECAR_NET_EXPLAIN_H_

#include <map>
#include <string>

namespace pgsidecar::net {

// Whether the command line asks for it.
bool AsksToExplain(int argc, const char* const* argv);

// Returns the exit code: 0 if the statement may be cached, 1 if not, 2 on an error, which is told
// on standard error. REQUIRES: a stack for the analyser of SQL.
int RunExplain(int argc, const char* const* argv,
               const std::map<std::string, std::string>& environment);

}  // namespace pgsidecar::net

#endif  // PGSIDECAR_NET_EXPLAIN_H_
