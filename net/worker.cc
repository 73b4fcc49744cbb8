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
constexpr uint64_t kTickMs = 50;
// How long a client may take to read our last words.
constexpr Duration kLingerTime = std::chrono::seconds(2);
constexpr unsigned kKeepaliveSeconds = 60;
constexpr const char* kNotConnected = "could not connect to the server";

}  // namespace

Worker::Worker(proxy::WorkerId id, proxy::UpstreamUrl upstream, SharedHub* hub)
    : id_(id), upstream_(std::move(upstream)), hub_(hub), read_buffer_(kReadBufferBytes) {
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
  news_.push_back({News::Kind::kOpened, connection, {}});
}

// --- servers ---

// Opens a socket to the upstream. `first_bytes` are for a cancel request: sent as soon as it is
// open.
void Worker::Connect(proxy::ServerId id, Role role, Outbox first_bytes) {
  auto* connection = new Connection(this, role, id);
  connection->last = std::move(first_bytes);
  connection->deadline = Now() + connect_timeout_;
  connection->connect_ended = OnConnectEnded;
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
  connection->connected = true;
  connection->deadline = TimePoint::max();
  if (connection->role == Role::kCancel) {
    connection->deadline = Now() + worker->connect_timeout_;
    connection->writing = std::exchange(connection->last, {});
    worker->Write(connection);
    worker->UpdateReading(connection);
  } else {
    if (!IsUnixDirectory(worker->upstream_.host)) {
      uv_tcp_keepalive(&connection->tcp, 1, kKeepaliveSeconds);
    }
    worker->news_.push_back({News::Kind::kOpened, connection, {}});
  }
  worker->Settle();
}

// --- reading ---

void Worker::OnAllocate(uv_handle_t* handle, size_t, uv_buf_t* buffer) {
  Worker* worker = static_cast<Connection*>(handle->data)->worker;
  *buffer =
      uv_buf_init(worker->read_buffer_.data(), static_cast<unsigned>(worker->read_buffer_.size()));
}

void Worker::OnRead(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) {
  auto* connection = static_cast<Connection*>(stream->data);
  Worker* worker = connection->worker;
  if (count == 0) return;
  if (count > 0) {
    worker->OnBytes(connection, {buffer->base, static_cast<size_t>(count)});
  } else if (count == UV_EOF) {
    worker->Lose(connection, {"08006", "server closed the connection unexpectedly", "", ""});
  } else {
    worker->Lose(connection,
                 NetError("lost the connection to the server", static_cast<int>(count)));
  }
  worker->Settle();
}

void Worker::OnBytes(Connection* connection, std::string_view bytes) {
  if (connection->ending || connection->role == Role::kCancel) return;  // nobody listens any more
  const TimePoint now = Now();
  SharedHub::Access hub = hub_->Lock(id_);
  if (connection->role == Role::kClient) {
    hub->OnClientBytes(connection->id, bytes, now);
  } else {
    hub->OnServerBytes(connection->id, bytes, now);
  }
  Collect(*hub);
}

void Worker::UpdateReading(Connection* connection) {
  if (!connection->connected || uv_is_closing(&connection->handle)) return;
  // Of a connection that is ending, to see the end; what comes is dropped.
  const bool wants = connection->ending                  ? connection->shut_down
                     : connection->role == Role::kCancel ? true
                                                         : connection->wants_bytes;
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
  adopted_.swap(inbox_);
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

// Takes what is to be written, and asks whether more is to be read.
void Worker::Note(proxy::Hub& hub, Connection* connection) {
  if (connection == nullptr || !connection->connected) return;
  const bool may_take = !connection->write_active && connection->writing.empty();
  if (connection->role == Role::kClient) {
    if (may_take) hub.TakeClientBytes(connection->id, &connection->writing);
    const proxy::Session* session = hub.FindSession(connection->id);
    connection->wants_bytes = session != nullptr && session->WantsClientBytes();
    connection->holds_input = session != nullptr && session->holds_input();
  } else {
    if (may_take) hub.TakeServerBytes(connection->id, &connection->writing);
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
    case News::Kind::kOpened:
      if (closing) return;
      if (connection->role == Role::kServer) hub.OnServerConnected(id, now);
      return Note(hub, connection);
    case News::Kind::kWritten:
      if (closing || connection->ending) return;
      Note(hub, connection);
      if (connection->writing.empty() && connection->holds_input) hub.OnClientDrained(id, now);
      return;
    case News::Kind::kLost:
      if (connection->role == Role::kCancel) return hub.OnCancelSent(id, now);
      if (connection->role == Role::kClient) return hub.OnClientGone(id, now);
      if (connection->connected) return hub.OnServerGone(id, news.error, now);
      return hub.OnServerConnectFailed(id, news.error, now);
  }
}

void Worker::Settle() {
  while (true) {
    for (Adopted& adopted : std::exchange(adopted_, {})) Open(std::move(adopted));
    for (proxy::NetAction& action : std::exchange(actions_, {})) Perform(std::move(action));
    for (Connection* connection : noted_) {
      if (!connection->write_active) Write(connection);
      UpdateReading(connection);
    }
    noted_.clear();
    if (news_.empty()) break;
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
      return Connect(action.id, Role::kServer, {});
    case Kind::kSendCancel:
      return Connect(action.id, Role::kCancel, std::move(action.last_bytes));
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
  }
}

Connection* Worker::Find(Role role, uint64_t id) {
  const auto& map = role == Role::kClient ? clients_ : servers_;
  const auto it = map.find(id);
  return it == map.end() ? nullptr : it->second;
}

// --- writing ---

// Writes what has been taken, and behind it the last words. REQUIRES: no write is active.
void Worker::Write(Connection* connection) {
  if (uv_is_closing(&connection->handle)) return;
  const bool had_bytes = !connection->writing.empty();
  while (true) {
    while (!connection->writing.empty()) {
      if (!WriteSome(connection)) return;
    }
    if (!connection->ending || connection->last.empty()) break;
    connection->writing = std::exchange(connection->last, {});
  }
  if (connection->ending) {
    if (std::exchange(connection->shut_down, true)) return;
    // Closing now could destroy what the other end has not read yet; it closes when it has.
    uv_shutdown(&connection->shutdown_request, &connection->stream, nullptr);
    return UpdateReading(connection);
  }
  // What was held back because of these bytes goes on.
  if (had_bytes && connection->holds_input) {
    news_.push_back({News::Kind::kWritten, connection, {}});
  }
}

// Writes what the socket takes. Returns false if it takes no more: the rest is handed to uv_write.
bool Worker::WriteSome(Connection* connection) {
  constexpr size_t kMaxPieces = 16;
  Outbox& out = connection->writing;
  std::array<std::string_view, kMaxPieces> pieces;
  std::array<uv_buf_t, kMaxPieces> buffers;
  const size_t count = out.Peek(pieces);
  for (size_t i = 0; i < count; ++i) {
    buffers[i] =
        uv_buf_init(const_cast<char*>(pieces[i].data()), static_cast<unsigned>(pieces[i].size()));
  }
  const int written =
      uv_try_write(&connection->stream, buffers.data(), static_cast<unsigned>(count));
  if (written > 0) {
    out.Consume(static_cast<size_t>(written));
    return true;
  }
  if (written != UV_EAGAIN) {
    out.Clear();
    Lose(connection, NetError("lost the connection", written));
    return false;
  }
  std::vector<std::string_view> all(out.pieces());
  all.resize(out.Peek(all));
  std::vector<uv_buf_t> blocks;
  blocks.reserve(all.size());
  for (const std::string_view piece : all) {
    blocks.push_back(
        uv_buf_init(const_cast<char*>(piece.data()), static_cast<unsigned>(piece.size())));
  }
  connection->write_request.data = connection;
  connection->write_active = true;
  const int status = uv_write(&connection->write_request, &connection->stream, blocks.data(),
                              static_cast<unsigned>(blocks.size()), OnWritten);
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
  connection->writing.Clear();
  if (status != 0) {
    worker->Lose(connection, NetError("lost the connection", status));
  } else if (connection->ending) {
    worker->Write(connection);
  } else if (connection->role != Role::kCancel) {
    worker->news_.push_back({News::Kind::kWritten, connection, {}});
  }
  worker->Settle();
}

// --- ending ---

void Worker::Lose(Connection* connection, Error error) {
  if (uv_is_closing(&connection->handle)) return;
  const bool told = connection->ending;  // the hub has let go of it
  Close(connection);
  if (!told) news_.push_back({News::Kind::kLost, connection, std::move(error)});
}

void Worker::End(Connection* connection, Outbox last) {
  (connection->role == Role::kClient ? clients_ : servers_).erase(connection->id);
  others_.insert(connection);
  connection->ending = true;
  connection->last = std::move(last);
  connection->deadline = Now() + kLingerTime;
  if (!connection->write_active) Write(connection);
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
