// How long a client may keep a connection busy, or leave it lying about: PgBouncer's
// client_idle_timeout, idle_transaction_timeout, transaction_timeout and query_timeout, with
// PostgreSQL's SQLSTATEs.

#include "proxy/session.h"

namespace pgsidecar::proxy {
namespace {

bool HasPassed(Duration limit, TimePoint since, TimePoint now) {
  return limit > Duration{0} && now - since > limit;
}

}  // namespace

Error BlockInStatementMode() {
  return {"0A000", "transaction blocks not allowed in statement pooling mode", "", ""};
}

// What has been asked of the server counts, not the wait for a connection to it.
bool Session::TimesOut(TimePoint now) {
  if (state_ != SessionState::kReady) return false;
  const Config& config = *shared_.config;
  const bool asked = !expected_.empty();
  Error error;
  if (asked && HasPassed(config.query_timeout, begun_at_, now)) {
    error = {"57014", "canceling statement due to statement timeout", "query_timeout has passed.",
             ""};
  } else if (in_transaction() && HasPassed(config.transaction_timeout, transaction_at_, now)) {
    error = {"25P04", "terminating connection due to transaction timeout",
             "transaction_timeout has passed.", ""};
  } else if (in_transaction() && !busy() &&
             HasPassed(config.idle_transaction_timeout, heard_at_, now)) {
    error = {"25P03", "terminating connection due to idle-in-transaction timeout",
             "idle_transaction_timeout has passed.", ""};
  } else if (!in_transaction() && !busy() &&
             HasPassed(config.client_idle_timeout, heard_at_, now)) {
    error = {"57P05", "terminating connection due to idle-session timeout",
             "client_idle_timeout has passed.", ""};
  } else {
    return false;
  }
  ++shared_.statistics->client_timeouts;
  Fatal(error);
  return true;
}

}  // namespace pgsidecar::proxy
