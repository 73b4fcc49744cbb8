// pgsidecar's own settings in a startup packet: as parameters of their own, and within `options`
// (PostgreSQL documentation, "options" of libpq; the server reads them as its command line:
// pg_split_opts in postinit.c, process_postgres_switches in postgres.c).

#ifndef PGSIDECAR_PROXY_STARTUP_OPTIONS_H_
#define PGSIDECAR_PROXY_STARTUP_OPTIONS_H_

#include "base/result.h"
#include "pgwire/startup.h"
#include "proxy/cache_policy.h"

namespace pgsidecar::proxy {

// Takes them out, so that the server does not see them, and reads them: -c name=value, -cname=value
// and --name=value in `options`. What is not ours stays as it was written.
Result<CacheWishes> TakeOwnOptions(pgwire::StartupMessage& startup);

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_STARTUP_OPTIONS_H_
