// Private to the console: what it tells of statements, rules and mismatches.

#ifndef PGSIDECAR_PROXY_CONSOLE_CACHE_H_
#define PGSIDECAR_PROXY_CONSOLE_CACHE_H_

#include "base/clock.h"
#include "proxy/local_answer.h"

namespace pgsidecar::proxy {

class Hub;

LocalAnswer ShowStatements(const Hub& hub);
LocalAnswer ShowRules(const Hub& hub);
LocalAnswer ShowMismatches(const Hub& hub, TimePoint now);

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_CONSOLE_CACHE_H_
