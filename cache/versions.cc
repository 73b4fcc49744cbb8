// The array of version words. What is argued here is where the words live and why the memory order
// is enough; versions.h has the protocol.
//
// Places. The first 1/256 of the array is for the counters of databases, the rest of its first
// quarter for those of relations and columns, and three quarters are slots. A relation that shared
// its place with a database would, at each write to it, empty the cache of that database for good,
// and a slot that shared its place with a relation would move with each write to that; so these
// kinds never meet.
//
// Memory order. All operations are sequentially consistent: on x86 a load costs the same as a
// relaxed one, and the read-modify-writes are locked instructions in any case. What has to hold:
//
// 1. Whoever has heard of a write from a socket must not match a stamp from before it. BeginWrite
//    comes before the system call that sends the write, the server's replies come after it, and a
//    reader's load comes after the system call that brought it the news. The kernel's socket code
//    synchronises the two ends (its locks release on one side and acquire on the other), so that
//    the increment happens before the load, and the load sees it or something later.
// 2. Nobody is told of a hit between a BeginWrite and its EndWrite, in which the write may already
//    be visible to some: a word with pending is never captured, and a captured word without pending
//    is unequal to any with.
// 3. One word's operations have one order (its modification order), and within it no value comes
//    back: EndWrite and Move add to the version, and 2^44 of them would have to pass between
//    capture and match for it to wrap around to the same value.
// 4. Match reads several words one after the other, not at once. If the last load finds its word
//    unmoved, it was unmoved at the time of the first load too (by 3), and so was every word in
//    between: all of them held at the moment of the first load, which is within the call.

#include "cache/versions.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <new>

#include "base/bytes.h"
#include "base/hash.h"

namespace pgsidecar::cache {
namespace {

constexpr unsigned kPendingBits = 20;
constexpr uint64_t kPendingMask = (uint64_t{1} << kPendingBits) - 1;
constexpr uint64_t kOneVersion = uint64_t{1} << kPendingBits;

// A number below `count`, evenly spread.
uint32_t Spread(uint64_t hash, uint32_t count) {
  return static_cast<uint32_t>(((hash >> 32) * count) >> 32);
}

// What tells counters of one kind apart; a kind that has no column or value leaves them 0.
uint64_t HashOf(const DatabaseId& database, uint32_t relation, uint64_t column = 0,
                uint64_t value = 0) {
  char bytes[32];
  std::memcpy(bytes, &database.cluster, 8);
  std::memcpy(bytes + 8, &database.oid, 4);
  std::memcpy(bytes + 12, &relation, 4);
  std::memcpy(bytes + 16, &column, 8);
  std::memcpy(bytes + 24, &value, 8);
  return Hash64({bytes, sizeof bytes});
}

}  // namespace

VersionTable::VersionTable(unsigned bits) : bits_(bits) {
  assert(bits >= 1 && bits < 32);
  // The kernel's zeros are words of version 0 with nothing pending: to every compiler that we know,
  // a lock-free atomic is its value.
  static_assert(Word::is_always_lock_free && sizeof(Word) == sizeof(uint64_t));
  const size_t bytes = sizeof(Word) << bits;
  void* const zeros =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (zeros == MAP_FAILED) throw std::bad_alloc();
  madvise(zeros, bytes, MADV_NOHUGEPAGE);  // a few writes would take all of it
  words_ = {static_cast<Word*>(zeros), Unmap{bytes}};
}

void VersionTable::Unmap::operator()(Word* words) const { munmap(words, bytes); }

unsigned VersionTable::BitsWithin(size_t bytes) {
  const size_t words = std::clamp(bytes / sizeof(Word), size_t{1} << 20, size_t{1} << 22);
  return static_cast<unsigned>(std::bit_width(words)) - 1;
}

uint32_t VersionTable::DatabasePlaces() const { return bits_ > 8 ? 1u << (bits_ - 8) : 1; }

uint32_t VersionTable::FirstSlot() const { return bits_ > 2 ? 1u << (bits_ - 2) : 2; }

CounterIndex VersionTable::DatabaseCounter(const DatabaseId& database) const {
  return Spread(HashOf(database, 0), DatabasePlaces());
}

CounterIndex VersionTable::RelationCounter(const DatabaseId& database, uint32_t relation) const {
  const uint32_t databases = DatabasePlaces();
  return databases + Spread(HashOf(database, relation), FirstSlot() - databases);
}

CounterIndex VersionTable::ColumnCounter(const DatabaseId& database, uint32_t relation,
                                         uint64_t column) const {
  const uint32_t databases = DatabasePlaces();
  return databases + Spread(HashOf(database, relation, column), FirstSlot() - databases);
}

CounterIndex VersionTable::SlotCounter(const DatabaseId& database, uint32_t relation,
                                       uint64_t column, uint64_t value) const {
  // The smallest tables have too few places to keep the kinds apart.
  const uint32_t first = bits_ > 1 ? FirstSlot() : 1;
  return first + Spread(HashOf(database, relation, column, value), (1u << bits_) - first);
}

void VersionTable::BeginWrite(CounterIndex counter) {
  [[maybe_unused]] const uint64_t before = words_[counter].fetch_add(1);
  assert((before & kPendingMask) != kPendingMask);
}

void VersionTable::EndWrite(CounterIndex counter) {
  // One addition does both, so that nobody can see the write ended and the version unmoved.
  [[maybe_unused]] const uint64_t before = words_[counter].fetch_add(kOneVersion - 1);
  assert((before & kPendingMask) != 0);
}

void VersionTable::Move(CounterIndex counter) { words_[counter].fetch_add(kOneVersion); }

std::optional<std::vector<Stamp>> VersionTable::Capture(
    std::span<const CounterIndex> counters) const {
  std::vector<Stamp> stamps;
  stamps.reserve(counters.size());
  for (const CounterIndex counter : counters) {
    const uint64_t word = words_[counter].load();
    if ((word & kPendingMask) != 0) return std::nullopt;
    stamps.emplace_back(counter, word);
  }
  return stamps;
}

bool VersionTable::Match(std::span<const Stamp> stamps) const {
  for (const Stamp& stamp : stamps) {
    if (words_[stamp.counter].load() != stamp.word()) return false;
  }
  return true;
}

}  // namespace pgsidecar::cache
