#include "net/health.h"

#include <httplib.h>

#include <chrono>
#include <utility>

#include "base/log.h"

namespace pgsidecar::net {
namespace {

// A loop that has not turned for so long hangs.
constexpr int64_t kMaxSilenceMs = 10'000;

int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void Answer(httplib::Response& response, bool good, const char* word) {
  response.status = good ? 200 : 503;
  response.set_content(std::string(word) + "\n", "text/plain");
}

}  // namespace

Health::Health() = default;

Health::~Health() { End(); }

void Health::End() {
  if (server_ != nullptr) server_->stop();
  if (thread_.joinable()) thread_.join();
}

Result<bool> Health::Listen(const proxy::ListenAddress& address, std::function<Report()> ask) {
  server_ = std::make_unique<httplib::Server>();
  server_->Get("/healthz", [this](const httplib::Request&, httplib::Response& response) {
    const bool alive = NowMs() - turned_at_ms_.load() < kMaxSilenceMs;
    Answer(response, alive, alive ? "ok" : "the event loop hangs");
  });
  server_->Get("/readyz", [this](const httplib::Request&, httplib::Response& response) {
    const bool ready = ready_.load();
    Answer(response, ready, ready ? "ok" : "not ready");
  });
  const auto tell = [](httplib::Response& response, const std::string& text, const char* type) {
    response.status = text.empty() ? 503 : 200;
    response.set_content(text, type);
  };
  server_->Get("/metrics", [ask, tell](const httplib::Request&, httplib::Response& response) {
    tell(response, ask().metrics, "text/plain; version=0.0.4");
  });
  server_->Get("/stats", [ask, tell](const httplib::Request&, httplib::Response& response) {
    tell(response, ask().stats, "application/json");
  });
  // Probes and scrapes come one at a time; two threads serve them.
  server_->new_task_queue = [] { return new httplib::ThreadPool(2); };
  int port = address.port;
  if (port == 0) {
    port = server_->bind_to_any_port(address.host.c_str());
  } else if (!server_->bind_to_port(address.host.c_str(), port)) {
    port = -1;
  }
  if (port < 0) {
    return Error{"F0000",
                 "http_listen: cannot listen on " + address.host + ":" +
                     std::to_string(address.port) + ": expected a free local address and port",
                 "", ""};
  }
  turned_at_ms_ = NowMs();
  log::info("http listening on {}:{}", address.host, port);
  thread_ = std::thread([this] { server_->listen_after_bind(); });
  return true;
}

void Health::Turn(bool ready) {
  ready_ = ready;
  turned_at_ms_ = NowMs();
}

}  // namespace pgsidecar::net
