// Texts that differ in a literal share what is known of them, and nothing of their answers.

#include <gtest/gtest.h>

#include "tests/unit/proxy/world.h"

namespace pgsidecar::proxy {
namespace {

std::string Read(int bid) {
  return "SELECT bbalance FROM branches WHERE bid = " + std::to_string(bid);
}
std::string Write(int bid, int balance) {
  return "UPDATE branches SET bbalance = " + std::to_string(balance) +
         " WHERE bid = " + std::to_string(bid);
}

class LiteralsTest : public testing::Test {
 protected:
  std::string Prepared(const std::string& name, const std::string& sql) {
    client_.Parse(name, sql).Run(name);
    world_.Run();
    return client_.Take();
  }
  World world_;
  FakeClient& client_ = world_.LoggedIn();
};

TEST_F(LiteralsTest, EachTextHasItsOwnAnswer) {
  world_.Ask(client_, Write(1, 10));
  world_.Ask(client_, Write(2, 20));
  for (const size_t hits : {0U, 2U}) {
    EXPECT_EQ(world_.Ask(client_, Read(1)), "T D:10 C:SELECT 1 Z:I");
    EXPECT_EQ(world_.Ask(client_, Read(2)), "T D:20 C:SELECT 1 Z:I");
    EXPECT_EQ(world_.hits(), hits);
  }
}

TEST_F(LiteralsTest, SoHasEachPreparedStatement) {
  world_.Ask(client_, Write(1, 10));
  world_.Ask(client_, Write(2, 20));
  EXPECT_EQ(Prepared("a", Read(1)), "1 2 D:10 C:SELECT 1 Z:I");
  EXPECT_EQ(Prepared("b", Read(2)), "1 2 D:20 C:SELECT 1 Z:I");
  for (const size_t hits : {2U, 4U}) {
    client_.Run("a").Run("b");
    world_.Run();
    EXPECT_EQ(client_.Take(), "2 D:10 C:SELECT 1 Z:I 2 D:20 C:SELECT 1 Z:I");
    EXPECT_EQ(world_.hits(), hits);
  }
}

TEST_F(LiteralsTest, TheConsoleShowsOneLine) {
  for (int bid = 1; bid <= 3; ++bid) {
    world_.Ask(client_, Read(bid));
    world_.Ask(client_, Read(bid));
  }
  const auto& records = world_.hub->databases().front()->book.records();
  ASSERT_EQ(records.size(), 1U);
  const StatementRecord& record = *records.front();
  EXPECT_EQ(record.text(), "SELECT bbalance FROM branches WHERE bid = ?");
  EXPECT_EQ(record.counts.calls, 6U);
  EXPECT_EQ(record.counts.hits, 3U);
  EXPECT_EQ(world_.Ask(world_.Console(), "SHOW STATEMENTS"), "T D:app C:SHOW Z:I");
}

}  // namespace
}  // namespace pgsidecar::proxy
