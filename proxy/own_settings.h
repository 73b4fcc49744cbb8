// pgsidecar.cache of one session, transactional as any setting is (PostgreSQL documentation,
// "SET"): SET holds from its transaction's commit on, SET LOCAL until its end.
//
// Within a transaction there is one level: after ROLLBACK TO SAVEPOINT the cache stays off until
// the end if it was ever set off there, which is safe.

#ifndef PGSIDECAR_PROXY_OWN_SETTINGS_H_
#define PGSIDECAR_PROXY_OWN_SETTINGS_H_

#include <optional>

namespace pgsidecar::proxy {

class OwnSettings {
 public:
  bool cache() const { return local_.value_or(cache_); }

  void SetCache(bool on, bool in_transaction) {
    if (in_transaction && !before_) before_ = cache_;
    off_seen_ |= in_transaction && !on;
    cache_ = on;
    local_.reset();
  }
  // REQUIRES: in a transaction; elsewhere SET LOCAL has no effect.
  void SetCacheLocal(bool on) {
    off_seen_ |= !on;
    local_ = on;
  }

  void OnRollbackToSavepoint() {
    if (off_seen_) local_ = false;
  }
  void OnTransactionEnd(bool committed) {
    if (!committed && before_) cache_ = *before_;
    before_.reset();
    local_.reset();
    off_seen_ = false;
  }

 private:
  bool cache_ = true;
  std::optional<bool> local_;   // by SET LOCAL
  std::optional<bool> before_;  // what cache_ was when the transaction first changed it
  bool off_seen_ = false;       // in this transaction
};

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_OWN_SETTINGS_H_
