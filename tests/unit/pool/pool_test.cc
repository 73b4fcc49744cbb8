// Who is served when, and which connections are alike.

#include "pool/pool.h"

#include <gtest/gtest.h>

#include "pool/prepared.h"

namespace pgsidecar::pool {
namespace {

pgwire::StartupMessage Startup(std::vector<std::pair<std::string, std::string>> parameters) {
  pgwire::StartupMessage startup;
  startup.parameters = std::move(parameters);
  return startup;
}

TEST(PoolKeyTest, NeitherOrderNorConcatenationDecides) {
  const std::string key = PoolKey(Startup({{"user", "a"}, {"database", "b"}}), "x");
  EXPECT_EQ(key, PoolKey(Startup({{"database", "b"}, {"user", "a"}}), "x"));
  EXPECT_NE(key, PoolKey(Startup({{"user", "a"}, {"database", "b"}}), "y"));
  EXPECT_NE(PoolKey(Startup({{"user", "ab"}, {"options", "c"}}), ""),
            PoolKey(Startup({{"user", "a"}, {"options", "bc"}}), ""));
  EXPECT_NE(PoolKey(Startup({{"user", "a"}}), "database"),
            PoolKey(Startup({{"user", "a"}, {"database", ""}}), ""));
  // Of a name that is given twice the last counts, so the order of the two does.
  EXPECT_NE(PoolKey(Startup({{"user", "a"}, {"user", "b"}}), ""),
            PoolKey(Startup({{"user", "b"}, {"user", "a"}}), ""));
}

TEST(PoolTest, TakesWhatWasUsedLastAndServesWhoCameFirst) {
  Pool pool("key", Startup({{"user", "a"}}));
  EXPECT_EQ(pool.database(), "a");
  ServerConnection first(1, pool.startup(), TimePoint{});
  ServerConnection second(2, pool.startup(), TimePoint{});
  pool.Adopt(&first);
  pool.Adopt(&second);
  EXPECT_EQ(pool.size(), 2u);
  EXPECT_EQ(pool.TakeIdle(0), nullptr);
  pool.PutIdle(&first, TimePoint{});
  pool.PutIdle(&second, TimePoint{});
  EXPECT_EQ(pool.TakeIdle(0), &second);
  pool.Remove(&first);  // idle
  EXPECT_EQ(pool.TakeIdle(0), nullptr);
  pool.Remove(&second);  // taken
  EXPECT_EQ(pool.size(), 0u);
  for (const ClientId client : {7u, 8u, 9u}) pool.Enqueue(client, TimePoint{});
  pool.Leave(8);
  EXPECT_EQ(pool.NextWaiter(), 7u);
  EXPECT_EQ(pool.NextWaiter(), 9u);
  EXPECT_TRUE(pool.waiters().empty());
}

TEST(PreparedRegistryTest, OneIdForOneTextAndTypes) {
  PreparedRegistry registry;
  const auto one = registry.Intern("SELECT $1", {23});
  EXPECT_EQ(one, registry.Intern("SELECT $1", {23}));
  EXPECT_NE(one->id, registry.Intern("SELECT $1", {20})->id);
  EXPECT_NE(one->id, registry.Intern("SELECT $1", {})->id);
  EXPECT_NE(one->id, registry.Intern("SELECT $2", {23})->id);
  EXPECT_EQ(one->server_name, ServerName(one->id));
}

TEST(PreparedRegistryTest, ForgetsWhatNobodyHolds) {
  PreparedRegistry registry;
  const auto kept = registry.Intern("kept", {});
  for (int i = 0; i < 20'000; ++i) (void)registry.Intern("SELECT " + std::to_string(i), {});
  EXPECT_LT(registry.size(), 3000u);
  EXPECT_EQ(registry.Intern("kept", {}), kept);
}

}  // namespace
}  // namespace pgsidecar::pool
