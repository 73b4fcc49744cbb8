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
  EXPECT_EQ(pool.TakeIdle({}), nullptr);
  pool.PutIdle(&first, TimePoint{});
  pool.PutIdle(&second, TimePoint{});
  EXPECT_EQ(pool.TakeIdle({}), &second);
  pool.Remove(&first);  // idle
  EXPECT_EQ(pool.TakeIdle({}), nullptr);
  pool.Remove(&second);  // taken
  EXPECT_EQ(pool.size(), 0u);
  for (const ClientId client : {7u, 8u, 9u}) pool.Enqueue({.client = client}, TimePoint{});
  pool.Leave(8);
  EXPECT_EQ(pool.NextWaiter(), 7u);
  EXPECT_EQ(pool.NextWaiter(), 9u);
  EXPECT_TRUE(pool.waiters().empty());
}

SharedLabel Label(SettingsLabel values) {
  return std::make_shared<const SettingsLabel>(std::move(values));
}

TEST(PoolTest, ASessionGoesBackToItsOwnConnectionElseToOneThatFits) {
  Pool pool("key", Startup({{"user", "a"}}));
  ServerConnection home(1, pool.startup(), TimePoint{});
  ServerConnection fits(2, pool.startup(), TimePoint{});
  ServerConnection other(3, pool.startup(), TimePoint{});
  for (ServerConnection* server : {&home, &fits, &other}) pool.Adopt(server);
  home.home_of = 7;
  fits.label = Label({{"work_mem", "9MB"}});
  const LeaseWish wish = {.client = 7, .last = 1, .label = Label({{"work_mem", "9MB"}})};
  const LeaseWish stranger = {.client = 8, .last = 9, .label = wish.label};
  for (ServerConnection* server : {&home, &fits, &other}) pool.PutIdle(server, TimePoint{});
  EXPECT_EQ(pool.TakeIdle(wish), &home);
  EXPECT_EQ(pool.TakeIdle(wish), &fits);
  EXPECT_EQ(pool.TakeIdle(wish), &other);
  for (ServerConnection* server : {&other, &fits, &home}) pool.PutIdle(server, TimePoint{});
  EXPECT_EQ(pool.TakeIdle(stranger), &fits);
  EXPECT_EQ(pool.TakeIdle(stranger), &other);
  EXPECT_EQ(pool.TakeIdle(stranger), &home);
  for (ServerConnection* server : {&home, &fits, &other}) pool.Remove(server);
}

TEST(PoolTest, WhatHoldsACustomSettingServesOnlyWhoHasItToo) {
  Pool pool("key", Startup({{"user", "a"}}));
  ServerConnection server(1, pool.startup(), TimePoint{});
  pool.Adopt(&server);
  server.label = Label({{"app.tenant", std::nullopt}});
  pool.PutIdle(&server, TimePoint{});
  EXPECT_EQ(pool.TakeIdle({.client = 7}), nullptr);
  pool.Enqueue({.client = 7}, TimePoint{});
  pool.Enqueue({.client = 8, .label = Label({{"app.tenant", "3"}})}, TimePoint{});
  EXPECT_EQ(pool.NextWaiterFor(server), 8u);
  EXPECT_EQ(pool.NextWaiterFor(server), 0u);
  EXPECT_EQ(pool.TakeIdle({.client = 8, .label = Label({{"app.tenant", "3"}})}), &server);
  pool.Remove(&server);
}

TEST(PoolTest, SequencesAreAskedForWhereTheyAreAndLeftToTheirOwner) {
  Pool pool("key", Startup({{"user", "a"}}));
  ServerConnection used(1, pool.startup(), TimePoint{});
  ServerConnection clean(2, pool.startup(), TimePoint{});
  for (ServerConnection* server : {&used, &clean}) pool.Adopt(server);
  used.sequence_client = 7;
  pool.PutIdle(&clean, TimePoint{});
  pool.PutIdle(&used, TimePoint{});
  EXPECT_EQ(pool.TakeIdle({.client = 8, .uses_sequences = true}), &clean);
  EXPECT_EQ(pool.TakeIdle({.client = 7, .last = 2, .only_last = true}), nullptr);
  pool.Enqueue({.client = 7, .last = 2, .only_last = true}, TimePoint{});
  EXPECT_EQ(pool.NextWaiterFor(used), 0u);
  pool.Remove(&clean);  // it is nowhere now
  EXPECT_EQ(pool.NextWaiterFor(used), 7u);
  pool.Remove(&used);
}

TEST(PreparedRegistryTest, OneIdForOneTextAndTypes) {
  PreparedRegistry registry;
  const auto one = registry.Intern("SELECT $1", {23});
  EXPECT_EQ(one, registry.Intern("SELECT $1", {23}));
  EXPECT_NE(one->id, registry.Intern("SELECT $1", {20})->id);
  EXPECT_NE(one->id, registry.Intern("SELECT $1", {})->id);
  EXPECT_NE(one->id, registry.Intern("SELECT $2", {23})->id);
  EXPECT_NE(one->id, registry.Intern("SELECT $1", {23}, "off ")->id);
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
