#include "proxy/verify.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace pgsidecar::proxy {
namespace {

// The whole DataRow messages of `rows`, sorted. A store's entry holds nothing but whole messages.
std::vector<std::string_view> SortedRows(const cache::Entry& entry) {
  std::vector<std::string_view> rows;
  rows.reserve(entry.row_count());
  for (std::string_view rest = entry.rows(); !rest.empty();) {
    const size_t bytes = 1 + size_t{LoadBig32(rest.data() + 1)};
    rows.push_back(rest.substr(0, bytes));
    rest.remove_prefix(bytes);
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

}  // namespace

std::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kMatch:
      return "match";
    case Verdict::kDescription:
      return "description";
    case Verdict::kRows:
      return "rows";
    case Verdict::kOrder:
      return "order";
    case Verdict::kTag:
      return "tag";
  }
  return "";
}

Verdict Compare(const cache::Entry& cached, const cache::Entry& server, bool ordered) {
  if (!cached.row_description().empty() && !server.row_description().empty() &&
      cached.row_description() != server.row_description()) {
    return Verdict::kDescription;
  }
  if (cached.rows() != server.rows()) {
    // Bytes of messages that say how long they are: of other sizes they cannot be the same.
    if (cached.rows().size() != server.rows().size() || SortedRows(cached) != SortedRows(server)) {
      return Verdict::kRows;
    }
    if (ordered) return Verdict::kOrder;
  }
  return cached.command_complete() == server.command_complete() ? Verdict::kMatch : Verdict::kTag;
}

const Mismatch& MismatchLog::Add(Mismatch mismatch) {
  if (mismatch.query.size() > kMaxQueryBytes) {
    mismatch.query.resize(kMaxQueryBytes);
    mismatch.query += "...";
  }
  newest_.push_front(std::move(mismatch));
  if (newest_.size() > kMaxKept) newest_.pop_back();
  return newest_.front();
}

}  // namespace pgsidecar::proxy
