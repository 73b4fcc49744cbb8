// Who fills and who waits. One mutex for all flights: it is taken by misses only, which go to the
// server anyway.

#include "cache/single_flight.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace pgsidecar::cache {

SingleFlight::SingleFlight(const VersionTable* versions) : versions_(versions) {}

SingleFlight::Role SingleFlight::Join(const Digest& key, std::span<const Stamp> stamps,
                                      WaiterId waiter) {
  const std::lock_guard lock(mutex_);
  const auto [found, is_new] = flights_.try_emplace(key);
  Flight& flight = found->second;
  if (is_new) {
    flight.stamps.assign(stamps.begin(), stamps.end());
    return Role::kLeader;
  }
  // Equal stamps: nothing that the joiner depends on has moved since the leader captured its own.
  // If they have moved since, the leader's answer will not be stored: no use in waiting for it.
  const bool same =
      std::equal(stamps.begin(), stamps.end(), flight.stamps.begin(), flight.stamps.end());
  if (!same || !versions_->Match(stamps)) return Role::kAlone;
  flight.waiters.push_back(waiter);
  return Role::kFollower;
}

std::vector<WaiterId> SingleFlight::Land(const Digest& key) {
  const std::lock_guard lock(mutex_);
  const auto found = flights_.find(key);
  assert(found != flights_.end());
  if (found == flights_.end()) return {};
  std::vector<WaiterId> waiters = std::move(found->second.waiters);
  flights_.erase(found);
  return waiters;
}

bool SingleFlight::HasFollowers(const Digest& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = flights_.find(key);
  return found != flights_.end() && !found->second.waiters.empty();
}

void SingleFlight::Leave(const Digest& key, WaiterId waiter) {
  const std::lock_guard lock(mutex_);
  const auto found = flights_.find(key);
  if (found != flights_.end()) std::erase(found->second.waiters, waiter);
}

size_t SingleFlight::in_flight() const {
  const std::lock_guard lock(mutex_);
  return flights_.size();
}

}  // namespace pgsidecar::cache
