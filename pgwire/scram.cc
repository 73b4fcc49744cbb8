// The client's half; the keys are in pgwire/scram_keys.h.

#include "pgwire/scram.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <cstdlib>
#include <optional>
#include <utility>

#include "base/hash.h"
#include "pgwire/scram_text.h"

namespace pgsidecar::pgwire {
namespace {

constexpr size_t kNonceBytes = 18;
// PostgreSQL's own messages stay well below; a longer one is not worth parsing.
constexpr size_t kMaxScramMessageBytes = 4096;

Error NotScram(std::string detail) {
  return Error{"28000", "invalid SCRAM message from server", std::move(detail), ""};
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

struct ServerFirst {
  std::string_view nonce;  // points into the message
  std::string salt;
  uint32_t iterations;
};

Result<ServerFirst> ParseServerFirst(std::string_view message, std::string_view client_nonce) {
  if (message.size() > kMaxScramMessageBytes) return NotScram("server-first-message is too long");
  // A mandatory extension (m=) stands first, and whoever does not know it must refuse: so do we.
  const auto nonce = TakeAttribute(message, 'r');
  if (!nonce || !IsScramPrintable(*nonce) || nonce->size() <= client_nonce.size() ||
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

std::string Gs2Header(ScramBinding::Flag flag) {
  switch (flag) {
    case ScramBinding::Flag::kNone:
      return "n,,";
    case ScramBinding::Flag::kOffered:
      return "y,,";
    case ScramBinding::Flag::kBound:
      break;
  }
  return "p=" + std::string(kTlsServerEndPoint) + ",,";
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

ScramClient::ScramClient(std::string_view password, std::string nonce, std::string_view user,
                         ScramBinding binding)
    : password_(std::string(password)),
      nonce_(std::move(nonce)),
      client_first_bare_("n=" + EscapeName(user) + ",r=" + nonce_),
      binding_(std::move(binding)) {}

ScramClient::ScramClient(ScramKeys keys, std::string nonce, ScramBinding binding)
    : keys_(std::move(keys)),
      nonce_(std::move(nonce)),
      client_first_bare_("n=,r=" + nonce_),
      binding_(std::move(binding)) {}

std::string ScramClient::ClientFirst() const {
  return Gs2Header(binding_.flag) + client_first_bare_;
}

Result<std::string> ScramClient::ClientFinal(std::string_view server_first) {
  server_signature_.clear();
  const auto parsed = ParseServerFirst(server_first, nonce_);
  if (!parsed.ok()) return parsed.error();
  if (!keys_) {
    keys_ = DeriveScramKeys(password_.view(), parsed->salt, parsed->iterations);
  } else if (keys_->salt != parsed->salt || keys_->iterations != parsed->iterations) {
    return Error{"28P01", "the server has another SCRAM secret of the user than the proxy",
                 "Only with the server's own can the proxy log in without the password.", ""};
  }

  const std::string client_final = "c=" + ToBase64(Gs2Header(binding_.flag) + binding_.data) +
                                   ",r=" + std::string(parsed->nonce);
  const std::string auth_message =
      client_first_bare_ + "," + std::string(server_first) + "," + client_final;
  ScramSecret proof;
  ScramProof(keys_->client_key, auth_message, proof);
  ScramSecret server_signature;
  ScramHmac(keys_->server_key.view(), auth_message, server_signature);
  server_signature_ = server_signature.view();
  // Of a password, the next exchange may want other keys.
  if (!password_.empty()) keys_.reset();
  return client_final + ",p=" + ToBase64(proof.view());
}

Result<bool> ScramClient::CheckServerFinal(std::string_view server_final) const {
  if (server_final.size() > kMaxScramMessageBytes) {
    return NotScram("server-final-message is too long");
  }
  if (const auto refusal = TakeAttribute(server_final, 'e')) {
    return Error{"28000", "server refused the SCRAM exchange",
                 IsScramPrintable(*refusal) ? std::string(*refusal) : "", ""};
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

std::string Md5Secret(std::string_view user, std::string_view password) {
  const auto stored = Md5Hex(std::string(password) + std::string(user));
  return stored ? "md5" + *stored : "";
}

std::string Md5Answer(std::string_view secret, std::string_view salt) {
  if (secret.size() <= 3) return "";
  const auto answer = Md5Hex(std::string(secret.substr(3)) + std::string(salt));
  return answer ? "md5" + *answer : "";
}

std::string Md5Password(std::string_view user, std::string_view password, std::string_view salt) {
  return Md5Answer(Md5Secret(user, password), salt);
}

}  // namespace pgsidecar::pgwire
