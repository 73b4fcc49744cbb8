// The book of statements: found by exact text, bounded, least recently used out first.

#include <gtest/gtest.h>

#include <string>

#include "proxy/statement.h"

namespace pgsidecar::proxy {
namespace {

std::string Text(int i) { return "select " + std::to_string(i); }

TEST(StatementBook, RemembersByExactText) {
  StatementBook book(10, size_t{1} << 20);
  const auto first = book.Get("select a from t");
  EXPECT_EQ(book.Get("select a from t"), first);
  EXPECT_NE(book.Get("select a  from t"), first);
  EXPECT_NE(book.Get("SELECT a from t"), first);
  EXPECT_EQ(book.analyses(), 3U);
  EXPECT_EQ(first->info().statements[0].reads[0].name, "t");
}

TEST(StatementBook, DropsTheLeastRecentlyUsed) {
  StatementBook book(3, size_t{1} << 20);
  for (int i = 0; i < 3; ++i) book.Get(Text(i));
  book.Get(Text(0));
  book.Get(Text(3));  // 1 goes
  EXPECT_EQ(book.analyses(), 4U);
  book.Get(Text(0));
  book.Get(Text(2));
  book.Get(Text(3));
  EXPECT_EQ(book.analyses(), 4U);
  book.Get(Text(1));
  EXPECT_EQ(book.analyses(), 5U);
  EXPECT_EQ(book.records().size(), 3U);
}

TEST(StatementBook, StaysWithinItsBytes) {
  constexpr size_t kMaxBytes = 64 * 1024;
  StatementBook book(100'000, kMaxBytes);
  for (int i = 0; i < 2000; ++i) {
    book.Get("select f" + std::to_string(i) + "(a) from t" + std::string(i % 700U, ' '));
    ASSERT_LE(book.bytes(), kMaxBytes);
  }
  EXPECT_GT(book.records().size(), 10U);
}

TEST(StatementBook, AnOversizedTextIsAnalysedAndNotKept) {
  StatementBook book(10, 64 * 1024);
  const auto record = book.Get("select '" + std::string(60'000, 'x') + "'");
  EXPECT_TRUE(record->info().parsed);
  EXPECT_EQ(book.bytes(), 0U);
  EXPECT_TRUE(book.records().empty());
}

TEST(StatementBook, ARecordOutlivesItsPlace) {
  StatementBook book(1, size_t{1} << 20);
  const auto record = book.Get("select a from t");
  book.Get("select b from u");
  EXPECT_EQ(record->text(), "select a from t");
  EXPECT_NE(book.Get("select a from t"), record);
}

}  // namespace
}  // namespace pgsidecar::proxy
