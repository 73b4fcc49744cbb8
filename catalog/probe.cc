// The probe: what a server connection holds right after its login. It runs on a client's
// connection, as the client's role, under any search_path, and leaves nothing behind.
//
// The expression in the text that leaves settings out of the hash names only what cannot change a
// result: who is told about a statement, how long it may take, and the transaction's own
// characteristics, which the session judges by themselves.

#include <string>

#include "catalog/catalog.h"
#include "catalog/row_reader.h"

namespace pgsidecar::catalog {

const std::string& ProbeQuery() {
  static const std::string text =
#include "catalog/probe_query.sql.inc"
      ;
  return text;
}

Result<ProbeAnswer> ReadProbeRow(Row row) {
  RowReader reader(row, 9);
  ProbeAnswer answer;
  answer.environment = reader.Text();
  answer.login_settings = reader.Text();
  answer.search_path = reader.Text();
  answer.default_isolation = reader.Text();
  answer.session_user = reader.Text();
  answer.current_user = reader.Text();
  answer.conf_load_time = reader.Text();
  answer.database = reader.Number();
  answer.uncacheable_because = reader.Text();
  if (!reader.ok()) return Error{"08P01", "unexpected answer to the connection probe", "", ""};
  return answer;
}

}  // namespace pgsidecar::catalog
