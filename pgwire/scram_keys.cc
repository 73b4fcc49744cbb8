// SCRAM's keys by OpenSSL's libcrypto.

#include "pgwire/scram_keys.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stringprep.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/text.h"
#include "pgwire/scram_text.h"

namespace pgsidecar::pgwire {
namespace {

constexpr std::string_view kVerifierPrefix = "SCRAM-SHA-256$";

const unsigned char* Unsigned(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

// Cuts what comes before `delimiter` off the front of `rest`, and the delimiter with it.
std::optional<std::string_view> CutBefore(std::string_view& rest, char delimiter) {
  const size_t end = rest.find(delimiter);
  if (end == rest.npos) return std::nullopt;
  const std::string_view head = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return head;
}

bool ReadKey(std::string_view text, ScramSecret& key) {
  std::optional<std::string> bytes = FromBase64(text);
  if (!bytes || bytes->size() != key.bytes.size()) return false;
  std::copy(bytes->begin(), bytes->end(), key.bytes.begin());
  OPENSSL_cleanse(bytes->data(), bytes->size());
  return true;
}

void Xor(ScramSecret& to, std::string_view with) {
  for (size_t i = 0; i < to.bytes.size(); ++i) {
    to.bytes[i] = static_cast<uint8_t>(to.bytes[i] ^ static_cast<uint8_t>(with[i]));
  }
}

}  // namespace

bool IsScramVerifier(std::string_view text) { return text.starts_with(kVerifierPrefix); }

std::optional<ScramVerifier> ParseScramVerifier(std::string_view text) {
  if (!IsScramVerifier(text)) return std::nullopt;
  text.remove_prefix(kVerifierPrefix.size());
  const auto iterations_text = CutBefore(text, ':');
  const auto iterations = iterations_text ? ParseIterations(*iterations_text) : std::nullopt;
  const auto salt_text = CutBefore(text, '$');
  auto salt = salt_text ? FromBase64(*salt_text) : std::nullopt;
  const auto stored_key = CutBefore(text, ':');
  ScramVerifier verifier;
  if (!iterations || !salt || !stored_key || !ReadKey(*stored_key, verifier.stored_key) ||
      !ReadKey(text, verifier.server_key)) {
    return std::nullopt;
  }
  verifier.iterations = *iterations;
  verifier.salt = std::move(*salt);
  return verifier;
}

std::string FormatScramVerifier(const ScramVerifier& verifier) {
  return std::string(kVerifierPrefix) + std::to_string(verifier.iterations) + ":" +
         ToBase64(verifier.salt) + "$" + ToBase64(verifier.stored_key.view()) + ":" +
         ToBase64(verifier.server_key.view());
}

// Fails only where memory does.
void ScramHmac(std::string_view key, std::string_view text, ScramSecret& mac) {
  unsigned int mac_bytes = 0;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), Unsigned(text), text.size(),
           mac.bytes.data(), &mac_bytes) == nullptr ||
      mac_bytes != mac.bytes.size()) {
    std::abort();
  }
}

namespace {

// SASLprep (RFC 4013). As PostgreSQL does (saslprep.c): what cannot be prepared, being no UTF-8 or
// having characters that it forbids, stays as it is.
class PreparedPassword {
 public:
  explicit PreparedPassword(std::string_view password) : text_(password) {
    if (IsAscii(password) || password.find('\0') != std::string_view::npos) return;
    std::string given(password);
    if (stringprep_profile(given.c_str(), &prepared_, "SASLprep", STRINGPREP_NO_UNASSIGNED) ==
            STRINGPREP_OK &&
        *prepared_ != '\0') {
      text_ = prepared_;
    }
    OPENSSL_cleanse(given.data(), given.size());
  }
  ~PreparedPassword() {
    if (prepared_ == nullptr) return;
    OPENSSL_cleanse(prepared_, std::strlen(prepared_));
    std::free(prepared_);
  }
  PreparedPassword(const PreparedPassword&) = delete;
  PreparedPassword& operator=(const PreparedPassword&) = delete;
  std::string_view text() const { return text_; }

 private:
  char* prepared_ = nullptr;
  std::string_view text_;
};

}  // namespace

ScramKeys DeriveScramKeys(std::string_view password, std::string_view salt, uint32_t iterations) {
  const PreparedPassword prepared(password);
  const std::string_view text = prepared.text();
  ScramSecret salted;
  if (PKCS5_PBKDF2_HMAC(text.data(), static_cast<int>(text.size()), Unsigned(salt),
                        static_cast<int>(salt.size()), static_cast<int>(iterations), EVP_sha256(),
                        static_cast<int>(salted.bytes.size()), salted.bytes.data()) != 1) {
    std::abort();
  }
  ScramKeys keys;
  keys.iterations = iterations;
  keys.salt = salt;
  ScramHmac(salted.view(), "Client Key", keys.client_key);
  ScramHmac(salted.view(), "Server Key", keys.server_key);
  return keys;
}

ScramVerifier MakeScramVerifier(std::string_view password, std::string_view salt,
                                uint32_t iterations) {
  const ScramKeys keys = DeriveScramKeys(password, salt, iterations);
  ScramVerifier verifier;
  verifier.iterations = iterations;
  verifier.salt = salt;
  verifier.stored_key.bytes = Sha256(keys.client_key.view());
  verifier.server_key = keys.server_key;
  return verifier;
}

void ScramProof(const ScramSecret& client_key, std::string_view auth_message, ScramSecret& proof) {
  ScramSecret stored_key;
  stored_key.bytes = Sha256(client_key.view());
  ScramHmac(stored_key.view(), auth_message, proof);
  Xor(proof, client_key.view());
}

bool CheckScramProof(const ScramSecret& stored_key, std::string_view auth_message,
                     std::string_view proof, ScramSecret& client_key) {
  if (proof.size() != client_key.bytes.size()) return false;
  ScramHmac(stored_key.view(), auth_message, client_key);
  Xor(client_key, proof);
  const Digest claimed = Sha256(client_key.view());
  return CRYPTO_memcmp(claimed.data(), stored_key.bytes.data(), claimed.size()) == 0;
}

}  // namespace pgsidecar::pgwire
