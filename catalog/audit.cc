// The audit: what a session holds that no other may find. It runs on a client's connection, as the
// client's role, under any search_path, outside of a transaction, and leaves nothing behind.

#include <string>

#include "catalog/catalog.h"
#include "catalog/row_reader.h"

namespace pgsidecar::catalog {

namespace {

// Advisory locks of transactions are gone by now. Whatever stands in the session's own schema
// depends on it.
constexpr std::string_view kHeld = R"sql(SELECT
  pg_catalog.pg_my_temp_schema() OPERATOR(pg_catalog.<>) 0::pg_catalog.oid AND EXISTS (
    SELECT 1 FROM pg_catalog.pg_depend d
     WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass
       AND d.refobjid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()),
  EXISTS (SELECT 1 FROM pg_catalog.pg_cursor() c WHERE c.is_holdable),
  EXISTS (SELECT 1 FROM pg_catalog.pg_lock_status() l
           WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory'
             AND l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()),
  EXISTS (SELECT 1 FROM pg_catalog.pg_listening_channels()),
  COALESCE((SELECT pg_catalog.string_agg(pg_catalog.quote_literal(p.name), ','
                     ORDER BY p.name COLLATE pg_catalog."C" USING OPERATOR(pg_catalog.<))
              FROM pg_catalog.pg_prepared_statement() p WHERE p.from_sql), ''))sql";

constexpr std::string_view kLeftByCode = R"sql(,
  EXISTS (SELECT 1 FROM pg_catalog.pg_get_replication_slots() s
           WHERE s.temporary AND s.active_pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()),
  (SELECT pg_catalog.count(*) FROM pg_catalog.pg_prepared_statement() p WHERE NOT p.from_sql),
  pg_catalog.concat_ws('|', SESSION_USER, CURRENT_USER, pg_catalog.current_setting('role'),
    (SELECT pg_catalog.string_agg(
              pg_catalog.concat(g.name, '=', pg_catalog.quote_literal(g.setting)), ' '
              ORDER BY g.name COLLATE pg_catalog."C" USING OPERATOR(pg_catalog.<))
       FROM pg_catalog.pg_show_all_settings() g
      WHERE g.source OPERATOR(pg_catalog.=) 'session')))sql";

}  // namespace

const std::string& AuditQuery() {
  static const std::string text(kHeld);
  return text;
}

const std::string& CodeAuditQuery() {
  static const std::string text = std::string(kHeld) + std::string(kLeftByCode);
  return text;
}

Result<AuditAnswer> ReadAuditRow(Row row) {
  const bool of_code = row.size() > 5;
  RowReader reader(row, of_code ? 8 : 5);
  AuditAnswer answer;
  answer.temporary_objects = reader.Bool();
  answer.hold_cursors = reader.Bool();
  answer.advisory_locks = reader.Bool();
  answer.listens = reader.Bool();
  answer.prepared_statements = reader.Text();
  if (of_code) {
    AuditAnswer::OfCode& code = answer.of_code.emplace();
    code.replication_slots = reader.Bool();
    code.protocol_statements = reader.Number();
    code.settings = reader.Text();
  }
  if (!reader.ok()) return Error{"08P01", "unexpected answer to the connection audit", "", ""};
  return answer;
}

}  // namespace pgsidecar::catalog
