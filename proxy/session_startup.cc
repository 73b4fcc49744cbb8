// A session's beginning: the packets without a type byte, and the login, which the server judges.

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "pgwire/scram.h"
#include "proxy/session.h"
#include "proxy/startup_options.h"

namespace pgsidecar::proxy {

namespace backend = pgwire::backend_type;
namespace frontend = pgwire::frontend_type;

namespace {

constexpr std::string_view kConsoleDatabase = "pgsidecar";
// One SSLRequest and one GSSENCRequest; libpq sends no more.
constexpr int kMaxEncryptionRequests = 2;
// The first byte of a TLS record that carries a handshake; of a startup packet it is 0.
constexpr char kTlsHandshake = 0x16;

const TransportSecurity kPlainTransport;

// Whether a password message begins a SCRAM exchange of a client that could bind it to its TLS
// channel, but thinks that the server cannot (RFC 5802, section 6).
bool MissesChannelBinding(std::string_view message) {
  constexpr size_t kLengthBytes = 4;
  std::string_view body = message.substr(pgwire::kHeaderBytes);
  if (!body.starts_with(std::string(pgwire::kScramSha256) + '\0')) return false;
  body.remove_prefix(std::min(body.size(), pgwire::kScramSha256.size() + 1 + kLengthBytes));
  return body.starts_with("y,");
}

}  // namespace

void Session::ProcessStartup(std::string_view& input) {
  if (input.starts_with(kTlsHandshake) && encryption_requests_ == 0 && OffersTls()) {
    ++encryption_requests_;
    return Act(Action::kStartDirectTls);
  }
  while (state_ == SessionState::kStartup) {
    uint32_t total = 0;
    Error error;
    switch (pgwire::ReadStartupLength(input, &total, &error)) {
      case pgwire::FrameStatus::kError:
        return Fatal(error);
      case pgwire::FrameStatus::kNeedMore:
        return;
      case pgwire::FrameStatus::kMessage:
        break;
    }
    if (input.size() < total) return;
    Result<pgwire::StartupPacket> packet = pgwire::DecodeStartupPacket(input.substr(0, total));
    if (!packet.ok()) return Fatal(packet.error());
    input.remove_prefix(total);

    if (auto* cancel = std::get_if<pgwire::CancelRequest>(&*packet)) {
      cancel_request_.Edit() = std::move(*cancel);
      Act(Action::kForwardCancel);
      return Close();
    }
    if (auto* message = std::get_if<pgwire::StartupMessage>(&*packet)) {
      return OnStartupMessage(std::move(*message));
    }
    // SSLRequest or GSSENCRequest. What comes in the same segment was sent before our answer:
    // somebody tries to slip bytes under an encryption that both ends would believe in.
    if (!input.empty() || ++encryption_requests_ > kMaxEncryptionRequests) {
      return Fatal({"08P01", "unexpected data after an encryption request",
                    "The client has to wait for the answer.", ""});
    }
    if (std::holds_alternative<pgwire::SslRequest>(*packet) && OffersTls()) {
      client_out.Append("S");
      return Act(Action::kStartTls);
    }
    client_out.Append("N");
  }
}

const TransportSecurity& Session::transport() const {
  return transport_ != nullptr ? *transport_ : kPlainTransport;
}

// As in PostgreSQL, a Unix socket needs none.
bool Session::OffersTls() const {
  return shared_.config->client_tls_sslmode != TlsMode::kDisable && peer_ != kUnixPeer &&
         transport_ == nullptr;
}

void Session::OnTransportSecured(TransportSecurity transport) {
  transport_ = std::make_unique<const TransportSecurity>(std::move(transport));
}

// Whether a session may come this way; else it has been told. A CancelRequest may come any way: its
// key is its proof.
bool Session::TransportSuffices() {
  const TlsMode mode = shared_.config->client_tls_sslmode;
  if (mode < TlsMode::kRequire || peer_ == kUnixPeer) return true;
  if (!transport().encrypted) {
    Fatal({"28000", "SSL required",
           "client_tls_sslmode = " + std::string(TlsModeName(mode)) +
               " refuses connections without TLS.",
           "Connect with sslmode=require, or over the Unix socket."});
    return false;
  }
  if (mode >= TlsMode::kVerifyCa && !transport().peer_verified) {
    Fatal({"28000", "connection requires a valid client certificate", "", ""});
    return false;
  }
  return true;
}

void Session::OnStartupMessage(pgwire::StartupMessage message) {
  startup_ = std::move(message);
  if (!TransportSuffices()) return;
  const std::string* database = startup_.Find("database");
  if (database != nullptr && *database == kConsoleDatabase) return BeginConsole();
  if (draining_proxy_) return Fatal({"57P01", "pgsidecar is shutting down", "", ""});
  const Result<CacheWishes> wishes = TakeOwnOptions(startup_);
  if (!wishes.ok()) return Fatal(wishes.error());
  if (*wishes != CacheWishes{}) own_settings_.Edit().Start(*wishes);
  BeginLogin();
}

void Session::OnLoginServer(pool::ServerConnection* server, TimePoint now) {
  server_ = server;
  server_->client = id_;
  server_->MoveTo(pool::ServerState::kLoggingIn);
  if (judged_) return;  // the proxy logs in itself
  server_->out.Emit([&](std::string& to) { startup_.Encode(to); });
  Process({}, now);
}

void Session::OnLoginFailed(const Error& error, TimePoint) { Fatal(error); }

// The client's half of the exchange: password and SASL messages go to the server as they are.
void Session::ProcessLogin(std::string_view& input) {
  if (auth_method_ != AuthMethod::kPassthrough) return ProcessExchange(input);
  while (state_ == SessionState::kLoggingIn && server_ != nullptr && !login_over_) {
    // What is sent ahead of the server's challenge or verdict waits for it.
    if (input.empty() || !answer_due_) return;
    if (input.front() != frontend::kPassword) {
      return Fatal({"08P01", "expected password response, got another message type", "", ""});
    }
    pgwire::FrameHeader header;
    Error error;
    switch (pgwire::ReadFrontendHeader(input, &header, &error)) {
      case pgwire::FrameStatus::kError:
        return Fatal(error);
      case pgwire::FrameStatus::kNeedMore:
        return;
      case pgwire::FrameStatus::kMessage:
        break;
    }
    const size_t total = pgwire::kHeaderBytes + header.body_bytes;
    if (input.size() < total) return;
    answer_due_ = false;
    if (transport().encrypted && server_->transport.encrypted &&
        MissesChannelBinding(input.substr(0, total))) {
      // Nothing can be done about it in the middle; the server's words alone would puzzle.
      log::warn(
          "the server will refuse this SCRAM login: it supports channel binding, which cannot be "
          "relayed between two TLS connections client={} peer={}: connect with "
          "channel_binding=disable, or without TLS to the proxy",
          id_, peer_);
    }
    server_->out.Append(input.substr(0, total));
    input.remove_prefix(total);
  }
}

// The server's half.
void Session::OnLoginPiece(const pgwire::Piece& piece) {
  if (!piece.first || !piece.last)
    return Fatal({"08P01", "oversized message during login", "", ""});
  switch (piece.type) {
    case backend::kAuthentication:
      return OnLoginAuthentication(piece.bytes);
    case backend::kBackendKeyData: {
      const auto data = pgwire::BackendKeyData::Decode(piece.body());
      if (!data.ok()) return Fatal(data.error());
      server_->pid = data->pid;
      server_->cancel_key = data->key;
      return;
    }
    case backend::kParameterStatus:
      OnParameterStatus(piece);
      return;
    case backend::kReadyForQuery:
      login_over_ = true;
      server_->challenged = challenged_;
      server_->MoveTo(pool::ServerState::kProbing);
      return Act(WantsReplication() ? Action::kReplicate : Action::kProbe);
    case backend::kErrorResponse:
      server_said_fatal_ = true;
      [[fallthrough]];
    case backend::kNoticeResponse:
    case backend::kNegotiateProtocolVersion:
      client_out.Append(piece.bytes);
      return;
    default:
      return Fatal({"08P01", "unexpected message from the server during login", "", ""});
  }
}

void Session::OnLoginAuthentication(std::string_view bytes) {
  const auto message = pgwire::Authentication::Decode(bytes.substr(pgwire::kHeaderBytes));
  if (!message.ok()) return Fatal(message.error());
  if (const auto refused = CheckRelayed(message->request)) return Fatal(*refused);
  if (message->request != pgwire::AuthenticationRequest::kOk) {
    challenged_ = true;
    answer_due_ = message->request != pgwire::AuthenticationRequest::kSaslFinal;
    if (message->request == pgwire::AuthenticationRequest::kSasl) {
      return OfferMechanisms(message->data);
    }
  } else if (!challenged_ && !trusted_listener_ && !shared_.config->accept_unauthenticated) {
    // The server's pg_hba saw the proxy's address and trusted that; it never judged the client.
    return Fatal({"28000", "the server let the proxy in without asking who the client is",
                  "Over a listener that other machines reach this is refused.",
                  "Have pg_hba.conf ask for a password, or set accept_unauthenticated."});
  }
  client_out.Append(bytes);
}

// What binds the exchange to a TLS channel (SCRAM-SHA-256-PLUS) binds it to the server's, of which
// the client sees nothing: it is not offered, and a client that demands it refuses by itself.
void Session::OfferMechanisms(std::string_view mechanisms) {
  constexpr std::string_view kBound = "-PLUS";
  std::string offered;
  while (!mechanisms.empty() && mechanisms.front() != '\0') {
    const std::string_view name = mechanisms.substr(0, mechanisms.find('\0'));
    mechanisms.remove_prefix(std::min(name.size() + 1, mechanisms.size()));
    if (!name.ends_with(kBound)) offered.append(name).push_back('\0');
  }
  offered.push_back('\0');
  client_out.Emit([&](std::string& to) {
    pgwire::Authentication{pgwire::AuthenticationRequest::kSasl, offered}.Encode(to);
  });
}

void Session::OnLoggedIn(pool::Pool* pool, Database* database, uint32_t pid, std::string cancel_key,
                         TimePoint now) {
  pool_ = pool;
  database_ = database;
  last_server_ = server_->id();
  pid_ = pid;
  cancel_key_ = std::move(cancel_key);
  server_->MoveTo(pool::ServerState::kLeased);
  if (told_parameters_ == pool->parameters) told_parameters_ = pool->parameters;
  AdoptEnvironment();
  BecomeReady(now);
}

// The client is in: what it is told last, and what it may have sent ahead.
void Session::BecomeReady(TimePoint now) {
  isolation_known_ = DefaultsToReadCommitted();
  pool_mode_ = pool_->limits.mode;
  login_number_ = shared_.statistics->client_logins++;
  ceiling_ = shared_.config->ModeOfSession(login_number_);
  Identify();
  client_out.Emit([&](std::string& to) { pgwire::BackendKeyData{pid_, cancel_key_}.Encode(to); });
  startup_ = {};
  state_ = SessionState::kReady;
  wait_ = Wait::kNone;
  SendReady();
  Process({}, now);
  MaybeRelease();
}

}  // namespace pgsidecar::proxy
