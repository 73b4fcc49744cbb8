// SCRAM-SHA-256 against the example of RFC 7677, section 3, and against servers that lie.

#include "pgwire/scram.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace pgsidecar::pgwire {
namespace {

constexpr char kNonce[] = "rOprNGfwEbeRWgbNEkqO";
constexpr char kServerFirst[] =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr char kServerFinal[] = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

ScramClient ExampleClient() { return ScramClient("pencil", kNonce, "user"); }

Error FirstError(std::string_view server_first) {
  ScramClient client = ExampleClient();
  const auto result = client.ClientFinal(server_first);
  return result.ok() ? Error{} : result.error();
}

// A server-first-message with the parts that matter.
std::string ServerFirst(const std::string& salt, const std::string& iterations) {
  return std::string("r=") + kNonce + "server,s=" + salt + ",i=" + iterations;
}

TEST(ScramTest, TheExampleOfTheRfcHolds) {
  ScramClient client = ExampleClient();
  EXPECT_EQ(client.ClientFirst(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  const auto client_final = client.ClientFinal(kServerFirst);
  ASSERT_TRUE(client_final.ok()) << client_final.error().detail;
  EXPECT_EQ(*client_final,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
  EXPECT_TRUE(client.CheckServerFinal(kServerFinal).ok());
}

TEST(ScramTest, TheUserIsEmptyUnlessGivenAndEscapedIfGiven) {
  EXPECT_EQ(ScramClient("x", "nonce").ClientFirst(), "n,,n=,r=nonce");
  EXPECT_EQ(ScramClient("x", "nonce", "a,b=c").ClientFirst(), "n,,n=a=2Cb=3Dc,r=nonce");
}

TEST(ScramTest, ChannelBindingIsSaidFirstAndProvedAtTheEnd) {
  using Flag = ScramBinding::Flag;
  ScramClient offered("pencil", kNonce, "user", {Flag::kOffered});
  EXPECT_EQ(offered.ClientFirst(), std::string("y,,n=user,r=") + kNonce);
  EXPECT_TRUE(offered.ClientFinal(kServerFirst)->starts_with("c=eSws,r="));  // base64 of "y,,"
  ScramClient bound("pencil", kNonce, "user", {Flag::kBound, std::string("\x01\x02\xff", 3)});
  EXPECT_EQ(bound.ClientFirst(), std::string("p=tls-server-end-point,,n=user,r=") + kNonce);
  EXPECT_TRUE(
      bound.ClientFinal(kServerFirst)->starts_with("c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAQL/,r="));
}

TEST(ScramTest, AWrongServerSignatureIsRefused) {
  ScramClient client = ExampleClient();
  ASSERT_TRUE(client.ClientFinal(kServerFirst).ok());
  for (const char* lie : {"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "v=6rriTRBi23U=",
                          "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4A"}) {
    const auto result = client.CheckServerFinal(lie);
    ASSERT_FALSE(result.ok()) << lie;
    EXPECT_EQ(result.error().sqlstate, "28P01") << lie;
  }
}

TEST(ScramTest, AServerFinalThatIsNotScramIsRefused) {
  ScramClient client = ExampleClient();
  ASSERT_TRUE(client.ClientFinal(kServerFirst).ok());
  for (const char* garbage : {"", "v", "v=", "v=?", "x=abcd", "e=other-error"}) {
    const auto result = client.CheckServerFinal(garbage);
    ASSERT_FALSE(result.ok()) << garbage;
    EXPECT_EQ(result.error().sqlstate, "28000") << garbage;
  }
  EXPECT_EQ(client.CheckServerFinal("e=other-error").error().detail, "other-error");
  EXPECT_EQ(client.CheckServerFinal("v=" + std::string(5000, 'A')).error().sqlstate, "28000");
}

TEST(ScramTest, NoSignatureHoldsBeforeTheClientsOwn) {
  EXPECT_EQ(ExampleClient().CheckServerFinal(kServerFinal).error().sqlstate, "28P01");
  // A failed second attempt does not leave the first one's signature behind.
  ScramClient client = ExampleClient();
  ASSERT_TRUE(client.ClientFinal(kServerFirst).ok());
  ASSERT_FALSE(client.ClientFinal("garbage").ok());
  EXPECT_EQ(client.CheckServerFinal(kServerFinal).error().sqlstate, "28P01");
}

TEST(ScramTest, IterationCountsAreBounded) {
  for (const char* count :
       {"", "0", "-1", "+1", " 1", "1 ", "1x", "0x10", "1000001", "2147483648", "4294967296",
        "4294967297", "18446744073709551617", "99999999999999999999999999"}) {
    const Error error = FirstError(ServerFirst("c2FsdA==", count));
    EXPECT_EQ(error.sqlstate, "28000") << count;
    EXPECT_EQ(error.detail, "invalid iteration count") << count;
  }
  EXPECT_EQ(FirstError(ServerFirst("c2FsdA==", "1")).sqlstate, "");
}

TEST(ScramTest, TheServersNonceMustExtendOurs) {
  for (const char* nonce : {"", "rOprNGfwEbeRWgbNEkqO", "rOprNGfwEbeRWgbNEkqo+server", "other",
                            "rOprNGfwEbeRWgbNEkqO server", "rOprNGfwEbeRWgbNEkqO\x80"}) {
    const Error error = FirstError(std::string("r=") + nonce + ",s=c2FsdA==,i=1");
    EXPECT_EQ(error.sqlstate, "28000") << nonce;
    EXPECT_EQ(error.detail, "invalid nonce") << nonce;
  }
}

TEST(ScramTest, TheSaltMustBeBase64) {
  for (const char* salt : {"", "c2FsdA", "c2FsdA=", "=c2FsdA=", "c2Fs====", "c2 sdA==", " c2FsdA==",
                           "c2F=dA==", "c2FsdA==\n"}) {
    const Error error = FirstError(ServerFirst(salt, "1"));
    EXPECT_EQ(error.detail, "invalid salt") << salt;
  }
}

TEST(ScramTest, AServerFirstThatIsNotScramIsRefused) {
  const std::string whole = kServerFirst;
  const size_t count_at = whole.rfind("i=") + 2;
  for (size_t cut = 0; cut <= count_at; ++cut) {
    EXPECT_EQ(FirstError(whole.substr(0, cut)).sqlstate, "28000") << "cut at " << cut;
  }
  EXPECT_EQ(FirstError("m=mandatory," + whole).sqlstate, "28000");
  EXPECT_EQ(
      FirstError("r=" + std::string(kNonce) + std::string(5000, 'x') + ",s=c2FsdA==,i=1").sqlstate,
      "28000");
  // An extension behind the known attributes may be ignored.
  EXPECT_EQ(FirstError(whole + ",x=extension").sqlstate, "");
}

TEST(ScramTest, AnEmptyPasswordIsAPassword) {
  ScramClient client("", kNonce);
  EXPECT_TRUE(client.ClientFinal(kServerFirst).ok());
}

TEST(ScramTest, NoncesAreFreshAndPrintable) {
  std::set<std::string> nonces;
  for (int i = 0; i < 100; ++i) {
    const std::string nonce = MakeScramNonce();
    EXPECT_EQ(nonce.size(), 24U);
    for (const char c : nonce) EXPECT_TRUE(c > 0x20 && c < 0x7f && c != ',');
    nonces.insert(nonce);
  }
  EXPECT_EQ(nonces.size(), 100U);
}

TEST(ScramTest, Md5PasswordIsThatOfTheProtocol) {
  // md5(md5("secret" + "alice") + "salt"), by an independent md5sum.
  EXPECT_EQ(Md5Password("alice", "secret", "salt"), "md5986e2194384c07f4fd1df4b1351b3e68");
}

}  // namespace
}  // namespace pgsidecar::pgwire
