// The store: immutable results under their keys, sharded by digest, bounded in bytes and in
// entries.
//
// The bound counts everything that an entry costs (Entry::charge: payload, stamps, bookkeeping).
// When it is passed, entries are evicted by S3-FIFO (Yang et al., "FIFO queues are all you need for
// cache eviction", SOSP 2023), a shard at a time, never the whole store under one lock. Entries are
// handed out as shared_ptr: an eviction never takes a result from a client that is being sent it.

#ifndef PGSIDECAR_CACHE_STORE_H_
#define PGSIDECAR_CACHE_STORE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "cache/versions.h"

namespace pgsidecar::cache {

// The bytes that the server sent, whole messages each, and what they depend on. Immutable.
struct Entry {
  Digest key;
  std::string row_description;   // 'T', or empty if the fill did not ask for one
  std::string rows;              // all 'D', in order
  std::string command_complete;  // 'C'
  uint64_t row_count = 0;
  std::vector<Stamp> stamps;
  TimePoint filled_at;      // when the fill was sent to the server, not when it was complete
  Duration server_time{0};  // from sending to the last byte: what a hit saves

  size_t ChargeBytes() const;
};

// What the reader of an entry will accept.
struct ReadPolicy {
  Duration max_age{0};
  bool check_stamps = true;  // false at consistency level `ttl`
};

struct StoreOptions {
  size_t max_bytes = size_t{256} << 20;
  size_t max_entries = 50'000;
  unsigned shards = 16;  // a power of two
};

struct StoreStats {
  uint64_t entries = 0;
  uint64_t bytes = 0;
  uint64_t hits = 0;
  uint64_t misses = 0;   // no entry
  uint64_t stale = 0;    // an entry whose stamps had moved: counted as an invalidation
  uint64_t expired = 0;  // an entry past its age
  uint64_t stored = 0;
  uint64_t evicted = 0;         // to make room
  uint64_t swept = 0;           // by Sweep
  uint64_t rejected_large = 0;  // larger than a shard's share
};

class Store {
 public:
  // `versions` outlives the store.
  Store(const StoreOptions& options, const VersionTable* versions);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // The entry under `key` if the policy accepts it at `now`; a stale or expired one is dropped.
  std::shared_ptr<const Entry> Lookup(const Digest& key, TimePoint now, const ReadPolicy& policy);

  // Stores the entry if its stamps still match; replaces what stands under its key. Returns whether
  // it was stored.
  bool Insert(std::shared_ptr<const Entry> entry);

  // Looks at one shard (the next at each call) and drops its stale entries and those filled before
  // `now - max_age`. Returns how many.
  size_t Sweep(TimePoint now, Duration max_age);

  // Drops everything; returns how many entries that was.
  size_t Clear();

  StoreStats Stats() const;

 private:
  struct Shard;
  Shard& ShardOf(const Digest& key);

  const VersionTable* versions_;
  unsigned shard_bits_;
  size_t next_sweep_ = 0;
  std::unique_ptr<Shard[]> shards_;
};

}  // namespace pgsidecar::cache

#endif  // PGSIDECAR_CACHE_STORE_H_
