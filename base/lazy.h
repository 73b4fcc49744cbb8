// A value that is there only where it differs from what all of its type begin as: thousands hold
// one, few ever change it.

#ifndef PGSIDECAR_BASE_LAZY_H_
#define PGSIDECAR_BASE_LAZY_H_

#include <memory>

namespace pgsidecar {

template <typename T>
class Lazy {
 public:
  // What it is now; valid until the next Edit.
  const T& operator*() const { return value_ ? *value_ : kBeginning; }
  const T* operator->() const { return &**this; }
  // For a change of it.
  T& Edit() {
    if (!value_) value_ = std::make_unique<T>();
    return *value_;
  }
  // The same, where a change matters only if there was one before; else null.
  T* edited() const { return value_.get(); }

 private:
  static inline const T kBeginning{};

  std::unique_ptr<T> value_;
};

}  // namespace pgsidecar

#endif  // PGSIDECAR_BASE_LAZY_H_
