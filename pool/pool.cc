#include "pool/pool.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/bytes.h"

namespace pgsidecar::pool {

std::string PoolKey(const pgwire::StartupMessage& startup, std::string_view login_settings) {
  std::vector<std::pair<std::string, std::string>> parameters = startup.parameters;
  // Stable: of a name that is given twice the server takes the last.
  std::stable_sort(parameters.begin(), parameters.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string key;
  const auto append = [&key](std::string_view field) {
    AppendBig32(key, static_cast<uint32_t>(field.size()));
    key.append(field);
  };
  AppendBig32(key, startup.protocol);
  for (const auto& [name, value] : parameters) {
    append(name);
    append(value);
  }
  append(login_settings);
  return key;
}

Pool::Pool(std::string key, pgwire::StartupMessage startup)
    : key_(std::move(key)), startup_(std::move(startup)) {
  const std::string* user = startup_.Find("user");
  const std::string* database = startup_.Find("database");
  user_ = user ? *user : "";
  database_ = database ? *database : user_;
}

void Pool::Adopt(ServerConnection* server) {
  assert(server->pool == nullptr);
  server->pool = this;
  ++size_;
}

void Pool::Remove(ServerConnection* server) {
  assert(server->pool == this);
  std::erase(idle_, server);
  for (Waiter& waiter : waiters_) {
    if (waiter.wish.last == server->id()) waiter.wish.only_last = false;  // it is nowhere now
  }
  server->pool = nullptr;
  --size_;
}

namespace {

bool IsOfUse(const ServerConnection& server, const LeaseWish& wish) {
  return (!wish.only_last || server.id() == wish.last) && CanBecome(server.label, wish.label);
}

// How little has to be done before the session can go on, and how little is lost to others.
constexpr int kBestRank = 16 + 8 + 4 + 2 + 1;
int Rank(const ServerConnection& server, const LeaseWish& wish) {
  const bool takes_sequences = wish.uses_sequences && server.sequence_client != 0 &&
                               server.sequence_client != wish.client &&
                               server.sequence_client != kClientGone;
  const bool takes_home = server.home_of != 0 && server.home_of != wish.client;
  return (takes_sequences ? 0 : 16) + (server.id() == wish.last ? 8 : 0) + (takes_home ? 0 : 4) +
         (SameLabel(server.label, wish.label) ? 2 : 0) + (server.worker == wish.worker ? 1 : 0);
}

}  // namespace

ServerConnection* Pool::TakeIdle(const LeaseWish& wish, const ServerConnection* last) {
  // Mostly that which the session has had before, and then the others need not be looked at.
  auto best = std::find(idle_.begin(), idle_.end(), last);
  if (best != idle_.end() && IsOfUse(*last, wish) && Rank(*last, wish) == kBestRank) {
    return TakeOut(best);
  }
  best = idle_.end();
  int best_rank = 0;
  for (auto it = idle_.begin(); it != idle_.end(); ++it) {
    if (!IsOfUse(**it, wish)) continue;
    const int rank = Rank(**it, wish);
    if (best != idle_.end() && rank < best_rank) continue;
    best = it;
    best_rank = rank;
  }
  return best == idle_.end() ? nullptr : TakeOut(best);
}

ServerConnection* Pool::TakeOut(std::vector<ServerConnection*>::iterator place) {
  ServerConnection* server = *place;
  idle_.erase(place);
  return server;
}

void Pool::PutIdle(ServerConnection* server, TimePoint now) {
  server->used_at = now;
  idle_.push_back(server);
}

void Pool::Leave(ClientId client) {
  std::erase_if(waiters_, [client](const Waiter& waiter) { return waiter.wish.client == client; });
}

ClientId Pool::NextWaiter() {
  const ClientId client = waiters_.front().wish.client;
  waiters_.pop_front();
  return client;
}

ClientId Pool::NextWaiterFor(const ServerConnection& server) {
  for (auto it = waiters_.begin(); it != waiters_.end(); ++it) {
    if (!IsOfUse(server, it->wish)) continue;
    const ClientId client = it->wish.client;
    waiters_.erase(it);
    return client;
  }
  return 0;
}

}  // namespace pgsidecar::pool
