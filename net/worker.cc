#include "net/worker.h"

#include <openssl/rand.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdlib>
#include <utility>

#include "base/log.h"
#include "net/unix_socket.h"
#include "proxy/console.h"

namespace pgsidecar::net {
namespace {

constexpr size_t kReadBufferBytes = size_t{64} * 1024;
// What TLS itself may have to say to one that does not listen.
constexpr size_t kMaxTlsBacklogBytes = size_t{64} * 1024;
constexpr uint64_t kTickMs = 50;
constexpr int kBacklog = 1024;
// How long a client may take to read our last words.
constexpr Duration kLingerTime = std::chrono::seconds(2);
// How long a scrape waits for the loop.
constexpr auto kReportPatience = std::chrono::seconds(2);
constexpr unsigned kKeepaliveSeconds = 60;

std::string RandomBytes(size_t count) {
  std::string bytes(count, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) != 1) {
    std::abort();  // without randomness no cancel key is a secret
  }
  return bytes;
}

Error NetError(const std::string& what, int status) {
  return {"08006", what + ": " + uv_strerror(status), "", ""};
}

bool IsUnixDirectory(const std::string& host) { return !host.empty() && host.front() == '/'; }

std::string SocketPath(const std::string& directory, uint16_t port) {
  return directory + "/.s.PGSQL." + std::to_string(port);
}

std::string PeerName(const uv_tcp_t* tcp) {
  sockaddr_storage address{};
  int length = sizeof address;
  if (uv_tcp_getpeername(tcp, reinterpret_cast<sockaddr*>(&address), &length) != 0) return "?";
  char text[INET6_ADDRSTRLEN + 1] = "";
  if (address.ss_family == AF_INET6) {
    const auto* in6 = reinterpret_cast<const sockaddr_in6*>(&address);
    uv_ip6_name(in6, text, sizeof text);
    return "[" + std::string(text) + "]:" + std::to_string(ntohs(in6->sin6_port));
  }
  const auto* in4 = reinterpret_cast<const sockaddr_in*>(&address);
  uv_ip4_name(in4, text, sizeof text);
  return std::string(text) + ":" + std::to_string(ntohs(in4->sin_port));
}

}  // namespace

struct Worker::Listener {
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  };
  Worker* worker;
  bool unix_socket = false;
  bool trusted = false;  // only this machine reaches it
  std::string path;      // of a Unix socket
  std::string name;      // host:port as bound
};

// The name service is asked for a connection, which may be gone before the answer comes.
struct Worker::Resolution {
  Worker* worker;
  Connection* connection;
  uv_getaddrinfo_t request;
};

Worker::Worker(const proxy::Config* config, Health* health, TlsStore* tls)
    : config_(config),
      health_(health),
      tls_(tls),
      hub_(config, RandomBytes),
      read_buffer_(kReadBufferBytes) {
  uv_loop_init(&loop_);
  uv_timer_init(&loop_, &timer_);
  timer_.data = this;
  uv_async_init(&loop_, &report_async_, OnReportAsked);
  report_async_.data = this;
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    auto signal = std::make_unique<uv_signal_t>();
    uv_signal_init(&loop_, signal.get());
    signal->data = this;
    uv_signal_start(signal.get(), OnSignal, number);
    signals_.push_back(std::move(signal));
  }
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
}

TimePoint Worker::Now() const {
  return TimePoint(Duration(static_cast<int64_t>(uv_hrtime() / 1000)));
}

// --- listening ---

Result<bool> Worker::Listen() {
  for (const proxy::ListenAddress& address : config_->listen) {
    const Result<bool> listening = ListenOn(address);
    if (!listening.ok()) return listening.error();
  }
  return true;
}

void Worker::LogListeners() const {
  for (const auto& listener : listeners_) log::info("listening on {}", listener->name);
}

Result<bool> Worker::ListenOn(const proxy::ListenAddress& address) {
  // libuv keeps the handle from its first call on, so it has its place before that.
  Listener* listener = listeners_.emplace_back(std::make_unique<Listener>()).get();
  listener->worker = this;
  listener->unix_socket = IsUnixDirectory(address.host);
  listener->trusted = listener->unix_socket || proxy::IsLoopback(address.host);
  const std::string name = address.host + ":" + std::to_string(address.port);
  const auto fail = [&name](int status) {
    return Error{"F0000",
                 "listen: cannot listen on " + name + ": " + uv_strerror(status) +
                     "; expected a free local address and port",
                 "", ""};
  };
  int status = 0;
  if (listener->unix_socket) {
    uv_pipe_init(&loop_, &listener->pipe, 0);
    listener->path = SocketPath(address.host, address.port);
    status = BindUnixSocket(&listener->pipe, listener->path, config_->unix_socket_mode);
  } else {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;
    uv_getaddrinfo_t request;
    status = uv_getaddrinfo(&loop_, &request, nullptr, address.host.c_str(),
                            std::to_string(address.port).c_str(), &hints);
    if (status == 0) {
      uv_tcp_init(&loop_, &listener->tcp);
      status = uv_tcp_bind(&listener->tcp, request.addrinfo->ai_addr, 0);
      uv_freeaddrinfo(request.addrinfo);
    }
  }
  if (status == 0) status = uv_listen(&listener->stream, kBacklog, OnNewClient);
  if (status != 0) return fail(status);
  listener->stream.data = listener;
  uint16_t port = address.port;
  if (!listener->unix_socket) {
    sockaddr_storage bound{};
    int length = sizeof bound;
    uv_tcp_getsockname(&listener->tcp, reinterpret_cast<sockaddr*>(&bound), &length);
    port = ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                                             : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
  }
  listener->name = address.host + ":" + std::to_string(port);
  return true;
}

void Worker::OnNewClient(uv_stream_t* stream, int status) {
  if (status != 0) return;
  auto* listener = static_cast<Listener*>(stream->data);
  listener->worker->Accept(listener);
}

void Worker::Accept(Listener* listener) {
  auto* connection = new Connection(this, Role::kClient, 0);
  std::string peer(proxy::kUnixPeer);
  if (listener->unix_socket) {
    uv_pipe_init(&loop_, &connection->pipe, 0);
  } else {
    uv_tcp_init(&loop_, &connection->tcp);
  }
  connection->handle.data = connection;
  others_.insert(connection);
  if (uv_accept(&listener->stream, &connection->stream) != 0) return Close(connection);
  if (!listener->unix_socket) {
    uv_tcp_nodelay(&connection->tcp, 1);
    uv_tcp_keepalive(&connection->tcp, 1, kKeepaliveSeconds);
    peer = PeerName(&connection->tcp);
  }
  others_.erase(connection);
  connection->connected = true;
  connection->id = hub_.OnClientOpened(listener->trusted, std::move(peer), Now());
  clients_[connection->id] = connection;
  UpdateReading(connection);
  Settle();
}

// --- connecting ---

// Opens a socket to the upstream. `first_bytes` are for a cancel request: sent as soon as it is
// open.
void Worker::Connect(proxy::ServerId id, Role role, Outbox first_bytes,
                     std::unique_ptr<pool::TlsNegotiation> negotiation) {
  auto* connection = new Connection(this, role, id);
  connection->last = std::move(first_bytes);
  connection->negotiation = std::move(negotiation);
  connection->deadline = Now() + hub_.config().server_connect_timeout;
  connection->connect_request.data = connection;
  if (role == Role::kServer) {
    servers_[id] = connection;
  } else {
    others_.insert(connection);
  }
  const proxy::UpstreamUrl& upstream = config_->upstream;
  if (IsUnixDirectory(upstream.host)) {
    uv_pipe_init(&loop_, &connection->pipe, 0);
    connection->handle.data = connection;
    uv_pipe_connect(&connection->connect_request, &connection->pipe,
                    SocketPath(upstream.host, upstream.port).c_str(), OnConnected);
    return;
  }
  uv_tcp_init(&loop_, &connection->tcp);
  connection->handle.data = connection;
  // An address needs no name service, and no turn of the thread pool.
  sockaddr_storage address{};
  auto* in4 = reinterpret_cast<sockaddr_in*>(&address);
  auto* in6 = reinterpret_cast<sockaddr_in6*>(&address);
  if (uv_ip4_addr(upstream.host.c_str(), upstream.port, in4) == 0 ||
      uv_ip6_addr(upstream.host.c_str(), upstream.port, in6) == 0) {
    return ConnectTo(connection, reinterpret_cast<sockaddr*>(&address));
  }
  auto* resolution = new Resolution{.worker = this, .connection = connection, .request = {}};
  resolution->request.data = resolution;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  const int status = uv_getaddrinfo(&loop_, &resolution->request, OnResolved, upstream.host.c_str(),
                                    std::to_string(upstream.port).c_str(), &hints);
  if (status == 0) {
    resolving_.insert(connection);
  } else {
    delete resolution;
    broken_.push_back(connection);
  }
}

void Worker::OnResolved(uv_getaddrinfo_t* request, int status, addrinfo* addresses) {
  const std::unique_ptr<Resolution> resolution(static_cast<Resolution*>(request->data));
  Worker* worker = resolution->worker;
  if (worker->resolving_.erase(resolution->connection) > 0) {  // else it has been closed meanwhile
    if (status == 0) {
      worker->ConnectTo(resolution->connection, addresses->ai_addr);
    } else {
      worker->OnGone(resolution->connection,
                     NetError("could not resolve the server's name", status));
    }
    worker->Settle();
  }
  uv_freeaddrinfo(addresses);
}

void Worker::ConnectTo(Connection* connection, const sockaddr* address) {
  uv_tcp_nodelay(&connection->tcp, 1);
  const int status =
      uv_tcp_connect(&connection->connect_request, &connection->tcp, address, OnConnected);
  if (status != 0) broken_.push_back(connection);
}

void Worker::OnConnected(uv_connect_t* request, int status) {
  if (status == UV_ECANCELED) return;  // closed by us
  auto* connection = static_cast<Connection*>(request->data);
  connection->worker->OnConnectEnded(connection, status);
}

void Worker::OnConnectEnded(Connection* connection, int status) {
  if (status != 0) {
    OnGone(connection, NetError("could not connect to the server", status));
    return Settle();
  }
  if (connection->negotiation != nullptr) {
    Negotiate(connection, connection->negotiation->Begin());
  } else {
    OnOpen(connection);
  }
  Settle();
}

// The socket can carry what is to be said: it is connected, and TLS up or left out.
void Worker::OnOpen(Connection* connection) {
  connection->connected = true;
  if (connection->role == Role::kCancel) {
    connection->deadline = Now() + hub_.config().server_connect_timeout;
    UpdateReading(connection);
    Flush(connection);
    return;
  }
  connection->deadline = TimePoint::max();
  if (!IsUnixDirectory(config_->upstream.host)) {
    uv_tcp_keepalive(&connection->tcp, 1, kKeepaliveSeconds);
  }
  TransportSecurity transport;
  if (connection->tls != nullptr) transport = connection->tls->security();
  const bool repeats =
      connection->negotiation != nullptr && connection->negotiation->repeats_startup();
  if (connection->negotiation != nullptr && !connection->negotiation->watches_startup()) {
    connection->negotiation.reset();
  }
  if (repeats) {
    hub_.OnServerReconnected(connection->id, std::move(transport));
  } else {
    hub_.OnServerConnected(connection->id, Now(), std::move(transport));
  }
  if (Connection* still = Find(Role::kServer, connection->id); still == connection) {
    UpdateReading(connection);
  }
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
    worker->OnGone(connection, {"08006", "server closed the connection unexpectedly", "", ""});
  } else {
    worker->OnGone(connection,
                   NetError("lost the connection to the server", static_cast<int>(count)));
  }
  worker->Settle();
}

void Worker::OnBytes(Connection* connection, std::string_view bytes) {
  if (connection->ending) return;  // nobody listens any more
  if (connection->tls != nullptr || connection->negotiation != nullptr) {
    return OnGuardedBytes(connection, bytes);
  }
  Deliver(connection, bytes);
}

// Plain bytes to whom they are for. What comes in answer to a cancel request is for nobody.
void Worker::Deliver(Connection* connection, std::string_view bytes) {
  if (connection->role == Role::kCancel) return;
  if (connection->role == Role::kClient) {
    hub_.OnClientBytes(connection->id, bytes, Now());
  } else {
    hub_.OnServerBytes(connection->id, bytes, Now());
  }
}

// The other end has gone, or cannot be reached.
void Worker::OnGone(Connection* connection, const Error& error) {
  const Role role = connection->role;
  const uint64_t id = connection->id;
  const bool ending = connection->ending;
  const bool connected = connection->connected;
  if (connection->negotiation != nullptr && !ending) GiveRefusal(connection);
  Close(connection);
  if (role == Role::kCancel) return hub_.OnCancelSent(id, Now());
  if (ending) return;
  if (role == Role::kClient) {
    hub_.OnClientGone(id, Now());
  } else if (connected) {
    hub_.OnServerGone(id, error, Now());
  } else {
    hub_.OnServerConnectFailed(id, error, Now());
  }
}

// --- what the hub wants ---

void Worker::Settle() {
  while (true) {
    std::vector<proxy::NetAction> actions = hub_.TakeActions();
    const std::vector<proxy::ServerId> servers = hub_.TakeTouchedServers();
    const std::vector<proxy::ClientId> clients = hub_.TakeTouchedClients();
    std::vector<Connection*> broken = std::exchange(broken_, {});
    if (actions.empty() && servers.empty() && clients.empty() && broken.empty()) break;
    for (proxy::NetAction& action : actions) Perform(std::move(action));
    for (const uint64_t id : servers) {
      if (Connection* connection = Find(Role::kServer, id)) {
        Flush(connection);
        UpdateReading(connection);
      }
    }
    for (const uint64_t id : clients) {
      if (Connection* connection = Find(Role::kClient, id)) {
        Flush(connection);
        UpdateReading(connection);
      }
    }
    for (Connection* connection : broken) {
      if (!uv_is_closing(&connection->handle)) {
        OnGone(connection, {"08006", "lost the connection", "", ""});
      }
    }
  }
  FinishIfDrained();
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

Outbox* Worker::OutboxOf(Connection* connection) {
  if (connection->ending || connection->role == Role::kCancel) return &connection->last;
  if (connection->role == Role::kClient) {
    proxy::Session* session = hub_.FindSession(connection->id);
    return session == nullptr ? nullptr : &session->client_out;
  }
  pool::ServerConnection* server = hub_.FindServer(connection->id);
  return server == nullptr ? nullptr : &server->out;
}

void Worker::Flush(Connection* connection) {
  if (connection->write_active || uv_is_closing(&connection->handle)) return;
  Outbox* out = connection->connected ? OutboxOf(connection) : nullptr;
  const bool had_bytes = out != nullptr && !out->empty();
  if (connection->tls != nullptr && !FlushTls(connection, out)) return;
  if (out == nullptr) return;
  while (!out->empty()) {
    if (!WriteNow(connection, out)) return;
  }
  if (had_bytes && connection->role == Role::kClient && !connection->ending) {
    const proxy::Session* session = hub_.FindSession(connection->id);
    if (session != nullptr && session->holds_input()) {
      return hub_.OnClientDrained(connection->id, Now());
    }
  }
  if (connection->ending && !connection->shut_down) {
    connection->shut_down = true;
    // Closing now could destroy what the other end has not read yet; it closes when it has.
    uv_shutdown(&connection->shutdown_request, &connection->stream, nullptr);
    UpdateReading(connection);
  }
}

// Writes what the socket takes. Returns false if it takes no more: the rest is handed to uv_write.
bool Worker::WriteNow(Connection* connection, Outbox* out) {
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
    CountSent(connection, static_cast<size_t>(written));
    out->Consume(static_cast<size_t>(written));
    return true;
  }
  if (written != UV_EAGAIN) {
    out->Clear();
    broken_.push_back(connection);
    return false;
  }
  connection->writing = std::exchange(*out, {});
  std::vector<std::string_view> all(connection->writing.pieces());
  all.resize(connection->writing.Peek(all));
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
    broken_.push_back(connection);
  }
  return false;
}

// Of TLS the plain bytes count, when they are encrypted.
void Worker::CountSent(const Connection* connection, size_t bytes) {
  if (connection->tls != nullptr) return;
  const bool client = connection->role == Role::kClient;
  hub_.CountSent(client ? bytes : 0, client ? 0 : bytes);
}

void Worker::OnWritten(uv_write_t* request, int status) {
  auto* connection = static_cast<Connection*>(request->data);
  connection->write_active = false;
  if (status == UV_ECANCELED || uv_is_closing(&connection->handle)) return;
  Worker* worker = connection->worker;
  const uint64_t bytes = connection->writing.bytes();
  connection->writing.Clear();
  if (status != 0) {
    worker->OnGone(connection, NetError("lost the connection", status));
    return worker->Settle();
  }
  const bool client = connection->role == Role::kClient;
  worker->CountSent(connection, bytes);
  worker->Flush(connection);
  if (connection->tls != nullptr) worker->UpdateReading(connection);
  // The other side of the session may have been held back for this.
  if (!connection->ending && connection->role != Role::kCancel) {
    if (client) {
      const proxy::Session* session = worker->hub_.FindSession(connection->id);
      if (session != nullptr && session->server() != nullptr) {
        if (Connection* server = worker->Find(Role::kServer, session->server()->id())) {
          worker->UpdateReading(server);
        }
      }
    } else if (const pool::ServerConnection* server = worker->hub_.FindServer(connection->id)) {
      if (Connection* other = worker->Find(Role::kClient, server->client)) {
        worker->UpdateReading(other);
      }
    }
  }
  worker->Settle();
}

// --- reading or not ---

bool Worker::WantsBytes(const Connection& connection) {
  if (connection.ending) return connection.shut_down;  // to see the end; what comes is dropped
  // Whoever makes TLS answer (by key updates) has to take the answers.
  if (connection.tls != nullptr && connection.tls->out.bytes() > kMaxTlsBacklogBytes) return false;
  switch (connection.role) {
    case Role::kClient: {
      const proxy::Session* session = hub_.FindSession(connection.id);
      return session != nullptr && session->WantsClientBytes();
    }
    case Role::kServer: {
      const pool::ServerConnection* server = hub_.FindServer(connection.id);
      return server != nullptr && hub_.WantsServerBytes(*server);
    }
    case Role::kCancel:
      return true;
  }
  return true;
}

void Worker::UpdateReading(Connection* connection) {
  if (!connection->connected || uv_is_closing(&connection->handle)) return;
  // What TLS still holds comes before what the socket has.
  if (connection->tls != nullptr && !connection->ending && connection->tls->has_input()) {
    Pump(connection);
    connection->tls->Keep();
  }
  if (uv_is_closing(&connection->handle)) return;
  const bool wants = WantsBytes(*connection);
  if (wants == connection->reading) return;
  connection->reading = wants;
  if (wants) {
    uv_read_start(&connection->stream, OnAllocate, OnRead);
  } else {
    uv_read_stop(&connection->stream);
  }
}

// --- ending ---

void Worker::End(Connection* connection, Outbox last) {
  (connection->role == Role::kClient ? clients_ : servers_).erase(connection->id);
  others_.insert(connection);
  connection->ending = true;
  connection->last = std::move(last);
  connection->deadline = Now() + kLingerTime;
  Flush(connection);
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
  resolving_.erase(connection);
  uv_close(&connection->handle, OnClosed);
}

void Worker::OnClosed(uv_handle_t* handle) { delete static_cast<Connection*>(handle->data); }

// --- statistics ---

Report Worker::AskForReport() {
  std::unique_lock lock(report_mutex_);
  const uint64_t wanted = ++reports_asked_;
  uv_async_send(&report_async_);
  report_ready_.wait_for(lock, kReportPatience, [&] { return reports_answered_ >= wanted; });
  return reports_answered_ >= wanted ? report_ : Report();
}

void Worker::OnReportAsked(uv_async_t* async) {
  auto* worker = static_cast<Worker*>(async->data);
  const std::lock_guard lock(worker->report_mutex_);
  worker->report_ = {proxy::Metrics(worker->hub_), proxy::StatsJson(worker->hub_)};
  worker->reports_answered_ = worker->reports_asked_;
  worker->report_ready_.notify_all();
}

// --- time and signals ---

void Worker::OnTimer(uv_timer_t* timer) { static_cast<Worker*>(timer->data)->Tick(); }

void Worker::Tick() {
  const TimePoint now = Now();
  std::vector<Connection*> late;
  for (const auto& [id, connection] : servers_) {
    if (now > connection->deadline) late.push_back(connection);
  }
  for (Connection* connection : others_) {
    if (now > connection->deadline) late.push_back(connection);
  }
  for (Connection* connection : late) {
    OnGone(connection, {"08006", "could not connect to the server: timeout expired", "", ""});
  }
  hub_.OnTick(now);
  Settle();
  health_->Turn(hub_.ready());
  if (hub_.ordered_shutdown() != proxy::Hub::Shutdown::kNo) {
    if (!draining_) Drain();
    if (hub_.ordered_shutdown() == proxy::Hub::Shutdown::kAtOnce) drain_deadline_ = now;
    FinishIfDrained();
  }
  if (done_ && !draining_ && done_(hub_)) {
    draining_ = true;
    drain_deadline_ = now;
    FinishIfDrained();
  }
}

void Worker::OnSignal(uv_signal_t* signal, int number) {
  auto* worker = static_cast<Worker*>(signal->data);
  if (number == SIGHUP) {
    (void)worker->hub_.Reload(worker->Now());  // what is wrong is in the log
    return worker->Settle();
  }
  if (!worker->draining_) return worker->Drain();
  worker->drain_deadline_ = worker->Now();  // asked twice: at once
  worker->FinishIfDrained();
}

void Worker::Drain() {
  const Duration timeout = hub_.config().drain_timeout;
  draining_ = true;
  drain_deadline_ = Now() + timeout;
  log::info("draining clients={} drain_timeout_ms={}", hub_.sessions().size(),
            timeout.count() / 1000);
  StopListening();
  hub_.Drain(Now());
  health_->Turn(false);
  Settle();
}

void Worker::StopListening() {
  for (const auto& listener : listeners_) {
    uv_close(&listener->handle, nullptr);
    if (listener->unix_socket) unlink(listener->path.c_str());
  }
}

void Worker::FinishIfDrained() {
  if (!draining_ || stopping_) return;
  const TimePoint now = Now();
  if (!hub_.sessions().empty() && now < drain_deadline_) return;
  stopping_ = true;
  hub_.EndAll(now);
  for (proxy::NetAction& action : hub_.TakeActions()) {
    if (action.kind == proxy::NetAction::Kind::kCloseClient) Perform(std::move(action));
  }
  std::vector<Connection*> all(others_.begin(), others_.end());
  for (const auto& [id, connection] : clients_) all.push_back(connection);
  for (const auto& [id, connection] : servers_) all.push_back(connection);
  for (Connection* connection : all) Close(connection);
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
  health_->End();
  uv_close(reinterpret_cast<uv_handle_t*>(&report_async_), nullptr);
  for (const auto& signal : signals_) {
    uv_close(reinterpret_cast<uv_handle_t*>(signal.get()), nullptr);
  }
  log::info("drained");
}

void Worker::RunUntil(std::function<bool(const proxy::Hub&)> done) {
  done_ = std::move(done);
  Run();
}

void Worker::Run() {
  uv_timer_start(&timer_, OnTimer, 0, kTickMs);
  uv_run(&loop_, UV_RUN_DEFAULT);
}

}  // namespace pgsidecar::net
