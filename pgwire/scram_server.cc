// What a client may send:
//
//   client-first   n,,n=,r=<nonce>                      or y,, or p=tls-server-end-point,,
//                  ^gs2 ^bare
//   client-final   c=<base64 of gs2 and binding>,r=<both nonces>[,extension],p=<proof>
//                  ^without proof

#include "pgwire/scram_server.h"

#include <openssl/crypto.h>

#include <cassert>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <utility>

#include "pgwire/reader.h"
#include "pgwire/scram.h"
#include "pgwire/scram_text.h"

namespace pgsidecar::pgwire {
namespace {

Error Malformed(std::string detail) {
  return {"08P01", "malformed SCRAM message", std::move(detail), ""};
}

// One character of the client's for an error: itself, or its code.
std::string Sanitized(char character) {
  if (character >= 0x21 && character <= 0x7e) return std::string(1, character);
  char code[8];
  std::snprintf(code, sizeof code, "0x%02x", static_cast<unsigned char>(character));
  return code;
}

std::string SanitizedText(std::string_view text) {
  constexpr size_t kLongest = 30;
  std::string sanitized;
  for (const char character : text.substr(0, kLongest)) {
    sanitized += character >= 0x21 && character <= 0x7e ? character : '?';
  }
  return sanitized;
}

std::string FirstOf(std::string_view text) { return text.empty() ? "" : Sanitized(text.front()); }

// Takes the value of the attribute that has to stand at the front of `rest`.
Result<std::string_view> Take(std::string_view& rest, char name) {
  if (rest.empty() || rest.front() != name) {
    return Malformed(std::string("Expected attribute \"") + name + "\" but found \"" +
                     FirstOf(rest) + "\".");
  }
  const auto value = TakeAttribute(rest, name);
  if (!value)
    return Malformed(std::string("Expected character \"=\" for attribute \"") + name + "\".");
  return *value;
}

// Takes an attribute of any name that an extension may have.
std::optional<Error> TakeExtension(std::string_view& rest) {
  const char name = rest.empty() ? '\0' : rest.front();
  const bool letter = (name >= 'A' && name <= 'Z') || (name >= 'a' && name <= 'z');
  if (!letter) {
    return Malformed("Attribute expected, but found invalid character \"" + FirstOf(rest) + "\".");
  }
  const auto value = Take(rest, name);
  return value.ok() ? std::nullopt : std::optional(value.error());
}

std::optional<Error> CheckLength(std::string_view message) {
  if (message.empty()) return Malformed("The message is empty.");
  if (message.size() > kMaxSaslMessageBytes) return ProtocolViolation("invalid message length");
  if (message.find('\0') != message.npos) {
    return Malformed("Message length does not match input length.");
  }
  return std::nullopt;
}

// What the flag at the front of a client-first-message says of channel binding. `plus`: the client
// has chosen SCRAM-SHA-256-PLUS; `offered`: it could.
std::optional<Error> TakeFlag(std::string_view& rest, bool plus, bool offered) {
  const char flag = rest.front();
  if (flag == 'n' || flag == 'y') {
    if (plus) {
      return Malformed(
          "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel "
          "binding data.");
    }
    if (flag == 'y' && offered) {
      return Error{"28000", "SCRAM channel binding negotiation error",
                   "The client supports SCRAM channel binding but thinks the server does not.  "
                   "However, this server does support channel binding.",
                   ""};
    }
    rest.remove_prefix(1);
    if (!rest.starts_with(',')) {
      return Malformed("Comma expected, but found character \"" + FirstOf(rest) + "\".");
    }
    rest.remove_prefix(1);
    return std::nullopt;
  }
  if (flag != 'p') {
    return Malformed("Unexpected channel-binding flag \"" + Sanitized(flag) + "\".");
  }
  if (!plus) {
    return Malformed(
        "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes "
        "channel binding data.");
  }
  const auto type = Take(rest, 'p');
  if (!type.ok()) return type.error();
  if (*type != kTlsServerEndPoint) {
    return ProtocolViolation("unsupported SCRAM channel-binding type \"" + SanitizedText(*type) +
                             "\"");
  }
  return std::nullopt;
}

}  // namespace

ScramServer::ScramServer(ScramVerifier verifier, bool doomed, std::string nonce,
                         std::string endpoint_hash)
    : verifier_(std::move(verifier)),
      doomed_(doomed),
      nonce_(std::move(nonce)),
      endpoint_hash_(std::move(endpoint_hash)) {}

std::string ScramServer::Mechanisms() const {
  std::string list;
  if (!endpoint_hash_.empty()) list.append(kScramSha256Plus).push_back('\0');
  list.append(kScramSha256).push_back('\0');
  list.push_back('\0');
  return list;
}

Result<std::string> ScramServer::ServerFirst(std::string_view mechanism,
                                             std::string_view client_first) {
  const bool offered = !endpoint_hash_.empty();
  const bool plus = offered && mechanism == kScramSha256Plus;
  if (!plus && mechanism != kScramSha256) {
    return ProtocolViolation("client selected an invalid SASL authentication mechanism");
  }
  if (const auto error = CheckLength(client_first)) return *error;
  std::string_view rest = client_first;
  if (const auto error = TakeFlag(rest, plus, offered)) return *error;
  if (rest.starts_with('a')) {
    return Error{"0A000", "client uses authorization identity, but it is not supported", "", ""};
  }
  if (!rest.starts_with(',')) {
    return Malformed("Unexpected attribute \"" + FirstOf(rest) + "\" in client-first-message.");
  }
  rest.remove_prefix(1);
  gs2_header_ = client_first.substr(0, client_first.size() - rest.size());
  client_first_bare_ = rest;
  if (rest.starts_with('m')) {
    return Error{"0A000", "client requires an unsupported SCRAM extension", "", ""};
  }
  const auto user = Take(rest, 'n');
  if (!user.ok()) return user.error();
  const auto nonce = Take(rest, 'r');
  if (!nonce.ok()) return nonce.error();
  if (!IsScramPrintable(*nonce)) {
    return ProtocolViolation("non-printable characters in SCRAM nonce");
  }
  while (!rest.empty()) {
    if (const auto error = TakeExtension(rest)) return *error;
  }
  whole_nonce_ = std::string(*nonce) + nonce_;
  server_first_ = "r=" + whole_nonce_ + ",s=" + ToBase64(verifier_.salt) +
                  ",i=" + std::to_string(verifier_.iterations);
  return server_first_;
}

// What the client-final-message has to repeat of the first, and of the channel.
std::string ScramServer::ChannelBinding() const {
  return gs2_header_ + (gs2_header_.starts_with('p') ? endpoint_hash_ : "");
}

Result<std::string> ScramServer::ServerFinal(std::string_view client_final) {
  assert(!server_first_.empty());
  if (const auto error = CheckLength(client_final)) return *error;
  std::string_view rest = client_final;
  const auto binding = Take(rest, 'c');
  if (!binding.ok()) return binding.error();
  if (*binding != ToBase64(ChannelBinding())) {
    if (!gs2_header_.starts_with('p')) {
      return ProtocolViolation(
          "unexpected SCRAM channel-binding attribute in client-final-message");
    }
    return Error{"28000", "SCRAM channel binding check failed", "", ""};
  }
  const auto nonce = Take(rest, 'r');
  if (!nonce.ok()) return nonce.error();
  while (!rest.empty() && rest.front() != 'p') {
    if (const auto error = TakeExtension(rest)) return *error;
  }
  const std::string_view without_proof = client_final.substr(0, client_final.size() - rest.size());
  const auto proof_text = Take(rest, 'p');
  if (!proof_text.ok()) return proof_text.error();
  const auto proof = FromBase64(*proof_text);
  if (!proof || proof->size() != keys_.client_key.bytes.size()) {
    return Malformed("Malformed proof in client-final-message.");
  }
  if (proof_text->data() + proof_text->size() != client_final.data() + client_final.size()) {
    return Malformed("Garbage found at the end of client-final-message.");
  }
  if (nonce->size() != whole_nonce_.size() ||
      CRYPTO_memcmp(nonce->data(), whole_nonce_.data(), whole_nonce_.size()) != 0) {
    return Error{"08P01", "invalid SCRAM response", "Nonce does not match.", ""};
  }

  // Without the comma in front of the proof.
  const std::string auth_message = client_first_bare_ + "," + server_first_ + "," +
                                   std::string(without_proof.substr(0, without_proof.size() - 1));
  const bool proved = CheckScramProof(verifier_.stored_key, auth_message, *proof, keys_.client_key);
  if (!proved || doomed_) return Error{"28P01", "", "", ""};
  keys_.iterations = verifier_.iterations;
  keys_.salt = verifier_.salt;
  keys_.server_key = verifier_.server_key;
  ScramSecret signature;
  ScramHmac(verifier_.server_key.view(), auth_message, signature);
  return "v=" + ToBase64(signature.view());
}

}  // namespace pgsidecar::pgwire
