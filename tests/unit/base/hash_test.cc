// SHA-256 against the examples of FIPS 180, xxHash and hexadecimal against fixed values.

#include "base/hash.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace pgsidecar {
namespace {

TEST(HashTest, Sha256HoldsTheExamplesOfFips180) {
  EXPECT_EQ(ToHex(Sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(ToHex(Sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(ToHex(Sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(ToHex(Sha256(std::string(1000000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(HashTest, EachThreadHasItsOwnSha256) {
  const Digest here = Sha256("abc");
  Digest there{};
  std::thread([&there] { there = Sha256("abc"); }).join();
  EXPECT_EQ(here, there);
}

TEST(HashTest, Hash64DependsOnBytesAndSeed) {
  EXPECT_EQ(Hash64(""), 0x2d06800538d394c2U);  // XXH3's value of nothing
  EXPECT_EQ(Hash64("abc"), Hash64("abc"));
  EXPECT_NE(Hash64("abc"), Hash64("abd"));
  EXPECT_NE(Hash64("abc"), Hash64("abc", 1));
}

TEST(HashTest, HexIsLowerCaseAndCoversEveryByte) {
  EXPECT_EQ(ToHex(std::string_view("\x00\x0f\xa5\xff", 4)), "000fa5ff");
  EXPECT_EQ(ToHex(""), "");
}

TEST(HashTest, DigestHashTakesTheFirstBytes) {
  Digest a{};
  Digest b{};
  b[31] = 1;
  EXPECT_EQ(DigestHash()(a), DigestHash()(b));
  b[0] = 1;
  EXPECT_NE(DigestHash()(a), DigestHash()(b));
}

}  // namespace
}  // namespace pgsidecar
