#include "catalog/key_value.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>

namespace pgsidecar::catalog {
namespace {

using namespace std::string_literals;       // NOLINT
using namespace std::string_view_literals;  // NOLINT

TEST(KeyValueTest, OneIntegerInEverySpelling) {
  const auto five = HashOfText(KeyType::kInteger, "5");
  ASSERT_TRUE(five);
  for (const std::string_view text : {"+5", "05"}) {
    EXPECT_EQ(HashOfText(KeyType::kInteger, text), five) << text;
  }
  for (const std::string_view bytes : {"\0\5"sv, "\0\0\0\5"sv, "\0\0\0\0\0\0\0\5"sv}) {
    EXPECT_EQ(HashOfBinary(KeyType::kInteger, bytes), five) << bytes.size();
  }
  EXPECT_EQ(HashOfText(KeyType::kInteger, "-1"), HashOfBinary(KeyType::kInteger, "\xff\xff"sv));
  EXPECT_EQ(HashOfText(KeyType::kInteger, "-0"), HashOfText(KeyType::kInteger, "0"));
  EXPECT_NE(HashOfText(KeyType::kInteger, "-5"), five);
  EXPECT_TRUE(HashOfText(KeyType::kInteger, "-9223372036854775808"));
}

TEST(KeyValueTest, WhatIsNoPlainInteger) {
  for (const std::string_view text : {"", " 5", "5 ", "5.0", "5e0", "0x5", "1_0", "+-5", "--5", "+",
                                      "9223372036854775808", "NULL"}) {
    EXPECT_FALSE(HashOfText(KeyType::kInteger, text)) << text;
  }
  for (const std::string_view bytes : {""sv, "\5"sv, "\0\0\5"sv, "123456789"sv}) {
    EXPECT_FALSE(HashOfBinary(KeyType::kInteger, bytes)) << bytes.size();
  }
}

TEST(KeyValueTest, OtherTypes) {
  const std::string text = "0123abCD-4567-89ab-cdef-0123456789AB";
  const std::string bytes = "\x01\x23\xab\xcd\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab"s;
  EXPECT_EQ(HashOfText(KeyType::kUuid, text), HashOfBinary(KeyType::kUuid, bytes));
  for (const std::string& wrong :
       {"{" + text + "}", text.substr(1), text + "0", "0123abCD04567-89ab-cdef-0123456789AB"s,
        "g123abCD-4567-89ab-cdef-0123456789AB"s}) {
    EXPECT_FALSE(HashOfText(KeyType::kUuid, wrong)) << wrong;
  }
  EXPECT_FALSE(HashOfBinary(KeyType::kUuid, text));

  EXPECT_EQ(HashOfText(KeyType::kBool, "true"), HashOfBinary(KeyType::kBool, "\1"));
  EXPECT_EQ(HashOfText(KeyType::kBool, "f"), HashOfBinary(KeyType::kBool, "\0"sv));
  EXPECT_NE(HashOfText(KeyType::kBool, "f"), HashOfText(KeyType::kBool, "t"));
  EXPECT_FALSE(HashOfText(KeyType::kBool, "TRUE"));

  EXPECT_EQ(HashOfText(KeyType::kOid, "4294967295"),
            HashOfBinary(KeyType::kOid, "\xff\xff\xff\xff"));
  EXPECT_FALSE(HashOfText(KeyType::kOid, "-1"));

  EXPECT_EQ(HashOfText(KeyType::kText, "a"), HashOfBinary(KeyType::kText, "a"));
  EXPECT_NE(HashOfText(KeyType::kText, "a"), HashOfText(KeyType::kText, "A"));
  EXPECT_NE(HashOfText(KeyType::kText, "a"), HashOfText(KeyType::kText, "a "));
}

std::string Elements(std::string_view text) {
  const auto elements = TextArrayElements(text, 3);
  if (!elements) return "none";
  std::string words;
  for (const std::string& element : *elements) words += "<" + element + ">";
  return words;
}

TEST(KeyValueTest, TextArrays) {
  EXPECT_EQ(Elements("{}"), "");
  EXPECT_EQ(Elements("{1,-2}"), "<1><-2>");
  EXPECT_EQ(Elements("{\"a,b\",\"c\\\"d\",\"\"}"), "<a,b><c\"d><>");
  EXPECT_EQ(Elements("{\"NULL\"}"), "<NULL>");
  for (const std::string_view text :
       {"", "{", "1", "{1", "{NULL}", "{null,1}", "{ 1}", "{1 }", "{{1}}", "{1,}", "{,1}", "{\"a}",
        "{\"a\"b}", "{a\\b}", "[0:1]={1,2}", "{1,2,3,4}"}) {
    EXPECT_EQ(Elements(text), "none") << text;
  }
}

TEST(KeyValueTest, BinaryArrays) {
  const std::string header = "\0\0\0\1\0\0\0\0\0\0\0\x17"s;
  const std::string two = header + "\0\0\0\2\0\0\0\1"s + "\0\0\0\1a\0\0\0\2bc"s;
  const auto elements = BinaryArrayElements(two, 3);
  ASSERT_TRUE(elements);
  EXPECT_EQ(*elements, (std::vector<std::string_view>{"a", "bc"}));
  EXPECT_FALSE(BinaryArrayElements(two, 1));
  EXPECT_FALSE(BinaryArrayElements(two + "x", 3));
  for (size_t size = 0; size < two.size(); ++size) {
    EXPECT_FALSE(BinaryArrayElements(two.substr(0, size), 3)) << size;
  }
  EXPECT_TRUE(BinaryArrayElements("\0\0\0\0\0\0\0\0\0\0\0\x17"sv, 3)->empty());
  EXPECT_FALSE(BinaryArrayElements(header + "\0\0\0\1\0\0\0\1\xff\xff\xff\xff"s, 3)) << "NULL";
  EXPECT_FALSE(BinaryArrayElements("\0\0\0\2"s + header.substr(4) + "\0\0\0\0\0\0\0\1"s, 3));
}

TEST(KeyValueTest, Oids) {
  EXPECT_EQ(KeyTypeOfOid(21, false), KeyType::kInteger);
  EXPECT_EQ(KeyTypeOfOid(1043, false), KeyType::kText);
  EXPECT_EQ(KeyTypeOfOid(1007, true), KeyType::kInteger);
  EXPECT_FALSE(KeyTypeOfOid(1007, false));
  EXPECT_FALSE(KeyTypeOfOid(23, true));
  for (const uint32_t oid : {18u, 19u, 700u, 701u, 1042u, 1700u, 705u}) {
    EXPECT_FALSE(KeyTypeOfOid(oid, false)) << oid;
  }
}

}  // namespace
}  // namespace pgsidecar::catalog
