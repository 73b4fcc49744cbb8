// The server connections of one (database, user, startup settings), and who waits for one.
//
// Of the idle connections a session gets the one that it used last, else one that is nobody's home,
// else one that holds its settings already, else the one that was used last by anybody, so that the
// surplus grows old and is closed; waiting clients are served first in, first out. A Pool decides
// nothing about sockets: it counts.
//
// Invariant: a waiter exists only while there is no idle connection that it could use.

#ifndef PGSIDECAR_POOL_POOL_H_
#define PGSIDECAR_POOL_POOL_H_

#include <cstddef>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "pool/limits.h"
#include "pool/server_connection.h"

namespace pgsidecar::pool {

// The key of a pool: the startup packet's parameters, sorted, length-delimited, under the protocol
// version; then the fingerprint of the settings that ALTER ROLE and ALTER DATABASE gave at login,
// since connections that logged in before and after such a change are not alike.
std::string PoolKey(const pgwire::StartupMessage& startup, std::string_view login_settings);

// What a session asks of the connection that it is given.
struct LeaseWish {
  ClientId client = 0;
  ServerId last = 0;       // that it has used last; 0: none
  bool only_last = false;  // what it needs is there and nowhere else
  bool uses_sequences = false;
  SharedLabel label{};  // the settings that it has to find
  WorkerId worker = 0;  // where a connection costs least
};

class Pool {
 public:
  Pool(std::string key, pgwire::StartupMessage startup);

  const std::string& key() const { return key_; }
  const pgwire::StartupMessage& startup() const { return startup_; }
  const std::string& user() const { return user_; }
  const std::string& database() const { return database_; }

  // Every server connection that is counted here, in whatever state.
  size_t size() const { return size_; }
  void Adopt(ServerConnection* server);
  // Forgets a connection, idle or not.
  void Remove(ServerConnection* server);

  // The best idle connection for this wish; nullptr if none will do. `last`: that of wish.last, if
  // it is known; found sooner then.
  ServerConnection* TakeIdle(const LeaseWish& wish, const ServerConnection* last = nullptr);
  void PutIdle(ServerConnection* server, TimePoint now);
  const std::vector<ServerConnection*>& idle() const { return idle_; }

  struct Waiter {
    LeaseWish wish;
    TimePoint since;
  };
  void Enqueue(LeaseWish wish, TimePoint now) { waiters_.push_back({std::move(wish), now}); }
  void Leave(ClientId client);
  // The first in the queue; leaves the queue. REQUIRES: a waiter.
  ClientId NextWaiter();
  // The first in the queue that can use this connection; leaves the queue. 0: there is none.
  ClientId NextWaiterFor(const ServerConnection& server);
  const std::deque<Waiter>& waiters() const { return waiters_; }

  // Client sessions that may ask this pool for a connection.
  size_t clients = 0;
  // The server lets this user in without a challenge, or the proxy knows its password: the pool may
  // open connections by itself.
  bool can_log_in = false;
  PoolLimits limits;
  Parameters parameters;  // that a connection without a session's settings has reported
  std::shared_ptr<const Environment> environment;  // what was last probed
  TimePoint login_retry_at{};                      // its own login has failed: no other before

 private:
  ServerConnection* TakeOut(std::vector<ServerConnection*>::iterator place);

  std::string key_;
  pgwire::StartupMessage startup_;
  std::string user_;
  std::string database_;
  size_t size_ = 0;
  std::vector<ServerConnection*> idle_;  // used longest ago first
  std::deque<Waiter> waiters_;
};

}  // namespace pgsidecar::pool

#endif  // PGSIDECAR_POOL_POOL_H_
