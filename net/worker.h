// A worker: one libuv loop on a thread of its own, which carries the bytes and events of its
// connections to the hub that all workers share, and back.
//
// A turn of the loop reads what is readable into the worker's one buffer, hands all of it to the
// hub, and then writes what the hub wants to be written, as far as the sockets take it. So the
// hub's code runs several times in a row while it is in the processor's nearest cache; a write in
// between, the kernel's whole way to another process, would drive it out. Only what a socket does
// not take waits. Under the hub's lock bytes are taken over, never carried: no system call is made
// there.
//
// Everything here runs on the loop's thread, but for what says otherwise.

#ifndef PGSIDECAR_NET_WORKER_H_
#define PGSIDECAR_NET_WORKER_H_

#include <time.h>
#include <uv.h>

#include <atomic>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/spare_outboxes.h"
#include "net/connection.h"
#include "net/listener.h"
#include "net/shared_hub.h"
#include "net/tls_context.h"
#include "pool/tls_negotiation.h"
#include "proxy/config.h"

namespace pgsidecar::net {

class Worker {
 public:
  // `tls` and `hub` outlive the worker, which has a waker in the hub.
  Worker(proxy::WorkerId id, proxy::UpstreamUrl upstream, TlsStore* tls, SharedHub* hub);
  // REQUIRES: the loop does not run.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  uv_loop_t* loop() { return &loop_; }
  // Runs until the end has been asked for and everything on the loop is closed.
  void Run();

  // --- from any thread that holds the hub's lock; the caller wakes the worker ---
  // The client's socket is this worker's from now on.
  void Adopt(proxy::ClientId client, Arrival arrival);
  // The last words are written as far as that goes at once, and every connection is closed.
  void AskToEnd() { end_asked_ = true; }

  // --- from any thread ---
  void Wake() { uv_async_send(&wake_); }
  // When the loop last turned; zero before it runs.
  TimePoint turned_at() const { return turned_at_.load(); }
  // The processor time of its thread, or nothing before it runs.
  Duration processor_time() const;

  static TimePoint Now();

 private:
  struct Adopted {
    proxy::ClientId client;
    Arrival arrival;
  };
  // How many are read before they are delivered.
  static constexpr size_t kMaxReads = 16;
  struct Read {
    Connection* connection;
    std::string_view bytes;
  };
  // What has come of system calls, and is told to the hub when it is locked next.
  struct News {
    // kReady: open, or what was taken last has been written.
    enum class Kind : uint8_t { kReady, kLost };
    Kind kind;
    Connection* connection;
    Error error;  // of kLost
  };

  static void OnReady(uv_poll_t* poll, int status, int events);
  static void OnConnectEnded(Connection* connection, int status);
  void OnTurnEnded();

  void Receive(Connection* connection);
  void DeliverReads();
  void Deliver(const Connection& connection, std::string_view bytes);
  // Whether its bytes are TLS, or may yet be.
  static bool IsGuarded(const Connection& connection);
  void OnOpen(Connection* connection);
  // The other end has gone, or cannot be reached.
  void Lose(Connection* connection, Error error);

  // --- under the hub's lock ---
  void Hand(proxy::Hub& hub, const Connection& connection, std::string_view bytes, TimePoint now);
  void Tell(proxy::Hub& hub, const News& news);
  // Takes over what the hub has for this worker.
  void Collect(proxy::Hub& hub);
  void Note(proxy::Hub& hub, Connection* connection);

  // --- without it ---
  // Does what has been taken over, tells the hub what came of it, and so on until both are content.
  // The end of every callback that has to do with connections.
  void Settle();
  void Perform(proxy::NetAction action);
  void Open(Adopted adopted);
  void Connect(proxy::ServerId id, Role role, Outbox first_bytes,
               std::unique_ptr<pool::TlsNegotiation> negotiation);
  void Write(Connection* connection);
  void GoOnWriting(Connection* connection);
  bool WriteSome(Connection* connection, Outbox* out);
  bool WantsBytes(const Connection& connection) const;
  void UpdateReading(Connection* connection);
  void UpdateWatch(Connection* connection);
  void End(Connection* connection, Outbox last);
  void Close(Connection* connection);
  void CloseAll();
  void Tick();
  Connection* Find(Role role, uint64_t id);

  // --- worker_tls.cc, without it, too ---
  std::unique_ptr<pool::TlsNegotiation> NewNegotiation(bool must_encrypt) const;
  void Negotiate(Connection* connection, pool::TlsNegotiation::Step step);
  void Reconnect(Connection* connection);
  void GiveRefusal(Connection* connection);
  void StartClientTls(Connection* connection, proxy::NetAction action);
  void OnGuardedBytes(Connection* connection, std::string_view bytes);
  void DeliverJudged(Connection* connection, std::string_view bytes);
  void Pump(Connection* connection);
  void LogFailure(proxy::Hub& hub, const Connection* connection);
  bool ShakeHands(Connection* connection);
  bool WriteTls(Connection* connection);

  proxy::WorkerId id_;
  proxy::UpstreamUrl upstream_;
  TlsStore* tls_;
  SharedHub* hub_;
  uv_loop_t loop_;
  uv_timer_t timer_;
  uv_async_t wake_;
  uv_check_t check_;  // runs when everything that the loop has found ready has been read
  // Closed before it had a socket, which else says when it can be deleted.
  std::vector<std::unique_ptr<Connection>> never_opened_;
  std::vector<char> read_buffer_;
  std::vector<Read> reads_;       // in read_buffer_, not delivered yet, in their order
  size_t read_bytes_ = 0;         // that they take
  std::vector<char> tls_buffer_;  // for decrypted bytes; empty as long as there is no TLS
  std::atomic<TimePoint> turned_at_{};
  std::atomic<clockid_t> processor_clock_{};
  std::atomic<bool> running_ = false;

  std::unordered_map<uint64_t, Connection*> clients_;
  std::unordered_map<uint64_t, Connection*> servers_;
  std::unordered_set<Connection*> others_;  // cancels, and connections that are ending

  // Taken over from the hub, not done yet.
  proxy::Output output_;
  std::vector<proxy::NetAction> actions_;
  std::vector<Adopted> adopted_;
  SpareOutboxes spare_outboxes_{kMaxReads};
  std::vector<Connection*> noted_;  // whose bytes have been taken, or whose wish may have changed
  Duration connect_timeout_{};      // as the configuration says now
  bool ending_ = false;
  bool ended_ = false;
  std::vector<News> news_;

  // Guarded by the hub's lock.
  std::vector<Adopted> inbox_;
  bool end_asked_ = false;
};

}  // namespace pgsidecar::net

#endif  // PGSIDECAR_NET_WORKER_H_
