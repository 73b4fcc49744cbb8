// The hub that all workers share, behind one lock.
//
// The hub is pure, so what is done under the lock is computing: a microsecond for a hit. System
// calls are made without it. Who has given the hub an input takes what is his own out of it before
// letting go; the workers that have something to do besides are woken when the lock is free.

#ifndef PGSIDECAR_NET_SHARED_HUB_H_
#define PGSIDECAR_NET_SHARED_HUB_H_

#include <uv.h>

#include <cstdint>
#include <limits>
#include <mutex>
#include <vector>

#include "proxy/hub.h"

namespace pgsidecar::net {

class SharedHub {
 public:
  // As `self` of Lock: the caller is no worker, and takes nothing.
  static constexpr proxy::WorkerId kNobody = std::numeric_limits<proxy::WorkerId>::max();

  // The hub, for as long as it lives.
  class Access {
   public:
    Access(SharedHub* shared, proxy::WorkerId self);
    ~Access();
    Access(const Access&) = delete;
    Access& operator=(const Access&) = delete;

    proxy::Hub& operator*() { return shared_->hub_; }
    proxy::Hub* operator->() { return &shared_->hub_; }

   private:
    SharedHub* shared_;
    proxy::WorkerId self_;
  };

  // `config` outlives the hub.
  SharedHub(const proxy::Config* config, proxy::Hub::Random random, proxy::WorkerId workers);

  // How the next worker is woken; in their order, before the first Lock. It outlives every Access.
  void AddWaker(uv_async_t* waker) { wakers_.push_back(waker); }
  // As the hub's, which needs no lock.
  cache::Sweeper* sweeper() { return hub_.sweeper(); }
  // From any thread. `self` is the worker that will have taken its output before the access ends.
  Access Lock(proxy::WorkerId self) { return Access(this, self); }

 private:
  std::mutex mutex_;  // guards hub_
  proxy::Hub hub_;
  std::vector<uv_async_t*> wakers_;
};

}  // namespace pgsidecar::net

#endif  // PGSIDECAR_NET_SHARED_HUB_H_
