// pgsidecar: reads the configuration, opens the listeners, runs the workers; or explains a
// statement.

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <variant>

#include "base/log.h"
#include "net/explain.h"
#include "net/health.h"
#include "net/process.h"
#include "net/thread.h"
#include "net/tls_context.h"
#include "proxy/config.h"

extern char** environ;

namespace {

using pgsidecar::Error;
using pgsidecar::Result;

constexpr int kExitUsage = 2;

std::map<std::string, std::string> Environment() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const size_t equals = text.find('=');
    if (equals != std::string::npos) variables[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return variables;
}

// Memory holds passwords: no core dump of it, and nobody but root reads it. A sanitizer's leak
// check would be locked out, too.
void KeepMemoryPrivate() {
#if !defined(__SANITIZE_ADDRESS__)
  const rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

int Refuse(const Error& error) {
  std::fprintf(stderr, "pgsidecar: %s%s%s\n", error.message.c_str(),
               error.detail.empty() ? "" : ": ", error.detail.c_str());
  return kExitUsage;
}

// On a thread whose stack is large enough; returns the exit code.
int RunOnLargeStack(std::function<int()> task) {
  int code = kExitUsage;
  pgsidecar::net::Thread thread;
  const auto started = thread.Start([&] { code = task(); });
  if (!started.ok()) return Refuse(started.error());
  thread.Join();
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  KeepMemoryPrivate();
  if (pgsidecar::net::AsksToExplain(argc, argv)) {
    signal(SIGPIPE, SIG_IGN);
    return RunOnLargeStack([&] { return pgsidecar::net::RunExplain(argc, argv, Environment()); });
  }
  auto loaded = pgsidecar::proxy::LoadConfig(argc, argv, Environment());
  if (!loaded.ok()) return Refuse(loaded.error());
  if (const auto* message = std::get_if<pgsidecar::proxy::ExitMessage>(&*loaded)) {
    std::fputs(message->text.c_str(), stdout);
    return 0;
  }
  const auto config = std::get<pgsidecar::proxy::Config>(*std::move(loaded));
  if (const auto logging = pgsidecar::InitLogging(config.log_level, config.log_format);
      !logging.ok()) {
    return Refuse(logging.error());
  }
  signal(SIGPIPE, SIG_IGN);

  pgsidecar::net::TlsStore tls;
  if (const auto loaded_tls = tls.Load(config); !loaded_tls.ok()) {
    return Refuse(loaded_tls.error());
  }
  pgsidecar::net::Health health;
  pgsidecar::net::Process process(&config, &health, &tls);
  // Nothing is said before everything that can be wrong has been tried.
  if (const auto listening = process.Listen(); !listening.ok()) return Refuse(listening.error());
  if (config.http_listen) {
    if (const auto listening =
            health.Listen(*config.http_listen, [&process] { return process.AskForReport(); });
        !listening.ok()) {
      return Refuse(listening.error());
    }
  }
  pgsidecar::log::info("pgsidecar {} upstream={} {}", pgsidecar::proxy::kVersion,
                       pgsidecar::proxy::RedactedUrl(config.upstream), config.FreshnessSummary());
  process.LogListeners();
  process.OnReload([argc, argv]() -> Result<pgsidecar::proxy::Config> {
    auto loaded = pgsidecar::proxy::LoadConfig(argc, argv, Environment());
    if (!loaded.ok()) return loaded.error();
    return std::get<pgsidecar::proxy::Config>(*std::move(loaded));
  });
  return RunOnLargeStack([&process] {
    const auto ran = process.Run();
    return ran.ok() ? 0 : Refuse(ran.error());
  });
}
