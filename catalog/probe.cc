// The probe: what a server connection holds right after its login. It runs on a client's
// connection, as the client's role, under any search_path, and leaves nothing behind.
//
// In a fresh backend a query costs what it has to look up: functions, operators, types. So the
// settings are asked for by SHOW ALL, which looks nothing up, and sorted out here: what a query
// needs for the same is several times the cost of the login itself.

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/hash.h"
#include "catalog/catalog.h"
#include "catalog/environment.h"
#include "catalog/row_reader.h"

namespace pgsidecar::catalog {
namespace {

// Encodings whose characters may have bytes of ASCII in them that are not ASCII.
constexpr std::array<std::string_view, 7> kUnsafeEncodings = {
    "SJIS", "BIG5", "GBK", "UHC", "GB18030", "JOHAB", "SHIFT_JIS_2004"};

}  // namespace

const std::string& ProbeQuery() {
  static const std::string text =
#include "catalog/probe_query.sql.inc"
      ;
  return text;
}

void ProbeReader::OnRow(size_t result_set, Row row) {
  if (result_set == 0) {
    if (row.size() >= 2 && row[0]) OnSetting(*row[0], row[1].value_or(std::string_view()));
    return;
  }
  RowReader reader(row, 6);
  const std::string_view login = reader.Text();
  answer_.login_settings = ToHex(Sha256(login));
  answer_.session_user = reader.Text();
  answer_.current_user = reader.Text();
  answer_.conf_load_time = reader.Text();
  answer_.database = reader.Number();
  in_recovery_ = reader.Bool();
  answered_ = reader.ok();
}

void ProbeReader::OnSetting(std::string_view name, std::string_view value) {
  if (!AnswersIgnore(name)) settings_.append(name).append("=").append(value).append("\n");
  bool allows_caching = true;
  if (name == "search_path") {
    answer_.search_path = value;
  } else if (name == "default_transaction_isolation") {
    answer_.default_isolation = value;
  } else if (name == "client_encoding") {
    allows_caching = std::ranges::find(kUnsafeEncodings, value) == kUnsafeEncodings.end();
  } else if (name == "standard_conforming_strings" || name == "row_security") {
    allows_caching = value == "on";
  } else if (name == "session_replication_role") {
    allows_caching = value == "origin";
  } else {
    return;
  }
  ++judged_;
  if (!allows_caching) answer_.uncacheable_because = name;
}

Result<ProbeAnswer> ProbeReader::Finish() {
  constexpr size_t kJudged = 6;
  if (!answered_ || judged_ != kJudged) {
    return Error{"08P01", "unexpected answer to the connection probe", "", ""};
  }
  answer_.environment = ToHex(Sha256(answer_.login_settings + '|' + settings_));
  if (in_recovery_ && answer_.uncacheable_because.empty()) {
    answer_.uncacheable_because = "in_recovery";
  }
  return std::move(answer_);
}

}  // namespace pgsidecar::catalog
