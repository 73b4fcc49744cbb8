// What a server connection is given before the session's first request there: the settings and the
// names that the session has, in place of those that are there. It goes ahead of the request in the
// same write. All of it is in the extended protocol and without a Sync, so that after an error the
// server ignores the request as well, also a simple Query (PostgreSQL: postgres.c,
// ignore_till_sync); and in a transaction of its own, so that the request is not part of it.

#include <utility>

#include "proxy/session.h"

namespace pgsidecar::proxy {

namespace {

// What a session may make the proxy remember of its PREPAREs.
constexpr size_t kMaxSqlStatementBytes = size_t{64} * 1024;
constexpr std::string_view kQueryCanceled = "57014";

// As quote_literal does (PostgreSQL: quote.c).
void AppendQuoted(std::string& to, std::string_view text) {
  if (text.find('\\') != std::string_view::npos) to += 'E';
  to += '\'';
  for (const char c : text) {
    if (c == '\'' || c == '\\') to += c;
    to += c;
  }
  to += '\'';
}

const sql::StatementInfo& Nothing() {
  static const sql::StatementInfo kNothing = [] {
    sql::StatementInfo info;
    info.kind = sql::StatementKind::kEmpty;
    return info;
  }();
  return kNothing;
}

}  // namespace

// REQUIRES: a connection that has just been leased.
bool Session::NeedsReplay() const {
  const bool wants_names = !sql_statements_->empty();
  return !pool::SameLabel(server_->label, label_) ||
         (!own_names_ && (server_->names_of != 0 || wants_names));
}

void Session::SendReplay() {
  replay_owed_ = false;
  sync_due_ = true;
  ++shared_.statistics->settings_replays;
  const bool wants_names = !own_names_ && !sql_statements_->empty();
  pool::SharedLabel held = server_->label;
  // Whatever the default is: it need not wait for others.
  RunForUs("BEGIN ISOLATION LEVEL READ COMMITTED");
  if (!own_names_ && server_->names_of != 0) {
    RunForUs("DEALLOCATE ALL");
    server_->DropStatements();
    server_->names_of = 0;
  }
  if (wants_names) MakeSqlStatements(&held);
  Become(label_, &held);
  if (wants_names) PutNamesOnServer();
  RunForUs("COMMIT");
  replay_unanswered_ = expected_.size();
}

// Each under the settings of then, since they say what its text means.
void Session::MakeSqlStatements(pool::SharedLabel* held) {
  for (const auto& [name, statement] : *sql_statements_) {
    Become(statement.label, held);
    const size_t before = expected_.size();
    RunForUs(statement.text);
    for (size_t i = before; i < expected_.size(); ++i) expected_[i].name = name;
  }
}

void Session::Become(const pool::SharedLabel& wanted, pool::SharedLabel* held) {
  if (pool::SameLabel(*held, wanted)) return;
  RunForUs(pool::ReplayQuery(*held, wanted));
  *held = wanted;
}

// Nothing that the client has asked for has run, and nothing of it will before the end of the
// batch. Behind that the connection is rolled back to the settings that it had. If the replay was
// cancelled in place of the request, or if it is a prepared statement that cannot be made again,
// that is the answer; the statement is gone then. Without its settings, or its BEGIN, the session
// cannot go on.
void Session::OnReplayFailed(const pgwire::Piece& piece, const pgwire::ErrorFields& fields) {
  const std::string sqlstate(fields.Find('C'));
  const std::string name = expected_.front().name;
  const bool canceled = sqlstate == kQueryCanceled;
  const bool goes_on =
      !in_transaction() && !std::exchange(begin_unanswered_, false) && (canceled || !name.empty());
  ++shared_.statistics->settings_replays_failed;
  replay_unanswered_ = 0;
  replay_broken_ = true;
  replay_failed_ |= wait_ == Wait::kReplay;
  sync_due_ = false;
  LeaveBroken();
  if (!canceled && !name.empty()) {
    sql_statements_.Edit().erase(name);
    statements_.Edit().erase(name);
  }
  OnAttemptFailed();
  Pass(piece);
  AfterError();
  if (goes_on || state_ == SessionState::kDraining) return;
  Fatal({sqlstate, "the session cannot go on: what it has set cannot be set again", "",
         "Each server connection is given the settings of the session that it is to serve."});
}

// What the connection holds then: a custom setting exists from the attempt on, and which statements
// stand there is not known.
void Session::LeaveBroken() {
  server_->label = pool::WithCustomOf(server_->label, label_);
  for (const auto& [name, statement] : *sql_statements_) {
    server_->label = pool::WithCustomOf(server_->label, statement.label);
  }
  own_names_ = false;
  server_->names_of = pool::kClientGone;
}

// The batch of a replay that failed has ended.
void Session::RollBackReplay() {
  must_succeed_ = true;
  RunApart("ROLLBACK");
}

// --- statements of SQL's PREPARE ---

// The server has confirmed it.
void Session::NotePrepared(const sql::StatementInfo& statement, const Followed& followed) {
  SqlStatement made;
  if (!followed.prepare.empty()) made.record = followed.record;
  size_t bytes = followed.prepare.size();
  for (const auto& [name, other] : *sql_statements_) bytes += other.text.size();
  // Under which settings is not said by a label if they are the transaction's; and its values may
  // have to be read under another encoding than label_ was.
  UpdateLabel();
  if (bypass_.empty() && !settings_changed_->in_transaction() && pool::IsAsciiLabel(label_) &&
      bytes <= kMaxSqlStatementBytes) {
    made.text = followed.prepare;
    made.label = label_;
  }
  sql_statements_.Edit().insert_or_assign(statement.name, std::move(made));
}

// `names`: what the server says that there is (AuditAnswer::prepared_statements).
bool Session::CanPrepareAgain(std::string_view names) const {
  std::string known;
  for (const auto& [name, statement] : *sql_statements_) {
    if (statement.text.empty()) return false;
    if (!known.empty()) known += ',';
    AppendQuoted(known, name);
  }
  return known == names;
}

// What the EXECUTE that is the whole of `record` runs; null if that is not known.
const sql::StatementInfo* Session::FindExecuted(const StatementRecord& record) const {
  if (!record.info().IsSingle(sql::StatementKind::kExecute) || prepares_unconfirmed_) {
    return nullptr;
  }
  const std::string& name = record.info().statements[0].name;
  if (const auto it = sql_statements_->find(name); it != sql_statements_->end()) {
    if (it->second.record == nullptr) return nullptr;
    return it->second.record->info().statements[0].prepared.get();
  }
  const auto statement = name.empty() ? nullptr : FindStatement(name);
  if (statement == nullptr) {
    // Only code that is not understood can have made it; otherwise the server refuses it.
    return bypass_.empty() ? &Nothing() : nullptr;
  }
  if (statement->local()) return nullptr;
  const sql::TextInfo& info = statement->record->info();
  return info.statements.size() == 1 ? &info.statements[0] : nullptr;
}

}  // namespace pgsidecar::proxy
