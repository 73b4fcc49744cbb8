// The process: one hub, the workers that carry its sockets, the listeners, the signals, and the
// end.
//
// Worker 0's loop has, besides what every worker has, the listeners, the signals and the tick of
// the hub. A client that arrives goes to the worker that has the fewest.

#ifndef PGSIDECAR_NET_PROCESS_H_
#define PGSIDECAR_NET_PROCESS_H_

#include <uv.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/result.h"
#include "net/health.h"
#include "net/janitor.h"
#include "net/listener.h"
#include "net/shared_hub.h"
#include "net/tls_context.h"
#include "net/worker.h"
#include "proxy/config.h"

namespace pgsidecar::net {

class Process {
 public:
  // All of them outlive the process.
  Process(const proxy::Config* config, Health* health, TlsStore* tls);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Opens every listener. The error names the address and what is wrong with it.
  Result<bool> Listen();
  void LogListeners() const;
  // How SIGHUP and the console read the configuration anew; certificates are read with it. Before
  // Run.
  void OnReload(proxy::Hub::ReloadConfig reload);
  // From any thread: the statistics of now, asked of worker 0; empty if it does not answer in time.
  Report AskForReport();
  // Runs until a signal has asked for the end and every session has ended. Worker 0 runs on the
  // caller's thread. REQUIRES: that has a stack for the analyser of SQL.
  Result<bool> Run();
  // Runs until `done`, which is asked once a tick, says so.
  Result<bool> RunUntil(std::function<bool(const proxy::Hub&)> done);

 private:
  static void OnSignal(uv_signal_t* signal, int number);

  void OnArrival(Arrival arrival);
  void OnReportAsked();
  void Tick();
  bool LoopsTurn() const;
  void Drain();
  void FinishIfDrained();
  void EndWorkers();
  uv_loop_t* loop() { return workers_.front()->loop(); }

  const proxy::Config* config_;
  Health* health_;
  TlsStore* tls_;
  SharedHub hub_;
  Janitor janitor_;
  // On worker 0's loop: they outlive it.
  uv_timer_t timer_;
  std::vector<std::unique_ptr<uv_signal_t>> signals_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  uv_async_t report_async_;
  std::vector<std::unique_ptr<Worker>> workers_;

  bool draining_ = false;
  bool stopping_ = false;
  TimePoint drain_deadline_{};
  std::function<bool(const proxy::Hub&)> done_;  // of RunUntil

  std::mutex report_mutex_;  // guards what follows
  std::condition_variable report_ready_;
  uint64_t reports_asked_ = 0;
  uint64_t reports_answered_ = 0;
  Report report_;
};

}  // namespace pgsidecar::net

#endif  // PGSIDECAR_NET_PROCESS_H_
