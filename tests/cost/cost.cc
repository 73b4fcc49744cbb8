// What the proxy itself does for one query, without sockets and system calls: run by cost_test.py,
// which has its instructions counted by callgrind.
//
//     cost KIND COUNT     prints how many allocations COUNT queries of a KIND made
//     cost tick-N COUNT   the same of COUNT ticks while N clients are idle
//
// KIND is hit or forward, then the protocol: hit-simple, hit-extended, hit-prepared,
// forward-simple, forward-prepared. Before they are counted there are a few to warm up.

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/unit/proxy/world.h"

namespace {

size_t allocations = 0;
bool counting = false;

}  // namespace

// In place of the C library's, so that what other libraries allocate is counted, too.
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* memory, size_t size);
void* malloc(size_t size) {
  allocations += counting;
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  allocations += counting;
  return __libc_calloc(count, size);
}
void* realloc(void* memory, size_t size) {
  allocations += counting;
  return __libc_realloc(memory, size);
}
}

namespace pgsidecar::proxy {
namespace {

class Cost {
 public:
  Cost(bool hit, std::string_view protocol) : protocol_(protocol), world_(ConfigOf(hit)) {
    client_ = &world_.LoggedIn();
    if (protocol == "prepared") {
      client_->Parse("s", "SELECT bbalance FROM branches WHERE bid = $1").Sync();
      world_.Run();
    }
    for (int i = 0; i < 64; ++i) Query(i);
  }

  size_t Run(int count) {
    allocations = 0;
    for (int i = 0; i < count; ++i) Query(i);
    return allocations;
  }

 private:
  static Config ConfigOf(bool hit) {
    Config config = World::DefaultConfig();
    if (!hit) config.cache = CacheMode::kOff;
    return config;
  }

  void Query(int number) {
    const std::string id = std::to_string(number % 4 + 1);
    if (protocol_ == "simple") {
      client_->Query("SELECT bbalance FROM branches WHERE bid = " + id);
    } else if (protocol_ == "prepared") {
      client_->Run("s", {id});
    } else {
      client_->Parse("", "SELECT bbalance FROM branches WHERE bid = $1").Run("", {id});
    }
    FromClient(client_->to_proxy);
    client_->to_proxy.clear();
    const ServerId server = world_.ServerOf(*client_);
    if (server != 0) {
      FakeBackend& backend = *world_.At(server).backend;
      backend.Receive(to_server_);
      while (backend.Step()) {
      }
      FromServer(server, backend.out);
      backend.out.clear();
    }
    if (told_ == 0) std::abort();
  }

  // --- what is counted: as net::Worker does it ---

  [[gnu::noinline]] void FromClient(std::string_view bytes) {
    counting = true;
    world_.hub->OnClientBytes(client_->id, bytes, world_.now);
    Take();
    counting = false;
  }

  [[gnu::noinline]] void FromServer(ServerId server, std::string_view bytes) {
    counting = true;
    world_.hub->OnServerBytes(server, bytes, world_.now);
    Take();
    counting = false;
  }

  void Take() {
    to_server_.clear();
    while (world_.hub->HasOutput(0)) {
      world_.hub->TakeOutput(0, &output_);
      for (const ServerId id : output_.servers) {
        world_.hub->TakeServerBytes(id, &of_server_);
        Drain(of_server_, &to_server_);
      }
      for (const ClientId id : output_.clients) {
        world_.hub->TakeClientBytes(id, &of_client_);
        told_ = of_client_.bytes();
        of_client_.Consume(told_);
      }
      output_.Clear();
    }
  }

  void Drain(Outbox& from, std::string* to) {
    std::array<std::string_view, 8> pieces;
    while (!from.empty()) {
      const size_t filled = from.Peek(pieces);
      size_t bytes = 0;
      for (size_t i = 0; i < filled; ++i) {
        to->append(pieces[i]);
        bytes += pieces[i].size();
      }
      from.Consume(bytes);
    }
  }

  std::string protocol_;
  World world_;
  FakeClient* client_;
  Output output_;
  Outbox of_client_;
  Outbox of_server_;
  std::string to_server_;
  size_t told_ = 0;
};

class TickCost {
 public:
  explicit TickCost(unsigned clients) : world_(ConfigOf(clients)) {
    for (unsigned i = 0; i < clients; ++i) world_.LoggedIn();
    FromTime();
  }

  size_t Run(int count) {
    allocations = 0;
    for (int i = 0; i < count; ++i) FromTime();
    return allocations;
  }

 private:
  static Config ConfigOf(unsigned clients) {
    Config config = World::DefaultConfig();
    config.max_client_connections = clients + 1;
    return config;
  }

  [[gnu::noinline]] void FromTime() {
    counting = true;
    world_.hub->OnTick(world_.now);
    counting = false;
  }

  World world_;
};

}  // namespace
}  // namespace pgsidecar::proxy

int main(int argc, char** argv) {
  const std::string_view kind = argc == 3 ? argv[1] : "";
  const size_t dash = kind.find('-');
  if (dash == std::string_view::npos) {
    std::fprintf(stderr, "usage: cost {{hit|forward}-{simple|extended|prepared}|tick-N} COUNT\n");
    return 2;
  }
  const std::string_view what = kind.substr(0, dash);
  const std::string_view how = kind.substr(dash + 1);
  const int count = std::atoi(argv[2]);
  std::printf("%zu\n", what == "tick" ? pgsidecar::proxy::TickCost(std::atoi(how.data())).Run(count)
                                      : pgsidecar::proxy::Cost(what == "hit", how).Run(count));
}
