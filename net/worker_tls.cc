// The worker's connections that are, or may come to be, encrypted: the start of TLS on either side,
// and the way of the bytes through it.

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/log.h"
#include "net/worker.h"
#include "pgwire/startup.h"

namespace pgsidecar::net {

using pool::TlsNegotiation;

namespace {

// What is decrypted at a time: a record.
constexpr size_t kPlainBytes = 16384;

}  // namespace

// --- towards the server ---

// Null if there is nothing to be negotiated: no TLS. `must_encrypt`: a cancel request takes the way
// of what it cancels.
std::unique_ptr<TlsNegotiation> Worker::NewNegotiation(bool must_encrypt) const {
  const proxy::UpstreamUrl& upstream = upstream_;
  if (upstream.tls.mode == TlsMode::kDisable || upstream.host.starts_with('/')) return nullptr;
  const TlsMode mode =
      must_encrypt ? std::max(upstream.tls.mode, TlsMode::kRequire) : upstream.tls.mode;
  return std::make_unique<TlsNegotiation>(mode, upstream.tls.direct);
}

// Performs a step; REQUIRES: one that Begin, OnAnswer or OnHandshakeFailed have returned.
void Worker::Negotiate(Connection* connection, TlsNegotiation::Step step) {
  using Step = TlsNegotiation::Step;
  switch (step) {
    case Step::kAsk:
    case Step::kHandshake: {
      if (connection->tls == nullptr) {
        connection->tls = std::make_unique<TlsStream>(tls_->server(), step == Step::kHandshake);
      }
      connection->reading = true;
      UpdateWatch(connection);
      if (step == Step::kHandshake) {
        ShakeHands(connection);
        return;
      }
      connection->tls->out.Emit([](std::string& to) {
        AppendBig32(to, 8);
        AppendBig32(to, pgwire::kSslRequestCode);
      });
      return Write(connection);
    }
    case Step::kPlain:
      connection->tls.reset();
      return OnOpen(connection);
    case Step::kReconnect:
      return Reconnect(connection);
    case Step::kFail:
    case Step::kWait:
    case Step::kPass:
      break;
  }
  const bool shook_hands = connection->tls != nullptr && connection->tls->started();
  Lose(connection, shook_hands ? connection->tls->error() : connection->rest->negotiation->error());
}

// The same connection to the hub, another socket.
void Worker::Reconnect(Connection* connection) {
  std::unique_ptr<TlsNegotiation> negotiation = std::move(connection->rest.Edit().negotiation);
  Outbox last = std::move(connection->rest.Edit().last);
  Close(connection);
  Connect(connection->id, connection->role, std::move(last), std::move(negotiation));
}

// What the server has said before it went, and nobody has heard.
void Worker::GiveRefusal(Connection* connection) {
  const std::string said = connection->rest->negotiation->TakeSaid();
  if (!said.empty() && connection->role == Role::kServer) {
    Deliver(*connection, said);
  }
}

// --- towards a client ---

void Worker::StartClientTls(Connection* connection, proxy::NetAction action) {
  std::shared_ptr<TlsContext> context = tls_->clients();
  if (context == nullptr) {  // switched off between the client's request and now
    return Lose(connection, {"08006", "TLS has been switched off", "", ""});
  }
  const bool direct = action.kind == proxy::NetAction::Kind::kStartDirectTls;
  connection->tls = std::make_unique<TlsStream>(std::move(context), direct);
  std::string bytes;
  std::vector<std::string_view> pieces(action.last_bytes.pieces());
  pieces.resize(action.last_bytes.Peek(pieces));
  for (const std::string_view piece : pieces) bytes += piece;
  if (direct) return OnGuardedBytes(connection, bytes);
  // What has been said before is not encrypted either.
  connection->tls->out = std::exchange(connection->taken, {});
  connection->tls->out.Append(bytes);
  Write(connection);
}

// --- bytes in ---

// Bytes of a socket that is encrypted, or of which that is not settled yet.
void Worker::OnGuardedBytes(Connection* connection, std::string_view bytes) {
  if (connection->tls == nullptr) return DeliverJudged(connection, bytes);
  if (connection->rest->negotiation != nullptr && !connection->tls->started()) {
    return Negotiate(connection, connection->rest->negotiation->OnAnswer(bytes));
  }
  connection->tls->Feed(bytes);
  Pump(connection);
  connection->tls->Keep();
}

// Plain bytes of a connection to the server whose first words may still mean another attempt.
void Worker::DeliverJudged(Connection* connection, std::string_view bytes) {
  using Step = TlsNegotiation::Step;
  if (connection->rest->negotiation == nullptr) return Deliver(*connection, bytes);
  switch (connection->rest->negotiation->OnStartupAnswer(bytes)) {
    case Step::kReconnect:
      return Reconnect(connection);
    case Step::kPass: {
      const std::string said = connection->rest->negotiation->TakeSaid();
      connection->rest.Edit().negotiation.reset();
      return Deliver(*connection, said);
    }
    default:  // more of it has to come
      return;
  }
}

// Moves what TLS holds on to the hub, as far as that wants it.
void Worker::Pump(Connection* connection) {
  TlsStream& tls = *connection->tls;
  if (!tls.established() && !ShakeHands(connection)) return;
  tls_buffer_.resize(kPlainBytes);
  while (!connection->closed && !connection->ending && tls.has_input() && WantsBytes(*connection)) {
    size_t count = 0;
    switch (tls.Read(tls_buffer_, &count)) {
      case TlsStream::Outcome::kDone:
        DeliverJudged(connection, {tls_buffer_.data(), count});
        break;
      case TlsStream::Outcome::kNeedMore:
        break;
      case TlsStream::Outcome::kClosed:
        return Lose(connection, {"08006", "server closed the connection unexpectedly", "", ""});
      case TlsStream::Outcome::kFailed:
        Write(connection);  // an alert says why
        return Lose(connection, tls.error());
    }
  }
  if (!tls.out.empty()) Write(connection);
}

void Worker::LogFailure(proxy::Hub& hub, const Connection* connection) {
  const bool client = connection->role == Role::kClient;
  const proxy::Session* session = client ? hub.FindSession(connection->id) : nullptr;
  log::info("TLS handshake failed {}={} peer={} reason={}", client ? "client" : "server",
            connection->id, session != nullptr ? session->peer() : upstream_.host,
            connection->tls->error().message);
}

// Goes on with the handshake. Returns whether TLS is up, and the connection still there.
bool Worker::ShakeHands(Connection* connection) {
  const bool client = connection->role == Role::kClient;
  switch (connection->tls->Handshake()) {
    case TlsStream::Outcome::kDone:
      break;
    case TlsStream::Outcome::kNeedMore:
      Write(connection);
      return false;
    case TlsStream::Outcome::kClosed:
    case TlsStream::Outcome::kFailed:
      Write(connection);  // an alert says why
      {
        SharedHub::Access hub = hub_->Lock(id_);
        hub->CountTlsFailure(client);
        LogFailure(*hub, connection);
        if (client) hub->OnClientGone(connection->id, Now());
        Collect(*hub);
      }
      if (!client) Negotiate(connection, connection->rest->negotiation->OnHandshakeFailed());
      return false;
  }
  if (client) {
    SharedHub::Access hub = hub_->Lock(id_);
    hub->OnClientSecured(connection->id, connection->tls->security(), Now());
    Collect(*hub);
  } else {
    OnOpen(connection);
  }
  return !connection->closed;
}

// --- bytes out ---

// Writes what the socket takes of what TLS has to say and, encrypted piece by piece, of what has
// been taken. Returns whether nothing is left.
bool Worker::WriteTls(Connection* connection) {
  TlsStream& tls = *connection->tls;
  Outbox* plain = &connection->taken;
  while (true) {
    while (!tls.out.empty()) {
      if (!WriteSome(connection, &tls.out)) return false;
    }
    if (!tls.established()) {
      if (connection->ending) plain->Clear();  // there is no way to say it
      return plain->empty();
    }
    if (plain->empty()) {
      if (connection->ending && connection->rest->last.empty()) tls.Close();
      if (tls.out.empty()) return true;
      continue;
    }
    if (tls.Encrypt(plain) == 0) {
      plain->Clear();
      Lose(connection, tls.error());
      return false;
    }
  }
}

}  // namespace pgsidecar::net
