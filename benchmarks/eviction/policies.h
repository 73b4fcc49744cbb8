// Eviction policies, bounded in bytes and in entries.
//
// A policy is told of every request: Ask, and after a miss Fill with what came; Drop when an entry
// has gone stale. It makes room before it puts an entry in, so that it is never above its bounds.

#ifndef PGSIDECAR_BENCHMARKS_EVICTION_POLICIES_H_
#define PGSIDECAR_BENCHMARKS_EVICTION_POLICIES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace pgsidecar::eviction {

struct Bounds {
  uint64_t bytes = 0;
  uint64_t entries = UINT64_MAX;
};

class Policy {
 public:
  // Keys are numbers below `keys`.
  Policy(const Bounds& bounds, uint32_t keys) : bounds_(bounds), nodes_(keys) {}
  virtual ~Policy() = default;
  Policy(const Policy&) = delete;
  Policy& operator=(const Policy&) = delete;

  // Whether the key is in; counts as asking for it.
  virtual bool Ask(uint32_t key) = 0;
  // The key is not in: puts it in, or does not.
  virtual void Fill(uint32_t key, uint32_t bytes, uint32_t server_us) = 0;
  // Takes it out. `refill`: it was asked for and is going to be filled again.
  virtual void Drop(uint32_t key, bool refill) = 0;

  bool Has(uint32_t key) const { return nodes_[key].is_in; }
  const Bounds& bounds() const { return bounds_; }
  uint64_t bytes() const { return bytes_; }
  uint64_t entries() const { return entries_; }
  // The same, counted anew.
  uint64_t CountBytes() const;

 protected:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Node {
    uint32_t newer = kNone;
    uint32_t older = kNone;
    uint32_t bytes = 0;
    uint32_t server_us = 0;
    uint8_t queue = 0;
    uint8_t asked = 0;
    uint8_t uses = 0;
    bool is_in = false;
  };
  // A list through the nodes.
  struct Queue {
    uint32_t newest = kNone;
    uint32_t oldest = kNone;
    uint64_t bytes = 0;
  };

  void Push(Queue& queue, uint32_t key);
  void Remove(Queue& queue, uint32_t key);

  bool Fits(uint32_t bytes) const {
    return bytes_ + bytes <= bounds_.bytes && entries_ < bounds_.entries;
  }
  Node& Enter(uint32_t key, uint32_t bytes, uint32_t server_us);
  void Leave(uint32_t key);

  const Bounds bounds_;
  std::vector<Node> nodes_;

 private:
  uint64_t bytes_ = 0;
  uint64_t entries_ = 0;
};

struct PolicyKind {
  std::string name;
  std::unique_ptr<Policy> (*make)(const Bounds& bounds, uint32_t keys);
};
const std::vector<PolicyKind>& AllPolicies();

// Small cases worked out by hand; aborts if a policy does something else.
void CheckPolicies();

}  // namespace pgsidecar::eviction

#endif  // PGSIDECAR_BENCHMARKS_EVICTION_POLICIES_H_
