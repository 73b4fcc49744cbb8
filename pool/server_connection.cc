#include "pool/server_connection.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/text.h"

namespace pgsidecar::pool {

namespace backend = pgwire::backend_type;

std::string_view ServerStateName(ServerState state) {
  switch (state) {
    case ServerState::kConnecting:
      return "connecting";
    case ServerState::kLoggingIn:
      return "login";
    case ServerState::kProbing:
      return "probing";
    case ServerState::kResetting:
      return "resetting";
    case ServerState::kIdle:
      return "idle";
    case ServerState::kLeased:
      return "active";
    case ServerState::kSettling:
      return "settling";
    case ServerState::kClosed:
      return "closed";
  }
  return "";
}

namespace {

[[maybe_unused]] bool MayFollow(ServerState from, ServerState to) {
  using enum ServerState;
  if (to == kClosed) return from != kClosed;
  switch (from) {
    case kConnecting:
      return to == kLoggingIn;
    case kLoggingIn:
      return to == kProbing || to == kIdle;
    case kProbing:
      return to == kIdle || to == kLeased || to == kResetting;
    case kResetting:
      return to == kIdle || to == kProbing;
    case kIdle:
      return to == kLeased || to == kProbing || to == kResetting || to == kSettling;
    case kLeased:
      return to == kIdle || to == kSettling;
    case kSettling:
      return to == kIdle;
    case kClosed:
      return false;
  }
  return false;
}

}  // namespace

ServerConnection::ServerConnection(ServerId id, pgwire::StartupMessage startup, TimePoint now)
    : created_at(now), used_at(now), id_(id), startup_(std::move(startup)) {}

void ServerConnection::MoveTo(ServerState state) {
  assert(MayFollow(state_, state));
  state_ = state;
  lived_ |= state == ServerState::kIdle || state == ServerState::kLeased;
}

void ServerConnection::StartOwnLogin(LoginSecret secret, LoginPolicy policy) {
  login_.emplace(startup_, std::move(secret), std::move(policy));
  login_->Start(out);
}

void ServerConnection::StartQuery(std::string_view sql, OwnQuery::OnRow on_row,
                                  OwnQuery::OnDone on_done) {
  assert(!query_.running());
  query_.Start(out, sql, std::move(on_row), std::move(on_done));
  // A simple Query takes the unnamed statement with it.
  unnamed_client = 0;
  unnamed_statement = 0;
}

void ServerConnection::StartQueryWith(std::string_view sql, std::string_view value,
                                      OwnQuery::OnRow on_row, OwnQuery::OnDone on_done) {
  assert(!query_.running());
  query_.StartWith(out, sql, value, std::move(on_row), std::move(on_done));
  unnamed_client = 0;
  unnamed_statement = 0;
}

void ServerConnection::StartSettingsReset() {
  StartQuery(ReplayQuery(label, ResetLabel(label)), {}, [this](const Error* error) {
    own_query_failed = error != nullptr;
    if (error == nullptr) label = ResetLabel(label);
  });
}

ServerConnection::Event ServerConnection::OnBytes(std::string_view bytes) {
  Event worst = Event::kNone;
  Error error;
  const bool ok = stream.Feed(bytes, &error, [&](const pgwire::Piece& piece) {
    if (!piece.first || !piece.last) {
      partial_row_.append(piece.bytes);
      if (!piece.last) return true;
    }
    const std::string held = std::exchange(partial_row_, {});
    const std::string_view body =
        held.empty() ? piece.body() : std::string_view(held).substr(pgwire::kHeaderBytes);
    worst = std::max(worst, OnMessage(piece.type, body));
    return worst != Event::kFailed;
  });
  if (!ok) return Fail(std::move(error));
  return worst;
}

ServerConnection::Event ServerConnection::OnMessage(char type, std::string_view body) {
  if (type == backend::kParameterStatus) {
    const Result<pgwire::ParameterStatus> status = pgwire::ParameterStatus::Decode(body);
    if (!status.ok()) return Fail(status.error());
    // Unasked, after a reload of the configuration: what the session holds has to be asked again.
    if (parameters.Set(status->name, status->value) && !login_) environment.reset();
    return Event::kNone;
  }
  if (login_) return OnLoginMessage(type, body);
  if (!query_.running()) return OnUnaskedMessage(type, body);
  pgwire::TransactionStatus status = pgwire::TransactionStatus::kIdle;
  const Result<bool> understood = query_.OnMessage(type, body, &status);
  if (!understood.ok()) return Fail(understood.error());
  if (type != backend::kReadyForQuery) return Event::kNone;
  if (status != pgwire::TransactionStatus::kIdle) {
    return Fail({"08P01", "a transaction is still open after the proxy's own query", "", ""});
  }
  return Event::kIdleAgain;
}

ServerConnection::Event ServerConnection::OnLoginMessage(char type, std::string_view body) {
  switch (type) {
    case backend::kAuthentication: {
      const Result<bool> answered = login_->OnAuthentication(body, transport, out);
      return answered.ok() ? Event::kNone : Fail(answered.error());
    }
    case backend::kBackendKeyData: {
      const Result<pgwire::BackendKeyData> data = pgwire::BackendKeyData::Decode(body);
      if (!data.ok()) return Fail(data.error());
      pid = data->pid;
      cancel_key = data->key;
      return Event::kNone;
    }
    case backend::kErrorResponse:
      return Fail(ReadServerError(body));
    case backend::kReadyForQuery:
      login_.reset();
      return Event::kLoggedIn;
    case backend::kNoticeResponse:
    case backend::kNegotiateProtocolVersion:
      return Event::kNone;
    default:
      return Fail(
          {"08P01", std::string("unexpected message type \"") + type + "\" during login", "", ""});
  }
}

ServerConnection::Event ServerConnection::OnUnaskedMessage(char type, std::string_view body) {
  switch (type) {
    case backend::kNoticeResponse:
      return Event::kNone;
    case backend::kErrorResponse:  // the server ends the session: 57P01 and kin
      return Fail(ReadServerError(body));
    default:  // nobody here has asked or listened
      return Fail(
          {"08P01", std::string("unexpected message type \"") + type + "\" while idle", "", ""});
  }
}

ServerConnection::Event ServerConnection::Fail(Error error) {
  error_ = std::move(error);
  return Event::kFailed;
}

void ServerConnection::OnLost(const Error& error) {
  if (error_.sqlstate.empty()) error_ = error;
  query_.Fail(error_);
}

const ServerConnection::Held* ServerConnection::FindStatement(StatementId id) const {
  const auto it = statement_index_.find(id);
  return it == statement_index_.end() ? nullptr : &*it->second;
}

void ServerConnection::TouchStatement(StatementId id) {
  const auto it = statement_index_.find(id);
  if (it != statement_index_.end()) statements_.splice(statements_.end(), statements_, it->second);
}

void ServerConnection::HoldStatement(StatementId id, Description description) {
  DropStatement(id);
  statements_.push_back({id, description});
  statement_index_[id] = std::prev(statements_.end());
}

void ServerConnection::DropStatement(StatementId id) {
  const auto it = statement_index_.find(id);
  if (it == statement_index_.end()) return;
  statements_.erase(it->second);
  statement_index_.erase(it);
}

void ServerConnection::DropStatements() {
  statements_.clear();
  statement_index_.clear();
}

}  // namespace pgsidecar::pool
