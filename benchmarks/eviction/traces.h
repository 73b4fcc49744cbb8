// Made-up traces of a cache's requests: the same on every machine for the same seed.
//
// A trace has keys with a size and a server time each, and an order in which they are asked for.
// Both come from generators of our own (the standard library's distributions differ between its
// implementations), and nothing rounds differently elsewhere: only +, -, *, / and comparisons of
// doubles are used, never contracted (-ffp-contract=off), no function of the C library's.

#ifndef PGSIDECAR_BENCHMARKS_EVICTION_TRACES_H_
#define PGSIDECAR_BENCHMARKS_EVICTION_TRACES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace pgsidecar::eviction {

struct Request {
  uint32_t key;        // of a write: the table that is written
  uint32_t bytes;      // what the entry costs in the cache, bookkeeping included
  uint32_t server_us;  // what the server takes for it this time
  uint16_t table;      // what the entry depends on
  bool is_write;
};

struct Trace {
  std::string name;
  std::string costs;  // how the keys' costs and sizes belong together
  std::vector<Request> requests;
  uint32_t keys = 0;
  uint16_t tables = 1;
  uint64_t working_set_bytes = 0;  // of all the keys that are asked for, one-time ones included

  // Of the whole stream, to see that two machines have made the same.
  uint64_t Checksum() const;
};

// Which traces there are. `number` below kTraces.
inline constexpr size_t kTraces = 23;

// The part of a trace that fills the cache and is not counted.
inline constexpr double kWarmUp = 0.2;

// `cache_share`: the part of the working set that the cache will hold; only the loop's length
// depends on it.
Trace MakeTrace(size_t number, uint64_t seed, uint32_t requests, double cache_share);

// Whether MakeTrace gives another trace for another share.
bool DependsOnCacheShare(size_t number);

// From 0 to 2^64 - 1, every number to another one: SplitMix64's finalizer (Steele, Lea, Flood,
// "Fast splittable pseudorandom number generators", OOPSLA 2014).
uint64_t Mix(uint64_t number);

}  // namespace pgsidecar::eviction

#endif  // PGSIDECAR_BENCHMARKS_EVICTION_TRACES_H_
