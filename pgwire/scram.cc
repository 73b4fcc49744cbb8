// SCRAM by OpenSSL's libcrypto. The names of the values are those of RFC 5802, section 3:
//
//   SaltedPassword  = PBKDF2-HMAC-SHA-256(password, salt, i)
//   ClientKey       = HMAC(SaltedPassword, "Client Key")     StoredKey = SHA-256(ClientKey)
//   ServerKey       = HMAC(SaltedPassword, "Server Key")
//   AuthMessage     = client-first-bare "," server-first "," client-final-without-proof
//   ClientProof     = ClientKey XOR HMAC(StoredKey, AuthMessage)
//   ServerSignature = HMAC(ServerKey, AuthMessage)

#include "pgwire/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <array>
#include <cstdlib>
#include <optional>
#include <utility>

#include "base/hash.h"

namespace pgsidecar::pgwire {
namespace {

constexpr size_t kNonceBytes = 18;
// PostgreSQL's own messages stay well below; a longer one is not worth parsing.
constexpr size_t kMaxScramMessageBytes = 4096;

Error NotScram(std::string detail) {
  return Error{"28000", "invalid SCRAM message from server", std::move(detail), ""};
}

// A digest that does not outlive its use in memory.
struct Secret {
  Secret() : bytes{} {}
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
  std::string_view view() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  Digest bytes;
};

const unsigned char* Unsigned(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

// HMAC-SHA-256. Fails only where memory does.
void Hmac(std::string_view key, std::string_view text, Secret& mac) {
  unsigned int mac_bytes = 0;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), Unsigned(text), text.size(),
           mac.bytes.data(), &mac_bytes) == nullptr ||
      mac_bytes != mac.bytes.size()) {
    std::abort();
  }
}

// REQUIRES: iterations is from 1 to kMaxScramIterations.
void SaltPassword(std::string_view password, std::string_view salt, uint32_t iterations,
                  Secret& salted) {
  if (PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), Unsigned(salt),
                        static_cast<int>(salt.size()), static_cast<int>(iterations), EVP_sha256(),
                        static_cast<int>(salted.bytes.size()), salted.bytes.data()) != 1) {
    std::abort();
  }
}

std::string ToBase64(std::string_view bytes) {
  // EVP_EncodeBlock ends what it writes with a zero byte.
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), Unsigned(bytes),
                  static_cast<int>(bytes.size()));
  text.pop_back();
  return text;
}

// Strict: EVP_DecodeBlock by itself lets blanks at both ends and padding in the middle pass.
std::optional<std::string> FromBase64(std::string_view text) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  const size_t digits = text.find_last_not_of('=') + 1;
  const size_t padding = text.size() - digits;
  if (padding > 2 || text.substr(0, digits).find_first_not_of(kAlphabet) != text.npos) {
    return std::nullopt;
  }
  std::string bytes(text.size() / 4 * 3, '\0');
  const int decoded = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                      Unsigned(text), static_cast<int>(text.size()));
  if (decoded != static_cast<int>(bytes.size())) return std::nullopt;
  bytes.resize(bytes.size() - padding);
  return bytes;
}

// RFC 5802's saslname: a comma and an equals sign would end the attribute.
std::string EscapeName(std::string_view name) {
  std::string escaped;
  for (const char c : name) {
    if (c == '=') {
      escaped += "=3D";
    } else if (c == ',') {
      escaped += "=2C";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

bool IsPrintable(std::string_view text) {
  for (const char c : text) {
    if (c < 0x21 || c > 0x7e) return false;
  }
  return true;
}

// Takes the attribute `name=value` off the front of `message`, its comma with it; nullopt if
// another one stands there.
std::optional<std::string_view> TakeAttribute(std::string_view& message, char name) {
  if (message.size() < 2 || message[0] != name || message[1] != '=') return std::nullopt;
  const size_t comma = message.find(',');
  const std::string_view value = message.substr(2, comma == message.npos ? comma : comma - 2);
  message.remove_prefix(comma == message.npos ? message.size() : comma + 1);
  return value;
}

// Decimal digits only, from 1 to kMaxScramIterations.
std::optional<uint32_t> ParseIterations(std::string_view text) {
  if (text.empty() || text.size() > 10) return std::nullopt;
  uint64_t iterations = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    iterations = iterations * 10 + static_cast<uint64_t>(c - '0');
  }
  if (iterations == 0 || iterations > kMaxScramIterations) return std::nullopt;
  return static_cast<uint32_t>(iterations);
}

struct ServerFirst {
  std::string_view nonce;  // points into the message
  std::string salt;
  uint32_t iterations;
};

Result<ServerFirst> ParseServerFirst(std::string_view message, std::string_view client_nonce) {
  if (message.size() > kMaxScramMessageBytes) return NotScram("server-first-message is too long");
  // A mandatory extension (m=) stands first, and whoever does not know it must refuse: so do we.
  const auto nonce = TakeAttribute(message, 'r');
  if (!nonce || !IsPrintable(*nonce) || nonce->size() <= client_nonce.size() ||
      !nonce->starts_with(client_nonce)) {
    return NotScram("invalid nonce");
  }
  const auto salt_text = TakeAttribute(message, 's');
  auto salt = salt_text ? FromBase64(*salt_text) : std::nullopt;
  if (!salt) return NotScram("invalid salt");
  const auto iterations_text = TakeAttribute(message, 'i');
  const auto iterations = iterations_text ? ParseIterations(*iterations_text) : std::nullopt;
  if (!iterations) return NotScram("invalid iteration count");
  return ServerFirst{*nonce, std::move(*salt), *iterations};
}

std::string_view Gs2Header(ScramBinding::Flag flag) {
  switch (flag) {
    case ScramBinding::Flag::kNone:
      return "n,,";
    case ScramBinding::Flag::kOffered:
      return "y,,";
    case ScramBinding::Flag::kBound:
      break;
  }
  return "p=tls-server-end-point,,";
}

std::optional<std::string> Md5Hex(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int digest_bytes = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &digest_bytes, EVP_md5(), nullptr) !=
      1) {
    return std::nullopt;
  }
  return ToHex({reinterpret_cast<const char*>(digest.data()), digest_bytes});
}

}  // namespace

ScramClient::ScramClient(std::string password, std::string nonce, std::string_view user,
                         ScramBinding binding)
    : password_(std::move(password)),
      nonce_(std::move(nonce)),
      client_first_bare_("n=" + EscapeName(user) + ",r=" + nonce_),
      binding_(std::move(binding)) {}

std::string ScramClient::ClientFirst() const {
  return std::string(Gs2Header(binding_.flag)) + client_first_bare_;
}

Result<std::string> ScramClient::ClientFinal(std::string_view server_first) {
  server_signature_.clear();
  const auto parsed = ParseServerFirst(server_first, nonce_);
  if (!parsed.ok()) return parsed.error();

  std::string client_final =
      "c=" + ToBase64(std::string(Gs2Header(binding_.flag)) + binding_.data) +
      ",r=" + std::string(parsed->nonce);
  const std::string auth_message =
      client_first_bare_ + "," + std::string(server_first) + "," + client_final;

  Secret salted_password;
  SaltPassword(password_, parsed->salt, parsed->iterations, salted_password);
  Secret client_key;
  Hmac(salted_password.view(), "Client Key", client_key);
  Secret stored_key;
  stored_key.bytes = Sha256(client_key.view());
  Secret client_proof;  // first the signature, then XORed with the key
  Hmac(stored_key.view(), auth_message, client_proof);
  for (size_t i = 0; i < client_proof.bytes.size(); ++i) {
    client_proof.bytes[i] = static_cast<uint8_t>(client_proof.bytes[i] ^ client_key.bytes[i]);
  }
  Secret server_key;
  Hmac(salted_password.view(), "Server Key", server_key);
  Secret server_signature;
  Hmac(server_key.view(), auth_message, server_signature);
  server_signature_ = server_signature.view();

  return client_final + ",p=" + ToBase64(client_proof.view());
}

Result<bool> ScramClient::CheckServerFinal(std::string_view server_final) const {
  if (server_final.size() > kMaxScramMessageBytes) {
    return NotScram("server-final-message is too long");
  }
  if (const auto refusal = TakeAttribute(server_final, 'e')) {
    return Error{"28000", "server refused the SCRAM exchange",
                 IsPrintable(*refusal) ? std::string(*refusal) : "", ""};
  }
  const auto verifier = TakeAttribute(server_final, 'v');
  const auto signature = verifier ? FromBase64(*verifier) : std::nullopt;
  if (!signature) return NotScram("invalid server signature");
  // An exchange that has not come to ClientFinal has no signature to compare, and fails here.
  if (server_signature_.empty() || signature->size() != server_signature_.size() ||
      CRYPTO_memcmp(signature->data(), server_signature_.data(), server_signature_.size()) != 0) {
    return Error{"28P01", "incorrect server signature in SCRAM exchange", "", ""};
  }
  return true;
}

std::string MakeScramNonce() {
  std::array<unsigned char, kNonceBytes> random;
  if (RAND_bytes(random.data(), random.size()) != 1) std::abort();  // no entropy, no login
  return ToBase64({reinterpret_cast<const char*>(random.data()), random.size()});
}

std::string Md5Password(std::string_view user, std::string_view password, std::string_view salt) {
  const auto stored = Md5Hex(std::string(password) + std::string(user));
  if (!stored) return "";
  const auto answer = Md5Hex(*stored + std::string(salt));
  return answer ? "md5" + *answer : "";
}

}  // namespace pgsidecar::pgwire
