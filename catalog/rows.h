// The rows of a catalog load as structs, before they are indexed: what CatalogBuilder reads and
// Catalog is made from.

#ifndef PGSIDECAR_CATALOG_ROWS_H_
#define PGSIDECAR_CATALOG_ROWS_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "catalog/catalog.h"

namespace pgsidecar::catalog {

// What PostgreSQL's initdb made has a smaller OID.
inline constexpr Oid kFirstUserOid = 16384;
inline constexpr Oid kPgCatalogSchema = 11;
inline bool IsUserOid(Oid oid) { return oid >= kFirstUserOid; }

// Of users, enabled or not; foreign keys have their own (struct ForeignKey).
struct Trigger {
  enum Type : uint32_t {  // bits of pg_trigger.tgtype
    kRow = 1,
    kBefore = 2,
    kInsert = 4,
    kDelete = 8,
    kUpdate = 16,
    kTruncate = 32,
    kInstead = 64,
  };
  Oid function = 0;
  uint32_t type = 0;
  std::optional<std::string> definition;  // if it has a WHEN
};

// A column that is not dropped, of a table or partitioned table.
struct Column {
  std::string name;
  Oid type = 0;
  uint32_t max_characters = 0;  // of a varchar with a limit; else 0
  bool deterministic = false;   // equal are equal bytes: no collation, or a deterministic one
  bool generated = false;
  bool has_default = false;  // or is an identity
};

struct Relation {
  Oid oid = 0;
  std::string name;
  Oid schema = 0;
  char kind = 0;         // pg_class.relkind
  char persistence = 0;  // pg_class.relpersistence
  bool row_security = false;
  bool has_rules = false;  // besides a view's own
  bool has_identity = false;
  bool has_user_opclass = false;  // an index calls functions that no extension brought
  std::vector<Oid> column_types;  // of user relations; no duplicates
  std::optional<std::string> view_text;
  std::vector<std::string> defaults;
  // Generated columns, checks, index and partition key expressions, index predicates.
  std::vector<std::string> expressions;
  std::vector<Trigger> triggers;
  // Something in its tree may write another row than the statement says.
  bool has_row_changing_triggers = false;
  std::vector<std::string> policies;
  std::vector<Column> columns;  // in the order of INSERT without a list
  Oid root = 0;                 // its inheritance or partition tree's representative
};

struct ForeignKey {
  Oid referencing = 0;
  Oid referenced = 0;
  char on_delete = 0;  // pg_constraint.confdeltype
  char on_update = 0;
};

struct Type {
  Oid oid = 0;
  std::string name;
  Oid schema = 0;
  char kind = 0;                         // pg_type.typtype
  Oid element = 0;                       // of an array
  Oid base = 0;                          // of a domain
  Oid relation = 0;                      // of a composite type
  Oid range_subtype = 0;                 // of a range without functions of users
  std::vector<std::string> expressions;  // a domain's checks and default
  std::string extension;                 // that made it, or ""
};

// What a function of a user or an extension is made of.
struct Routine {
  // How many arguments a call may have; kAnyCount where the last one is VARIADIC.
  uint32_t least_arguments = 0;
  uint32_t most_arguments = 0;
  Oid result = 0;
  std::string extension;            // that made it, or ""
  std::vector<Oid> argument_types;  // of all modes
  std::vector<std::string> argument_names;
  std::vector<std::string> config;        // pg_proc.proconfig: name=value
  std::optional<std::string> defaults;    // of its arguments, as a list of expressions
  std::optional<std::string> source;      // of SQL or PL/pgSQL
  std::optional<std::string> definition;  // of SQL with a body in its own syntax
  std::vector<Oid> support;               // what an aggregate calls; 0: none
};

struct Function {
  Oid oid = 0;
  std::string name;
  Oid schema = 0;
  std::string language;
  char volatility = 0;
  bool takes_row = false;            // f(row) may be written row.f
  std::vector<Oid> arguments;        // of user functions
  bool overloads_builtin = false;    // a built-in one takes text wherever this takes a user's type
  std::unique_ptr<Routine> routine;  // of user functions
};

struct Operator {
  Oid oid = 0;
  std::string name;
  Oid schema = 0;
  Oid left = 0;
  Oid right = 0;
  Oid function = 0;
  Oid commutator = 0;  // which PostgreSQL may call in its place
  Oid negator = 0;
};

// Made by a user: CREATE CAST.
struct Cast {
  Oid source = 0;
  Oid target = 0;
  char context = 0;  // pg_cast.castcontext
  Oid function = 0;  // 0 without one
};

// A column that is a primary, unique or foreign key by itself.
struct KeyColumn {
  Oid relation = 0;
  std::string column;
  bool unique = false;
};

struct CatalogRows {
  std::vector<std::pair<Oid, std::string>> schemas;
  std::vector<Relation> relations;
  std::vector<std::pair<Oid, Oid>> inherits;  // child, parent
  std::vector<ForeignKey> foreign_keys;
  std::vector<std::pair<Oid, std::string>> relation_expressions;
  std::vector<std::pair<Oid, std::string>> relation_defaults;
  std::vector<std::pair<Oid, std::string>> policies;
  std::vector<Type> types;
  std::vector<std::pair<Oid, std::string>> type_expressions;
  std::vector<Function> functions;
  std::vector<Operator> operators;
  std::vector<Cast> casts;
  bool has_event_triggers = false;
  std::vector<std::pair<Oid, Trigger>> triggers;                   // by relation
  std::vector<std::pair<Oid, std::unique_ptr<Routine>>> routines;  // by function
  std::vector<std::pair<Oid, Column>> columns;
  std::vector<KeyColumn> key_columns;
  // Type, function: by users' operator classes for btree and hash. The type is a user's where one
  // of the two operands is.
  std::vector<std::pair<Oid, Oid>> comparisons;
};

}  // namespace pgsidecar::catalog

#endif  // PGSIDECAR_CATALOG_ROWS_H_
