// The functions of pg_catalog that are known to be harmless, by name, and what an answer that used
// one depends on. A list, because declared volatility proves nothing; a name that is not on it is
// unknown.

#ifndef PGSIDECAR_CATALOG_TRUSTED_FUNCTIONS_H_
#define PGSIDECAR_CATALOG_TRUSTED_FUNCTIONS_H_

#include <cstdint>
#include <string_view>

namespace pgsidecar::catalog {

enum class FunctionClass : uint8_t {
  kUnknown,      // may do anything
  kPure,         // depends on its arguments
  kSetting,      // and on settings that are in the key, or on catalogs
  kTime,         // and on the clock, or may turn text into dates
  kVolatile,     // another answer each time, no effect
  kIdentity,     // on who asks, and from where
  kKeyIdentity,  // on who asks, as far as that is in the key
  kCurrentSetting,
  kCatalogInfo,    // on the catalogs, at the moment of the call
  kSequence,       // nextval and setval: leave session state
  kSequenceState,  // currval and lastval, which read it
  kSetConfig,
  kSetSeed,
  kAdvisoryLock,  // session-level
};

// May a result that used it be cached?
inline bool IsCacheable(FunctionClass function_class) {
  return function_class == FunctionClass::kPure || function_class == FunctionClass::kSetting;
}

// The class of the name, if every overload of it in pg_catalog is PostgreSQL's own.
FunctionClass TrustedClass(std::string_view name);

// Is an overload declared `volatility` (i, s or v) what the class was given for? A newer version of
// PostgreSQL may have changed it.
bool VolatilityFits(FunctionClass function_class, char volatility);

}  // namespace pgsidecar::catalog

#endif  // PGSIDECAR_CATALOG_TRUSTED_FUNCTIONS_H_
