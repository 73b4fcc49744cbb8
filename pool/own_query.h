// A query of the proxy's own on a server connection: one simple Query message, or a statement with
// one parameter in the extended protocol, and the rows of its answer; for the probe after a login,
// the catalog, auth_query, and the clean-up of a connection.

#ifndef PGSIDECAR_POOL_OWN_QUERY_H_
#define PGSIDECAR_POOL_OWN_QUERY_H_

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/outbox.h"
#include "base/result.h"
#include "pgwire/backend.h"

namespace pgsidecar::pool {

class OwnQuery {
 public:
  // One value a column in text format; valid during the call. `result_set` counts RowDescriptions.
  using OnRow =
      std::function<void(size_t result_set, std::span<const std::optional<std::string_view>> row)>;
  // Called once, at ReadyForQuery: null if all went well, else the first error of the server.
  using OnDone = std::function<void(const Error* error)>;

  void Start(Outbox& out, std::string_view sql, OnRow on_row, OnDone on_done);
  // The same of one statement, $1 of which is `value`, by the unnamed statement and portal.
  void StartWith(Outbox& out, std::string_view sql, std::string_view value, OnRow on_row,
                 OnDone on_done);
  bool running() const { return running_; }

  // A whole backend message of the answer. `status` is set at ReadyForQuery, which ends the query
  // and calls OnDone. Fails if the message cannot be part of an answer.
  Result<bool> OnMessage(char type, std::string_view body, pgwire::TransactionStatus* status);

  // The connection is lost: OnDone is told so.
  void Fail(const Error& error);

 private:
  void Begin(OnRow on_row, OnDone on_done);
  void Finish(const Error* error);

  bool running_ = false;
  size_t result_sets_ = 0;
  std::optional<Error> error_;
  OnRow on_row_;
  OnDone on_done_;
};

// SQLSTATE and message of an ErrorResponse's body; XX000 where the server gave none.
Error ReadServerError(std::string_view body);

}  // namespace pgsidecar::pool

#endif  // PGSIDECAR_POOL_OWN_QUERY_H_
