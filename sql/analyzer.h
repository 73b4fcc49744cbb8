// From a text to a TextInfo, by libpg_query (PostgreSQL's own grammar, version 15), and the memo of
// that. REQUIRES of every text: it was sent under standard_conforming_strings = on and a client
// encoding in which no byte of a multibyte character is an ASCII byte; the caller checks.
//
// The parser is recursive. A text of kMaxAnalyzedBytes needs at most kAnalyzerStackBytes of stack;
// threads that call Analyze have that much.

#ifndef PGSIDECAR_SQL_ANALYZER_H_
#define PGSIDECAR_SQL_ANALYZER_H_

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "sql/statement_info.h"

namespace pgsidecar::sql {

inline constexpr size_t kMaxAnalyzedBytes = 128 * 1024;
inline constexpr size_t kAnalyzerStackBytes = 256 * 1024 * 1024;

// Never fails: what it does not understand comes back as unknown.
TextInfo Analyze(std::string_view text);

// Memo by exact text, bounded in bytes, least recently used out first. One a thread: not locked.
class AnalysisMemo {
 public:
  explicit AnalysisMemo(size_t max_bytes);
  // The analysis of `text`, made now if it is not remembered. The result lives as long as it is
  // held.
  std::shared_ptr<const TextInfo> Get(std::string_view text);

  size_t bytes() const { return bytes_; }
  uint64_t hits() const { return hits_; }
  uint64_t misses() const { return misses_; }

 private:
  struct Remembered {
    uint64_t hash;
    std::string text;
    std::shared_ptr<const TextInfo> info;
    size_t charge;
  };
  using Order = std::list<Remembered>;

  // REQUIRES: charge <= max_bytes_.
  void Insert(uint64_t hash, std::string_view text, std::shared_ptr<const TextInfo> info,
              size_t charge);
  void EvictOldest();

  size_t max_bytes_;
  size_t bytes_ = 0;
  uint64_t hits_ = 0;
  uint64_t misses_ = 0;
  Order order_;  // most recently used first
  std::unordered_multimap<uint64_t, Order::iterator>
      index_;  // XXH3 of the text; the text is compared
};

}  // namespace pgsidecar::sql

#endif  // PGSIDECAR_SQL_ANALYZER_H_
