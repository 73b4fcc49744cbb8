// The hub's databases: who watches their catalogs, and what follows when one moves.

#include <utility>

#include "base/log.h"
#include "pgwire/startup.h"
#include "proxy/hub.h"

namespace pgsidecar::proxy {

using pool::ServerConnection;
using pool::ServerState;

Database* Hub::DatabaseNamed(const std::string& name) {
  if (Database* known = FindDatabase(name)) return known;
  Database* database = databases_.emplace_back(std::make_unique<Database>(name, &versions_)).get();
  database->row_precision = config_->row_precision;
  databases_by_name_.emplace(database->name(), database);
  watches_.push_back(std::make_unique<Watch>(database, config_->catalog_poll_interval,
                                             &config_->harmless_functions));
  return database;
}

Database* Hub::FindDatabase(std::string_view name) const {
  const auto found = databases_by_name_.find(name);
  return found == databases_by_name_.end() ? nullptr : found->second;
}

Watch* Hub::WatchOf(const ServerConnection& server) const {
  if (server.pool != nullptr) return nullptr;
  for (const auto& watch : watches_) {
    if (watch->server() == &server) return watch.get();
  }
  return nullptr;
}

void Hub::TickWatches(TimePoint now) {
  for (size_t i = 0; i < watches_.size(); ++i) {
    Watch& watch = *watches_[i];
    // The upstream URL's own database is watched always: that is how it is known that the server is
    // there.
    const bool wanted =
        (i == 0 || databases_[i]->clients > 0) && !orders_.paused(databases_[i]->name());
    if (wanted && watch.WantsConnection(now) && !draining_) {
      pgwire::StartupMessage startup;
      startup.parameters = {{"user", config_->upstream.user},
                            {"database", databases_[i]->name()},
                            {"client_encoding", "UTF8"},
                            {"application_name", "pgsidecar"}};
      watch.OnConnecting(OpenServer(startup, 0, now), now);
    }
    watch.Tick(now);
    const ServerConnection* server = watch.server();
    if (server != nullptr && server->out.bytes() > 0) TouchServer(*server);
  }
}

// DROP DATABASE, ALTER DATABASE ... RENAME and CREATE DATABASE ... TEMPLATE want nobody to be
// connected there; what no client uses is left before they run.
void Hub::LeaveUnusedDatabases(TimePoint now) {
  LeaveAuthQuery(now);
  for (size_t i = 0; i < databases_.size(); ++i) {
    if (databases_[i]->clients > 0) continue;
    for (const auto& [key, pool] : pools_) {
      if (pool->database() != databases_[i]->name()) continue;
      while (!pool->idle().empty()) {
        CloseServer(pool->idle().back(), now, CloseReason::kOrdered);
      }
    }
    if (ServerConnection* server = watches_[i]->server()) {
      watches_[i]->OnLeft(now);
      CloseServer(server, now);
    }
  }
}

void Hub::OnWatched(Watch* watch, TimePoint now) {
  Database* database = watch->database();
  if (watch->TakeMoved()) EscalateAll(database);
  WakeForCatalog(database, now);
  if (!database->TakeReloaded()) return;
  // Live sessions have new settings without having been told.
  log::info("the server has reloaded its configuration database={}", database->name());
  for (const auto& [id, session] : sessions_) {
    if (session->database() == database) session->OnSettingsReloaded();
  }
  for (const auto& [key, pool] : pools_) {
    if (pool->database() != database->name()) continue;
    for (ServerConnection* server : pool->idle()) server->environment.reset();
  }
}

// Sessions that have waited for a load, whatever came of it.
void Hub::WakeForCatalog(const Database* database, TimePoint now) {
  if (database->awaits_first_load() || database->reloads()) return;
  std::vector<ClientId> waiting;
  for (const ClientId id : active_) {
    const Session* session = FindSession(id);
    if (session != nullptr && session->database() == database && session->waits_for_catalog()) {
      waiting.push_back(id);
    }
  }
  for (const ClientId id : waiting) {
    if (Session* session = FindSession(id)) {
      session->OnTick(now);
      Settle(session, now);
    }
  }
}

// Writes that are under way were analysed under a catalog that may no longer hold.
void Hub::EscalateAll(const Database* only) {
  for (const auto& [id, session] : sessions_) {
    Database* database = session->database();
    if (database != nullptr && (only == nullptr || only == database)) session->Escalate(database);
  }
}

size_t Hub::Flush() {
  // The counters first, so that what is being filled now is not stored afterwards.
  for (const auto& database : databases_) versions_.Move(database->counter());
  return store_.Clear();
}

}  // namespace pgsidecar::proxy
