// Lifetimes are spread, and the server is asked for logins no more often than is good for it.

#include "pool/limits.h"

#include <gtest/gtest.h>

#include <set>

#include "pool/login_gate.h"

namespace pgsidecar::pool {
namespace {

using std::chrono::seconds;

TEST(LifetimeTest, IsSpreadOverTheLastFifth) {
  std::set<int64_t> lifetimes;
  for (uint64_t id = 1; id <= 100; ++id) {
    const Duration lifetime = LifetimeOf(id, seconds(1000));
    EXPECT_LE(lifetime, seconds(1000));
    EXPECT_GT(lifetime, seconds(799));
    EXPECT_EQ(lifetime, LifetimeOf(id, seconds(1000)));
    lifetimes.insert(std::chrono::duration_cast<seconds>(lifetime).count() / 20);
  }
  EXPECT_EQ(lifetimes.size(), 10u) << "hundred neighbours leave a tenth of the span empty";
}

TEST(PoolModeTest, WordsAreReadBack) {
  for (const std::string_view word : {"session", "transaction", "statement"}) {
    ASSERT_TRUE(ParsePoolMode(word));
    EXPECT_EQ(PoolModeName(*ParsePoolMode(word)), word);
  }
  EXPECT_FALSE(ParsePoolMode(""));
  EXPECT_FALSE(ParsePoolMode("Session"));
}

TEST(LoginGateTest, SoManyAtOnce) {
  LoginGate gate;
  EXPECT_TRUE(gate.MayStart(0, 2, TimePoint{}));
  EXPECT_TRUE(gate.MayStart(1, 2, TimePoint{}));
  EXPECT_FALSE(gate.MayStart(2, 2, TimePoint{}));
}

TEST(LoginGateTest, WhileTheServerIsGoneOneTriesNowAndThen) {
  LoginGate gate;
  const TimePoint start{seconds(100)};
  gate.OnFailed(seconds(5), true, start);
  EXPECT_TRUE(gate.failing());
  EXPECT_FALSE(gate.IsRetry(start - seconds(1))) << "it began before anything was known";
  EXPECT_FALSE(gate.MayStart(0, 8, start + seconds(4)));
  EXPECT_TRUE(gate.MayStart(0, 8, start + seconds(5)));
  EXPECT_FALSE(gate.MayStart(1, 8, start + seconds(5)));
  EXPECT_TRUE(gate.IsRetry(start + seconds(5)));
  gate.OnFailed(seconds(5), false, start + seconds(5));  // of somebody who does not count
  EXPECT_TRUE(gate.MayStart(0, 8, start + seconds(5)));
  gate.OnFailed(seconds(5), true, start + seconds(5));
  EXPECT_FALSE(gate.MayStart(0, 8, start + seconds(6)));
  gate.OnAnswered();
  EXPECT_TRUE(gate.MayStart(7, 8, start + seconds(6)));
}

}  // namespace
}  // namespace pgsidecar::pool
