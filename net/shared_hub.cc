#include "net/shared_hub.h"

#include <bitset>
#include <utility>

#include "base/lock_soon.h"

namespace pgsidecar::net {
SharedHub::SharedHub(const proxy::Config* config, proxy::Hub::Random random,
                     proxy::WorkerId workers)
    : hub_(config, std::move(random), workers) {}

SharedHub::Access::Access(SharedHub* shared, proxy::WorkerId self) : shared_(shared), self_(self) {
  LockSoon(shared_->mutex_);
}

SharedHub::Access::~Access() {
  std::bitset<proxy::kMaxWorkers> to_wake;
  for (proxy::WorkerId worker = 0; worker < shared_->hub_.workers(); ++worker) {
    if (worker != self_ && shared_->hub_.HasOutput(worker)) to_wake.set(worker);
  }
  shared_->mutex_.unlock();
  if (to_wake.none()) return;
  for (proxy::WorkerId worker = 0; worker < shared_->wakers_.size(); ++worker) {
    if (to_wake.test(worker)) uv_async_send(shared_->wakers_[worker]);
  }
}

}  // namespace pgsidecar::net
