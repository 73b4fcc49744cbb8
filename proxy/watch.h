// The proxy's own connection to one database: loads the catalog, and asks once an interval whether
// anything of it has changed by other ways than through this proxy.
//
//      connect ─► log in ─► poll ──same──► wait ─► poll ...
//                            └─moved─► load ─► poll ─► accept, or load again

#ifndef PGSIDECAR_PROXY_WATCH_H_
#define PGSIDECAR_PROXY_WATCH_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "catalog/catalog.h"
#include "pool/server_connection.h"
#include "proxy/database.h"

namespace pgsidecar::proxy {

class Watch {
 public:
  // `database` outlives the watch.
  // `harmless` (functions as schema.name, for the catalog) outlives the watch.
  Watch(Database* database, Duration interval, const std::vector<std::string>* harmless);

  // The same as at the construction, from now on.
  void Configure(Duration interval, const std::vector<std::string>* harmless) {
    interval_ = interval;
    harmless_ = harmless;
  }

  // True if there is no connection and it is time to try (again).
  bool WantsConnection(TimePoint now) const;
  void OnConnecting(pool::ServerConnection* server, TimePoint now);
  void OnLoggedIn();
  void OnLost(const Error& error, TimePoint now);
  // The connection is being closed on purpose.
  void OnLeft(TimePoint now);

  // Starts a poll if one is due: the interval has passed, or the database asks for a recheck.
  void Tick(TimePoint now);
  // The server has not answered for so long that the connection is to be given up.
  bool IsOverdue(TimePoint now) const;
  // The own query has ended; `now` is when.
  void OnIdleAgain(TimePoint now);

  Database* database() const { return database_; }
  pool::ServerConnection* server() const { return server_; }
  bool connected() const { return ready_; }
  // Whether the catalog, or who the server is, has moved since the last call: then writes that are
  // under way count as writes to anything.
  bool TakeMoved();
  const std::string& last_error() const { return last_error_; }

 private:
  enum class Step : uint8_t { kIdle, kPolling, kLoading, kPollingAgain };

  Duration Patience() const;
  void Poll(Step step);
  void Load();
  void OnPolled(TimePoint now);
  void OnLocked(TimePoint now);
  void OnLoadedAndPolled();

  Database* database_;
  Duration interval_;
  const std::vector<std::string>* harmless_;
  pool::ServerConnection* server_ = nullptr;
  bool ready_ = false;
  bool moved_ = false;
  Step step_ = Step::kIdle;
  TimePoint next_attempt_{};
  TimePoint next_poll_{};
  TimePoint asked_at_{};
  TimePoint rested_at_{};  // a recheck that found nothing is over; another waits until then
  std::optional<TimePoint> locked_since_;  // since then no load has got past a lock
  TimePoint locked_until_{};               // until then none is tried
  std::string last_error_;

  std::optional<Error> failure_;  // of the query that has just ended
  std::optional<catalog::PollAnswer> answer_;
  std::optional<catalog::CatalogBuilder> builder_;
  std::string fingerprint_before_;
  uint64_t signs_before_ = 0;  // the poll was sent
};

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_WATCH_H_
