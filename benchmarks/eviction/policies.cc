// The policies that were published, and those that were tried for the store. All queues are lists
// through an array of nodes, one for every key that there is.

#include "benchmarks/eviction/policies.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>

#include "benchmarks/eviction/traces.h"

namespace pgsidecar::eviction {

uint64_t Policy::CountBytes() const {
  uint64_t sum = 0;
  for (const Node& node : nodes_) sum += node.is_in ? node.bytes : 0;
  return sum;
}

void Policy::Push(Queue& queue, uint32_t key) {
  Node& node = nodes_[key];
  node.newer = kNone;
  node.older = queue.newest;
  (queue.newest != kNone ? nodes_[queue.newest].newer : queue.oldest) = key;
  queue.newest = key;
  queue.bytes += node.bytes;
}

void Policy::Remove(Queue& queue, uint32_t key) {
  const Node& node = nodes_[key];
  (node.newer != kNone ? nodes_[node.newer].older : queue.newest) = node.older;
  (node.older != kNone ? nodes_[node.older].newer : queue.oldest) = node.newer;
  queue.bytes -= node.bytes;
}

Policy::Node& Policy::Enter(uint32_t key, uint32_t bytes, uint32_t server_us) {
  Node& node = nodes_[key];
  node = Node{.bytes = bytes, .server_us = server_us, .is_in = true};
  bytes_ += bytes;
  ++entries_;
  return node;
}

void Policy::Leave(uint32_t key) {
  nodes_[key].is_in = false;
  bytes_ -= nodes_[key].bytes;
  --entries_;
}

namespace {

// How many entries the store prepares for.
size_t Places(uint64_t bytes) { return std::bit_ceil(std::min<size_t>(50'000, bytes / 1024) + 1); }

// Fingerprints of keys that have left, in a table of fixed size: a new one overwrites an older one.
class Ghost {
 public:
  explicit Ghost(size_t places) : places_(places) {}

  void Remember(uint32_t key) { Place(key) = Fingerprint(key); }
  bool Recall(uint32_t key) {
    uint64_t& place = Place(key);
    if (place != Fingerprint(key)) return false;
    place = 0;
    return true;
  }

 private:
  static uint64_t Fingerprint(uint32_t key) { return Mix(uint64_t{key} + 1); }
  uint64_t& Place(uint32_t key) {
    return places_[Mix(uint64_t{key} + (uint64_t{1} << 40)) & (places_.size() - 1)];
  }

  std::vector<uint64_t> places_;
};

class Lru : public Policy {
 public:
  using Policy::Policy;

  bool Ask(uint32_t key) override {
    if (!Has(key)) return false;
    Remove(queue_, key);
    Push(queue_, key);
    return true;
  }

  void Fill(uint32_t key, uint32_t bytes, uint32_t server_us) override {
    if (bytes > bounds_.bytes) return;
    while (!Fits(bytes)) Drop(queue_.oldest, false);
    Enter(key, bytes, server_us);
    Push(queue_, key);
  }

  void Drop(uint32_t key, bool) override {
    Remove(queue_, key);
    Leave(key);
  }

 private:
  Queue queue_;
};

// What a byte of the entry saves, in units of 2^-12 us and scaled by `eighths`: its binary digits.
constexpr int kMostClass = 20;
int CostClass(uint32_t server_us, uint32_t bytes, uint32_t eighths) {
  const uint64_t worth = ((uint64_t{server_us} << 12) * eighths / bytes) >> 3;
  return std::min(static_cast<int>(std::bit_width(worth)), kMostClass);
}

// The cost class in the middle of what is evicted: goes up a little for each above, else down.
class Middle {
 public:
  int RoundsOf(int cost_class, int most) const {
    return std::clamp(2 * (cost_class - value_ / kUnit), 0, most);
  }
  bool IsExceededBy(int cost_class) const { return cost_class >= value_ / kUnit + 2; }
  void Count(int cost_class) { value_ += cost_class > value_ / kUnit ? 1 : -1; }

 private:
  static constexpr int kUnit = 64;
  int value_ = 8 * kUnit;
};

// Zhang et al., "SIEVE is simpler than LRU", NSDI 2024: one queue in the order of arrival, and a
// hand that goes from the oldest to the newest, spares what was asked for and evicts what was not.
//
// By cost: the dearer ones, measured against what is evicted, are spared some more times.
template <bool kByCost>
class Sieve : public Policy {
 public:
  using Policy::Policy;

  bool Ask(uint32_t key) override {
    if (!Has(key)) return false;
    nodes_[key].asked = 1;
    return true;
  }

  void Fill(uint32_t key, uint32_t bytes, uint32_t server_us) override {
    if (bytes > bounds_.bytes) return;
    while (!Fits(bytes)) Evict();
    Enter(key, bytes, server_us);
    if (kByCost) GiveRounds(key);
    Push(queue_, key);
  }

  void Drop(uint32_t key, bool) override {
    if (hand_ == key) hand_ = nodes_[key].newer;
    Remove(queue_, key);
    Leave(key);
  }

 private:
  static constexpr int kMostRounds = 30;

  void GiveRounds(uint32_t key) {
    Node& node = nodes_[key];
    const int cost_class = CostClass(node.server_us, node.bytes, 8);
    node.uses = static_cast<uint8_t>(middle_.RoundsOf(cost_class, kMostRounds));
  }

  void Evict() {
    for (;;) {
      if (hand_ == kNone) hand_ = queue_.oldest;
      Node& node = nodes_[hand_];
      if (node.asked > 0) {
        node.asked = 0;
        if (kByCost) GiveRounds(hand_);
      } else if (node.uses > 0) {
        --node.uses;
      } else {
        if (kByCost) middle_.Count(CostClass(node.server_us, node.bytes, 8));
        return Drop(hand_, false);
      }
      hand_ = node.newer;
    }
  }

  Queue queue_;
  uint32_t hand_ = kNone;
  Middle middle_;
};

// Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023.
//
// By cost: what is at least two classes dearer than what is evicted goes to main without having
// been asked for, and what is dearer goes around in main some more times.
template <bool kByCost>
class S3Fifo : public Policy {
 public:
  S3Fifo(const Bounds& bounds, uint32_t keys)
      : Policy(bounds, keys), ghost_(Places(bounds.bytes)) {}

  bool Ask(uint32_t key) override {
    if (!Has(key)) return false;
    Node& node = nodes_[key];
    if (node.asked < 3) ++node.asked;
    return true;
  }

  void Fill(uint32_t key, uint32_t bytes, uint32_t server_us) override {
    if (bytes > bounds_.bytes) return;
    while (!Fits(bytes)) Evict();
    Enter(key, bytes, server_us);
    if (ghost_.Recall(key)) {
      PushToMain(key);
    } else {
      Push(queues_[0], key);
    }
  }

  void Drop(uint32_t key, bool refill) override {
    if (refill) ghost_.Remember(key);
    Remove(queues_[nodes_[key].queue], key);
    Leave(key);
  }

 private:
  static constexpr int kMostRounds = 30;

  int ClassOf(const Node& node) const { return CostClass(node.server_us, node.bytes, 8); }

  void PushToMain(uint32_t key) {
    Node& node = nodes_[key];
    node.queue = 1;
    if (kByCost) node.uses = static_cast<uint8_t>(middle_.RoundsOf(ClassOf(node), kMostRounds));
    Push(queues_[1], key);
  }

  void Evict() {
    Queue& small = queues_[0];
    Queue& main = queues_[1];
    for (;;) {
      if (small.oldest != kNone && (main.oldest == kNone || small.bytes >= bytes() / 10)) {
        const uint32_t key = small.oldest;
        Node& node = nodes_[key];
        if (node.asked < 2 && !(kByCost && middle_.IsExceededBy(ClassOf(node)))) {
          if (kByCost) middle_.Count(ClassOf(node));
          return Drop(key, true);
        }
        Remove(small, key);
        node.asked = 0;
        PushToMain(key);
      } else {
        const uint32_t key = main.oldest;
        Node& node = nodes_[key];
        if (node.asked > 0) {
          --node.asked;
          Remove(main, key);
          PushToMain(key);
        } else if (node.uses > 0) {
          --node.uses;
          Remove(main, key);
          Push(main, key);
        } else {
          if (kByCost) middle_.Count(ClassOf(node));
          return Drop(key, false);
        }
      }
    }
  }

  Queue queues_[2];  // small, main
  Ghost ghost_;
  Middle middle_;
};

// How often a key was asked for lately: a count-min sketch of four rows (Cormode and Muthukrishnan,
// "An improved data stream summary", J. Algorithms 2005), only the least counters raised, up to 15,
// all halved at times (Einziger, Friedman, Manes, "TinyLFU", ACM TOS 2017).
class Sketch {
 public:
  explicit Sketch(size_t width) : width_(width), counts_(kRows * width) {}

  void Count(uint32_t key, uint64_t entries) {
    const uint8_t least = Estimate(key);
    if (least < kMost) {
      for (size_t row = 0; row < kRows; ++row) {
        uint8_t& count = counts_[Place(key, row)];
        if (count == least) ++count;
      }
    }
    if (++counted_ < 10 * std::max<uint64_t>(entries, 100)) return;
    counted_ /= 2;
    for (uint8_t& count : counts_) count /= 2;
  }

  uint8_t Estimate(uint32_t key) const {
    uint8_t least = kMost;
    for (size_t row = 0; row < kRows; ++row) least = std::min(least, counts_[Place(key, row)]);
    return least;
  }

 private:
  static constexpr size_t kRows = 4;
  static constexpr uint8_t kMost = 15;

  size_t Place(uint32_t key, size_t row) const {
    return row * width_ + (Mix(uint64_t{key} + 1 + (uint64_t{row} << 32)) & (width_ - 1));
  }

  const size_t width_;
  std::vector<uint8_t> counts_;
  uint64_t counted_ = 0;
};

// W-TinyLFU (Einziger, Friedman, Manes, ACM TOS 2017): an LRU window of a hundredth, and a main
// part of two LRU queues, whose entries leave only for one that was asked for more often. Sizes: a
// newcomer has to outweigh all that must leave for it together (AV of Einziger, Eytan, Friedman,
// Manes, "Lightweight robust size aware cache management", ACM TOS 2022).
//
// By cost: counts are multiplied with the server time, in the spirit of Einziger, Himelbrand,
// Waisbard, "Boosting cache performance by access time measurements", ACM TOS 2023.
template <bool kByCost>
class WTinyLfu : public Policy {
 public:
  WTinyLfu(const Bounds& bounds, uint32_t keys)
      : Policy(bounds, keys),
        window_bytes_(bounds.bytes / 100),
        window_entries_(std::max<uint64_t>(bounds.entries / 100, 1)),
        sketch_(std::max<size_t>(Places(bounds.bytes), 1024)) {}

  bool Ask(uint32_t key) override {
    sketch_.Count(key, entries());
    if (!Has(key)) return false;
    const uint8_t queue = nodes_[key].queue;
    Move(key, queue == kProbation ? uint8_t{kProtected} : queue);
    while (queues_[kProtected].bytes > (bounds_.bytes - window_bytes_) / 10 * 8) {
      Move(queues_[kProtected].oldest, kProbation);
    }
    return true;
  }

  void Fill(uint32_t key, uint32_t bytes, uint32_t server_us) override {
    if (bytes > bounds_.bytes - window_bytes_) return;
    if (bytes > window_bytes_) {
      if (MakeRoom(key, bytes, server_us)) Put(key, bytes, server_us, kProbation);
      return;
    }
    while (queues_[kWindow].bytes + bytes > window_bytes_ || in_window_ >= window_entries_) {
      const uint32_t candidate = queues_[kWindow].oldest;
      const Node& node = nodes_[candidate];
      if (MakeRoom(candidate, node.bytes, node.server_us)) {
        Move(candidate, kProbation);
      } else {
        Drop(candidate, false);
      }
    }
    Put(key, bytes, server_us, kWindow);
  }

  void Drop(uint32_t key, bool) override {
    TakeOut(key);
    Leave(key);
  }

 private:
  enum : uint8_t { kWindow, kProbation, kProtected };

  void Put(uint32_t key, uint32_t bytes, uint32_t server_us, uint8_t queue) {
    Enter(key, bytes, server_us);
    PutInto(key, queue);
  }
  void PutInto(uint32_t key, uint8_t queue) {
    nodes_[key].queue = queue;
    in_window_ += queue == kWindow ? 1 : 0;
    Push(queues_[queue], key);
  }
  void TakeOut(uint32_t key) {
    const uint8_t queue = nodes_[key].queue;
    in_window_ -= queue == kWindow ? 1 : 0;
    Remove(queues_[queue], key);
  }
  void Move(uint32_t key, uint8_t queue) {
    TakeOut(key);
    PutInto(key, queue);
  }

  uint64_t Weight(uint32_t key, uint32_t server_us) const {
    return sketch_.Estimate(key) * (kByCost ? uint64_t{server_us} : 1);
  }

  // Makes room in the main part if the candidate is worth it.
  bool MakeRoom(uint32_t candidate, uint32_t bytes, uint32_t server_us) {
    const uint64_t room = bounds_.bytes - window_bytes_;
    const uint64_t places = bounds_.entries - window_entries_;
    const uint64_t weight = Weight(candidate, server_us);
    uint64_t taken = queues_[kProbation].bytes + queues_[kProtected].bytes;
    uint64_t count = entries() - in_window_;
    uint64_t victims_weight = 0;
    victims_.clear();
    for (const uint8_t queue : {kProbation, kProtected}) {
      for (uint32_t key = queues_[queue].oldest;
           key != kNone && (taken + bytes > room || count >= places); key = nodes_[key].newer) {
        victims_.push_back(key);
        taken -= nodes_[key].bytes;
        --count;
        victims_weight += Weight(key, nodes_[key].server_us);
        if (victims_weight < weight) continue;
        // They have held their places, and go to the end of their queues.
        for (const uint32_t victim : victims_) Move(victim, nodes_[victim].queue);
        return false;
      }
    }
    for (const uint32_t key : victims_) Drop(key, false);
    return true;
  }

  const uint64_t window_bytes_;
  const uint64_t window_entries_;
  Queue queues_[3];
  uint64_t in_window_ = 0;
  Sketch sketch_;
  std::vector<uint32_t> victims_;
};

// GreedyDual-Size-Frequency (Cherkasova, "Improving WWW proxies performance with GreedyDual-Size-
// Frequency caching policy", HP Labs 1998): the least of level + uses * cost / bytes leaves, and
// the level rises to it. A heap, which every hit moves an entry in.
class Gdsf : public Policy {
 public:
  Gdsf(const Bounds& bounds, uint32_t keys) : Policy(bounds, keys), items_(keys) {}

  bool Ask(uint32_t key) override {
    if (!Has(key)) return false;
    ++items_[key].uses;
    SetDue(key);
    SiftDown(items_[key].place);
    return true;
  }

  void Fill(uint32_t key, uint32_t bytes, uint32_t server_us) override {
    if (bytes > bounds_.bytes) return;
    while (!Fits(bytes)) {
      level_ = Due(0);
      Drop(heap_[0], false);
    }
    Enter(key, bytes, server_us);
    items_[key].uses = 1;
    SetDue(key);
    heap_.push_back(key);
    SiftUp(heap_.size() - 1);
  }

  void Drop(uint32_t key, bool) override {
    const size_t place = items_[key].place;
    const uint32_t last = heap_.back();
    heap_.pop_back();
    Leave(key);
    if (last == key) return;
    Set(place, last);
    SiftUp(place);
    SiftDown(items_[last].place);
  }

 private:
  struct Item {
    double due = 0;
    size_t place = 0;
    uint32_t uses = 0;
  };

  void SetDue(uint32_t key) {
    const Node& node = nodes_[key];
    items_[key].due = level_ + static_cast<double>(items_[key].uses) * node.server_us / node.bytes;
  }
  void Set(size_t place, uint32_t key) {
    heap_[place] = key;
    items_[key].place = place;
  }
  double Due(size_t place) const { return items_[heap_[place]].due; }
  void SiftUp(size_t place) {
    const uint32_t key = heap_[place];
    for (; place > 0 && Due((place - 1) / 2) > items_[key].due; place = (place - 1) / 2) {
      Set(place, heap_[(place - 1) / 2]);
    }
    Set(place, key);
  }
  void SiftDown(size_t place) {
    const uint32_t key = heap_[place];
    for (size_t child = 2 * place + 1; child < heap_.size(); child = 2 * place + 1) {
      if (child + 1 < heap_.size() && Due(child + 1) < Due(child)) ++child;
      if (Due(child) >= items_[key].due) break;
      Set(place, heap_[child]);
      place = child;
    }
    Set(place, key);
  }

  std::vector<uint32_t> heap_;
  std::vector<Item> items_;
  double level_ = 0;
};

// GDSF without a heap and without work at a hit. As in CAMP (Ghandeharizadeh, Irani, Lam, Yap,
// Middleware 2014) an entry's worth is rounded to a power of two, and every power has a queue; what
// enters a queue later is due later, so that only the oldest of each queue have to be compared. As
// in CLOCK and S3-FIFO a hit only counts, and the count matters when an entry has become the one to
// leave: then it is queued again by what it is worth now. Until then it has an eighth of its worth.
class GdFifo : public Policy {
 public:
  GdFifo(const Bounds& bounds, uint32_t keys) : Policy(bounds, keys), dues_(keys) {}

  bool Ask(uint32_t key) override {
    if (!Has(key)) return false;
    Node& node = nodes_[key];
    if (node.asked < 3) ++node.asked;
    return true;
  }

  void Fill(uint32_t key, uint32_t bytes, uint32_t server_us) override {
    if (bytes > bounds_.bytes) return;
    while (!Fits(bytes)) Evict();
    Enter(key, bytes, server_us);
    PushByWorth(key);
  }

  void Drop(uint32_t key, bool) override {
    Remove(queues_[nodes_[key].queue], key);
    Leave(key);
  }

 private:
  void PushByWorth(uint32_t key) {
    Node& node = nodes_[key];
    const uint32_t eighths = node.uses == 0 ? 1 : node.uses * 8u;
    node.queue = static_cast<uint8_t>(CostClass(node.server_us, node.bytes, eighths));
    dues_[key] = level_ + (uint32_t{1} << node.queue);
    Push(queues_[node.queue], key);
  }

  // Whether a is before b; they are never further apart than the most class.
  static bool IsBefore(uint32_t a, uint32_t b) { return a - b >= uint32_t{1} << 31; }

  void Evict() {
    for (;;) {
      uint32_t key = kNone;
      for (const Queue& queue : queues_) {
        if (queue.oldest == kNone) continue;
        if (key == kNone || IsBefore(dues_[queue.oldest], dues_[key])) key = queue.oldest;
      }
      Node& node = nodes_[key];
      level_ = dues_[key];
      if (node.asked == 0) return Drop(key, false);
      Remove(queues_[node.queue], key);
      node.uses = static_cast<uint8_t>(node.uses / 2 + node.asked);
      node.asked = 0;
      PushByWorth(key);
    }
  }

  Queue queues_[kMostClass + 1];
  std::vector<uint32_t> dues_;
  uint32_t level_ = 0;
};

template <typename Kind>
std::unique_ptr<Policy> Make(const Bounds& bounds, uint32_t keys) {
  return std::make_unique<Kind>(bounds, keys);
}

}  // namespace

const std::vector<PolicyKind>& AllPolicies() {
  static const std::vector<PolicyKind> all = {
      {"LRU", Make<Lru>},
      {"SIEVE", Make<Sieve<false>>},
      {"S3-FIFO", Make<S3Fifo<false>>},
      {"W-TinyLFU", Make<WTinyLfu<false>>},
      {"SIEVE-cost", Make<Sieve<true>>},
      {"S3-FIFO-cost", Make<S3Fifo<true>>},
      {"W-TinyLFU-cost", Make<WTinyLfu<true>>},
      {"GDSF", Make<Gdsf>},
      {"GD-FIFO", Make<GdFifo>},
  };
  return all;
}

namespace {

// A policy that is asked, and told what to do at every miss.
class Tested {
 public:
  Tested(const char* name, uint64_t bytes) : name_(name) {
    for (const PolicyKind& kind : AllPolicies()) {
      if (kind.name == name) policy_ = kind.make({.bytes = bytes}, 1'000);
    }
  }

  // Asks for `count` keys from `key` on, all of this size and cost.
  void Ask(uint32_t key, uint32_t bytes, uint32_t server_us, uint32_t count = 1) {
    for (; count > 0; ++key, --count) {
      if (!policy_->Ask(key)) policy_->Fill(key, bytes, server_us);
    }
  }

  void ExpectIn(std::initializer_list<uint32_t> keys) const { Expect(keys, true); }
  void ExpectOut(std::initializer_list<uint32_t> keys) const { Expect(keys, false); }
  void Drop(uint32_t key) { policy_->Drop(key, true); }

 private:
  void Expect(std::initializer_list<uint32_t> keys, bool is_in) const {
    for (const uint32_t key : keys) {
      if (policy_->Has(key) == is_in) continue;
      std::fprintf(stderr, "%s: key %u should be %s\n", name_, key, is_in ? "in" : "out");
      std::abort();
    }
  }

  const char* name_;
  std::unique_ptr<Policy> policy_;
};

void CheckLruAndSieve() {
  Tested lru("LRU", 3);
  Tested sieve("SIEVE", 3);
  for (Tested* const tested : {&lru, &sieve}) {
    tested->Ask(1, 1, 1, 3);
    tested->Ask(1, 1, 1);  // a hit
    tested->Ask(4, 1, 1);
    tested->ExpectIn({1, 3, 4});
    tested->Ask(5, 1, 1);
    tested->ExpectIn({1, 4, 5});
    tested->Ask(6, 1, 1);
  }
  lru.ExpectIn({4, 5, 6});    // 1 was asked for longest ago
  sieve.ExpectIn({1, 5, 6});  // the hand was behind 1, at 4
  sieve.Drop(5);              // where the hand is
  sieve.Ask(7, 1, 1, 2);
  sieve.ExpectIn({1, 7, 8});

  Tested by_cost("SIEVE-cost", 2);
  by_cost.Ask(1, 1, 1);
  by_cost.Ask(2, 1, 0, 2);
  by_cost.ExpectIn({1, 3});
}

void CheckS3Fifo() {
  constexpr uint32_t kUnit = 1024;  // so that the ghost has places
  Tested s3_fifo("S3-FIFO", 20 * kUnit);
  s3_fifo.Ask(0, kUnit, 1, 20);
  s3_fifo.Ask(0, kUnit, 1);
  s3_fifo.Ask(0, kUnit, 1, 2);  // 0 twice, 1 once
  s3_fifo.Ask(20, kUnit, 1);
  s3_fifo.ExpectIn({0, 2});  // 0 is in main now
  s3_fifo.ExpectOut({1});    // and 1 in the ghost
  s3_fifo.Ask(1, kUnit, 1);
  s3_fifo.ExpectOut({2});
  s3_fifo.Ask(100, kUnit, 1, 100);  // these pass through the small queue
  s3_fifo.ExpectIn({0, 1, 199});
  s3_fifo.Drop(199);
  s3_fifo.Ask(199, kUnit, 1);  // its key is remembered, so it begins in main
  s3_fifo.Ask(200, kUnit, 1, 100);
  s3_fifo.ExpectIn({0, 1, 199});

  Tested by_cost("S3-FIFO-cost", 2);
  by_cost.Ask(1, 1, 1);
  by_cost.Ask(2, 1, 0, 2);
  by_cost.ExpectIn({1, 3});
}

void CheckWTinyLfu() {
  Tested plain("W-TinyLFU", 200);
  Tested by_cost("W-TinyLFU-cost", 200);
  for (Tested* const tested : {&plain, &by_cost}) {
    tested->Ask(0, 1, 1, 300);  // the main part holds the first 198, the window the last two
    tested->ExpectIn({0, 197, 298, 299});
    tested->ExpectOut({198, 297});
    tested->Ask(300, 3, 1);  // three would have to leave for one: not even with two counts
    tested->Ask(300, 3, 1);
    tested->ExpectOut({300});
    tested->Ask(299, 1, 1);  // asked for twice
    tested->Ask(400, 1, 1, 3);
    tested->ExpectIn({299});
    tested->Ask(500, 1, 9);  // asked for once, but dear
    tested->Ask(501, 1, 1, 2);
  }
  plain.ExpectOut({500});
  by_cost.ExpectIn({500});
}

void CheckGdsf() {
  Tested gdsf("GDSF", 2);
  gdsf.Ask(1, 1, 10);
  gdsf.Ask(2, 1, 1);
  gdsf.Ask(3, 1, 5);  // 2 leaves at 1, so 3 is due at 6
  gdsf.Ask(4, 1, 2);  // 3 leaves, 4 is due at 8
  gdsf.Ask(5, 1, 1);  // 5 is due at 9
  gdsf.Ask(6, 1, 2);  // 6 is due at 11
  gdsf.ExpectIn({1, 6});
  gdsf.Ask(7, 1, 1);  // 1, due at 10, leaves
  gdsf.ExpectIn({6, 7});
  gdsf.Ask(7, 1, 1);  // due at 12 now
  gdsf.Ask(8, 1, 1);
  gdsf.ExpectIn({7, 8});
}

// One that nobody has asked for, of one byte, has (us << 12) / 8: class 10 for 1 us, 14 for 16 us.
void CheckGdFifo() {
  Tested dear("GD-FIFO", 2);
  dear.Ask(1, 1, 16);     // due at 16 * 1024
  dear.Ask(2, 1, 1);      // due at 1024
  dear.Ask(3, 1, 4);      // 2 leaves; due at (1 + 4) * 1024
  dear.Ask(4, 1, 1, 11);  // 3 leaves, and each for the next; they are due at 6, 7, ... 16 * 1024
  dear.ExpectIn({1, 14});
  dear.Ask(15, 1, 1);  // 1 and 14 are due at once: the cheaper leaves
  dear.ExpectIn({1, 15});
  dear.Ask(16, 1, 1);
  dear.ExpectIn({15, 16});

  Tested asked("GD-FIFO", 2);
  asked.Ask(1, 1, 1, 2);
  asked.Ask(1, 1, 1);
  asked.Ask(3, 1, 1);  // 1's turn, but it was asked for: it is queued again, due at (1 + 8) * 1024
  asked.ExpectIn({1, 3});
  asked.Ask(4, 1, 1, 7);  // 3 was due at 2 * 1024, the last of these is at 9 * 1024
  asked.ExpectIn({1, 10});
}

}  // namespace

void CheckPolicies() {
  CheckLruAndSieve();
  CheckS3Fifo();
  CheckWTinyLfu();
  CheckGdsf();
  CheckGdFifo();
}

}  // namespace pgsidecar::eviction
