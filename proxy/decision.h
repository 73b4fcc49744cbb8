// The request at hand, and what is decided about it.
//
// Needed from a request's first message to its answer or its way to the server; between two
// requests a client has none. So the hub keeps what is not in use for whoever comes next
// (DecisionPool): an idle client costs nothing of it, and a busy one finds memory that is warm.

#ifndef PGSIDECAR_PROXY_DECISION_H_
#define PGSIDECAR_PROXY_DECISION_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "pgwire/frontend.h"
#include "pool/prepared.h"
#include "proxy/request.h"
#include "proxy/statement.h"

namespace pgsidecar::proxy {

// A prepared statement as its client knows it.
struct ClientStatement {
  std::shared_ptr<const pool::PreparedStatement> prepared;
  std::shared_ptr<StatementRecord> record;  // null for a statement answered here
  pool::Description description;            // the first that the server gave
  std::vector<uint32_t> described_parameters;
  uint64_t described_under = 0;        // Session::names_id_ of then
  bool changed = false;                // where it was prepared last it was found to be another
  uint64_t catalog_version = 0;        // of when it was parsed
  std::vector<sql::Literal> literals;  // of its text, if the record is a template's
  std::string local_sql;               // for one that is answered here
  bool local() const { return record == nullptr; }
  void Clear();  // but for capacities
};

struct Decision {
  Request request;  // empty, or in the making, until the reader has said that it is whole

  Plan plan;                                              // of all that it runs
  std::vector<std::shared_ptr<StatementRecord>> records;  // what it runs, in order
  // In the extended protocol: how each of them is run; the Bind's body is a view into `request`.
  struct Run {
    std::shared_ptr<ClientStatement> statement;
    std::string_view bind;
  };
  std::vector<Run> runs;
  // What it parses, in order; the names are views into `request`.
  struct Parsed {
    size_t offset;  // of the message
    std::string_view name;
    std::shared_ptr<ClientStatement> statement;
  };
  std::vector<Parsed> parsed;
  bool unknown = false;         // it runs something whose text is not known
  bool local = false;           // answered here
  std::optional<Error> forced;  // not sent: the server is made to fail, and this is what is told
  bool cache_tried = false;     // neither a hit nor to be waited for
  // One statement, run to its end, in one of the known shapes; nothing: not looked at yet.
  std::optional<bool> cacheable_form;
  std::string_view text;  // of a simple Query: exactly as it came; a view into `request`
  std::vector<sql::Literal> literals;  // of `text`
  bool parses_known_name = false;
  std::shared_ptr<ClientStatement> statement;  // that is run last, in the extended protocol
  // Of it, if the request is in a cacheable form; views into `request`.
  pgwire::Bind bind;
  bool has_parse = false;
  bool describes_portal = false;
  std::string_view parsed_name;
  // What the plan was made of.
  uint64_t plan_catalog = 0;
  uint64_t plan_names = 0;
  uint64_t plan_heard = 0;

  Digest key{};  // in the cache
  std::string key_scratch;
  std::shared_ptr<ClientStatement> spare;  // nobody's, for its memory

  void Clear();  // but for the request, for the plan, which is made anew, and for capacities
};

// Those that no session has.
class DecisionPool {
 public:
  std::unique_ptr<Decision> Take() {
    if (spare_.empty()) return std::make_unique<Decision>();
    std::unique_ptr<Decision> decision = std::move(spare_.back());
    spare_.pop_back();
    return decision;
  }

  // Forgets what it was about.
  void Give(std::unique_ptr<Decision> decision);

 private:
  // What a burst of clients has needed at once is not kept.
  static constexpr size_t kMostSpare = 64;

  std::vector<std::unique_ptr<Decision>> spare_;
};

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_DECISION_H_
