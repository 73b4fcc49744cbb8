// The tables, and what must hold for every text whatever it says.

#include "sql/analyzer.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "cases.h"
#include "describe.h"
#include "tree_oracle.h"

namespace pgsidecar::sql {
namespace {

void ExpectDescriptions(std::span<const Case> cases) {
  for (const Case& c : cases) {
    EXPECT_EQ(Describe(Analyze(c.text)), c.expected) << c.text;
  }
}

TEST(Analyze, Selects) { ExpectDescriptions(SelectCases()); }
TEST(Analyze, Writes) { ExpectDescriptions(WriteCases()); }
TEST(Analyze, Sessions) { ExpectDescriptions(SessionCases()); }
TEST(Analyze, Creates) { ExpectDescriptions(CreateCases()); }

TEST(Analyze, LeavesOutNothingThatTheTreeNames) {
  for (const Case& c : AllCases()) {
    const std::string text(c.text);
    EXPECT_EQ(TreeOracle::MissingFrom(Analyze(text), text), "") << text;
  }
}

TEST(Analyze, TextsWithoutStatements) {
  for (const std::string_view text : {"", ";", "  ", "-- x", "/* x */;;"}) {
    const TextInfo info = Analyze(text);
    EXPECT_TRUE(info.parsed) << text;
    EXPECT_TRUE(info.statements.empty()) << text;
  }
}

TEST(Analyze, RefusesLongTextsAndZeroBytes) {
  const std::string head = "select 'x";
  const std::string longest = head + std::string(kMaxAnalyzedBytes - head.size() - 1, 'y') + "'";
  EXPECT_TRUE(Analyze(longest).IsSingle(StatementKind::kSelect));
  const TextInfo longer = Analyze(longest + " ");
  EXPECT_FALSE(longer.parsed);
  EXPECT_EQ(longer.error, "text longer than 131072 bytes");
  EXPECT_FALSE(Analyze(std::string_view("select 1\0", 9)).parsed);
}

TEST(Analyze, UnknownStatementsSayWhy) {
  const TextInfo info = Analyze("explain execute p");
  ASSERT_TRUE(info.parsed);
  EXPECT_EQ(info.statements[0].kind, StatementKind::kUnknown);
  EXPECT_FALSE(info.statements[0].unknown_reason.empty());
}

TEST(Analyze, EveryKindHasAName) {
  for (int kind = 0; kind <= static_cast<int>(StatementKind::kDdl); ++kind) {
    const auto name = StatementKindName(static_cast<StatementKind>(kind));
    EXPECT_FALSE(name.empty());
    EXPECT_EQ(name == "unknown", kind == 0) << kind;
  }
}

// Broken texts either fail to parse or are analysed as completely as whole ones.
class Mutations {
 public:
  void Try(const std::string& text) {
    const TextInfo info = Analyze(text);
    ASSERT_EQ(TreeOracle::MissingFrom(info, text), "") << text;
    ASSERT_TRUE(info.parsed || !info.error.empty()) << text;
  }
  size_t Below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }

 private:
  std::mt19937 random_{20240229};
};

TEST(Analyze, TruncatedTexts) {
  Mutations mutations;
  for (const Case& c : AllCases()) {
    for (size_t size = 0; size < c.text.size(); size += 3) {
      mutations.Try(std::string(c.text.substr(0, size)));
    }
  }
}

TEST(Analyze, TextsWithWordsDroppedSwappedAndRepeated) {
  Mutations mutations;
  const std::vector<Case> cases = AllCases();
  for (const Case& c : cases) {
    if (c.text.empty()) continue;
    for (int round = 0; round < 12; ++round) {
      std::string text(c.text);
      const size_t at = mutations.Below(text.size());
      const size_t length = mutations.Below(text.size() - at + 1);
      const std::string_view other = cases[mutations.Below(cases.size())].text;
      switch (round % 4) {
        case 0:
          text.erase(at, length);
          break;
        case 1:
          text.insert(at, text.substr(at, length));
          break;
        case 2:
          text[at] = static_cast<char>(1 + mutations.Below(127));
          break;
        default:
          text.replace(at, length, "(" + std::string(other) + ")");
      }
      mutations.Try(text);
    }
  }
}

}  // namespace
}  // namespace pgsidecar::sql
