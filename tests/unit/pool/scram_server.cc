#include "tests/unit/pool/scram_server.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/hash.h"

namespace pgsidecar::pool {
namespace {

constexpr std::string_view kSalt = "0123456789abcdef";
constexpr int kIterations = 64;

const unsigned char* Unsigned(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

std::string Hmac(std::string_view key, std::string_view text) {
  std::string mac(32, '\0');
  unsigned int length = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), Unsigned(text), text.size(),
       reinterpret_cast<unsigned char*>(mac.data()), &length);
  return mac;
}

std::string Base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), Unsigned(bytes),
                  static_cast<int>(bytes.size()));
  text.pop_back();
  return text;
}

}  // namespace

std::string ScramServer::First(std::string_view message) {
  client_first_ = message.substr(message.find("n,,") + 3);
  const std::string nonce = client_first_.substr(client_first_.find("r=") + 2);
  server_first_ = "r=" + nonce + "server,s=" + Base64(kSalt) + ",i=" + std::to_string(kIterations);
  return server_first_;
}

std::optional<std::string> ScramServer::Final(std::string_view message) const {
  constexpr size_t kHeaderBytes = 5;
  const std::string_view client_final = message.substr(kHeaderBytes);
  const size_t proof_at = client_final.find(",p=");
  const std::string auth =
      client_first_ + "," + server_first_ + "," + std::string(client_final.substr(0, proof_at));
  std::string salted(32, '\0');
  PKCS5_PBKDF2_HMAC(password_.data(), static_cast<int>(password_.size()), Unsigned(kSalt),
                    static_cast<int>(kSalt.size()), kIterations, EVP_sha256(), 32,
                    reinterpret_cast<unsigned char*>(salted.data()));
  std::string proof = Hmac(salted, "Client Key");
  const Digest stored = Sha256(proof);
  const std::string signature =
      Hmac({reinterpret_cast<const char*>(stored.data()), stored.size()}, auth);
  for (size_t i = 0; i < proof.size(); ++i) {
    proof[i] = static_cast<char>(proof[i] ^ signature[i]);
  }
  if (client_final.substr(proof_at + 3) != Base64(proof)) return std::nullopt;
  return "v=" + Base64(Hmac(Hmac(salted, "Server Key"), auth));
}

}  // namespace pgsidecar::pool
