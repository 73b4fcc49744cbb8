// Which worker carries what: clients are dealt evenly, server connections belong to the worker of
// the client that opened them and are found wherever they idle, and whoever has to do something for
// a connection is told, and nobody else.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "pgwire/frontend.h"
#include "tests/unit/proxy/world.h"

namespace pgsidecar::proxy {
namespace {

using pool::ServerState;

constexpr char kRead[] = "SELECT bbalance FROM branches WHERE bid = 1";

Config WithWorkers(uint32_t workers) {
  Config config = World::DefaultConfig();
  config.workers = workers;
  return config;
}

std::vector<size_t> ClientsByWorker(const Hub& hub) {
  std::vector<size_t> clients;
  for (WorkerId worker = 0; worker < hub.workers(); ++worker) {
    clients.push_back(hub.figures_of(worker).clients);
  }
  return clients;
}

WorkerId WorkerOfServer(World& world, const FakeClient& client) {
  return world.hub->FindServer(world.ServerOf(client))->worker;
}

TEST(WorkersTest, ClientsAreDealtEvenlyAlsoWhenSomeHaveGone) {
  World world(WithWorkers(3));
  std::vector<FakeClient*> clients;
  for (int i = 0; i < 7; ++i) clients.push_back(&world.LoggedIn());
  EXPECT_EQ(ClientsByWorker(*world.hub), (std::vector<size_t>{3, 2, 2}));
  for (FakeClient* client : clients) {
    if (client->worker == 1) world.Vanish(*client);
  }
  world.Run();
  EXPECT_EQ(ClientsByWorker(*world.hub), (std::vector<size_t>{3, 0, 2}));
  EXPECT_EQ(world.LoggedIn().worker, 1u);
  EXPECT_EQ(world.LoggedIn().worker, 1u);
  EXPECT_EQ(ClientsByWorker(*world.hub), (std::vector<size_t>{3, 2, 2}));
}

TEST(WorkersTest, AServerConnectionIsOpenedWhereItsClientIs) {
  World world(WithWorkers(2));
  FakeClient& first = world.LoggedIn();
  FakeClient& second = world.LoggedIn();
  ASSERT_NE(first.worker, second.worker);
  for (FakeClient* client : {&second, &first}) {
    world.Ask(*client, "BEGIN");
    world.Ask(*client, "SELECT opaque(1)");
    EXPECT_EQ(WorkerOfServer(world, *client), client->worker);
  }
}

TEST(WorkersTest, AnIdleConnectionOfTheClientsOwnWorkerIsPreferred) {
  World world(WithWorkers(2));
  FakeClient& first = world.LoggedIn();
  FakeClient& second = world.LoggedIn();
  for (FakeClient* client : {&first, &second, &first, &first}) {
    world.Ask(*client, "BEGIN");
    world.Ask(*client, "DELETE FROM branches WHERE bid = 77");
    EXPECT_EQ(WorkerOfServer(world, *client), client->worker);
    world.Ask(*client, "ROLLBACK");
  }
}

TEST(WorkersTest, AConnectionIsLeasedWhereverItIdles) {
  Config config = WithWorkers(2);
  config.default_pool_size = 1;
  World world(config);
  FakeClient& first = world.LoggedIn();
  FakeClient& second = world.LoggedIn();
  world.Run();
  ASSERT_EQ(world.Count(ServerState::kIdle), 1u);
  EXPECT_EQ(world.Ask(first, kRead), "T D:0 C:SELECT 1 Z:I");
  EXPECT_EQ(world.Ask(second, "UPDATE branches SET bbalance = 5 WHERE bid = 1"), "C:UPDATE 1 Z:I");
  EXPECT_EQ(world.Ask(first, kRead), "T D:5 C:SELECT 1 Z:I");
  EXPECT_EQ(world.Ask(second, kRead), "T D:5 C:SELECT 1 Z:I");
  EXPECT_EQ(world.hits(), 1u);
}

TEST(WorkersTest, AHitConcernsNobodyElse) {
  World world(WithWorkers(2));
  FakeClient& first = world.LoggedIn();
  FakeClient& second = world.LoggedIn();
  world.Ask(first, kRead);
  std::string bytes;
  pgwire::Query{kRead}.Encode(bytes);
  world.hub->OnClientBytes(second.id, bytes, world.now);
  EXPECT_EQ(world.hits(), 1u);
  EXPECT_TRUE(world.hub->HasOutput(second.worker));
  EXPECT_FALSE(world.hub->HasOutput(first.worker));
}

TEST(WorkersTest, AClientThatWasHeldBackByItsServerIsToldOnItsOwnWorker) {
  Config config = WithWorkers(2);
  config.default_pool_size = 1;
  config.server_buffer_bytes = 16 * 1024;
  World world(config);
  FakeClient& first = world.LoggedIn();
  FakeClient& second = world.LoggedIn();
  FakeClient& copier =
      world.hub->servers().begin()->second->worker == first.worker ? second : first;
  world.Ask(copier, "COPY branches FROM STDIN");
  ASSERT_NE(WorkerOfServer(world, copier), copier.worker);
  const ServerId server = world.ServerOf(copier);
  copier.to_proxy.clear();
  copier.CopyData(std::string(20'000, 'x'));
  world.hub->OnClientBytes(copier.id, copier.to_proxy, world.now);
  Output output;
  world.hub->TakeOutput(copier.worker, &output);
  EXPECT_FALSE(world.hub->FindSession(copier.id)->WantsClientBytes());
  Outbox out;
  world.hub->TakeServerBytes(server, &out);
  output.Clear();
  world.hub->TakeOutput(copier.worker, &output);
  EXPECT_EQ(output.clients, std::vector<ClientId>{copier.id});
  EXPECT_TRUE(world.hub->FindSession(copier.id)->WantsClientBytes());
}

TEST(WorkersTest, EverybodyIsToldOfTheEnd) {
  World world(WithWorkers(3));
  std::array<FakeClient*, 3> clients = {&world.LoggedIn(), &world.LoggedIn(), &world.LoggedIn()};
  world.hub->Drain(world.now);
  world.Collect();
  world.Run();
  for (const FakeClient* client : clients) EXPECT_TRUE(client->closed);
  EXPECT_TRUE(world.hub->sessions().empty());
}

}  // namespace
}  // namespace pgsidecar::proxy
