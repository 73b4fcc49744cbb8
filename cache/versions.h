// Version stamps: how a cached result knows that it still holds, without an index from tables to
// results and without a lock.
//
// A fixed array of 64-bit atomic words. Each is
//
//      | version, 44 bits | writes in flight (pending), 20 bits |
//
// so that one load and one compare answers both "unchanged since" and "nothing in flight". A
// counter is a place in the array, found by hashing; two counters may share a place, which costs a
// needless miss and never a wrong answer: about every (slots / values written a second) seconds a
// slot is moved by the write of another value. Every operation is lock-free and may be called from
// any thread. The counters:
//
//      database                        moves on DDL and on writes to anything
//      any[relation]                   on every change to the relation
//      column[relation, c]             on changes whose old and new value of c are not both known
//      slot[relation, c, value]        on a change to a row whose old or new c is that value
//
// The protocol of a writer: BeginWrite on its whole write set before the bytes that may commit are
// sent; EndWrite when the server has said ReadyForQuery, before the client is told. Whatever the
// outcome was, EndWrite moves the version.

#ifndef PGSIDECAR_CACHE_VERSIONS_H_
#define PGSIDECAR_CACHE_VERSIONS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace pgsidecar::cache {

// Which database of which cluster; two that differ never share a counter on purpose.
struct DatabaseId {
  uint64_t cluster = 0;  // of the system identifier and timeline
  uint32_t oid = 0;
  bool operator==(const DatabaseId&) const = default;
};

// A place in the array.
using CounterIndex = uint32_t;

// 12 bytes rather than 16: every entry of the store has some.
struct Stamp {
  Stamp(CounterIndex at, uint64_t word)
      : counter(at),
        low_half(static_cast<uint32_t>(word)),
        high_half(static_cast<uint32_t>(word >> 32)) {}

  uint64_t word() const { return uint64_t{high_half} << 32 | low_half; }
  bool operator==(const Stamp&) const = default;

  CounterIndex counter;
  uint32_t low_half;
  uint32_t high_half;
};

class VersionTable {
 public:
  // 2^bits words; pages of them that nothing has been written to take no memory. Throws
  // std::bad_alloc. REQUIRES: 1 <= bits < 32.
  explicit VersionTable(unsigned bits = 20);
  // For a table that takes at most so many bytes, but has at least 2^20 words and at most 2^22.
  static unsigned BitsWithin(size_t bytes);

  CounterIndex DatabaseCounter(const DatabaseId& database) const;
  CounterIndex RelationCounter(const DatabaseId& database, uint32_t relation) const;
  // `column` and `value` are hashes.
  CounterIndex ColumnCounter(const DatabaseId& database, uint32_t relation, uint64_t column) const;
  CounterIndex SlotCounter(const DatabaseId& database, uint32_t relation, uint64_t column,
                           uint64_t value) const;

  // REQUIRES: fewer than 2^20 writes in flight on one place: one more would look like none.
  void BeginWrite(CounterIndex counter);
  void EndWrite(CounterIndex counter);  // REQUIRES: a BeginWrite that it ends
  void Move(CounterIndex counter);      // a change that is already over

  // The stamps of `counters`, or nullopt if any of them has a write in flight.
  std::optional<std::vector<Stamp>> Capture(std::span<const CounterIndex> counters) const;
  // True if no version has moved since the capture and nothing is in flight.
  bool Match(std::span<const Stamp> stamps) const;

 private:
  using Word = std::atomic<uint64_t>;
  struct Unmap {
    size_t bytes;
    void operator()(Word* words) const;
  };

  uint32_t DatabasePlaces() const;
  uint32_t FirstSlot() const;

  unsigned bits_;
  std::unique_ptr<Word[], Unmap> words_;
};

}  // namespace pgsidecar::cache

#endif  // PGSIDECAR_CACHE_VERSIONS_H_
