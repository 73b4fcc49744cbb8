// Every order in which the events of a small scenario can happen: stateless model checking.
//
// A scenario is what each client asks and what may go wrong. The world it runs in is deterministic,
// so an execution is the list of its choices. The Explorer goes through them depth-first; each
// execution starts in a new world, follows the choices of the last one up to a branch that has not
// been taken yet, and goes on with the first of what can happen until nothing can. The oracle looks
// on all the while, and asks at the end.
//
// What is one event, where it is not `fine`: a client's turn arrives at the proxy; a backend
// handles what has come up to the end of the next statement that runs, or the Sync that commits it;
// what it has answered arrives at the proxy. Parse, Bind, Describe, BEGIN, and a Sync behind reads
// touch nothing that others see. Opening server connections and logging in is no part of the
// orders; it is done at once.
//
// Of orders that differ only in neighbours which commute, one is run (sleep sets): a backend's step
// commutes with everything at the proxy except what comes from that same backend, because the proxy
// sees nothing of a step until its answer arrives, and a backend sees nothing of what is behind the
// message that it handles.
//
// Where that is too many, `preemptions` bounds how often another actor is let in while the one that
// moved last could go on; there all orders within the bound are run.

#ifndef PGSIDECAR_TESTS_UNIT_PROXY_EXPLORER_H_
#define PGSIDECAR_TESTS_UNIT_PROXY_EXPLORER_H_

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/proxy/oracle.h"
#include "tests/unit/proxy/world.h"

namespace pgsidecar::proxy {

constexpr int kExplorerRows = 4;

constexpr int kEveryOrder = -1;

using Turn = std::vector<Call>;  // sent at once
class Play;

// Something that may happen at any time, at most once.
struct Fault {
  std::string name;
  std::function<bool(Play&)> possible;
  std::function<void(Play&)> happen;
};

struct Scenario {
  std::vector<std::vector<Turn>> clients;
  std::vector<Call> before{};  // what the clients have asked when it begins, by turns
  std::vector<Fault> faults{};
  std::vector<int> cached = {1};  // rows that are in the cache when it begins
  bool fine = false;              // each message by itself, and ReadyForQuery apart from the rest
  int preemptions = 1;            // kEveryOrder: no bound
  Config config = World::DefaultConfig();
};

// One execution.
class Play {
 public:
  explicit Play(const Scenario& scenario);

  // What can happen now; equal for equal histories.
  struct Option {
    enum class Kind : uint8_t { kSpeak, kSend, kStep, kHear, kDie, kCancel, kFault };
    Kind kind;
    uint64_t of;  // a client's number, a backend's pid, a fault's number
    std::strong_ordering operator<=>(const Option&) const = default;
  };
  std::vector<Option> Options();
  void Take(const Option& option);
  // Who makes it: clients by number, server connections that no client holds by pid. Not of a
  // fault.
  uint64_t ActorOf(const Option& option);
  // Nothing can happen any more: what must be true then.
  void Finish();

  World world;
  std::vector<Player> players;

 private:
  bool MaySpeak(size_t client) const;
  void Speak(size_t client);
  bool SetsUp(const World::Move& move);
  void SetUp();
  void Perform(World::Move::Kind kind, uint64_t of, size_t limit = SIZE_MAX);
  void StepThrough(uint64_t pid);
  World::Server* ServerOf(uint64_t pid);
  bool Alive(const Player& player) const { return !player.client->closed && !player.client->gone; }
  void Hear();
  void AskAll();

  const Scenario* scenario_;
  Oracle oracle_;
  std::vector<size_t> next_turn_;
  std::vector<bool> happened_;
};

// How many orders a scenario has had.
struct Exploration {
  size_t orders = 0;
  size_t pruned = 0;  // given up because they equal one that has been run
  // In all of them:
  size_t hits = 0;  // answers from the cache
  size_t replays = 0;
  size_t replays_failed = 0;
  bool complete = true;
};

// Runs them until one fails the test or `most` have been run; prints the failing one.
Exploration Explore(const std::string& name, const Scenario& scenario, size_t most);

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_TESTS_UNIT_PROXY_EXPLORER_H_
