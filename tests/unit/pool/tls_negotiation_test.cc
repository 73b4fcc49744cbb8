// Every sslmode against every answer of a server.

#include "pool/tls_negotiation.h"

#include <gtest/gtest.h>

#include <string>

#include "pgwire/backend.h"

namespace pgsidecar::pool {
namespace {

using Step = TlsNegotiation::Step;

std::string Refusal(const std::string& message) {
  std::string bytes;
  pgwire::EncodeError(bytes, "FATAL", {"28000", message, "", ""});
  return bytes;
}

std::string Challenge() {
  std::string bytes;
  pgwire::Authentication{pgwire::AuthenticationRequest::kCleartextPassword, ""}.Encode(bytes);
  return bytes;
}

std::string NegotiateVersion() { return std::string("v\0\0\0\x0c\0\3\0\0\0\0\0\0", 13); }

TEST(TlsNegotiationTest, WhatASocketBeginsWith) {
  EXPECT_EQ(TlsNegotiation(TlsMode::kDisable, false).Begin(), Step::kPlain);
  EXPECT_EQ(TlsNegotiation(TlsMode::kAllow, false).Begin(), Step::kPlain);
  for (const TlsMode mode :
       {TlsMode::kPrefer, TlsMode::kRequire, TlsMode::kVerifyCa, TlsMode::kVerifyFull}) {
    EXPECT_EQ(TlsNegotiation(mode, false).Begin(), Step::kAsk);
  }
  EXPECT_EQ(TlsNegotiation(TlsMode::kRequire, true).Begin(), Step::kHandshake);
}

TEST(TlsNegotiationTest, YesAndNo) {
  for (const TlsMode mode :
       {TlsMode::kPrefer, TlsMode::kRequire, TlsMode::kVerifyCa, TlsMode::kVerifyFull}) {
    EXPECT_EQ(TlsNegotiation(mode, false).OnAnswer("S"), Step::kHandshake);
  }
  EXPECT_EQ(TlsNegotiation(TlsMode::kPrefer, false).OnAnswer("N"), Step::kPlain);
  TlsNegotiation negotiation(TlsMode::kRequire, false);
  EXPECT_EQ(negotiation.OnAnswer("N"), Step::kFail);
  EXPECT_EQ(negotiation.error().message, "server does not support SSL, but SSL was required");
}

TEST(TlsNegotiationTest, AnythingElseEndsItInEveryMode) {
  const struct {
    std::string answer;
    std::string error;
  } kCases[] = {
      {"Sx", "received unencrypted data after SSL response"},
      {std::string("S\x16\x03", 3), "received unencrypted data after SSL response"},
      {"N" + Challenge(), "received unencrypted data after SSL response"},
      {Refusal("a lie"), "server sent an error response during SSL exchange"},
      {"HTTP/1.1 400", "received invalid response to SSL negotiation"},
      {std::string(1, '\0'), "received invalid response to SSL negotiation"},
  };
  for (const auto& [answer, error] : kCases) {
    for (const TlsMode mode : {TlsMode::kPrefer, TlsMode::kRequire, TlsMode::kVerifyFull}) {
      TlsNegotiation negotiation(mode, false);
      EXPECT_EQ(negotiation.OnAnswer(answer), Step::kFail);
      EXPECT_EQ(negotiation.error().message, error);
    }
  }
}

TEST(TlsNegotiationTest, OnlyPreferDoesWithoutAHandshakeThatFails) {
  TlsNegotiation prefer(TlsMode::kPrefer, false);
  prefer.OnAnswer("S");
  EXPECT_EQ(prefer.OnHandshakeFailed(), Step::kReconnect);
  EXPECT_EQ(prefer.Begin(), Step::kPlain);
  EXPECT_FALSE(prefer.repeats_startup());
  EXPECT_FALSE(prefer.watches_startup());
  for (const TlsMode mode : {TlsMode::kRequire, TlsMode::kVerifyCa, TlsMode::kVerifyFull}) {
    TlsNegotiation negotiation(mode, false);
    negotiation.OnAnswer("S");
    EXPECT_EQ(negotiation.OnHandshakeFailed(), Step::kFail);
  }
}

TEST(TlsNegotiationTest, ARefusedStartupPacketGoesTheOtherWayOnce) {
  for (const TlsMode mode : {TlsMode::kAllow, TlsMode::kPrefer}) {
    const bool tls_first = mode == TlsMode::kPrefer;
    TlsNegotiation negotiation(mode, false);
    if (tls_first) {
      EXPECT_EQ(negotiation.OnAnswer("S"), Step::kHandshake);
    }
    ASSERT_TRUE(negotiation.watches_startup());
    // However it is split.
    const std::string first = Refusal("first");
    EXPECT_EQ(negotiation.OnStartupAnswer(first.substr(0, 3)), Step::kWait);
    EXPECT_EQ(negotiation.OnStartupAnswer(first.substr(3)), Step::kReconnect);
    EXPECT_EQ(negotiation.Begin(), tls_first ? Step::kPlain : Step::kAsk);
    EXPECT_TRUE(negotiation.repeats_startup());
    // What was said over TLS counts.
    const std::string second = Refusal("second");
    EXPECT_EQ(negotiation.OnStartupAnswer(second), Step::kPass);
    EXPECT_EQ(negotiation.TakeSaid(), tls_first ? first : second);
  }
}

TEST(TlsNegotiationTest, TheOtherWayMayBeAccepted) {
  TlsNegotiation negotiation(TlsMode::kAllow, false);
  EXPECT_EQ(negotiation.OnStartupAnswer(Refusal("no encryption")), Step::kReconnect);
  EXPECT_EQ(negotiation.OnAnswer("S"), Step::kHandshake);
  EXPECT_EQ(negotiation.OnStartupAnswer(Challenge()), Step::kPass);
  EXPECT_EQ(negotiation.TakeSaid(), Challenge());
}

TEST(TlsNegotiationTest, TheOtherWayMayNotExist) {
  // The refusal is what is left to be said.
  TlsNegotiation negotiation(TlsMode::kAllow, false);
  EXPECT_EQ(negotiation.OnStartupAnswer(Refusal("no encryption")), Step::kReconnect);
  EXPECT_EQ(negotiation.OnAnswer("N"), Step::kFail);
  EXPECT_EQ(negotiation.TakeSaid(), Refusal("no encryption"));
  EXPECT_EQ(negotiation.TakeSaid(), "");
}

TEST(TlsNegotiationTest, AChallengeIsAVerdict) {
  TlsNegotiation negotiation(TlsMode::kPrefer, false);
  negotiation.OnAnswer("S");
  EXPECT_EQ(negotiation.OnStartupAnswer(Challenge() + Refusal("behind it")), Step::kPass);
  EXPECT_EQ(negotiation.TakeSaid(), Challenge() + Refusal("behind it"));
  EXPECT_FALSE(negotiation.watches_startup());
}

TEST(TlsNegotiationTest, ANegotiatedVersionIsNoVerdict) {
  TlsNegotiation negotiation(TlsMode::kAllow, false);
  EXPECT_EQ(negotiation.OnStartupAnswer(NegotiateVersion()), Step::kWait);
  EXPECT_EQ(negotiation.OnStartupAnswer(Refusal("no encryption")), Step::kReconnect);
  EXPECT_EQ(negotiation.OnAnswer("S"), Step::kHandshake);
  EXPECT_EQ(negotiation.OnStartupAnswer(NegotiateVersion() + Challenge()), Step::kPass);
  EXPECT_EQ(negotiation.TakeSaid(), NegotiateVersion() + Challenge());
}

TEST(TlsNegotiationTest, AnErrorWithoutEndIsPassedOn) {
  TlsNegotiation negotiation(TlsMode::kPrefer, false);
  negotiation.OnAnswer("S");
  const std::string endless = std::string("E\0\1\0\0", 5) + std::string(100, 'x');
  EXPECT_EQ(negotiation.OnStartupAnswer(endless), Step::kPass);
  EXPECT_EQ(negotiation.TakeSaid(), endless);
}

}  // namespace
}  // namespace pgsidecar::pool
