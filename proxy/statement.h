// What the proxy knows of a statement's text, or of all texts that share a template: the analysis,
// what running it does under given names and catalog (a Plan), and what became of its calls. The
// text of one call is the caller's to keep.

#ifndef PGSIDECAR_PROXY_STATEMENT_H_
#define PGSIDECAR_PROXY_STATEMENT_H_

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "cache/versions.h"
#include "catalog/resolve.h"
#include "proxy/row_plan.h"
#include "proxy/rules.h"
#include "sql/statement_info.h"
#include "sql/template.h"

namespace pgsidecar::proxy {

class Database;

// What running a text does, with its relations as counters. Holds for one NameContext and one
// catalog.
struct Plan {
  catalog::Refusal refusal = catalog::Refusal::kNotUnderstood;
  catalog::Pin pin = catalog::Pin::kNone;
  bool makes_temporary = false;
  bool may_end_pin = false;
  bool uses_sequence = false;   // nextval may run
  bool reads_sequence = false;  // currval may
  bool writes = false;          // anything at all
  bool changes_catalog = false;
  bool may_change_catalog = false;  // a write to anything of which nothing is known
  bool environment_unknown = false;
  bool names_unknown = false;     // afterwards; what an unqualified name means, or whose "$user" is
  bool sets_names = false;        // search_path, role: they are known once the server has confirmed
  bool sets_encoding = false;     // or how strings are read
  bool sets_transaction = false;  // its isolation and kin, which no query may precede
  bool resets_only = true;        // of settings: RESET, DISCARD, and nothing that sets
  bool follows_settings = false;  // the session has to follow it to know its settings
  bool leaves_transaction = false;  // COMMIT, ROLLBACK; AND CHAIN begins another
  bool ends_transaction = false;    // or part of it: ROLLBACK TO, too
  bool names_prepared = false;      // PREPARE, EXECUTE, DEALLOCATE, DISCARD
  bool executes = false;            // EXECUTE: what it runs is still to be added (PlanOfPrepared)
  bool may_commit = false;
  bool sets_isolation =
      false;  // of the transaction that is open or begins, to something not modelled
  std::vector<cache::CounterIndex> read_counters;     // the database's first; empty if refused
  std::vector<cache::CounterIndex> written_counters;  // sorted; the database's alone: anything
  // What is to be added to both once a run's values are known; null if nothing is.
  std::shared_ptr<const RowPlan> rows;

  // Add what `rows` says and leave it null. Counters of one set of values are always the same. A
  // write of which no values are given counts as one to all rows.
  void AddReadCounters(const Database& database, const RunValues& values);
  void AddWriteCounters(const Database& database, const RunValues* values);

  // Adds the effects of another statement that runs in the same request, with the same values. The
  // answer of two is not cached.
  void Merge(const Plan& other);
  void ClearWrites();
};

// Of something whose text is not known: it may do anything.
Plan UnknownPlan(const Database& database,
                 catalog::Refusal refusal = catalog::Refusal::kNotUnderstood);

// What EXECUTE does besides its arguments. `statement`: what was prepared; null: not known, or not
// any more.
Plan PlanOfPrepared(const sql::StatementInfo* statement, const Database& database,
                    const catalog::NameContext& names);

// How often, and with what end.
struct CallCounts {
  uint64_t calls = 0;
  uint64_t hits = 0;
  uint64_t misses = 0;
  uint64_t bypasses = 0;
  uint64_t observed_hits = 0;  // would have been hits, in mode observe or verify
  uint64_t invalidated = 0;    // of the misses, those where a write had moved a stamp
  uint64_t expired = 0;        // of the misses, those where the answer was too old
  uint64_t verify_matches = 0;
  uint64_t verify_mismatches = 0;
  Duration server_time_saved{0};
  Duration observed_server_time{0};       // that observed hits would have saved
  std::string_view last_bypass;           // a constant
  std::optional<CacheClass> cache_class;  // of the last call that could be cached
};

// One text, or the texts of one template, within one database. Shared by the book and by those who
// have prepared it.
class StatementRecord {
 public:
  enum class Of : uint8_t { kText, kTemplate };

  // `key`: the text, or the template's key.
  StatementRecord(Of of, std::string key, bool ascii, std::shared_ptr<const sql::TextInfo> info);

  Of of() const { return of_; }
  const std::string& key() const { return key_; }
  // For people: with '?' for the literals that the texts of a template do not share.
  std::string_view text() const {
    return of_ == Of::kTemplate ? sql::TemplateText(key_) : std::string_view(key_);
  }
  const sql::TextInfo& info() const { return *info_; }
  bool ascii() const { return ascii_; }  // the whole of every such text

  // The plan under these names and the database's catalog of now; made if it is not remembered.
  // `names_id` identifies `names`. Valid until the next call.
  const Plan& PlanFor(const Database& database, const catalog::NameContext& names,
                      uint64_t names_id);

  // How sessions of this kind want it to be cached; evaluated if it is not remembered, and kept
  // apart by what rules may ask for. `identity_id` identifies `identity`. Valid until the next
  // call. REQUIRES: a single statement that may be cached, and a catalog.
  const StatementPolicy& PolicyFor(const Config& config, const Database& database,
                                   const catalog::NameContext& names, uint64_t names_id,
                                   const SessionIdentity& identity, uint64_t identity_id);

  // What an audit behind it has found: nothing left, or something. `catalog_version`: the
  // database's.
  void NoteAudit(bool clean, uint64_t catalog_version, TimePoint now);
  // Whether several have found nothing, of late and with no DDL since: likely so the next time.
  bool SeemsClean(uint64_t catalog_version, TimePoint now) const;

  CallCounts counts;

 private:
  // Of the audits in a row that have found nothing, as far as they still count.
  uint32_t CleanAudits(uint64_t catalog_version, TimePoint now) const;

  struct Remembered {
    uint64_t names_id;
    uint64_t catalog_version;
    Plan plan;
  };
  struct RememberedPolicy {
    uint64_t names_id;
    uint64_t catalog_version;
    uint64_t identity_id;
    StatementPolicy policy;
  };
  static constexpr size_t kMaxPlans = 8;

  Of of_;
  std::string key_;
  std::shared_ptr<const sql::TextInfo> info_;
  bool ascii_;
  uint32_t clean_audits_ = 0;
  uint64_t audited_catalog_ = 0;
  TimePoint audited_at_{};
  std::vector<Remembered> plans_;
  std::vector<RememberedPolicy> policies_;
};

// The statements of one database, bounded in number and in bytes, least recently used out first.
class StatementBook {
 public:
  struct Found {
    std::shared_ptr<StatementRecord> record;
    // The text's own literals, if the record is of its template. Valid until the next Get.
    std::span<const sql::Literal> literals;
  };

  StatementBook(size_t max_statements, size_t max_bytes);

  // The record of `text` or of its template; analyses the text if the book has neither.
  Found Get(std::string_view text);

  // Most recently used first.
  using Order = std::list<std::shared_ptr<StatementRecord>>;
  const Order& records() const { return order_; }
  uint64_t analyses() const { return analyses_; }
  size_t bytes() const { return bytes_; }

 private:
  using Of = StatementRecord::Of;

  // Nullptr if it is not in the book.
  std::shared_ptr<StatementRecord> Find(Of of, std::string_view key);
  void Keep(std::shared_ptr<StatementRecord> record);
  void DropLast();

  size_t max_statements_;
  size_t max_bytes_;
  size_t bytes_ = 0;
  uint64_t analyses_ = 0;
  Order order_;
  std::unordered_multimap<uint64_t, Order::iterator>
      index_;               // XXH3 of the key; the key is compared
  sql::Template template_;  // of the text that was asked for last
};

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_STATEMENT_H_
