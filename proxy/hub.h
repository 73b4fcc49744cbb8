// The whole proxy, without its sockets: sessions, server connections, pools, databases, and what
// passes between them. net/ feeds it bytes and events, under one lock, and performs the NetActions
// that come out.
//
// The sockets are carried by workers, one event loop each. Every connection belongs to one of them
// for as long as it lives, and what has to be done for it is in that worker's Output.
//
// Ownership: the hub owns sessions and server connections, by id; ids are never used twice. A
// session points at the server connection that it has leased, and the connection names the session;
// Take (OnServerTaken) breaks both ends.

#ifndef PGSIDECAR_PROXY_HUB_H_
#define PGSIDECAR_PROXY_HUB_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/spare_outboxes.h"
#include "cache/known_sizes.h"
#include "cache/single_flight.h"
#include "cache/store.h"
#include "cache/sweeper.h"
#include "cache/versions.h"
#include "pool/login_gate.h"
#include "pool/pool.h"
#include "pool/prepared.h"
#include "pool/server_connection.h"
#include "proxy/auth_door.h"
#include "proxy/auth_query.h"
#include "proxy/config.h"
#include "proxy/console.h"
#include "proxy/database.h"
#include "proxy/orders.h"
#include "proxy/session.h"
#include "proxy/statistics.h"
#include "proxy/watch.h"

namespace pgsidecar::proxy {

using pool::ClientId;
using pool::ServerId;
using pool::WorkerId;

// What net/ has to do.
struct NetAction {
  enum class Kind : uint8_t {
    kConnectServer,   // open a socket to the upstream for server `id`: OnServerConnected or
                      // ...Failed
    kCloseServer,     // close the socket of server `id` once `last_bytes` are written
    kCloseClient,     // close the socket of client `id` once `last_bytes` are written
    kSendCancel,      // send `last_bytes` on a socket of its own to the upstream: OnCancelSent(id)
    kStartTls,        // write `last_bytes` to client `id`, then be the server of a TLS handshake:
                      // OnClientSecured, or OnClientGone
    kStartDirectTls,  // the same, but `last_bytes` are the first that have come from the client
  };
  Kind kind;
  uint64_t id;
  Outbox last_bytes;
  bool encrypt = false;  // of kSendCancel: over TLS, as what it cancels
};

// What a worker has to do: the actions in their order, then what has been touched.
struct Output {
  std::vector<NetAction> actions;
  // Whose outboxes, or wish for input, may have changed.
  std::vector<ClientId> clients;
  std::vector<ServerId> servers;

  bool empty() const { return actions.empty() && clients.empty() && servers.empty(); }
  void Clear();
};

// What a session is told whose server connection has gone and cannot be replaced.
Error GoneError();

class Hub {
 public:
  // Fresh randomness: that many bytes.
  using Random = std::function<std::string(size_t)>;

  // `config` outlives the hub. REQUIRES: at least one worker.
  Hub(const Config* config, Random random, WorkerId workers = 1);
  ~Hub();

  // --- inputs ---
  // `worker` carries the client's socket.
  ClientId OnClientOpened(bool trusted_listener, std::string peer, TimePoint now,
                          WorkerId worker = 0);
  void OnClientBytes(ClientId id, std::string_view bytes, TimePoint now);
  // The TLS that was asked for is up.
  void OnClientSecured(ClientId id, TransportSecurity transport, TimePoint now);
  void OnClientGone(ClientId id, TimePoint now);
  // What the session had to say has been written.
  void OnClientDrained(ClientId id, TimePoint now);
  // The socket is open, and TLS up or left out as the upstream's sslmode has it.
  void OnServerConnected(ServerId id, TimePoint now, TransportSecurity transport = {});
  // The server has refused the startup packet, nobody has been told, and a socket has been opened
  // another way, over which it is asked again.
  void OnServerReconnected(ServerId id, TransportSecurity transport);
  void OnServerConnectFailed(ServerId id, const Error& error, TimePoint now);
  void OnServerBytes(ServerId id, std::string_view bytes, TimePoint now);
  // `error` by value: it may be the connection's own, which ends here.
  void OnServerGone(ServerId id, Error error, TimePoint now);
  void OnCancelSent(ServerId id, TimePoint now);
  void OnTick(TimePoint now);
  // New clients are refused, the others end as soon as nothing is under way.
  void Drain(TimePoint now);
  // A handshake over which no login could begin.
  void CountTlsFailure(bool of_client) {
    ++(of_client ? statistics_.client_tls_failures : statistics_.server_tls_failures);
  }
  // Ends every session now.
  void EndAll(TimePoint now);
  // The processor time that a worker has used since its start.
  void OnWorkerTime(WorkerId worker, Duration used) { workers_[worker].processor_time = used; }

  // --- what an administrator asks for: hub_admin.cc ---
  // An empty name means every database.
  // No server connection is used any more; each is closed as soon as nobody uses it.
  void Pause(std::string_view database, TimePoint now);
  // Returns false if nothing was paused.
  bool Resume(std::string_view database, TimePoint now);
  // Every server connection is closed as soon as nobody uses it.
  void Reconnect(std::string_view database, TimePoint now);
  // Ends all clients and server connections, and pauses.
  void Kill(std::string_view database, TimePoint now);
  bool KillClient(ClientId id, TimePoint now);
  void Disable(std::string_view database) { orders_.Disable(database); }
  bool Enable(std::string_view database) { return orders_.Enable(database); }
  const Orders& orders() const { return orders_; }
  bool IsWatch(const pool::ServerConnection& server) const { return WatchOf(server) != nullptr; }
  // Replications have connections of their own and do not count.
  bool HasServersOf(std::string_view database) const;
  bool AwaitsClose(std::string_view database) const;
  // How the configuration is read anew, without which Reload fails, and who else is told of the one
  // that then holds. Called from within Reload.
  using ReloadConfig = std::function<Result<Config>()>;
  using OnReloaded = std::function<void(const Config&)>;
  void set_reload(ReloadConfig reload, OnReloaded reloaded = nullptr) {
    reload_ = std::move(reload);
    reloaded_ = std::move(reloaded);
  }
  // Reads the configuration anew; the running one is kept if that fails.
  std::optional<Error> Reload(TimePoint now);
  std::optional<Error> Set(std::string_view name, std::string_view text, TimePoint now);
  // The configuration from now on. Pointers to the former one end here.
  void Reconfigure(Config loaded, TimePoint now);
  // What has been asked of the process; net/ does it.
  enum class Shutdown : uint8_t { kNo, kDrain, kAtOnce };
  void OrderShutdown(Shutdown how) { shutdown_ = how; }
  Shutdown ordered_shutdown() const { return shutdown_; }

  // --- outputs, to be taken after every input ---
  bool HasOutput(WorkerId worker) const { return !workers_[worker].output.empty(); }
  // Exchanges the worker's output for `into`. REQUIRES: `into` is empty.
  void TakeOutput(WorkerId worker, Output* into) { std::swap(workers_[worker].output, *into); }
  // Exchange an outbox for `into`, and touch who was held back because it was full; nothing if the
  // connection is gone. REQUIRES: `into` is empty.
  void TakeClientBytes(ClientId id, Outbox* into);
  void TakeServerBytes(ServerId id, Outbox* into);
  // Nullptr once it has ended.
  Session* FindSession(ClientId id);
  pool::ServerConnection* FindServer(ServerId id);
  // Whether the server's bytes are wanted now: its client keeps up.
  bool WantsServerBytes(const pool::ServerConnection& server);

  // --- for the console and the metrics ---
  struct WorkerFigures {
    size_t clients = 0;
    size_t servers = 0;
    Duration processor_time{};
  };
  WorkerId workers() const { return static_cast<WorkerId>(workers_.size()); }
  WorkerFigures figures_of(WorkerId worker) const;
  // The worker with the fewest clients, to which the next one goes.
  WorkerId NextWorker() const;
  const Config& config() const { return *config_; }
  const Statistics& statistics() const { return statistics_; }
  const cache::Store& store() const { return store_; }
  // The store's clean-up, which is left to the hub's owner: on any thread, without a lock of the
  // hub's.
  cache::Sweeper* sweeper() { return &sweeper_; }
  const cache::VersionTable& versions() const { return versions_; }
  const cache::SingleFlight& flights() const { return flights_; }
  const MismatchLog& mismatches() const { return mismatches_; }
  // Drops everything that is cached, and what is being filled; returns how many entries that was.
  size_t Flush();
  const std::unordered_map<ClientId, std::unique_ptr<Session>>& sessions() const {
    return sessions_;
  }
  const std::unordered_map<ServerId, std::unique_ptr<pool::ServerConnection>>& servers() const {
    return servers_;
  }
  const std::map<std::string, std::unique_ptr<pool::Pool>>& pools() const { return pools_; }
  const std::vector<std::unique_ptr<Database>>& databases() const { return databases_; }
  size_t logins_under_way() const { return logins_.size(); }
  uint64_t auth_queries() const { return auth_query_.asked(); }
  size_t waiting_logins() const { return waiting_logins_.size(); }
  size_t LoginsInFlight() const;
  bool server_failing() const { return gate_.failing(); }
  static const std::string& UserOf(const pgwire::StartupMessage& startup);
  // As the server has it: the user's name if none is said.
  static const std::string& DatabaseOf(const pgwire::StartupMessage& startup);
  // Why the catalog of the upstream URL's database is not loaded; empty if nothing is wrong.
  const std::string& upstream_error() const { return watches_.front()->last_error(); }
  bool draining() const { return draining_; }
  // The upstream answers, and new clients are let in.
  bool ready() const;

 private:
  // What the hub knows of a worker.
  struct WorkerState {
    Output output;
    size_t clients = 0;
    Duration processor_time{};
  };
  void Touch(const Session& session);
  void TouchServer(const pool::ServerConnection& server);
  void TouchServer(ServerId id);
  void Act(WorkerId worker, NetAction action) {
    workers_[worker].output.actions.push_back(std::move(action));
  }

  // Performs what sessions ask for until nobody asks for anything.
  void Settle(Session* session, TimePoint now);
  void SettleOne(Session* session, TimePoint now);
  void Perform(Session* session, Action action, TimePoint now);
  void EndSession(Session* session, TimePoint now);
  void KeepTransport(pool::ServerConnection* server, TransportSecurity transport);

  // --- hub_auth.cc: logins that the proxy judges ---
  void FindSecret(Session* session, TimePoint now);
  pool::LoginSecret SecretFor(const std::string& user) const;
  void StartOwnLogin(pool::ServerConnection* server);
  void OnOwnLoginRefused(const pool::ServerConnection& server);
  void TickAuth(TimePoint now);
  void LeaveAuthQuery(TimePoint now);
  void OnAuthQueryEvent(pool::ServerConnection::Event event, TimePoint now);
  void Enter(Session* session, TimePoint now);
  void EnterReplication(Session* session, TimePoint now);
  bool IsOpen(const Door& door, TimePoint now) const;
  void KnockAtDoors(TimePoint now);
  void Knock(Door* door, TimePoint now);
  void FailDoors(const Error& error, TimePoint now);
  void LetIn(Session* session, const Door& door, TimePoint now);
  Door* DoorOf(const pool::ServerConnection& server);
  void OnDoorProbed(Door* door, const pool::ServerConnection& server);
  void OpenDoor(Door* door, TimePoint now);
  void FailDoor(Door* door, const Error& error, TimePoint now);
  void TrimDoors();

  void LogIn(Session* session, TimePoint now);
  void BeginReplication(Session* session, TimePoint now);
  void Probe(pool::ServerConnection* server, TimePoint now);
  void OnProbed(pool::ServerConnection* server, TimePoint now);
  pool::Pool* PoolFor(const pool::ServerConnection& server);
  void CompleteLogin(Session* session, pool::ServerConnection* server, TimePoint now);

  pool::ServerConnection* OpenServer(const pgwire::StartupMessage& startup, WorkerId worker,
                                     TimePoint now);
  void Lease(Session* session, TimePoint now);
  void Offer(pool::ServerConnection* server, Session* session, TimePoint now);
  void ResetSettings(pool::ServerConnection* server, TimePoint now);
  void OnSettingsReset(pool::ServerConnection* server, TimePoint now);
  void ServeWaiters(pool::Pool* pool, const Error& error, TimePoint now);
  void CloseUnwanted(pool::Pool* pool, TimePoint now);
  bool IsWanted(const pool::ServerConnection& server) const;
  void Give(pool::ServerConnection* server, Session* session, TimePoint now);
  void TakeBack(Session* session, Action how, TimePoint now);
  void PutBack(pool::ServerConnection* server, TimePoint now);
  void CloseServer(pool::ServerConnection* server, TimePoint now,
                   CloseReason why = CloseReason::kUnusable);
  void OnServerEvent(pool::ServerConnection* server, pool::ServerConnection::Event event,
                     TimePoint now);
  void FailWaiters(pool::Pool* pool, const Error& error, TimePoint now);
  void Replace(pool::Pool* pool, bool may_grow, const Error& error, TimePoint now);
  bool Recall(const pool::Pool& pool, TimePoint now);
  void LeaseAgain(Session* session, TimePoint now);
  void KeepOrphans(Session* session, const pool::ServerConnection& server);
  void SendCancel(pool::ServerConnection* server);
  void ForwardCancel(const Session& from, TimePoint now);

  // Known from now on, if it was not; watched from the next TickWatches on.
  Database* DatabaseNamed(const std::string& name);
  Database* FindDatabase(std::string_view name) const;  // nullptr if it is not known
  Watch* WatchOf(const pool::ServerConnection& server) const;
  void TickWatches(TimePoint now);
  void LeaveUnusedDatabases(TimePoint now);
  void OnWatched(Watch* watch, TimePoint now);
  void WakeForCatalog(const Database* database, TimePoint now);
  void EscalateAll(const Database* only);
  void TickSessions(TimePoint now);
  void List(Session* session);
  void EndOverdue(TimePoint now);

  // --- hub_pools.cc ---
  std::optional<Error> LoginRefusal(const Session& session) const;
  bool MayLogIn(TimePoint now) const;
  void NextLogin(TimePoint now);
  void FailWaitingLogins(const Error& error, TimePoint now);
  void NoteFailedLogin(const pool::ServerConnection& server, const Error& error, TimePoint now);
  bool MakeRoom(const pgwire::StartupMessage& startup, TimePoint now);
  size_t Allowed(const pool::Pool& pool, TimePoint now) const;
  bool Grow(pool::Pool* pool, TimePoint now);
  void FeedPools(TimePoint now);
  bool HasExpired(const pool::ServerConnection& server, TimePoint now) const;
  std::optional<CloseReason> Worn(const pool::ServerConnection& server, TimePoint now) const;
  void TrimPools(TimePoint now);
  bool NeedsCheck(const pool::ServerConnection& server, TimePoint now) const;
  void Check(pool::ServerConnection* server, TimePoint now);
  bool PassesCheck(pool::ServerConnection* server, TimePoint now);
  void OnSettled(pool::ServerConnection* server, TimePoint now);
  void Reset(pool::ServerConnection* server);

  // --- hub_admin.cc ---
  std::vector<ServerId> ServersOf(std::string_view database) const;
  void LeaveIdle(std::string_view database, TimePoint now);
  bool AnswerConsole(Session* session, TimePoint now);
  void TickConsole(TimePoint now);

  const Config* config_;  // the first, or own_config_
  std::unique_ptr<const Config> own_config_;
  ReloadConfig reload_;
  OnReloaded reloaded_;
  Random random_;
  cache::VersionTable versions_;
  cache::Store store_;
  cache::Sweeper sweeper_{&store_};
  cache::SingleFlight flights_;
  cache::KnownSizes sizes_;
  DecisionPool decisions_;
  SpareOutboxes spare_outboxes_{64};
  pool::PreparedRegistry prepared_;
  Statistics statistics_;
  MismatchLog mismatches_;
  Shared shared_;

  uint64_t next_id_ = 1;
  std::unordered_map<ClientId, std::unique_ptr<Session>> sessions_;
  std::vector<ClientId> active_;   // those that are not idle, and some that are: see TickSessions
  std::vector<ClientId> ticking_;  // those that are being told the time
  size_t ticked_bucket_ = 0;       // of sessions_: the idle ones in it are told next
  std::unordered_map<ServerId, std::unique_ptr<pool::ServerConnection>> servers_;
  std::map<std::string, std::unique_ptr<pool::Pool>> pools_;  // by pool key
  std::vector<std::unique_ptr<Database>> databases_;          // none is ever taken out
  std::unordered_map<std::string_view, Database*, TextHash> databases_by_name_;
  std::vector<std::unique_ptr<Watch>> watches_;  // of the database of the same index
  std::deque<ClientId> waiting_logins_;
  std::unordered_set<ClientId> logins_;  // under way
  AuthQuery auth_query_;
  std::map<std::string, Door> doors_;                          // by startup packet
  std::unordered_map<std::string, pool::LoginSecret> gained_;  // by user, from clients' logins
  pool::LoginGate gate_;
  bool starving_ = false;  // a pool could not grow for want of room or of a login
  Orders orders_;
  std::map<ClientId, ConsoleOutcome> console_answers_;  // that wait
  Shutdown shutdown_ = Shutdown::kNo;
  bool draining_ = false;

  FlatQueue<ClientId> unsettled_;
  std::vector<Action> taken_;  // of the session that is being settled
  bool settling_ = false;
  std::vector<WorkerState> workers_;
};

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_HUB_H_
