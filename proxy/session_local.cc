// What is answered here and never reaches the server: SHOW and SET of pgsidecar.*, and the console.

#include <algorithm>
#include <array>
#include <utility>

#include "pgwire/frame.h"
#include "proxy/session.h"

namespace pgsidecar::proxy {

namespace backend = pgwire::backend_type;
namespace frontend = pgwire::frontend_type;

namespace {

constexpr std::string_view kLast = "pgsidecar.last";

LocalAnswer Failure(std::string sqlstate, std::string message, std::string hint = "") {
  LocalAnswer answer;
  answer.error = Error{std::move(sqlstate), std::move(message), "", std::move(hint)};
  return answer;
}

LocalAnswer Failure(Error error) {
  LocalAnswer answer;
  answer.error = std::move(error);
  return answer;
}

void EmitEmpty(Outbox& out, char type) {
  out.Emit([type](std::string& to) { pgwire::EncodeEmpty(to, type); });
}

}  // namespace

void Session::SetLast(std::string_view what, bool bypass) {
  last_ = what;
  last_is_bypass_ = bypass;
}

// REQUIRES: the server has answered everything. An error inside a transaction is left in
// decision().forced: the server has to fail with it.
void Session::AnswerLocally() {
  if (state_ == SessionState::kConsole) {
    wait_ = Wait::kConsole;
    return;
  }
  if (request().kind == Request::Kind::kQuery) {
    const LocalAnswer answer = RunLocal(decision().text, false);
    if (answer.error && in_transaction()) {
      decision().forced = answer.error;
      return;
    }
    if (answer.error) {
      SendError(*answer.error);
    } else {
      if (!answer.columns.empty()) SendLocalDescription(client_out, answer);
      SendLocalRows(client_out, answer);
    }
    SendReady();
    return Finish();
  }
  for (const Request::Message& message : request().messages) {
    if (!AnswerLocalMessage(message)) {
      if (decision().forced) return;
      skip_to_sync_ = !request().synced;
      if (request().synced) SendReady();
      break;
    }
  }
  Finish();
}

// Returns false after an error.
bool Session::AnswerLocalMessage(const Request::Message& message) {
  const std::string_view body = request().body(message);
  switch (message.type) {
    case frontend::kParse: {
      const auto parse = *pgwire::Parse::Decode(body);
      SetStatement(parse.name, MakeStatement(parse));
      EmitEmpty(client_out, backend::kParseComplete);
      return true;
    }
    case frontend::kBind:
      local_portal_ = FindStatement(pgwire::BindNames::Decode(body)->statement)->local_sql;
      EmitEmpty(client_out, backend::kBindComplete);
      return true;
    case frontend::kDescribe: {
      const auto describe = *pgwire::Describe::Decode(body);
      const bool statement = describe.kind == 'S';
      const LocalAnswer answer =
          RunLocal(statement ? FindStatement(describe.name)->local_sql : local_portal_, true);
      if (statement) {
        client_out.Emit([](std::string& to) { pgwire::ParameterDescription{}.Encode(to); });
      }
      SendLocalDescription(client_out, answer);
      return true;
    }
    case frontend::kExecute: {
      const LocalAnswer answer = RunLocal(local_portal_, false);
      if (!answer.error) {
        SendLocalRows(client_out, answer);
        return true;
      }
      if (in_transaction()) {
        decision().forced = answer.error;
      } else {
        SendError(*answer.error);
      }
      return false;
    }
    case frontend::kClose: {
      const auto close = *pgwire::Close::Decode(body);
      if (close.kind == 'S') SetStatement(close.name, nullptr);
      EmitEmpty(client_out, backend::kCloseComplete);
      return true;
    }
    case frontend::kSync:
      if (!in_transaction()) local_portal_.clear();
      SendReady();
      return true;
    default:
      return true;
  }
}

LocalAnswer Session::RunLocal(std::string_view sql, bool describe_only) {
  const auto record = database_->book.Get(sql).record;
  const sql::StatementInfo& statement = record->info().statements[0];
  const bool sets = statement.kind == sql::StatementKind::kSet;
  LocalAnswer answer;
  if (!sets) {
    answer.columns = {statement.name};
    answer.tag = "SHOW";
  }
  if (describe_only) return answer;
  if (status_ == pgwire::TransactionStatus::kFailed) {
    return Failure(
        "25P02", "current transaction is aborted, commands ignored until end of transaction block");
  }
  if (sets) return SetLocal(statement.settings[0]);
  if (statement.name == kLast) {
    answer.rows = {{std::string(last_is_bypass_ ? "bypass: " : "") + std::string(last_)}};
    return answer;
  }
  CacheWishes none;
  // A name that cannot be reset does not exist.
  if (auto error = SetWish(statement.name, nullptr, {}, none)) return Failure(*std::move(error));
  const CachePolicy policy = PolicyOf(*shared_.config, {}, ceiling_, own_settings_->now());
  if (statement.name == kCacheSetting) {
    answer.rows = {{std::string(CacheModeName(policy.mode))}};
  } else if (statement.name == kTtlSetting) {
    answer.rows = {{FormatDuration(policy.read.max_age)}};
  } else {
    answer.rows = {{std::string(
        ConsistencyName(own_settings_->now().consistency.value_or(shared_.config->consistency)))}};
  }
  return answer;
}

LocalAnswer Session::SetLocal(const sql::SettingChange& change) {
  LocalAnswer answer;
  answer.tag = change.reset ? "RESET" : "SET";
  const std::string* value = change.reset || !change.value ? nullptr : &*change.value;
  std::optional<Error> error;
  if (change.local && !in_transaction()) {
    CacheWishes checked;
    error = SetWish(change.name, value, {}, checked);
    answer.warning = Error{"25P01", "SET LOCAL can only be used in transaction blocks", "", ""};
  } else {
    error = own_settings_.Edit().Set(change.name, value, change.local);
    if (!in_transaction()) own_settings_.Edit().Commit();
  }
  return error ? Failure(*std::move(error)) : answer;
}

void Session::OnConsoleAnswer(const LocalAnswer& answer, TimePoint now) {
  if (answer.error) {
    SendError(*answer.error);
  } else {
    if (!answer.columns.empty()) SendLocalDescription(client_out, answer);
    SendLocalRows(client_out, answer);
  }
  SendReady();
  Finish();
  Resume(now);
}

// What of the server's reports the analysis of a text depends on.
void Session::CheckEncodings() {
  // Encodings in which a byte of a character may be an ASCII byte (PostgreSQL:
  // PG_ENCODING_BE_LAST).
  constexpr std::array<std::string_view, 8> kUnsafe = {
      "SJIS", "BIG5", "GBK", "UHC", "GB18030", "JOHAB", "SHIFT_JIS_2004", "MULE_INTERNAL"};
  const std::string_view client = told_parameters_.Find("client_encoding");
  analysis_holds_ = told_parameters_.Find("standard_conforming_strings") == "on" &&
                    std::find(kUnsafe.begin(), kUnsafe.end(), client) == kUnsafe.end();
  utf8_ = client == "UTF8" && told_parameters_.Find("server_encoding") == "UTF8";
}

// A server connection that the client has not used before may have other values of what the server
// reports (after a reload of its configuration).
void Session::SyncParameters() {
  if (told_parameters_.IsSame(server_->parameters)) return;
  if (told_parameters_ == server_->parameters) {
    told_parameters_ = server_->parameters;
    return;
  }
  for (const auto& [name, value] : server_->parameters.map()) {
    if (!told_parameters_.Set(name, value)) continue;
    client_out.Emit([&name = name, &value = value](std::string& to) {
      pgwire::ParameterStatus{name, value}.Encode(to);
    });
  }
  CheckEncodings();
}

}  // namespace pgsidecar::proxy
