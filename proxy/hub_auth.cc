// The hub's logins that the proxy judges itself: the secrets that they are judged by, and the doors
// through which they get in.

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "proxy/hub.h"

namespace pgsidecar::proxy {

using pool::ServerConnection;
using pool::ServerState;

namespace {

bool IsRefusal(const Error& error) { return error.sqlstate.starts_with("28"); }

// What a client is told that the proxy has let in and the server has not.
Error LoginError(const Error& error) {
  if (!IsRefusal(error)) return error;
  return {error.sqlstate, "the server refused the proxy's login: " + error.message, error.detail,
          error.hint.empty() ? "The proxy had accepted the client; the server's secret of the user "
                               "may be another one."
                             : error.hint};
}

}  // namespace

// --- secrets ---

void Hub::FindSecret(Session* session, TimePoint now) {
  const AuthSettings& auth = *config_->auth;
  const std::string user = UserOf(session->startup());
  std::shared_ptr<const UserSecret> secret;
  if (const auto it = auth.users.find(user); it != auth.users.end()) {
    secret = it->second;
  } else if (!session->is_console()) {
    if (auth.upstream != nullptr && user == config_->upstream.user) {
      secret = auth.upstream;
    } else if (!auth.query.empty()) {
      auth_query_.Ask(user, session->id(), now);
      return TickAuth(now);
    }
  }
  session->OnSecret(std::move(secret), random_(AuthExchange::kRandomBytes), now);
}

// With what the proxy logs in as `user`.
pool::LoginSecret Hub::SecretFor(const std::string& user) const {
  const AuthSettings& auth = *config_->auth;
  if (user == config_->upstream.user && !config_->upstream.password.empty()) {
    return config_->upstream.password;
  }
  if (const auto it = gained_.find(user); it != gained_.end()) return it->second;
  const auto it = auth.users.find(user);
  return it != auth.users.end() ? LoginSecretOf(*it->second) : pool::LoginSecret();
}

void Hub::StartOwnLogin(ServerConnection* server) {
  if (server->state() != ServerState::kLoggingIn) server->MoveTo(ServerState::kLoggingIn);
  server->StartOwnLogin(SecretFor(UserOf(server->startup())),
                        {.binding = config_->upstream.tls.channel_binding,
                         .require = config_->auth->require,
                         .local_server = IsLoopback(config_->upstream.host)});
  TouchServer(server->id());
}

// The server has refused a login of the proxy's own: what it was made with is worth nothing.
void Hub::OnOwnLoginRefused(const ServerConnection& server) {
  const std::string user = UserOf(server.startup());
  log::warn("the server refused the proxy's login user={} sqlstate={} reason={}", user,
            server.error().sqlstate, server.error().message);
  gained_.erase(user);
  auth_query_.Forget(user);
  for (const auto& [key, pool] : pools_) {
    if (pool->user() == user) pool->can_log_in = false;
  }
  for (auto& [key, door] : doors_) {
    const auto pool = pools_.find(door.pool_key);
    if (pool != pools_.end() && pool->second->user() == user) door.login.reset();
  }
}

void Hub::TickAuth(TimePoint now) {
  KnockAtDoors(now);
  if (auth_query_.IsOverdue(now)) {
    OnServerGone(auth_query_.server()->id(),
                 {"08006", "the server does not answer: timeout expired", "", ""}, now);
  }
  const bool held = draining_ || orders_.paused(config_->upstream.database);
  if (auth_query_.WantsConnection(now) && !held) {
    const AuthSettings& auth = *config_->auth;
    auth_query_.OnConnecting(
        OpenServer(AuthQuery::StartupOf(auth.query_user, config_->upstream.database), 0, now), now);
  }
  auth_query_.Continue(config_->auth->query, config_->server_connect_timeout, now);
  if (auth_query_.server() != nullptr) TouchServer(auth_query_.server()->id());
  if (auth_query_.idle() && now - auth_query_.used_at() > config_->server_idle_timeout) {
    LeaveAuthQuery(now);
  }
  for (AuthQuery::Answer& answer : auth_query_.TakeAnswers()) {
    Session* session = FindSession(answer.client);
    if (session == nullptr) continue;
    if (answer.secret.ok()) {
      session->OnSecret(*answer.secret, random_(AuthExchange::kRandomBytes), now);
    } else {
      session->OnLoginFailed(answer.secret.error(), now);
    }
    Settle(session, now);
  }
}

void Hub::LeaveAuthQuery(TimePoint now) {
  ServerConnection* server = auth_query_.server();
  if (server == nullptr || !auth_query_.idle()) return;
  auth_query_.OnLeft();
  CloseServer(server, now);
}

void Hub::OnAuthQueryEvent(ServerConnection::Event event, TimePoint now) {
  ServerConnection* server = auth_query_.server();
  switch (event) {
    case ServerConnection::Event::kNone:
      return;
    case ServerConnection::Event::kFailed:
      return OnServerGone(server->id(), server->error(), now);
    case ServerConnection::Event::kLoggedIn:
      server->MoveTo(ServerState::kIdle);
      auth_query_.OnLoggedIn();
      break;
    case ServerConnection::Event::kIdleAgain:
      auth_query_.OnIdleAgain(config_->auth_query_ttl, now);
      break;
  }
  TickAuth(now);
}

// --- doors ---

// The client has been judged: it comes in by its door, or waits until that is open.
void Hub::Enter(Session* session, TimePoint now) {
  if (const auto error = LoginRefusal(*session)) {
    ++statistics_.logins_refused;
    return session->OnLoginFailed(*error, now);
  }
  pool::LoginSecret gained = session->TakeGained();
  if (!gained.empty()) gained_.insert_or_assign(UserOf(session->startup()), std::move(gained));
  // A replication has a connection of its own.
  if (session->WantsReplication()) return LogIn(session, now);
  Door& door = doors_[pool::PoolKey(session->startup(), "")];
  if (IsOpen(door, now)) return LetIn(session, door, now);
  door.waiting.push_back(session->id());
  if (door.knocking == 0) Knock(&door, now);
}

// The proxy has logged in for a client's replication.
void Hub::EnterReplication(Session* session, TimePoint now) {
  session->OnOwnLogin();
  BeginReplication(session, now);
  Settle(session, now);
}

// Doors at which somebody waits and nobody knocks: for want of room, or because of an order.
void Hub::KnockAtDoors(TimePoint now) {
  for (auto& [key, door] : doors_) {
    if (door.waiting.empty() || door.knocking != 0) continue;
    if (IsOpen(door, now)) {
      OpenDoor(&door, now);
    } else {
      Knock(&door, now);
    }
  }
}

// Opens a server connection for those who wait, if that may be.
void Hub::Knock(Door* door, TimePoint now) {
  std::erase_if(door->waiting, [this](ClientId id) { return FindSession(id) == nullptr; });
  if (door->waiting.empty()) return;
  const Session& first = *FindSession(door->waiting.front());
  const pgwire::StartupMessage& startup = first.startup();
  if (orders_.paused(DatabaseOf(startup)) || !MayLogIn(now) || !MakeRoom(startup, now)) return;
  const Database* database = FindDatabase(DatabaseOf(startup));
  door->login.reset();
  door->catalog_version = database != nullptr ? database->catalog_version() : 0;
  door->signs = database != nullptr ? database->signs() : 0;
  door->begun_at = now;
  door->knocking = OpenServer(startup, first.worker, now)->id();
}

bool Hub::IsOpen(const Door& door, TimePoint now) const {
  if (!door.login) return false;
  const auto pool = pools_.find(door.pool_key);
  if (pool == pools_.end() || pool->second->size() == 0 || !pool->second->can_log_in) return false;
  const Database* database = FindDatabase(pool->second->database());
  if (database == nullptr) return false;
  if (door.login->environment && !database->conf_load_time().empty() &&
      door.login->environment->conf_load_time != database->conf_load_time()) {
    return false;
  }
  if (database->usable()) return door.catalog_version == database->catalog_version();
  // Without a catalog that is watched, for as long as anything foreign may go unseen.
  return door.signs == database->signs() && !database->reloads() &&
         now - door.begun_at < config_->max_foreign_staleness;
}

void Hub::LetIn(Session* session, const Door& door, TimePoint now) {
  pool::Pool* pool = pools_.find(door.pool_key)->second.get();
  Database* database = DatabaseNamed(pool->database());
  ++pool->clients;
  ++database->clients;
  logins_.erase(session->id());
  TickWatches(now);
  // The client's home is a connection that is nobody else's, as far as there is one.
  const auto home = std::find_if(pool->idle().rbegin(), pool->idle().rend(),
                                 [](const ServerConnection* idle) { return idle->home_of == 0; });
  pool::ServerId server = 0;
  uint32_t pid = door.login->pid;
  if (home != pool->idle().rend()) {
    (*home)->home_of = session->id();
    server = (*home)->id();
    pid = (*home)->pid;
  }
  session->OnEntered(pool, database, *door.login, server, pid,
                     random_(door.login->cancel_key_bytes), now);
  Settle(session, now);
}

Door* Hub::DoorOf(const ServerConnection& server) {
  for (auto& [key, door] : doors_) {
    if (door.knocking == server.id()) return &door;
  }
  return nullptr;
}

// The login for a door has been probed, and belongs to its pool.
void Hub::OnDoorProbed(Door* door, const ServerConnection& server) {
  door->pool_key = server.pool->key();
  door->login = LoginState{.parameters = server.parameters,
                           .environment = server.environment,
                           .pid = server.pid,
                           .cancel_key_bytes = server.cancel_key.size() > 4 ? size_t{32} : 4};
}

void Hub::OpenDoor(Door* door, TimePoint now) {
  door->knocking = 0;
  for (const ClientId client : std::exchange(door->waiting, {})) {
    Session* session = FindSession(client);
    if (session != nullptr && session->state() == SessionState::kLoggingIn) {
      LetIn(session, *door, now);
    }
  }
}

void Hub::FailDoor(Door* door, const Error& error, TimePoint now) {
  door->knocking = 0;
  for (const ClientId client : std::exchange(door->waiting, {})) {
    Session* session = FindSession(client);
    if (session == nullptr) continue;
    session->OnLoginFailed(LoginError(error), now);
    Settle(session, now);
  }
}

// The server cannot be reached: who waits for another login is told.
void Hub::FailDoors(const Error& error, TimePoint now) {
  for (auto& [key, door] : doors_) {
    const Session* session = door.waiting.empty() ? nullptr : FindSession(door.waiting.front());
    if (door.knocking != 0 || session == nullptr) continue;
    if (!orders_.paused(DatabaseOf(session->startup()))) FailDoor(&door, error, now);
  }
}

// Doors whose pool has gone.
void Hub::TrimDoors() {
  std::erase_if(doors_, [this](const auto& each) {
    const Door& door = each.second;
    return door.knocking == 0 && door.waiting.empty() && !pools_.contains(door.pool_key);
  });
}

}  // namespace pgsidecar::proxy
