#include "pool/own_query.h"

#include <utility>

#include "pgwire/frame.h"
#include "pgwire/frontend.h"

namespace pgsidecar::pool {

namespace backend = pgwire::backend_type;

Error ReadServerError(std::string_view body) {
  const Result<pgwire::ErrorFields> fields = pgwire::ErrorFields::Decode(body);
  if (!fields.ok()) return fields.error();
  std::string sqlstate(fields->Find('C'));
  if (sqlstate.size() != 5) sqlstate = "XX000";
  return Error{std::move(sqlstate), std::string(fields->Find('M')), std::string(fields->Find('D')),
               std::string(fields->Find('H'))};
}

void OwnQuery::Begin(OnRow on_row, OnDone on_done) {
  running_ = true;
  result_sets_ = 0;
  error_.reset();
  on_row_ = std::move(on_row);
  on_done_ = std::move(on_done);
}

void OwnQuery::Start(Outbox& out, std::string_view sql, OnRow on_row, OnDone on_done) {
  Begin(std::move(on_row), std::move(on_done));
  out.Emit([&](std::string& to) { pgwire::Query{sql}.Encode(to); });
}

void OwnQuery::StartWith(Outbox& out, std::string_view sql, std::string_view value, OnRow on_row,
                         OnDone on_done) {
  Begin(std::move(on_row), std::move(on_done));
  out.Emit([&](std::string& to) {
    pgwire::Parse{"", sql, {}}.Encode(to);
    pgwire::Bind bind;
    bind.values = {value};
    bind.Encode(to);
    pgwire::Describe{'P', ""}.Encode(to);
    pgwire::Execute{"", 0}.Encode(to);
    pgwire::EncodeEmpty(to, pgwire::frontend_type::kSync);
  });
}

Result<bool> OwnQuery::OnMessage(char type, std::string_view body,
                                 pgwire::TransactionStatus* status) {
  switch (type) {
    case backend::kRowDescription:
      ++result_sets_;
      return true;
    case backend::kDataRow: {
      const Result<pgwire::DataRow> row = pgwire::DataRow::Decode(body);
      if (!row.ok()) return row.error();
      if (on_row_ && result_sets_ > 0) on_row_(result_sets_ - 1, row->values);
      return true;
    }
    case backend::kErrorResponse:
      if (!error_) error_ = ReadServerError(body);
      return true;
    case backend::kReadyForQuery: {
      const Result<pgwire::ReadyForQuery> ready = pgwire::ReadyForQuery::Decode(body);
      if (!ready.ok()) return ready.error();
      *status = ready->status;
      Finish(error_ ? &*error_ : nullptr);
      return true;
    }
    case backend::kParseComplete:
    case backend::kBindComplete:
    case backend::kNoData:
    case backend::kCommandComplete:
    case backend::kEmptyQueryResponse:
    case backend::kNoticeResponse:
    case backend::kNotificationResponse:
    case backend::kParameterStatus:
      return true;
    default:
      return Error{"08P01", std::string("unexpected message type \"") + type + "\" from the server",
                   "", ""};
  }
}

void OwnQuery::Fail(const Error& error) {
  if (running_) Finish(&error);
}

void OwnQuery::Finish(const Error* error) {
  running_ = false;
  on_row_ = nullptr;
  // OnDone may start the next query on this object.
  const OnDone on_done = std::exchange(on_done_, nullptr);
  if (on_done) on_done(error);
}

}  // namespace pgsidecar::pool
