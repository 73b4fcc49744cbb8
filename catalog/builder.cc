// CatalogBuilder: from the result sets of LoadQuery to CatalogRows.
//
// Invariant: a row is either read whole or makes Finish fail; a catalog with a hole in it would
// call something harmless that is not.

#include <utility>

#include "catalog/catalog.h"
#include "catalog/row_reader.h"
#include "catalog/rows.h"
#include "catalog/snapshot.h"

namespace pgsidecar::catalog {
namespace {

// In the order of catalog/load_query.sql.inc.
enum ResultSet : size_t {
  kSchemas,
  kRelations,
  kInherits,
  kForeignKeys,
  kRelationExpressions,
  kPolicies,
  kTypes,
  kTypeExpressions,
  kFunctions,
  kRoutines,
  kOperators,
  kCasts,
  kEventTriggers,
  kTriggers,
  kColumns,
  kKeyColumns,
  kComparisons,
};

bool ReadSchema(Row row, CatalogRows& rows) {
  RowReader reader(row, 2);
  const Oid oid = reader.Number();
  rows.schemas.emplace_back(oid, reader.Text());
  return reader.ok();
}

bool ReadRelation(Row row, CatalogRows& rows) {
  RowReader reader(row, 11);
  Relation& relation = rows.relations.emplace_back();
  relation.oid = reader.Number();
  relation.name = reader.Text();
  relation.schema = reader.Number();
  relation.kind = reader.Char();
  relation.persistence = reader.Char();
  relation.row_security = reader.Bool();
  relation.has_rules = reader.Bool();
  relation.has_identity = reader.Bool();
  relation.has_user_opclass = reader.Bool();
  relation.column_types = reader.Numbers();
  if (const auto text = reader.Nullable()) relation.view_text.emplace(*text);
  return reader.ok();
}

bool ReadInherits(Row row, CatalogRows& rows) {
  RowReader reader(row, 2);
  const Oid child = reader.Number();
  rows.inherits.emplace_back(child, reader.Number());
  return reader.ok();
}

bool ReadForeignKey(Row row, CatalogRows& rows) {
  RowReader reader(row, 4);
  ForeignKey& key = rows.foreign_keys.emplace_back();
  key.referencing = reader.Number();
  key.referenced = reader.Number();
  key.on_delete = reader.Char();
  key.on_update = reader.Char();
  return reader.ok();
}

// An expression that cannot be printed, because what it belongs to was dropped meanwhile, comes as
// NULL: it stays as a text that nobody can parse, so that it counts as unknown.
bool ReadExpression(Row row, std::vector<std::pair<Oid, std::string>>& to) {
  RowReader reader(row, 2);
  const Oid owner = reader.Number();
  to.emplace_back(owner, reader.Nullable().value_or("("));
  return reader.ok();
}

bool ReadRelationExpression(Row row, CatalogRows& rows) {
  if (row.size() != 3) return false;
  const bool is_default = row[2] == "t";
  if (!is_default && row[2] != "f") return false;
  return ReadExpression(row.first(2),
                        is_default ? rows.relation_defaults : rows.relation_expressions);
}

bool ReadType(Row row, CatalogRows& rows) {
  RowReader reader(row, 9);
  Type& type = rows.types.emplace_back();
  type.oid = reader.Number();
  type.name = reader.Text();
  type.schema = reader.Number();
  type.kind = reader.Char();
  type.element = reader.Number();
  type.base = reader.Number();
  type.relation = reader.Number();
  const std::vector<uint32_t> subtype = reader.Numbers();
  if (!subtype.empty()) type.range_subtype = subtype.front();
  type.extension = reader.Nullable().value_or("");
  return reader.ok();
}

bool ReadFunction(Row row, CatalogRows& rows) {
  RowReader reader(row, 8);
  Function& function = rows.functions.emplace_back();
  function.oid = reader.Number();
  function.name = reader.Text();
  function.schema = reader.Number();
  function.language = reader.Text();
  function.volatility = reader.Char();
  function.takes_row = reader.Bool();
  function.arguments = reader.Numbers();
  function.overloads_builtin = reader.Bool();
  return reader.ok();
}

std::vector<std::string> Lines(std::optional<std::string_view> text) {
  std::vector<std::string> lines;
  while (text) {
    const size_t end = text->find('\n');
    lines.emplace_back(text->substr(0, end));
    if (end == std::string_view::npos) break;
    text->remove_prefix(end + 1);
  }
  return lines;
}

std::optional<std::string> Owned(std::optional<std::string_view> text) {
  return text ? std::optional<std::string>(*text) : std::nullopt;
}

bool ReadRoutine(Row row, CatalogRows& rows) {
  RowReader reader(row, 12);
  const Oid function = reader.Number();
  Routine& routine = *rows.routines.emplace_back(function, std::make_unique<Routine>()).second;
  routine.least_arguments = reader.Number();
  routine.most_arguments = reader.Number();
  routine.result = reader.Number();
  routine.extension = reader.Nullable().value_or("");
  routine.argument_types = reader.Numbers();
  routine.argument_names = Lines(reader.Nullable());
  routine.config = Lines(reader.Nullable());
  routine.defaults = Owned(reader.Nullable());
  routine.source = Owned(reader.Nullable());
  routine.definition = Owned(reader.Nullable());
  routine.support = reader.Numbers();
  return reader.ok();
}

bool ReadOperator(Row row, CatalogRows& rows) {
  RowReader reader(row, 8);
  Operator& op = rows.operators.emplace_back();
  op.oid = reader.Number();
  op.name = reader.Text();
  op.schema = reader.Number();
  op.left = reader.Number();
  op.right = reader.Number();
  op.function = reader.Number();
  op.commutator = reader.Number();
  op.negator = reader.Number();
  return reader.ok();
}

bool ReadCast(Row row, CatalogRows& rows) {
  RowReader reader(row, 4);
  Cast& cast = rows.casts.emplace_back();
  cast.source = reader.Number();
  cast.target = reader.Number();
  cast.context = reader.Char();
  cast.function = reader.Number();
  return reader.ok();
}

bool ReadTrigger(Row row, CatalogRows& rows) {
  RowReader reader(row, 4);
  const Oid relation = reader.Number();
  Trigger& trigger = rows.triggers.emplace_back(relation, Trigger()).second;
  trigger.function = reader.Number();
  trigger.type = reader.Number();
  trigger.definition = Owned(reader.Nullable());
  return reader.ok();
}

bool ReadColumn(Row row, CatalogRows& rows) {
  RowReader reader(row, 7);
  auto& [relation, column] = rows.columns.emplace_back();
  relation = reader.Number();
  column.name = reader.Text();
  column.type = reader.Number();
  column.max_characters = reader.Number();
  column.deterministic = reader.Bool();
  column.generated = reader.Bool();
  column.has_default = reader.Bool();
  return reader.ok();
}

bool ReadKeyColumn(Row row, CatalogRows& rows) {
  RowReader reader(row, 3);
  KeyColumn& key = rows.key_columns.emplace_back();
  key.relation = reader.Number();
  key.column = reader.Text();
  key.unique = reader.Bool();
  return reader.ok();
}

bool ReadComparison(Row row, CatalogRows& rows) {
  RowReader reader(row, 2);
  const Oid type = reader.Number();
  rows.comparisons.emplace_back(type, reader.Number());
  return reader.ok();
}

bool ReadRow(size_t result_set, Row row, CatalogRows& rows) {
  switch (result_set) {
    case kSchemas:
      return ReadSchema(row, rows);
    case kRelations:
      return ReadRelation(row, rows);
    case kInherits:
      return ReadInherits(row, rows);
    case kForeignKeys:
      return ReadForeignKey(row, rows);
    case kRelationExpressions:
      return ReadRelationExpression(row, rows);
    case kPolicies:
      return ReadExpression(row, rows.policies);
    case kTypes:
      return ReadType(row, rows);
    case kTypeExpressions:
      return ReadExpression(row, rows.type_expressions);
    case kFunctions:
      return ReadFunction(row, rows);
    case kRoutines:
      return ReadRoutine(row, rows);
    case kOperators:
      return ReadOperator(row, rows);
    case kCasts:
      return ReadCast(row, rows);
    case kEventTriggers:
      rows.has_event_triggers = true;
      return row.size() == 1;
    case kTriggers:
      return ReadTrigger(row, rows);
    case kColumns:
      return ReadColumn(row, rows);
    case kKeyColumns:
      return ReadKeyColumn(row, rows);
    case kComparisons:
      return ReadComparison(row, rows);
    default:
      return false;
  }
}

}  // namespace

struct CatalogBuilder::State {
  CatalogRows rows;
  std::vector<std::string> harmless;
  bool malformed = false;
};

CatalogBuilder::CatalogBuilder(std::vector<std::string> harmless)
    : state_(std::make_unique<State>()) {
  state_->harmless = std::move(harmless);
}
CatalogBuilder::~CatalogBuilder() = default;
CatalogBuilder::CatalogBuilder(CatalogBuilder&&) noexcept = default;
CatalogBuilder& CatalogBuilder::operator=(CatalogBuilder&&) noexcept = default;

void CatalogBuilder::AddRow(size_t result_set, Row row) {
  if (!ReadRow(result_set, row, state_->rows)) state_->malformed = true;
}

Result<std::shared_ptr<const Catalog>> CatalogBuilder::Finish() {
  if (state_->malformed) return Error{"08P01", "unexpected row in the catalog load", "", ""};
  // Every database has these; without them the load was cut short.
  if (state_->rows.functions.empty() || state_->rows.types.empty()) {
    return Error{"08P01", "the catalog load was cut short", "", ""};
  }
  return std::shared_ptr<const Catalog>(
      std::make_shared<Catalog>(std::move(state_->rows), std::move(state_->harmless)));
}

}  // namespace pgsidecar::catalog
