// A text that counts its references, for tests of what keeps one alive.

#ifndef PGSIDECAR_TESTS_UNIT_BASE_SHARED_TEXT_H_
#define PGSIDECAR_TESTS_UNIT_BASE_SHARED_TEXT_H_

#include <string>
#include <utility>

#include "base/ref.h"

namespace pgsidecar {

struct SharedText {
  // `gone`, if there is one, is set when the text is.
  explicit SharedText(std::string bytes, bool* gone = nullptr)
      : text(std::move(bytes)), gone_(gone) {}
  ~SharedText() {
    if (gone_ != nullptr) *gone_ = true;
  }
  SharedText(const SharedText&) = delete;
  SharedText& operator=(const SharedText&) = delete;

  void Retain() const { references_.Add(); }
  void Release() const {
    if (references_.Remove()) delete this;
  }

  const std::string text;

 private:
  bool* gone_;
  RefCount references_;
};

inline Ref<const SharedText> MakeShared(std::string text, bool* gone = nullptr) {
  return Ref<const SharedText>(new SharedText(std::move(text), gone));
}

}  // namespace pgsidecar

#endif  // PGSIDECAR_TESTS_UNIT_BASE_SHARED_TEXT_H_
