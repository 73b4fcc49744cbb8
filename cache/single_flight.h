// Single-flight: one fill a key at a time. A second reader of a key that is being filled may wait
// for the first instead of asking the server again, as long as nothing that it must see has changed
// since the first was sent. Same key means same identity and settings, so a follower may have what
// the leader may have.

#ifndef PGSIDECAR_CACHE_SINGLE_FLIGHT_H_
#define PGSIDECAR_CACHE_SINGLE_FLIGHT_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "cache/versions.h"

namespace pgsidecar::cache {

using WaiterId = uint64_t;

class SingleFlight {
 public:
  explicit SingleFlight(const VersionTable* versions);

  enum class Role : uint8_t {
    kLeader,    // fills, and must call Land exactly once, whatever happens
    kFollower,  // waits; is named by the leader's Land
    kAlone,     // fills without leading: a leader is under way whose answer would be too old
  };
  // `stamps` are the joiner's own, captured now. A follower's stamps must equal the leader's.
  Role Join(const Digest& key, std::span<const Stamp> stamps, WaiterId waiter);

  // The leader is done, well or badly: who waited, in order of arrival. Each looks in the store
  // again and, if it finds nothing, asks the server itself without joining.
  std::vector<WaiterId> Land(const Digest& key);

  // Whether somebody waits for the leader of `key`.
  bool HasFollowers(const Digest& key) const;

  // A follower gives up (its limit has passed, or its client is gone).
  void Leave(const Digest& key, WaiterId waiter);

  size_t in_flight() const;

 private:
  struct Flight {
    std::vector<Stamp> stamps;
    std::vector<WaiterId> waiters;
  };
  const VersionTable* versions_;
  mutable std::mutex mutex_;
  std::unordered_map<Digest, Flight, DigestHash> flights_;
};

}  // namespace pgsidecar::cache

#endif  // PGSIDECAR_CACHE_SINGLE_FLIGHT_H_
