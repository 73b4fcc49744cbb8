// Many clients, servers that die, cancel requests, bytes that trickle: everything from one seed.
//
// The oracle: each reply is the one to its request; a read is not older than anything that anybody
// had been told when it was sent; own writes are seen; everybody gets an answer or an error; only
// who was cancelled is told so; at the end nothing is pending, leased, or in flight.
//
// PGSIDECAR_SEEDS=n runs n seeds, PGSIDECAR_SEED=s only that one.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <deque>
#include <random>

#include "tests/unit/proxy/world.h"

namespace pgsidecar::proxy {
namespace {

using std::chrono::milliseconds;

constexpr int kRows = 3;
constexpr size_t kClients = 5;
constexpr int kMoves = 5000;

// One request, which ends with one ReadyForQuery.
struct Call {
  enum class Kind { kRead, kWrite, kBegin, kCommit, kRollback, kDdl, kOurs };
  Kind kind;
  int id = 0;
  int value = 0;               // of a write
  std::map<int, int> floor{};  // of a read: what has been told of each row when it was sent
  bool parses = false;         // the named statement of its kind
};

struct Player {
  FakeClient* client = nullptr;
  std::deque<Call> unanswered;
  std::vector<std::string> words;  // of the answer that is coming
  std::map<int, int> own;          // written by its open transaction
  char status = 'I';
  bool cancelled = false;
  bool has_read = false;  // its named statements
  bool has_write = false;
};

class Simulation {
 public:
  explicit Simulation(uint64_t seed) : random_(seed), world_(Configured()) {
    for (int id = 1; id <= kRows; ++id) {
      world_.database.balances[id] = id;
      world_.database.history[id] = {id};
      floor_[id] = 0;
    }
    for (size_t i = 0; i < kClients; ++i) Join();
  }

  void Run() {
    for (int i = 0; i < kMoves && !testing::Test::HasFailure(); ++i) {
      Turn();
      Check();
    }
    Finish();
  }
  size_t hits() const { return world_.hits(); }
  size_t answers() const { return answers_; }

 private:
  static Config Configured() {
    Config config = World::DefaultConfig();
    // Pinned clients may hold the whole pool.
    config.query_wait_timeout = std::chrono::seconds(3);
    return config;
  }
  int Roll(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }
  template <typename C>
  auto& Any(C& of) {
    return of[static_cast<size_t>(Roll(static_cast<int>(of.size())))];
  }

  void Join() {
    players_.push_back({});
    players_.back().client = &world_.Open();
  }

  void Turn() {
    const int roll = Roll(1000);
    if (roll < 760) return Move();
    if (roll < 930) return Ask(Any(players_));
    if (roll < 945) return Cancel(Any(players_));
    if (roll < 950) return Leave();
    if (roll < 958) return Break();
    if (roll < 960) {
      if (Roll(10) == 0) world_.database.conf_load_time += "1";
      return;
    }
    world_.Advance(milliseconds(Roll(250)));
  }

  void Move() {
    auto moves = world_.Moves();
    if (moves.empty()) return;
    Any(moves)(Roll(4) == 0 ? static_cast<size_t>(1 + Roll(20)) : SIZE_MAX);
  }

  void Cancel(Player& player) {
    if (player.client->pid == 0) return;
    player.cancelled = true;
    world_.RequestCancel(*player.client);
  }

  void Leave() {
    const auto at = players_.begin() + Roll(static_cast<int>(players_.size()));
    if (Roll(2) == 0) at->client->Terminate();
    world_.Vanish(*at->client);
    players_.erase(at);
    Join();
  }

  // A server connection is lost, or its backend dies; or it is refused from the start.
  void Break() {
    if (world_.servers.empty()) return;
    auto it = world_.servers.begin();
    std::advance(it, Roll(static_cast<int>(world_.servers.size())));
    const ServerId id = it->first;
    const pool::ServerConnection* server = world_.hub->FindServer(id);
    if (server->pool == nullptr && Roll(10) != 0) return;  // mostly the catalog's own
    if (!it->second.connected) {
      world_.servers.erase(it);
      world_.hub->OnServerConnectFailed(id, {"08006", "refused", "", ""}, world_.now);
      return world_.Collect();
    }
    Roll(2) == 0 ? world_.Kill(id) : world_.LoseConnection(id);
  }

  void Ask(Player& player) {
    if (player.client->closed || player.client->pid == 0) return;
    // More than one at once only where no answer decides what comes next.
    const bool open = player.status != 'I' ||
                      std::any_of(player.unanswered.begin(), player.unanswered.end(), IsControl);
    if (player.unanswered.size() >= (open || Roll(4) != 0 ? 1u : 3u)) return;
    Call request{Call::Kind::kRead, 1 + Roll(kRows)};
    const int roll = Roll(100);
    if (roll < 10) {
      request.kind = Call::Kind::kWrite;
      request.value = ++last_value_ * 10 + request.id;
    } else if (player.unanswered.empty() && roll < 16) {
      request.kind = player.status == 'I' ? Call::Kind::kBegin
                     : Roll(3) == 0       ? Call::Kind::kRollback
                                          : Call::Kind::kCommit;
    } else if (player.unanswered.empty() && roll < 17) {
      request.kind = Call::Kind::kDdl;
    } else if (player.unanswered.empty() && roll < 18) {
      request.kind = Call::Kind::kOurs;
    }
    Send(player, request);
  }

  static bool IsControl(const Call& request) {
    return request.kind != Call::Kind::kRead && request.kind != Call::Kind::kWrite;
  }

  void Send(Player& player, Call& request) {
    FakeClient& client = *player.client;
    const std::string id = std::to_string(request.id);
    const std::string value = std::to_string(request.value);
    const int form = Roll(3);
    switch (request.kind) {
      case Call::Kind::kRead:
        request.floor = floor_;
        if (form == 0) {
          client.Query("SELECT bbalance FROM branches WHERE bid = " + id);
        } else {
          SendPrepared(player, request, form == 1, "r",
                       "SELECT bbalance FROM branches WHERE bid = $1", {id}, player.has_read);
        }
        break;
      case Call::Kind::kWrite:
        if (form == 0) {
          client.Query("UPDATE branches SET bbalance = " + value + " WHERE bid = " + id);
        } else {
          SendPrepared(player, request, form == 1, "w",
                       "UPDATE branches SET bbalance = $1 WHERE bid = $2", {value, id},
                       player.has_write);
        }
        break;
      case Call::Kind::kBegin:
        client.Query("BEGIN");
        break;
      case Call::Kind::kCommit:
        client.Query("COMMIT");
        break;
      case Call::Kind::kRollback:
        client.Query("ROLLBACK");
        break;
      case Call::Kind::kDdl:
        client.Query("CREATE TABLE x (i int)");
        break;
      case Call::Kind::kOurs:
        client.Query("SHOW pgsidecar.cache");
        break;
    }
    player.unanswered.push_back(std::move(request));
  }

  void SendPrepared(Player& player, Call& request, bool named, const char* name, const char* sql,
                    const std::vector<std::string>& values, bool exists) {
    FakeClient& client = *player.client;
    if (!named) {
      client.Parse("", sql).Bind("", values).DescribePortal().Execute().Sync();
      return;
    }
    // Prepared once, and nothing else is under way that might prepare it.
    if (!exists && player.unanswered.empty()) {
      request.parses = true;
      client.Parse(name, sql);
    } else if (!exists) {
      client.Parse("", sql);
      name = "";
    }
    client.Run(name, values);
  }

  // --- the oracle ---

  void Check() {
    for (Player& player : players_) {
      for (std::string& word : std::exchange(player.client->received, {})) {
        player.words.push_back(word);
        if (word.front() != 'Z') continue;
        player.status = word[2];
        if (player.unanswered.empty()) {
          EXPECT_EQ(player.words.size(), 1u) << "an answer to nothing";  // the login's
        } else {
          Judge(player, player.unanswered.front());
          player.unanswered.pop_front();
          ++answers_;
        }
        if (player.status == 'I') player.own.clear();
        player.words.clear();
      }
      if (!player.client->closed) continue;
      EXPECT_TRUE(!player.client->unread.empty() ||
                  (!player.words.empty() && player.words.back().front() == 'E'))
          << "closed without a word";
      player = {};
      player.client = &world_.Open();
    }
  }

  static std::string Find(const Player& player, char type) {
    for (const std::string& word : player.words) {
      if (word.front() == type) return word.substr(2);
    }
    return "";
  }

  void Judge(Player& player, const Call& request) {
    const std::string error = Find(player, 'E');
    const std::string tag = Find(player, 'C');
    if (request.parses && (error.empty() || error == "42P05")) {
      (request.kind == Call::Kind::kRead ? player.has_read : player.has_write) = true;
    }
    if (!error.empty()) {
      const bool expected = error == "55P03" || error == "25P02" || error == "42P05" ||
                            (error == "57014" && player.cancelled);
      EXPECT_TRUE(expected) << error;
      return;
    }
    EXPECT_EQ(std::count_if(player.words.begin(), player.words.end(),
                            [](const std::string& word) { return word.front() == 'C'; }),
              1);
    switch (request.kind) {
      case Call::Kind::kRead:
        EXPECT_EQ(tag, "SELECT 1");
        return JudgeRead(player, request);
      case Call::Kind::kWrite:
        EXPECT_EQ(tag, "UPDATE 1");
        if (player.status == 'I') return Told(request.id, request.value);
        player.own[request.id] = request.value;
        return;
      case Call::Kind::kCommit:
        EXPECT_TRUE(tag == "COMMIT" || tag == "ROLLBACK") << tag;
        if (tag == "COMMIT") {
          for (const auto& [id, value] : player.own) Told(id, value);
        }
        return;
      default:
        return;
    }
  }

  // Somebody has been told that the row has, or had, this value.
  void Told(int id, int value) {
    const int index = world_.database.IndexOf(id, value);
    EXPECT_GE(index, 0) << "row " << id << ": " << value << " was never committed";
    floor_[id] = std::max(floor_[id], index);
  }

  void JudgeRead(const Player& player, const Call& request) {
    const int value = std::stoi(Find(player, 'D'));
    EXPECT_EQ(value % 10, request.id) << "the answer to somebody else";
    if (const auto own = player.own.find(request.id); own != player.own.end()) {
      EXPECT_EQ(value, own->second) << "own write not seen";
      return;
    }
    EXPECT_GE(world_.database.IndexOf(request.id, value), request.floor.at(request.id))
        << "stale: row " << request.id << " " << value;
    Told(request.id, value);
  }

  void Settle() {
    for (int i = 0; i < 90; ++i) {
      world_.Advance(milliseconds(100));
      world_.Run();
      Check();
    }
  }

  void Finish() {
    Settle();
    for (Player& player : players_) {
      EXPECT_TRUE(player.unanswered.empty()) << "no answer";
      if (player.status == 'I') continue;
      Call request{Call::Kind::kRollback};
      Send(player, request);
    }
    Settle();
    EXPECT_FALSE(world_.AnythingPending());
    EXPECT_EQ(world_.hub->flights().in_flight(), 0u);
    size_t pinned = 0;  // by what they sent while no catalog was loaded
    for (const Player& player : players_) {
      const Session* session = world_.hub->FindSession(player.client->id);
      pinned += session != nullptr && session->pin() != catalog::Pin::kNone;
    }
    EXPECT_LE(world_.Count(pool::ServerState::kLeased), pinned);
    EXPECT_EQ(world_.Count(pool::ServerState::kSettling), 0u);
    EXPECT_TRUE(world_.database.locks.empty());
    EXPECT_TRUE(world_.hub->databases()[0]->usable());
    EXPECT_EQ(world_.hub->sessions().size(), players_.size());
  }

  std::mt19937_64 random_;
  World world_;
  std::vector<Player> players_;
  std::map<int, int> floor_;  // of each row: the latest index in its history that anybody was told
  int last_value_ = 0;
  size_t answers_ = 0;
};

// Seeds that once failed come first.
constexpr std::array<uint64_t, 1> kFoundBugs = {
    653,  // a cancel answered what waited here before what the server was still at
};

TEST(SimulationTest, NobodyIsToldAnythingOld) {
  const char* only = std::getenv("PGSIDECAR_SEED");
  const char* many = std::getenv("PGSIDECAR_SEEDS");
  std::vector<uint64_t> seeds;
  if (only != nullptr) {
    seeds = {std::stoull(only)};
  } else {
    seeds = {kFoundBugs.begin(), kFoundBugs.end()};
    const uint64_t count = many != nullptr ? std::stoull(many) : 40;
    for (uint64_t seed = 1; seed <= count; ++seed) seeds.push_back(seed);
  }
  size_t hits = 0;
  size_t answers = 0;
  for (const uint64_t seed : seeds) {
    SCOPED_TRACE("PGSIDECAR_SEED=" + std::to_string(seed));
    Simulation simulation(seed);
    simulation.Run();
    hits += simulation.hits();
    answers += simulation.answers();
    if (HasFailure()) break;
  }
  std::printf("answers %zu, of them hits %zu\n", answers, hits);
  EXPECT_TRUE(only != nullptr || hits > 5 * seeds.size());
}

}  // namespace
}  // namespace pgsidecar::proxy
