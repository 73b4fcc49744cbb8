// Private to the console: the commands that change something, with PgBouncer's names and arguments.

#ifndef PGSIDECAR_PROXY_CONSOLE_COMMANDS_H_
#define PGSIDECAR_PROXY_CONSOLE_COMMANDS_H_

#include <optional>
#include <span>
#include <string_view>

#include "base/clock.h"
#include "proxy/console.h"

namespace pgsidecar::proxy {

class Hub;

struct CommandHelp {
  std::string_view words;
  std::string_view help;
};
std::span<const CommandHelp> Commands();

// Nullopt if `sql` is none of them.
std::optional<ConsoleOutcome> RunCommand(Hub& hub, std::string_view sql, TimePoint now);

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_CONSOLE_COMMANDS_H_
