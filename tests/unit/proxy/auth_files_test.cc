// auth_file and auth_hba_file: what they may say, and what is said of lines that they may not have.

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "proxy/auth_hba.h"
#include "proxy/auth_secret.h"

namespace pgsidecar::proxy {
namespace {

constexpr char kVerifier[] =
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

std::string UserlistError(std::string_view text) {
  const auto users = ReadUserlist(text, "users");
  return users.ok() ? "" : users.error().message;
}

TEST(UserlistTest, EachKindOfSecret) {
  const auto users =
      ReadUserlist(std::string("; comment\n# another\n\n  \t\n"
                               "\"plain\" \"pass\"\r\n"
                               "  \"md5\"\t \"md5d41d8cd98f00b204e9800998ecf8427e\" more\n"
                               "\"almost\" \"md5d41d8cd98f00b204e9800998ecf8427\"\n"
                               "\"scram\" \"") +
                       kVerifier + "\"\n\"none\" \"\"\n\"a \"\"b\"\"\" \"c\"\"d\"",
                   "users");
  ASSERT_TRUE(users.ok()) << users.error().message;
  ASSERT_EQ(users->size(), 6U);
  EXPECT_EQ(users->at("plain")->plain.view(), "pass");
  EXPECT_EQ(users->at("md5")->md5.view(), "md5d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(users->at("almost")->plain.view(), "md5d41d8cd98f00b204e9800998ecf8427");
  ASSERT_TRUE(users->at("scram")->verifier);
  EXPECT_EQ(users->at("scram")->verifier->iterations, 4096U);
  EXPECT_TRUE(users->at("none")->empty());
  EXPECT_EQ(users->at("a \"b\"")->plain.view(), "c\"d");
}

TEST(UserlistTest, BadLines) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"user \"secret\"", "users:1: expected a user in double quotes, as in \"user\" \"secret\""},
      {"\n\n\"user", "users:3: expected a user in double quotes, as in \"user\" \"secret\""},
      {"\"user\"", "users:1: expected a blank between user and secret"},
      {"\"user\"\"secret\"", "users:1: expected a blank between user and secret"},
      {"\"\" \"secret\"", "users:1: expected a user's name"},
      {"\"user\" secret", "users:1: expected a secret in double quotes, as in \"user\" \"secret\""},
      {"\"user\" \"secret",
       "users:1: expected a secret in double quotes, as in \"user\" \"secret\""},
      {"\"u\" \"1\"\n\"u\" \"2\"", "users:2: expected each user once"},
      {"\"u\" \"SCRAM-SHA-256$4096:bad\"",
       "users:1: expected a verifier SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key> "
       "of "
       "at most 1000000 iterations"},
      {std::string("\"u\" \"a\0b\"", 9), "users:1: expected a secret without zero bytes"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(UserlistError(text), expected) << text;
}

TEST(UserlistTest, NoErrorRepeatsASecret) {
  for (const char* text : {"\"u\" \"hidden", "\"u\" hidden", "hidden", "\"u\"\"hidden\"",
                           "\"u\" \"SCRAM-SHA-256$hidden\""}) {
    EXPECT_EQ(UserlistError(text).find("hidden"), std::string::npos) << text;
  }
}

TEST(UserlistTest, MocksStayAndDiffer) {
  EXPECT_EQ(MockVerifier("a").salt, MockVerifier("a").salt);
  EXPECT_NE(MockVerifier("a").salt, MockVerifier("b").salt);
  EXPECT_EQ(MockVerifier("a").salt.size(), pgwire::kScramSaltBytes);
  EXPECT_EQ(MockMd5("a"), MockMd5("a"));
  EXPECT_EQ(MockMd5("a").size(), 35U);
}

// What a request gets: "line method", or "none".
std::string Decide(const std::vector<HbaRule>& rules, const HbaRequest& request) {
  const HbaRule* rule = FindHbaRule(rules, request);
  if (rule == nullptr) return "none";
  return std::to_string(rule->line) + " " + std::string(AuthMethodName(rule->method));
}

HbaRequest From(const char* address, const char* user = "u", const char* database = "d") {
  HbaRequest request;
  request.user = user;
  request.database = database;
  if (address != nullptr) request.address = ParseIpAddress(address);
  return request;
}

std::vector<HbaRule> Rules(std::string_view text) {
  auto rules = ReadHba(text, "hba", {*ParseIpAddress("192.0.2.7"), *ParseIpAddress("::1")});
  EXPECT_TRUE(rules.ok()) << rules.error().message;
  return rules.ok() ? *rules : std::vector<HbaRule>();
}

TEST(HbaTest, FirstMatchHolds) {
  const auto rules = Rules(
      "# comment\n"
      "local all all trust\n"
      "host all all 10.0.0.0/8 reject # trailing\n"
      "host d,\"all\" u, v 127.0.0.1/32 md5\n"
      "host sameuser all 127.0.0.1 255.255.255.255 scram-sha-256\n"
      "host replication all samehost password\n"
      "hostssl all all 2001:db8::/32 cert\n"
      "hostnossl all \\\nu 2001:db8::/32 passthrough\n"
      "host \"replication\" all all trust\n");
  EXPECT_EQ(Decide(rules, From(nullptr)), "2 trust");
  EXPECT_EQ(Decide(rules, From("10.1.2.3")), "3 reject");
  EXPECT_EQ(Decide(rules, From("::ffff:10.1.2.3")), "3 reject");
  EXPECT_EQ(Decide(rules, From("127.0.0.1")), "4 md5");
  EXPECT_EQ(Decide(rules, From("127.0.0.1", "v", "all")), "4 md5");
  EXPECT_EQ(Decide(rules, From("127.0.0.1", "w", "w")), "5 scram-sha-256");
  EXPECT_EQ(Decide(rules, From("127.0.0.1", "w", "d")), "none");
  EXPECT_EQ(Decide(rules, From("127.0.0.2")), "none");
  EXPECT_EQ(Decide(rules, From("192.0.2.8", "u", "replication")), "10 trust");
  HbaRequest request = From("192.0.2.7");
  EXPECT_EQ(Decide(rules, request), "none");
  request.replication = true;
  EXPECT_EQ(Decide(rules, request), "6 plain");
  request.address = ParseIpAddress("192.0.2.8");
  EXPECT_EQ(Decide(rules, request), "none");
  request = From("2001:db8:1::1");
  EXPECT_EQ(Decide(rules, request), "8 passthrough");
  request.encrypted = true;
  EXPECT_EQ(Decide(rules, request), "7 cert");
}

TEST(HbaTest, Certificates) {
  const auto rules = Rules(
      "hostssl a all all scram-sha-256 clientcert=verify-ca\n"
      "hostssl b all all scram-sha-256 clientcert=verify-full\n"
      "hostssl c all all cert clientcert=verify-full\n");
  ASSERT_EQ(rules.size(), 3U);
  EXPECT_TRUE(rules[0].needs_certificate && !rules[0].certificate_names_user);
  EXPECT_TRUE(rules[1].needs_certificate && rules[1].certificate_names_user);
  EXPECT_TRUE(rules[2].needs_certificate && rules[2].certificate_names_user);
}

TEST(HbaTest, BadLines) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"hosts all all all trust", "expected local, host, hostssl or hostnossl at the front"},
      {"\"host\" all all all trust", "expected local, host, hostssl or hostnossl at the front"},
      {"host all all trust", "expected host, databases, users, an address and a method, got"},
      {"local all all", "expected local, databases, users and a method"},
      {"local all all 10.0.0.0/8 trust", "expected a method"},
      {"host all all 10.0.0.0/33 trust", "expected a prefix"},
      {"host all all ::1/129 trust", "expected a prefix"},
      {"host all all 10.0.0.0/ trust", "expected a prefix"},
      {"host all all 10.0.0.0/8x trust", "expected a prefix"},
      {"host all all 10.0.0.1 255.0.255.0 trust", "expected a prefix"},
      {"host all all 10.0.0.1 trust", "expected a prefix"},
      {"host all all example.com trust", "expected an address"},
      {"host all all samenet trust", "expected an address"},
      {"host all all 10.0.0.1/8,all trust", "expected an address"},
      {"host all +group all trust", "expected a user's name or all"},
      {"host all @file all trust", "expected a user's name or all"},
      {"host /^db all all trust", "expected a database's name"},
      {"host samerole all all trust", "expected a database's name"},
      {"host all all all peer", "expected a method: trust, reject"},
      {"host all all all md5 map=x", "expected clientcert=verify-ca"},
      {"host all all all md5 clientcert=verify-ca",
       "expected clientcert in a line of type hostssl"},
      {"hostssl all all all md5 clientcert=1", "expected clientcert=verify-ca"},
      {"hostssl all all all cert clientcert=verify-ca", "expected clientcert=verify-full with"},
      {"host all all all cert", "expected method cert in a line of type hostssl"},
      {"host all, all all trust", "expected host, databases"},
      {"host all,,x all all trust", "expected a name next to a comma"},
      {"host \"all all all trust", "expected a closing double quote"},
      {"include other", "expected local, host"},
  };
  for (const auto& [text, expected] : cases) {
    const auto rules = ReadHba("\n" + text + "\n", "hba", {});
    ASSERT_FALSE(rules.ok()) << text;
    EXPECT_TRUE(rules.error().message.starts_with("hba:2: " + expected))
        << text << ": " << rules.error().message;
  }
}

TEST(HbaTest, Addresses) {
  EXPECT_FALSE(ParseIpAddress(""));
  EXPECT_FALSE(ParseIpAddress("1.2.3"));
  EXPECT_FALSE(ParseIpAddress("1.2.3.4.5"));
  EXPECT_FALSE(ParseIpAddress(std::string_view("1.2.3.4\0x", 9)));
  EXPECT_TRUE((IpRange{*ParseIpAddress("0.0.0.0"), 0}).Contains(*ParseIpAddress("255.1.2.3")));
  EXPECT_FALSE((IpRange{*ParseIpAddress("0.0.0.0"), 0}).Contains(*ParseIpAddress("::1")));
  EXPECT_TRUE((IpRange{*ParseIpAddress("10.128.0.0"), 9}).Contains(*ParseIpAddress("10.200.0.1")));
  EXPECT_FALSE((IpRange{*ParseIpAddress("10.128.0.0"), 9}).Contains(*ParseIpAddress("10.1.0.1")));
}

}  // namespace
}  // namespace pgsidecar::proxy
