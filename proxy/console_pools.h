// Private to the console: what it shows of pools, databases, users and their limits; and the same
// for the metrics.

#ifndef PGSIDECAR_PROXY_CONSOLE_POOLS_H_
#define PGSIDECAR_PROXY_CONSOLE_POOLS_H_

#include <string>

#include "base/clock.h"
#include "proxy/local_answer.h"

namespace pgsidecar::proxy {

class Hub;

LocalAnswer ShowPools(const Hub& hub, TimePoint now);
LocalAnswer ShowDatabases(const Hub& hub);
LocalAnswer ShowUsers(const Hub& hub);
LocalAnswer ShowLists(const Hub& hub);

// Appends the same in Prometheus' text exposition format.
void AppendPoolMetrics(const Hub& hub, std::string* to);

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_CONSOLE_POOLS_H_
