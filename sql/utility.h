// Private to sql/: statements that are not queries. Each fills the kind and the fields that belong
// to it; a statement without a case of its own becomes unknown.

#ifndef PGSIDECAR_SQL_UTILITY_H_
#define PGSIDECAR_SQL_UTILITY_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sql/collector.h"
#include "sql/tree.h"
#include "sql/walker.h"

namespace pgsidecar::sql {

// Any statement; the whole of Analyze() after parsing.
void AnalyzeStatement(const Node* statement, Collector* out);

// A query at the top of a statement, or SELECT INTO.
void AnalyzeQuery(const Node* query, Collector* out);

// Statements about the session and the transaction (utility_session.cc); false: not one of them.
bool AnalyzeSessionStatement(const Node& statement, Collector* out);
// nullopt: not one constant.
std::optional<std::string> ConstantText(const Node* node);
// SELECT set_config('name', value, is_local), ... and nothing else (set_config.cc): the settings
// that it changes; none if it is another SELECT, or not all of its calls can be read.
std::vector<SettingChange> SetConfigCalls(const PgQuery__SelectStmt& select);
// SET, RESET and their kin (utility_set.cc).
void AnalyzeSet(const PgQuery__VariableSetStmt& set, Collector* out);
// Reads transaction modes: isolation level, read only, deferrable. `prefix` goes before the names;
// `settings` says whether they are settings changed, or BEGIN's own.
struct TransactionModes {
  std::string_view prefix;
  bool local = false;
  bool record_settings = false;
};
void AnalyzeTransactionModes(Nodes options, const TransactionModes& modes, Collector* out);

// CREATE TABLE | VIEW | SEQUENCE | TABLE AS, temporary or not (utility_create.cc); false: not one
// of them.
bool AnalyzeCreateStatement(const Node& statement, Collector* out);
// What becomes of a query with INTO, or under CREATE TABLE AS.
void SetKindOfInto(const PgQuery__IntoClause* into, Collector* out);

// Every other statement that changes the catalogs.
bool IsDdl(PgQuery__Node__NodeCase node_case);
// Notes whether any name anywhere in the statement is in a temporary schema.
void NoteTempSchemas(const Node& statement, Collector* out);

}  // namespace pgsidecar::sql

#endif  // PGSIDECAR_SQL_UTILITY_H_
