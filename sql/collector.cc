// Appends names while walking; sorts and merges them at the end.

#include "sql/collector.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace pgsidecar::sql {

namespace {

template <typename T>
void AppendUnlessLast(std::vector<T>* list, T value) {
  if (list->empty() || list->back() != value) list->push_back(std::move(value));
}

template <typename T>
void MakeUnique(std::vector<T>* list) {
  std::sort(list->begin(), list->end());
  list->erase(std::unique(list->begin(), list->end()), list->end());
}

void MergeWrites(std::vector<WriteTarget>* writes) {
  std::sort(writes->begin(), writes->end(),
            [](const WriteTarget& a, const WriteTarget& b) { return a.relation < b.relation; });
  std::vector<WriteTarget> merged;
  for (WriteTarget& write : *writes) {
    if (!merged.empty() && merged.back().relation == write.relation) {
      merged.back().operations |= write.operations;
    } else {
      merged.push_back(std::move(write));
    }
  }
  *writes = std::move(merged);
}

void MakeUniqueTypes(std::vector<TypeUse>* types) {
  std::sort(types->begin(), types->end(), [](const TypeUse& a, const TypeUse& b) {
    return std::tie(a.type, a.of_constant) < std::tie(b.type, b.of_constant);
  });
  types->erase(std::unique(types->begin(), types->end()), types->end());
}

}  // namespace

bool IsTempSchema(std::string_view schema) { return schema.starts_with("pg_temp"); }

void Collector::Unknown(std::string_view reason) {
  if (!unknown_) info_.unknown_reason = reason;
  unknown_ = true;
}

void Collector::UnknownNode(std::string_view place, const Node* node) {
  Unknown(std::string(NodeName(node)) + " in " + std::string(place));
}

void Collector::Schema(std::string_view schema) {
  if (IsTempSchema(schema)) info_.names_temp_schema = true;
}

QualifiedName Collector::RelationName(const PgQuery__RangeVar& relation) {
  QualifiedName name{std::string(Text(relation.schemaname)), std::string(Text(relation.relname))};
  if (name.name.empty()) Unknown("relation without a name");
  Schema(name.schema);
  return name;
}

void Collector::Read(const PgQuery__RangeVar* relation) {
  if (relation == nullptr) return Unknown("missing relation");
  QualifiedName name = RelationName(*relation);
  references_[relation] = info_.references.size();
  info_.references.push_back({name, {}});
  AppendUnlessLast(&info_.reads, std::move(name));
}

void Collector::Restrict(const PgQuery__RangeVar* relation, Restriction restriction) {
  const auto found = references_.find(relation);
  if (found == references_.end()) return;
  info_.references[found->second].restrictions.push_back(std::move(restriction));
}

void Collector::WriteRows(const PgQuery__RangeVar& relation, RowWrite rows) {
  rows.relation = RelationName(relation);
  info_.row_write = std::move(rows);
}

void Collector::Write(const PgQuery__RangeVar* relation, uint8_t operations) {
  if (relation == nullptr) return Unknown("missing relation");
  Read(relation);
  info_.writes.push_back({RelationName(*relation), operations});
}

QualifiedName Collector::Name(Nodes names) {
  if (names.empty() || names.size() > 3) {
    Unknown("name of unexpected length");
    return {};
  }
  std::string_view parts[2];
  for (size_t i = 0; i < names.size(); ++i) {
    bool ok = false;
    parts[0] = parts[1];
    parts[1] = StringOf(names[i], &ok);
    if (!ok) UnknownNode("name", names[i]);
  }
  Schema(parts[0]);
  return {std::string(parts[0]), std::string(parts[1])};
}

void Collector::Function(Nodes names, uint32_t arguments) {
  AppendUnlessLast(&info_.functions, FunctionUse{Name(names), arguments});
}

void Collector::Operator(Nodes names) { AppendUnlessLast(&info_.operators, Name(names)); }

void Collector::Operator(std::string_view name) {
  AppendUnlessLast(&info_.operators, QualifiedName{"", std::string(name)});
}

void Collector::Type(Nodes names, bool of_constant) {
  AppendUnlessLast(&info_.types, TypeUse{Name(names), of_constant});
}

void Collector::Collation(Nodes names) { AppendUnlessLast(&info_.collations, Name(names)); }

void Collector::Parameter(int32_t number) {
  if (number <= 0) return Unknown("parameter without a number");
  info_.max_parameter = std::max(info_.max_parameter, static_cast<uint32_t>(number));
  ++parameter_uses_[static_cast<uint32_t>(number)];
}

void Collector::MarkOnlyUse(Value& value) const {
  if (value.kind != ValueKind::kParameter) return;
  const auto uses = parameter_uses_.find(value.parameter);
  value.only_use = uses != parameter_uses_.end() && uses->second == 1;
}

void Collector::MarkOnlyUses() {
  const auto mark = [this](std::vector<Restriction>& restrictions) {
    for (Restriction& restriction : restrictions) {
      for (Value& value : restriction.values) MarkOnlyUse(value);
    }
  };
  for (Reference& reference : info_.references) mark(reference.restrictions);
  if (!info_.row_write) return;
  mark(info_.row_write->restrictions);
  for (auto& row : info_.row_write->rows) {
    for (Value& value : row) MarkOnlyUse(value);
  }
  for (Assignment& assignment : info_.row_write->assignments) MarkOnlyUse(assignment.value);
}

void Collector::Finish() {
  MakeUnique(&info_.reads);
  MakeUnique(&info_.functions);
  MakeUnique(&info_.settings_read);
  MakeUnique(&info_.operators);
  MakeUnique(&info_.attribute_names);
  MakeUnique(&info_.collations);
  MakeUniqueTypes(&info_.types);
  MergeWrites(&info_.writes);
  MarkOnlyUses();
  if (unknown_) info_.kind = StatementKind::kUnknown;
}

}  // namespace pgsidecar::sql
