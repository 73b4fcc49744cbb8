#include "pool/require_auth.h"

#include <gtest/gtest.h>

#include <string>

#include "pgwire/backend.h"

namespace pgsidecar::pool {
namespace {

using Request = pgwire::AuthenticationRequest;

// Which requests are answered, a letter each: Ok without a challenge, Password, Md5, Sasl.
std::string Allowed(std::string_view text, bool is_private = true) {
  const auto require = ParseRequireAuth(text);
  if (!require.ok()) return require.error().message;
  std::string allowed;
  if (!require->Check(Request::kOk, false, is_private)) allowed += 'O';
  if (!require->Check(Request::kCleartextPassword, false, is_private)) allowed += 'P';
  if (!require->Check(Request::kMd5Password, false, is_private)) allowed += 'M';
  if (!require->Check(Request::kSasl, false, is_private)) allowed += 'S';
  EXPECT_FALSE(require->Check(Request::kOk, true, is_private));
  EXPECT_FALSE(require->Check(Request::kSaslContinue, true, is_private));
  return allowed;
}

TEST(RequireAuthTest, ListsAndTheirOpposites) {
  EXPECT_EQ(Allowed(""), "OPMS");
  EXPECT_EQ(Allowed("scram-sha-256"), "S");
  EXPECT_EQ(Allowed("scram-sha-256,md5"), "MS");
  EXPECT_EQ(Allowed("none"), "O");
  EXPECT_EQ(Allowed("password,none"), "OP");
  EXPECT_EQ(Allowed("gss,sspi"), "");
  EXPECT_EQ(Allowed("!password"), "OMS");
  EXPECT_EQ(Allowed("!none,!md5"), "PS");
}

TEST(RequireAuthTest, APasswordInClearOverANetworkHasToBeNamed) {
  EXPECT_EQ(Allowed("", false), "OMS");
  EXPECT_EQ(Allowed("password", false), "P");
  EXPECT_EQ(Allowed("!md5", false), "OPS");
}

TEST(RequireAuthTest, WhatIsNotAList) {
  for (const char* text :
       {",", "scram", "md5,", "!", "md5,!none", "!md5,none", "md5,md5", " md5"}) {
    EXPECT_TRUE(Allowed(text).starts_with("expected ")) << text;
  }
}

}  // namespace
}  // namespace pgsidecar::pool
