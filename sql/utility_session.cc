// Statements about the session and the transaction: BEGIN and its kin, cursors, notifications,
// prepared statements by name, maintenance.

#include "sql/utility.h"

namespace pgsidecar::sql {

namespace {

StatementKind KindOfTransaction(PgQuery__TransactionStmtKind kind) {
  switch (kind) {
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_BEGIN:
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_START:
      return StatementKind::kBegin;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT:
      return StatementKind::kCommit;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK:
      return StatementKind::kRollback;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_SAVEPOINT:
      return StatementKind::kSavepoint;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_RELEASE:
      return StatementKind::kReleaseSavepoint;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_TO:
      return StatementKind::kRollbackTo;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_PREPARE:
      return StatementKind::kPrepareTransaction;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT_PREPARED:
      return StatementKind::kCommitPrepared;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_PREPARED:
      return StatementKind::kRollbackPrepared;
    default:
      return StatementKind::kUnknown;
  }
}

// The name is the savepoint's or the prepared transaction's, or the tag of what begins one.
void Transaction(const PgQuery__TransactionStmt& statement, Collector* out) {
  StatementInfo& info = out->info();
  info.kind = KindOfTransaction(statement.kind);
  if (info.kind == StatementKind::kUnknown) out->Unknown("kind of transaction statement");
  info.transaction_modifiers = statement.n_options != 0 || statement.chain;
  info.name = Text(statement.savepoint_name);
  if (info.name.empty()) info.name = Text(statement.gid);
  if (info.kind == StatementKind::kBegin) {
    const bool starts = statement.kind == PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_START;
    info.name = starts ? "START TRANSACTION" : "BEGIN";
  }
  AnalyzeTransactionModes(List(statement.n_options, statement.options), {}, out);
}

void Discard(const PgQuery__DiscardStmt& discard, Collector* out) {
  out->info().kind = StatementKind::kDiscard;
  switch (discard.target) {
    case PG_QUERY__DISCARD_MODE__DISCARD_ALL:
      out->info().name = "ALL";
      return;
    case PG_QUERY__DISCARD_MODE__DISCARD_PLANS:
      out->info().name = "PLANS";
      return;
    case PG_QUERY__DISCARD_MODE__DISCARD_SEQUENCES:
      out->info().name = "SEQUENCES";
      return;
    case PG_QUERY__DISCARD_MODE__DISCARD_TEMP:
      out->info().name = "TEMP";
      return;
    default:
      return out->Unknown("kind of DISCARD");
  }
}

bool Named(StatementKind kind, const char* name, Collector* out) {
  out->info().kind = kind;
  out->info().name = Text(name);
  return true;
}

void Do(const PgQuery__DoStmt& statement, Collector* out) {
  out->info().kind = StatementKind::kDo;
  std::string_view language = "plpgsql";
  std::optional<std::string> body;
  for (const Node* node : List(statement.n_args, statement.args)) {
    bool ok = node->node_case == PG_QUERY__NODE__NODE_DEF_ELEM;
    if (!ok) return out->UnknownNode("DO", node);
    const std::string_view text = StringOf(node->def_elem->arg, &ok);
    if (!ok) return out->UnknownNode("DO", node);
    if (Text(node->def_elem->defname) == "language") {
      language = text;
    } else {
      body = text;
    }
  }
  if (language == "plpgsql") out->info().body = std::move(body);
}

bool Plain(StatementKind kind, const Node& statement, Collector* out) {
  out->info().kind = kind;
  NoteTempSchemas(statement, out);
  return true;
}

}  // namespace

bool AnalyzeSessionStatement(const Node& statement, Collector* out) {
  switch (statement.node_case) {
    case PG_QUERY__NODE__NODE_TRANSACTION_STMT:
      Transaction(*statement.transaction_stmt, out);
      return true;
    case PG_QUERY__NODE__NODE_VARIABLE_SET_STMT:
      AnalyzeSet(*statement.variable_set_stmt, out);
      return true;
    case PG_QUERY__NODE__NODE_DISCARD_STMT:
      Discard(*statement.discard_stmt, out);
      return true;
    case PG_QUERY__NODE__NODE_VARIABLE_SHOW_STMT:
      return Named(StatementKind::kShow, statement.variable_show_stmt->name, out);
    case PG_QUERY__NODE__NODE_DEALLOCATE_STMT:
      return Named(StatementKind::kDeallocate, statement.deallocate_stmt->name, out);
    case PG_QUERY__NODE__NODE_FETCH_STMT:
      return Named(StatementKind::kFetch, statement.fetch_stmt->portalname, out);
    case PG_QUERY__NODE__NODE_CLOSE_PORTAL_STMT:
      return Named(StatementKind::kClosePortal, statement.close_portal_stmt->portalname, out);
    case PG_QUERY__NODE__NODE_LISTEN_STMT:
      return Named(StatementKind::kListen, statement.listen_stmt->conditionname, out);
    case PG_QUERY__NODE__NODE_UNLISTEN_STMT:
      return Named(StatementKind::kUnlisten, statement.unlisten_stmt->conditionname, out);
    case PG_QUERY__NODE__NODE_NOTIFY_STMT:
      return Named(StatementKind::kNotify, statement.notify_stmt->conditionname, out);
    case PG_QUERY__NODE__NODE_LOAD_STMT:
      return Named(StatementKind::kLoad, statement.load_stmt->filename, out);
    case PG_QUERY__NODE__NODE_DO_STMT:
      Do(*statement.do_stmt, out);
      return true;
    case PG_QUERY__NODE__NODE_CONSTRAINTS_SET_STMT:
      return Plain(StatementKind::kConstraints, statement, out);
    case PG_QUERY__NODE__NODE_VACUUM_STMT:
    case PG_QUERY__NODE__NODE_CHECK_POINT_STMT:
      return Plain(StatementKind::kMaintenance, statement, out);
    default:
      return false;
  }
}

}  // namespace pgsidecar::sql
