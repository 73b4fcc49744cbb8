// The hub's server connections: logins, leases, loss, cancel requests.

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "catalog/catalog.h"
#include "pgwire/frame.h"
#include "pgwire/frontend.h"
#include "proxy/hub.h"

namespace pgsidecar::proxy {

using pool::ServerConnection;
using pool::ServerState;

// Nobody can open a connection for those who wait: under passthrough only a client's own login can.
Error GoneError() {
  return {"57P01", "terminating connection: the server connection is gone",
          "The server has to judge a new login.", "Connect again."};
}

// --- logins ---

void Hub::LogIn(Session* session, TimePoint now) {
  if (const auto error = LoginRefusal(*session)) {
    ++statistics_.logins_refused;
    return session->OnLoginFailed(*error, now);
  }
  waiting_logins_.push_back(session->id());
  NextLogin(now);
  if (!waiting_logins_.empty() && waiting_logins_.back() == session->id()) {
    ++statistics_.logins_held;
  }
}

ServerConnection* Hub::OpenServer(const pgwire::StartupMessage& startup, WorkerId worker,
                                  TimePoint now) {
  const ServerId id = next_id_++;
  auto server = std::make_unique<ServerConnection>(id, startup, now);
  ServerConnection* raw = server.get();
  raw->worker = worker;
  raw->deadline = now + config_->server_connect_timeout;
  servers_.emplace(id, std::move(server));
  ++statistics_.server_connections;
  Act(worker, {NetAction::Kind::kConnectServer, id, {}});
  return raw;
}

void Hub::Probe(ServerConnection* server, TimePoint now) {
  if (server == nullptr) return;
  server->deadline = now + config_->server_connect_timeout;
  auto reader = std::make_shared<catalog::ProbeReader>();
  server->StartQuery(
      catalog::ProbeQuery(),
      [reader](size_t result_set, catalog::Row row) { reader->OnRow(result_set, row); },
      [server, reader](const Error* error) {
        Result<catalog::ProbeAnswer> answer = reader->Finish();
        if (error != nullptr || !answer.ok()) return;
        catalog::ProbeAnswer& probe = *answer;
        server->environment = std::make_shared<const pool::Environment>(
            pool::Environment{.fingerprint = std::move(probe.environment),
                              .login_settings = std::move(probe.login_settings),
                              .search_path = std::move(probe.search_path),
                              .session_user = std::move(probe.session_user),
                              .current_user = std::move(probe.current_user),
                              .conf_load_time = std::move(probe.conf_load_time),
                              .database = probe.database,
                              .read_committed = probe.default_isolation == "read committed",
                              .uncacheable_because = std::move(probe.uncacheable_because)});
      });
  TouchServer(server->id());
}

pool::Pool* Hub::PoolFor(const ServerConnection& server) {
  const std::string_view settings =
      server.environment ? std::string_view(server.environment->login_settings) : "";
  std::string key = pool::PoolKey(server.startup(), settings);
  auto& pool = pools_[key];
  if (pool == nullptr) {
    pool = std::make_unique<pool::Pool>(key, server.startup());
    pool->limits = config_->LimitsOf(pool->database(), pool->user());
  }
  return pool.get();
}

// The probe of a connection has ended. One without an answer is used all the same: its settings are
// not known, and nothing is cached on it.
void Hub::OnProbed(ServerConnection* server, TimePoint now) {
  if (!PassesCheck(server, now)) return;
  pool::Pool* pool = PoolFor(*server);
  Session* session = FindSession(server->client);
  Door* door = DoorOf(*server);
  // As it does not change for long, all who are told of it share one.
  if (server->environment && pool->environment && *server->environment == *pool->environment) {
    server->environment = pool->environment;
  } else if (server->environment) {
    pool->environment = server->environment;
  }
  if (server->pool == nullptr) {
    pool->Adopt(server);
    // The URL's password is relied on once the proxy itself has come in by it.
    const bool proven = pool->user() != config_->upstream.user || watches_.front()->connected();
    const bool known = proven && !SecretFor(pool->user()).empty();
    if (!server->challenged || known) pool->can_log_in = true;
  } else if (server->pool != pool) {
    // Opened for a pool whose settings have changed in between: so would be any other.
    pool::Pool* opened_for = server->pool;
    CloseServer(server, now);
    Replace(opened_for, false, GoneError(), now);
    return LeaseAgain(session, now);
  }
  if (session != nullptr && session->state() == SessionState::kLoggingIn) {
    return CompleteLogin(session, server, now);
  }
  // One that cannot say what it holds is used as it is.
  if (session != nullptr &&
      (server->environment || pool::SameLabel(server->label, session->label()))) {
    return server->environment ? Offer(server, session, now) : Give(server, session, now);
  }
  if (session != nullptr) {
    pool::Pool* of = server->pool;
    CloseServer(server, now);
    Replace(of, !draining_, GoneError(), now);
    return LeaseAgain(session, now);
  }
  if (door != nullptr) OnDoorProbed(door, *server);
  server->MoveTo(ServerState::kIdle);
  PutBack(server, now);
  if (door != nullptr) OpenDoor(door, now);
}

void Hub::CompleteLogin(Session* session, ServerConnection* server, TimePoint now) {
  // Protocol 3.2 takes keys of up to 256 bytes; 3.0 has exactly four.
  const size_t key_bytes = server->cancel_key.size() > 4 ? 32 : 4;
  Database* database = DatabaseNamed(server->pool->database());
  server->home_of = session->id();
  ++server->pool->clients;
  ++database->clients;
  logins_.erase(session->id());
  TickWatches(now);
  session->OnLoggedIn(server->pool, database, server->pid, random_(key_bytes), now);
  Settle(session, now);
}

// The login of a replication has been accepted.
void Hub::BeginReplication(Session* session, TimePoint now) {
  ServerConnection* server = session->server();
  session->OnReplication(server->pid, random_(server->cancel_key.size() > 4 ? 32 : 4), now);
  NextLogin(now);
}

// --- leases ---

void Hub::Lease(Session* session, TimePoint now) {
  pool::Pool* pool = session->pool();
  pool::LeaseWish wish = session->Wish();
  const ServerConnection* last = FindServer(wish.last);
  wish.only_last &= last != nullptr && last->pool == pool && last->sequence_client == session->id();
  if (orders_.paused(pool->database())) return pool->Enqueue(std::move(wish), now);
  // Who waits already can use none of those that are idle.
  if (ServerConnection* server = pool->TakeIdle(wish, last)) return Offer(server, session, now);
  ++statistics_.waits;
  pool->Enqueue(std::move(wish), now);
  if (Recall(*pool, now)) return;  // should it not come back: FeedPools
  if (!Grow(pool, now)) ServeWaiters(pool, GoneError(), now);
}

// Whether a session that need not keep its connection has been found, and told.
bool Hub::Recall(const pool::Pool& pool, TimePoint now) {
  if (config_->unknown_code != "audit") return false;
  for (const auto& [id, server] : servers_) {
    if (server->pool != &pool || server->state() != ServerState::kLeased) continue;
    Session* session = FindSession(server->client);
    if (session == nullptr || !session->MayBeRecalled()) continue;
    session->OnRecalled(now);
    Settle(session, now);
    return true;
  }
  return false;
}

// Waiters get what they can use of the idle connections. One that is of no use to them makes room
// for another; if none can be opened, and none is to come back, they are told.
void Hub::ServeWaiters(pool::Pool* pool, const Error& error, TimePoint now) {
  for (size_t i = 0; !pool->idle().empty() && i < pool->waiters().size();) {
    const pool::LeaseWish wish = pool->waiters()[i].wish;
    Session* session = FindSession(wish.client);
    ServerConnection* server = session == nullptr ? nullptr : pool->TakeIdle(wish);
    if (server == nullptr) {
      ++i;
      continue;
    }
    pool->Leave(wish.client);
    Offer(server, session, now);
    i = 0;  // others may have come or gone
  }
  if (pool->waiters().empty()) return;
  const bool of_no_use =
      !pool->idle().empty() &&
      std::any_of(pool->waiters().begin(), pool->waiters().end(),
                  [](const pool::Pool::Waiter& waiter) { return !waiter.wish.only_last; });
  if (of_no_use && pool->can_log_in && !draining_) {
    CloseServer(pool->idle().front(), now);
    if (Grow(pool, now)) return;
  }
  if (pool->idle().size() == pool->size()) FailWaiters(pool, error, now);
}

// A connection has been closed. Those who wait for one of `pool` (null: of none) get another if
// that may be opened; if none is left they are told. A login may have room now.
void Hub::Replace(pool::Pool* pool, bool may_grow, const Error& error, TimePoint now) {
  if (pool != nullptr && !pool->waiters().empty() && !(may_grow && Grow(pool, now))) {
    ServeWaiters(pool, error, now);
  }
  NextLogin(now);
}

// What was to be the session's connection has been closed before it was given.
void Hub::LeaseAgain(Session* session, TimePoint now) {
  if (session == nullptr || !session->waits_for_server()) return;
  session->pool()->Leave(session->id());
  Lease(session, now);
}

void Hub::FailWaiters(pool::Pool* pool, const Error& error, TimePoint now) {
  while (!pool->waiters().empty()) {
    Session* session = FindSession(pool->NextWaiter());
    if (session == nullptr) continue;
    session->OnLeaseFailed(error, now);
    Settle(session, now);
  }
}

// A connection goes to a session, which gives it its own settings. First it is asked anew what its
// login gave if that is not known, as after a reload of the server's configuration, and for that
// gets its settings reset. Called again after each of these.
void Hub::Offer(ServerConnection* server, Session* session, TimePoint now) {
  server->client = session->id();
  if (server->environment && !NeedsCheck(*server, now)) return Give(server, session, now);
  if (!server->environment && !pool::SameLabel(server->label, pool::ResetLabel(server->label))) {
    return ResetSettings(server, now);
  }
  server->MoveTo(ServerState::kProbing);
  server->environment ? Check(server, now) : Probe(server, now);
}

void Hub::ResetSettings(ServerConnection* server, TimePoint now) {
  server->MoveTo(ServerState::kResetting);
  server->deadline = now + config_->server_connect_timeout;
  server->StartSettingsReset();
  TouchServer(server->id());
}

void Hub::OnSettingsReset(ServerConnection* server, TimePoint now) {
  Session* session = FindSession(server->client);
  const bool waits = session != nullptr && session->waits_for_server();
  if (std::exchange(server->own_query_failed, false)) {
    server->client = 0;
    pool::Pool* pool = server->pool;
    CloseServer(server, now, CloseReason::kReset);
    if (waits) LeaseAgain(session, now);
    return Replace(pool, !draining_, GoneError(), now);
  }
  if (waits) return Offer(server, session, now);
  server->client = 0;
  server->MoveTo(ServerState::kIdle);
  PutBack(server, now);
}

void Hub::Give(ServerConnection* server, Session* session, TimePoint now) {
  if (!session->waits_for_server()) {  // cancelled while the connection was being probed
    server->client = 0;
    if (server->state() != ServerState::kIdle) server->MoveTo(ServerState::kIdle);
    return PutBack(server, now);
  }
  server->pool->Leave(session->id());
  server->MoveTo(ServerState::kLeased);
  ServerConnection* last = FindServer(session->last_server());
  if (last != nullptr && last != server) {
    if (last->home_of == session->id()) last->home_of = 0;
    // Under them the session will have prepared others.
    if (last->names_of == session->id()) last->names_of = pool::kClientGone;
  }
  server->home_of = session->id();
  session->OnLeased(server, now);
  Settle(session, now);
}

void Hub::TakeBack(Session* session, Action how, TimePoint now) {
  ServerConnection* server = session->server();
  if (server == nullptr) return;
  KeepOrphans(session, *server);
  session->OnServerTaken();
  server->client = 0;
  if (how == Action::kDropServer) {
    pool::Pool* pool = server->pool;
    CloseServer(server, now);
    return Replace(pool, !draining_, GoneError(), now);
  }
  if (session->state() == SessionState::kClosed && !IsWanted(*server)) {
    pool::Pool* pool = server->pool;
    CloseServer(server, now);
    return Replace(pool, !draining_, GoneError(), now);
  }
  if (how == Action::kRelease && server->cancels_in_flight == 0 && !server->reset_due) {
    server->MoveTo(ServerState::kIdle);
    return PutBack(server, now);
  }
  server->MoveTo(ServerState::kSettling);
  server->deadline = now + config_->server_connect_timeout;
  if (how == Action::kReleaseDirty) {
    server->StartQuery("ROLLBACK", {}, {});
  } else if (server->cancels_in_flight == 0) {
    OnSettled(server, now);
  }
  TouchServer(server->id());
}

// Whether the connection may serve anybody, now that its session has gone: custom settings that it
// holds can only be hidden from sessions that have them, too.
void Hub::CloseUnwanted(pool::Pool* pool, TimePoint now) {
  const std::vector<ServerConnection*> idle = pool->idle();
  bool closed = false;
  for (ServerConnection* server : idle) {
    if (IsWanted(*server)) continue;
    CloseServer(server, now);
    closed = true;
  }
  if (closed) Replace(pool, !draining_, GoneError(), now);
}

bool Hub::IsWanted(const ServerConnection& server) const {
  return !pool::HoldsCustom(server.label) ||
         std::any_of(sessions_.begin(), sessions_.end(), [&server](const auto& entry) {
           const Session& other = *entry.second;
           return other.pool() == server.pool && other.state() == SessionState::kReady &&
                  pool::CanBecome(server.label, other.label());
         });
}

// An idle connection: to whoever waits, or into the pool, or closed if there are too many.
void Hub::PutBack(ServerConnection* server, TimePoint now) {
  pool::Pool* pool = server->pool;
  server->used_at = now;
  std::optional<CloseReason> worn = Worn(*server, now);
  if (worn == CloseReason::kSurplus && server->home_of != 0) {
    // Of too many the one goes that is nobody's home.
    const auto spare =
        std::find_if(pool->idle().begin(), pool->idle().end(),
                     [](const ServerConnection* idle) { return idle->home_of == 0; });
    if (spare != pool->idle().end()) {
      CloseServer(*spare, now, CloseReason::kSurplus);
      worn.reset();
    }
  }
  if (worn) {
    CloseServer(server, now, *worn);
    return Replace(pool, !draining_, GoneError(), now);
  }
  // As a rule all connections of a pool report the same.
  if (server->label == nullptr) {
    if (server->parameters == pool->parameters) {
      server->parameters = pool->parameters;
    } else {
      pool->parameters = server->parameters;
    }
  }
  const Database* database = DatabaseNamed(pool->database());
  if (server->environment && server->environment->conf_load_time != database->conf_load_time() &&
      !database->conf_load_time().empty()) {
    server->environment.reset();
  }
  while (const ClientId client = pool->NextWaiterFor(*server)) {
    if (Session* session = FindSession(client)) return Offer(server, session, now);
  }
  pool->PutIdle(server, now);
  if (!pool->waiters().empty()) ServeWaiters(pool, GoneError(), now);
  if (!waiting_logins_.empty()) NextLogin(now);
}

void Hub::KeepOrphans(Session* session, const ServerConnection& server) {
  std::vector<cache::CounterIndex> counters = session->TakeOrphanedWrites();
  if (counters.empty()) return;
  // Without a database there is no login, and without a login nothing is written.
  session->database()->AddOrphan({.pid = server.pid, .counters = std::move(counters)});
}

// --- servers ---

void Hub::OnServerConnected(ServerId id, TimePoint now, TransportSecurity transport) {
  ServerConnection* server = FindServer(id);
  if (server == nullptr) return;
  KeepTransport(server, std::move(transport));
  if (Session* session = FindSession(server->client)) {
    session->OnLoginServer(server, now);
    if (session->judged()) StartOwnLogin(server);
    return Settle(session, now);
  }
  const bool wanted = WatchOf(*server) != nullptr || server->pool != nullptr ||
                      server == auth_query_.server() || DoorOf(*server) != nullptr;
  if (wanted) return StartOwnLogin(server);
  CloseServer(server, now);
  NextLogin(now);
}

void Hub::KeepTransport(ServerConnection* server, TransportSecurity transport) {
  if (transport.encrypted) ++statistics_.server_tls_handshakes;
  if (transport.resumed) ++statistics_.server_tls_resumptions;
  server->transport = std::move(transport);
}

void Hub::OnServerReconnected(ServerId id, TransportSecurity transport) {
  ServerConnection* server = FindServer(id);
  if (server == nullptr) return;
  KeepTransport(server, std::move(transport));
  server->out.Emit([&](std::string& to) { server->startup().Encode(to); });
  TouchServer(id);
}

void Hub::OnServerConnectFailed(ServerId id, const Error& error, TimePoint now) {
  OnServerGone(id, error, now);
}

void Hub::OnServerBytes(ServerId id, std::string_view bytes, TimePoint now) {
  ServerConnection* server = FindServer(id);
  if (server == nullptr) return;
  if (!std::exchange(server->heard, true)) gate_.OnAnswered();
  Session* session = FindSession(server->client);
  const bool relayed =
      server->state() == ServerState::kLoggingIn && session != nullptr && !session->judged();
  if (relayed || server->state() == ServerState::kLeased) {
    spare_outboxes_.Lend(&session->client_out);
    session->OnServerBytes(bytes, now);
    Settle(session, now);
    // A login that waits for its client's answer makes room for another.
    if (relayed && !waiting_logins_.empty()) NextLogin(now);
    return;
  }
  OnServerEvent(server, server->OnBytes(bytes), now);
}

void Hub::OnServerEvent(ServerConnection* server, ServerConnection::Event event, TimePoint now) {
  using Event = ServerConnection::Event;
  if (server == auth_query_.server()) return OnAuthQueryEvent(event, now);
  Watch* watch = WatchOf(*server);
  TouchServer(server->id());
  switch (event) {
    case Event::kNone:
      return;
    case Event::kFailed:
      return OnServerGone(server->id(), server->error(), now);
    case Event::kLoggedIn:
      if (watch != nullptr) {
        server->MoveTo(ServerState::kIdle);
        watch->OnLoggedIn();
        return watch->Tick(now);
      }
      if (Session* session = FindSession(server->client)) return EnterReplication(session, now);
      server->MoveTo(ServerState::kProbing);
      return Probe(server, now);
    case Event::kIdleAgain:
      break;
  }
  if (watch != nullptr) {
    watch->OnIdleAgain(now);
    OnWatched(watch, now);
  } else if (server->state() == ServerState::kProbing) {
    OnProbed(server, now);
  } else if (server->state() == ServerState::kResetting) {
    OnSettingsReset(server, now);
  } else if (server->state() == ServerState::kSettling && server->cancels_in_flight == 0) {
    OnSettled(server, now);
  }
}

void Hub::OnServerGone(ServerId id, Error error, TimePoint now) {  // NOLINT: see hub.h
  ServerConnection* server = FindServer(id);
  if (server == nullptr) return;
  server->OnLost(error);
  if (Watch* watch = WatchOf(*server)) {
    watch->OnLost(server->error(), now);
    EscalateAll(nullptr);
    WakeForCatalog(watch->database(), now);
  }
  if (server == auth_query_.server()) auth_query_.OnLost(server->error());
  Door* door = DoorOf(*server);
  if (server->state() == ServerState::kLoggingIn && server->own_login() &&
      server->error().sqlstate.starts_with("28"))
    OnOwnLoginRefused(*server);
  const ClientId client = server->client;
  Session* session = FindSession(client);
  if (session != nullptr) {
    if (session->server() == server) {
      session->OnServerLost(error, now);
      KeepOrphans(session, *server);
    } else if (session->state() == SessionState::kLoggingIn) {
      session->OnLoginFailed(error, now);
    }
  }
  server->client = 0;
  pool::Pool* pool = server->pool;
  // One that never came to life is not tried again at once: who waits is told why.
  const bool had_lived = server->lived();
  if (!had_lived) NoteFailedLogin(*server, error, now);
  CloseServer(server, now,
              server->checking ? CloseReason::kHealth
              : had_lived      ? CloseReason::kUnusable
                               : CloseReason::kLogin);
  if (session != nullptr) Settle(session, now);
  if (door != nullptr) FailDoor(door, error, now);
  Replace(pool, had_lived, had_lived ? GoneError() : error, now);
  LeaseAgain(FindSession(client), now);
}

void Hub::CloseServer(ServerConnection* server, TimePoint, CloseReason why) {
  ++statistics_.servers_closed[static_cast<size_t>(why)];
  // Who waits for it waits for another.
  if (server == auth_query_.server()) auth_query_.OnLeft();
  if (Door* door = DoorOf(*server)) door->knocking = 0;
  if (server->pool != nullptr) {
    server->pool->Remove(server);
  }
  Outbox last;
  // A session that has come to life is ended as libpq ends it.
  if (server->state() == ServerState::kIdle || server->state() == ServerState::kLeased) {
    last.Emit([](std::string& to) { pgwire::EncodeEmpty(to, pgwire::frontend_type::kTerminate); });
  }
  server->MoveTo(ServerState::kClosed);
  statistics_.bytes_to_servers += last.bytes();
  Act(server->worker, {NetAction::Kind::kCloseServer, server->id(), std::move(last)});
  servers_.erase(server->id());
}

// --- cancel ---

void Hub::SendCancel(ServerConnection* server) {
  if (server == nullptr || server->cancel_key.empty()) return;
  ++statistics_.cancels;
  ++server->cancels_in_flight;
  Outbox bytes;
  bytes.Emit([&](std::string& to) {
    pgwire::CancelRequest{server->pid, server->cancel_key}.Encode(to);
  });
  statistics_.bytes_to_servers += bytes.bytes();
  Act(server->worker,
      {NetAction::Kind::kSendCancel, server->id(), std::move(bytes), server->transport.encrypted});
}

// The cancel request has been taken by the server: what it hits, it has hit.
void Hub::OnCancelSent(ServerId id, TimePoint now) {
  ServerConnection* server = FindServer(id);
  if (server == nullptr) return;
  --server->cancels_in_flight;
  if (server->state() != ServerState::kSettling || server->cancels_in_flight > 0 ||
      server->querying()) {
    return;
  }
  OnSettled(server, now);
}

void Hub::ForwardCancel(const Session& from, TimePoint now) {
  const pgwire::CancelRequest& request = from.cancel_request();
  for (const auto& [id, session] : sessions_) {
    if (session->pid() != request.pid || session->cancel_key() != request.key) continue;
    session->OnCancelRequest(now);
    return Settle(session.get(), now);
  }
}

}  // namespace pgsidecar::proxy
