// What one text of SQL reads, writes, calls and changes in the session: as far as the text alone
// says. Names are as the parser folds them; what they mean is catalog/'s to say.
//
// Invariant: everything that a statement could do is either named in its StatementInfo or covered
// by `kind == kUnknown`. A field that the analyser does not know how to fill makes the kind
// unknown.

#ifndef PGSIDECAR_SQL_STATEMENT_INFO_H_
#define PGSIDECAR_SQL_STATEMENT_INFO_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sql/row_info.h"

namespace pgsidecar::sql {

enum class StatementKind : uint8_t {
  kUnknown,  // did not parse, or a node that the analyser does not know
  kEmpty,
  kSelect,  // SELECT, VALUES, TABLE, WITH; also with data-modifying parts (then `writes` is not
            // empty)
  kInsert,
  kUpdate,
  kDelete,
  kMerge,
  kTruncate,
  kCopyFrom,
  kCopyTo,
  kBegin,  // BEGIN, START TRANSACTION
  kCommit,
  kRollback,
  kSavepoint,
  kReleaseSavepoint,
  kRollbackTo,
  kPrepareTransaction,
  kCommitPrepared,
  kRollbackPrepared,
  kSet,  // SET, SET LOCAL, RESET, SET ROLE, SET SESSION AUTHORIZATION, SET TRANSACTION, ...
  kShow,
  kPrepare,
  kExecute,
  kDeallocate,
  kDiscard,
  kDeclareCursor,
  kFetch,  // FETCH, MOVE
  kClosePortal,
  kListen,
  kUnlisten,
  kNotify,
  kLock,
  kExplain,  // without ANALYZE: runs nothing; with it, `writes` and `functions` are the inner
             // statement's
  kCall,
  kDo,
  kLoad,
  kConstraints,  // SET CONSTRAINTS
  kMaintenance,  // VACUUM, ANALYZE, CHECKPOINT: changes no answer
  kCreateTemp,   // CREATE TEMP TABLE | VIEW | SEQUENCE and CREATE TEMP TABLE AS, SELECT INTO TEMP
  kDdl,          // every other utility that changes the catalogs, GRANT, REFRESH, SELECT INTO, CTAS
};

std::string_view StatementKindName(StatementKind kind);

inline bool IsTransactionControl(StatementKind kind) {
  return kind >= StatementKind::kBegin && kind <= StatementKind::kRollbackPrepared;
}

// What is done to a relation, as bits.
enum WriteOperation : uint8_t {
  kWriteInsert = 1,
  kWriteUpdate = 2,
  kWriteDelete = 4,
  kWriteTruncate = 8,
  kWriteTruncateCascade = 16,
  kWriteDefaults = 32,  // an update that sets a column to DEFAULT
};

struct WriteTarget {
  QualifiedName relation;
  uint8_t operations = 0;  // WriteOperation bits; ON CONFLICT DO UPDATE adds kWriteUpdate
  bool operator==(const WriteTarget&) const = default;
};

// A call, or what the grammar turns into one.
struct FunctionUse {
  static constexpr uint32_t kAnyCount = UINT32_MAX;  // direct and aggregated arguments together

  QualifiedName name;
  uint32_t arguments = 0;
  bool operator==(const FunctionUse&) const = default;
  auto operator<=>(const FunctionUse&) const = default;
};

// A cast, a column type in a column definition list, a typed literal: any place that names a type.
struct TypeUse {
  QualifiedName type;  // element type of an array
  bool of_constant =
      false;  // applied to a plain literal; otherwise to a column, parameter, expression
  bool operator==(const TypeUse&) const = default;
};

// A setting that is given another value: by SET and its kin, or by set_config in a SELECT that does
// nothing else.
struct SettingChange {
  std::string name;  // lower case; "role", "session_authorization", "transaction_isolation"
                     // included; "" = all
  // As SET hands it to the setting: several constants as a list of quoted identifiers, and so even
  // one if the setting is search_path. nullopt for a reset, a parameter, or what is no constant.
  std::optional<std::string> value;
  bool local = false;
  bool reset = false;      // to what it was at login
  uint32_t parameter = 0;  // set_config: the value is $n
  bool operator==(const SettingChange&) const = default;
};

enum class IsolationLevel : uint8_t {
  kReadUncommitted,
  kReadCommitted,
  kRepeatableRead,
  kSerializable
};

// Reasons in the text alone that forbid a result to be cached; bits of StatementInfo::hazards.
enum Hazard : uint32_t {
  kHazardTimeValue = 1U << 0,  // CURRENT_TIMESTAMP, LOCALTIME, CURRENT_DATE ...
  kHazardIdentityValue =
      1U << 1,               // CURRENT_USER, SESSION_USER, CURRENT_SCHEMA, CURRENT_CATALOG ...
  kHazardRowLock = 1U << 2,  // FOR UPDATE, FOR SHARE and kin
  kHazardTableSample = 1U << 3,
  kHazardTimeString = 1U << 4,   // a string literal with now, today, tomorrow or yesterday in it
  kHazardDynamicDate = 1U << 5,  // a cast of something not constant to a date or time type
  kHazardModifyingCte = 1U << 6,
  kHazardCurrentOf = 1U << 7,      // WHERE CURRENT OF
  kHazardXml = 1U << 8,            // XMLTABLE, XMLPARSE and kin (document or content: a setting)
  kHazardSystemColumn = 1U << 11,  // ctid, xmax and kin: VACUUM FULL and row locks change them
  kHazardRowTypeField = 1U << 9,   // a field or star of an expression that may be a function call
  kHazardParameterDate =
      1U << 10,                  // a parameter itself cast to a date or time type: its bytes decide
  kHazardSystemUser = 1U << 12,  // SYSTEM_USER: how this server connection logged in
};

struct StatementInfo {
  StatementKind kind = StatementKind::kUnknown;
  std::string unknown_reason;  // for kUnknown: what the analyser did not know

  std::vector<QualifiedName>
      reads;  // every relation named, CTE names in scope left out; no duplicates
  std::vector<WriteTarget> writes;
  std::vector<FunctionUse> functions;
  // What current_setting is asked for, in lower case; "" for what is not a constant.
  std::vector<std::string> settings_read;
  // One for each time that a relation of `reads` is named, a self join's twice.
  std::vector<Reference> references;
  // kInsert, kUpdate and kDelete whose rows are known in part; not under kHazardModifyingCte.
  std::optional<RowWrite> row_write;
  std::vector<QualifiedName>
      operators;  // also those behind IN, BETWEEN, LIKE, SIMILAR TO, NULLIF, ...
  std::vector<TypeUse> types;
  // The last names of qualified column references and field selections (t.f, (e).f): PostgreSQL
  // reads one that is no column as the function f(t).
  std::vector<std::string> attribute_names;
  std::vector<QualifiedName> collations;

  uint32_t hazards = 0;
  uint32_t max_parameter = 0;  // the highest $n

  std::vector<SettingChange> settings;      // kSet; kSelect that only calls set_config
  std::optional<IsolationLevel> isolation;  // kBegin, SET TRANSACTION, SET SESSION CHARACTERISTICS
  bool transaction_modifiers = false;       // BEGIN with any modifier; COMMIT/ROLLBACK AND CHAIN
  std::string name;  // PREPARE, EXECUTE, DEALLOCATE ("" = ALL), cursor, LISTEN/UNLISTEN channel (""
                     // = *), savepoint, prepared transaction; of kBegin its command tag
  std::optional<std::string> body;  // kDo in LANGUAGE plpgsql
  // kPrepare: what EXECUTE will run, without its rows, whose values EXECUTE gives.
  std::shared_ptr<const StatementInfo> prepared;
  bool with_hold = false;  // DECLARE ... WITH HOLD
  bool ordered = false;    // kSelect: the outermost query has an ORDER BY
  bool explain_analyze = false;

  // Names the relation's own or a temp schema (pg_temp), so that the session's own state decides.
  bool names_temp_schema = false;
};

// A text: what the analyser made of it. Immutable and shared.
struct TextInfo {
  std::vector<StatementInfo> statements;  // one a statement; none if the text is empty
  bool parsed = false;                    // false: the whole text is unknown; `error` says why
  std::string error;                      // the parser's message, or the limit that was passed

  bool IsSingle(StatementKind kind) const {
    return parsed && statements.size() == 1 && statements[0].kind == kind;
  }
};

}  // namespace pgsidecar::sql

#endif  // PGSIDECAR_SQL_STATEMENT_INFO_H_
