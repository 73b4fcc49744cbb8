// Transactions that begin here. A plain BEGIN is answered at once and sent with the first statement
// that has to go to the server; a transaction of hits alone never reaches it. READ COMMITTED takes
// a snapshot for each statement, so that nothing but now() can tell the difference.
//
// Invariant: begin_owed_ only while the server connection, if there is one, is idle and nothing is
// unanswered; status_ is T meanwhile.

#include <utility>

#include "proxy/session.h"

namespace pgsidecar::proxy {

// BEGIN, and the end of a transaction that the server does not know of. Returns true if the request
// is done.
bool Session::AnswerTransaction() {
  if (request().kind != Request::Kind::kQuery || decision().records.size() != 1 || !Quiet()) {
    return false;
  }
  const sql::TextInfo& text = decision().records[0]->info();
  const bool begins = text.IsSingle(sql::StatementKind::kBegin);
  const bool ends =
      text.IsSingle(sql::StatementKind::kCommit) || text.IsSingle(sql::StatementKind::kRollback);
  // A session that is served nothing from the cache gains nothing.
  const bool lazy = shared_.config->lazy_begin && ceiling_ == CacheMode::kOn && bypass_.empty() &&
                    isolation_known_ && !in_transaction();
  if (!(begins && lazy) && !(ends && begin_owed_)) return false;
  const sql::StatementInfo& statement = text.statements[0];
  if (decision().unknown || statement.transaction_modifiers) return false;

  LocalAnswer answer;
  const bool commits = statement.kind == sql::StatementKind::kCommit;
  answer.tag = begins ? statement.name : commits ? "COMMIT" : "ROLLBACK";
  begin_owed_ = begins;
  status_ = begins ? pgwire::TransactionStatus::kInTransaction : pgwire::TransactionStatus::kIdle;
  if (ends) {
    ++shared_.statistics->local_transactions;
    hit_in_transaction_ = false;
    phantom_portal_ = false;
    local_portal_.clear();
    EndTransactionOfSettings(commits);
  }
  unnamed_.reset();
  SetLast("local", false);
  SendLocalRows(client_out, answer);
  SendReady();
  Finish();
  return true;
}

// Ahead of the client's own messages and in one batch with them, so that they are not run if it
// fails, as by a cancel request. What comes behind them waits, lest it be run outside of the
// transaction that the client believes in; and as that cannot be had any more, the client's
// connection ends.
void Session::SendOwedBegin() {
  begin_owed_ = false;
  begin_unanswered_ = true;
  RunForUs("BEGIN");
}

// SET TRANSACTION has to fail behind a query, also behind one that was answered here.
void Session::TakeSnapshotOnServer() {
  hit_in_transaction_ = false;
  RunForUs("SELECT WHERE false");
}

// On the unnamed statement and portal. The client hears nothing of it, but for an error.
void Session::RunForUs(std::string_view sql) {
  OpenBatch();
  server_->unnamed_client = 0;
  server_->out.Emit([&](std::string& to) {
    pgwire::Parse{"", sql, {}}.Encode(to);
    pgwire::Bind{}.Encode(to);
    pgwire::Execute{"", 0}.Encode(to);
  });
  for (const Reply kind : {Reply::kParse, Reply::kBind, Reply::kExecute}) Expect(kind, true);
}

}  // namespace pgsidecar::proxy
