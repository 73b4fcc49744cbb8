#include "net/process.h"

#include <openssl/rand.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <string>
#include <utility>

#include "base/log.h"
#include "net/thread.h"
#include "proxy/console.h"

namespace pgsidecar::net {
namespace {

constexpr uint64_t kTickMs = 50;
// How long a scrape waits for the loop.
constexpr auto kReportPatience = std::chrono::seconds(2);
// A loop that has not turned for so long hangs.
constexpr Duration kMaxSilence = std::chrono::seconds(10);

std::string RandomBytes(size_t count) {
  std::string bytes(count, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) != 1) {
    std::abort();  // without randomness no cancel key is a secret
  }
  return bytes;
}

proxy::WorkerId WorkersOf(const proxy::Config& config) {
  if (config.workers > 0) return config.workers;
  return std::min<uint32_t>(uv_available_parallelism(), proxy::kMaxWorkers);
}

template <typename Handle>
void CloseHandle(Handle* handle) {
  uv_close(reinterpret_cast<uv_handle_t*>(handle), nullptr);
}

}  // namespace

Process::Process(const proxy::Config* config, Health* health, TlsStore* tls)
    : config_(config),
      health_(health),
      tls_(tls),
      hub_(config, RandomBytes, WorkersOf(*config)),
      janitor_(hub_.sweeper()) {
  for (proxy::WorkerId id = 0; id < WorkersOf(*config); ++id) {
    workers_.push_back(std::make_unique<Worker>(id, config->upstream, tls, &hub_));
  }
  uv_timer_init(loop(), &timer_);
  timer_.data = this;
  uv_async_init(loop(), &report_async_,
                [](uv_async_t* async) { static_cast<Process*>(async->data)->OnReportAsked(); });
  report_async_.data = this;
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    auto signal = std::make_unique<uv_signal_t>();
    uv_signal_init(loop(), signal.get());
    signal->data = this;
    uv_signal_start(signal.get(), OnSignal, number);
    signals_.push_back(std::move(signal));
  }
}

Process::~Process() = default;

// --- clients ---

Result<bool> Process::Listen() {
  for (const proxy::ListenAddress& address : config_->listen) {
    // libuv keeps the handle from its first call on, so it has its place before that.
    listeners_.push_back(
        std::make_unique<Listener>([this](Arrival arrival) { OnArrival(std::move(arrival)); }));
    const Result<bool> listening =
        listeners_.back()->Open(loop(), address, config_->unix_socket_mode);
    if (!listening.ok()) return listening.error();
  }
  return true;
}

void Process::LogListeners() const {
  for (const auto& listener : listeners_) log::info("listening on {}", listener->name());
}

void Process::OnReload(proxy::Hub::ReloadConfig reload) {
  hub_.Lock(SharedHub::kNobody)->set_reload(std::move(reload), [this](const proxy::Config& now) {
    tls_->Reload(now);
  });
}

// What the new session has to say, at least that it listens, wakes its worker.
void Process::OnArrival(Arrival arrival) {
  SharedHub::Access hub = hub_.Lock(SharedHub::kNobody);
  const proxy::WorkerId worker = hub->NextWorker();
  const proxy::ClientId client =
      hub->OnClientOpened(arrival.trusted, arrival.peer, Worker::Now(), worker);
  workers_[worker]->Adopt(client, std::move(arrival));
}

// --- statistics ---

Report Process::AskForReport() {
  std::unique_lock lock(report_mutex_);
  const uint64_t wanted = ++reports_asked_;
  uv_async_send(&report_async_);
  report_ready_.wait_for(lock, kReportPatience, [&] { return reports_answered_ >= wanted; });
  return reports_answered_ >= wanted ? report_ : Report();
}

void Process::OnReportAsked() {
  const std::lock_guard lock(report_mutex_);
  SharedHub::Access hub = hub_.Lock(SharedHub::kNobody);
  report_ = {proxy::Metrics(*hub), proxy::StatsJson(*hub)};
  reports_answered_ = reports_asked_;
  report_ready_.notify_all();
}

// --- time and signals ---

void Process::Tick() {
  const TimePoint now = Worker::Now();
  bool ready = false;
  bool done = false;
  auto ordered = proxy::Hub::Shutdown::kNo;
  {
    SharedHub::Access hub = hub_.Lock(SharedHub::kNobody);
    for (proxy::WorkerId id = 0; id < hub->workers(); ++id) {
      hub->OnWorkerTime(id, workers_[id]->processor_time());
    }
    hub->OnTick(now);
    janitor_.set_interval(hub->config().sweep_interval);
    ready = hub->ready();
    done = done_ && done_(*hub);
    ordered = hub->ordered_shutdown();
  }
  if (LoopsTurn()) health_->Turn(ready);
  if (ordered != proxy::Hub::Shutdown::kNo && !draining_) Drain();
  if (ordered == proxy::Hub::Shutdown::kAtOnce) drain_deadline_ = now;
  if (done && !draining_) {
    draining_ = true;
    drain_deadline_ = now;
  }
  FinishIfDrained();
}

bool Process::LoopsTurn() const {
  const TimePoint now = Worker::Now();
  return std::all_of(workers_.begin(), workers_.end(),
                     [now](const auto& worker) { return now - worker->turned_at() < kMaxSilence; });
}

void Process::OnSignal(uv_signal_t* signal, int number) {
  auto* process = static_cast<Process*>(signal->data);
  if (number == SIGHUP) {
    // What is wrong is in the log.
    (void)process->hub_.Lock(SharedHub::kNobody)->Reload(Worker::Now());
    return;
  }
  if (!process->draining_) return process->Drain();
  process->drain_deadline_ = Worker::Now();  // asked twice: at once
  process->FinishIfDrained();
}

void Process::Drain() {
  draining_ = true;
  for (const auto& listener : listeners_) listener->Close();
  {
    SharedHub::Access hub = hub_.Lock(SharedHub::kNobody);
    const Duration timeout = hub->config().drain_timeout;
    drain_deadline_ = Worker::Now() + timeout;
    log::info("draining clients={} drain_timeout_ms={}", hub->sessions().size(),
              timeout.count() / 1000);
    hub->Drain(Worker::Now());
  }
  health_->Turn(false);
  FinishIfDrained();
}

void Process::FinishIfDrained() {
  if (!draining_ || stopping_) return;
  {
    SharedHub::Access hub = hub_.Lock(SharedHub::kNobody);
    if (!hub->sessions().empty() && Worker::Now() < drain_deadline_) return;
    hub->EndAll(Worker::Now());
  }
  stopping_ = true;
  EndWorkers();
  CloseHandle(&timer_);
  health_->End();
  CloseHandle(&report_async_);
  for (const auto& signal : signals_) CloseHandle(signal.get());
  log::info("drained");
}

void Process::EndWorkers() {
  {
    SharedHub::Access hub = hub_.Lock(SharedHub::kNobody);
    for (const auto& worker : workers_) worker->AskToEnd();
  }
  for (const auto& worker : workers_) worker->Wake();
}

Result<bool> Process::RunUntil(std::function<bool(const proxy::Hub&)> done) {
  done_ = std::move(done);
  return Run();
}

Result<bool> Process::Run() {
  std::deque<Thread> threads(workers_.size() - 1);
  Result<bool> started = janitor_.Start();
  for (size_t i = 1; i < workers_.size() && started.ok(); ++i) {
    started = threads[i - 1].Start([worker = workers_[i].get()] { worker->Run(); });
  }
  if (started.ok()) {
    uv_timer_start(
        &timer_, [](uv_timer_t* timer) { static_cast<Process*>(timer->data)->Tick(); }, 0, kTickMs);
    workers_.front()->Run();
  } else {
    EndWorkers();
  }
  for (Thread& thread : threads) thread.Join();
  janitor_.Stop();
  return started;
}

}  // namespace pgsidecar::net
