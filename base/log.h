// Logging, by spdlog: one line an event, key=value pairs behind the message. Nothing on the path of
// a hit logs. No secret, no parameter value and no statement text above level debug
// (with its constants taken out it may be in an error).

#ifndef PGSIDECAR_BASE_LOG_H_
#define PGSIDECAR_BASE_LOG_H_

#include <spdlog/spdlog.h>

#include <string>

#include "base/result.h"

namespace pgsidecar {

namespace log = ::spdlog;

// Sends the log to standard error. `level` is one of debug, info, warn, error, off; `format` is
// text or json. Fails with what was expected if either is none of these.
Result<bool> InitLogging(const std::string& level, const std::string& format);

// Another level of those that InitLogging takes.
void SetLogLevel(const std::string& level);

}  // namespace pgsidecar

#endif  // PGSIDECAR_BASE_LOG_H_
