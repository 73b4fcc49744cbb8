// The queues are lists through the map's nodes, which do not move while they are in the map.

#include "cache/s3_fifo.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/bytes.h"
#include "cache/store.h"

namespace pgsidecar::cache {

void S3Fifo::Queue::Push(Node& node) {
  node.newer = nullptr;
  node.older = newest;
  (newest ? newest->newer : oldest) = &node;
  newest = &node;
  bytes += node.entry->ChargeBytes();
}

void S3Fifo::Queue::Remove(Node& node) {
  (node.newer ? node.newer->older : newest) = node.older;
  (node.older ? node.older->newer : oldest) = node.newer;
  bytes -= node.entry->ChargeBytes();
}

S3Fifo::S3Fifo(size_t places) : ghost_(places) {
  assert(places != 0 && (places & (places - 1)) == 0);
  nodes_.reserve(places);
}

const std::shared_ptr<const Entry>* S3Fifo::Find(const Digest& key) const {
  const auto found = nodes_.find(key);
  return found == nodes_.end() ? nullptr : &found->second.entry;
}

const std::shared_ptr<const Entry>* S3Fifo::Touch(const Digest& key) {
  const auto found = nodes_.find(key);
  if (found == nodes_.end()) return nullptr;
  Node& node = found->second;
  if (node.asked < kMostAsked) ++node.asked;
  return &node.entry;
}

std::shared_ptr<const Entry> S3Fifo::Put(std::shared_ptr<const Entry> entry) {
  const auto [found, is_new] = nodes_.try_emplace(entry->key);
  Node& node = found->second;
  if (is_new) {
    node.in_main = Recall(entry->key);
    node.entry = std::move(entry);
    QueueOf(node).Push(node);
    return nullptr;
  }
  Queue& queue = QueueOf(node);  // the new entry inherits the old one's turn
  queue.bytes -= node.entry->ChargeBytes();
  queue.bytes += entry->ChargeBytes();
  return std::exchange(node.entry, std::move(entry));
}

std::shared_ptr<const Entry> S3Fifo::Evict() {
  while (small_.oldest || main_.oldest) {
    if (small_.oldest && (!main_.oldest || small_.bytes >= bytes() / 10)) {
      Node& node = *small_.oldest;
      if (node.asked < 2) {
        Remember(node.entry->key);
        return TakeOut(node);
      }
      small_.Remove(node);
      node.asked = 0;
      node.in_main = true;
      main_.Push(node);
    } else {
      Node& node = *main_.oldest;
      if (node.asked == 0) return TakeOut(node);
      --node.asked;
      main_.Remove(node);
      main_.Push(node);
    }
  }
  return nullptr;
}

bool S3Fifo::Drop(const Entry& entry, bool refill) {
  const auto found = nodes_.find(entry.key);
  if (found == nodes_.end() || found->second.entry.get() != &entry) return false;
  if (refill) Remember(entry.key);
  TakeOut(found->second);
  return true;
}

std::shared_ptr<const Entry> S3Fifo::TakeOut(Node& node) {
  QueueOf(node).Remove(node);
  std::shared_ptr<const Entry> entry = std::move(node.entry);
  nodes_.erase(entry->key);
  return entry;
}

std::vector<std::shared_ptr<const Entry>> S3Fifo::All() const {
  std::vector<std::shared_ptr<const Entry>> all;
  all.reserve(nodes_.size());
  for (const auto& [key, node] : nodes_) all.push_back(node.entry);
  return all;
}

std::vector<std::shared_ptr<const Entry>> S3Fifo::Clear() {
  std::vector<std::shared_ptr<const Entry>> all = All();
  nodes_.clear();
  small_ = main_ = Queue{};
  std::fill(ghost_.begin(), ghost_.end(), 0);
  return all;
}

// The map uses the digest's first eight bytes, the store its last four; these are others.
uint64_t& S3Fifo::GhostPlace(const Digest& key) {
  const char* const bytes = reinterpret_cast<const char*>(key.data());
  return ghost_[LoadBig64(bytes + 16) & (ghost_.size() - 1)];
}

void S3Fifo::Remember(const Digest& key) {
  GhostPlace(key) = LoadBig64(reinterpret_cast<const char*>(key.data()) + 8);
}

// Whether the key is remembered; it no longer is afterwards.
bool S3Fifo::Recall(const Digest& key) {
  uint64_t& place = GhostPlace(key);
  if (place == 0 || place != LoadBig64(reinterpret_cast<const char*>(key.data()) + 8)) {
    return false;
  }
  place = 0;
  return true;
}

}  // namespace pgsidecar::cache
