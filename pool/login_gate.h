// When another login to the server may begin: so that a storm of clients does not become a storm of
// backends, and a server that is down is not hammered.
//
//      open ──could not be reached──► failing ──the server answers──► open
//
// While it is failing one login at a time tries, no sooner than a while after the last that failed.

#ifndef PGSIDECAR_POOL_LOGIN_GATE_H_
#define PGSIDECAR_POOL_LOGIN_GATE_H_

#include <cstddef>

#include "base/clock.h"
#include "base/result.h"

namespace pgsidecar::pool {

class LoginGate {
 public:
  // `in_flight`: logins that the server is at.
  bool MayStart(size_t in_flight, size_t most, TimePoint now) const {
    return failing_ ? in_flight == 0 && now >= retry_at_ : in_flight < most;
  }
  // The server has said something: it is there.
  void OnAnswered() { failing_ = false; }
  // It could not be reached, or has ended the connection without a word. `postpones`: the next
  // login waits for `retry_after` from now, even if one has failed before.
  void OnFailed(Duration retry_after, bool postpones, TimePoint now) {
    if (!failing_ || postpones) retry_at_ = now + retry_after;
    if (!failing_) failing_since_ = now;
    failing_ = true;
  }
  bool failing() const { return failing_; }
  // Whether a login that began at `started` did so knowing that the server could not be reached.
  bool IsRetry(TimePoint started) const { return failing_ && started > failing_since_; }

 private:
  bool failing_ = false;
  TimePoint failing_since_{};
  TimePoint retry_at_{};
};

}  // namespace pgsidecar::pool

#endif  // PGSIDECAR_POOL_LOGIN_GATE_H_
