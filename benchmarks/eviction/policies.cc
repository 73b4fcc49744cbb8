#include "benchmarks/eviction/policies.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>

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
  node = Node{};
  node.bytes = bytes;
  node.density = static_cast<float>(server_us) / static_cast<float>(bytes);
  node.is_in = true;
  bytes_ += bytes;
  return node;
}

void Policy::Leave(uint32_t key) {
  nodes_[key].is_in = false;
  bytes_ -= nodes_[key].bytes;
}

namespace {

double P(const char* name, double value) {
  const char* const text = std::getenv(name);
  return text ? std::atof(text) : value;
}

// How many entries the store would prepare for.
size_t Places(uint64_t capacity) {
  return std::bit_ceil(std::min<size_t>(50'000, capacity / 1024) + 1);
}

// Fingerprints of keys that have left, as in cache/s3_fifo.cc: a new one overwrites an older one.
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
    if (bytes > capacity_) return;
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

// Zhang et al., "SIEVE is simpler than LRU", NSDI 2024: one queue in the order of arrival, and a
// hand that goes from the oldest to the newest, spares what was asked for and evicts what was not.
class Sieve : public Policy {
 public:
  using Policy::Policy;

  bool Ask(uint32_t key) override {
    if (!Has(key)) return false;
    nodes_[key].asked = 1;
    return true;
  }

  void Fill(uint32_t key, uint32_t bytes, uint32_t server_us) override {
    if (bytes > capacity_) return;
    while (!Fits(bytes)) Evict();
    Enter(key, bytes, server_us);
    Push(queue_, key);
  }

  void Drop(uint32_t key, bool) override {
    if (hand_ == key) hand_ = nodes_[key].newer;
    Remove(queue_, key);
    Leave(key);
  }

 private:
  void Evict() {
    for (;;) {
      if (hand_ == kNone) hand_ = queue_.oldest;
      Node& node = nodes_[hand_];
      if (node.asked == 0) return Drop(hand_, false);
      node.asked = 0;
      hand_ = node.newer;
    }
  }

  Queue queue_;
  uint32_t hand_ = kNone;
};

// Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023; as in
// cache/s3_fifo.cc.
class S3Fifo : public Policy {
 public:
  S3Fifo(uint64_t capacity, uint32_t keys) : Policy(capacity, keys), ghost_(Places(capacity)) {}

  bool Ask(uint32_t key) override {
    if (!Has(key)) return false;
    Node& node = nodes_[key];
    if (node.asked < 3) ++node.asked;
    return true;
  }

  void Fill(uint32_t key, uint32_t bytes, uint32_t server_us) override {
    if (bytes > capacity_) return;
    while (!Fits(bytes)) Evict();
    Node& node = Enter(key, bytes, server_us);
    node.queue = ghost_.Recall(key) ? 1 : 0;
    Push(queues_[node.queue], key);
  }

  void Drop(uint32_t key, bool refill) override {
    if (refill) ghost_.Remember(key);
    Remove(queues_[nodes_[key].queue], key);
    Leave(key);
  }

 private:
  void Evict() {
    Queue& small = queues_[0];
    Queue& main = queues_[1];
    for (;;) {
      if (small.oldest != kNone && (main.oldest == kNone || small.bytes >= bytes() / 10)) {
        const uint32_t key = small.oldest;
        Node& node = nodes_[key];
        if (node.asked < 2) return Drop(key, true);
        Remove(small, key);
        node.asked = 0;
        node.queue = 1;
        Push(main, key);
      } else {
        const uint32_t key = main.oldest;
        Node& node = nodes_[key];
        if (node.asked == 0) return Drop(key, false);
        --node.asked;
        Remove(main, key);
        Push(main, key);
      }
    }
  }

  Queue queues_[2];  // small, main
  Ghost ghost_;
};

// How often a key was asked for lately: a count-min sketch of four rows (Cormode and Muthukrishnan,
// "An improved data stream summary", J. Algorithms 2005), only the least counters raised, up to 15,
// all halved at times (Einziger et al., "TinyLFU", ACM TOS 2017).
class Sketch {
 public:
  explicit Sketch(size_t width) : width_(width), counts_(4 * width) {}

  void Count(uint32_t key, size_t entries) {
    const uint8_t least = Estimate(key);
    if (least < 15) {
      for (int row = 0; row < 4; ++row) {
        uint8_t& count = counts_[Place(key, row)];
        if (count == least) ++count;
      }
    }
    if (++counted_ < 10 * std::max<size_t>(entries, 100)) return;
    counted_ /= 2;
    for (uint8_t& count : counts_) count /= 2;
  }

  uint8_t Estimate(uint32_t key) const {
    uint8_t least = 15;
    for (int row = 0; row < 4; ++row) least = std::min(least, counts_[Place(key, row)]);
    return least;
  }

 private:
  size_t Place(uint32_t key, int row) const {
    const uint64_t hash = Mix(uint64_t{key} + 1) >> (16 * row);
    return static_cast<size_t>(row) * width_ + (Mix(hash + static_cast<uint64_t>(row)) &
                                                (width_ - 1));
  }

  const size_t width_;
  std::vector<uint8_t> counts_;
  size_t counted_ = 0;
};

// W-TinyLFU (Einziger et al., ACM TOS 2017): an LRU window of a hundredth, and a main part of two
// LRU queues, whose entries leave only for one that was asked for more often. Sizes: a newcomer has
// to outweigh all that must leave for it together (AV of Einziger, Eytan, Friedman, Manes,
// "Lightweight robust size aware cache management", ACM TOS 2022). Should kByCost be set, counts
// are multiplied with the server time, as in "Boosting cache performance by access time
// measurements" (Einziger, Himelbrand, Waisbard, ACM TOS 2023).
template <bool kByCost>
class WTinyLfu : public Policy {
 public:
  WTinyLfu(uint64_t capacity, uint32_t keys)
      : Policy(capacity, keys),
        window_bytes_(capacity / 100),
        sketch_(std::max<size_t>(Places(capacity), 1024)) {}

  bool Ask(uint32_t key) override {
    sketch_.Count(key, entries_);
    if (!Has(key)) return false;
    Node& node = nodes_[key];
    Remove(queues_[node.queue], key);
    if (node.queue == kProbation) node.queue = kProtected;
    Push(queues_[node.queue], key);
    while (queues_[kProtected].bytes > (capacity_ - window_bytes_) / 10 * 8) {
      Move(queues_[kProtected].oldest, kProbation);
    }
    return true;
  }

  void Fill(uint32_t key, uint32_t bytes, uint32_t server_us) override {
    if (bytes > capacity_ - window_bytes_) return;
    if (bytes > window_bytes_) {
      if (MakeRoom(key, bytes, server_us)) Put(key, bytes, server_us, kProbation);
      return;
    }
    while (queues_[kWindow].bytes + bytes > window_bytes_) {
      const uint32_t candidate = queues_[kWindow].oldest;
      const Node& node = nodes_[candidate];
      const double us = static_cast<double>(node.density) * node.bytes;
      if (MakeRoom(candidate, node.bytes, us)) {
        Move(candidate, kProbation);
      } else {
        Drop(candidate, false);
      }
    }
    Put(key, bytes, server_us, kWindow);
  }

  void Drop(uint32_t key, bool) override {
    --entries_;
    Remove(queues_[nodes_[key].queue], key);
    Leave(key);
  }

 private:
  enum { kWindow, kProbation, kProtected };

  void Put(uint32_t key, uint32_t bytes, uint32_t server_us, uint8_t queue) {
    ++entries_;
    Enter(key, bytes, server_us).queue = queue;
    Push(queues_[queue], key);
  }

  void Move(uint32_t key, uint8_t queue) {
    Remove(queues_[nodes_[key].queue], key);
    nodes_[key].queue = queue;
    Push(queues_[queue], key);
  }

  double Weight(uint32_t key, double server_us) const {
    return sketch_.Estimate(key) * (kByCost ? server_us : 1);
  }

  // Makes room in the main part if the candidate is worth it.
  bool MakeRoom(uint32_t candidate, uint32_t bytes, double server_us) {
    const uint64_t room = capacity_ - window_bytes_;
    const double weight = Weight(candidate, server_us);
    uint64_t taken = queues_[kProbation].bytes + queues_[kProtected].bytes;
    double victims_weight = 0;
    victims_.clear();
    for (const int queue : {kProbation, kProtected}) {
      for (uint32_t key = queues_[queue].oldest; key != kNone && taken + bytes > room;
           key = nodes_[key].newer) {
        const Node& node = nodes_[key];
        victims_.push_back(key);
        taken -= node.bytes;
        victims_weight += Weight(key, static_cast<double>(node.density) * node.bytes);
        if (victims_weight >= weight) break;
      }
      if (!victims_.empty() && victims_weight >= weight) break;
    }
    if (!victims_.empty() && victims_weight >= weight) {
      // Whoever has held its place has its turn again.
      for (const uint32_t key : victims_) Move(key, nodes_[key].queue);
      return false;
    }
    for (const uint32_t key : victims_) Drop(key, false);
    return true;
  }

  const uint64_t window_bytes_;
  Queue queues_[3];
  Sketch sketch_;
  size_t entries_ = 0;
  std::vector<uint32_t> victims_;
};

// GreedyDual-Size-Frequency (Cherkasova, HP Labs 1998): the least of L + uses * cost / bytes leaves,
// and L becomes what it had. A heap, moved at every hit.
class Gdsf : public Policy {
 public:
  using Policy::Policy;

  bool Ask(uint32_t key) override {
    if (!Has(key)) return false;
    Node& node = nodes_[key];
    uses_[key]++;
    node.due = level_ + uses_[key] * static_cast<double>(node.density);
    SiftDown(node.place);
    return true;
  }

  void Fill(uint32_t key, uint32_t bytes, uint32_t server_us) override {
    if (bytes > capacity_) return;
    while (!Fits(bytes)) {
      level_ = nodes_[heap_[0]].due;
      Drop(heap_[0], false);
    }
    Node& node = Enter(key, bytes, server_us);
    uses_.resize(nodes_.size());
    uses_[key] = 1;
    node.due = level_ + static_cast<double>(node.density);
    heap_.push_back(key);
    node.place = static_cast<uint32_t>(heap_.size() - 1);
    SiftUp(node.place);
  }

  void Drop(uint32_t key, bool) override {
    const uint32_t place = nodes_[key].place;
    const uint32_t last = heap_.back();
    heap_.pop_back();
    Leave(key);
    if (last == key) return;
    Set(place, last);
    SiftUp(place);
    SiftDown(nodes_[last].place);
  }

 private:
  void Set(uint32_t place, uint32_t key) {
    heap_[place] = key;
    nodes_[key].place = place;
  }
  double Due(uint32_t place) const { return nodes_[heap_[place]].due; }
  void SiftUp(uint32_t place) {
    const uint32_t key = heap_[place];
    for (; place > 0 && Due((place - 1) / 2) > nodes_[key].due; place = (place - 1) / 2) {
      Set(place, heap_[(place - 1) / 2]);
    }
    Set(place, key);
  }
  void SiftDown(uint32_t place) {
    const uint32_t key = heap_[place];
    for (;;) {
      uint32_t child = 2 * place + 1;
      if (child >= heap_.size()) break;
      if (child + 1 < heap_.size() && Due(child + 1) < Due(child)) ++child;
      if (Due(child) >= nodes_[key].due) break;
      Set(place, heap_[child]);
      place = child;
    }
    Set(place, key);
  }

  std::vector<uint32_t> heap_;
  std::vector<uint32_t> uses_;
  double level_ = 0;
};

#include "benchmarks/eviction/candidates.inc"

template <typename Kind>
std::unique_ptr<Policy> Make(uint64_t capacity, uint32_t keys) {
  return std::make_unique<Kind>(capacity, keys);
}

}  // namespace

const std::vector<PolicyKind>& AllPolicies() {
  static const std::vector<PolicyKind> all = {
      {"LRU", Make<Lru>},
      {"SIEVE", Make<Sieve>},
      {"S3-FIFO", Make<S3Fifo>},
      {"W-TinyLFU", Make<WTinyLfu<false>>},
      {"W-TinyLFU-cost", Make<WTinyLfu<true>>},
      {"GDSF", Make<Gdsf>},
      {"Classes", Make<Classes>},
      {"S3-cost", Make<S3Cost>},
      {"SIEVE-cost", Make<SieveCost>},
  };
  return all;
}

void CheckPolicies() {}

}  // namespace pgsidecar::eviction
