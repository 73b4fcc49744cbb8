// A login that the proxy judges, message by message, without a hub.

#include "proxy/auth_exchange.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pgwire/backend.h"
#include "pgwire/frame.h"
#include "pgwire/frontend.h"
#include "pgwire/scram.h"

namespace pgsidecar::proxy {
namespace {

using pgwire::AuthenticationRequest;
using Outcome = AuthExchange::Outcome;

constexpr char kRandom[] = "0123456789abcdefghijkl";

enum class Kind : uint8_t { kUnknown, kEmpty, kPlain, kMd5, kVerifier };

std::shared_ptr<const UserSecret> Secret(Kind kind) {
  if (kind == Kind::kUnknown) return nullptr;
  auto secret = std::make_shared<UserSecret>();
  if (kind == Kind::kPlain) {
    secret->plain = SecretString("right");
    DeriveVerifier("user", secret.get());
  } else if (kind == Kind::kMd5) {
    secret->md5 = SecretString(pgwire::Md5Secret("user", "right"));
  } else if (kind == Kind::kVerifier) {
    secret->verifier = pgwire::MakeScramVerifier("right", "some salt", 4096);
  }
  return secret;
}

// What was asked last; the outbox is emptied.
struct Asked {
  AuthenticationRequest request = AuthenticationRequest::kOk;
  std::string data;
};
Asked Take(Outbox& out) {
  std::vector<std::string_view> pieces(out.pieces());
  pieces.resize(out.Peek(pieces));
  std::string bytes;
  for (const std::string_view piece : pieces) bytes += piece;
  out.Clear();
  EXPECT_GT(bytes.size(), pgwire::kHeaderBytes);
  const auto message =
      pgwire::Authentication::Decode(std::string_view(bytes).substr(pgwire::kHeaderBytes));
  EXPECT_TRUE(message.ok());
  return {message->request, std::string(message->data)};
}

std::string Body(const std::string& message) { return message.substr(pgwire::kHeaderBytes); }

std::string PasswordBody(std::string_view password) {
  std::string message;
  pgwire::Password{password}.Encode(message);
  return Body(message);
}

// A client with `password` logs in: which exchange it was, and "in" or the SQLSTATE.
std::string LogIn(AuthMethod method, Kind kind, std::string_view password, bool mock_md5 = false,
                  pool::LoginSecret* gained = nullptr) {
  AuthExchange exchange(method, "user", Secret(kind), mock_md5, kRandom, "");
  Outbox out;
  exchange.Start(out);
  const Asked asked = Take(out);
  std::string way;
  Result<Outcome> outcome = Outcome::kMore;
  if (asked.request == AuthenticationRequest::kCleartextPassword) {
    way = "clear ";
    outcome = exchange.OnMessage(PasswordBody(password), out);
  } else if (asked.request == AuthenticationRequest::kMd5Password) {
    way = "md5 ";
    outcome =
        exchange.OnMessage(PasswordBody(pgwire::Md5Password("user", password, asked.data)), out);
  } else {
    way = "scram ";
    pgwire::ScramClient client(password, "abcdefghijklmnopqr");
    std::string message;
    const std::string first = client.ClientFirst();
    pgwire::SaslInitialResponse{pgwire::kScramSha256, first}.Encode(message);
    EXPECT_TRUE(exchange.OnMessage(Body(message), out).ok());
    const auto final = client.ClientFinal(Take(out).data);
    EXPECT_TRUE(final.ok());
    outcome = exchange.OnMessage(*final, out);
    EXPECT_TRUE(!outcome.ok() || client.CheckServerFinal(Take(out).data).ok());
  }
  if (!outcome.ok()) {
    if (outcome.error().sqlstate == "28P01") {
      EXPECT_EQ(outcome.error().message, "password authentication failed for user \"user\"");
      EXPECT_EQ(outcome.error().detail, "");
    }
    return way + outcome.error().sqlstate;
  }
  if (gained != nullptr) *gained = exchange.TakeGained();
  return way + (*outcome == Outcome::kAccepted ? "in" : "more");
}

TEST(AuthExchangeTest, EachMethodWithEachSecret) {
  const struct {
    AuthMethod method;
    Kind kind;
    std::string way;
    bool can;
  } cases[] = {
      {AuthMethod::kPlain, Kind::kPlain, "clear ", true},
      {AuthMethod::kPlain, Kind::kMd5, "clear ", true},
      {AuthMethod::kPlain, Kind::kVerifier, "clear ", true},
      {AuthMethod::kPlain, Kind::kEmpty, "clear ", false},
      {AuthMethod::kPlain, Kind::kUnknown, "clear ", false},
      {AuthMethod::kMd5, Kind::kPlain, "md5 ", true},
      {AuthMethod::kMd5, Kind::kMd5, "md5 ", true},
      {AuthMethod::kMd5, Kind::kVerifier, "scram ", true},
      {AuthMethod::kScram, Kind::kPlain, "scram ", true},
      {AuthMethod::kScram, Kind::kMd5, "scram ", false},
      {AuthMethod::kScram, Kind::kVerifier, "scram ", true},
      {AuthMethod::kScram, Kind::kEmpty, "scram ", false},
      {AuthMethod::kScram, Kind::kUnknown, "scram ", false},
  };
  for (const auto& each : cases) {
    SCOPED_TRACE(std::string(AuthMethodName(each.method)) + " " +
                 std::to_string(static_cast<int>(each.kind)));
    EXPECT_EQ(LogIn(each.method, each.kind, "right"), each.way + (each.can ? "in" : "28P01"));
    EXPECT_EQ(LogIn(each.method, each.kind, "wrong"), each.way + "28P01");
  }
  for (const Kind kind : {Kind::kUnknown, Kind::kEmpty}) {
    EXPECT_EQ(LogIn(AuthMethod::kMd5, kind, "right", true), "md5 28P01");
    EXPECT_EQ(LogIn(AuthMethod::kMd5, kind, "right", false), "scram 28P01");
  }
}

TEST(AuthExchangeTest, WhatIsGained) {
  pool::LoginSecret gained;
  LogIn(AuthMethod::kPlain, Kind::kMd5, "right", false, &gained);
  EXPECT_EQ(gained.password.view(), "right");
  LogIn(AuthMethod::kMd5, Kind::kMd5, "right", false, &gained);
  EXPECT_TRUE(gained.password.empty());
  EXPECT_EQ(gained.md5.view(), pgwire::Md5Secret("user", "right"));
  LogIn(AuthMethod::kScram, Kind::kPlain, "right", false, &gained);
  EXPECT_EQ(gained.password.view(), "right");
  LogIn(AuthMethod::kScram, Kind::kVerifier, "right", false, &gained);
  EXPECT_TRUE(gained.password.empty());
  ASSERT_TRUE(gained.scram);
  EXPECT_EQ(gained.scram->client_key.bytes,
            pgwire::DeriveScramKeys("right", "some salt", 4096).client_key.bytes);
}

TEST(AuthExchangeTest, MessagesThatAreNone) {
  for (const AuthMethod method : {AuthMethod::kPlain, AuthMethod::kMd5, AuthMethod::kScram}) {
    for (const std::string& body :
         {std::string(), std::string("unterminated"), std::string("a\0tail", 6),
          std::string("SCRAM-SHA-256\0\xff\xff\xff\xfe", 18),
          std::string("SCRAM-SHA-256\0\x7f\xff\xff\xffn,,n=,r=x", 28),
          std::string("SCRAM-SHA-256\0\xff\xff\xff\xff", 18),
          std::string("SCRAM-SHA-256\0\0\0\0\0", 18), std::string(1, '\0')}) {
      AuthExchange exchange(method, "user", Secret(Kind::kPlain), false, kRandom, "");
      Outbox out;
      exchange.Start(out);
      out.Clear();
      EXPECT_FALSE(exchange.OnMessage(body, out).ok());
      EXPECT_TRUE(out.empty());
    }
  }
}

TEST(AuthExchangeTest, PlusIsOfferedWithACertificate) {
  AuthExchange exchange(AuthMethod::kScram, "user", Secret(Kind::kPlain), false, kRandom, "hash");
  Outbox out;
  exchange.Start(out);
  EXPECT_TRUE(Take(out).data.starts_with("SCRAM-SHA-256-PLUS"));
}

}  // namespace
}  // namespace pgsidecar::proxy
