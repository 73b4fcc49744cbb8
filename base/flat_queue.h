// A queue in one piece of memory: what is pushed while it is short costs no allocation, and what is
// empty keeps a small capacity only.

#ifndef PGSIDECAR_BASE_FLAT_QUEUE_H_
#define PGSIDECAR_BASE_FLAT_QUEUE_H_

#include <cstddef>
#include <utility>
#include <vector>

namespace pgsidecar {

// As a std::deque of which only the front is taken away, but that any push or pop invalidates
// iterators and references. An element is destroyed when it is popped. REQUIRES: a T that can be
// moved and made from nothing.
template <typename T>
class FlatQueue {
 public:
  using iterator = typename std::vector<T>::iterator;
  using const_iterator = typename std::vector<T>::const_iterator;

  bool empty() const { return head_ == items_.size(); }
  size_t size() const { return items_.size() - head_; }
  T& front() { return items_[head_]; }
  const T& front() const { return items_[head_]; }
  T& back() { return items_.back(); }
  const T& back() const { return items_.back(); }
  T& operator[](size_t i) { return items_[head_ + i]; }
  const T& operator[](size_t i) const { return items_[head_ + i]; }
  iterator begin() { return items_.begin() + static_cast<std::ptrdiff_t>(head_); }
  iterator end() { return items_.end(); }
  const_iterator begin() const { return items_.begin() + static_cast<std::ptrdiff_t>(head_); }
  const_iterator end() const { return items_.end(); }

  void push_back(T item) { items_.push_back(std::move(item)); }
  T& emplace_back() { return items_.emplace_back(); }

  void pop_front() {
    if (size() == 1) return clear();
    items_[head_] = T{};
    ++head_;
    if (head_ < kMostPopped || head_ * 2 < items_.size()) return;
    items_.erase(items_.begin(), begin());
    head_ = 0;
  }

  iterator erase(iterator at) { return items_.erase(at); }

  void clear() {
    items_.clear();
    head_ = 0;
    if (items_.capacity() > kMostKept) std::vector<T>().swap(items_);
  }

 private:
  static constexpr size_t kMostPopped = 32;  // at the front, before the rest moves up
  static constexpr size_t kMostKept = 64;    // of capacity, once it is empty

  std::vector<T> items_;
  size_t head_ = 0;  // so many at the front have been popped
};

}  // namespace pgsidecar

#endif  // PGSIDECAR_BASE_FLAT_QUEUE_H_
