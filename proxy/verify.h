// What the cache would have answered, compared with what the server did answer.

#ifndef PGSIDECAR_PROXY_VERIFY_H_
#define PGSIDECAR_PROXY_VERIFY_H_

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "cache/entry.h"

namespace pgsidecar::proxy {

enum class Verdict : uint8_t {
  kMatch,
  kDescription,  // the columns differ
  kRows,
  kOrder,  // the same rows in another order, where the statement has an ORDER BY
  kTag,    // CommandComplete
};
std::string_view VerdictName(Verdict verdict);

// Row for row and byte for byte: as lists if the statement's outermost query is `ordered`, else in
// any order. A RowDescription is compared if both have one.
Verdict Compare(const cache::Entry& cached, const cache::Entry& server, bool ordered);

// No parameter's value and nothing of a login is in it.
struct Mismatch {
  Verdict verdict = Verdict::kRows;
  TimePoint at{};
  Duration age{0};  // of the cached answer
  std::string database;
  std::string user;
  std::string role;
  std::string environment;  // hash of the session's settings
  std::string key;          // the first bytes of the key, which covers all of these
  std::string query;        // cut short
  uint64_t parameters = 0;
  std::string parameters_hash;
  uint64_t cached_rows = 0;
  uint64_t server_rows = 0;
};

// The newest mismatches, newest first.
class MismatchLog {
 public:
  static constexpr size_t kMaxKept = 100;
  static constexpr size_t kMaxQueryBytes = 1000;

  // Returns it as it is kept.
  const Mismatch& Add(Mismatch mismatch);
  const std::deque<Mismatch>& newest() const { return newest_; }

 private:
  std::deque<Mismatch> newest_;
};

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_VERIFY_H_
