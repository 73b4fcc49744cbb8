// What the sessions share: a decision comes back as if it had never been anybody's.

#include "proxy/decision.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace pgsidecar::proxy {
namespace {

TEST(DecisionPoolTest, ForgetsWhatItWasAbout) {
  DecisionPool pool;
  auto decision = pool.Take();
  Decision* const address = decision.get();
  const auto record = std::make_shared<StatementRecord>(
      StatementRecord::Of::kText, "SELECT 1", true, std::make_shared<const sql::TextInfo>());
  const auto statement = std::make_shared<ClientStatement>();
  decision->request.Append('Q', "Q\0\0\0\xdSELECT 1");
  decision->request.synced = true;
  decision->records = {record};
  decision->runs = {{statement, "bind"}};
  decision->parsed = {{0, "name", statement}};
  decision->statement = statement;
  decision->literals.resize(3);
  decision->text = "SELECT 1";
  decision->forced = Error{"57014", "canceled", "", ""};
  decision->unknown = decision->local = decision->has_parse = true;
  pool.Give(std::move(decision));

  EXPECT_EQ(record.use_count(), 1);
  EXPECT_EQ(statement.use_count(), 1);
  decision = pool.Take();
  ASSERT_EQ(decision.get(), address);
  EXPECT_TRUE(decision->request.bytes.empty());
  EXPECT_TRUE(decision->request.messages.empty());
  EXPECT_FALSE(decision->request.synced);
  EXPECT_TRUE(decision->records.empty());
  EXPECT_TRUE(decision->literals.empty());
  EXPECT_TRUE(decision->text.empty());
  EXPECT_FALSE(decision->forced);
  EXPECT_FALSE(decision->unknown || decision->local || decision->has_parse);
}

TEST(DecisionPoolTest, ClearsASpareStatement) {
  DecisionPool pool;
  auto decision = pool.Take();
  decision->spare = std::make_shared<ClientStatement>();
  decision->spare->local_sql = "SHOW pgsidecar.last";
  decision->spare->literals.resize(1000);
  pool.Give(std::move(decision));
  decision = pool.Take();
  ASSERT_NE(decision->spare, nullptr);
  EXPECT_TRUE(decision->spare->local_sql.empty());
  EXPECT_LT(decision->spare->literals.capacity(), 100u);
}

// It is told of in an answer that is still to come: its memory is of use afterwards.
TEST(DecisionPoolTest, KeepsASpareStatementThatIsStillReferredTo) {
  DecisionPool pool;
  auto decision = pool.Take();
  const auto statement = std::make_shared<ClientStatement>();
  statement->local_sql = "SHOW pgsidecar.last";
  decision->spare = statement;
  pool.Give(std::move(decision));
  EXPECT_EQ(statement->local_sql, "SHOW pgsidecar.last");
  EXPECT_EQ(pool.Take()->spare, statement);
}

TEST(DecisionPoolTest, KeepsNothingLarge) {
  DecisionPool pool;
  for (int i = 0; i < 3; ++i) {
    auto decision = pool.Take();
    for (int message = 0; message < 10'000; ++message)
      decision->request.Append('D', std::string(30, 'D'));
    decision->records.resize(10'000);
    decision->literals.resize(10'000);
    decision->key_scratch.assign(100'000, 'x');
    pool.Give(std::move(decision));
  }
  const auto decision = pool.Take();
  EXPECT_LE(decision->request.bytes.capacity(), 16'384u);
  Request request;
  request.Append('Q', std::string(2 * Request::kMaxWholeBytes, 'Q'));
  request.Clear();
  EXPECT_LE(request.bytes.capacity(), Request::kMaxWholeBytes);
  EXPECT_LE(decision->request.messages.capacity(), 256u);
  EXPECT_LE(decision->records.capacity(), 64u);
  EXPECT_LE(decision->literals.capacity(), 64u);
  EXPECT_LE(decision->key_scratch.capacity(), 16'384u);
}

TEST(DecisionPoolTest, KeepsFewOfABurst) {
  DecisionPool pool;
  std::vector<std::unique_ptr<Decision>> burst;
  for (int i = 0; i < 1000; ++i) burst.push_back(pool.Take());
  size_t kept = 0;
  std::vector<std::weak_ptr<ClientStatement>> spares;
  for (auto& decision : burst) {
    decision->spare = std::make_shared<ClientStatement>();
    spares.push_back(decision->spare);
    pool.Give(std::move(decision));
  }
  for (const auto& each : spares) kept += each.expired() ? 0 : 1;
  EXPECT_LE(kept, 64u);
  EXPECT_GE(kept, 1u);
}

}  // namespace
}  // namespace pgsidecar::proxy
