// A worker: one libuv loop that carries the bytes and events of one Hub. Everything here runs on
// the loop's thread, but for AskForReport.
//
// A read fills the worker's one buffer and goes to the hub at once; what the hub wants to be
// written is written at once as far as the socket takes it. Only what the socket does not take
// waits.

#ifndef PGSIDECAR_NET_WORKER_H_
#define PGSIDECAR_NET_WORKER_H_

#include <uv.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/result.h"
#include "net/connection.h"
#include "net/health.h"
#include "net/tls_context.h"
#include "proxy/hub.h"

namespace pgsidecar::net {

class Worker {
 public:
  // All of them outlive the worker.
  Worker(const proxy::Config* config, Health* health, TlsStore* tls);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Opens every listener. The error names the address and what is wrong with it.
  Result<bool> Listen();
  void LogListeners() const;
  // How SIGHUP and the console read the configuration anew; certificates are read with it.
  void OnReload(proxy::Hub::ReloadConfig reload) {
    hub_.set_reload(std::move(reload), [this](const proxy::Config& now) { tls_->Reload(now); });
  }
  // From any thread: the statistics of now, asked of the loop; empty if it does not answer in time.
  Report AskForReport();
  // Runs until a signal has asked for the end and every session has ended.
  void Run();
  // Runs until `done`, which is asked once a tick, says so.
  void RunUntil(std::function<bool(const proxy::Hub&)> done);

 private:
  struct Listener;
  struct Resolution;

  Result<bool> ListenOn(const proxy::ListenAddress& address);
  static void OnNewClient(uv_stream_t* listener, int status);
  void Accept(Listener* listener);

  void Connect(proxy::ServerId id, Role role, Outbox first_bytes,
               std::unique_ptr<pool::TlsNegotiation> negotiation);
  void ConnectTo(Connection* connection, const sockaddr* address);
  static void OnResolved(uv_getaddrinfo_t* request, int status, addrinfo* addresses);
  static void OnConnected(uv_connect_t* request, int status);
  void OnConnectEnded(Connection* connection, int status);
  void OnOpen(Connection* connection);

  static void OnAllocate(uv_handle_t* handle, size_t suggested, uv_buf_t* buffer);
  static void OnRead(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer);
  static void OnWritten(uv_write_t* request, int status);
  static void OnClosed(uv_handle_t* handle);
  static void OnReportAsked(uv_async_t* async);
  static void OnTimer(uv_timer_t* timer);
  static void OnSignal(uv_signal_t* signal, int number);

  void OnBytes(Connection* connection, std::string_view bytes);
  void Deliver(Connection* connection, std::string_view bytes);
  void OnGone(Connection* connection, const Error& error);
  // Performs what the hub asks for, and writes what it has to say, until it is content.
  void Settle();
  void Perform(proxy::NetAction action);
  Connection* Find(Role role, uint64_t id);
  Outbox* OutboxOf(Connection* connection);
  void Flush(Connection* connection);
  bool WriteNow(Connection* connection, Outbox* out);
  void CountSent(const Connection* connection, size_t bytes);
  void UpdateReading(Connection* connection);
  bool WantsBytes(const Connection& connection);
  void End(Connection* connection, Outbox last);
  void Close(Connection* connection);
  void Tick();
  void StopListening();
  void Drain();
  void FinishIfDrained();
  TimePoint Now() const;

  // --- worker_tls.cc ---
  std::unique_ptr<pool::TlsNegotiation> NewNegotiation(bool must_encrypt) const;
  void Negotiate(Connection* connection, pool::TlsNegotiation::Step step);
  void Reconnect(Connection* connection);
  void GiveRefusal(Connection* connection);
  void StartClientTls(Connection* connection, proxy::NetAction action);
  void OnGuardedBytes(Connection* connection, std::string_view bytes);
  void DeliverJudged(Connection* connection, std::string_view bytes);
  void Pump(Connection* connection);
  void LogFailure(const Connection* connection);
  bool ShakeHands(Connection* connection);
  bool FlushTls(Connection* connection, Outbox* plain);

  const proxy::Config* config_;
  Health* health_;
  TlsStore* tls_;
  uv_loop_t loop_;
  uv_timer_t timer_;
  std::vector<std::unique_ptr<uv_signal_t>> signals_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  proxy::Hub hub_;
  std::vector<char> read_buffer_;
  std::vector<char> tls_buffer_;  // for decrypted bytes; empty as long as there is no TLS

  std::unordered_map<uint64_t, Connection*> clients_;
  std::unordered_map<uint64_t, Connection*> servers_;
  std::unordered_set<Connection*> others_;  // cancels, and connections that are ending
  std::unordered_set<Connection*> resolving_;
  std::vector<Connection*> broken_;  // found dead while writing
  bool draining_ = false;
  bool stopping_ = false;
  TimePoint drain_deadline_{};
  std::function<bool(const proxy::Hub&)> done_;  // of RunUntil

  uv_async_t report_async_;
  std::mutex report_mutex_;  // guards what follows
  std::condition_variable report_ready_;
  uint64_t reports_asked_ = 0;
  uint64_t reports_answered_ = 0;
  Report report_;
};

}  // namespace pgsidecar::net

#endif  // PGSIDECAR_NET_WORKER_H_
