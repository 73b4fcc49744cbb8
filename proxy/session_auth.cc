// A session's login where the proxy judges it: who is asked for what, and how it gets in. A login
// that the server judges is in session_startup.cc.

#include <algorithm>
#include <utility>
#include <vector>

#include "base/log.h"
#include "pgwire/startup.h"
#include "proxy/session.h"

namespace pgsidecar::proxy {

namespace frontend = pgwire::frontend_type;

namespace {

constexpr std::string_view kProtocolOptions = "_pq_.";

std::string_view ValueOf(const pgwire::StartupMessage& startup, std::string_view name) {
  const std::string* value = startup.Find(name);
  return value != nullptr ? std::string_view(*value) : std::string_view();
}

// replication=database is a connection to a database.
bool IsPhysicalReplication(std::string_view value) {
  return value == "true" || value == "on" || value == "yes" || value == "1";
}

}  // namespace

// The startup packet has been accepted.
void Session::BeginLogin() {
  state_ = SessionState::kLoggingIn;
  wait_ = Wait::kLogin;
  const std::string_view user = ValueOf(startup_, "user");
  const std::string_view database = ValueOf(startup_, "database");
  const Result<AuthMethod> method =
      DecideAuth(*shared_.config, user, database.empty() ? user : database,
                 IsPhysicalReplication(ValueOf(startup_, "replication")), peer_, transport(),
                 trusted_listener_);
  if (!method.ok()) return RefuseLogin(method.error());
  auth_method_ = *method;
  // There is no server that would judge who comes to the console.
  if (is_console_ && auth_method_ == AuthMethod::kPassthrough) auth_method_ = AuthMethod::kScram;
  if (auth_method_ == AuthMethod::kPassthrough) return Act(Action::kLogIn);
  NegotiateProtocol();
  if (auth_method_ == AuthMethod::kTrust || auth_method_ == AuthMethod::kCert) return AcceptLogin();
  Act(Action::kFindSecret);
}

// With admin_users or stats_users the console asks who comes; else it is for local connections.
void Session::BeginConsole() {
  is_console_ = true;
  const AuthSettings& auth = *shared_.config->auth;
  if (!auth.admins.empty() || !auth.stats.empty()) return BeginLogin();
  if (!trusted_listener_) {
    return Fatal({"28000", "the console is open to local connections only", "",
                  "Name admin_users or stats_users."});
  }
  client_out.Emit([](std::string& to) { pgwire::Authentication{}.Encode(to); });
  console_admin_ = true;
  EnterConsole();
}

// What the client is told of the protocol must not depend on a server that it may never meet.
void Session::NegotiateProtocol() {
  std::vector<std::string> unrecognized;
  std::erase_if(startup_.parameters, [&](const auto& parameter) {
    if (!parameter.first.starts_with(kProtocolOptions)) return false;
    unrecognized.push_back(parameter.first);
    return true;
  });
  if (unrecognized.empty() && startup_.protocol <= pgwire::kProtocol32) return;
  startup_.protocol = std::min(startup_.protocol, pgwire::kProtocol32);
  client_out.Emit([&](std::string& to) {
    pgwire::NegotiateProtocolVersion{startup_.protocol, {unrecognized.begin(), unrecognized.end()}}
        .Encode(to);
  });
}

void Session::OnSecret(std::shared_ptr<const UserSecret> secret, std::string_view random,
                       TimePoint now) {
  if (state_ != SessionState::kLoggingIn || exchange_ != nullptr) return;
  exchange_ = std::make_unique<AuthExchange>(auth_method_, std::string(ValueOf(startup_, "user")),
                                             std::move(secret), shared_.config->auth->mock_md5,
                                             random, transport().endpoint_hash);
  exchange_->Start(client_out);
  Process({}, now);
}

// What the client answers to the proxy's own questions.
void Session::ProcessExchange(std::string_view& input) {
  while (state_ == SessionState::kLoggingIn && exchange_ != nullptr && !judged_) {
    if (input.empty()) return;
    if (input.front() != frontend::kPassword) {
      return RefuseLogin({"08P01", "expected password response, got another message type", "", ""});
    }
    pgwire::FrameHeader header;
    Error error;
    switch (pgwire::ReadFrontendHeader(input, &header, &error)) {
      case pgwire::FrameStatus::kError:
        return RefuseLogin(error);
      case pgwire::FrameStatus::kNeedMore:
        return;
      case pgwire::FrameStatus::kMessage:
        break;
    }
    if (header.body_bytes > exchange_->max_message_bytes()) {
      return RefuseLogin({"08P01", "invalid message length", "", ""});
    }
    const size_t total = pgwire::kHeaderBytes + header.body_bytes;
    if (input.size() < total) return;
    const auto outcome =
        exchange_->OnMessage(input.substr(pgwire::kHeaderBytes, header.body_bytes), client_out);
    input.remove_prefix(total);
    if (!outcome.ok()) return RefuseLogin(outcome.error());
    if (*outcome == AuthExchange::Outcome::kAccepted) return AcceptLogin();
  }
}

void Session::RefuseLogin(const Error& error) {
  ++shared_.statistics->login_failures;
  log::info("login refused peer={} method={} sqlstate={}", peer_, AuthMethodName(auth_method_),
            error.sqlstate);
  Fatal(error);
}

// The client is who it says; whether the server lets it in is still to be seen.
void Session::AcceptLogin() {
  judged_ = true;
  client_out.Emit([](std::string& to) { pgwire::Authentication{}.Encode(to); });
  if (!is_console_) return Act(Action::kEnter);
  exchange_.reset();
  const AuthSettings& auth = *shared_.config->auth;
  const std::string_view user = ValueOf(startup_, "user");
  console_admin_ = auth.admins.contains(user);
  if (console_admin_ || auth.stats.contains(user)) return EnterConsole();
  RefuseLogin({"28000", "the console is not open to user \"" + std::string(user) + "\"",
               "Neither admin_users nor stats_users names it.", ""});
}

pool::LoginSecret Session::TakeGained() {
  pool::LoginSecret gained;
  if (exchange_ != nullptr) gained = exchange_->TakeGained();
  exchange_.reset();
  return gained;
}

void Session::EnterConsole() {
  state_ = SessionState::kConsole;
  wait_ = Wait::kNone;
  client_out.Emit([](std::string& to) {
    pgwire::ParameterStatus{"server_version", "15.0 (pgsidecar)"}.Encode(to);
    pgwire::ParameterStatus{"server_encoding", "UTF8"}.Encode(to);
    pgwire::ParameterStatus{"client_encoding", "UTF8"}.Encode(to);
    pgwire::ParameterStatus{"standard_conforming_strings", "on"}.Encode(to);
  });
  SendReady();
}

void Session::OnEntered(pool::Pool* pool, Database* database, const LoginState& login,
                        pool::ServerId home, uint32_t pid, std::string cancel_key, TimePoint now) {
  pool_ = pool;
  database_ = database;
  last_server_ = home;
  pid_ = pid;
  cancel_key_ = std::move(cancel_key);
  told_parameters_ = login.parameters;
  client_out.Emit([&](std::string& to) {
    for (const auto& [name, value] : told_parameters_.map()) {
      pgwire::ParameterStatus{name, value}.Encode(to);
    }
  });
  CheckEncodings();
  environment_ = login.environment;
  UpdateEnvironment();
  BecomeReady(now);
}

void Session::OnOwnLogin() {
  server_->MoveTo(pool::ServerState::kProbing);
  client_out.Emit([&](std::string& to) {
    for (const auto& [name, value] : server_->parameters.map()) {
      pgwire::ParameterStatus{name, value}.Encode(to);
    }
  });
}

// What the server asks of a client whose login is relayed: whether the client may be let know.
std::optional<Error> Session::CheckRelayed(pgwire::AuthenticationRequest request) const {
  const Config& config = *shared_.config;
  const bool private_server =
      server_->transport.encrypted || IsLoopback(config.upstream.host) || config.accept_cleartext;
  if (auto refused = config.auth->require.Check(request, challenged_, private_server)) {
    return refused;
  }
  const bool private_client = trusted_listener_ || transport().encrypted || config.accept_cleartext;
  if (request != pgwire::AuthenticationRequest::kCleartextPassword || private_client) {
    return std::nullopt;
  }
  return Error{"28000", "the server requested a password in clear, over a network without TLS",
               "The client has not been asked for it.",
               "Connect with sslmode=require, or set accept_cleartext."};
}

}  // namespace pgsidecar::proxy
