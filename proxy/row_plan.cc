// From the values of one run to slots.

#include "proxy/row_plan.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "base/text.h"
#include "catalog/key_value.h"
#include "proxy/database.h"

namespace pgsidecar::proxy {
namespace {

using cache::CounterIndex;
using catalog::KeyedColumn;
using catalog::KeyType;
using sql::Value;
using sql::ValueKind;

constexpr uint16_t kBinary = 1;

// Appends the slots of one column's values. Once it has failed, it has appended some of them.
class SlotWriter {
 public:
  SlotWriter(const KeyedColumn& column, const Database& database, const RunValues& run,
             std::vector<CounterIndex>& counters)
      : column_(column), database_(database), run_(run), counters_(counters) {}

  bool AddAll() {
    return std::all_of(column_.values.begin(), column_.values.end(),
                       [this](const Value& value) { return Add(value); });
  }

 private:
  bool Add(const Value& value) {
    switch (value.kind) {
      case ValueKind::kNull:
        return true;  // equals nothing
      case ValueKind::kBoolean:
        return AddText(value.text);
      case ValueKind::kNumber:
        if (!value.negative) return AddText(TextOf(value));
        return AddText("-" + std::string(TextOf(value)));
      case ValueKind::kString:
        return value.array ? AddTextArray(TextOf(value)) : AddText(TextOf(value));
      case ValueKind::kParameter:
        return AddParameter(value);
      case ValueKind::kUnknown:
      case ValueKind::kDefault:
        return false;
    }
    return false;
  }

  // Valid until the next call.
  std::string_view TextOf(const Value& value) {
    return value.literal == 0 ? std::string_view(value.text)
                              : run_.literals.Value(value.literal - 1, &scratch_);
  }

  // The type that the parameter has, if it is not declared, follows from this one place of it.
  bool HasType(const Value& value) const {
    const size_t index = value.parameter - 1;
    const uint32_t declared = index < run_.parameter_types.size() ? run_.parameter_types[index] : 0;
    if (declared == 0) return run_.types_inferred && value.only_use;
    return catalog::KeyTypeOfOid(declared, value.array) == column_.type;
  }

  bool AddParameter(const Value& value) {
    if (run_.bind == nullptr || value.parameter == 0 ||
        value.parameter > run_.bind->values.size() || !HasType(value)) {
      return false;
    }
    const size_t index = value.parameter - 1;
    const std::optional<std::string_view> bytes = run_.bind->values[index];
    if (!bytes) return true;
    const std::vector<uint16_t>& formats = run_.bind->parameter_formats;
    const uint16_t format = formats.empty()       ? uint16_t{0}
                            : formats.size() == 1 ? formats[0]
                                                  : formats[index];
    if (format == kBinary) return value.array ? AddBinaryArray(*bytes) : AddBinary(*bytes);
    return value.array ? AddTextArray(*bytes) : AddText(*bytes);
  }

  bool AddTextArray(std::string_view text) {
    const auto elements = catalog::TextArrayElements(text, sql::kMaxRowValues);
    return elements && std::all_of(elements->begin(), elements->end(),
                                   [this](const std::string& each) { return AddText(each); });
  }

  bool AddBinaryArray(std::string_view bytes) {
    const auto elements = catalog::BinaryArrayElements(bytes, sql::kMaxRowValues);
    return elements && std::all_of(elements->begin(), elements->end(),
                                   [this](std::string_view each) { return AddBinary(each); });
  }

  bool AddText(std::string_view text) {
    return IsReadable(text) && AddHash(catalog::HashOfText(column_.type, text));
  }

  bool AddBinary(std::string_view bytes) {
    return IsReadable(bytes) && AddHash(catalog::HashOfBinary(column_.type, bytes));
  }

  bool IsReadable(std::string_view text) const {
    if (column_.type != KeyType::kText) return true;
    if (column_.max_bytes != 0 && text.size() > column_.max_bytes) return false;
    return run_.utf8 || IsAscii(text);
  }

  bool AddHash(std::optional<uint64_t> hash) {
    if (!hash) return false;
    counters_.push_back(database_.SlotCounter(column_.id, *hash));
    return true;
  }

  const KeyedColumn& column_;
  const Database& database_;
  const RunValues& run_;
  std::vector<CounterIndex>& counters_;
  std::string scratch_;
};

bool AppendSlots(const KeyedColumn& column, const Database& database, const RunValues& run,
                 std::vector<CounterIndex>& counters) {
  const size_t before = counters.size();
  if (SlotWriter(column, database, run, counters).AddAll() &&
      counters.size() - before <= kMaxSlots) {
    return true;
  }
  counters.resize(before);
  return false;
}

}  // namespace

void AppendReadCounters(const RowPlan& plan, const Database& database, const RunValues& values,
                        std::vector<CounterIndex>& counters) {
  for (const catalog::KeyedRead& read : plan.reads) {
    const size_t before = counters.size();
    bool known = true;
    for (const KeyedColumn& column : read.references) {
      counters.push_back(database.ColumnCounter(column.id));
      known = known && AppendSlots(column, database, values, counters) &&
              counters.size() - before <= kMaxSlots;
    }
    if (known) continue;
    counters.resize(before);
    counters.push_back(database.RelationCounter(read.relation));
  }
}

void AppendWriteCounters(const RowPlan& plan, const Database& database, const RunValues* values,
                         std::vector<CounterIndex>& counters) {
  for (const KeyedColumn& column : plan.writes) {
    if (values != nullptr && AppendSlots(column, database, *values, counters)) continue;
    counters.push_back(database.ColumnCounter(column.id));
  }
}

}  // namespace pgsidecar::proxy
