// Network order, at any alignment.

#include "base/bytes.h"

#include <gtest/gtest.h>

#include <string>

namespace pgsidecar {
namespace {

TEST(BytesTest, AppendsInNetworkOrder) {
  std::string bytes = "x";
  AppendBig16(bytes, 0x0102);
  AppendBig32(bytes, 0x03040506);
  AppendBig64(bytes, 0x0708090a0b0c0d0eU);
  EXPECT_EQ(bytes, "x\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e");
}

TEST(BytesTest, LoadsWhatWasAppendedAtAnyAlignment) {
  for (size_t offset = 0; offset < 8; ++offset) {
    std::string bytes(offset, '\xff');
    AppendBig16(bytes, 0xfffe);
    AppendBig32(bytes, 0x80000001);
    AppendBig64(bytes, 0x8000000000000001U);
    const char* at = bytes.data() + offset;
    EXPECT_EQ(LoadBig16(at), 0xfffe);
    EXPECT_EQ(LoadBig32(at + 2), 0x80000001U);
    EXPECT_EQ(LoadBig64(at + 6), 0x8000000000000001U);
  }
}

TEST(BytesTest, StoresInPlace) {
  std::string bytes = "abcdef";
  StoreBig32(bytes.data() + 1, 0x01020304);
  EXPECT_EQ(bytes,
            "a\x01\x02\x03\x04"
            "f");
}

}  // namespace
}  // namespace pgsidecar
