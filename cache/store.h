// The store: immutable results under their keys, sharded by digest, bounded in bytes and in
// entries.
//
// The bound is one for all shards and counts everything that the store takes: the entries' blocks
// (Entry::ChargeBytes) and the tables that find them. When it is passed, entries are evicted by
// what they save (see gd_fifo.h), a shard at a time, never the whole store under one lock. Entries
// are handed out as EntryRef: an eviction never takes a result from a client that is being sent it.

#ifndef PGSIDECAR_CACHE_STORE_H_
#define PGSIDECAR_CACHE_STORE_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "base/clock.h"
#include "base/hash.h"
#include "cache/entry.h"
#include "cache/versions.h"

namespace pgsidecar::cache {

// What a lookup came to.
enum class LookupOutcome : uint8_t {
  kHit,
  kAbsent,
  kExpired,      // there was an entry past its age
  kInvalidated,  // there was one whose stamps had moved
};

struct GroupStats {
  uint64_t entries = 0;
  uint64_t bytes = 0;
};

struct StoreOptions {
  size_t max_bytes = size_t{256} << 20;  // of entries and of what finds them
  size_t max_entries = 50'000;
  unsigned shards = 16;  // a power of two
};

struct StoreStats {
  uint64_t entries = 0;
  uint64_t bytes = 0;        // of entries
  uint64_t table_bytes = 0;  // of what finds them
  uint64_t hits = 0;
  uint64_t misses = 0;   // no entry
  uint64_t stale = 0;    // an entry whose stamps had moved: counted as an invalidation
  uint64_t expired = 0;  // an entry past its age
  uint64_t stored = 0;
  uint64_t evicted = 0;         // to make room
  uint64_t swept = 0;           // by Sweep
  uint64_t rejected_large = 0;  // larger than the whole store
  std::array<GroupStats, kGroups> groups;
};

class Store {
 public:
  // `versions` outlives the store.
  Store(const StoreOptions& options, const VersionTable* versions);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // The entry under `key` if the policy accepts it at `now`: younger than max_age, and unchanged
  // where stamps are checked. A stale or expired one is dropped. `outcome` is told which it was.
  // Any thread, as all of these.
  EntryRef Lookup(const Digest& key, TimePoint now, const ReadPolicy& policy,
                  LookupOutcome* outcome = nullptr);

  // Drops this very entry, if it is still there. REQUIRES: the caller has a reference of his own.
  void Drop(const Entry& entry);

  // Stores the entry if its stamps still match; replaces what stands under its key, unless that is
  // valid and was sent to the server later (it may show foreign writes that this one does not).
  // Returns whether it was stored. REQUIRES: it was in no store before.
  bool Insert(EntryRef entry);

  // Goes on through the store where the last call has stopped, by up to `places` of the tables and
  // not more than once around, and drops what its filler would not read any more: too old, or
  // stale. Returns how many.
  size_t Sweep(TimePoint now, size_t places = SIZE_MAX);
  // How many places there are to be swept.
  size_t places() const { return index_bytes_.load(std::memory_order_relaxed) / sizeof(uint64_t); }

  // Drops everything; returns how many entries that was. A fill that is under way is stored all the
  // same: whoever must prevent that moves the databases' counters first.
  size_t Clear();

  StoreStats Stats() const;

 private:
  struct Shard;
  static size_t FixedBytes(const StoreOptions& options);
  Shard& ShardOf(const Digest& key);

  // Takes an entry's cost from the budget, evicting what is in the way; false if there is no way.
  bool Reserve(const Entry& entry, size_t charge, Shard& shard);
  bool IsFull() const;
  // Evicts while the store is full; false if it still is when there is nothing left to evict.
  bool MakeRoom(Shard& shard);
  bool EvictFrom(Shard& shard, bool only_above_share);
  size_t SweepSome(Shard& shard, TimePoint now, size_t places, size_t* swept);
  // Gives back the cost of an entry that is no longer in the store.
  void Release(const Entry& entry);
  // After a change of the shard's entries, within its mutex: its index may have another size.
  void CountTables(Shard& shard);

  const size_t fixed_bytes_;  // what is there from the start
  const size_t max_bytes_;    // for entries and indexes: the fixed bytes are deducted
  const size_t max_entries_;
  const unsigned shard_count_;
  const VersionTable* versions_;
  // What is in the store or about to be put in. An entry is put in only after these, with it, were
  // within the bounds, so what is in is always within them.
  std::atomic<size_t> bytes_ = 0;
  std::atomic<size_t> entries_ = 0;
  std::atomic<size_t> index_bytes_ = 0;  // all shards'
  // Of entries_ and bytes_, by group; moved when an entry is put in and when it is out.
  struct Group {
    std::atomic<size_t> entries = 0;
    std::atomic<size_t> bytes = 0;
  };
  std::array<Group, kGroups> groups_;
  std::atomic<unsigned> next_eviction_ = 0;
  std::mutex sweep_mutex_;  // one sweeps at a time; guards the next two
  unsigned swept_shard_ = 0;
  size_t swept_slot_ = 0;
  std::unique_ptr<Shard[]> shards_;
};

}  // namespace pgsidecar::cache

#endif  // PGSIDECAR_CACHE_STORE_H_
