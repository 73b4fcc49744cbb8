// The admin console: what psql sees that connects to the database `pgsidecar`. Commands and columns
// follow PgBouncer's habit.

#ifndef PGSIDECAR_PROXY_CONSOLE_H_
#define PGSIDECAR_PROXY_CONSOLE_H_

#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "proxy/local_answer.h"

namespace pgsidecar::proxy {

class Hub;

struct ConsoleOutcome {
  LocalAnswer answer;
  // If it is there, the client is answered once it holds; asked once a tick.
  std::function<bool(const Hub& hub)> until{};
};

// Runs one console command, of those that SHOW HELP lists. 42601 for anything else. Who is not an
// `admin` may only look, and sees no statement's text.
ConsoleOutcome RunConsole(Hub& hub, std::string_view sql, bool admin, TimePoint now);

// The same figures in Prometheus' text exposition format.
std::string Metrics(const Hub& hub);

// The same figures, the databases and the rules as JSON. No statement's text is in it.
std::string StatsJson(const Hub& hub);

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_CONSOLE_H_
