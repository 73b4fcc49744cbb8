// A text that is wiped when it ends: a password, or what is as good as one.
//
// Whoever holds a secret for longer than one call holds it as this. What it has been copied from or
// into (a message on its way out) is not its affair.

#ifndef PGSIDECAR_BASE_SECRET_H_
#define PGSIDECAR_BASE_SECRET_H_

#include <openssl/crypto.h>

#include <string>
#include <string_view>
#include <utility>

namespace pgsidecar {

class SecretString {
 public:
  SecretString() = default;
  explicit SecretString(std::string text) : text_(std::move(text)) {
    OPENSSL_cleanse(text.data(), text.capacity());  // a short one is copied rather than moved
  }
  SecretString(const SecretString&) = default;
  SecretString(SecretString&& other) noexcept : text_(std::move(other.text_)) { other.Wipe(); }
  SecretString& operator=(const SecretString& other) {
    if (this == &other) return *this;
    Wipe();
    text_ = other.text_;
    return *this;
  }
  SecretString& operator=(SecretString&& other) noexcept {
    if (this == &other) return *this;
    Wipe();
    text_ = std::move(other.text_);
    other.Wipe();
    return *this;
  }
  ~SecretString() { Wipe(); }

  bool empty() const { return text_.empty(); }
  std::string_view view() const { return text_; }
  bool operator==(const SecretString&) const = delete;

 private:
  void Wipe() noexcept {
    OPENSSL_cleanse(text_.data(), text_.capacity());
    text_.clear();
  }

  std::string text_;
};

// Takes as long whatever the two differ in; only their lengths show.
inline bool SameSecret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace pgsidecar

#endif  // PGSIDECAR_BASE_SECRET_H_
