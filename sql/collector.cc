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
  AppendUnlessLast(&info_.reads, RelationName(*relation));
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
  if (unknown_) info_.kind = StatementKind::kUnknown;
}

}  // namespace pgsidecar::sql
