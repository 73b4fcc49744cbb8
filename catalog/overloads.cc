// Functions and operators of a Catalog: which names are PostgreSQL's alone, and which ones a user
// has overloaded.
//
// A user's overload matters even where the built-in one would do, because PostgreSQL's choice
// depends on types that the text does not show. The exception, without which an installed citext
// would make every = unknown: an overload whose operands are types of users, none of which
// PostgreSQL reaches from another type by itself, is no match unless such a value occurs; and
// among literals of no type yet PostgreSQL prefers the text of the built-in overload, or finds the
// call ambiguous.

#include <algorithm>
#include <array>
#include <set>
#include <tuple>

#include "catalog/snapshot.h"

namespace pgsidecar::catalog {
namespace {

bool IsPostgresOwn(const Function& function, FunctionClass function_class) {
  return !IsUserOid(function.oid) &&
         (function.language == "internal" || function.language == "sql") &&
         VolatilityFits(function_class, function.volatility);
}

}  // namespace

// Only to values of the user types among `operands`, if there is one and each is a base, enum or
// range type, or an array of such, that no implicit cast makes from another; else always.
Applicability Catalog::AppliesOnlyTo(std::span<const Oid> operands) const {
  Applicability applies;
  for (const Oid operand : operands) {
    if (!IsUserOid(operand)) continue;
    const Type* type = FindType(operand);
    if (type != nullptr && type->element != 0) type = FindType(type->element);
    if (type == nullptr || !IsUserOid(type->oid)) return {};
    if (std::string_view("berm").find(type->kind) == std::string_view::npos) return {};
    const TypeCasts* casts = CastsOf(type->oid);
    if (casts != nullptr && casts->implicit_target) return {};
    applies.types.push_back(type->oid);
  }
  applies.always = applies.types.empty();
  return applies;
}

void Catalog::IndexFunctions() {
  std::unordered_map<Oid, std::unique_ptr<Routine>*> routines;
  for (auto& [oid, routine] : rows_.routines) routines[oid] = &routine;
  for (Function& function : rows_.functions) {
    functions_by_oid_[function.oid] = &function;
    const auto routine = routines.find(function.oid);
    if (routine != routines.end()) function.routine = std::move(*routine->second);
    FunctionName& name = functions_[function.name];
    if (function.schema != kPgCatalogSchema) {
      UserOverload& overload = name.user.emplace_back();
      overload.schema = function.schema;
      overload.takes_row = function.takes_row;
      overload.functions = {function.oid};
      overload.most_arguments = sql::FunctionUse::kAnyCount;
      if (function.routine != nullptr) {
        overload.least_arguments = function.routine->least_arguments;
        overload.most_arguments = function.routine->most_arguments;
      }
      if (function.overloads_builtin) overload.applies = AppliesOnlyTo(function.arguments);
      continue;
    }
    const FunctionClass trusted = TrustedClass(function.name);
    if (!name.is_builtin) name.builtin = trusted;
    name.is_builtin = true;
    name.builtin_takes_row |= function.takes_row;
    if (!IsPostgresOwn(function, trusted)) name.builtin = FunctionClass::kUnknown;
  }
  // The grammar of PostgreSQL 14 turns EXTRACT into a function that PostgreSQL 13 does not have.
  const FunctionName* date_part = FunctionsNamed("date_part");
  if (FunctionsNamed("extract") == nullptr && date_part != nullptr) {
    const FunctionName copy = *date_part;
    functions_["extract"] = copy;
  }
}

void Catalog::IndexOperators() {
  std::unordered_map<Oid, FunctionClass> builtin_functions;
  for (const Function& function : rows_.functions) {
    if (function.schema != kPgCatalogSchema) continue;
    builtin_functions[function.oid] = FunctionsNamed(function.name)->builtin;
  }
  std::set<std::tuple<std::string_view, Oid, Oid>> builtin_operators;
  ByName<bool> distrusted;
  for (const Operator& op : rows_.operators) {
    if (op.schema != kPgCatalogSchema) continue;
    builtin_operators.emplace(op.name, op.left, op.right);
    const auto function = builtin_functions.find(op.function);
    const bool trusted =
        !IsUserOid(op.oid) && function != builtin_functions.end() && IsCacheable(function->second);
    if (!trusted) distrusted[op.name] = true;
    operators_[op.name].is_builtin = true;
    operators_[op.name].builtin_trusted = true;
  }
  for (const auto& [name, unused] : distrusted) operators_[name].builtin_trusted = false;

  std::unordered_map<Oid, Oid> function_of;
  for (const Operator& op : rows_.operators) function_of[op.oid] = op.function;
  for (const Operator& op : rows_.operators) {
    if (op.schema == kPgCatalogSchema) continue;
    UserOverload& overload = operators_[op.name].user.emplace_back();
    overload.schema = op.schema;
    for (const Oid called : {op.oid, op.commutator, op.negator}) {
      const auto found = function_of.find(called);
      if (found != function_of.end()) overload.functions.push_back(found->second);
    }
    // Next to a built-in operand of type X a literal is taken for an X too, if X op X exists.
    const std::array<Oid, 2> operands = {op.left, op.right};
    const Oid builtin = IsUserOid(op.left) ? op.right : op.left;
    const bool all_user = builtin == 0 || IsUserOid(builtin);
    const bool shadowed = builtin_operators.contains({op.name, builtin, builtin});
    if (all_user || shadowed) overload.applies = AppliesOnlyTo(operands);
  }
}

}  // namespace pgsidecar::catalog
