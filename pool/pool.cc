#include "pool/pool.h"

#include <algorithm>
#include <cassert>
#include <iterator>
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
  server->pool = nullptr;
  --size_;
}

ServerConnection* Pool::TakeIdle(WorkerId worker) {
  if (idle_.empty()) return nullptr;
  const auto own = std::find_if(idle_.rbegin(), idle_.rend(),
                                [worker](const auto* server) { return server->worker == worker; });
  const auto taken = own == idle_.rend() ? std::prev(idle_.end()) : std::prev(own.base());
  ServerConnection* server = *taken;
  idle_.erase(taken);
  return server;
}

void Pool::PutIdle(ServerConnection* server, TimePoint now) {
  server->used_at = now;
  idle_.push_back(server);
}

void Pool::Leave(ClientId client) {
  std::erase_if(waiters_, [client](const Waiter& waiter) { return waiter.client == client; });
}

ClientId Pool::NextWaiter() {
  const ClientId client = waiters_.front().client;
  waiters_.pop_front();
  return client;
}

}  // namespace pgsidecar::pool
