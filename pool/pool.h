// The server connections of one (database, user, startup settings), and who waits for one.
//
// Idle connections are taken last in, first out, so that the surplus grows old and is closed;
// waiting clients are served first in, first out. A Pool decides nothing about sockets: it counts.
//
// Invariant: a waiter exists only while no idle connection does.

#ifndef PGSIDECAR_POOL_POOL_H_
#define PGSIDECAR_POOL_POOL_H_

#include <cstddef>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "pool/server_connection.h"

namespace pgsidecar::pool {

// The key of a pool: the startup packet's parameters, sorted, length-delimited, under the protocol
// version; then the fingerprint of the settings that ALTER ROLE and ALTER DATABASE gave at login,
// since connections that logged in before and after such a change are not alike.
std::string PoolKey(const pgwire::StartupMessage& startup, std::string_view login_settings);

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

  // The most recently used idle connection, of those on `worker` if there is one; or nullptr.
  ServerConnection* TakeIdle(WorkerId worker);
  void PutIdle(ServerConnection* server, TimePoint now);
  const std::vector<ServerConnection*>& idle() const { return idle_; }

  struct Waiter {
    ClientId client;
    TimePoint since;
  };
  void Enqueue(ClientId client, TimePoint now) { waiters_.push_back({client, now}); }
  void Leave(ClientId client);
  // The first in the queue; leaves the queue. REQUIRES: a waiter.
  ClientId NextWaiter();
  const std::deque<Waiter>& waiters() const { return waiters_; }

  // Client sessions that may ask this pool for a connection.
  size_t clients = 0;
  // The server lets this user in without a challenge, or the proxy knows its password: the pool may
  // open connections by itself.
  bool can_log_in = false;

 private:
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
