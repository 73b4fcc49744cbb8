// Which functions and operators the names in a statement may mean: every one that its schema, the
// number of its arguments and the types that occur do not rule out. All of them count.

#include <algorithm>
#include <set>

#include "catalog/functions.h"
#include "catalog/judge.h"

namespace pgsidecar::catalog {

bool Judge::Applies(const UserOverload& overload) const {
  if (overload.applies.always || path_.any_type) return true;
  for (const Oid type : overload.applies.types) {
    const auto& occurring = effects_.user_types;
    if (std::find(occurring.begin(), occurring.end(), type) != occurring.end()) return true;
  }
  return false;
}

bool Judge::IsCandidate(const sql::QualifiedName& name, const UserOverload& overload) const {
  if (!name.schema.empty()) return catalog_.FindSchema(name.schema) == overload.schema;
  return path_.Contains(overload.schema) && Applies(overload);
}

bool Judge::MayMeanBuiltin(const sql::QualifiedName& name) const {
  return name.schema.empty() || name.schema == "pg_catalog";
}

// What users' functions and operators return, and take, occurs; which may let other overloads
// apply.
void Judge::OccurringTypes(const sql::StatementInfo& statement) {
  const auto add = [this](const sql::QualifiedName& name, const auto* entry, uint32_t arguments) {
    if (entry == nullptr) return;
    for (const UserOverload& overload : entry->user) {
      if (overload.Takes(arguments) && IsCandidate(name, overload)) AddTypesOf(overload);
    }
  };
  size_t before = 0;
  do {
    before = effects_.user_types.size();
    for (const sql::FunctionUse& call : statement.functions) {
      add(call.name, catalog_.FunctionsNamed(call.name.name), call.arguments);
    }
    for (const sql::QualifiedName& name : statement.operators) {
      add(name, catalog_.OperatorsNamed(name.name), sql::FunctionUse::kAnyCount);
    }
    for (const std::string& name : statement.attribute_names) {
      add({"", name}, catalog_.FunctionsNamed(name), 1);
    }
  } while (effects_.user_types.size() != before);
}

void Judge::AddTypesOf(const UserOverload& overload) {
  const auto add = [this](Oid oid) {
    if (!IsUserOid(oid)) return;
    for (const Oid type : catalog_.FactsOf(oid).user_types) {
      auto& occurring = effects_.user_types;
      const bool known = std::find(occurring.begin(), occurring.end(), type) != occurring.end();
      if (!known) occurring.push_back(type);
    }
  };
  for (const Oid oid : overload.functions) {
    const catalog::Function* function = catalog_.FindFunction(oid);
    if (function == nullptr || function->routine == nullptr) continue;
    add(function->routine->result);
    for (const Oid type : function->routine->argument_types) add(type);
  }
}

void Judge::Call(const UserOverload& overload) {
  for (const Oid function : overload.functions) {
    effects_.Add(CallEffects(catalog_, function, frame_));
  }
}

void Judge::Functions(const std::vector<sql::FunctionUse>& calls) {
  for (const sql::FunctionUse& call : calls) Function(call);
}

void Judge::Function(const sql::FunctionUse& call) {
  bool found = false;
  if (const FunctionName* entry = catalog_.FunctionsNamed(call.name.name); entry != nullptr) {
    if (entry->is_builtin && MayMeanBuiltin(call.name)) {
      found = true;
      if (entry->builtin == FunctionClass::kSetConfig && settings_named_) {
        effects_.Refuse(Refusal::kSessionFunction);
      } else {
        AddFunctionClass(entry->builtin, in_client_text(), effects_);
      }
    }
    for (const UserOverload& overload : entry->user) {
      if (!overload.Takes(call.arguments) || !IsCandidate(call.name, overload)) continue;
      found = true;
      Call(overload);
    }
  }
  // A call with one argument may be a cast to the type of that name.
  if (call.arguments == 1) {
    for (const Type* type : catalog_.TypesNamed(call.name.name)) {
      if (!IsUserOid(type->oid) || !MatchesSchema(call.name, type->schema)) continue;
      found = true;
      UseType(type->oid, /*of_constant=*/false);
    }
  }
  if (!found) effects_.RunsUnknown(Refusal::kUnknownFunction);
}

void Judge::Operators(const std::vector<sql::QualifiedName>& names) {
  for (const sql::QualifiedName& name : names) {
    bool found = false;
    if (const OperatorName* entry = catalog_.OperatorsNamed(name.name); entry != nullptr) {
      if (entry->is_builtin && MayMeanBuiltin(name)) {
        found = true;
        if (!entry->builtin_trusted) effects_.RunsUnknown(Refusal::kUnknownFunction);
      }
      for (const UserOverload& overload : entry->user) {
        if (!IsCandidate(name, overload)) continue;
        found = true;
        Call(overload);
        if (direct_ != nullptr && name.name == "=") direct_->other_equality = true;
      }
    }
    if (!found) effects_.RunsUnknown(Refusal::kUnknownFunction);
  }
}

// PostgreSQL casts by itself where the types ask for it, so every cast of a type that occurs may
// run. What a cast takes and returns occurs, too.
void Judge::Casts() {
  std::set<Oid> done;
  for (size_t i = 0; i < effects_.user_types.size(); ++i) {
    const Oid type = effects_.user_types[i];
    const TypeCasts* casts = catalog_.CastsOf(type);
    if (!done.insert(type).second || casts == nullptr) continue;
    for (const Oid function : casts->functions) {
      effects_.Add(CallEffects(catalog_, function, frame_));
    }
  }
}

// Types occur in what a client's text leads to only if they occur in the text's own effects, so
// this is the one place that asks; a comparison that compares would end in itself.
void Judge::Comparisons() {
  if (!in_client_text()) return;
  const auto call = [this](Oid type) {
    const auto* functions = catalog_.ComparisonsOf(type);
    if (functions == nullptr) return;
    for (const Oid function : *functions) effects_.Add(CallEffects(catalog_, function, frame_));
  };
  call(0);
  std::set<Oid> done;
  for (size_t i = 0; i < effects_.user_types.size(); ++i) {
    const Oid type = effects_.user_types[i];
    if (done.insert(type).second) call(type);
  }
}

// A name behind a dot that is no column may be a function of the row.
void Judge::Attributes(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const FunctionName* entry = catalog_.FunctionsNamed(name);
    if (entry == nullptr) continue;
    if (entry->builtin_takes_row && !IsCacheable(entry->builtin)) {
      effects_.RunsUnknown(Refusal::kUnknownFunction);
    }
    for (const UserOverload& overload : entry->user) {
      if (overload.takes_row && path_.Contains(overload.schema)) Call(overload);
    }
  }
}

}  // namespace pgsidecar::catalog
