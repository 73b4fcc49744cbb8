#include "proxy/auth_secret.h"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "base/hash.h"
#include "pgwire/scram.h"

namespace pgsidecar::proxy {
namespace {

constexpr size_t kMd5Characters = 3 + 32;

Error Expected(std::string what) { return {"F0000", "expected " + std::move(what), "", ""}; }

bool IsMd5(std::string_view text) {
  return text.size() == kMd5Characters && text.starts_with("md5") &&
         text.find_first_not_of("0123456789abcdef", 3) == text.npos;
}

// Thirty-two bytes of the process's own, for what must not be guessed and must not change.
std::string_view MockKey() {
  static const std::array<char, 32> key = [] {
    std::array<char, 32> random;
    if (RAND_bytes(reinterpret_cast<unsigned char*>(random.data()), random.size()) != 1) {
      std::abort();  // without randomness no login is safe
    }
    return random;
  }();
  return {key.data(), key.size()};
}

Digest Mocked(std::string_view what, std::string_view user) {
  pgwire::ScramSecret mac;
  pgwire::ScramHmac(MockKey(), std::string(what) + std::string(user), mac);
  return mac.bytes;
}

std::string MockSalt(std::string_view user) {
  const Digest digest = Mocked("salt ", user);
  return {reinterpret_cast<const char*>(digest.data()), pgwire::kScramSaltBytes};
}

std::string_view SkipBlanks(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(" \t\r"), text.size()));
}

// Takes a quoted text off the front of `rest`.
std::optional<std::string> TakeQuoted(std::string_view& rest) {
  if (!rest.starts_with('"')) return std::nullopt;
  std::string text;
  for (size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] != '"') {
      text.push_back(rest[i]);
    } else if (i + 1 < rest.size() && rest[i + 1] == '"') {
      text.push_back(rest[i++]);
    } else {
      rest.remove_prefix(i + 1);
      return text;
    }
  }
  return std::nullopt;
}

std::optional<Error> ReadLine(std::string_view line, Userlist& users) {
  std::string_view rest = SkipBlanks(line);
  if (rest.empty() || rest.front() == ';' || rest.front() == '#') return std::nullopt;
  std::optional<std::string> user = TakeQuoted(rest);
  if (!user) return Expected("a user in double quotes, as in \"user\" \"secret\"");
  if (user->empty() || user->find('\0') != std::string::npos) return Expected("a user's name");
  if (!rest.starts_with(' ') && !rest.starts_with('\t')) {
    return Expected("a blank between user and secret");
  }
  rest = SkipBlanks(rest);
  std::optional<std::string> text = TakeQuoted(rest);
  if (!text) return Expected("a secret in double quotes, as in \"user\" \"secret\"");
  const SecretString secret_text(*std::move(text));
  Result<UserSecret> secret = ReadSecret(secret_text.view());
  if (!secret.ok()) return secret.error();
  const auto held = std::make_shared<const UserSecret>(std::move(*secret));
  if (!users.emplace(std::move(*user), held).second) return Expected("each user once");
  return std::nullopt;
}

}  // namespace

Result<UserSecret> ReadSecret(std::string_view text) {
  UserSecret secret;
  if (text.find('\0') != text.npos) return Expected("a secret without zero bytes");
  if (pgwire::IsScramVerifier(text)) {
    secret.verifier = pgwire::ParseScramVerifier(text);
    if (!secret.verifier) {
      return Expected(
          "a verifier SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key> of at most " +
          std::to_string(pgwire::kMaxScramIterations) + " iterations");
    }
  } else if (IsMd5(text)) {
    secret.md5 = SecretString(std::string(text));
  } else {
    secret.plain = SecretString(std::string(text));
  }
  return secret;
}

void DeriveVerifier(std::string_view user, UserSecret* secret) {
  if (secret->plain.empty() || secret->verifier) return;
  secret->verifier =
      pgwire::MakeScramVerifier(secret->plain.view(), MockSalt(user), pgwire::kScramIterations);
}

Result<Userlist> ReadUserlist(std::string_view text, const std::string& path) {
  Userlist users;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    if (const auto error = ReadLine(text.substr(0, end), users)) {
      return Error{"F0000", path + ":" + std::to_string(number) + ": " + error->message, "", ""};
    }
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  return users;
}

pgwire::ScramVerifier MockVerifier(std::string_view user) {
  pgwire::ScramVerifier verifier;
  verifier.salt = MockSalt(user);
  verifier.stored_key.bytes = Mocked("stored ", user);
  verifier.server_key.bytes = Mocked("server ", user);
  return verifier;
}

std::string MockMd5(std::string_view user) {
  return "md5" + ToHex(Mocked("md5 ", user)).substr(0, kMd5Characters - 3);
}

}  // namespace pgsidecar::proxy
