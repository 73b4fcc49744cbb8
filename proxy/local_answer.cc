#include "proxy/local_answer.h"

#include "pgwire/backend.h"
#include "pgwire/frame.h"

namespace pgsidecar::proxy {

namespace {
constexpr uint32_t kTextOid = 25;
}

void SendLocalDescription(Outbox& out, const LocalAnswer& answer) {
  if (answer.columns.empty()) {
    out.Emit([](std::string& to) { pgwire::EncodeEmpty(to, pgwire::backend_type::kNoData); });
    return;
  }
  pgwire::RowDescription description;
  for (const std::string& column : answer.columns) {
    description.fields.push_back({.name = column, .type = kTextOid});
  }
  out.Emit([&](std::string& to) { description.Encode(to); });
}

void SendLocalRows(Outbox& out, const LocalAnswer& answer) {
  for (const auto& row : answer.rows) {
    pgwire::DataRow message;
    for (const auto& value : row) {
      message.values.push_back(value ? std::optional<std::string_view>(*value) : std::nullopt);
    }
    out.Emit([&](std::string& to) { message.Encode(to); });
  }
  out.Emit([&](std::string& to) {
    if (answer.warning) pgwire::EncodeWarning(to, *answer.warning);
    if (answer.tag.empty()) {
      pgwire::EncodeEmpty(to, pgwire::backend_type::kEmptyQueryResponse);
    } else {
      pgwire::CommandComplete{answer.tag}.Encode(to);
    }
  });
}

}  // namespace pgsidecar::proxy
