// The memo: what it remembers, what it forgets, and that it stays within its bound.

#include <gtest/gtest.h>

#include <string>

#include "sql/analyzer.h"

namespace pgsidecar::sql {
namespace {

TEST(AnalysisMemo, RemembersByExactText) {
  AnalysisMemo memo(1 << 20);
  const auto first = memo.Get("select a from t");
  EXPECT_EQ(memo.Get(std::string("select a from t")), first);
  const auto other = memo.Get("select a from u");
  EXPECT_NE(other, first);
  EXPECT_EQ(other->statements[0].reads[0].name, "u");
  EXPECT_NE(memo.Get("select a from t "), first);
  EXPECT_EQ(memo.hits(), 1U);
  EXPECT_EQ(memo.misses(), 3U);
}

TEST(AnalysisMemo, RemembersFailuresToo) {
  AnalysisMemo memo(1 << 20);
  const auto failed = memo.Get("selec");
  EXPECT_FALSE(failed->parsed);
  EXPECT_EQ(memo.Get("selec"), failed);
}

TEST(AnalysisMemo, ForgetsTheLeastRecentlyUsed) {
  AnalysisMemo probe(1 << 20);
  probe.Get("select 10");
  AnalysisMemo memo(3 * probe.bytes());
  memo.Get("select 10");
  memo.Get("select 11");
  memo.Get("select 12");
  memo.Get("select 10");
  memo.Get("select 13");  // takes the place of 11
  EXPECT_EQ(memo.hits(), 1U);
  memo.Get("select 10");
  memo.Get("select 12");
  EXPECT_EQ(memo.hits(), 3U);
  memo.Get("select 11");
  EXPECT_EQ(memo.misses(), 5U);
}

TEST(AnalysisMemo, StaysWithinItsBound) {
  AnalysisMemo memo(20000);
  for (int i = 0; i < 2000; ++i) {
    memo.Get("select f" + std::to_string(i) + "(a) from t" + std::string(i % 700U, ' '));
    ASSERT_LE(memo.bytes(), 20000U);
    ASSERT_GT(memo.bytes(), 0U);
  }
}

TEST(AnalysisMemo, ChargesTheAnalysisAndNotOnlyTheText) {
  AnalysisMemo memo(1 << 20);
  memo.Get("select '" + std::string(90, 'x') + "'");
  const size_t plain = memo.bytes();
  memo.Get(
      "select a(), b(), c(), d(), e(), f(), g(), h() from i, j, k, l, m, n, o, p, q, r, s, tt");
  EXPECT_GT(memo.bytes() - plain, plain + 20 * sizeof(QualifiedName) / 2);
}

TEST(AnalysisMemo, AnEntryOverTheBoundIsReturnedAndNotKept) {
  AnalysisMemo memo(100);
  const auto info = memo.Get("select a from t");
  EXPECT_TRUE(info->parsed);
  EXPECT_EQ(memo.bytes(), 0U);
  EXPECT_NE(memo.Get("select a from t"), info);
  AnalysisMemo none(0);
  EXPECT_TRUE(none.Get("select 1")->parsed);
}

TEST(AnalysisMemo, AResultOutlivesItsEntry) {
  AnalysisMemo memo(4000);
  const auto info = memo.Get("select a from t");
  for (int i = 0; i < 100; ++i) memo.Get("select " + std::to_string(i));
  EXPECT_NE(memo.Get("select a from t"), info);
  EXPECT_EQ(info->statements[0].reads[0].name, "t");
}

}  // namespace
}  // namespace pgsidecar::sql
