// How many server connections there may be, and which of them are still good: limits, logins under
// way, minimum and reserve, age, health, the reset behind a client.

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "base/log.h"
#include "proxy/hub.h"

namespace pgsidecar::proxy {

using pool::ServerConnection;
using pool::ServerState;

std::string_view CloseReasonName(CloseReason reason) {
  switch (reason) {
    case CloseReason::kUnusable:
      return "unusable";
    case CloseReason::kLogin:
      return "login";
    case CloseReason::kSurplus:
      return "surplus";
    case CloseReason::kIdle:
      return "idle";
    case CloseReason::kLifetime:
      return "lifetime";
    case CloseReason::kHealth:
      return "health";
    case CloseReason::kReset:
      return "reset";
    case CloseReason::kRoom:
      return "room";
    case CloseReason::kOrdered:
      return "ordered";
    case CloseReason::kCount_:
      break;
  }
  return "";
}

// --- logins ---

// Of ours: the client is turned away before the server hears of it.
std::optional<Error> Hub::LoginRefusal(const Session& session) const {
  const std::string& name = DatabaseOf(session.startup());
  if (orders_.disabled(name)) {
    return Error{"57P03", "database \"" + name + "\" is disabled", "", ""};
  }
  const uint32_t most =
      config_->LimitsOf(name, UserOf(session.startup())).max_db_client_connections;
  if (most == 0) return std::nullopt;
  for (const auto& database : databases_) {
    if (database->name() == name && database->clients >= most) {
      return Error{"53300", "no more connections allowed (max_db_client_connections)", "", ""};
    }
  }
  return std::nullopt;
}

// Logins that the server is at: not those that wait for their client's password.
size_t Hub::LoginsInFlight() const {
  size_t logins = 0;
  for (const auto& [id, server] : servers_) {
    if (server->state() != ServerState::kConnecting && server->state() != ServerState::kLoggingIn) {
      continue;
    }
    const auto session = sessions_.find(server->client);
    const bool held_up = session != sessions_.end() && session->second->owes_login_answer();
    if (!held_up && WatchOf(*server) == nullptr) ++logins;
  }
  return logins;
}

bool Hub::MayLogIn(TimePoint now) const {
  return gate_.MayStart(LoginsInFlight(), config_->max_server_logins, now);
}

// Logins that wait, in their order, as far as there is room for them; then pools that wait.
void Hub::NextLogin(TimePoint now) {
  std::set<std::pair<std::string_view, std::string_view>> full;
  bool open = !waiting_logins_.empty() && MayLogIn(now);
  for (auto it = waiting_logins_.begin(); open && it != waiting_logins_.end();) {
    Session* session = FindSession(*it);
    if (session != nullptr && session->state() == SessionState::kLoggingIn) {
      const pgwire::StartupMessage& startup = session->startup();
      const std::pair<std::string_view, std::string_view> of = {DatabaseOf(startup),
                                                                UserOf(startup)};
      if (full.contains(of) || orders_.paused(of.first) || !MakeRoom(startup, now)) {
        full.insert(of);
        ++it;
        continue;
      }
      OpenServer(startup, session->worker, now)->client = session->id();
      open = MayLogIn(now);
    }
    it = waiting_logins_.erase(it);
  }
  KnockAtDoors(now);
  if (std::exchange(starving_, false)) FeedPools(now);
}

// The server cannot be reached, and it is not the first time: who waits for it is told.
void Hub::FailWaitingLogins(const Error& error, TimePoint now) {
  for (const ClientId id : std::exchange(waiting_logins_, {})) {
    Session* session = FindSession(id);
    if (session == nullptr || session->state() != SessionState::kLoggingIn) continue;
    if (orders_.paused(DatabaseOf(session->startup()))) {
      waiting_logins_.push_back(id);
      continue;
    }
    session->OnLoginFailed(error, now);
    Settle(session, now);
  }
  FailDoors(error, now);
  for (const auto& [key, pool] : pools_) {
    if (pool->size() == 0 && !orders_.paused(pool->database())) FailWaiters(pool.get(), error, now);
  }
}

// A connection has ended before it came to life.
void Hub::NoteFailedLogin(const ServerConnection& server, const Error& error, TimePoint now) {
  if (server.pool != nullptr) server.pool->login_retry_at = now + config_->server_login_retry;
  if (server.heard) return;
  ++statistics_.logins_failed;
  const bool watch = WatchOf(server) != nullptr;
  const bool again = gate_.IsRetry(server.created_at);
  if (!gate_.failing()) {
    log::warn("the server cannot be reached reason={}: retry_after_ms={}", error.message,
              config_->server_login_retry.count() / 1000);
  }
  gate_.OnFailed(config_->server_login_retry, !watch, now);
  if (again && !watch) FailWaitingLogins(error, now);
}

// --- room ---

const std::string& Hub::UserOf(const pgwire::StartupMessage& startup) {
  static const std::string kNone;
  const std::string* user = startup.Find("user");
  return user == nullptr ? kNone : *user;
}

const std::string& Hub::DatabaseOf(const pgwire::StartupMessage& startup) {
  const std::string* database = startup.Find("database");
  return database == nullptr || database->empty() ? UserOf(startup) : *database;
}

// Whether one more server connection may be opened; closes such as have been idle longest if that
// is what it takes.
bool Hub::MakeRoom(const pgwire::StartupMessage& startup, TimePoint now) {
  const std::string& database = DatabaseOf(startup);
  const std::string& user = UserOf(startup);
  const pool::PoolLimits limits = config_->LimitsOf(database, user);
  while (true) {
    size_t all = 0, in_database = 0, of_user = 0;
    for (const auto& [id, server] : servers_) {
      if (WatchOf(*server) != nullptr || server.get() == auth_query_.server()) continue;
      ++all;
      in_database += DatabaseOf(server->startup()) == database;
      of_user += UserOf(server->startup()) == user;
    }
    const auto reached = [](size_t count, uint32_t most) { return most > 0 && count >= most; };
    const bool of_database = reached(in_database, limits.max_db_connections);
    const bool of_users = reached(of_user, limits.max_user_connections);
    if (!of_database && !of_users && all < config_->max_server_connections) return true;
    ServerConnection* victim = nullptr;
    bool victim_is_last = false;
    for (const auto& [key, pool] : pools_) {
      if (pool->idle().empty() || (of_database && pool->database() != database) ||
          (of_users && pool->user() != user)) {
        continue;
      }
      // Whose last connection only a client's login can open again is spared while others are not.
      const bool last = pool->size() == 1 && pool->clients > 0 && !pool->can_log_in;
      ServerConnection* oldest = pool->idle().front();
      if (victim == nullptr || (victim_is_last && !last) ||
          (victim_is_last == last && oldest->used_at < victim->used_at)) {
        victim = oldest;
        victim_is_last = last;
      }
    }
    if (victim == nullptr) return false;
    CloseServer(victim, now, CloseReason::kRoom);
  }
}

// How many connections the pool may have now: the reserve is for who has waited for long.
size_t Hub::Allowed(const pool::Pool& pool, TimePoint now) const {
  const bool presses = !pool.waiters().empty() &&
                       now - pool.waiters().front().since >= config_->reserve_pool_timeout;
  return pool.limits.pool_size + (presses ? pool.limits.reserve_pool_size : 0);
}

// Opens another connection for a pool. Returns whether one is, or may be, to come: if not, who
// waits has only those that there are.
bool Hub::Grow(pool::Pool* pool, TimePoint now) {
  if (orders_.paused(pool->database())) return true;
  if (!pool->can_log_in || pool->size() >= Allowed(*pool, now)) return false;
  if (now < pool->login_retry_at || !MayLogIn(now) || !MakeRoom(pool->startup(), now)) {
    starving_ = true;
    return true;
  }
  // Where it costs least for whoever waits, else evenly.
  const WorkerId worker = pool->waiters().empty()
                              ? static_cast<WorkerId>(pool->size() % workers_.size())
                              : pool->waiters().front().wish.worker;
  ServerConnection* server = OpenServer(pool->startup(), worker, now);
  pool->Adopt(server);
  return true;
}

// What pools may open by themselves: for those who wait, and up to min_pool_size.
void Hub::FeedPools(TimePoint now) {
  std::vector<pool::Pool*> hungry;
  for (const auto& [key, pool] : pools_) {
    const bool small = pool->clients > 0 && pool->size() < pool->limits.least();
    if (pool->can_log_in && (small || !pool->waiters().empty())) hungry.push_back(pool.get());
  }
  for (pool::Pool* pool : hungry) {
    const auto making = std::count_if(servers_.begin(), servers_.end(), [pool](const auto& entry) {
      const ServerConnection& server = *entry.second;
      return server.pool == pool && server.client == 0 &&
             (server.state() == ServerState::kConnecting ||
              server.state() == ServerState::kLoggingIn || server.state() == ServerState::kProbing);
    });
    const size_t waiting =
        pool->waiters().size() - std::min(pool->waiters().size(), static_cast<size_t>(making));
    const size_t missing =
        pool->clients > 0 ? pool->limits.least() - std::min(pool->limits.least(), pool->size()) : 0;
    for (size_t wanted = std::max(waiting, missing); wanted > 0; --wanted) {
      const size_t before = pool->size();
      Grow(pool, now);
      if (pool->size() == before) break;
    }
  }
}

// --- what is still good ---

bool Hub::HasExpired(const ServerConnection& server, TimePoint now) const {
  return now - server.created_at > pool::LifetimeOf(server.id(), config_->server_lifetime);
}

// Why a connection that nobody uses is not to be used again.
std::optional<CloseReason> Hub::Worn(const ServerConnection& server, TimePoint now) const {
  const pool::Pool& pool = *server.pool;
  if (draining_ || server.close_needed || orders_.paused(pool.database())) {
    return CloseReason::kOrdered;
  }
  if (pool.size() > Allowed(pool, now)) return CloseReason::kSurplus;
  const bool last = pool.size() == 1 && pool.clients > 0 && !pool.can_log_in;
  if (HasExpired(server, now) && !last) return CloseReason::kLifetime;
  return std::nullopt;
}

// Connections that nobody has used for long or that are too old, as far as the pool can do without
// them: what a client's login has opened, only a client's login can open again.
void Hub::TrimPools(TimePoint now) {
  for (auto it = pools_.begin(); it != pools_.end();) {
    pool::Pool& pool = *it->second;
    const std::vector<ServerConnection*> idle = pool.idle();  // used longest ago first
    for (ServerConnection* server : idle) {
      const bool spare = pool.clients == 0 || pool.can_log_in || pool.size() > pool.clients;
      if (!spare) break;
      const bool least = pool.clients > 0 && pool.size() <= pool.limits.least();
      if (!least && now - server->used_at > config_->server_idle_timeout) {
        CloseServer(server, now, CloseReason::kIdle);
      } else if (HasExpired(*server, now)) {
        CloseServer(server, now, CloseReason::kLifetime);
      }
    }
    it = pool.size() == 0 && pool.clients == 0 ? pools_.erase(it) : std::next(it);
  }
}

bool Hub::NeedsCheck(const ServerConnection& server, TimePoint now) const {
  return !config_->server_check_query.empty() && now - server.used_at > config_->server_check_delay;
}

// REQUIRES: it is probing. OnProbed follows.
void Hub::Check(ServerConnection* server, TimePoint now) {
  ++statistics_.server_checks;
  server->checking = true;
  server->deadline = now + config_->server_connect_timeout;
  server->StartQuery(config_->server_check_query, {},
                     [server](const Error* error) { server->own_query_failed = error != nullptr; });
  TouchServer(server->id());
}

// The probe or the check has ended. Returns whether the connection may be used.
bool Hub::PassesCheck(ServerConnection* server, TimePoint now) {
  if (!server->checking) return true;
  if (server->own_query_failed) {
    OnServerGone(server->id(),
                 {"08006", "the server connection did not pass server_check_query", "", ""}, now);
    return false;
  }
  server->checking = false;
  server->used_at = now;
  return true;
}

// --- behind a client ---

// What was to be done before the connection is used again has been done.
void Hub::OnSettled(ServerConnection* server, TimePoint now) {
  if (std::exchange(server->own_query_failed, false)) {
    pool::Pool* pool = server->pool;
    CloseServer(server, now, CloseReason::kReset);
    return Replace(pool, true, GoneError(), now);
  }
  if (server->reset_due) return Reset(server);
  server->MoveTo(ServerState::kIdle);
  PutBack(server, now);
}

void Hub::Reset(ServerConnection* server) {
  ++statistics_.server_resets;
  server->reset_due = false;
  server->DropStatements();
  if (config_->ResetDiscardsAll()) {
    server->label = pool::ResetLabel(server->label);
    server->sequence_client = 0;
    server->names_of = 0;
  }
  server->StartQuery(config_->server_reset_query, {},
                     [server](const Error* error) { server->own_query_failed = error != nullptr; });
  TouchServer(server->id());
}

}  // namespace pgsidecar::proxy
