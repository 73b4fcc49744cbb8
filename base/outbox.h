// Bytes on their way out of a connection.
//
// Small pieces are copied into one growing buffer; large ones that somebody else keeps immutable (a
// cached result) are only referred to, and kept alive until they have been written. Order is kept.
//
//      segments_[0] | segments_[1] | ... | segments_[n-1]      (each owned or shared)
//      ^ head_ bytes of the first have been consumed
//
// Invariant: bytes_ is the sum over segments less head_; no segment but the last is empty.

#ifndef PGSIDECAR_BASE_OUTBOX_H_
#define PGSIDECAR_BASE_OUTBOX_H_

#include <cassert>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ref.h"

namespace pgsidecar {

class Outbox {
 public:
  // Pieces below this are cheaper to copy than to refer to.
  static constexpr size_t kShareBytes = size_t{16} * 1024;

  bool empty() const { return bytes_ == 0; }
  size_t bytes() const { return bytes_; }

  void Append(std::string_view bytes) {
    if (bytes.empty()) return;
    OwnedTail().append(bytes);
    bytes_ += bytes.size();
  }

  // `bytes` stay as they are for as long as `owner` lives.
  template <typename T>
  void AppendShared(const Ref<T>& owner, std::string_view bytes) {
    if (bytes.size() < kShareBytes) return Append(bytes);
    segments_.push_back({.owner = Owner(owner), .owned = {}, .shared = bytes});
    bytes_ += bytes.size();
  }

  // Runs `encode(std::string&)`, which appends to the outbox in place.
  template <typename Encode>
  void Emit(Encode&& encode) {
    std::string& tail = OwnedTail();
    const size_t before = tail.size();
    std::forward<Encode>(encode)(tail);
    bytes_ += tail.size() - before;
  }

  // Whether it owns memory, used or not.
  bool has_memory() const { return segments_.capacity() > 0; }

  // How many runs of bytes there are at most.
  size_t pieces() const { return segments_.size(); }

  // The first `pieces.size()` runs of bytes, in order; returns how many were filled in. They are
  // valid until the outbox is changed.
  size_t Peek(std::span<std::string_view> pieces) const {
    size_t filled = 0;
    for (const Segment& segment : segments_) {
      if (filled == pieces.size()) break;
      std::string_view view = segment.view();
      if (&segment == segments_.data()) view.remove_prefix(head_);
      if (!view.empty()) pieces[filled++] = view;
    }
    return filled;
  }

  // REQUIRES: count <= bytes().
  void Consume(size_t count) {
    assert(count <= bytes_);
    bytes_ -= count;
    if (bytes_ == 0) return Clear();
    size_t whole = 0;
    while (count >= segments_[whole].view().size() - head_) {
      count -= segments_[whole].view().size() - head_;
      head_ = 0;
      ++whole;
    }
    head_ += count;
    segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(whole));
  }

  // Keeps the capacity of a small buffer, so that a busy connection does not allocate.
  void Clear() {
    bytes_ = 0;
    head_ = 0;
    if (segments_.empty()) return;
    segments_.resize(1);
    segments_[0].owner.reset();
    segments_[0].shared = {};
    segments_[0].owned.clear();
    if (segments_[0].owned.capacity() > kShareBytes) segments_.clear();
  }

 private:
  struct Segment {
    Owner owner;  // none: the bytes are `owned`
    std::string owned;
    std::string_view shared;
    std::string_view view() const { return owner ? shared : std::string_view(owned); }
  };

  std::string& OwnedTail() {
    if (segments_.empty() || segments_.back().owner) segments_.emplace_back();
    return segments_.back().owned;
  }

  std::vector<Segment> segments_;
  size_t head_ = 0;
  size_t bytes_ = 0;
};

}  // namespace pgsidecar

#endif  // PGSIDECAR_BASE_OUTBOX_H_
