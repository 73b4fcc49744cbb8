// pgsidecar.cache, pgsidecar.ttl and pgsidecar.consistency of one session, transactional as any
// setting is (PostgreSQL documentation, "SET"): SET holds from its transaction's commit on, SET
// LOCAL until its end, and RESET goes back to what the startup packet said.
//
// Within a transaction there is one level, so that after ROLLBACK TO SAVEPOINT it is not known what
// holds of what was set there: the cache stays off until the end of the transaction, and afterwards
// as narrow as it ever was in it; if an age or a level was set there, off until something is set
// again.

#ifndef PGSIDECAR_PROXY_OWN_SETTINGS_H_
#define PGSIDECAR_PROXY_OWN_SETTINGS_H_

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "proxy/cache_policy.h"

namespace pgsidecar::proxy {

inline constexpr std::string_view kCacheSetting = "pgsidecar.cache";
inline constexpr std::string_view kTtlSetting = "pgsidecar.ttl";
inline constexpr std::string_view kConsistencySetting = "pgsidecar.consistency";

// Sets what `name` (with "pgsidecar.") stands for; a null `value` takes it back to `defaults`.
// 42704 if there is no such setting, 22023 if the value cannot be one of it.
std::optional<Error> SetWish(std::string_view name, const std::string* value,
                             const CacheWishes& defaults, CacheWishes& wishes);

class OwnSettings {
 public:
  // What the startup packet said: what RESET goes back to.
  void Start(const CacheWishes& defaults);
  const CacheWishes& now() const { return now_; }

  // SET, SET LOCAL or, without a value, RESET. REQUIRES: in a transaction if local.
  std::optional<Error> Set(std::string_view name, const std::string* value, bool local,
                           bool in_transaction);
  // RESET ALL, DISCARD ALL, in a transaction that is still to end, be it theirs alone.
  void ResetAll();

  void OnRollbackToSavepoint();
  void OnTransactionEnd(bool committed);

 private:
  void NoteChange(const CacheWishes& next, bool in_transaction);

  CacheWishes defaults_;
  CacheWishes now_;
  CacheWishes session_;  // now_ without what SET LOCAL did
  // The transaction's, once it has set anything.
  std::optional<CacheWishes> before_;
  CacheMode narrowest_ = CacheMode::kOn;
  bool limits_set_ = false;  // an age or a level
  bool in_doubt_ = false;    // rolled back to a savepoint
};

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_OWN_SETTINGS_H_
