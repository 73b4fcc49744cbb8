// What an administrator asks of the whole proxy: on the console, or by a signal. PgBouncer's
// commands (its manual, "Admin console").

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "base/log.h"
#include "proxy/hub.h"

namespace pgsidecar::proxy {

using pool::ServerConnection;
using pool::ServerState;

namespace {

bool IsOf(std::string_view name, std::string_view database) {
  return database.empty() || name == database;
}

}  // namespace

// --- databases; an empty name means all ---

std::vector<ServerId> Hub::ServersOf(std::string_view database) const {
  std::vector<ServerId> ids;
  for (const auto& [id, server] : servers_) {
    if (IsOf(DatabaseOf(server->startup()), database)) ids.push_back(id);
  }
  return ids;
}

void Hub::Pause(std::string_view database, TimePoint now) {
  log::info("paused database={}", database);
  orders_.Pause(database);
  LeaveIdle(database, now);
}

// Closes what nobody uses, the catalog's connections among it.
void Hub::LeaveIdle(std::string_view database, TimePoint now) {
  for (const ServerId id : ServersOf(database)) {
    ServerConnection* server = FindServer(id);
    if (server == nullptr) continue;
    if (Watch* watch = WatchOf(*server)) {
      watch->OnLeft(now);
      EscalateAll(watch->database());
      CloseServer(server, now, CloseReason::kOrdered);
      WakeForCatalog(watch->database(), now);
    } else if (server->state() == ServerState::kIdle) {
      CloseServer(server, now, CloseReason::kOrdered);
    }
  }
}

bool Hub::Resume(std::string_view database, TimePoint now) {
  if (!orders_.Resume(database)) return false;
  log::info("resumed database={}", database);
  TickWatches(now);
  for (const auto& [key, pool] : pools_) {
    // Only a client's login opens another connection for them.
    const bool lost = pool->size() == 0 && !pool->can_log_in && !orders_.paused(pool->database());
    if (lost) FailWaiters(pool.get(), GoneError(), now);
  }
  NextLogin(now);
  FeedPools(now);
  return true;
}

void Hub::Reconnect(std::string_view database, TimePoint now) {
  log::info("reconnecting database={}", database);
  for (const ServerId id : ServersOf(database)) {
    ServerConnection* server = FindServer(id);
    // A replication has a connection of its own for as long as it lasts.
    if (server->pool != nullptr) server->close_needed = true;
  }
  LeaveIdle(database, now);
  TickWatches(now);
  FeedPools(now);
}

void Hub::Kill(std::string_view database, TimePoint now) {
  Pause(database, now);
  std::vector<ClientId> ids;
  for (const auto& [id, session] : sessions_) {
    if (session->state() != SessionState::kConsole &&
        IsOf(DatabaseOf(session->startup()), database)) {
      ids.push_back(id);
    }
  }
  for (const ClientId id : ids) KillClient(id, now);
  for (const ServerId id : ServersOf(database)) {
    if (ServerConnection* server = FindServer(id); server != nullptr && server->client == 0) {
      CloseServer(server, now, CloseReason::kOrdered);
    }
  }
}

bool Hub::KillClient(ClientId id, TimePoint now) {
  const Error error = {"57P01", "terminating connection due to administrator command", "", ""};
  // Told twice, a session does not wait for what it has under way.
  bool found = false;
  for (int i = 0; i < 2; ++i) {
    Session* session = FindSession(id);
    if (session == nullptr) break;
    found = true;
    session->OnLoginFailed(error, now);
    Settle(session, now);
  }
  return found;
}

bool Hub::HasServersOf(std::string_view database) const {
  return std::any_of(servers_.begin(), servers_.end(), [&](const auto& entry) {
    const ServerConnection& server = *entry.second;
    const bool replication = server.pool == nullptr && server.state() == ServerState::kLeased;
    return !replication && IsOf(DatabaseOf(server.startup()), database);
  });
}

bool Hub::AwaitsClose(std::string_view database) const {
  return std::any_of(servers_.begin(), servers_.end(), [&](const auto& entry) {
    return entry.second->close_needed && IsOf(DatabaseOf(entry.second->startup()), database);
  });
}

// --- console commands that take their time ---

// Returns false while the answer has to wait.
bool Hub::AnswerConsole(Session* session, TimePoint now) {
  auto pending = console_answers_.find(session->id());
  if (pending == console_answers_.end()) {
    pending = console_answers_
                  .emplace(session->id(),
                           RunConsole(*this, session->console_sql(), session->console_admin(), now))
                  .first;
  }
  if (pending->second.until && !pending->second.until(*this)) return false;
  const LocalAnswer answer = std::move(pending->second.answer);
  console_answers_.erase(pending);
  session->OnConsoleAnswer(answer, now);
  return true;
}

void Hub::TickConsole(TimePoint now) {
  std::vector<ClientId> waiting;
  for (const auto& [id, pending] : console_answers_) waiting.push_back(id);
  for (const ClientId id : waiting) {
    if (Session* session = FindSession(id)) Settle(session, now);
  }
}

// --- configuration ---

std::optional<Error> Hub::Reload(TimePoint now) {
  if (!reload_) return Error{"0A000", "the configuration cannot be read again here", "", ""};
  Result<Config> loaded = reload_();
  if (!loaded.ok()) {
    log::error("configuration not reloaded, the running one is kept: {}", loaded.error().message);
    return loaded.error();
  }
  for (const std::string& name : KeepStartSettings(*config_, *loaded)) {
    log::warn("setting not changed before a restart name={}", name);
  }
  Reconfigure(*std::move(loaded), now);
  if (reloaded_) reloaded_(*config_);
  log::info("configuration reloaded");
  return std::nullopt;
}

std::optional<Error> Hub::Set(std::string_view name, std::string_view text, TimePoint now) {
  if (config_->source == nullptr) return Error{"0A000", "settings cannot be changed here", "", ""};
  Result<Config> changed = WithSetting(*config_, name, text);
  if (!changed.ok()) return changed.error();
  Reconfigure(*std::move(changed), now);
  log::info("setting changed on the console name={}", name);
  return std::nullopt;
}

// Sessions, databases and pools take what they need from config_ and shared_.config when they need
// it; what they have copied is copied again. The former one ends here.
void Hub::Reconfigure(Config loaded, TimePoint now) {
  loaded.generation = config_->generation + 1;
  auto next = std::make_unique<const Config>(std::move(loaded));
  if (next->rules != config_->rules) statistics_.rule_matches.assign(next->rules.size(), 0);
  config_ = next.get();
  shared_.config = config_;
  for (const auto& watch : watches_) {
    watch->Configure(config_->catalog_poll_interval, &config_->harmless_functions);
  }
  for (const auto& [key, pool] : pools_) {
    pool->limits = config_->LimitsOf(pool->database(), pool->user());
  }
  for (const auto& [id, session] : sessions_) session->OnReconfigured();
  own_config_ = std::move(next);
  SetLogLevel(config_->log_level);
  NextLogin(now);
  FeedPools(now);
}

}  // namespace pgsidecar::proxy
