#include "tests/unit/proxy/world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <utility>

#include "pgwire/backend.h"
#include "pgwire/frame.h"
#include "pgwire/frontend.h"

namespace pgsidecar::proxy {
namespace {

using pool::ServerState;

std::string Drain(Outbox& out) {
  std::vector<std::string_view> pieces(out.pieces());
  pieces.resize(out.Peek(pieces));
  std::string bytes;
  for (const std::string_view piece : pieces) bytes += piece;
  out.Clear();
  return bytes;
}

std::string TakeFront(std::string& from, size_t limit) {
  std::string part = from.substr(0, limit);
  from.erase(0, part.size());
  return part;
}

}  // namespace

// --- client ---

FakeClient& FakeClient::Query(std::string_view sql) {
  pgwire::Query{sql}.Encode(to_proxy);
  return *this;
}

FakeClient& FakeClient::Parse(std::string_view name, std::string_view sql) {
  pgwire::Parse{name, sql, {}}.Encode(to_proxy);
  return *this;
}

FakeClient& FakeClient::Bind(std::string_view statement, const std::vector<std::string>& values,
                             std::string_view portal) {
  pgwire::Bind bind{portal, statement, {}, {values.begin(), values.end()}, {}};
  bind.Encode(to_proxy);
  return *this;
}

FakeClient& FakeClient::DescribePortal() {
  pgwire::Describe{'P', ""}.Encode(to_proxy);
  return *this;
}

FakeClient& FakeClient::DescribeStatement(std::string_view name) {
  pgwire::Describe{'S', name}.Encode(to_proxy);
  return *this;
}

FakeClient& FakeClient::Execute() {
  pgwire::Execute{}.Encode(to_proxy);
  return *this;
}

FakeClient& FakeClient::CloseStatement(std::string_view name) {
  pgwire::Close{'S', name}.Encode(to_proxy);
  return *this;
}

FakeClient& FakeClient::Sync() {
  pgwire::EncodeEmpty(to_proxy, pgwire::frontend_type::kSync);
  return *this;
}

FakeClient& FakeClient::Flush() {
  pgwire::EncodeEmpty(to_proxy, pgwire::frontend_type::kFlush);
  return *this;
}

FakeClient& FakeClient::CopyData(std::string_view data) {
  const size_t begin = pgwire::BeginMessage(to_proxy, pgwire::frontend_type::kCopyData);
  to_proxy += data;
  pgwire::EndMessage(to_proxy, begin);
  return *this;
}

FakeClient& FakeClient::CopyDone() {
  pgwire::EncodeEmpty(to_proxy, pgwire::frontend_type::kCopyDone);
  return *this;
}

FakeClient& FakeClient::Terminate() {
  pgwire::EncodeEmpty(to_proxy, pgwire::frontend_type::kTerminate);
  return *this;
}

FakeClient& FakeClient::Run(std::string_view statement, const std::vector<std::string>& values) {
  return Bind(statement, values).Execute().Sync();
}

void FakeClient::Receive(std::string_view bytes) {
  unread += bytes;
  while (true) {
    pgwire::FrameHeader header;
    Error error;
    if (pgwire::ReadBackendHeader(unread, &header, &error) != pgwire::FrameStatus::kMessage) return;
    const size_t total = pgwire::kHeaderBytes + header.body_bytes;
    if (unread.size() < total) return;
    const std::string body = unread.substr(pgwire::kHeaderBytes, header.body_bytes);
    unread.erase(0, total);
    std::string word(1, header.type);
    switch (header.type) {
      case 'R':
      case 'S':
        continue;
      case 'K': {
        const auto key = pgwire::BackendKeyData::Decode(body);
        pid = key->pid;
        cancel_key = key->key;
        continue;
      }
      case 'D': {
        const auto row = pgwire::DataRow::Decode(body);
        word += ":" + std::string(row->values.empty() ? "" : row->values[0].value_or("null"));
        break;
      }
      case 'C':
        word += ":" + std::string(pgwire::CommandComplete::Decode(body)->tag);
        break;
      case 'E':
        word += ":" + std::string(pgwire::ErrorFields::Decode(body)->Find('C'));
        break;
      case 'Z':
        word += ":" + body;
        break;
      default:
        break;
    }
    received.push_back(word);
  }
}

std::string FakeClient::Take() {
  std::string text;
  for (const std::string& word : received) text += (text.empty() ? "" : " ") + word;
  received.clear();
  return text;
}

// --- world ---

Config World::DefaultConfig() {
  Config config;
  config.upstream.user = "app";
  config.upstream.database = "app";
  config.upstream.host = "upstream";
  config.sole_writer = true;
  config.default_pool_size = 3;
  return config;
}

World::World(Config given, bool small_catalog) : config(std::move(given)) {
  database.small_catalog = small_catalog;
  hub = std::make_unique<Hub>(
      &config, [](size_t count) { return std::string(count, 'r'); }, config.workers);
  Advance(std::chrono::milliseconds(50));
  Run();
}

World::~World() { End(); }

void World::End() {
  hub->EndAll(now);
  for (int i = 0; i < 200 && !hub->sessions().empty(); ++i) {
    Advance(std::chrono::milliseconds(100));
    Run();
  }
}

FakeClient& World::Open(std::string_view user, std::string_view database_name) {
  FakeClient& client = clients.emplace_back();
  client.worker = hub->NextWorker();
  client.id = hub->OnClientOpened(true, "test", now, client.worker);
  pgwire::StartupMessage startup;
  startup.parameters = {{"user", std::string(user)}, {"database", std::string(database_name)}};
  startup.Encode(client.to_proxy);
  Collect();
  return client;
}

FakeClient& World::LoggedIn(std::string_view user, std::string_view database_name) {
  FakeClient& client = Open(user, database_name);
  Run();
  client.Take();
  return client;
}

void World::Vanish(FakeClient& client) {
  client.gone = true;
  client.to_proxy.clear();
  if (!client.closed) hub->OnClientGone(client.id, now);
  Collect();
}

void World::RequestCancel(const FakeClient& client) {
  std::string bytes;
  pgwire::CancelRequest{client.pid, client.cancel_key}.Encode(bytes);
  const ClientId id = hub->OnClientOpened(true, "cancel", now);
  hub->OnClientBytes(id, bytes, now);
  Collect();
}

void World::LoseConnection(ServerId id) {
  Server server = std::move(servers.at(id));
  servers.erase(id);
  server.backend->Disconnect();
  server.backend->Receive(server.to_backend);
  orphans.push_back(std::move(server));
  hub->OnServerGone(id, {"08006", "server closed the connection unexpectedly", "", ""}, now);
  Collect();
}

void World::Kill(ServerId id) {
  Server server = std::move(servers.at(id));
  servers.erase(id);
  server.backend->Die();
  hub->OnServerGone(id, {"08006", "server closed the connection unexpectedly", "", ""}, now);
  Collect();
}

void World::Collect() {
  for (bool more = true; more;) {
    more = false;
    for (WorkerId worker = 0; worker < hub->workers(); ++worker) {
      if (!hub->HasOutput(worker)) continue;
      more = true;
      Output output;
      hub->TakeOutput(worker, &output);
      for (NetAction& action : output.actions) Perform(worker, std::move(action));
      for (const ServerId id : output.servers) NoteServer(worker, id);
      for (const ClientId id : output.clients) NoteClient(worker, id);
    }
  }
}

void World::Perform(WorkerId worker, NetAction action) {
  using Kind = NetAction::Kind;
  switch (action.kind) {
    case Kind::kConnectServer:
      servers[action.id].worker = worker;
      break;
    case Kind::kCloseServer:
      if (const auto it = servers.find(action.id); it != servers.end()) {
        EXPECT_EQ(it->second.worker, worker);
        Server server = std::move(it->second);
        servers.erase(it);
        if (server.backend == nullptr) break;
        server.backend->Receive(server.to_backend + Drain(action.last_bytes));
        server.backend->Disconnect();
        orphans.push_back(std::move(server));
      }
      break;
    case Kind::kCloseClient:
      for (FakeClient& client : clients) {
        if (client.id != action.id) continue;
        EXPECT_EQ(client.worker, worker);
        client.Receive(Drain(action.last_bytes));
        client.closed = true;
      }
      break;
    case Kind::kSendCancel: {
      EXPECT_EQ(servers.at(action.id).worker, worker);
      const auto packet = pgwire::DecodeStartupPacket(Drain(action.last_bytes));
      cancels.push_back({action.id, std::get<pgwire::CancelRequest>(*packet).pid});
      break;
    }
    case Kind::kStartTls:
    case Kind::kStartDirectTls:
      hub->OnClientSecured(action.id, client_tls, now);
      break;
  }
}

// A worker knows of a connection what it was told when that was touched, and nothing later.
void World::NoteServer(WorkerId worker, ServerId id) {
  const auto it = servers.find(id);
  if (it == servers.end()) return;
  EXPECT_EQ(it->second.worker, worker);
  Outbox out;
  hub->TakeServerBytes(id, &out);
  it->second.to_backend += Drain(out);
  const pool::ServerConnection* connection = hub->FindServer(id);
  it->second.wanted = connection != nullptr && hub->WantsServerBytes(*connection);
}

void World::NoteClient(WorkerId worker, ClientId id) {
  for (FakeClient& client : clients) {
    if (client.id != id || client.closed || client.gone) continue;
    EXPECT_EQ(client.worker, worker);
    Outbox out;
    hub->TakeClientBytes(id, &out);
    const bool had_bytes = !out.empty();
    client.Receive(Drain(out));
    const Session* session = hub->FindSession(id);
    client.wanted = session != nullptr && session->WantsClientBytes();
    if (session != nullptr && session->holds_input() && had_bytes) hub->OnClientDrained(id, now);
  }
}

void World::Speak(FakeClient& client, size_t limit) {
  hub->OnClientBytes(client.id, TakeFront(client.to_proxy, limit), now);
  Collect();
}

void World::Send(Server& server, size_t limit) {
  server.backend->Receive(TakeFront(server.to_backend, limit));
}

void World::Hear(ServerId id, size_t limit) {
  hub->OnServerBytes(id, TakeFront(servers.at(id).backend->out, limit), now);
  Collect();
}

std::vector<World::Move> World::Moves() {
  using Kind = Move::Kind;
  std::vector<Move> moves;
  const auto add = [&moves](Kind kind, uint64_t of, std::function<void(size_t)> run) {
    moves.push_back({kind, of, std::move(run)});
  };
  for (FakeClient& client : clients) {
    if (client.closed || client.gone || client.to_proxy.empty() || !client.wanted) continue;
    add(Kind::kSpeak, client.id, [this, &client](size_t limit) { Speak(client, limit); });
  }
  for (auto& [id, server] : servers) {
    if (server.held) continue;
    if (!server.connected) {
      add(Kind::kConnect, id, [this, id = id](size_t) {
        Server& opened = servers.at(id);
        opened.connected = true;
        opened.backend = std::make_unique<FakeBackend>(&database);
        hub->OnServerConnected(id, now);
        Collect();
      });
      continue;
    }
    const uint32_t pid = server.backend->pid();
    if (!server.to_backend.empty()) {
      add(Kind::kSend, pid, [this, &server](size_t limit) { Send(server, limit); });
    }
    if (!server.backend->NextMessage().empty() || server.to_backend.empty()) {
      add(Kind::kStep, pid, [&server](size_t) { server.backend->Step(); });
    }
    if (!server.mute && !server.backend->out.empty() && server.wanted) {
      add(Kind::kHear, pid, [this, id = id](size_t limit) { Hear(id, limit); });
    }
    if (server.backend->dead() && server.backend->out.empty() && !server.mute) {
      add(Kind::kDie, pid, [this, id = id](size_t) { Kill(id); });
    }
  }
  for (Server& orphan : orphans) {
    if (!orphan.held && !orphan.backend->dead()) {
      add(Kind::kStep, orphan.backend->pid(), [&orphan](size_t) { orphan.backend->Step(); });
    }
  }
  if (!cancels.empty()) {
    add(Kind::kCancel, cancels.front().pid, [this](size_t) {
      Cancel& cancel = cancels.front();
      if (!std::exchange(cancel.arrived, true)) {
        for (auto& [id, server] : servers) {
          if (server.backend && server.backend->pid() == cancel.pid) server.backend->Cancel();
        }
        return;
      }
      const ServerId id = cancel.server;
      cancels.pop_front();
      hub->OnCancelSent(id, now);
      Collect();
    });
  }
  return moves;
}

void World::Run() {
  const auto mark = [this] {
    size_t sum = database.handled * 1000;
    for (const auto& [id, server] : servers) {
      sum += server.to_backend.size() + 7 * (server.backend ? server.backend->out.size() : 0);
    }
    for (const FakeClient& client : clients) {
      sum += 13 * client.to_proxy.size() + 17 * client.received.size();
    }
    return sum;
  };
  // A Step of a backend without a message is a move that moves nothing: quiet is when a whole
  // round of moves has changed nothing twice.
  for (int quiet = 0; quiet < 3;) {
    const size_t before = mark();
    // Each move may make others impossible: they are asked for anew.
    const size_t count = Moves().size();
    for (size_t i = 0; i < count; ++i) {
      std::vector<Move> moves = Moves();
      if (i < moves.size()) moves[i](SIZE_MAX);
    }
    quiet = mark() == before && cancels.empty() ? quiet + 1 : 0;
  }
}

void World::Advance(Duration duration) {
  now += duration;
  hub->OnTick(now);
  Collect();
}

std::string World::Ask(FakeClient& client, std::string_view sql) {
  client.Query(sql);
  Run();
  return client.Take();
}

ServerId World::ServerOf(const FakeClient& client) {
  const Session* session = hub->FindSession(client.id);
  return session == nullptr || session->server() == nullptr ? 0 : session->server()->id();
}

size_t World::Count(ServerState state) const {
  return static_cast<size_t>(
      std::count_if(hub->servers().begin(), hub->servers().end(), [state](const auto& entry) {
        return entry.second->pool != nullptr && entry.second->state() == state;
      }));
}

bool World::AnythingPending() {
  const cache::VersionTable& versions = hub->versions();
  for (const auto& known : hub->databases()) {
    const std::array counters = {known->counter()};
    if (!versions.Capture(counters)) return true;
    for (uint32_t oid = 16384; oid < 17000; ++oid) {
      const std::array relation = {known->RelationCounter(oid)};
      if (!versions.Capture(relation)) return true;
    }
  }
  return false;
}

}  // namespace pgsidecar::proxy
