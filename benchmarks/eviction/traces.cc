// Keys come first: of how many classes, how large, how dear. Then the order: most traces draw a
// rank from a Zipf distribution and have a table that says which key has that rank.

#include "benchmarks/eviction/traces.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace pgsidecar::eviction {
namespace {

constexpr uint32_t kKeys = 40'000;      // that come again and again
constexpr uint32_t kBookkeeping = 380;  // bytes, of an entry in the store
constexpr double kLargestPayload = 8 << 20;
constexpr double kLeastServerUs = 20;
constexpr double kMostServerUs = 10'000'000;

// 2^x. Halving and doubling are exact; the series for 2^fraction is cut where it stops to matter.
double Exp2(double x) {
  double scale = 1;
  for (; x >= 1; x -= 1) scale *= 2;
  for (; x < 0; x += 1) scale /= 2;
  const double y = x * 0.69314718055994530942;
  double term = 1;
  double sum = 1;
  for (int i = 1; i < 22; ++i) {
    term = term * y / i;
    sum += term;
  }
  return scale * sum;
}

// The logarithm to base 2, by the series of artanh((m - 1) / (m + 1)) for m in [1, 2).
double Log2(double x) {
  double whole = 0;
  for (; x >= 2; x /= 2) whole += 1;
  for (; x < 1; x *= 2) whole -= 1;
  const double z = (x - 1) / (x + 1);
  double power = z;
  double sum = 0;
  for (int i = 1; i < 70; i += 2) {
    sum += power / i;
    power *= z * z;
  }
  return whole + 2 * sum / 0.69314718055994530942;
}

// xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS
// 2021), its state from SplitMix64.
class Random {
 public:
  explicit Random(uint64_t seed) {
    for (uint64_t& word : state_) word = Mix(seed += 0x9e3779b97f4a7c15);
  }

  uint64_t Next() {
    const uint64_t result = Rotate(state_[1] * 5, 7) * 9;
    const uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = Rotate(state_[3], 45);
    return result;
  }

  // In [0, 1).
  double Uniform() { return static_cast<double>(Next() >> 11) / 9007199254740992.0; }

  // Below `bound`: the upper half of a product (Lemire, "Fast random integer generation in an
  // interval", ACM TOMACS 2019) without its correction, which is below one in a thousand here.
  uint32_t Below(uint32_t bound) {
    return static_cast<uint32_t>(((Next() >> 32) * uint64_t{bound}) >> 32);
  }

  bool Chance(double probability) { return Uniform() < probability; }

  // About normal, mean 0 and deviation 1: a sum of twelve uniform numbers, never beyond 6.
  double Normal() {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += Uniform();
    return sum;
  }

  // Log-normal: half of them below `median`, about two in three within a factor of `spread`.
  double LogNormal(double median, double spread) { return median * Exp2(Normal() * Log2(spread)); }

 private:
  static uint64_t Rotate(uint64_t word, int bits) { return word << bits | word >> (64 - bits); }

  uint64_t state_[4];
};

// Ranks from 0, each as probable as 1 / (rank + 1)^skew, by inversion of the summed table
// (Devroye, "Non-uniform random variate generation", 1986, III.2).
class Zipf {
 public:
  Zipf(uint32_t ranks, double skew) : sums_(ranks) {
    double sum = 0;
    for (uint32_t i = 0; i < ranks; ++i) {
      sum += Exp2(-skew * Log2(i + 1.0));
      sums_[i] = sum;
    }
  }

  uint32_t Draw(Random& random) const {
    const double point = random.Uniform() * sums_.back();
    const auto found = std::upper_bound(sums_.begin(), sums_.end(), point);
    return static_cast<uint32_t>(std::min(found, sums_.end() - 1) - sums_.begin());
  }

 private:
  std::vector<double> sums_;
};

struct Key {
  uint32_t bytes;
  double server_us;  // in the middle
  uint16_t table = 0;
};

Key MakeKey(double payload, double server_us) {
  return {.bytes = kBookkeeping + static_cast<uint32_t>(std::clamp(payload, 40.0, kLargestPayload)),
          .server_us = std::clamp(server_us, kLeastServerUs, kMostServerUs)};
}

enum class Costs {
  kIndependent,  // size and cost have nothing to do with each other
  kClasses,      // lookups, lists, aggregates, exports
  kBySize,       // a part for every statement, and a part for every byte
  kNarrow,       // all about the same: there is nothing to be gained by looking at costs
};

const char* Name(Costs costs) {
  switch (costs) {
    case Costs::kIndependent:
      return "independent";
    case Costs::kClasses:
      return "classes";
    case Costs::kBySize:
      return "by size";
    case Costs::kNarrow:
      return "narrow";
  }
  return "";
}

// Draws in this order: that of a call's arguments is the compiler's to choose.
Key DrawKey(Random& random, double bytes, double bytes_spread, double us, double us_spread) {
  const double payload = random.LogNormal(bytes, bytes_spread);
  const double server_us = random.LogNormal(us, us_spread);
  return MakeKey(payload, server_us);
}

Key MakeLookup(Random& random) { return DrawKey(random, 300, 2, 90, 2); }
Key MakeList(Random& random) { return DrawKey(random, 8'000, 2.5, 3'000, 3); }
Key MakeAggregate(Random& random) { return DrawKey(random, 400, 2.5, 80'000, 4); }
Key MakeExport(Random& random) { return DrawKey(random, 250'000, 3, 60'000, 3); }

Key MakeKey(Costs costs, Random& random) {
  switch (costs) {
    case Costs::kIndependent:
      return DrawKey(random, 2'500, 5, 1'500, 6);
    case Costs::kClasses: {
      const double which = random.Uniform();
      if (which < 0.60) return MakeLookup(random);
      if (which < 0.88) return MakeList(random);
      if (which < 0.97) return MakeAggregate(random);
      return MakeExport(random);
    }
    case Costs::kBySize: {
      const double payload = random.LogNormal(2'500, 5);
      return MakeKey(payload, random.LogNormal(100 + payload / 10, 2));
    }
    case Costs::kNarrow:
      return DrawKey(random, 2'500, 1.5, 1'500, 1.5);
  }
  return {};
}

// Writes a trace down.
class Author {
 public:
  Author(std::string name, Costs costs, uint64_t seed, uint32_t requests)
      : costs_(costs), limit_(requests), random_(seed) {
    trace_.name = std::move(name);
    trace_.costs = Name(costs);
    trace_.requests.reserve(requests);
    for (uint32_t i = 0; i < kKeys; ++i) AddKey(MakeKey(costs, random_));
  }

  Random& random() { return random_; }
  bool IsDone() const { return trace_.requests.size() >= limit_; }
  double Progress() const {
    return static_cast<double>(trace_.requests.size()) / static_cast<double>(limit_);
  }
  const Key& KeyAt(uint32_t key) const { return keys_[key]; }

  uint32_t AddKey(const Key& key) {
    keys_.push_back(key);
    return static_cast<uint32_t>(keys_.size() - 1);
  }
  uint32_t AddKey() { return AddKey(MakeKey(costs_, random_)); }

  void SpreadOverTables(uint16_t tables) {
    trace_.tables = tables;
    for (Key& key : keys_) key.table = static_cast<uint16_t>(random_.Below(tables));
  }

  void Ask(uint32_t number) {
    if (IsDone()) return;
    const Key& key = keys_[number];
    // A server is not equally fast each time; and one in a hundred waits for a lock or the disk.
    double now = std::max(key.server_us * random_.LogNormal(1, 1.4), kLeastServerUs);
    if (random_.Chance(0.01)) now *= 15;
    trace_.requests.push_back({.key = number,
                               .bytes = key.bytes,
                               .server_us = static_cast<uint32_t>(now),
                               .table = key.table,
                               .is_write = false});
  }

  void Write(uint16_t table) {
    if (IsDone()) return;
    trace_.requests.push_back(
        {.key = table, .bytes = 0, .server_us = 0, .table = table, .is_write = true});
  }

  Trace Finish() {
    trace_.keys = static_cast<uint32_t>(keys_.size());
    std::vector<bool> is_known(keys_.size());
    for (const Request& request : trace_.requests) {
      if (request.is_write || is_known[request.key]) continue;
      is_known[request.key] = true;
      trace_.working_set_bytes += request.bytes;
    }
    return std::move(trace_);
  }

 private:
  const Costs costs_;
  const size_t limit_;
  Random random_;
  std::vector<Key> keys_;
  Trace trace_;
};

// Which key has which rank. Keys are made in no order, so at first each has its number as its rank.
std::vector<uint32_t> Ranking(uint32_t keys = kKeys) {
  std::vector<uint32_t> ranking(keys);
  std::iota(ranking.begin(), ranking.end(), 0);
  return ranking;
}

Trace MakeZipf(double skew, Costs costs, uint64_t seed, uint32_t requests) {
  Author author("zipf " + std::to_string(skew).substr(0, 3), costs, seed, requests);
  const Zipf zipf(kKeys, skew);
  while (!author.IsDone()) author.Ask(zipf.Draw(author.random()));
  return author.Finish();
}

// Now and then somebody reads thousands of keys that nobody asks for again: two requests in five.
Trace MakeScans(Costs costs, uint64_t seed, uint32_t requests) {
  Author author("scans", costs, seed, requests);
  const Zipf zipf(kKeys, 0.9);
  while (!author.IsDone()) {
    const uint32_t quiet = 3'000 + author.random().Below(6'000);
    for (uint32_t i = 0; i < quiet; ++i) author.Ask(zipf.Draw(author.random()));
    // During a scan the others go on, half as often.
    uint32_t scan = 2'000 + author.random().Below(7'000);
    for (; scan > 0 && !author.IsDone(); --scan) {
      author.Ask(author.AddKey());
      if (author.random().Chance(0.5)) author.Ask(zipf.Draw(author.random()));
    }
  }
  return author.Finish();
}

// One request in five is a dear and small aggregate with a condition that never comes again: the
// worst for whoever keeps what was dear.
Trace MakeReports(Costs costs, uint64_t seed, uint32_t requests) {
  Author author("reports", costs, seed, requests);
  const Zipf zipf(kKeys, 0.9);
  while (!author.IsDone()) {
    const bool is_report = author.random().Chance(0.2);
    author.Ask(is_report ? author.AddKey(MakeAggregate(author.random()))
                         : zipf.Draw(author.random()));
  }
  return author.Finish();
}

// While the cache is filled, nothing but such aggregates; then never again, only lookups and lists.
// What was dear is dead, and the question is for how long it stays.
Trace MakeAftermath(uint64_t seed, uint32_t requests) {
  Author author("aftermath", Costs::kClasses, seed, requests);
  const Zipf zipf(kKeys, 0.9);
  std::vector<uint32_t> keys;
  for (uint32_t i = 0; i < kKeys; ++i) {
    const bool is_lookup = author.random().Chance(0.7);
    keys.push_back(
        author.AddKey(is_lookup ? MakeLookup(author.random()) : MakeList(author.random())));
  }
  while (author.Progress() < kWarmUp) author.Ask(author.AddKey(MakeAggregate(author.random())));
  while (!author.IsDone()) author.Ask(keys[zipf.Draw(author.random())]);
  return author.Finish();
}

// A little at a time: all the while some key takes the rank of another.
Trace MakeDrift(Costs costs, uint64_t seed, uint32_t requests) {
  Author author("drift", costs, seed, requests);
  const Zipf zipf(kKeys, 0.9);
  std::vector<uint32_t> ranking = Ranking();
  while (!author.IsDone()) {
    author.Ask(ranking[zipf.Draw(author.random())]);
    // A hot rank is exchanged as often as a cold one: about ten times each in the whole trace.
    if (author.random().Chance(5.0 * kKeys / requests)) {
      std::swap(ranking[author.random().Below(kKeys)], ranking[author.random().Below(kKeys)]);
    }
  }
  return author.Finish();
}

// All at once: seven times the thousand hottest become cold, and others hot.
Trace MakeExchange(Costs costs, uint64_t seed, uint32_t requests) {
  Author author("exchange", costs, seed, requests);
  const Zipf zipf(kKeys, 1.0);
  std::vector<uint32_t> ranking = Ranking();
  for (int phase = 0; phase < 8; ++phase) {
    while (author.Progress() < (phase + 1) / 8.0 && !author.IsDone()) {
      author.Ask(ranking[zipf.Draw(author.random())]);
    }
    for (uint32_t rank = 0; rank < 1'000; ++rank) {
      std::swap(ranking[rank], ranking[1'000 + author.random().Below(kKeys - 1'000)]);
    }
  }
  return author.Finish();
}

// Two of three requests go round and round over keys that take a fifth more than the cache has;
// the third is drawn from the other keys.
Trace MakeLoop(Costs costs, uint64_t seed, uint32_t requests, double cache_share) {
  Author author("loop", costs, seed, requests);
  uint64_t all_bytes = 0;
  for (uint32_t key = 0; key < kKeys; ++key) all_bytes += author.KeyAt(key).bytes;
  const double wanted = 1.2 * cache_share * static_cast<double>(all_bytes);
  uint32_t length = 0;
  for (double bytes = 0; bytes < wanted && length < kKeys / 2; ++length) {
    bytes += author.KeyAt(length).bytes;
  }
  const Zipf zipf(kKeys - length, 0.9);
  uint32_t next = 0;
  while (!author.IsDone()) {
    if (author.random().Chance(2.0 / 3)) {
      author.Ask(next);
      next = (next + 1) % length;
    } else {
      author.Ask(length + zipf.Draw(author.random()));
    }
  }
  return author.Finish();
}

// Every hundredth request is a write to one of forty tables, and what depends on it is stale: some
// tables are written all the time, others hardly ever.
Trace MakeWrites(Costs costs, uint64_t seed, uint32_t requests) {
  Author author("writes", costs, seed, requests);
  constexpr uint16_t kTables = 40;
  author.SpreadOverTables(kTables);
  const Zipf zipf(kKeys, 0.9);
  const Zipf written(kTables, 1.0);
  while (!author.IsDone()) {
    if (author.random().Chance(0.01)) {
      author.Write(static_cast<uint16_t>(written.Draw(author.random())));
    }
    author.Ask(zipf.Draw(author.random()));
  }
  return author.Finish();
}

// A day: users come and go and look at other things, dashboards are asked for in turns during
// office hours, tables are written, and at night exports and reports run once each.
Trace MakeDay(uint64_t seed, uint32_t requests) {
  Author author("mixed day", Costs::kClasses, seed, requests);
  constexpr uint16_t kTables = 40;
  constexpr uint32_t kDashboards = 150;
  std::vector<uint32_t> dashboards;
  for (uint32_t i = 0; i < kDashboards; ++i) {
    dashboards.push_back(author.AddKey(MakeAggregate(author.random())));
  }
  author.SpreadOverTables(kTables);
  const Zipf zipf(kKeys, 0.95);
  const Zipf written(kTables, 1.0);
  std::vector<uint32_t> ranking = Ranking();
  uint32_t dashboard = 0;
  Random& random = author.random();
  while (!author.IsDone()) {
    const double hour = author.Progress() * 24;
    const bool is_office = hour >= 8 && hour < 18;
    const bool is_night = hour < 5 || hour >= 22;
    if (random.Chance(is_office ? 0.006 : 0.001)) {
      author.Write(static_cast<uint16_t>(written.Draw(random)));
    }
    if (is_night && random.Chance(0.4)) {
      const bool is_export = random.Chance(0.03);
      author.Ask(author.AddKey(is_export ? MakeExport(random) : MakeAggregate(random)));
    } else if (is_office && random.Chance(0.05)) {
      author.Ask(dashboards[dashboard++ % kDashboards]);
    } else {
      author.Ask(ranking[zipf.Draw(random)]);
    }
    if (random.Chance(2.5 * kKeys / requests)) {
      std::swap(ranking[random.Below(kKeys)], ranking[random.Below(kKeys)]);
    }
  }
  return author.Finish();
}

}  // namespace

uint64_t Mix(uint64_t number) {
  number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9;
  number = (number ^ number >> 27) * 0x94d049bb133111eb;
  return number ^ number >> 31;
}

uint64_t Trace::Checksum() const {
  uint64_t sum = 0;
  for (const Request& request : requests) {
    sum = Mix(sum ^ (uint64_t{request.key} << 32 | request.bytes));
    sum = Mix(sum ^ (uint64_t{request.server_us} << 32 | uint64_t{request.table} << 1 |
                     (request.is_write ? 1 : 0)));
  }
  return sum;
}

Trace MakeTrace(size_t number, uint64_t seed, uint32_t requests, double cache_share) {
  seed = Mix(seed * 1'000 + number);
  constexpr Costs kThree[] = {Costs::kIndependent, Costs::kClasses, Costs::kBySize};
  constexpr double kSkews[] = {0.7, 0.9, 1.1};
  if (number < 9) return MakeZipf(kSkews[number / 3], kThree[number % 3], seed, requests);
  const Costs costs = kThree[(number - 9) % 2];
  switch (number) {
    case 9:
    case 10:
      return MakeScans(costs, seed, requests);
    case 11:
    case 12:
      return MakeDrift(costs, seed, requests);
    case 13:
    case 14:
      return MakeExchange(costs, seed, requests);
    case 15:
    case 16:
      return MakeLoop(costs, seed, requests, cache_share);
    case 17:
    case 18:
      return MakeWrites(costs, seed, requests);
    case 19:
      return MakeDay(seed, requests);
    case 20:
      return MakeReports(Costs::kClasses, seed, requests);
    case 21:
      return MakeAftermath(seed, requests);
    default:
      return MakeZipf(0.9, Costs::kNarrow, seed, requests);
  }
}

bool DependsOnCacheShare(size_t number) { return number == 15 || number == 16; }

}  // namespace pgsidecar::eviction
