// Shared ownership of objects that count their references themselves: one word in the object
// instead of a block beside it, and a pointer that is one pointer. Any thread may copy and drop a
// Ref; one Ref object belongs to one thread at a time, as a shared_ptr does.

#ifndef PGSIDECAR_BASE_REF_H_
#define PGSIDECAR_BASE_REF_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace pgsidecar {

// How many references there are. An object that is referred to has one, and const functions
//
//     void Retain() const { references_.Add(); }
//     void Release() const { if (references_.Remove()) ...destroy it...; }
class RefCount {
 public:
  // REQUIRES: the caller has a reference, or nobody can drop the last one meanwhile.
  void Add() const { count_.fetch_add(1, std::memory_order_relaxed); }
  // True if that was the last. What other threads did with theirs has then happened before.
  [[nodiscard]] bool Remove() const { return count_.fetch_sub(1, std::memory_order_acq_rel) == 1; }

 private:
  mutable std::atomic<uint32_t> count_ = 0;
};

// A reference, or none.
template <typename T>
class Ref {
 public:
  Ref() = default;
  Ref(std::nullptr_t) {}  // NOLINT
  // REQUIRES: as RefCount::Add.
  explicit Ref(T* object) : object_(object) {
    if (object_ != nullptr) object_->Retain();
  }
  Ref(const Ref& other) : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    if (object_ != nullptr) object_->Release();
  }

  // Takes over a reference that is counted already, and gives one away that stays counted.
  static Ref Adopt(T* object) {
    Ref ref;
    ref.object_ = object;
    return ref;
  }
  [[nodiscard]] T* Detach() { return std::exchange(object_, nullptr); }

  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }
  void reset() { *this = Ref(); }
  friend bool operator==(const Ref& a, const Ref& b) { return a.object_ == b.object_; }
  friend bool operator==(const Ref& a, std::nullptr_t) { return a.object_ == nullptr; }

 private:
  T* object_ = nullptr;
};

// A reference to whatever it is: it only keeps it alive. Does not allocate.
class Owner {
 public:
  Owner() = default;
  template <typename T>
  explicit Owner(Ref<T> ref)
      : object_(ref.Detach()),
        release_([](const void* object) { static_cast<const T*>(object)->Release(); }) {}
  Owner(Owner&& other) noexcept
      : object_(std::exchange(other.object_, nullptr)), release_(other.release_) {}
  Owner& operator=(Owner&& other) noexcept {
    std::swap(object_, other.object_);
    std::swap(release_, other.release_);
    return *this;
  }
  ~Owner() {
    if (object_ != nullptr) release_(object_);
  }
  explicit operator bool() const { return object_ != nullptr; }
  void reset() { Owner gone = std::move(*this); }

 private:
  const void* object_ = nullptr;
  void (*release_)(const void*) = nullptr;
};

}  // namespace pgsidecar

#endif  // PGSIDECAR_BASE_REF_H_
