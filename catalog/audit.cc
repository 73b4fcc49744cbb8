// The audit: what a session holds that no other may find. It runs on a client's connection, as the
// client's role, under any search_path, outside of a transaction, and leaves nothing behind.

#include <string>

#include "catalog/catalog.h"
#include "catalog/row_reader.h"

namespace pgsidecar::catalog {

const std::string& AuditQuery() {
  // Advisory locks of transactions are gone by now. Whatever stands in the session's own schema
  // depends on it.
  static const std::string text = R"sql(SELECT
  pg_catalog.pg_my_temp_schema() OPERATOR(pg_catalog.<>) 0::pg_catalog.oid AND EXISTS (
    SELECT 1 FROM pg_catalog.pg_depend d
     WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass
       AND d.refobjid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()),
  EXISTS (SELECT 1 FROM pg_catalog.pg_cursor() c WHERE c.is_holdable),
  EXISTS (SELECT 1 FROM pg_catalog.pg_lock_status() l
           WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory'
             AND l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()),
  EXISTS (SELECT 1 FROM pg_catalog.pg_listening_channels()),
  EXISTS (SELECT 1 FROM pg_catalog.pg_prepared_statement() p WHERE p.from_sql))sql";
  return text;
}

Result<AuditAnswer> ReadAuditRow(Row row) {
  RowReader reader(row, 5);
  AuditAnswer answer;
  answer.temporary_objects = reader.Bool();
  answer.hold_cursors = reader.Bool();
  answer.advisory_locks = reader.Bool();
  answer.listens = reader.Bool();
  answer.prepared_statements = reader.Bool();
  if (!reader.ok()) return Error{"08P01", "unexpected answer to the connection audit", "", ""};
  return answer;
}

}  // namespace pgsidecar::catalog
