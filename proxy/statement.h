// What the proxy knows of a statement's text: its analysis, what running it does under given names
// and catalog (a Plan), and what became of its calls.

#ifndef PGSIDECAR_PROXY_STATEMENT_H_
#define PGSIDECAR_PROXY_STATEMENT_H_

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "cache/versions.h"
#include "catalog/resolve.h"
#include "sql/statement_info.h"

namespace pgsidecar::proxy {

class Database;

// What running a text does, with its relations as counters. Holds for one NameContext and one
// catalog.
struct Plan {
  catalog::Refusal refusal = catalog::Refusal::kNotUnderstood;
  catalog::Pin pin = catalog::Pin::kNone;
  bool writes = false;  // anything at all
  bool changes_catalog = false;
  bool may_change_catalog = false;  // a write to anything of which nothing is known
  bool environment_unknown = false;
  bool names_unknown = false;     // afterwards; what an unqualified name means, or whose "$user" is
  bool sets_names = false;        // search_path, role: they are known once the server has confirmed
  bool sets_encoding = false;     // or how strings are read
  bool resets_only = true;        // of settings: RESET, DISCARD, and nothing that sets
  bool follows_settings = false;  // the session has to follow it to know its settings
  bool ends_transaction = false;  // or part of it: COMMIT, ROLLBACK, ROLLBACK TO
  bool may_commit = false;
  bool sets_isolation =
      false;            // of the transaction that is open or begins, to something not modelled
  bool begins = false;  // BEGIN among its statements
  std::vector<cache::CounterIndex> read_counters;     // the database's first; empty if refused
  std::vector<cache::CounterIndex> written_counters;  // sorted; the database's alone: anything

  // Adds the effects of another text that runs in the same request. The answer of two is not
  // cached.
  void Merge(const Plan& other);
  void ClearWrites();
};

// Of something whose text is not known: it may do anything.
Plan UnknownPlan(const Database& database,
                 catalog::Refusal refusal = catalog::Refusal::kNotUnderstood);

// How often, and with what end.
struct CallCounts {
  uint64_t calls = 0;
  uint64_t hits = 0;
  uint64_t misses = 0;
  uint64_t bypasses = 0;
  Duration server_time_saved{0};
  std::string_view last_bypass;  // a constant
};

// One text within one database. Shared by the book and by those who have prepared it.
class StatementRecord {
 public:
  StatementRecord(std::string text, std::shared_ptr<const sql::TextInfo> info);

  const std::string& text() const { return text_; }
  const sql::TextInfo& info() const { return *info_; }
  bool ascii() const { return ascii_; }

  // The plan under these names and the database's catalog of now; made if it is not remembered.
  // `names_id` identifies `names`. Valid until the next call.
  const Plan& PlanFor(const Database& database, const catalog::NameContext& names,
                      uint64_t names_id);

  CallCounts counts;

 private:
  struct Remembered {
    uint64_t names_id;
    uint64_t catalog_version;
    Plan plan;
  };
  static constexpr size_t kMaxPlans = 8;

  std::string text_;
  std::shared_ptr<const sql::TextInfo> info_;
  bool ascii_;
  std::vector<Remembered> plans_;
};

// The texts of one database, bounded in number and in bytes, least recently used out first.
class StatementBook {
 public:
  StatementBook(size_t max_statements, size_t max_bytes);

  // The record of `text`; analyses it if it is not in the book.
  std::shared_ptr<StatementRecord> Get(std::string_view text);

  // Most recently used first.
  using Order = std::list<std::shared_ptr<StatementRecord>>;
  const Order& records() const { return order_; }
  uint64_t analyses() const { return analyses_; }
  size_t bytes() const { return bytes_; }

 private:
  size_t max_statements_;
  size_t max_bytes_;
  size_t bytes_ = 0;
  uint64_t analyses_ = 0;
  Order order_;
  std::unordered_multimap<uint64_t, Order::iterator>
      index_;  // XXH3 of the text; the text is compared
};

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_STATEMENT_H_
