// The lists of trusted_functions_*.inc as one hash table, built on first use.

#include "catalog/trusted_functions.h"

#include <initializer_list>
#include <unordered_map>

namespace pgsidecar::catalog {
namespace {

using Classes = std::unordered_map<std::string_view, FunctionClass>;

void Add(Classes& classes, FunctionClass function_class,
         std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) classes.insert_or_assign(name, function_class);
}

Classes MakeClasses() {
  Classes classes;
  Add(classes, FunctionClass::kPure,
      {
#include "catalog/trusted_functions_pure.inc"
      });
#define TRUST(function_class, ...) Add(classes, FunctionClass::function_class, {__VA_ARGS__});
#include "catalog/trusted_functions_other.inc"
#undef TRUST
  return classes;
}

}  // namespace

FunctionClass TrustedClass(std::string_view name) {
  static const Classes classes = MakeClasses();
  const auto found = classes.find(name);
  return found == classes.end() ? FunctionClass::kUnknown : found->second;
}

bool VolatilityFits(FunctionClass function_class, char volatility) {
  switch (function_class) {
    case FunctionClass::kPure:
      return volatility == 'i';
    case FunctionClass::kSetting:
      return volatility == 'i' || volatility == 's';
    default:
      return true;
  }
}

}  // namespace pgsidecar::catalog
