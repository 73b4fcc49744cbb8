#include "tests/unit/proxy/explorer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <set>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "pgwire/frame.h"

namespace pgsidecar::proxy {

using std::chrono::milliseconds;
using Option = Play::Option;
using MoveKind = World::Move::Kind;

namespace {

// Of what is on its way to the proxy: everything in front of the first ReadyForQuery; if that comes
// first, it alone.
size_t UpToReady(std::string_view bytes) {
  size_t at = 0;
  while (at + pgwire::kHeaderBytes <= bytes.size()) {
    const size_t end = at + 1 + LoadBig32(bytes.data() + at + 1);
    if (bytes[at] == 'Z') return at == 0 ? end : at;
    at = end;
  }
  return bytes.size();
}

bool IsAtProxy(const Option& option) {
  return option.kind == Option::Kind::kSpeak || option.kind == Option::Kind::kHear;
}

// Whether their order makes no difference. See explorer.h.
bool Commute(const Option& a, const Option& b) {
  if (b.kind == Option::Kind::kStep && a.kind != Option::Kind::kStep) return Commute(b, a);
  if (a.kind != Option::Kind::kStep) return false;
  if (b.kind == Option::Kind::kSend) return true;
  return IsAtProxy(b) && (b.kind == Option::Kind::kSpeak || a.of != b.of);
}

std::string Text(const Option& option, const Scenario& scenario) {
  constexpr std::array kVerbs = {"speaks",   "is sent to",   "steps",
                                 "is heard", "is seen dead", "is cancelled"};
  if (option.kind == Option::Kind::kFault) return scenario.faults[option.of].name;
  const bool client = option.kind == Option::Kind::kSpeak;
  return (client ? "client " : "backend ") + std::to_string(option.of) + " " +
         kVerbs[static_cast<size_t>(option.kind)];
}

}  // namespace

// --- one execution ---

Play::Play(const Scenario& scenario)
    : world(scenario.config, true),
      scenario_(&scenario),
      oracle_(&world.database, kExplorerRows),
      next_turn_(scenario.clients.size()),
      happened_(scenario.faults.size()) {
  for (size_t i = 0; i < scenario.clients.size(); ++i) {
    players.push_back({});
    players.back().client = &world.LoggedIn();
  }
  for (size_t i = 0; i < scenario.before.size(); ++i) {
    oracle_.Send(players[i % players.size()], scenario.before[i]);
    world.Run();
    Hear();
  }
  for (const int id : scenario.cached) {
    for (const Call::Form form : {Call::Form::kSimple, Call::Form::kUnnamed}) {
      oracle_.Send(players[0], {.id = id, .form = form});
      world.Run();
      Hear();
    }
  }
}

bool Play::MaySpeak(size_t client) const {
  const Player& player = players[client];
  return Alive(player) && player.unanswered.empty() &&
         next_turn_[client] < scenario_->clients[client].size();
}

World::Server* Play::ServerOf(uint64_t pid) {
  for (auto& [id, server] : world.servers) {
    if (server.backend != nullptr && server.backend->pid() == pid) return &server;
  }
  for (World::Server& server : world.orphans) {
    if (server.backend->pid() == pid) return &server;
  }
  return nullptr;
}

// Opening and logging in, and what a new server connection is asked about itself.
bool Play::SetsUp(const World::Move& move) {
  if (move.kind == MoveKind::kConnect) return true;
  for (auto& [id, server] : world.servers) {
    if (server.backend == nullptr || server.backend->pid() != move.of) continue;
    if (move.kind == MoveKind::kStep && server.backend->NextMessage().empty() &&
        server.backend->logged_in()) {
      return false;
    }
    const pool::ServerState state = world.hub->FindServer(id)->state();
    return state == pool::ServerState::kConnecting || state == pool::ServerState::kLoggingIn ||
           state == pool::ServerState::kProbing;
  }
  return false;
}

void Play::SetUp() {
  while (true) {
    const std::vector<World::Move> moves = world.Moves();
    const auto move = std::find_if(moves.begin(), moves.end(),
                                   [this](const World::Move& each) { return SetsUp(each); });
    if (move == moves.end()) return;
    (*move)(SIZE_MAX);
  }
}

std::vector<Option> Play::Options() {
  std::vector<Option> options;
  for (size_t i = 0; i < players.size(); ++i) {
    if (MaySpeak(i)) options.push_back({Option::Kind::kSpeak, i});
  }
  for (const World::Move& move : world.Moves()) {
    switch (move.kind) {
      case MoveKind::kSend:
        options.push_back({scenario_->fine ? Option::Kind::kSend : Option::Kind::kStep, move.of});
        break;
      case MoveKind::kStep: {
        const World::Server& server = *ServerOf(move.of);
        const bool idle = server.connected && !server.backend->disconnected() &&
                          server.backend->NextMessage().empty();
        const bool sent = !scenario_->fine && !server.to_backend.empty();
        if (!idle && !sent) options.push_back({Option::Kind::kStep, move.of});
        break;
      }
      case MoveKind::kHear:
        options.push_back({Option::Kind::kHear, move.of});
        break;
      case MoveKind::kDie:
        options.push_back({Option::Kind::kDie, move.of});
        break;
      case MoveKind::kCancel:
        options.push_back({Option::Kind::kCancel, move.of});
        break;
      case MoveKind::kSpeak:  // those are the turns
      case MoveKind::kConnect:
        break;
    }
  }
  if (options.empty()) return options;  // too late for anything to go wrong
  for (size_t i = 0; i < scenario_->faults.size(); ++i) {
    if (!happened_[i] && scenario_->faults[i].possible(*this)) {
      options.push_back({Option::Kind::kFault, i});
    }
  }
  return options;
}

uint64_t Play::ActorOf(const Option& option) {
  if (option.kind == Option::Kind::kSpeak) return option.of;
  for (size_t i = 0; i < players.size(); ++i) {
    const ServerId id = world.ServerOf(*players[i].client);
    if (id != 0 && world.At(id).backend->pid() == option.of) return i;
  }
  return option.of;
}

void Play::Perform(MoveKind kind, uint64_t of, size_t limit) {
  for (const World::Move& move : world.Moves()) {
    if (move.kind == kind && move.of == of) return move(limit);
  }
  ADD_FAILURE() << "what could happen cannot happen again";
}

// Whether nobody else can tell before or after: it answers nothing yet, and changes what is the
// backend's own.
bool Unnoticed(const FakeBackend& backend) {
  const std::string next = backend.NextMessage();
  constexpr std::string_view kPreparing = "PBDC";
  return !next.empty() &&
         (kPreparing.find(next.front()) != std::string_view::npos || next == "E BEGIN");
}

// Up to the end of the next message that others could notice.
void Play::StepThrough(uint64_t pid) {
  World::Server& server = *ServerOf(pid);
  FakeBackend& backend = *server.backend;
  if (scenario_->fine) {
    backend.Step();
    return;
  }
  backend.Receive(std::exchange(server.to_backend, {}));
  while (Unnoticed(backend)) backend.Step();
  backend.Step();
  // Who has written nothing commits nothing.
  if (backend.NextMessage() == "S" && !backend.has_written()) backend.Step();
}

void Play::Take(const Option& option) {
  switch (option.kind) {
    case Option::Kind::kSpeak: {
      Player& player = players[option.of];
      for (const Call& call : scenario_->clients[option.of][next_turn_[option.of]++]) {
        oracle_.Send(player, call);
      }
      Perform(MoveKind::kSpeak, player.client->id);
      break;
    }
    case Option::Kind::kSend:
      Perform(MoveKind::kSend, option.of);
      break;
    case Option::Kind::kStep:
      StepThrough(option.of);
      break;
    case Option::Kind::kHear:
      Perform(MoveKind::kHear, option.of,
              scenario_->fine ? UpToReady(ServerOf(option.of)->backend->out) : SIZE_MAX);
      break;
    case Option::Kind::kDie:
      Perform(MoveKind::kDie, option.of);
      break;
    case Option::Kind::kCancel:
      Perform(MoveKind::kCancel, option.of);
      break;
    case Option::Kind::kFault:
      happened_[option.of] = true;
      scenario_->faults[option.of].happen(*this);
      break;
  }
  SetUp();
  Hear();
}

void Play::Hear() {
  for (Player& player : players) oracle_.Hear(player);
}

// Everything that the scenario is about is read once more.
void Play::AskAll() {
  std::set<std::pair<int, Call::Form>> reads;
  for (const int id : scenario_->cached) reads.insert({id, Call::Form::kSimple});
  for (const auto& turns : scenario_->clients) {
    for (const Turn& turn : turns) {
      for (const Call& call : turn) {
        if (!call.is_control()) reads.insert({call.id, call.form});
      }
    }
  }
  for (Player& player : players) {
    if (!Alive(player) || player.status != 'I') continue;
    for (const auto& [id, form] : reads) {
      oracle_.Send(player, {.id = id, .form = form});
      world.Run();
      Hear();
      EXPECT_TRUE(player.unanswered.empty());
    }
  }
}

void Play::Finish() {
  world.Run();
  Hear();
  for (Player& player : players) {
    if (!Alive(player)) continue;
    EXPECT_TRUE(player.unanswered.empty()) << "no answer";
    if (player.status == 'I') continue;
    oracle_.Send(player, {.kind = Call::Kind::kOther, .sql = "ROLLBACK"});
    world.Run();
    Hear();
  }
  // Until the lost have been seen to be gone.
  for (int i = 0; i < 20 && (world.AnythingPending() || !world.hub->databases()[0]->usable());
       ++i) {
    world.Advance(milliseconds(500));
    world.Run();
  }
  oracle_.ExpectNewest();
  players.push_back({});
  players.back().client = &world.LoggedIn();
  AskAll();
  EXPECT_FALSE(world.AnythingPending());
  EXPECT_EQ(world.hub->flights().in_flight(), 0u);
  EXPECT_EQ(world.Count(pool::ServerState::kSettling), 0u);
  EXPECT_TRUE(world.hub->databases()[0]->usable());
  size_t pinned = 0;
  for (const Player& player : players) {
    const Session* session = world.hub->FindSession(player.client->id);
    pinned += session != nullptr && session->pin() != catalog::Pin::kNone;
  }
  EXPECT_LE(world.Count(pool::ServerState::kLeased), pinned);
  EXPECT_EQ(world.database.locks.empty(), world.database.prepared.empty());
}

// --- all of them ---

namespace {

struct Branch {
  std::vector<Option> options;  // what is to be tried
  std::vector<Option> asleep;   // what has been tried before, in another order that is the same
  // Where preemptions are counted, of each option: who has moved last then, and whether it is one.
  std::vector<uint64_t> actors;
  std::vector<bool> preempts;
  size_t taken = 0;
  int preemptions = 0;  // so far
};

constexpr uint64_t kNobody = UINT64_MAX;

class Explorer {
 public:
  explicit Explorer(const Scenario& scenario) : scenario_(scenario) {}

  // One execution; false if it was given up.
  bool Run(Play& play) {
    for (size_t depth = 0;; ++depth) {
      if (depth == path_.size()) {
        Branch branch;
        branch.options = play.Options();
        if (branch.options.empty()) return true;
        scenario_.preemptions == kEveryOrder ? LeaveSleeping(&branch) : Bound(play, &branch);
        if (branch.options.empty()) return false;
        path_.push_back(std::move(branch));
      }
      play.Take(path_[depth].options[path_[depth].taken]);
      if (!testing::Test::HasFailure()) continue;
      path_.resize(depth + 1);
      return true;
    }
  }

  // To the next execution; false if there is none.
  bool Advance() {
    while (!path_.empty() && ++path_.back().taken == path_.back().options.size()) path_.pop_back();
    return !path_.empty();
  }

  std::string Trace() const {
    std::string text;
    for (const Branch& branch : path_) {
      text += "  " + Text(branch.options[branch.taken], scenario_) + "\n";
    }
    return text;
  }

 private:
  // What commutes with the move that led here, and has been tried in front of it.
  void LeaveSleeping(Branch* branch) const {
    if (path_.empty()) return;
    const Branch& last = path_.back();
    const auto keep = [&](const Option& option) {
      if (Commute(option, last.options[last.taken])) branch->asleep.push_back(option);
    };
    std::for_each(last.asleep.begin(), last.asleep.end(), keep);
    std::for_each(last.options.begin(), last.options.begin() + static_cast<ptrdiff_t>(last.taken),
                  keep);
    std::erase_if(branch->options, [&](const Option& option) {
      return std::find(branch->asleep.begin(), branch->asleep.end(), option) !=
             branch->asleep.end();
    });
  }

  // Drops what would be one preemption too many. A fault is none.
  void Bound(Play& play, Branch* branch) const {
    const auto actor_of = [&](const Option& option) {
      return option.kind == Option::Kind::kFault ? kNobody : play.ActorOf(option);
    };
    uint64_t actor = kNobody;
    if (!path_.empty()) {
      const Branch& last = path_.back();
      actor = last.actors[last.taken];
      branch->preemptions = last.preemptions + (last.preempts[last.taken] ? 1 : 0);
    }
    const bool goes_on = actor != kNobody &&
                         std::any_of(branch->options.begin(), branch->options.end(),
                                     [&](const Option& each) { return actor_of(each) == actor; });
    std::erase_if(branch->options, [&](const Option& option) {
      const uint64_t own = actor_of(option);
      return goes_on && own != actor && own != kNobody &&
             branch->preemptions == scenario_.preemptions;
    });
    for (const Option& option : branch->options) {
      const uint64_t own = actor_of(option);
      branch->preempts.push_back(goes_on && own != actor && own != kNobody);
      branch->actors.push_back(own == kNobody ? actor : own);
    }
  }

  const Scenario& scenario_;
  std::vector<Branch> path_;
};

}  // namespace

Exploration Explore(const std::string& name, const Scenario& scenario, size_t most) {
  SetLogLevel("warn");  // of each order's start there is nothing to say
  Exploration result;
  Explorer explorer(scenario);
  do {
    if (result.orders + result.pruned == most) {
      result.complete = false;
      break;
    }
    Play play(scenario);
    const bool whole = explorer.Run(play);
    if (whole && !testing::Test::HasFailure()) play.Finish();
    ++(whole ? result.orders : result.pruned);
    result.hits += play.world.hits();
    result.replays += play.world.hub->statistics().settings_replays;
    result.replays_failed += play.world.hub->statistics().settings_replays_failed;
    if (testing::Test::HasFailure()) {
      std::printf("%s: fails after %zu orders:\n%s", name.c_str(), result.orders,
                  explorer.Trace().c_str());
      return result;
    }
  } while (explorer.Advance());
  std::printf("%-48s %6zu orders, %zu pruned, %zu hits%s\n", name.c_str(), result.orders,
              result.pruned, result.hits,
              !result.complete            ? ", cut short"
              : scenario.preemptions >= 0 ? ", preemptions bounded"
                                          : ", all");
  return result;
}

}  // namespace pgsidecar::proxy
