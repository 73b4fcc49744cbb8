// Logins that the proxy judges, through the hub: who opens server connections, and when one more is
// needed.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "tests/unit/proxy/world.h"

namespace pgsidecar::proxy {
namespace {

Config Trusting() {
  Config config = World::DefaultConfig();
  auto auth = std::make_shared<AuthSettings>();
  auth->method = AuthMethod::kTrust;
  config.auth = std::move(auth);
  return config;
}

class AuthLoginTest : public testing::Test {
 protected:
  uint64_t opened() const { return world_.hub->statistics().server_connections; }
  World world_{Trusting()};
};

TEST_F(AuthLoginTest, AStormCostsTheServerOneLogin) {
  const uint64_t before = opened();
  for (int i = 0; i < 20; ++i) world_.Open();
  world_.Run();
  for (FakeClient& client : world_.clients) EXPECT_EQ(client.Take(), "Z:I");
  EXPECT_EQ(opened(), before + 1);
  EXPECT_EQ(world_.hub->logins_under_way(), 0U);
  for (FakeClient& client : world_.clients) {
    EXPECT_EQ(world_.Ask(client, "SELECT bbalance FROM branches WHERE bid = 1"),
              "T D:0 C:SELECT 1 Z:I");
  }
}

TEST_F(AuthLoginTest, ThePidIsThatOfAServerConnection) {
  FakeClient& client = world_.LoggedIn();
  EXPECT_TRUE(world_.database.alive.contains(client.pid));
}

TEST_F(AuthLoginTest, AChangeOfTheCatalogAsksForANewLogin) {
  FakeClient& first = world_.LoggedIn();
  const uint64_t before = opened();
  world_.LoggedIn();
  EXPECT_EQ(opened(), before);
  world_.Ask(first, "CREATE TABLE t (a int)");
  world_.LoggedIn();
  EXPECT_EQ(opened(), before + 1);
  world_.Run();
  world_.LoggedIn();
  EXPECT_LE(opened(), before + 2);  // once more if the catalog was loaded meanwhile
}

TEST_F(AuthLoginTest, AReloadOfTheConfigurationAsksForANewLogin) {
  world_.LoggedIn();
  const uint64_t before = opened();
  world_.database.conf_load_time = "2";
  world_.Advance(std::chrono::seconds(2));
  world_.Run();
  world_.LoggedIn();
  EXPECT_EQ(opened(), before + 1);
}

TEST_F(AuthLoginTest, AServerThatCannotBeReachedIsToldToAllWhoWait) {
  FakeClient& first = world_.Open();
  FakeClient& second = world_.Open();
  for (FakeClient* client : {&first, &second}) {
    world_.hub->OnClientBytes(client->id, std::exchange(client->to_proxy, {}), world_.now);
  }
  world_.Collect();
  ServerId knocking = 0;
  for (const auto& [id, server] : world_.servers) {
    if (!server.connected) knocking = id;
  }
  ASSERT_NE(knocking, 0U);
  world_.servers.erase(knocking);
  world_.hub->OnServerConnectFailed(knocking, {"08006", "no route", "", ""}, world_.now);
  world_.Collect();
  EXPECT_EQ(first.Take(), "E:08006");
  EXPECT_EQ(second.Take(), "E:08006");
  EXPECT_EQ(world_.LoggedIn().Take(), "");  // the next is let in
}

TEST_F(AuthLoginTest, WhoGivesUpWhileWaitingIsForgotten) {
  FakeClient& first = world_.Open();
  FakeClient& second = world_.Open();
  for (FakeClient* client : {&first, &second}) {
    world_.hub->OnClientBytes(client->id, std::exchange(client->to_proxy, {}), world_.now);
  }
  world_.Collect();
  world_.Vanish(first);
  world_.Run();
  EXPECT_EQ(second.Take(), "Z:I");
}

TEST_F(AuthLoginTest, ThePoolComesBackByItself) {
  FakeClient& client = world_.LoggedIn();
  world_.Ask(client, "SELECT bbalance FROM branches WHERE bid = 1");
  std::vector<ServerId> ids;
  for (const auto& [id, server] : world_.hub->servers()) {
    if (server->pool != nullptr) ids.push_back(id);
  }
  ASSERT_EQ(ids.size(), 1U);
  world_.Kill(ids.front());
  EXPECT_EQ(world_.Ask(client, "UPDATE branches SET bbalance = 5 WHERE bid = 1"), "C:UPDATE 1 Z:I");
}

TEST(AuthLimitsTest, LoginsUnderWayAreBounded) {
  Config config = Trusting();
  config.max_client_logins = 2;
  World world(std::move(config));
  FakeClient& first = world.Open();
  FakeClient& second = world.Open();
  FakeClient& third = world.Open();
  EXPECT_EQ(third.Take(), "E:53300");
  world.Run();
  EXPECT_EQ(first.Take(), "Z:I");
  EXPECT_EQ(second.Take(), "Z:I");
  EXPECT_EQ(world.LoggedIn().closed, false);
}

TEST(AuthLimitsTest, LoginsWaitForRoomAtTheServer) {
  Config config = Trusting();
  config.max_server_connections = 1;
  World world(std::move(config));
  FakeClient& first = world.LoggedIn("app");
  world.Ask(first, "BEGIN ISOLATION LEVEL REPEATABLE READ");
  world.Ask(first, "SELECT bbalance FROM branches WHERE bid = 1");
  FakeClient& other = world.Open("other");
  world.Run();
  EXPECT_EQ(other.Take(), "");
  world.Ask(first, "COMMIT");
  world.Advance(std::chrono::milliseconds(50));  // doors are looked after once a tick
  world.Run();
  EXPECT_EQ(other.Take(), "Z:I");
}

}  // namespace
}  // namespace pgsidecar::proxy
