// The memo of analyses. A hit is one hash, one comparison of the text and one splice.

#include <utility>

#include "base/hash.h"
#include "sql/analyzer.h"

namespace pgsidecar::sql {

namespace {

// What each keeps outside of itself.
size_t HeapBytes(const StatementInfo& info);
size_t HeapBytes(const std::string& text) {
  return text.capacity() <= std::string().capacity() ? 0 : text.capacity() + 1;
}
size_t HeapBytes(const QualifiedName& name) {
  return HeapBytes(name.schema) + HeapBytes(name.name);
}
size_t HeapBytes(const WriteTarget& write) { return HeapBytes(write.relation); }
size_t HeapBytes(const TypeUse& use) { return HeapBytes(use.type); }
size_t HeapBytes(const SettingChange& change) {
  return HeapBytes(change.name) + (change.value.has_value() ? HeapBytes(*change.value) : 0);
}

template <typename T>
size_t HeapBytes(const std::vector<T>& list) {
  size_t bytes = list.capacity() * sizeof(T);
  for (const T& item : list) bytes += HeapBytes(item);
  return bytes;
}

size_t HeapBytes(const StatementInfo& info) {
  return HeapBytes(info.unknown_reason) + HeapBytes(info.reads) + HeapBytes(info.writes) +
         HeapBytes(info.functions) + HeapBytes(info.operators) + HeapBytes(info.types) +
         HeapBytes(info.attribute_names) + HeapBytes(info.collations) + HeapBytes(info.settings) +
         HeapBytes(info.name);
}

size_t HeapBytes(const TextInfo& info) {
  return HeapBytes(info.error) + HeapBytes<StatementInfo>(info.statements);
}

// The nodes of the list and of the index, the shared pointer's block, and malloc's own share.
constexpr size_t kEntryBytes = 192;

}  // namespace

AnalysisMemo::AnalysisMemo(size_t max_bytes) : max_bytes_(max_bytes) {}

std::shared_ptr<const TextInfo> AnalysisMemo::Get(std::string_view text) {
  const uint64_t hash = Hash64(text);
  const auto [first, last] = index_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    if (it->second->text != text) continue;
    ++hits_;
    order_.splice(order_.begin(), order_, it->second);
    return it->second->info;
  }
  ++misses_;
  auto info = std::make_shared<const TextInfo>(Analyze(text));
  const size_t charge =
      sizeof(Remembered) + sizeof(TextInfo) + kEntryBytes + text.size() + HeapBytes(*info);
  if (charge <= max_bytes_) Insert(hash, text, info, charge);
  return info;
}

void AnalysisMemo::Insert(uint64_t hash, std::string_view text,
                          std::shared_ptr<const TextInfo> info, size_t charge) {
  while (bytes_ + charge > max_bytes_) EvictOldest();
  order_.push_front({hash, std::string(text), std::move(info), charge});
  index_.emplace(hash, order_.begin());
  bytes_ += charge;
}

void AnalysisMemo::EvictOldest() {
  const auto oldest = std::prev(order_.end());
  const auto [first, last] = index_.equal_range(oldest->hash);
  for (auto it = first; it != last; ++it) {
    if (it->second != oldest) continue;
    index_.erase(it);
    break;
  }
  bytes_ -= oldest->charge;
  order_.erase(oldest);
}

}  // namespace pgsidecar::sql
