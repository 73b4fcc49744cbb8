// Judges the names in one statement over a Catalog: what relations, functions, operators and types
// they may mean, and what follows. Used for the client's text and, in catalog/closure.cc, for the
// texts of views, policies, defaults and checks.

#ifndef PGSIDECAR_CATALOG_JUDGE_H_
#define PGSIDECAR_CATALOG_JUDGE_H_

#include <string>
#include <string_view>
#include <vector>

#include "catalog/closure.h"
#include "catalog/effects.h"
#include "catalog/resolve.h"
#include "catalog/snapshot.h"
#include "sql/statement_info.h"

namespace pgsidecar::catalog {

// The schemas that unqualified names are looked up in; pg_catalog is always among them, though not
// listed. Which of several PostgreSQL takes depends on privileges and types, so all count.
struct Path {
  bool known = true;
  bool any_type = false;  // values occur whose types nobody knows: every overload applies
  std::vector<Oid> schemas;

  bool Contains(Oid schema) const;
};
// Could the name, as it is written, mean an object in this schema?
bool MatchesSchema(const Catalog& catalog, const Path& path, const sql::QualifiedName& name,
                   Oid schema);
Path MakePath(const NameContext& names, const Catalog& catalog);

// What the statement itself names, apart from what follows from it.
struct DirectUse {
  std::vector<const Relation*> reads;   // tables; not in Effects::reads
  std::vector<const Relation*> writes;  // tables; not in Effects::writes
  bool other_equality = false;          // "=" may mean a user's operator
};

class Judge {
 public:
  // `catalog`, `path`, `frame` and `effects` outlive the judge. Adds to `effects`.
  Judge(const Catalog& catalog, const Path& path, const Frame& frame, Effects& effects)
      : catalog_(catalog), path_(path), frame_(frame), effects_(effects) {}

  // The tables that the statement names go there and not into the effects.
  void SetDirect(DirectUse* direct) { direct_ = direct; }

  // Everything that `statement` reads, writes and calls; the statement's kind is the caller's to
  // judge.
  void Run(const sql::StatementInfo& statement);

 private:
  void Hazards(uint32_t hazards);
  void Types(const std::vector<sql::TypeUse>& types);
  void UseType(Oid oid, bool of_constant);
  void Reads(const std::vector<sql::QualifiedName>& names);
  void Writes(const std::vector<sql::WriteTarget>& targets);

  // Calls (judge_calls.cc).
  void OccurringTypes(const sql::StatementInfo& statement);
  void AddTypesOf(const UserOverload& overload);
  void Functions(const std::vector<sql::FunctionUse>& calls);
  void Function(const sql::FunctionUse& call);
  void Operators(const std::vector<sql::QualifiedName>& names);
  void Attributes(const std::vector<std::string>& names);

  void Call(const UserOverload& overload);
  // What may be meant by the name; the types that occur are known as far as they matter.
  bool IsCandidate(const sql::QualifiedName& name, const UserOverload& overload) const;
  bool MayMeanBuiltin(const sql::QualifiedName& name) const;
  bool Applies(const UserOverload& overload) const;
  void Casts();
  void Comparisons();
  bool in_client_text() const { return frame_.outer == nullptr; }
  bool IsDirect(const Relation& relation) const;
  bool MatchesSchema(const sql::QualifiedName& name, Oid schema) const {
    return catalog::MatchesSchema(catalog_, path_, name, schema);
  }

  const Catalog& catalog_;
  const Path& path_;
  const Frame& frame_;
  Effects& effects_;
  bool settings_named_ = false;  // every set_config of the statement is in its list of settings
  DirectUse* direct_ = nullptr;
};

}  // namespace pgsidecar::catalog

#endif  // PGSIDECAR_CATALOG_JUDGE_H_
