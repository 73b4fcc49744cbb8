// The server's side of SCRAM against the examples of RFC 7677 and RFC 5802's rules, against our own
// client, and against clients that say what they should not.

#include "pgwire/scram_server.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "pgwire/scram.h"
#include "pgwire/scram_text.h"

namespace pgsidecar::pgwire {
namespace {

// RFC 7677, section 3.
constexpr char kClientNonce[] = "rOprNGfwEbeRWgbNEkqO";
constexpr char kServerNonce[] = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
constexpr char kClientFirst[] = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
constexpr char kServerFirst[] =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr char kClientFinal[] =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
constexpr char kServerFinal[] = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

ScramVerifier ExampleVerifier() {
  return MakeScramVerifier("pencil", *FromBase64("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096);
}

ScramServer Example(bool doomed = false, std::string endpoint_hash = "") {
  return {ExampleVerifier(), doomed, kServerNonce, std::move(endpoint_hash)};
}

Error FirstError(std::string_view client_first, std::string_view mechanism = kScramSha256,
                 std::string endpoint_hash = "") {
  ScramServer server = Example(false, std::move(endpoint_hash));
  const auto answer = server.ServerFirst(mechanism, client_first);
  return answer.ok() ? Error{} : answer.error();
}

Error FinalError(std::string_view client_final) {
  ScramServer server = Example();
  EXPECT_TRUE(server.ServerFirst(kScramSha256, kClientFirst).ok());
  const auto answer = server.ServerFinal(client_final);
  return answer.ok() ? Error{} : answer.error();
}

TEST(ScramServerTest, TheExampleOfTheRfcHolds) {
  ScramServer server = Example();
  const auto first = server.ServerFirst(kScramSha256, kClientFirst);
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_EQ(*first, kServerFirst);
  const auto final = server.ServerFinal(kClientFinal);
  ASSERT_TRUE(final.ok()) << final.error().message;
  EXPECT_EQ(*final, kServerFinal);
}

TEST(ScramServerTest, WhoIsDoomedIsRefusedEvenIfRight) {
  ScramServer server = Example(true);
  ASSERT_TRUE(server.ServerFirst(kScramSha256, kClientFirst).ok());
  const auto final = server.ServerFinal(kClientFinal);
  ASSERT_FALSE(final.ok());
  EXPECT_EQ(final.error().sqlstate, "28P01");
}

TEST(ScramServerTest, TheProofGivesTheKeysAwayAndTheyLogIn) {
  ScramServer judge = Example();
  ASSERT_TRUE(judge.ServerFirst(kScramSha256, kClientFirst).ok());
  ASSERT_TRUE(judge.ServerFinal(kClientFinal).ok());
  ScramClient client(judge.keys(), "another-client-nonce");
  ScramServer server(ExampleVerifier(), false, "another-server-nonce", "");
  const auto first = server.ServerFirst(kScramSha256, client.ClientFirst());
  ASSERT_TRUE(first.ok());
  const auto proof = client.ClientFinal(*first);
  ASSERT_TRUE(proof.ok());
  const auto final = server.ServerFinal(*proof);
  ASSERT_TRUE(final.ok()) << final.error().message;
  EXPECT_TRUE(client.CheckServerFinal(*final).ok());
}

TEST(ScramServerTest, KeysOfAnotherVerifierAreNotTried) {
  ScramClient client(DeriveScramKeys("pencil", "another salt 123", 4096), kClientNonce);
  const auto answer = client.ClientFinal(kServerFirst);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().sqlstate, "28P01");
}

TEST(ScramServerTest, ChannelBinding) {
  const std::string hash(32, '\x42');
  ScramServer server = Example(false, hash);
  EXPECT_EQ(server.Mechanisms(), std::string("SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0", 34));
  EXPECT_EQ(Example().Mechanisms(), std::string("SCRAM-SHA-256\0\0", 15));
  for (const bool same : {true, false}) {
    ScramClient client("pencil", kClientNonce, "",
                       {ScramBinding::Flag::kBound, same ? hash : std::string(32, 'x')});
    const auto first = server.ServerFirst(kScramSha256Plus, client.ClientFirst());
    ASSERT_TRUE(first.ok()) << first.error().message;
    const auto proof = client.ClientFinal(*first);
    ASSERT_TRUE(proof.ok());
    const auto final = server.ServerFinal(*proof);
    ASSERT_EQ(final.ok(), same);
    if (!same) {
      EXPECT_EQ(final.error().sqlstate, "28000");
      EXPECT_EQ(final.error().message, "SCRAM channel binding check failed");
    }
  }
}

TEST(ScramServerTest, ChannelBindingCannotBeTalkedAway) {
  const std::string hash = "certificate";
  // A client that can bind and was made to believe that we cannot.
  Error error = FirstError("y,,n=,r=abc", kScramSha256, hash);
  EXPECT_EQ(error.sqlstate, "28000");
  EXPECT_EQ(error.message, "SCRAM channel binding negotiation error");
  // Without TLS it is right.
  EXPECT_EQ(FirstError("y,,n=,r=abc").sqlstate, "");
  // A client that cannot.
  EXPECT_EQ(FirstError("n,,n=,r=abc", kScramSha256, hash).sqlstate, "");
  for (const char* first : {"n,,n=,r=abc", "y,,n=,r=abc"}) {
    EXPECT_EQ(FirstError(first, kScramSha256Plus, hash).message, "malformed SCRAM message");
  }
  EXPECT_EQ(FirstError("p=tls-unique,,n=,r=abc", kScramSha256Plus, hash).message,
            "unsupported SCRAM channel-binding type \"tls-unique\"");
  EXPECT_EQ(FirstError("p=tls-server-end-point,,n=,r=abc", kScramSha256, hash).message,
            "malformed SCRAM message");
  // Not offered, so not to be chosen.
  EXPECT_EQ(FirstError("p=tls-server-end-point,,n=,r=abc", kScramSha256Plus).message,
            "client selected an invalid SASL authentication mechanism");
  // A yes that turns into a no at the end.
  ScramServer server = Example();
  const auto first = server.ServerFirst(kScramSha256, std::string("y,,n=,r=") + kClientNonce);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(server.ServerFinal(kClientFinal).error().message,
            "unexpected SCRAM channel-binding attribute in client-final-message");
}

TEST(ScramServerTest, MalformedFirstMessages) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "malformed SCRAM message"},
      {"x", "malformed SCRAM message"},
      {"n", "malformed SCRAM message"},
      {"n,", "malformed SCRAM message"},
      {"n,,", "malformed SCRAM message"},
      {"n;,n=,r=abc", "malformed SCRAM message"},
      {"n,,r=abc", "malformed SCRAM message"},
      {"n,,n=", "malformed SCRAM message"},
      {"n,,n", "malformed SCRAM message"},
      {"n,,nx,r=abc", "malformed SCRAM message"},
      {"n,,n=,r", "malformed SCRAM message"},
      {"n,,n=,x=abc", "malformed SCRAM message"},
      {"n,,n=,r=abc,1=x", "malformed SCRAM message"},
      {"n,,n=,r=abc,x", "malformed SCRAM message"},
      {"n,,n=,r=a\x01z", "non-printable characters in SCRAM nonce"},
      {"n,,n=,r=a b", "non-printable characters in SCRAM nonce"},
      {"n,,n=,r=\xff", "non-printable characters in SCRAM nonce"},
      {"n,a=other,n=,r=abc", "client uses authorization identity, but it is not supported"},
      {"n,x=other,n=,r=abc", "malformed SCRAM message"},
      {"n,,m=ext,n=,r=abc", "client requires an unsupported SCRAM extension"},
      {std::string("n,,n=,r=a\0b", 11), "malformed SCRAM message"},
      {"n,,n=,r=" + std::string(kMaxSaslMessageBytes, 'x'), "invalid message length"},
      {"p=tls-server-end-point,,n=,r=abc", "malformed SCRAM message"},
  };
  for (const auto& [message, expected] : cases) {
    const Error error = FirstError(message);
    EXPECT_EQ(error.message, expected) << message;
    EXPECT_TRUE(error.sqlstate == "08P01" || error.sqlstate == "0A000") << message;
  }
  EXPECT_EQ(FirstError(kClientFirst, "SCRAM-SHA-1").message,
            "client selected an invalid SASL authentication mechanism");
  EXPECT_EQ(FirstError("n,,n=,r=abc,x=later").sqlstate, "");
}

TEST(ScramServerTest, MalformedFinalMessages) {
  const std::string nonce = std::string(kClientNonce) + kServerNonce;
  const std::string proof = std::string(kClientFinal).substr(std::string(kClientFinal).find(",p="));
  const std::string head = "c=biws,r=" + nonce;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "The message is empty."},
      {"c", "Expected character \"=\" for attribute \"c\"."},
      {"r=" + nonce + proof, "Expected attribute \"c\" but found \"r\"."},
      {"c=biws", "Expected attribute \"r\" but found \"\"."},
      {head, "Expected attribute \"p\" but found \"\"."},
      {head + ",p=", "Malformed proof in client-final-message."},
      {head + ",p=AAAA", "Malformed proof in client-final-message."},
      {head + ",p=!!!!", "Malformed proof in client-final-message."},
      {head + proof + ",", "Garbage found at the end of client-final-message."},
      {head + proof + ",x=y", "Garbage found at the end of client-final-message."},
      {head + proof + "=", "Malformed proof in client-final-message."},
      {"c=biws,r=" + nonce + "x" + proof, "Nonce does not match."},
      {"c=biws,r=" + std::string(kClientNonce) + proof, "Nonce does not match."},
      {"c=biws,r=" + proof, "Nonce does not match."},
      {std::string(kClientFinal) + std::string(1, '\0'),
       "Message length does not match input length."},
  };
  for (const auto& [message, expected] : cases) {
    const Error error = FinalError(message);
    EXPECT_EQ(error.sqlstate, "08P01") << message;
    EXPECT_EQ(error.detail, expected) << message;
  }
  EXPECT_EQ(FinalError("c=eSws,r=" + nonce + proof).message,
            "unexpected SCRAM channel-binding attribute in client-final-message");
  EXPECT_EQ(FinalError(head + "," + std::string(kMaxSaslMessageBytes, 'x') + proof).message,
            "invalid message length");
}

// Every prefix of a right answer, and the right one with any byte changed, is refused.
TEST(ScramServerTest, OnlyTheRightAnswerIsRight) {
  const std::string right = kClientFinal;
  for (size_t i = 0; i < right.size(); ++i) {
    EXPECT_NE(FinalError(right.substr(0, i)).sqlstate, "") << i;
    std::string wrong = right;
    wrong[i] = static_cast<char>(wrong[i] ^ 1);
    EXPECT_NE(FinalError(wrong).sqlstate, "") << i;
  }
  EXPECT_EQ(FinalError(right).sqlstate, "");
}

TEST(ScramKeysTest, VerifiersAreReadAsPostgresWritesThem) {
  const std::string text = FormatScramVerifier(ExampleVerifier());
  EXPECT_TRUE(text.starts_with("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")) << text;
  const auto read = ParseScramVerifier(text);
  ASSERT_TRUE(read);
  EXPECT_EQ(FormatScramVerifier(*read), text);
  for (size_t i = 0; i < text.size(); ++i) {
    EXPECT_FALSE(ParseScramVerifier(text.substr(0, i))) << i;
  }
  for (const char* count : {"0", "-1", "2147483648", "4294967296", "1000001", ""}) {
    std::string wrong = text;
    wrong.replace(wrong.find("4096"), 4, count);
    EXPECT_FALSE(ParseScramVerifier(wrong)) << count;
  }
  EXPECT_FALSE(ParseScramVerifier(text + "="));
  EXPECT_FALSE(ParseScramVerifier("md5" + text));
}

TEST(ScramKeysTest, Md5) {
  const std::string secret = Md5Secret("user", "password");
  EXPECT_EQ(secret, "md54d45974e13472b5a0be3533de4666414");
  EXPECT_EQ(Md5Answer(secret, "salt"), Md5Password("user", "password", "salt"));
  EXPECT_EQ(Md5Answer("", "salt"), "");
}

}  // namespace
}  // namespace pgsidecar::pgwire
