#include "net/listener.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace pgsidecar::net {
namespace {

int ConnectTo(const std::string& name) {
  sockaddr_in address = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {}};
  address.sin_port = htons(static_cast<uint16_t>(std::stoi(name.substr(name.rfind(':') + 1))));
  const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  return descriptor;
}

TEST(ListenerTest, AcceptsOneInATurnAndAllInTheEnd) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  int arrived = 0;
  Listener listener([&](Arrival arrival) {
    ++arrived;
    EXPECT_TRUE(arrival.trusted);
    EXPECT_FALSE(arrival.unix_socket);
    close(arrival.socket);
  });
  const Result<bool> opened = listener.Open(&loop, {"127.0.0.1", 0}, 0);
  ASSERT_TRUE(opened.ok());

  constexpr int kClients = 10;
  std::vector<int> clients;
  for (int i = 0; i < kClients; ++i) clients.push_back(ConnectTo(listener.name()));
  int turns = 0;
  while (arrived < kClients && turns < 10 * kClients) {
    const int before = arrived;
    uv_run(&loop, UV_RUN_NOWAIT);
    EXPECT_LE(arrived - before, 1);
    ++turns;
  }
  EXPECT_EQ(arrived, kClients);

  for (const int client : clients) close(client);
  listener.Close();
  uv_run(&loop, UV_RUN_DEFAULT);
  EXPECT_EQ(uv_loop_close(&loop), 0);
}

}  // namespace
}  // namespace pgsidecar::net
