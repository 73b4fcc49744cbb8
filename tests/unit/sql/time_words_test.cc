// The words that mean the current time.

#include "sql/time_words.h"

#include <gtest/gtest.h>

#include <string>

namespace pgsidecar::sql {
namespace {

TEST(ContainsTimeWord, FindsEachWordInAnyCaseAndPlace) {
  for (const std::string word :
       {"now", "NOW", "nOw", "today", "ToDaY", "tomorrow", "TOMORROW", "yesterday", "Yesterday"}) {
    for (const std::string before : {"", " ", "x", "no", "yester", "\xff", "to to"}) {
      for (const std::string after : {"", " ", "x", "\xff"}) {
        EXPECT_TRUE(ContainsTimeWord(before + word + after)) << before << word << after;
      }
    }
  }
}

TEST(ContainsTimeWord, LooksThroughWhatArraysAndRowsDrop) {
  for (const char* text : {"{n\\ow}", "(\"n\"\"ow\")", "{tod\\\"ay}", "\\t\\o\\d\\a\\y",
                           "[\"yester\"day,)", "tomorro\\\\w"}) {
    EXPECT_TRUE(ContainsTimeWord(text)) << text;
  }
}

TEST(ContainsTimeWord, IsFalseForTheRest) {
  for (const char* text :
       {"", "n", "no", "ow", "w", "d", "day", "monday", "n ow", "to day", "tomorro", "esterday",
        "toda", "2024-02-29", "infinity", "\\\"", "wd", "to\\", "n-ow"}) {
    EXPECT_FALSE(ContainsTimeWord(text)) << text;
  }
}

TEST(ContainsTimeWord, AnyBytes) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  EXPECT_FALSE(ContainsTimeWord(bytes));
  EXPECT_TRUE(ContainsTimeWord(bytes + "now"));
}

}  // namespace
}  // namespace pgsidecar::sql
