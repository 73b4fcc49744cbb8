// The hub's frame: its clients, what sessions ask for, and the time. Server connections are in
// hub_servers.cc, databases and their catalogs in hub_databases.cc.

#include "proxy/hub.h"

#include <algorithm>
#include <utility>

namespace pgsidecar::proxy {

using pool::ServerConnection;
using pool::ServerState;

void Output::Clear() {
  actions.clear();
  clients.clear();
  servers.clear();
}

namespace {

// Counters that share a word empty each other's results: the more words, the seldomer.
constexpr size_t kCacheBytesPerVersionByte = 16;

}  // namespace

Hub::Hub(const Config* config, Random random, WorkerId workers)
    : config_(config),
      random_(std::move(random)),
      versions_(cache::VersionTable::BitsWithin(config->cache_bytes / kCacheBytesPerVersionByte)),
      store_(cache::StoreOptions{.max_bytes = config->cache_bytes,
                                 .max_entries = config->cache_entries},
             &versions_),
      flights_(&versions_),
      workers_(workers) {
  shared_ = {.config = config,
             .versions = &versions_,
             .store = &store_,
             .flights = &flights_,
             .sizes = &sizes_,
             .prepared = &prepared_,
             .decisions = &decisions_,
             .statistics = &statistics_,
             .mismatches = &mismatches_,
             .databases = &databases_};
  statistics_.rule_matches.resize(config->rules.size());
  DatabaseNamed(config->upstream.database);
}

Hub::~Hub() = default;

Session* Hub::FindSession(ClientId id) {
  const auto it = sessions_.find(id);
  return it == sessions_.end() ? nullptr : it->second.get();
}

ServerConnection* Hub::FindServer(ServerId id) {
  const auto it = servers_.find(id);
  return it == servers_.end() ? nullptr : it->second.get();
}

bool Hub::ready() const { return !draining_ && !watches_.empty() && watches_.front()->connected(); }

bool Hub::WantsServerBytes(const ServerConnection& server) {
  const Session* session = FindSession(server.client);
  return session == nullptr || session->server() != &server ||
         session->client_out.bytes() < config_->client_buffer_bytes;
}

// --- workers ---

void Hub::Touch(const Session& session) {
  std::vector<ClientId>& touched = workers_[session.worker].output.clients;
  if (touched.empty() || touched.back() != session.id()) touched.push_back(session.id());
}

void Hub::TouchServer(const ServerConnection& server) {
  std::vector<ServerId>& touched = workers_[server.worker].output.servers;
  if (touched.empty() || touched.back() != server.id()) touched.push_back(server.id());
}

void Hub::TouchServer(ServerId id) {
  if (const ServerConnection* server = FindServer(id)) TouchServer(*server);
}

void Hub::TakeClientBytes(ClientId id, Outbox* into) {
  Session* session = FindSession(id);
  if (session == nullptr) return;
  const size_t bytes = session->client_out.bytes();
  if (bytes == 0) {
    spare_outboxes_.Keep(&session->client_out);
    return;
  }
  statistics_.bytes_to_clients += bytes;
  std::swap(session->client_out, *into);
  spare_outboxes_.Keep(&session->client_out);
  if (bytes >= config_->client_buffer_bytes && session->server() != nullptr) {
    TouchServer(*session->server());
  }
}

void Hub::TakeServerBytes(ServerId id, Outbox* into) {
  ServerConnection* server = FindServer(id);
  if (server == nullptr || server->out.empty()) return;
  const size_t bytes = server->out.bytes();
  statistics_.bytes_to_servers += bytes;
  std::swap(server->out, *into);
  if (bytes < config_->server_buffer_bytes) return;
  if (const Session* session = FindSession(server->client)) Touch(*session);
}

Hub::WorkerFigures Hub::figures_of(WorkerId worker) const {
  const auto servers = std::count_if(servers_.begin(), servers_.end(), [worker](const auto& entry) {
    return entry.second->worker == worker;
  });
  return {.clients = workers_[worker].clients,
          .servers = static_cast<size_t>(servers),
          .processor_time = workers_[worker].processor_time};
}

WorkerId Hub::NextWorker() const {
  const auto least = std::min_element(
      workers_.begin(), workers_.end(),
      [](const WorkerState& a, const WorkerState& b) { return a.clients < b.clients; });
  return static_cast<WorkerId>(least - workers_.begin());
}

// --- clients ---

ClientId Hub::OnClientOpened(bool trusted_listener, std::string peer, TimePoint now,
                             WorkerId worker) {
  const ClientId id = next_id_++;
  ++statistics_.client_connections;
  const bool full = sessions_.size() >= config_->max_client_connections;
  auto session = std::make_unique<Session>(id, shared_, trusted_listener, std::move(peer), now);
  Session* raw = session.get();
  raw->worker = worker;
  ++workers_[worker].clients;
  sessions_.emplace(id, std::move(session));
  const bool busy = logins_.size() >= config_->max_client_logins;
  logins_.insert(id);
  if (busy && !full) {
    raw->OnLoginFailed(
        {"53300", "sorry, too many logins are under way", "max_client_logins is reached.", ""},
        now);
  } else if (full) {
    raw->OnLoginFailed(
        {"53300", "sorry, too many clients already", "max_client_connections is reached.", ""},
        now);
  } else if (draining_) {
    raw->OnDrain(now);
  }
  Settle(raw, now);
  return id;
}

void Hub::OnClientBytes(ClientId id, std::string_view bytes, TimePoint now) {
  Session* session = FindSession(id);
  if (session == nullptr) return;
  spare_outboxes_.Lend(&session->client_out);
  session->OnClientBytes(bytes, now);
  Settle(session, now);
}

void Hub::OnClientDrained(ClientId id, TimePoint now) {
  Session* session = FindSession(id);
  if (session == nullptr) return;
  session->OnClientDrained(now);
  Settle(session, now);
}

void Hub::OnClientSecured(ClientId id, TransportSecurity transport, TimePoint now) {
  Session* session = FindSession(id);
  if (session == nullptr) return;
  ++statistics_.client_tls_handshakes;
  if (transport.resumed) ++statistics_.client_tls_resumptions;
  session->OnTransportSecured(std::move(transport));
  Settle(session, now);
}

void Hub::OnClientGone(ClientId id, TimePoint now) {
  Session* session = FindSession(id);
  if (session == nullptr) return;
  session->OnClientGone(now);
  Settle(session, now);
}

void Hub::Settle(Session* session, TimePoint now) {
  if (settling_) {
    unsettled_.push_back(session->id());
    return;
  }
  settling_ = true;
  SettleOne(session, now);
  while (!unsettled_.empty()) {
    const ClientId id = unsettled_.front();
    unsettled_.pop_front();
    if (Session* next = FindSession(id)) SettleOne(next, now);
  }
  settling_ = false;
}

void Hub::SettleOne(Session* session, TimePoint now) {
  if (session->server() != nullptr) TouchServer(*session->server());
  while (session->has_actions() || session->wants_console_answer()) {
    taken_.clear();
    session->TakeActions(&taken_);
    for (const Action action : taken_) Perform(session, action, now);
    if (session->wants_console_answer() && !AnswerConsole(session, now)) break;
  }
  if (session->state() == SessionState::kClosed && session->server() == nullptr) {
    EndSession(session, now);
    return;
  }
  if (session->state() == SessionState::kConsole) logins_.erase(session->id());
  if (session->server() != nullptr) TouchServer(*session->server());
  List(session);
  Touch(*session);
}

void Hub::EndSession(Session* session, TimePoint now) {
  ServerConnection* home = FindServer(session->last_server());
  if (home != nullptr && home->home_of == session->id()) home->home_of = 0;
  ServerConnection* told = FindServer(session->sequence_server());
  if (told != nullptr && told->sequence_client == session->id()) {
    told->sequence_client = pool::kClientGone;
  }
  if (session->pool() != nullptr) {
    session->pool()->Leave(session->id());
    --session->pool()->clients;
    --session->database()->clients;
  }
  std::erase(waiting_logins_, session->id());
  --workers_[session->worker].clients;
  logins_.erase(session->id());
  console_answers_.erase(session->id());
  pool::Pool* left = pool::HoldsCustom(session->label()) ? session->pool() : nullptr;
  sessions_.erase(session->id());
  if (left != nullptr) CloseUnwanted(left, now);
}

void Hub::Perform(Session* session, Action action, TimePoint now) {
  switch (action) {
    case Action::kLogIn:
      return LogIn(session, now);
    case Action::kFindSecret:
      return FindSecret(session, now);
    case Action::kEnter:
      return Enter(session, now);
    case Action::kProbe:
      return Probe(session->server(), now);
    case Action::kReplicate:
      return BeginReplication(session, now);
    case Action::kForwardCancel:
      return ForwardCancel(*session, now);
    case Action::kStartTls:
      statistics_.bytes_to_clients += session->client_out.bytes();
      return Act(session->worker, {NetAction::Kind::kStartTls, session->id(),
                                   std::exchange(session->client_out, {})});
    case Action::kStartDirectTls: {
      Outbox first_bytes;
      first_bytes.Append(session->TakeStartupBytes());
      return Act(session->worker,
                 {NetAction::Kind::kStartDirectTls, session->id(), std::move(first_bytes)});
    }
    case Action::kLease:
      return Lease(session, now);
    case Action::kRelease:
    case Action::kReleaseDirty:
    case Action::kDropServer:
      return TakeBack(session, action, now);
    case Action::kCancelServer:
      return SendCancel(session->server());
    case Action::kCatalogChanged:
      LeaveUnusedDatabases(now);
      EscalateAll(nullptr);
      return TickWatches(now);
    case Action::kWakeWaiters:
      for (const cache::WaiterId waiter : session->TakeWoken()) {
        if (Session* woken = FindSession(waiter)) {
          woken->OnFlightLanded(now);
          Settle(woken, now);
        }
      }
      return;
    case Action::kClose:
      statistics_.bytes_to_clients += session->client_out.bytes();
      return Act(session->worker, {NetAction::Kind::kCloseClient, session->id(),
                                   std::exchange(session->client_out, {})});
  }
}

// --- time ---

void Hub::OnTick(TimePoint now) {
  EndOverdue(now);
  TickWatches(now);
  TickAuth(now);
  TrimPools(now);
  NextLogin(now);
  FeedPools(now);
  TickConsole(now);
  TickSessions(now);
  TrimDoors();
}

// Every active session, and of the idle ones, of which there may be thousands, a twentieth.
void Hub::TickSessions(TimePoint now) {
  constexpr size_t kParts = 20;
  ticking_.clear();
  ticking_.swap(active_);
  for (const ClientId id : ticking_) {
    if (Session* session = FindSession(id)) session->listed = false;
  }
  const size_t buckets = sessions_.bucket_count();
  for (size_t i = 0; i < buckets / kParts + 1; ++i) {
    ticked_bucket_ = (ticked_bucket_ + 1) % buckets;
    for (auto it = sessions_.cbegin(ticked_bucket_); it != sessions_.cend(ticked_bucket_); ++it) {
      if (it->second->is_idle()) ticking_.push_back(it->first);
    }
  }
  for (size_t i = 0; i < ticking_.size(); ++i) {
    Session* session = FindSession(ticking_[i]);
    if (session == nullptr) continue;
    session->OnTick(now);
    const pool::ServerConnection* server = session->server();
    const bool speaks = server != nullptr && server->out.bytes() > 0;
    if (speaks || session->has_actions()) {
      Settle(session, now);
    } else {
      List(session);
    }
  }
}

void Hub::List(Session* session) {
  if (session->is_idle() || std::exchange(session->listed, true)) return;
  active_.push_back(session->id());
}

// A server that has taken the connection and says nothing. A login that is relayed is the client's
// to give up.
void Hub::EndOverdue(TimePoint now) {
  std::vector<ServerId> overdue;
  for (const auto& [id, server] : servers_) {
    const Watch* watch = WatchOf(*server);
    const bool waits = watch != nullptr ? watch->IsOverdue(now)
                       : server->state() == ServerState::kLoggingIn
                           ? server->client == 0
                           : server->state() == ServerState::kProbing ||
                                 server->state() == ServerState::kResetting ||
                                 server->state() == ServerState::kSettling;
    if (waits && (watch != nullptr || now > server->deadline)) overdue.push_back(id);
  }
  for (const ServerId id : overdue) {
    OnServerGone(id, {"08006", "the server does not answer: timeout expired", "", ""}, now);
  }
}

void Hub::Drain(TimePoint now) {
  draining_ = true;
  std::vector<ClientId> ids;
  for (const auto& [id, session] : sessions_) ids.push_back(id);
  for (const ClientId id : ids) {
    if (Session* session = FindSession(id)) {
      session->OnDrain(now);
      Settle(session, now);
    }
  }
}

void Hub::EndAll(TimePoint now) {
  std::vector<ClientId> ids;
  for (const auto& [id, session] : sessions_) ids.push_back(id);
  const Error ending = {"57P01", "terminating connection: pgsidecar is shutting down", "", ""};
  // Told twice, a session does not wait for what it has under way.
  for (int i = 0; i < 2; ++i) {
    for (const ClientId id : ids) {
      Session* session = FindSession(id);
      if (session == nullptr) continue;
      session->OnLoginFailed(ending, now);
      Settle(session, now);
    }
  }
}

}  // namespace pgsidecar::proxy
