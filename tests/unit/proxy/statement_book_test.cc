// The book of statements: found by exact text or by template, bounded, least recently used out
// first.

#include <gtest/gtest.h>

#include <string>

#include "proxy/statement.h"

namespace pgsidecar::proxy {
namespace {

std::string Text(int i) { return "select " + std::to_string(i); }

TEST(StatementBook, RemembersByExactText) {
  StatementBook book(10, size_t{1} << 20);
  const auto first = book.Get("select a from t").record;
  EXPECT_EQ(book.Get("select a from t").record, first);
  EXPECT_NE(book.Get("select a  from t").record, first);
  EXPECT_NE(book.Get("SELECT a from t").record, first);
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
  const auto record = book.Get("select '" + std::string(60'000, 'x') + "'").record;
  EXPECT_TRUE(record->info().parsed);
  EXPECT_EQ(book.bytes(), 0U);
  EXPECT_TRUE(book.records().empty());
}

TEST(StatementBook, ARecordOutlivesItsPlace) {
  StatementBook book(1, size_t{1} << 20);
  const auto record = book.Get("select a from t").record;
  book.Get("select b from u");
  EXPECT_EQ(record->text(), "select a from t");
  EXPECT_NE(book.Get("select a from t").record, record);
}

TEST(StatementBook, TextsThatDifferInALiteralAreAnalysedOnce) {
  StatementBook book(10, size_t{1} << 20);
  const auto text = [](int id) {
    return "select a from t where id = " + std::to_string(id) + " and b = 'n" + std::to_string(id) +
           "'";
  };
  const auto first = book.Get(text(0)).record;
  for (int id = 1; id < 10'000; ++id) {
    const auto [record, literals] = book.Get(text(id));
    ASSERT_EQ(record, first);
    ++record->counts.calls;
    ASSERT_EQ(literals.size(), 2U);
    const std::string own = text(id);
    std::string scratch;
    const sql::Literals values{.text = own, .places = literals};
    ASSERT_EQ(values.Value(0, &scratch), std::to_string(id));
    ASSERT_EQ(values.Value(1, &scratch), "n" + std::to_string(id));
  }
  EXPECT_EQ(book.analyses(), 1U);
  EXPECT_EQ(book.records().size(), 1U);
  EXPECT_EQ(first->counts.calls, 9'999U);
  EXPECT_EQ(first->text(), "select a from t where id = ? and b = ?");
}

TEST(StatementBook, AHundredThousandLiteralsTakeAHandfulOfRecords) {
  StatementBook book(1000, size_t{1} << 20);
  for (int64_t id = 0; id < 100'000; ++id) {
    const std::string value = std::to_string(id * 100'000'000'000);
    book.Get("select a from t where id = " + value);
    book.Get("insert into t values (" + value + ", 1.5, 'x')");
  }
  // A template for int4 (0 alone), one for int8, of each.
  EXPECT_EQ(book.records().size(), 4U);
  EXPECT_EQ(book.analyses(), 4U);
}

TEST(StatementBook, ClassesOfLiteralsAreKeptApart) {
  StatementBook book(100, size_t{1} << 20);
  const auto record = book.Get("select a from t where b = 5").record;
  EXPECT_NE(book.Get("select a from t where b = 5000000000").record, record);
  EXPECT_NE(book.Get("select a from t where b = '5'").record, record);
  EXPECT_NE(book.Get("select a from t where b = 5.0").record, record);
  EXPECT_NE(book.Get("select a from t where b = 5::int").record, record);
  EXPECT_NE(book.Get("select a from t where b = -5").record, record);
  EXPECT_NE(book.Get("select a from t where b = 'now'").record, record);
  EXPECT_TRUE(book.Get("select a from t where b = 'e'").record->ascii());
  EXPECT_FALSE(book.Get("select a from t where b = '\xC3\xA9'").record->ascii());
}

TEST(StatementBook, WhatMayNotBeSharedIsFoundByItsText) {
  StatementBook book(100, size_t{1} << 20);
  const auto text = [](int i) { return "select a into b from t where c = " + std::to_string(i); };
  const auto [first, literals] = book.Get(text(1));
  EXPECT_TRUE(literals.empty());
  EXPECT_EQ(first->text(), text(1));
  EXPECT_NE(book.Get(text(2)).record, first);
  EXPECT_EQ(book.Get(text(1)).record, first);
  EXPECT_EQ(book.analyses(), 2U);
}

// A key is no text: the text that reads like one has its own record.
TEST(StatementBook, ATemplateIsNotFoundByItsKey) {
  StatementBook book(100, size_t{1} << 20);
  const auto record = book.Get("select a from t where b = 5").record;
  const std::string key = record->key();
  EXPECT_NE(book.Get(key).record, record);
  EXPECT_NE(book.Get(record->text()).record, record);
}

TEST(StatementBook, DropsTheLeastRecentlyUsedTemplate) {
  StatementBook book(2, size_t{1} << 20);
  book.Get("select a from t where b = 1");
  book.Get("select a from u where b = 1");
  book.Get("select a from t where b = 2");
  book.Get("select a from v where b = 1");  // u's goes
  book.Get("select a from t where b = 3");
  EXPECT_EQ(book.analyses(), 3U);
  book.Get("select a from u where b = 2");
  EXPECT_EQ(book.analyses(), 4U);
  EXPECT_EQ(book.records().size(), 2U);
}

}  // namespace
}  // namespace pgsidecar::proxy
