#include "cache/gd_fifo.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <utility>

namespace pgsidecar::cache {
namespace {

// By binary digits of the server time, in microseconds times 4096, that a hit saves for each byte.
// Who has not been asked for yet counts as if an eighth of a time.
unsigned ClassOf(const Entry& entry, unsigned uses, unsigned most) {
  const uint64_t eighths = uses == 0 ? 1 : 8 * uint64_t{uses};
  const uint64_t saved = static_cast<uint64_t>(entry.server_time().count()) << 12;
  const uint64_t worth = saved * eighths / entry.ChargeBytes() / 8;
  return std::min(static_cast<unsigned>(std::bit_width(worth)), most);
}

}  // namespace

GdFifo::~GdFifo() { Clear(); }

void GdFifo::Push(const Entry& entry) {
  const unsigned in_class = ClassOf(entry, entry.uses_, kClasses - 1);
  entry.class_ = in_class & 0x1f;
  entry.due_ = (level_ + (uint32_t{1} << in_class)) & kDueMask;
  Queue& queue = queues_[in_class];
  entry.newer_ = nullptr;
  entry.older_ = queue.newest;
  (queue.newest != nullptr ? queue.newest->newer_ : queue.oldest) = &entry;
  queue.newest = &entry;
  occupied_ |= uint32_t{1} << in_class;
  bytes_ += entry.ChargeBytes();
}

void GdFifo::Unlink(const Entry& entry) {
  Queue& queue = queues_[entry.class_];
  (entry.newer_ != nullptr ? entry.newer_->older_ : queue.newest) = entry.older_;
  (entry.older_ != nullptr ? entry.older_->newer_ : queue.oldest) = entry.newer_;
  if (queue.newest == nullptr) occupied_ &= ~(uint32_t{1} << entry.class_);
  bytes_ -= entry.ChargeBytes();
}

const Entry* GdFifo::Touch(const Digest& key) {
  const Entry* const entry = index_.Find(key);
  if (entry != nullptr && entry->asked_ < kMostAsked) ++entry->asked_;
  return entry;
}

EntryRef GdFifo::Put(EntryRef entry) {
  const Entry& young = *entry.Detach();
  const Entry* const old = index_.Find(young.key());
  if (old == nullptr) {
    young.asked_ = 0;
    young.uses_ = 0;
    index_.Add(young);
  } else {
    young.asked_ = old->asked_;
    young.uses_ = old->uses_;
    index_.Replace(*old, young);
    Unlink(*old);
  }
  Push(young);
  return EntryRef::Adopt(old);
}

// REQUIRES: there is an entry. Of several that are due at once, that which is worth least.
const Entry& GdFifo::FirstDue() const {
  const Entry* first = nullptr;
  for (uint32_t classes = occupied_; classes != 0; classes &= classes - 1) {
    const Entry* const oldest = queues_[static_cast<size_t>(std::countr_zero(classes))].oldest;
    if (first == nullptr || DueIn(*oldest) < DueIn(*first)) first = oldest;
  }
  return *first;
}

EntryRef GdFifo::Evict() {
  for (int spared = 0; occupied_ != 0; ++spared) {
    const Entry& entry = FirstDue();
    level_ = entry.due_;
    if (entry.asked_ == 0 || spared == kMostSpared) return TakeOut(entry);
    Unlink(entry);
    entry.uses_ = (entry.uses_ / 2 + entry.asked_) & 0x7;
    entry.asked_ = 0;
    Push(entry);
  }
  return nullptr;
}

bool GdFifo::Drop(const Entry& entry) {
  if (index_.Find(entry.key()) != &entry) return false;
  TakeOut(entry);
  return true;
}

EntryRef GdFifo::TakeOut(const Entry& entry) {
  index_.Remove(entry);
  Unlink(entry);
  return EntryRef::Adopt(&entry);
}

size_t GdFifo::Copy(size_t slot, size_t slots, std::vector<EntryRef>& to) const {
  constexpr size_t kAhead = 8;
  const size_t begin = std::min(slot, index_.slots());
  const size_t end = begin + std::min(slots, index_.slots() - begin);
  for (size_t at = begin; at < end; ++at) {
    if (at + kAhead < end) __builtin_prefetch(index_.At(at + kAhead));
    if (const Entry* const entry = index_.At(at)) to.emplace_back(entry);
  }
  return end == index_.slots() ? 0 : end;
}

std::vector<EntryRef> GdFifo::Clear() {
  std::vector<EntryRef> all;
  all.reserve(index_.size());
  for (size_t at = 0; at < index_.slots(); ++at) {
    if (const Entry* const entry = index_.At(at)) all.push_back(EntryRef::Adopt(entry));
  }
  index_.Clear();
  queues_.fill({});
  occupied_ = 0;
  bytes_ = 0;
  return all;
}

}  // namespace pgsidecar::cache
