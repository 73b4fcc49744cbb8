// From restrictions and row writes to tracked columns.

#include "catalog/row_keys.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

namespace pgsidecar::catalog {
namespace {

using sql::Restriction;
using sql::StatementInfo;
using sql::StatementKind;
using sql::Value;
using sql::ValueKind;
using sql::ValueType;

using Values = std::vector<Value>;

const Column* FindColumn(const Relation& relation, std::string_view name) {
  for (const Column& column : relation.columns) {
    if (column.name == name) return &column;
  }
  return nullptr;
}

ValueType CastTo(KeyType type) {
  switch (type) {
    case KeyType::kInteger:
      return ValueType::kInteger;
    case KeyType::kText:
      return ValueType::kText;
    case KeyType::kUuid:
      return ValueType::kUuid;
    case KeyType::kBool:
      return ValueType::kBoolean;
    case KeyType::kOid:
      return ValueType::kOid;
  }
  return ValueType::kNone;
}

class Finder {
 public:
  Finder(const StatementInfo& statement, const Catalog& catalog, const Path& path)
      : statement_(statement), catalog_(catalog), path_(path) {}

  std::vector<KeyedRead> Reads(const DirectUse& direct, const Effects& effects) {
    std::vector<KeyedRead> reads;
    std::vector<Oid> whole = effects.reads;
    for (const sql::Reference& reference : statement_.references) {
      for (const Relation* relation : direct.reads) {
        if (relation->name != reference.relation.name ||
            !MatchesSchema(catalog_, path_, reference.relation, relation->schema)) {
          continue;
        }
        std::optional<KeyedColumn> column = BestOf(*relation, reference.restrictions);
        if (!column) {
          whole.push_back(relation->root);
          continue;
        }
        const auto read = std::find_if(reads.begin(), reads.end(), [&](const KeyedRead& known) {
          return known.relation == relation->root;
        });
        if (read != reads.end()) {
          read->references.push_back(*std::move(column));
        } else {
          reads.push_back({relation->root, {*std::move(column)}});
        }
      }
    }
    std::erase_if(reads, [&](const KeyedRead& read) { return Contains(whole, read.relation); });
    return reads;
  }

  // Of the one table that the statement changes: what is known of each tracked column.
  void Write(const Relation& target, RowKeys& keys) {
    for (const TrackedColumn& column : catalog_.TrackedColumns(target.root)) {
      const ColumnId id{target.root, column.id};
      std::optional<Values> values = statement_.kind == StatementKind::kInsert
                                         ? Inserted(target, column)
                                         : Changed(target, column);
      if (values) {
        keys.written_values.push_back({id, column.type, column.max_characters, *std::move(values)});
      } else {
        keys.written_columns.push_back(id);
      }
    }
  }

  bool WritesRowsOf(const Relation& target) const {
    const bool known_kind = statement_.kind == StatementKind::kInsert ||
                            statement_.kind == StatementKind::kUpdate ||
                            statement_.kind == StatementKind::kDelete;
    if (!known_kind || !statement_.row_write ||
        (statement_.hazards & (sql::kHazardModifyingCte | sql::kHazardCurrentOf)) != 0) {
      return false;
    }
    // A trigger may put other values into the row, or keep it from being written.
    const auto members = catalog_.Tree(target.root);
    return std::none_of(members.begin(), members.end(), [](const Relation* member) {
      return member->has_row_changing_triggers || member->has_rules;
    });
  }

 private:
  // Whether `value` means the same as a value of the column; what it says is not looked at.
  bool Fits(const Value& value, KeyType type) {
    if (value.cast != ValueType::kNone && (value.cast != CastTo(type) || !CastsHold())) {
      return false;
    }
    switch (value.kind) {
      case ValueKind::kUnknown:
      case ValueKind::kDefault:
        return false;
      case ValueKind::kNull:
      case ValueKind::kString:
      case ValueKind::kParameter:
        return true;
      case ValueKind::kBoolean:
        return type == KeyType::kBool;
      case ValueKind::kNumber:
        return type == KeyType::kInteger || type == KeyType::kOid;
    }
    return false;
  }

  // A type of a user's could be what a cast names.
  bool CastsHold() {
    if (casts_hold_) return *casts_hold_;
    constexpr std::array<std::string_view, 8> kNames = {"int2",    "int4", "int8", "text",
                                                        "varchar", "uuid", "bool", "oid"};
    casts_hold_ = std::all_of(kNames.begin(), kNames.end(), [this](std::string_view name) {
      const auto types = catalog_.TypesNamed(name);
      return std::all_of(types.begin(), types.end(),
                         [](const Type* type) { return type->schema == kPgCatalogSchema; });
    });
    return *casts_hold_;
  }

  bool AllFit(const Values& values, KeyType type) {
    return std::all_of(values.begin(), values.end(),
                       [&](const Value& value) { return Fits(value, type); });
  }

  const Values* RestrictedTo(const Relation& relation, const TrackedColumn& column,
                             const std::vector<Restriction>& restrictions) {
    if (FindColumn(relation, column.name) == nullptr) return nullptr;
    for (const Restriction& restriction : restrictions) {
      if (restriction.column == column.name && AllFit(restriction.values, column.type)) {
        return &restriction.values;
      }
    }
    return nullptr;
  }

  // A unique column before others, few values before many.
  std::optional<KeyedColumn> BestOf(const Relation& relation,
                                    const std::vector<Restriction>& restrictions) {
    const TrackedColumn* best = nullptr;
    const Values* best_values = nullptr;
    for (const TrackedColumn& column : catalog_.TrackedColumns(relation.root)) {
      const Values* values = RestrictedTo(relation, column, restrictions);
      if (values == nullptr) continue;
      const bool better = best == nullptr || (column.unique && !best->unique) ||
                          (column.unique == best->unique && values->size() < best_values->size());
      if (!better) continue;
      best = &column;
      best_values = values;
    }
    if (best == nullptr) return std::nullopt;
    return KeyedColumn{{relation.root, best->id}, best->type, 0, *best_values};
  }

  // The values that the new rows have in the column; nullopt if they are not known.
  std::optional<Values> Inserted(const Relation& target, const TrackedColumn& tracked) {
    const sql::RowWrite& write = *statement_.row_write;
    const Column* column = FindColumn(target, tracked.name);
    if (column == nullptr) return Values();  // a column that only others of the tree have
    size_t at = static_cast<size_t>(column - target.columns.data());
    if (!write.columns.empty()) {
      const auto named = std::find(write.columns.begin(), write.columns.end(), tracked.name);
      at = static_cast<size_t>(named - write.columns.begin());
    }
    Values values;
    for (const Values& row : write.rows) {
      if (at >= row.size() || row[at].kind == ValueKind::kDefault) {
        // Without a default it is NULL, which equals nothing.
        if (column->has_default || catalog_.FindType(column->type)->kind == 'd') {
          return std::nullopt;
        }
        continue;
      }
      if (!Fits(row[at], tracked.type)) return std::nullopt;
      values.push_back(row[at]);
    }
    return values;
  }

  // The values that the rows of an UPDATE or DELETE have in the column before and after.
  std::optional<Values> Changed(const Relation& target, const TrackedColumn& tracked) {
    const sql::RowWrite& write = *statement_.row_write;
    const Values* before = RestrictedTo(target, tracked, write.restrictions);
    if (before == nullptr) return std::nullopt;
    Values values = *before;
    for (const sql::Assignment& assignment : write.assignments) {
      if (assignment.column != tracked.name) continue;
      if (!Fits(assignment.value, tracked.type)) return std::nullopt;
      values.push_back(assignment.value);
    }
    return values;
  }

  const StatementInfo& statement_;
  const Catalog& catalog_;
  const Path& path_;
  std::optional<bool> casts_hold_;
};

}  // namespace

RowKeys FindRowKeys(const StatementInfo& statement, const Catalog& catalog, const Path& path,
                    const DirectUse& direct, Effects& effects) {
  Finder finder(statement, catalog, path);
  RowKeys keys;
  // What is equal is then for that operator to say.
  const bool keys_hold = !direct.other_equality;
  if (keys_hold) keys.reads = finder.Reads(direct, effects);
  const Relation* target = keys_hold && direct.writes.size() == 1 ? direct.writes[0] : nullptr;
  const bool by_row =
      target != nullptr && !Contains(effects.writes, target->root) && finder.WritesRowsOf(*target);
  for (const Relation* relation : direct.reads) effects.reads.push_back(relation->root);
  for (const Relation* relation : direct.writes) effects.writes.push_back(relation->root);
  effects.Normalize();
  for (const Oid relation : effects.writes) {
    if (by_row && relation == target->root) {
      finder.Write(*target, keys);
      continue;
    }
    for (const TrackedColumn& column : catalog.TrackedColumns(relation)) {
      keys.written_columns.push_back({relation, column.id});
    }
  }
  std::sort(keys.written_columns.begin(), keys.written_columns.end());
  return keys;
}

}  // namespace pgsidecar::catalog
