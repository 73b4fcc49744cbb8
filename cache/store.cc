// Shards, each with a mutex and queues, under one budget of bytes and entries.
//
// The budget is global: two atomic counters that every insertion reserves from before it puts its
// entry in, evicting until the reservation fits. So a small budget is as usable as a large one,
// whatever the number of shards, and the entries that are in the store never exceed it. An index
// that has to grow for an entry does so first and is counted then: for that moment the sum may be
// above the bound, before as much is evicted. What makes
// room: the entry's own shard while it holds more than an even share, else the shards in turn, so
// that shards stay about even. Never are two shards locked at once.
//
// A hit takes its shard's mutex for the find and the reference. Age and stamps are judged,
// and entries freed, without it.

#include "cache/store.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <mutex>
#include <utility>

#include "base/bytes.h"
#include "base/lock_soon.h"
#include "cache/gd_fifo.h"

namespace pgsidecar::cache {
namespace {

// Threads read the clock once in a round of their loops, so that one's `now` may be a little behind
// another's. An entry from further ahead is one whose age nobody knows.
constexpr Duration kClockSkew = std::chrono::seconds(1);

// True if the entry, as far as its age goes, may be served.
bool IsFresh(const Entry& entry, TimePoint now, Duration max_age) {
  const Duration age = now - entry.filled_at();
  return age >= -kClockSkew && std::max(age, Duration{0}) < max_age;
}

}  // namespace

struct alignas(64) Store::Shard {
  // The mutex, the hits and the head of the index, with which the queues begin, are one cache line:
  // all of the shard that a hit touches, and takes from the core of another hit.
  mutable std::mutex mutex;
  // The rest is guarded by `mutex`.
  uint64_t hits = 0;
  GdFifo queues;
  size_t index_bytes = 0;  // as far as they are counted in the store's
  StoreStats stats;        // of what else is counted; entries and bytes are the queues' to say
};

// What the shards take from the start, and never give back.
size_t Store::FixedBytes(const StoreOptions& options) { return options.shards * sizeof(Shard); }

Store::Store(const StoreOptions& options, const VersionTable* versions)
    : fixed_bytes_(FixedBytes(options)),
      max_bytes_(options.max_bytes - std::min(options.max_bytes, fixed_bytes_)),
      max_entries_(options.max_entries),
      shard_count_(options.shards),
      versions_(versions),
      shards_(new Shard[options.shards]) {
  assert(std::has_single_bit(options.shards));
}

Store::~Store() = default;

Store::Shard& Store::ShardOf(const Digest& key) {
  const uint32_t last = LoadBig32(reinterpret_cast<const char*>(key.data()) + key.size() - 4);
  return shards_[last & (shard_count_ - 1)];
}

EntryRef Store::Lookup(const Digest& key, TimePoint now, const ReadPolicy& policy,
                       LookupOutcome* outcome) {
  const auto say = [outcome](LookupOutcome what) {
    if (outcome != nullptr) *outcome = what;
  };
  Shard& shard = ShardOf(key);
  EntryRef entry;
  {
    LockSoon(shard.mutex);
    const std::lock_guard lock(shard.mutex, std::adopt_lock);
    // While the mutex is held the shard's own reference cannot go.
    entry = EntryRef(shard.queues.Touch(key));
    if (!entry) {
      ++shard.stats.misses;
      say(LookupOutcome::kAbsent);
      return nullptr;
    }
    ++shard.hits;  // taken back if it proves to be dead
  }
  const bool is_fresh = IsFresh(*entry, now, policy.max_age);
  if (is_fresh && (!policy.check_stamps || versions_->Match(entry->stamps()))) {
    say(LookupOutcome::kHit);
    return entry;
  }
  say(is_fresh ? LookupOutcome::kInvalidated : LookupOutcome::kExpired);

  const std::lock_guard lock(shard.mutex);
  --shard.hits;
  ++(is_fresh ? shard.stats.stale : shard.stats.expired);
  if (shard.queues.Drop(*entry)) Release(*entry);
  CountTables(shard);
  return nullptr;
}

void Store::Drop(const Entry& entry) {
  Shard& shard = ShardOf(entry.key());
  const std::lock_guard lock(shard.mutex);
  if (shard.queues.Drop(entry)) Release(entry);
  CountTables(shard);
}

bool Store::Insert(EntryRef entry) {
  const size_t charge = entry->ChargeBytes();
  Shard& shard = ShardOf(entry->key());
  if (charge + index_bytes_.load(std::memory_order_relaxed) > max_bytes_) {
    const std::lock_guard lock(shard.mutex);
    ++shard.stats.rejected_large;
    return false;
  }
  // A write that begins after this finds the entry's stamps on its way: they will not match.
  if (!versions_->Match(entry->stamps())) return false;
  if (!Reserve(*entry, charge, shard)) return false;

  EntryRef replaced;  // freed after the mutex is
  bool has_grown = false;
  {
    const std::lock_guard lock(shard.mutex);
    const Entry* const present = shard.queues.Find(entry->key());
    if (present != nullptr && present->filled_at() > entry->filled_at() &&
        versions_->Match(present->stamps())) {
      Release(*entry);
      return false;
    }
    replaced = shard.queues.Put(std::move(entry));
    if (replaced) Release(*replaced);
    const size_t index_bytes = shard.index_bytes;
    CountTables(shard);
    has_grown = shard.index_bytes > index_bytes;
    ++shard.stats.stored;
  }
  if (has_grown) MakeRoom(shard);
  return true;
}

bool Store::Reserve(const Entry& entry, size_t charge, Shard& shard) {
  bytes_.fetch_add(charge, std::memory_order_relaxed);
  entries_.fetch_add(1, std::memory_order_relaxed);
  if (!MakeRoom(shard)) {
    // All that is reserved is on its way into the store: this entry has come at a bad moment.
    bytes_.fetch_sub(charge, std::memory_order_relaxed);
    entries_.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  Group& group = groups_[entry.group()];
  group.entries.fetch_add(1, std::memory_order_relaxed);
  group.bytes.fetch_add(charge, std::memory_order_relaxed);
  return true;
}

bool Store::IsFull() const {
  return bytes_.load(std::memory_order_relaxed) + index_bytes_.load(std::memory_order_relaxed) >
             max_bytes_ ||
         entries_.load(std::memory_order_relaxed) > max_entries_;
}

bool Store::MakeRoom(Shard& shard) {
  while (IsFull()) {
    if (EvictFrom(shard, /*only_above_share=*/true)) continue;
    bool evicted = false;
    for (unsigned i = 0; i < shard_count_ && !evicted; ++i) {
      const unsigned turn = next_eviction_.fetch_add(1, std::memory_order_relaxed);
      evicted = EvictFrom(shards_[turn & (shard_count_ - 1)], /*only_above_share=*/false);
    }
    if (!evicted) return false;
  }
  return true;
}

bool Store::EvictFrom(Shard& shard, bool only_above_share) {
  EntryRef evicted;  // freed after the mutex is
  const std::lock_guard lock(shard.mutex);
  if (only_above_share && shard.queues.bytes() <= max_bytes_ / shard_count_ &&
      shard.queues.size() <= max_entries_ / shard_count_) {
    return false;
  }
  evicted = shard.queues.Evict();
  if (!evicted) return false;
  Release(*evicted);
  CountTables(shard);
  ++shard.stats.evicted;
  return true;
}

void Store::Release(const Entry& entry) {
  const size_t charge = entry.ChargeBytes();
  bytes_.fetch_sub(charge, std::memory_order_relaxed);
  entries_.fetch_sub(1, std::memory_order_relaxed);
  Group& group = groups_[entry.group()];
  group.entries.fetch_sub(1, std::memory_order_relaxed);
  group.bytes.fetch_sub(charge, std::memory_order_relaxed);
}

void Store::CountTables(Shard& shard) {
  const size_t bytes = shard.queues.index_bytes();
  if (bytes == shard.index_bytes) return;
  index_bytes_.fetch_add(bytes - shard.index_bytes, std::memory_order_relaxed);  // modulo 2^64
  shard.index_bytes = bytes;
}

size_t Store::Sweep(TimePoint now, size_t places) {
  const std::lock_guard sweeping(sweep_mutex_);
  size_t swept = 0;
  for (unsigned ends = 0; places > 0 && ends < shard_count_;) {
    Shard& shard = shards_[swept_shard_];
    places -= SweepSome(shard, now, places, &swept);
    if (swept_slot_ != 0) continue;
    swept_shard_ = (swept_shard_ + 1) & (shard_count_ - 1);
    ++ends;
  }
  return swept;
}

// A piece so small that nobody waits for the shard for long. What moves meanwhile, from a piece
// that is still to come to one that is over, waits for the next time. Returns how many places it
// was.
size_t Store::SweepSome(Shard& shard, TimePoint now, size_t places, size_t* swept) {
  constexpr size_t kMost = 64;
  std::vector<EntryRef> found;
  size_t looked_at = 0;
  {
    const std::lock_guard lock(shard.mutex);
    const size_t left = shard.queues.slots() - std::min(swept_slot_, shard.queues.slots());
    looked_at = std::min({kMost, places, left});
    swept_slot_ = shard.queues.Copy(swept_slot_, looked_at, found);
  }
  for (const EntryRef& entry : found) {
    const ReadPolicy keep = entry->keep();
    if (IsFresh(*entry, now, keep.max_age) &&
        (!keep.check_stamps || versions_->Match(entry->stamps()))) {
      continue;
    }
    const std::lock_guard lock(shard.mutex);
    if (!shard.queues.Drop(*entry)) continue;
    Release(*entry);
    CountTables(shard);
    ++shard.stats.swept;
    ++*swept;
  }
  return looked_at;
}

size_t Store::Clear() {
  size_t cleared = 0;
  for (unsigned i = 0; i < shard_count_; ++i) {
    Shard& shard = shards_[i];
    std::vector<EntryRef> entries;
    {
      const std::lock_guard lock(shard.mutex);
      entries = shard.queues.Clear();
      CountTables(shard);
    }
    for (const EntryRef& entry : entries) Release(*entry);
    cleared += entries.size();
  }
  return cleared;
}

StoreStats Store::Stats() const {
  StoreStats sum;
  sum.table_bytes = fixed_bytes_;
  for (unsigned i = 0; i < shard_count_; ++i) {
    const Shard& shard = shards_[i];
    const std::lock_guard lock(shard.mutex);
    sum.entries += shard.queues.size();
    sum.bytes += shard.queues.bytes();
    sum.table_bytes += shard.queues.index_bytes();
    sum.hits += shard.hits;
    sum.misses += shard.stats.misses;
    sum.stale += shard.stats.stale;
    sum.expired += shard.stats.expired;
    sum.stored += shard.stats.stored;
    sum.evicted += shard.stats.evicted;
    sum.swept += shard.stats.swept;
    sum.rejected_large += shard.stats.rejected_large;
  }
  for (size_t i = 0; i < kGroups; ++i) {
    sum.groups[i] = {.entries = groups_[i].entries.load(std::memory_order_relaxed),
                     .bytes = groups_[i].bytes.load(std::memory_order_relaxed)};
  }
  return sum;
}

}  // namespace pgsidecar::cache
