// What an analysis costs in memory, for whoever keeps it within a bound.

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
size_t HeapBytes(const FunctionUse& use) { return HeapBytes(use.name); }
size_t HeapBytes(const TypeUse& use) { return HeapBytes(use.type); }
size_t HeapBytes(const Value& value) { return HeapBytes(value.text); }
size_t HeapBytes(const Restriction& restriction);
size_t HeapBytes(const Reference& reference);
size_t HeapBytes(const Assignment& assignment) {
  return HeapBytes(assignment.column) + HeapBytes(assignment.value);
}
size_t HeapBytes(const SettingChange& change) {
  return HeapBytes(change.name) + (change.value.has_value() ? HeapBytes(*change.value) : 0);
}

template <typename T>
size_t HeapBytes(const std::vector<T>& list) {
  size_t bytes = list.capacity() * sizeof(T);
  for (const T& item : list) bytes += HeapBytes(item);
  return bytes;
}

size_t HeapBytes(const Restriction& restriction) {
  return HeapBytes(restriction.column) + HeapBytes(restriction.values);
}

size_t HeapBytes(const Reference& reference) {
  return HeapBytes(reference.relation) + HeapBytes(reference.restrictions);
}

size_t HeapBytes(const std::optional<RowWrite>& rows) {
  if (!rows) return 0;
  return HeapBytes(rows->relation) + HeapBytes(rows->columns) + HeapBytes(rows->rows) +
         HeapBytes(rows->assignments) + HeapBytes(rows->restrictions);
}

size_t HeapBytes(const StatementInfo& info) {
  return HeapBytes(info.references) + HeapBytes(info.row_write) + HeapBytes(info.unknown_reason) +
         HeapBytes(info.reads) + HeapBytes(info.writes) + HeapBytes(info.functions) +
         HeapBytes(info.settings_read) + HeapBytes(info.operators) + HeapBytes(info.types) +
         HeapBytes(info.attribute_names) + HeapBytes(info.collations) + HeapBytes(info.settings) +
         HeapBytes(info.name) + (info.body ? HeapBytes(*info.body) : 0) +
         (info.prepared ? sizeof(StatementInfo) + HeapBytes(*info.prepared) : 0);
}

size_t HeapBytes(const TextInfo& info) {
  return HeapBytes(info.error) + HeapBytes<StatementInfo>(info.statements);
}

}  // namespace

size_t ChargeBytes(const TextInfo& info) { return sizeof info + HeapBytes(info); }

}  // namespace pgsidecar::sql
