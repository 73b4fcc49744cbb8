// From what a text says to what it does: names resolved over a Catalog, closed over views, rules,
// triggers, cascades, partitions, policies, defaults, domains, casts and functions.

#ifndef PGSIDECAR_CATALOG_RESOLVE_H_
#define PGSIDECAR_CATALOG_RESOLVE_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "catalog/catalog.h"
#include "catalog/key_value.h"
#include "sql/statement_info.h"

namespace pgsidecar::catalog {

// Why a result is neither looked up nor stored. kNone: it may be. The names (RefusalName) are what
// SHOW STATEMENTS and SHOW pgsidecar.last print.
enum class Refusal : uint8_t {
  kNone,
  kNotASelect,
  kMultipleStatements,
  kNotUnderstood,  // did not parse, or a node that the analyser does not know
  kTextTooLong,
  kCatalogNotLoaded,
  kUnknownRelation,  // no relation of that name on the search path
  kUnknownFunction,  // a function, operator or cast that is not known to be harmless
  kUnknownType,
  kVolatileFunction,   // known, harmless, and its answer changes: random(), clock_timestamp() ...
  kTimeDependent,      // now(), CURRENT_DATE, 'today' ...
  kIdentityDependent,  // CURRENT_USER and kin
  kSessionFunction,    // set_config, advisory locks, currval ...
  kRowLock,
  kTableSample,
  kSystemCatalog,
  kForeignTable,
  kTemporaryTable,
  kUnloggedTable,
  kSequence,
  kRowSecurity,  // a policy that is not understood
  kModifiesData,
  kOther,
  kCount_,  // one past the last
};
std::string_view RefusalName(Refusal refusal);

// What a statement leaves in its session that the pool has no way to replay: from then on the
// session keeps its server connection, until PostgreSQL says that it is gone (IsAskedFor), or to
// its end.
enum class Pin : uint8_t {
  kNone,
  kSetting,  // one that cannot be set again elsewhere, or is not known
  kSeed,     // of random()
  kTemporaryObject,
  kHoldCursor,
  kAdvisoryLock,  // session-level
  kListen,
  kLoad,
  kSequence,           // currval and lastval, where sessions are not to share connections
  kPreparedStatement,  // SQL-level PREPARE, EXECUTE, DEALLOCATE, DISCARD; pg_prepared_statements
  kFunction,           // a function (trigger, default, DO, CALL) of which nothing is known
  kUnknown,            // a statement of which nothing is known
  kCount_,
};
std::string_view PinName(Pin pin);
// Whether the server can be asked if the reason still holds (AuditQuery).
bool IsAskedFor(Pin pin);
// Of two reasons to pin the one that lasts longer or is known less about.
Pin Stronger(Pin a, Pin b);

// Whose names: the text of the search_path setting as the server holds it, and the role that
// "$user" stands for.
struct NameContext {
  std::string_view search_path;
  std::string_view user;
  // The setting is not known (a function may have changed it): an unqualified name may mean an
  // object in any schema.
  bool any_schema = false;
};
inline constexpr NameContext kAnyNames = {.search_path = {}, .user = {}, .any_schema = true};

// A column of a canonical relation, by a number that its name gives.
struct ColumnId {
  Oid relation = 0;
  uint64_t column = 0;
  bool operator==(const ColumnId&) const = default;
  auto operator<=>(const ColumnId&) const = default;
};

// Rows whose column has one of these values; what they are may depend on the request's parameters.
struct KeyedColumn {
  ColumnId id;
  KeyType type = KeyType::kInteger;
  // Longer texts are no values: a varchar's limit may cut them. 0: no limit.
  uint32_t max_bytes = 0;
  std::vector<sql::Value> values;
};

// A relation of which every table reference is restricted, each by one column.
struct KeyedRead {
  Oid relation = 0;
  std::vector<KeyedColumn> references;
};

struct Resolved {
  // May the result be cached? Judged on what the statement itself does; transaction state,
  // environment and protocol are the session's to judge.
  Refusal refusal = Refusal::kNotUnderstood;
  // Canonical relations (an inheritance or partition tree is one) that the answer depends on,
  // sorted, no duplicates. Meaningful only if refusal is kNone.
  std::vector<Oid> reads;
  // Those of `reads` of which only some rows matter.
  std::vector<KeyedRead> keyed_reads;

  // What is changed by running it. `writes` is meaningful only if !writes_anything.
  bool writes_anything = false;
  std::vector<Oid> writes;  // canonical, sorted, no duplicates
  // The tracked columns of `writes`: those in which the changed rows' old and new values are not
  // all known, sorted; and those in which they are.
  std::vector<ColumnId> written_columns;
  std::vector<KeyedColumn> written_values;
  bool changes_catalog = false;  // DDL, grants: implies writes_anything

  Pin pin = Pin::kNone;
  bool makes_temporary = false;  // objects of the session's own, that may stand in front of others
  bool may_end_pin = false;      // DROP, CLOSE, UNLISTEN, DEALLOCATE, DISCARD
  bool uses_sequence = false;    // nextval or setval may run: they are what currval and lastval say
  bool reads_sequence = false;   // currval or lastval may run
  // After it the session's settings, role or temp schema are no longer known.
  bool environment_unknown = false;
  // Counts every relation as read and written as a whole.
  void ForgetRows() {
    keyed_reads.clear();
    written_columns.clear();
    written_values.clear();
  }

  // It may end a transaction that was open before it, or commit on its own: COMMIT, CALL, DO, ...
  bool may_commit = false;
};

// `catalog` may be null (not loaded, or being reloaded): then nothing is cacheable, every write is
// a write to anything, and whatever could run unseen code pins.
Resolved Resolve(const sql::StatementInfo& statement, const NameContext& names,
                 const Catalog* catalog);

}  // namespace pgsidecar::catalog

#endif  // PGSIDECAR_CATALOG_RESOLVE_H_
