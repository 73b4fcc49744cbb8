// Which rows of a relation a statement can meet, as far as its text says: what a query restricts
// each of its table references to, and what INSERT, UPDATE and DELETE say of the rows they change.
//
// Invariant: but for `Value::text` (and `location`), nothing here depends on what a literal says,
// so that texts that differ in their literals alone have the same structure.

#ifndef PGSIDECAR_SQL_ROW_INFO_H_
#define PGSIDECAR_SQL_ROW_INFO_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace pgsidecar::sql {

// schema is empty for an unqualified name. A name with a database part has it checked away by the
// server; the analyser keeps schema and name only.
struct QualifiedName {
  std::string schema;
  std::string name;
  bool operator==(const QualifiedName&) const = default;
  auto operator<=>(const QualifiedName&) const = default;
};

enum class ValueKind : uint8_t {
  kUnknown,  // an expression
  kDefault,  // the keyword
  kNull,
  kBoolean,    // the keyword; `text` is t or f
  kNumber,     // `text` is without the sign
  kString,     // `text` is what the literal means
  kParameter,  // $n
};

// The types that a constant may be cast to and still be a value.
enum class ValueType : uint8_t { kNone, kInteger, kText, kUuid, kBoolean, kOid };

struct Value {
  ValueKind kind = ValueKind::kUnknown;
  ValueType cast = ValueType::kNone;  // of the elements, if `array`
  bool array = false;                 // a kString or kParameter that is an array
  bool negative = false;              // kNumber
  bool only_use = false;   // kParameter: $n stands nowhere else in the text, so that its type, if
                           // not declared, is what this place makes it
  uint32_t location = 0;   // of the literal's token in the text, in bytes
  uint32_t parameter = 0;  // n
  uint32_t literal = 0;    // in the analysis of a template: the number of the literal that `text`
                           // is to be read from, counted from 1
  std::string text;
  bool operator==(const Value&) const = default;
};

// Only rows whose `column` equals one of `values` count.
struct Restriction {
  std::string column;
  std::vector<Value> values;
  bool operator==(const Restriction&) const = default;
};

// One table reference. Its answer depends on no row that any of the restrictions leaves out. A
// column that the relation does not have belongs to an outer query: no restriction then.
struct Reference {
  QualifiedName relation;
  std::vector<Restriction> restrictions;
  bool operator==(const Reference&) const = default;
};

struct Assignment {
  std::string column;
  Value value;
  bool operator==(const Assignment&) const = default;
};

// What an INSERT of VALUES, an UPDATE of one table or a DELETE from one table says of its rows.
struct RowWrite {
  QualifiedName relation;
  // INSERT: each row's values go to these columns, or to the relation's first ones if none are
  // named; a row may have fewer.
  std::vector<std::string> columns;
  std::vector<std::vector<Value>> rows;
  // UPDATE: what is set. DELETE has none.
  std::vector<Assignment> assignments;
  // UPDATE and DELETE: which rows.
  std::vector<Restriction> restrictions;
  bool operator==(const RowWrite&) const = default;
};

// More table references in one FROM than this are not looked into, and more values in one
// restriction or rows in one INSERT than this are not kept.
inline constexpr size_t kMaxRestrictedReferences = 64;
inline constexpr size_t kMaxRowValues = 64;

}  // namespace pgsidecar::sql

#endif  // PGSIDECAR_SQL_ROW_INFO_H_
