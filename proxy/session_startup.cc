// A session's beginning: the packets without a type byte, and the login, which the server judges.

#include <utility>

#include "base/log.h"
#include "proxy/session.h"
#include "proxy/startup_options.h"

namespace pgsidecar::proxy {

namespace backend = pgwire::backend_type;
namespace frontend = pgwire::frontend_type;

namespace {

constexpr std::string_view kConsoleDatabase = "pgsidecar";
// One SSLRequest and one GSSENCRequest; libpq sends no more.
constexpr int kMaxEncryptionRequests = 2;

const TransportSecurity kPlainTransport;

}  // namespace

const TransportSecurity& Session::transport() const { return kPlainTransport; }

void Session::ProcessStartup(std::string_view& input) {
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
      cancel_request_ = std::move(*cancel);
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
    client_out.Append("N");
  }
}

void Session::OnStartupMessage(pgwire::StartupMessage message) {
  startup_ = std::move(message);
  const std::string* database = startup_.Find("database");
  if (database != nullptr && *database == kConsoleDatabase) return BeginConsole();
  if (draining_proxy_) return Fatal({"57P01", "pgsidecar is shutting down", "", ""});
  const Result<CacheWishes> wishes = TakeOwnOptions(startup_);
  if (!wishes.ok()) return Fatal(wishes.error());
  own_settings_.Start(*wishes);
  BeginLogin();
}

void Session::OnLoginServer(pool::ServerConnection* server, TimePoint now) {
  server_ = server;
  server_->client = id_;
  server_->MoveTo(pool::ServerState::kLoggingIn);
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
      return Act(Action::kProbe);
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
  } else if (!challenged_ && !trusted_listener_ && !shared_.config->accept_unauthenticated) {
    // The server's pg_hba saw the proxy's address and trusted that; it never judged the client.
    return Fatal({"28000", "the server let the proxy in without asking who the client is",
                  "Over a listener that other machines reach this is refused.",
                  "Have pg_hba.conf ask for a password, or set accept_unauthenticated."});
  }
  client_out.Append(bytes);
}

void Session::OnLoggedIn(pool::Pool* pool, Database* database, uint32_t pid, std::string cancel_key,
                         TimePoint now) {
  pool_ = pool;
  database_ = database;
  pid_ = pid;
  cancel_key_ = std::move(cancel_key);
  server_->MoveTo(pool::ServerState::kLeased);
  AdoptEnvironment();
  BecomeReady(now);
}

// The client is in: what it is told last, and what it may have sent ahead.
void Session::BecomeReady(TimePoint now) {
  isolation_known_ = DefaultsToReadCommitted();
  if (const std::string* replication = startup_.Find("replication");
      replication != nullptr && *replication != "false" && *replication != "off" &&
      *replication != "0" && *replication != "no") {
    pin_ = catalog::Pin::kUnknown;
    bypass_ = "replication";
  }
  ceiling_ = shared_.config->ModeOfSession(shared_.statistics->client_logins++);
  Identify();
  client_out.Emit([&](std::string& to) { pgwire::BackendKeyData{pid_, cancel_key_}.Encode(to); });
  state_ = SessionState::kReady;
  wait_ = Wait::kNone;
  SendReady();
  Process({}, now);
  MaybeRelease();
}

}  // namespace pgsidecar::proxy
