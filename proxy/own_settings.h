// pgsidecar.cache, pgsidecar.ttl and pgsidecar.consistency of one session, transactional as any
// setting is (PostgreSQL documentation, "SET"): SET holds from its transaction's commit on, SET
// LOCAL until its end, and RESET goes back to what the startup packet said. The session tells of
// every end of a transaction and of every savepoint, in the order in which the server confirms
// them.

#ifndef PGSIDECAR_PROXY_OWN_SETTINGS_H_
#define PGSIDECAR_PROXY_OWN_SETTINGS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

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
  const CacheWishes& now() const { return state_.now; }

  // SET, SET LOCAL or, without a value, RESET. Outside of a transaction Commit() follows.
  std::optional<Error> Set(std::string_view name, const std::string* value, bool local);
  // RESET ALL, DISCARD ALL.
  void ResetAll();

  void Savepoint(std::string_view name);
  void Release(std::string_view name);
  void RollbackTo(std::string_view name);
  void Commit();
  void Rollback();

 private:
  struct State {
    CacheWishes now;
    CacheWishes session;  // `now` without what SET LOCAL did
  };
  struct Mark {
    std::string name;
    State state;
  };
  std::vector<Mark>::iterator Find(std::string_view name);

  CacheWishes defaults_;
  State state_;
  CacheWishes before_;            // the transaction: in force without one
  std::vector<Mark> savepoints_;  // oldest first
};

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_OWN_SETTINGS_H_
