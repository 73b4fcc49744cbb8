// Catalog: the rows of one load, indexed by name and OID. Immutable, shared by all threads; the
// memo inside it, which has its own lock, only remembers what follows from the rows.
//
// Invariant: every object of the database that a name can mean is here, PostgreSQL's own included;
// references to OIDs that are not here (dropped while the load ran) are looked up in vain, and the
// caller takes that as unknown.

#ifndef PGSIDECAR_CATALOG_SNAPSHOT_H_
#define PGSIDECAR_CATALOG_SNAPSHOT_H_

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "catalog/effects.h"
#include "catalog/key_value.h"
#include "catalog/rows.h"
#include "catalog/trusted_functions.h"
#include "sql/statement_info.h"

namespace pgsidecar::catalog {

// For lookups by string_view.
struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
template <typename T>
using ByName = std::unordered_map<std::string, T, StringHash, std::equal_to<>>;

// A column of a tree, by its name, of which values have counters: in every member that has it, it
// is of one type whose equality is equality of bytes, and nothing but a write gives it its value.
struct TrackedColumn {
  std::string name;
  uint64_t id = 0;  // of the name
  KeyType type = KeyType::kInteger;
  uint32_t max_characters = 0;  // the least limit of a varchar; 0: none
  bool unique = false;
};

// When may a user's overload be what a call of a built-in name means? Always; or only where values
// of one of these user types occur.
struct Applicability {
  bool always = true;
  std::vector<Oid> types;
};

// Of a function or an operator.
struct UserOverload {
  Oid schema = 0;
  Applicability applies;
  bool takes_row = false;
  uint32_t least_arguments = 0;
  uint32_t most_arguments = 0;
  std::vector<Oid> functions;  // what is called: an operator's commutator and negator, too

  bool Takes(uint32_t arguments) const {
    return arguments == sql::FunctionUse::kAnyCount ||
           (arguments >= least_arguments && arguments <= most_arguments);
  }
};

// All functions of one name.
struct FunctionName {
  bool is_builtin = false;
  FunctionClass builtin = FunctionClass::kUnknown;  // of all of pg_catalog's together
  bool builtin_takes_row = false;
  std::vector<UserOverload> user;
};

// All operators of one name.
struct OperatorName {
  bool is_builtin = false;
  bool builtin_trusted = false;
  std::vector<UserOverload> user;
};

// What a user's CREATE CAST means for values of a type.
struct TypeCasts {
  bool implicit_target = false;  // PostgreSQL makes values of it from others by itself
  std::vector<Oid> functions;
};
// What a user's operator classes call where values of a type are sorted, hashed or compared as
// parts of rows and arrays, whichever operators the text names.
using Comparisons = std::vector<Oid>;

// What a type is made of, through arrays, domains, ranges and composite types.
struct TypeFacts {
  bool known = true;      // made of enums and PostgreSQL's own or a trusted extension's types alone
  bool has_time = false;  // reads text as a date or time
  bool is_registry = false;      // regclass and kin
  std::vector<Oid> user_types;   // base, enum, range and composite types of users
  std::vector<Oid> expressions;  // domains whose checks or default are evaluated
};

// What is remembered of a relation, under a key of the caller's. Thread-safe; an entry stays where
// it is as long as the memo lives.
class EffectsMemo {
 public:
  const Effects* Find(uint64_t key) const;
  // The first value under a key stays.
  const Effects& Insert(uint64_t key, Effects effects);

 private:
  mutable std::mutex mutex_;
  std::unordered_map<uint64_t, std::unique_ptr<const Effects>> entries_;
};

class Catalog {
 public:
  // `harmless` are functions, as schema.name, that change nothing, whatever they are.
  explicit Catalog(CatalogRows rows, std::vector<std::string> harmless = {});
  Catalog(const Catalog&) = delete;
  Catalog& operator=(const Catalog&) = delete;

  // Of every schema that a search_path could name.
  std::vector<Oid> AllSchemas() const;
  std::optional<Oid> FindSchema(std::string_view name) const;
  // Empty if there is none.
  std::string_view SchemaName(Oid schema) const;
  // pg_catalog, information_schema, pg_toast and every other pg_*.
  bool IsSystemSchema(Oid schema) const;

  const Relation* FindRelation(Oid oid) const;
  std::span<const Relation* const> RelationsNamed(std::string_view name) const;
  // All relations of the tree with this root, itself included.
  std::span<const Relation* const> Tree(Oid root) const;
  // The foreign keys that reference a relation of the tree with this root.
  std::span<const ForeignKey> ReferencesTo(Oid root) const;

  // Sorted by name.
  std::span<const TrackedColumn> TrackedColumns(Oid root) const;

  const Type* FindType(Oid oid) const;
  std::span<const Type* const> TypesNamed(std::string_view name) const;
  TypeFacts FactsOf(Oid type) const;
  // nullptr if no user made a cast with it.
  const TypeCasts* CastsOf(Oid type) const;
  // Of a user's type; those between PostgreSQL's own types, of which nobody knows where they occur,
  // under 0.
  const Comparisons* ComparisonsOf(Oid type) const;

  // nullptr if there is none of that name anywhere.
  const FunctionName* FunctionsNamed(std::string_view name) const;
  const OperatorName* OperatorsNamed(std::string_view name) const;
  const Function* FindFunction(Oid oid) const;
  bool IsDeclaredHarmless(const Function& function) const;

  // A user has made a cast between two of PostgreSQL's own types: no statement is what it seems.
  bool builtin_casts_changed() const { return builtin_casts_changed_; }
  bool has_event_triggers() const { return rows_.has_event_triggers; }

  EffectsMemo& memo() const { return memo_; }

 private:
  void IndexSchemas();
  void IndexRelations();
  void MarkRowChangingTriggers();
  void IndexTypes();
  void IndexTrackedColumns();
  void IndexCasts();
  void IndexFunctions();
  void IndexOperators();
  std::optional<TrackedColumn> Track(Oid root, const std::string& name) const;
  std::optional<KeyType> KeyTypeOf(Oid type) const;
  void CollectType(Oid oid, int depth, TypeFacts& facts) const;
  Applicability AppliesOnlyTo(std::span<const Oid> operands) const;

  CatalogRows rows_;
  ByName<Oid> schemas_;
  std::vector<Oid> system_schemas_;
  std::unordered_map<Oid, Relation*> relations_;
  ByName<std::vector<const Relation*>> relations_by_name_;
  std::unordered_map<Oid, std::vector<const Relation*>> trees_;
  std::unordered_map<Oid, std::vector<ForeignKey>> references_;
  std::unordered_map<Oid, std::vector<TrackedColumn>> tracked_columns_;
  std::unordered_map<Oid, Type*> types_;
  ByName<std::vector<const Type*>> types_by_name_;
  std::unordered_map<Oid, TypeCasts> casts_;
  std::unordered_map<Oid, Comparisons> comparisons_;
  ByName<FunctionName> functions_;
  std::unordered_map<Oid, const Function*> functions_by_oid_;
  std::vector<std::string> harmless_;
  ByName<OperatorName> operators_;
  bool builtin_casts_changed_ = false;
  mutable EffectsMemo memo_;
};

}  // namespace pgsidecar::catalog

#endif  // PGSIDECAR_CATALOG_SNAPSHOT_H_
