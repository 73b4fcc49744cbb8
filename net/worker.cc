#include "net/worker.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <utility>

#include "net/address.h"
#include "net/connector.h"

namespace pgsidecar::net {
namespace {

constexpr size_t kReadBufferBytes = size_t{64} * 1024;
// What is read before it is delivered, besides kMaxReads; a read that fills the rest of the buffer
// is above that.
constexpr size_t kMaxReadBytes = kReadBufferBytes / 2;
// What TLS itself may have to say to one that does not listen.
constexpr size_t kMaxTlsBacklogBytes = size_t{64} * 1024;
constexpr uint64_t kTickMs = 50;
// How long a client may take to read our last words.
constexpr Duration kLingerTime = std::chrono::seconds(2);
constexpr unsigned kKeepaliveSeconds = 60;
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
  uv_check_start(&check_, [](uv_check_t* check) {
    auto* worker = static_cast<Worker*>(check->data);
    if (!worker->reads_.empty()) worker->Settle();
  });
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
  const uv_os_sock_t socket = adopted.arrival.socket;
  int status = 0;
  if (adopted.arrival.unix_socket) {
    uv_pipe_init(&loop_, &connection->pipe, 0);
    status = uv_pipe_open(&connection->pipe, socket);
  } else {
    uv_tcp_init(&loop_, &connection->tcp);
    status = uv_tcp_open(&connection->tcp, socket);
  }
  connection->handle.data = connection;
  clients_[connection->id] = connection;
  if (status != 0) {
    close(socket);
    return Lose(connection, NetError("could not take the client's connection", status));
  }
  if (!adopted.arrival.unix_socket) {
    uv_tcp_nodelay(&connection->tcp, 1);
    uv_tcp_keepalive(&connection->tcp, 1, kKeepaliveSeconds);
  }
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
  if (!IsUnixDirectory(upstream_.host)) uv_tcp_keepalive(&connection->tcp, 1, kKeepaliveSeconds);
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

void Worker::OnAllocate(uv_handle_t* handle, size_t, uv_buf_t* buffer) {
  Worker* worker = static_cast<Connection*>(handle->data)->worker;
  *buffer = uv_buf_init(worker->read_buffer_.data() + worker->read_bytes_,
                        static_cast<unsigned>(worker->read_buffer_.size() - worker->read_bytes_));
}

void Worker::OnRead(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) {
  auto* connection = static_cast<Connection*>(stream->data);
  Worker* worker = connection->worker;
  if (count == 0) return;
  if (count > 0) {
    worker->reads_.push_back({connection, {buffer->base, static_cast<size_t>(count)}});
    worker->read_bytes_ += static_cast<size_t>(count);
    // Under TLS the loop must not say that the other end has gone before what it has said is taken.
    if (!IsGuarded(*connection) && worker->reads_.size() < kMaxReads &&
        worker->read_bytes_ < kMaxReadBytes) {
      return;
    }
  } else {
    worker->DeliverReads();
    worker->Lose(connection,
                 count == UV_EOF
                     ? Error{"08006", "server closed the connection unexpectedly", "", ""}
                     : NetError("lost the connection to the server", static_cast<int>(count)));
  }
  worker->Settle();
}

// What has been read, to whom it is for.
void Worker::DeliverReads() {
  if (reads_.empty()) return;
  std::erase_if(reads_, [this](const Read& read) {
    if (read.connection->ending) return true;  // nobody listens any more
    if (!IsGuarded(*read.connection)) return false;
    OnGuardedBytes(read.connection, read.bytes);
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
  if (!connection->connected || uv_is_closing(&connection->handle)) return;
  // What TLS still holds comes before what the socket has.
  if (connection->tls != nullptr && !connection->ending && connection->tls->has_input()) {
    Pump(connection);
    connection->tls->Keep();
    if (uv_is_closing(&connection->handle)) return;
  }
  const bool wants = WantsBytes(*connection);
  if (wants == connection->reading) return;
  connection->reading = wants;
  if (wants) {
    uv_read_start(&connection->stream, OnAllocate, OnRead);
  } else {
    uv_read_stop(&connection->stream);
  }
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
  const bool may_take = !connection->write_active && connection->taken.empty();
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
  const bool closing = uv_is_closing(&connection->handle) != 0;
  const TimePoint now = Now();
  switch (news.kind) {
    case News::Kind::kReady:
      if (closing || connection->ending) return;
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
  if (connection->write_active || uv_is_closing(&connection->handle)) return;
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
    uv_shutdown(&connection->rest.Edit().shutdown_request, &connection->stream, nullptr);
    return UpdateReading(connection);
  }
  // What was held back because of these bytes goes on.
  if (connection->left_behind || (had_bytes && connection->holds_input)) {
    news_.push_back({News::Kind::kReady, connection, {}});
  }
}

// Writes what the socket takes. Returns false if it takes no more: the rest is handed to uv_write.
bool Worker::WriteSome(Connection* connection, Outbox* out) {
  constexpr size_t kMaxPieces = 16;
  std::array<std::string_view, kMaxPieces> pieces;
  std::array<uv_buf_t, kMaxPieces> buffers;
  const size_t count = out->Peek(pieces);
  for (size_t i = 0; i < count; ++i) {
    buffers[i] =
        uv_buf_init(const_cast<char*>(pieces[i].data()), static_cast<unsigned>(pieces[i].size()));
  }
  const int written =
      uv_try_write(&connection->stream, buffers.data(), static_cast<unsigned>(count));
  if (written > 0) {
    out->Consume(static_cast<size_t>(written));
    return true;
  }
  if (written != UV_EAGAIN) {
    out->Clear();
    Lose(connection, NetError("lost the connection", written));
    return false;
  }
  connection->rest.Edit().writing = std::exchange(*out, {});
  std::vector<std::string_view> all(connection->rest->writing.pieces());
  all.resize(connection->rest->writing.Peek(all));
  std::vector<uv_buf_t> blocks;
  blocks.reserve(all.size());
  for (const std::string_view piece : all) {
    blocks.push_back(
        uv_buf_init(const_cast<char*>(piece.data()), static_cast<unsigned>(piece.size())));
  }
  connection->rest.Edit().write_request.data = connection;
  connection->write_active = true;
  const int status = uv_write(&connection->rest.Edit().write_request, &connection->stream,
                              blocks.data(), static_cast<unsigned>(blocks.size()), OnWritten);
  if (status != 0) {
    connection->write_active = false;
    Lose(connection, NetError("lost the connection", status));
  }
  return false;
}

void Worker::OnWritten(uv_write_t* request, int status) {
  auto* connection = static_cast<Connection*>(request->data);
  connection->write_active = false;
  if (status == UV_ECANCELED || uv_is_closing(&connection->handle)) return;
  Worker* worker = connection->worker;
  connection->rest.Edit().writing = {};
  if (status != 0) {
    worker->Lose(connection, NetError("lost the connection", status));
  } else {
    worker->Write(connection);
    if (connection->tls != nullptr) worker->UpdateReading(connection);
    const bool done = !connection->write_active && connection->connected && !connection->ending;
    if (done && connection->role != Role::kCancel) {
      worker->news_.push_back({News::Kind::kReady, connection, {}});
    }
  }
  worker->Settle();
}

// --- ending ---

void Worker::Lose(Connection* connection, Error error) {
  if (uv_is_closing(&connection->handle)) return;
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
  if (uv_is_closing(&connection->handle)) return;
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
  uv_close(&connection->handle, OnClosed);
}

void Worker::OnClosed(uv_handle_t* handle) { delete static_cast<Connection*>(handle->data); }

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
