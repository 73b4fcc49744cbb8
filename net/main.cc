// pgsidecar: reads the configuration, opens the listeners, runs the worker; or explains a
// statement.

#include <pthread.h>
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
#include "net/tls_context.h"
#include "net/worker.h"
#include "proxy/config.h"
#include "sql/analyzer.h"

extern char** environ;

namespace {

using pgsidecar::Error;
using pgsidecar::Result;

constexpr int kExitUsage = 2;
// Beyond what the analyser of SQL needs.
constexpr size_t kPlainStackBytes = size_t{8} << 20;

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

void* RunTask(void* task) {
  (*static_cast<std::function<void()>*>(task))();
  return nullptr;
}

// The parser of SQL is recursive: whoever runs it has the stack that its worst text needs.
int RunOnLargeStack(std::function<void()> task) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, pgsidecar::sql::kAnalyzerStackBytes + kPlainStackBytes);
  pthread_t thread;
  const int status = pthread_create(&thread, &attributes, RunTask, &task);
  pthread_attr_destroy(&attributes);
  if (status != 0) return Refuse({"53000", "cannot start the worker thread", "", ""});
  pthread_join(thread, nullptr);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  KeepMemoryPrivate();
  if (pgsidecar::net::AsksToExplain(argc, argv)) {
    signal(SIGPIPE, SIG_IGN);
    int code = kExitUsage;
    const int started =
        RunOnLargeStack([&] { code = pgsidecar::net::RunExplain(argc, argv, Environment()); });
    return started == 0 ? code : started;
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
  pgsidecar::net::Worker worker(&config, &health, &tls);
  // Nothing is said before everything that can be wrong has been tried.
  if (const auto listening = worker.Listen(); !listening.ok()) return Refuse(listening.error());
  if (config.http_listen) {
    if (const auto listening =
            health.Listen(*config.http_listen, [&worker] { return worker.AskForReport(); });
        !listening.ok()) {
      return Refuse(listening.error());
    }
  }
  pgsidecar::log::info("pgsidecar {} upstream={} {}", pgsidecar::proxy::kVersion,
                       pgsidecar::proxy::RedactedUrl(config.upstream), config.FreshnessSummary());
  worker.LogListeners();
  worker.OnReload([argc, argv]() -> Result<pgsidecar::proxy::Config> {
    auto loaded = pgsidecar::proxy::LoadConfig(argc, argv, Environment());
    if (!loaded.ok()) return loaded.error();
    return std::get<pgsidecar::proxy::Config>(*std::move(loaded));
  });
  return RunOnLargeStack([&worker] { worker.Run(); });
}
