// The poll: one row that moves when anything that a Catalog holds was changed.
//
// Invariant: PostgreSQL writes a new row version, with a new xmin, for every change to a catalog
// row, save for the statistics that VACUUM and ANALYZE overwrite in place. So for each catalog the
// sum over a hash of (key, xmin), with the number of rows, moves on DDL and on nothing else. What
// belongs to temporary relations is left out: they come and go all the time, and only their own
// session sees them.

#include <array>
#include <string>
#include <string_view>

#include "catalog/catalog.h"
#include "catalog/row_reader.h"

namespace pgsidecar::catalog {
namespace {

struct Watched {
  std::string_view table;
  std::string_view key;    // an OID column
  std::string_view where;  // of the alias x; "" for all rows
};

constexpr std::array kWatched = {
    Watched{"pg_class", "oid", "x.relpersistence OPERATOR(pg_catalog.<>) 't'"},
    Watched{
        "pg_attribute", "attrelid",
        "x.attnum OPERATOR(pg_catalog.>) 0"
        " AND x.attrelid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid"
        " AND NOT (x.attrelid OPERATOR(pg_catalog.=) ANY (SELECT oid FROM temporary_relation))"},
    Watched{"pg_attrdef", "oid",
            "NOT (x.adrelid OPERATOR(pg_catalog.=) ANY (SELECT oid FROM temporary_relation))"},
    Watched{"pg_constraint", "oid",
            "NOT (x.connamespace OPERATOR(pg_catalog.=) ANY (SELECT oid FROM temporary_schema))"},
    Watched{"pg_trigger", "oid",
            "NOT (x.tgrelid OPERATOR(pg_catalog.=) ANY (SELECT oid FROM temporary_relation))"},
    Watched{"pg_rewrite", "oid",
            "NOT (x.ev_class OPERATOR(pg_catalog.=) ANY (SELECT oid FROM temporary_relation))"},
    Watched{"pg_policy", "oid",
            "NOT (x.polrelid OPERATOR(pg_catalog.=) ANY (SELECT oid FROM temporary_relation))"},
    Watched{"pg_inherits", "inhrelid",
            "NOT (x.inhrelid OPERATOR(pg_catalog.=) ANY (SELECT oid FROM temporary_relation))"},
    Watched{"pg_partitioned_table", "partrelid",
            "NOT (x.partrelid OPERATOR(pg_catalog.=) ANY (SELECT oid FROM temporary_relation))"},
    Watched{"pg_proc", "oid",
            "NOT (x.pronamespace OPERATOR(pg_catalog.=) ANY (SELECT oid FROM temporary_schema))"},
    Watched{"pg_operator", "oid",
            "NOT (x.oprnamespace OPERATOR(pg_catalog.=) ANY (SELECT oid FROM temporary_schema))"},
    Watched{"pg_type", "oid",
            "NOT (x.typnamespace OPERATOR(pg_catalog.=) ANY (SELECT oid FROM temporary_schema))"},
    Watched{"pg_namespace", "oid",
            "NOT (x.oid OPERATOR(pg_catalog.=) ANY (SELECT oid FROM temporary_schema))"},
    Watched{"pg_cast", "oid", ""},
    Watched{"pg_enum", "oid", ""},
    Watched{"pg_opclass", "oid", ""},
    Watched{"pg_amop", "oid", ""},
    Watched{"pg_amproc", "oid", ""},
    Watched{"pg_collation", "oid", ""},
    Watched{"pg_conversion", "oid", ""},
    Watched{"pg_language", "oid", ""},
    Watched{"pg_event_trigger", "oid", ""},
    Watched{"pg_extension", "oid", ""},
    Watched{"pg_depend", "objid", "x.deptype OPERATOR(pg_catalog.=) 'e'"},
    Watched{"pg_foreign_table", "ftrelid", ""},
    Watched{"pg_foreign_server", "oid", ""},
    Watched{"pg_ts_config", "oid", ""},
    Watched{"pg_ts_config_map", "mapcfg", ""},
    Watched{"pg_ts_dict", "oid", ""},
    Watched{"pg_ts_parser", "oid", ""},
    Watched{"pg_ts_template", "oid", ""},
    Watched{"pg_auth_members", "roleid", ""},
    Watched{"pg_db_role_setting", "setrole", ""},
    Watched{"pg_database", "oid", "x.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()"},
};

constexpr std::string_view kTemporary =
    "WITH temporary_schema AS MATERIALIZED (SELECT n.oid FROM pg_catalog.pg_namespace n"
    " WHERE pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_temp_')"
    " OR pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_toast_temp_')),"
    " temporary_relation AS MATERIALIZED (SELECT c.oid FROM pg_catalog.pg_class c"
    " WHERE c.relpersistence OPERATOR(pg_catalog.=) 't')";

// Roles as rows of text: pg_authid, which has the xmin, is for superusers.
constexpr std::string_view kRoles =
    "(SELECT pg_catalog.concat_ws('.', pg_catalog.count(*),"
    " pg_catalog.sum(pg_catalog.hashtextextended(x::pg_catalog.text, 0)))"
    " FROM pg_catalog.pg_roles x)";

// In recovery pg_walfile_name may not be called; then the timeline is the last checkpoint's.
constexpr std::string_view kServer =
    ", pg_catalog.to_char(pg_catalog.timezone('UTC', pg_catalog.pg_conf_load_time()),"
    " 'YYYYMMDDHH24MISSUS')"
    ", pg_catalog.to_char(pg_catalog.timezone('UTC', pg_catalog.pg_postmaster_start_time()),"
    " 'YYYYMMDDHH24MISSUS')"
    ", (SELECT s.system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system() s)"
    ", CASE WHEN pg_catalog.pg_is_in_recovery()"
    " THEN (SELECT k.timeline_id::pg_catalog.text FROM pg_catalog.pg_control_checkpoint() k)"
    " ELSE pg_catalog.\"left\"(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8) END"
    ", pg_catalog.pg_is_in_recovery()"
    ", (SELECT d.oid FROM pg_catalog.pg_database d"
    " WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())"
    ", pg_catalog.current_setting('server_version_num')";

void AppendSum(std::string& text, const Watched& watched) {
  text +=
      "(SELECT pg_catalog.concat_ws('.', pg_catalog.count(*), pg_catalog.sum("
      "pg_catalog.hashint8extended(x.";
  text += watched.key;
  text +=
      "::pg_catalog.int8 OPERATOR(pg_catalog.|) (x.xmin::pg_catalog.text::pg_catalog.int8"
      " OPERATOR(pg_catalog.<<) 32), 0))) FROM pg_catalog.";
  text += watched.table;
  text += " x";
  if (!watched.where.empty()) {
    text += " WHERE ";
    text += watched.where;
  }
  text += ")";
}

std::string FingerprintText() {
  std::string text(kTemporary);
  text += " SELECT pg_catalog.concat_ws('/', ";
  for (const Watched& watched : kWatched) {
    AppendSum(text, watched);
    text += ", ";
  }
  text += kRoles;
  text += ")";
  text += kServer;
  return text;
}

}  // namespace

std::string PollQuery(std::span<const uint32_t> pids) {
  static const std::string fingerprint = FingerprintText();
  std::string text = fingerprint;
  text +=
      ", ARRAY(SELECT a.pid FROM pg_catalog.pg_stat_get_activity(NULL) a"
      " WHERE a.pid OPERATOR(pg_catalog.=) ANY ('{";
  for (size_t i = 0; i < pids.size(); ++i) {
    if (i > 0) text += ',';
    text += std::to_string(pids[i]);
  }
  text += "}'::pg_catalog.int4[]))::pg_catalog.text";
  return text;
}

Result<PollAnswer> ReadPollRow(Row row) {
  RowReader reader(row, 9);
  PollAnswer answer;
  answer.fingerprint = reader.Text();
  answer.conf_load_time = reader.Text();
  answer.postmaster_start_time = reader.Text();
  answer.system_identifier = reader.Text();
  answer.timeline = reader.Text();
  answer.in_recovery = reader.Bool();
  answer.database = reader.Number();
  answer.server_version = static_cast<int>(reader.Number());
  answer.alive = reader.NumberArray();
  if (!reader.ok()) return Error{"08P01", "unexpected answer to the catalog poll", "", ""};
  return answer;
}

}  // namespace pgsidecar::catalog
