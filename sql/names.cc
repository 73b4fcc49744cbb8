// The kinds of statement in words, as metrics and SHOW STATEMENTS print them.

#include "sql/statement_info.h"

namespace pgsidecar::sql {

std::string_view StatementKindName(StatementKind kind) {
  switch (kind) {
    case StatementKind::kUnknown:
      return "unknown";
    case StatementKind::kEmpty:
      return "empty";
    case StatementKind::kSelect:
      return "select";
    case StatementKind::kInsert:
      return "insert";
    case StatementKind::kUpdate:
      return "update";
    case StatementKind::kDelete:
      return "delete";
    case StatementKind::kMerge:
      return "merge";
    case StatementKind::kTruncate:
      return "truncate";
    case StatementKind::kCopyFrom:
      return "copy from";
    case StatementKind::kCopyTo:
      return "copy to";
    case StatementKind::kBegin:
      return "begin";
    case StatementKind::kCommit:
      return "commit";
    case StatementKind::kRollback:
      return "rollback";
    case StatementKind::kSavepoint:
      return "savepoint";
    case StatementKind::kReleaseSavepoint:
      return "release savepoint";
    case StatementKind::kRollbackTo:
      return "rollback to savepoint";
    case StatementKind::kPrepareTransaction:
      return "prepare transaction";
    case StatementKind::kCommitPrepared:
      return "commit prepared";
    case StatementKind::kRollbackPrepared:
      return "rollback prepared";
    case StatementKind::kSet:
      return "set";
    case StatementKind::kShow:
      return "show";
    case StatementKind::kPrepare:
      return "prepare";
    case StatementKind::kExecute:
      return "execute";
    case StatementKind::kDeallocate:
      return "deallocate";
    case StatementKind::kDiscard:
      return "discard";
    case StatementKind::kDeclareCursor:
      return "declare cursor";
    case StatementKind::kFetch:
      return "fetch";
    case StatementKind::kClosePortal:
      return "close";
    case StatementKind::kListen:
      return "listen";
    case StatementKind::kUnlisten:
      return "unlisten";
    case StatementKind::kNotify:
      return "notify";
    case StatementKind::kLock:
      return "lock";
    case StatementKind::kExplain:
      return "explain";
    case StatementKind::kCall:
      return "call";
    case StatementKind::kDo:
      return "do";
    case StatementKind::kLoad:
      return "load";
    case StatementKind::kConstraints:
      return "set constraints";
    case StatementKind::kMaintenance:
      return "maintenance";
    case StatementKind::kCreateTemp:
      return "create temporary";
    case StatementKind::kDdl:
      return "ddl";
  }
  return "unknown";
}

}  // namespace pgsidecar::sql
