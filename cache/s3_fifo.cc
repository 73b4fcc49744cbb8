#include "cache/s3_fifo.h"

#include <algorithm>
#include <utility>

namespace pgsidecar::cache {

void S3Fifo::Queue::Push(const Entry& entry) {
  entry.newer_ = nullptr;
  entry.older_ = newest;
  (newest != nullptr ? newest->newer_ : oldest) = &entry;
  newest = &entry;
  bytes += entry.ChargeBytes();
}

void S3Fifo::Queue::Remove(const Entry& entry) {
  (entry.newer_ != nullptr ? entry.newer_->older_ : newest) = entry.older_;
  (entry.older_ != nullptr ? entry.older_->newer_ : oldest) = entry.newer_;
  bytes -= entry.ChargeBytes();
}

void S3Fifo::Queue::Replace(const Entry& entry, const Entry& successor) {
  successor.newer_ = entry.newer_;
  successor.older_ = entry.older_;
  (entry.newer_ != nullptr ? entry.newer_->older_ : newest) = &successor;
  (entry.older_ != nullptr ? entry.older_->newer_ : oldest) = &successor;
  bytes -= entry.ChargeBytes();
  bytes += successor.ChargeBytes();
}

S3Fifo::S3Fifo(size_t places) : ghost_(places) {}

S3Fifo::~S3Fifo() { Clear(); }

const Entry* S3Fifo::Touch(const Digest& key) {
  const Entry* const entry = index_.Find(key);
  if (entry != nullptr && entry->asked_ < kMostAsked) ++entry->asked_;
  return entry;
}

EntryRef S3Fifo::Put(EntryRef entry) {
  const Entry& young = *entry.Detach();
  const Entry* const old = index_.Find(young.key());
  if (old == nullptr) {
    young.asked_ = 0;
    young.in_main_ = ghost_.Recall(young.key()) ? 1 : 0;
    index_.Add(young);
    QueueOf(young).Push(young);
    return nullptr;
  }
  young.asked_ = old->asked_;  // it inherits the old one's turn
  young.in_main_ = old->in_main_;
  index_.Replace(*old, young);
  QueueOf(young).Replace(*old, young);
  return EntryRef::Adopt(old);
}

// What becomes of an entry that has come to the end of its queue: true if it stays, in main. All
// that the policy weighs, it weighs here.
bool S3Fifo::HasAnotherRound(const Entry& entry) {
  return entry.in_main_ != 0 ? entry.asked_ > 0 : entry.asked_ >= 2;
}

EntryRef S3Fifo::Evict() {
  while (small_.oldest != nullptr || main_.oldest != nullptr) {
    const bool from_small =
        small_.oldest != nullptr && (main_.oldest == nullptr || small_.bytes >= bytes() / 10);
    const Entry& entry = from_small ? *small_.oldest : *main_.oldest;
    __builtin_prefetch(entry.newer_);  // whose turn is next
    if (!HasAnotherRound(entry)) {
      if (from_small) ghost_.Remember(entry.key());
      return TakeOut(entry);
    }
    QueueOf(entry).Remove(entry);
    entry.asked_ = static_cast<uint8_t>(from_small ? 0 : entry.asked_ - 1) & kMostAsked;
    entry.in_main_ = 1;
    main_.Push(entry);
  }
  return nullptr;
}

bool S3Fifo::Drop(const Entry& entry, bool refill) {
  if (index_.Find(entry.key()) != &entry) return false;
  if (refill) ghost_.Remember(entry.key());
  TakeOut(entry);
  return true;
}

EntryRef S3Fifo::TakeOut(const Entry& entry) {
  index_.Remove(entry);
  QueueOf(entry).Remove(entry);
  return EntryRef::Adopt(&entry);
}

size_t S3Fifo::Copy(size_t slot, size_t slots, std::vector<EntryRef>& to) const {
  constexpr size_t kAhead = 8;
  const size_t begin = std::min(slot, index_.slots());
  const size_t end = begin + std::min(slots, index_.slots() - begin);
  for (size_t at = begin; at < end; ++at) {
    if (at + kAhead < end) __builtin_prefetch(index_.At(at + kAhead));
    if (const Entry* const entry = index_.At(at)) to.emplace_back(entry);
  }
  return end == index_.slots() ? 0 : end;
}

std::vector<EntryRef> S3Fifo::Clear() {
  std::vector<EntryRef> all;
  all.reserve(index_.size());
  for (size_t at = 0; at < index_.slots(); ++at) {
    if (const Entry* const entry = index_.At(at)) all.push_back(EntryRef::Adopt(entry));
  }
  index_.Clear();
  small_ = main_ = Queue{};
  ghost_.Clear();
  return all;
}

}  // namespace pgsidecar::cache
