#include "net/worker.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <utility>

#include "net/address.h"
#include "net/connector.h"

namespace pgsidecar::net {
namespace {

constexpr size_t kReadBufferBytes = size_t{64} * 1024;
// What is read before it is delivered, besides kMaxReads; a read that fills the rest of the buffer
// is above that.
constexpr size_t kMaxReadBytes = kReadBufferBytes / 2;
// How often one that has more to say is read before it is another's turn.
constexpr int kReadsInARow = 8;
// What is encrypted ahead of the socket, and what TLS itself may have to say to one that does not
// listen.
constexpr size_t kMaxTlsBacklogBytes = TlsStream::kEncryptAheadBytes + size_t{64} * 1024;
constexpr uint64_t kTickMs = 50;
// How long a client may take to read our last words.
constexpr Duration kLingerTime = std::chrono::seconds(2);
constexpr const char* kNotConnected = "could not connect to the server";

}  // namespace

Worker::Worker(proxy::WorkerId id, proxy::UpstreamUrl upstream, TlsStore* tls, SharedHub* hub)
    : id_(id),
      upstream_(std::move(upstream)),
      tls_(tls),
      hub_(hub),
      read_buffer_(kReadBufferBytes) {
  uv_loop_init(&loop_);
  uv_timer_init(&loop_, &timer_);
  timer_.data = this;
  uv_async_init(&loop_, &wake_, [](uv_async_t* async) {
    auto* worker = static_cast<Worker*>(async->data);
    {
      SharedHub::Access hub = worker->hub_->Lock(worker->id_);
      worker->Collect(*hub);
    }
    worker->Settle();
  });
  wake_.data = this;
  uv_check_init(&loop_, &check_);
  check_.data = this;
  hub_->AddWaker(&wake_);
}

Worker::~Worker() {
  // What has been opened without ever running.
  uv_walk(
      &loop_,
      [](uv_handle_t* handle, void*) {
        if (!uv_is_closing(handle)) uv_close(handle, nullptr);
      },
      nullptr);
  uv_run(&loop_, UV_RUN_DEFAULT);
  uv_loop_close(&loop_);
  for (const Adopted& adopted : inbox_) close(adopted.arrival.socket);
}

TimePoint Worker::Now() { return TimePoint(Duration(static_cast<int64_t>(uv_hrtime() / 1000))); }

void Worker::Run() {
  clockid_t clock{};
  if (pthread_getcpuclockid(pthread_self(), &clock) == 0) {
    processor_clock_ = clock;
    running_ = true;
  }
  uv_timer_start(
      &timer_, [](uv_timer_t* timer) { static_cast<Worker*>(timer->data)->Tick(); }, 0, kTickMs);
  uv_check_start(&check_,
                 [](uv_check_t* check) { static_cast<Worker*>(check->data)->OnTurnEnded(); });
  uv_run(&loop_, UV_RUN_DEFAULT);
  running_ = false;
}

Duration Worker::processor_time() const {
  timespec used{};
  if (!running_ || clock_gettime(processor_clock_, &used) != 0) return {};
  return std::chrono::duration_cast<Duration>(std::chrono::seconds(used.tv_sec) +
                                              std::chrono::nanoseconds(used.tv_nsec));
}

// --- clients ---

void Worker::Adopt(proxy::ClientId client, Arrival arrival) {
  inbox_.push_back({client, std::move(arrival)});
}

void Worker::Open(Adopted adopted) {
  auto* connection = new Connection(this, Role::kClient, adopted.client);
  clients_[connection->id] = connection;
  if (const int status = connection->socket.Open(&loop_, adopted.arrival.socket, connection);
      status != 0) {
    return Lose(connection, NetError("could not take the client's connection", status));
  }
  if (!adopted.arrival.unix_socket) connection->socket.SetTcpOptions();
  connection->connected = true;
  news_.push_back({News::Kind::kReady, connection, {}});
}

// --- servers ---

// Opens a socket to the upstream. `first_bytes` are for a cancel request: sent as soon as it is
// open.
void Worker::Connect(proxy::ServerId id, Role role, Outbox first_bytes,
                     std::unique_ptr<pool::TlsNegotiation> negotiation) {
  auto* connection = new Connection(this, role, id);
  connection->rest.Edit().last = std::move(first_bytes);
  connection->rest.Edit().negotiation = std::move(negotiation);
  connection->deadline = Now() + connect_timeout_;
  connection->rest.Edit().connect_ended = OnConnectEnded;
  if (role == Role::kServer) {
    servers_[id] = connection;
  } else {
    others_.insert(connection);
  }
  const int status = net::Connect(&loop_, upstream_, connection);
  if (status != 0) Lose(connection, NetError(kNotConnected, status));
}

void Worker::OnConnectEnded(Connection* connection, int status) {
  Worker* worker = connection->worker;
  if (status != 0) {
    worker->Lose(connection, NetError(kNotConnected, status));
    return worker->Settle();
  }
  if (connection->rest->negotiation != nullptr) {
    worker->Negotiate(connection, connection->rest->negotiation->Begin());
  } else {
    worker->OnOpen(connection);
  }
  worker->Settle();
}

// The socket can carry what is to be said: it is connected, and TLS up or left out.
void Worker::OnOpen(Connection* connection) {
  connection->connected = true;
  if (connection->role == Role::kCancel) {
    connection->deadline = Now() + connect_timeout_;
    connection->taken = std::exchange(connection->rest.Edit().last, {});
    Write(connection);
    return UpdateReading(connection);
  }
  connection->deadline = TimePoint::max();
  TransportSecurity transport;
  if (connection->tls != nullptr) transport = connection->tls->security();
  const bool repeats =
      connection->rest->negotiation != nullptr && connection->rest->negotiation->repeats_startup();
  if (connection->rest->negotiation != nullptr &&
      !connection->rest->negotiation->watches_startup()) {
    connection->rest.Edit().negotiation.reset();
  }
  SharedHub::Access hub = hub_->Lock(id_);
  if (repeats) {
    hub->OnServerReconnected(connection->id, std::move(transport));
  } else {
    hub->OnServerConnected(connection->id, Now(), std::move(transport));
  }
  Note(*hub, connection);
  Collect(*hub);
}

// --- reading ---

void Worker::OnReady(uv_poll_t* poll, int status, int events) {
  auto* connection = static_cast<Connection*>(poll->data);
  Worker* worker = connection->worker;
  events = connection->socket.Ready(status, events);
  if ((events & UV_READABLE) != 0) worker->Receive(connection);
  if ((events & UV_WRITABLE) != 0) worker->GoOnWriting(connection);
  if (status != 0) worker->UpdateWatch(connection);  // until who reads or writes is told why
}

void Worker::OnTurnEnded() {
  if (!reads_.empty()) Settle();
  never_opened_.clear();
}

void Worker::Receive(Connection* connection) {
  for (int i = 0; i < kReadsInARow && connection->reading && !connection->closed; ++i) {
    const std::span<char> room = std::span(read_buffer_).subspan(read_bytes_);
    const ssize_t count = connection->socket.Receive(room);
    if (count == UV_EAGAIN) return;
    if (count <= 0) {
      // What it said before it went is taken first. If the hub wants no more of that for now, it is
      // found to have gone again later.
      if (!reads_.empty()) Settle();
      if (!connection->reading) return;
      Lose(connection,
           count == 0 ? Error{"08006", "server closed the connection unexpectedly", "", ""}
                      : NetError("lost the connection to the server", static_cast<int>(count)));
      return Settle();
    }
    reads_.push_back({connection, {room.data(), static_cast<size_t>(count)}});
    read_bytes_ += static_cast<size_t>(count);
    const bool full = static_cast<size_t>(count) == room.size();
    if (reads_.size() < kMaxReads && read_bytes_ < kMaxReadBytes) return;
    Settle();
    if (!full) return;
  }
}

// What has been read, to whom it is for.
void Worker::DeliverReads() {
  if (reads_.empty()) return;
  std::erase_if(reads_, [this](const Read& read) {
    if (read.connection->ending) return true;  // nobody listens any more
    if (!IsGuarded(*read.connection)) return false;
    OnGuardedBytes(read.connection, read.bytes);
    UpdateReading(read.connection);
    return true;
  });
  if (!reads_.empty()) {
    const TimePoint now = Now();
    SharedHub::Access hub = hub_->Lock(id_);
    // Those of a kind go the same way, so that the second finds it warm; servers first, whose
    // connections may become free for who asks.
    for (const Role role : {Role::kServer, Role::kClient}) {
      for (const Read& read : reads_) {
        if (read.connection->role == role) Hand(*hub, *read.connection, read.bytes, now);
      }
    }
    Collect(*hub);
  }
  reads_.clear();
  read_bytes_ = 0;
}

bool Worker::IsGuarded(const Connection& connection) {
  return connection.tls != nullptr || connection.rest->negotiation != nullptr;
}

void Worker::Deliver(const Connection& connection, std::string_view bytes) {
  SharedHub::Access hub = hub_->Lock(id_);
  Hand(*hub, connection, bytes, Now());
  Collect(*hub);
}

// Plain bytes. What comes in answer to a cancel request is for nobody.
void Worker::Hand(proxy::Hub& hub, const Connection& connection, std::string_view bytes,
                  TimePoint now) {
  switch (connection.role) {
    case Role::kClient:
      return hub.OnClientBytes(connection.id, bytes, now);
    case Role::kServer:
      return hub.OnServerBytes(connection.id, bytes, now);
    case Role::kCancel:
      return;
  }
}

bool Worker::WantsBytes(const Connection& connection) const {
  if (connection.ending) return connection.shut_down;  // to see the end; what comes is dropped
  // Whoever makes TLS answer (by key updates) has to take the answers.
  if (connection.tls != nullptr && connection.tls->out.bytes() > kMaxTlsBacklogBytes) return false;
  return connection.role == Role::kCancel || connection.wants_bytes;
}

void Worker::UpdateReading(Connection* connection) {
  if (!connection->connected || connection->closed) return;
  // What TLS still holds comes before what the socket has.
  if (connection->tls != nullptr && !connection->ending && connection->tls->has_input()) {
    Pump(connection);
    connection->tls->Keep();
    if (connection->closed) return;
  }
  connection->reading = WantsBytes(*connection);
  UpdateWatch(connection);
}

void Worker::UpdateWatch(Connection* connection) {
  if (connection->closed) return;
  connection->socket.Watch(
      (connection->reading ? UV_READABLE : 0) | (connection->blocked ? UV_WRITABLE : 0), OnReady);
}

// --- between the hub and the sockets ---

void Worker::Collect(proxy::Hub& hub) {
  std::move(inbox_.begin(), inbox_.end(), std::back_inserter(adopted_));
  inbox_.clear();
  while (hub.HasOutput(id_)) {
    hub.TakeOutput(id_, &output_);
    std::move(output_.actions.begin(), output_.actions.end(), std::back_inserter(actions_));
    for (const proxy::ServerId id : output_.servers) Note(hub, Find(Role::kServer, id));
    for (const proxy::ClientId id : output_.clients) Note(hub, Find(Role::kClient, id));
    output_.Clear();
  }
  connect_timeout_ = hub.config().server_connect_timeout;
  ending_ = end_asked_;
}

// Takes what is to be written, unless that of the last time has not been, and asks whether more is
// to be read.
void Worker::Note(proxy::Hub& hub, Connection* connection) {
  if (connection == nullptr || !connection->connected) return;
  const bool may_take = !connection->blocked && connection->taken.empty();
  connection->left_behind = !may_take;
  if (connection->role == Role::kClient) {
    if (may_take) {
      spare_outboxes_.Lend(&connection->taken);
      hub.TakeClientBytes(connection->id, &connection->taken);
    }
    const proxy::Session* session = hub.FindSession(connection->id);
    connection->wants_bytes = session != nullptr && session->WantsClientBytes();
    connection->holds_input = session != nullptr && session->holds_input();
  } else {
    if (may_take) hub.TakeServerBytes(connection->id, &connection->taken);
    const pool::ServerConnection* server = hub.FindServer(connection->id);
    connection->wants_bytes = server != nullptr && hub.WantsServerBytes(*server);
  }
  noted_.push_back(connection);
}

void Worker::Tell(proxy::Hub& hub, const News& news) {
  Connection* connection = news.connection;
  const uint64_t id = connection->id;
  const TimePoint now = Now();
  switch (news.kind) {
    case News::Kind::kReady:
      if (connection->closed || connection->ending) return;
      Note(hub, connection);
      if (connection->taken.empty() && connection->holds_input) hub.OnClientDrained(id, now);
      return;
    case News::Kind::kLost:
      if (connection->role == Role::kCancel) return hub.OnCancelSent(id, now);
      if (connection->role == Role::kClient) return hub.OnClientGone(id, now);
      if (connection->connected) return hub.OnServerGone(id, news.error, now);
      return hub.OnServerConnectFailed(id, news.error, now);
  }
}

void Worker::Settle() {
  DeliverReads();
  while (true) {
    for (Adopted& adopted : std::exchange(adopted_, {})) Open(std::move(adopted));
    for (proxy::NetAction& action : std::exchange(actions_, {})) Perform(std::move(action));
    for (size_t i = 0; i < noted_.size(); ++i) {  // TLS may bring more of them
      Write(noted_[i]);
      UpdateReading(noted_[i]);
    }
    noted_.clear();
    if (news_.empty()) {
      if (actions_.empty() && adopted_.empty()) break;
      continue;
    }
    SharedHub::Access hub = hub_->Lock(id_);
    for (const News& news : std::exchange(news_, {})) Tell(*hub, news);
    Collect(*hub);
  }
  if (ending_) CloseAll();
}

void Worker::Perform(proxy::NetAction action) {
  using Kind = proxy::NetAction::Kind;
  switch (action.kind) {
    case Kind::kConnectServer:
      return Connect(action.id, Role::kServer, {}, NewNegotiation(false));
    case Kind::kSendCancel:
      return Connect(action.id, Role::kCancel, std::move(action.last_bytes),
                     action.encrypt ? NewNegotiation(true) : nullptr);
    case Kind::kCloseServer:
      if (Connection* connection = Find(Role::kServer, action.id)) {
        if (!connection->connected) return Close(connection);
        End(connection, std::move(action.last_bytes));
      }
      return;
    case Kind::kCloseClient:
      if (Connection* connection = Find(Role::kClient, action.id)) {
        End(connection, std::move(action.last_bytes));
      }
      return;
    case Kind::kStartTls:
    case Kind::kStartDirectTls:
      if (Connection* connection = Find(Role::kClient, action.id)) {
        StartClientTls(connection, std::move(action));
      }
      return;
  }
}

Connection* Worker::Find(Role role, uint64_t id) {
  const auto& map = role == Role::kClient ? clients_ : servers_;
  const auto it = map.find(id);
  return it == map.end() ? nullptr : it->second;
}

// --- writing ---

// Writes what has been taken, and behind it the last words, as far as the socket takes it.
void Worker::Write(Connection* connection) {
  if (connection->blocked || connection->closed) return;
  const bool had_bytes = !connection->taken.empty();
  while (true) {
    if (connection->ending && connection->taken.empty())
      std::swap(connection->taken, connection->rest.Edit().last);
    if (connection->tls != nullptr && !WriteTls(connection)) return;
    if (!connection->connected) return;
    while (!connection->taken.empty()) {
      if (!WriteSome(connection, &connection->taken)) return;
    }
    if (!connection->ending || connection->rest->last.empty()) break;
  }
  if (connection->role == Role::kClient) spare_outboxes_.Keep(&connection->taken);
  if (connection->ending) {
    if (std::exchange(connection->shut_down, true)) return;
    // Closing now could destroy what the other end has not read yet; it closes when it has.
    connection->socket.ShutDown();
    return UpdateReading(connection);
  }
  // What was held back because of these bytes goes on.
  if (connection->left_behind || (had_bytes && connection->holds_input)) {
    news_.push_back({News::Kind::kReady, connection, {}});
  }
}

// Writes what the socket takes. Returns false if it takes no more for now, or is lost.
bool Worker::WriteSome(Connection* connection, Outbox* out) {
  std::array<std::string_view, Socket::kMaxPieces> pieces;
  const size_t count = out->Peek(pieces);
  const ssize_t written = connection->socket.Send(std::span(pieces).first(count));
  if (written > 0) {
    out->Consume(static_cast<size_t>(written));
    return true;
  }
  if (written == UV_EAGAIN) {
    connection->blocked = true;
    UpdateWatch(connection);
    return false;
  }
  out->Clear();
  Lose(connection, NetError("lost the connection", static_cast<int>(written)));
  return false;
}

// The socket takes more, or says why it never will: behind what was read before that.
void Worker::GoOnWriting(Connection* connection) {
  DeliverReads();
  connection->blocked = false;
  Write(connection);
  UpdateWatch(connection);
  if (connection->tls != nullptr) UpdateReading(connection);
  const bool done = !connection->blocked && connection->connected && !connection->ending;
  if (done && connection->role != Role::kCancel) {
    news_.push_back({News::Kind::kReady, connection, {}});
  }
  Settle();
}

// --- ending ---

void Worker::Lose(Connection* connection, Error error) {
  if (connection->closed) return;
  const bool told = connection->ending;  // the hub has let go of it
  if (connection->rest->negotiation != nullptr && !told) GiveRefusal(connection);
  Close(connection);
  if (!told) news_.push_back({News::Kind::kLost, connection, std::move(error)});
}

void Worker::End(Connection* connection, Outbox last) {
  (connection->role == Role::kClient ? clients_ : servers_).erase(connection->id);
  others_.insert(connection);
  connection->ending = true;
  connection->rest.Edit().last = std::move(last);
  connection->deadline = Now() + kLingerTime;
  Write(connection);
  UpdateReading(connection);
}

void Worker::Close(Connection* connection) {
  if (std::exchange(connection->closed, true)) return;
  if (const auto it = clients_.find(connection->id);
      it != clients_.end() && it->second == connection) {
    clients_.erase(it);
  }
  if (const auto it = servers_.find(connection->id);
      it != servers_.end() && it->second == connection) {
    servers_.erase(it);
  }
  others_.erase(connection);
  AbandonResolution(connection);
  if (!connection->socket.is_open()) {
    never_opened_.emplace_back(connection);
    return;
  }
  connection->socket.Close(
      [](uv_handle_t* handle) { delete static_cast<Connection*>(handle->data); });
}

void Worker::CloseAll() {
  if (std::exchange(ended_, true)) return;
  std::vector<Connection*> all(others_.begin(), others_.end());
  for (const auto& [id, connection] : clients_) all.push_back(connection);
  for (const auto& [id, connection] : servers_) all.push_back(connection);
  for (Connection* connection : all) Close(connection);
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&wake_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&check_), nullptr);
}

void Worker::Tick() {
  const TimePoint now = Now();
  turned_at_ = now;
  std::vector<Connection*> late;
  for (const auto& [id, connection] : servers_) {
    if (now > connection->deadline) late.push_back(connection);
  }
  for (Connection* connection : others_) {
    if (now > connection->deadline) late.push_back(connection);
  }
  for (Connection* connection : late) {
    Lose(connection, {"08006", "could not connect to the server: timeout expired", "", ""});
  }
  Settle();
}

}  // namespace pgsidecar::net
