// A hub among clients and fake servers, without sockets and clocks. The test owns time and says
// when which bytes arrive: everything as it comes (Run), or step by step (Moves, for a simulation).
// Config::workers says how many workers carry them; each knows only what it has been told.

#ifndef PGSIDECAR_TESTS_UNIT_PROXY_WORLD_H_
#define PGSIDECAR_TESTS_UNIT_PROXY_WORLD_H_

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/hub.h"
#include "tests/unit/proxy/fake_server.h"

namespace pgsidecar::proxy {

// What worker 0 has to do; what has been touched is forgotten.
inline std::vector<NetAction> TakeActions(Hub& hub) {
  Output output;
  hub.TakeOutput(0, &output);
  return std::move(output.actions);
}

class World;

// One client's end of its connection.
class FakeClient {
 public:
  ClientId id = 0;
  WorkerId worker = 0;
  bool wanted = true;    // its bytes are, as its worker was last told
  std::string to_proxy;  // sent, not yet arrived
  std::string unread;    // part of a message
  bool closed = false;   // by the proxy
  bool gone = false;     // by itself
  uint32_t pid = 0;      // as the proxy told it
  std::string cancel_key;
  // What has come, a word a message: 1 2 3 n t T D:value C:tag E:sqlstate N Z:status G I s.
  std::vector<std::string> received;

  FakeClient& Query(std::string_view sql);
  FakeClient& Parse(std::string_view name, std::string_view sql);
  FakeClient& Bind(std::string_view statement, const std::vector<std::string>& values = {},
                   std::string_view portal = "");
  FakeClient& DescribePortal();
  FakeClient& DescribeStatement(std::string_view name);
  FakeClient& Execute();
  FakeClient& CloseStatement(std::string_view name);
  FakeClient& Sync();
  FakeClient& Flush();
  FakeClient& CopyData(std::string_view data);
  FakeClient& CopyDone();
  FakeClient& Terminate();
  // Bind, Execute, Sync.
  FakeClient& Run(std::string_view statement, const std::vector<std::string>& values = {});

  void Receive(std::string_view bytes);
  // What has been received since the last call, separated by blanks.
  std::string Take();
};

class World {
 public:
  struct Server {
    std::unique_ptr<FakeBackend> backend;
    std::string to_backend;  // sent by the proxy, not yet arrived
    WorkerId worker = 0;
    bool wanted = false;  // its bytes are, as its worker was last told
    bool connected = false;
    bool held = false;  // nothing of it moves
    bool mute = false;  // it handles what comes, but its answers do not arrive
  };
  struct Cancel {
    ServerId server;
    uint32_t pid;
    bool arrived = false;
  };

  explicit World(Config config = DefaultConfig(), bool small_catalog = false);
  ~World();
  static Config DefaultConfig();

  FakeClient& Open(std::string_view user = "app", std::string_view database = "app");
  // Opens, logs in, and forgets what was said.
  FakeClient& LoggedIn(std::string_view user = "app", std::string_view database = "app");
  FakeClient& Console() { return LoggedIn("app", "pgsidecar"); }
  // The client closes its socket.
  void Vanish(FakeClient& client);
  // A cancel request for `client`, as libpq sends it.
  void RequestCancel(const FakeClient& client);
  // The connection is lost; the backend goes on with what it has received.
  void LoseConnection(ServerId id);
  // The backend dies.
  void Kill(ServerId id);

  // Moves everything that is not held until nothing moves any more.
  void Run();
  void Advance(Duration duration);
  // Runs `sql` on its own: what the client got.
  std::string Ask(FakeClient& client, std::string_view sql);

  // The server connection that the client's session holds; 0 if none.
  ServerId ServerOf(const FakeClient& client);
  Server& At(ServerId id) { return servers.at(id); }
  // Server connections in the pools, by state.
  size_t Count(pool::ServerState state) const;
  // Whether any version word has a write in flight.
  bool AnythingPending();
  // Ends everybody.
  void End();

  // One thing that can happen next; bytes up to `limit` where it is about bytes.
  struct Move {
    enum class Kind {
      kSpeak,    // what client `of` has sent arrives
      kConnect,  // server connection `of` is opened
      kSend,     // what the proxy has sent arrives at backend `of`
      kStep,     // backend `of` handles a message, if it has one
      kHear,     // what backend `of` has answered arrives at the proxy
      kDie,      // that backend `of` has died is noticed
      kCancel,   // a cancel request reaches backend `of`, or the proxy hears that it has
    };
    Kind kind;
    uint64_t of;  // a ClientId, a ServerId for kConnect, else a backend's pid
    std::function<void(size_t limit)> run;
    void operator()(size_t limit) const { run(limit); }
  };
  std::vector<Move> Moves();
  // Takes what the hub has to say; after every input.
  void Collect();

  Config config;
  FakeDatabase database;
  TransportSecurity client_tls{.encrypted = true};  // what a handshake with a client comes to
  TimePoint now{std::chrono::seconds(1000)};
  std::unique_ptr<Hub> hub;
  std::map<ServerId, Server> servers;
  std::vector<Server> orphans;  // backends that have lost their connection
  std::deque<Cancel> cancels;
  std::deque<FakeClient> clients;
  size_t hits() const { return hub->statistics().hits; }

 private:
  void Perform(WorkerId worker, NetAction action);
  void NoteServer(WorkerId worker, ServerId id);
  void NoteClient(WorkerId worker, ClientId id);
  void Send(Server& server, size_t limit);
  void Hear(ServerId id, size_t limit);
  void Speak(FakeClient& client, size_t limit);
};

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_TESTS_UNIT_PROXY_WORLD_H_
