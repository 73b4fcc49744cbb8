#include "proxy/verify.h"

#include <gtest/gtest.h>

#include "pgwire/backend.h"
#include "tests/unit/cache/make_entry.h"

namespace pgsidecar::proxy {
namespace {

cache::EntrySpec SpecOf(const std::vector<std::string>& rows, std::string_view description = "T") {
  cache::EntrySpec entry;
  entry.row_description = description;
  for (const std::string& row : rows) {
    pgwire::DataRow message;
    message.values.push_back(row);
    message.Encode(entry.rows);
  }
  entry.row_count = rows.size();
  entry.command_complete = "SELECT " + std::to_string(rows.size());
  return entry;
}

cache::EntryRef EntryOf(const std::vector<std::string>& rows, std::string_view description = "T") {
  return SpecOf(rows, description).Build();
}

TEST(VerifyTest, ListsAndMultisets) {
  const cache::EntryRef cached = EntryOf({"a", "b", "b", "cc"});
  EXPECT_EQ(Compare(*cached, *EntryOf({"a", "b", "b", "cc"}), true), Verdict::kMatch);
  EXPECT_EQ(Compare(*cached, *EntryOf({"cc", "b", "a", "b"}), false), Verdict::kMatch);
  EXPECT_EQ(Compare(*cached, *EntryOf({"cc", "b", "a", "b"}), true), Verdict::kOrder);
  EXPECT_EQ(Compare(*cached, *EntryOf({"a", "a", "b", "cc"}), false), Verdict::kRows);
  EXPECT_EQ(Compare(*cached, *EntryOf({"a", "b", "cc"}), false), Verdict::kRows);
  EXPECT_EQ(Compare(*cached, *EntryOf({"a", "b", "b", "cd"}), true), Verdict::kRows);
  EXPECT_EQ(Compare(*EntryOf({}), *EntryOf({}), true), Verdict::kMatch);
  EXPECT_EQ(Compare(*EntryOf({}), *EntryOf({""}), false), Verdict::kRows);
}

TEST(VerifyTest, DescriptionIfBothHaveOne) {
  EXPECT_EQ(Compare(*EntryOf({"a"}, "T1"), *EntryOf({"a"}, "T2"), false), Verdict::kDescription);
  EXPECT_EQ(Compare(*EntryOf({"a"}, "T1"), *EntryOf({"a"}, ""), false), Verdict::kMatch);
  EXPECT_EQ(Compare(*EntryOf({"a"}, ""), *EntryOf({"a"}, "T1"), false), Verdict::kMatch);
}

TEST(VerifyTest, Tag) {
  cache::EntrySpec other = SpecOf({"a"});
  other.command_complete = "FETCH 1";
  EXPECT_EQ(Compare(*EntryOf({"a"}), *other.Build(), false), Verdict::kTag);
}

TEST(MismatchLogTest, Bounded) {
  MismatchLog log;
  for (size_t i = 0; i < MismatchLog::kMaxKept + 5; ++i) {
    Mismatch mismatch;
    mismatch.cached_rows = i;
    mismatch.query = std::string(5000, 'x');
    EXPECT_EQ(log.Add(mismatch).cached_rows, i);
  }
  EXPECT_EQ(log.newest().size(), MismatchLog::kMaxKept);
  EXPECT_EQ(log.newest().front().cached_rows, MismatchLog::kMaxKept + 4);
  EXPECT_EQ(log.newest().front().query.size(), MismatchLog::kMaxQueryBytes + 3);
}

}  // namespace
}  // namespace pgsidecar::proxy
