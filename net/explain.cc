#include "net/explain.h"

#include <cstdio>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/log.h"
#include "net/health.h"
#include "net/process.h"
#include "net/tls_context.h"
#include "proxy/config.h"
#include "proxy/explain.h"

namespace pgsidecar::net {
namespace {

constexpr std::string_view kCommand = "explain";
constexpr int kCacheable = 0;
constexpr int kNotCacheable = 1;
constexpr int kFailed = 2;

int Fail(const std::string& why) {
  std::fprintf(stderr, "pgsidecar: explain: %s\n", why.c_str());
  return kFailed;
}

struct CommandLine {
  std::string sql;
  std::optional<std::string> user;
  std::optional<std::string> search_path;
  std::vector<const char*> settings;  // the configuration's flags
};

// explain TEXT, then flags; nullopt if the text or a flag's value is missing.
std::optional<CommandLine> Read(int argc, const char* const* argv) {
  CommandLine line;
  if (argc < 3 || std::string_view(argv[2]).starts_with("--")) return std::nullopt;
  line.sql = argv[2];
  line.settings.push_back(argv[0]);
  for (int i = 3; i < argc; ++i) {
    const std::string_view flag = argv[i];
    std::optional<std::string>* own = flag == "--user"          ? &line.user
                                      : flag == "--search-path" ? &line.search_path
                                                                : nullptr;
    if (own == nullptr) {
      line.settings.push_back(argv[i]);
    } else if (++i < argc) {
      *own = argv[i];
    } else {
      return std::nullopt;
    }
  }
  return line;
}

}  // namespace

bool AsksToExplain(int argc, const char* const* argv) { return argc > 1 && argv[1] == kCommand; }

int RunExplain(int argc, const char* const* argv,
               const std::map<std::string, std::string>& environment) {
  const std::optional<CommandLine> line = Read(argc, argv);
  if (!line) {
    return Fail(
        "expected pgsidecar explain \"SELECT ...\" [--user NAME] [--search-path PATH] and the "
        "flags "
        "of pgsidecar");
  }
  auto loaded = proxy::LoadConfig(static_cast<int>(line->settings.size()), line->settings.data(),
                                  environment);
  if (!loaded.ok()) return Fail(loaded.error().message);
  if (const auto* message = std::get_if<proxy::ExitMessage>(&*loaded)) {
    std::fputs(message->text.c_str(), stdout);
    return kCacheable;
  }
  auto config = std::get<proxy::Config>(*std::move(loaded));
  config.workers = 1;
  if (const auto logging = InitLogging("off", config.log_format); !logging.ok()) {
    return Fail(logging.error().message);
  }

  TlsStore tls;
  if (const auto loaded_tls = tls.Load(config); !loaded_tls.ok()) {
    return Fail(loaded_tls.error().message);
  }
  Health health;
  Process process(&config, &health, &tls);
  std::optional<proxy::Explanation> explanation;
  std::string error = "the server did not answer";
  proxy::ExplainRequest request;
  request.sql = line->sql;
  request.user = line->user.value_or(config.upstream.user);
  request.database = config.upstream.database;
  if (line->search_path) request.search_path = *line->search_path;
  const Result<bool> ran = process.RunUntil([&](const proxy::Hub& hub) {
    const proxy::Database& database = *hub.databases().front();
    if (database.awaits_first_load()) return false;
    if (const catalog::Catalog* catalog = database.last_catalog()) {
      explanation = proxy::Explain(request, config, *catalog);
    } else {
      error = hub.upstream_error();
    }
    return true;
  });
  if (!ran.ok()) return Fail(ran.error().message);
  if (!explanation) return Fail("the catalog cannot be loaded: " + error);
  std::fputs(explanation->text.c_str(), stdout);
  return explanation->cacheable ? kCacheable : kNotCacheable;
}

}  // namespace pgsidecar::net
