// An answer that the proxy gives by itself: SHOW pgsidecar.last, the console's tables.

#ifndef PGSIDECAR_PROXY_LOCAL_ANSWER_H_
#define PGSIDECAR_PROXY_LOCAL_ANSWER_H_

#include <optional>
#include <string>
#include <vector>

#include "base/outbox.h"
#include "base/result.h"

namespace pgsidecar::proxy {

struct LocalAnswer {
  std::vector<std::string> columns;  // all of type text; none: a command without rows
  std::vector<std::vector<std::optional<std::string>>> rows;
  std::string tag;                 // of CommandComplete; empty: EmptyQueryResponse
  std::optional<Error> warning{};  // ahead of it
  std::optional<Error> error;      // instead of everything else
};

// The parts of an answer as backend messages in text format.
void SendLocalDescription(Outbox& out, const LocalAnswer& answer);
void SendLocalRows(Outbox& out, const LocalAnswer& answer);  // DataRows and CommandComplete

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_LOCAL_ANSWER_H_
