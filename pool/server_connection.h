// One connection to the server: what state it is in and what it really holds.
//
//   connecting ─► logging in ─► probing ─► idle ◄──► leased
//                                  ▲        ▲ ▲        │ ▲
//                                  └ resetting┘        │ │
//                                      │    └ settling ◄┘ │     any ─► closed
//                                      └──────────────────┘
//
// While it is leased its bytes belong to the client session that holds the lease; in every other
// state they are handled here. A relayed login belongs to the session that is being judged.
//
// Pure: bytes in through OnBytes, bytes out through `out`; whoever owns the socket carries them.

#ifndef PGSIDECAR_POOL_SERVER_CONNECTION_H_
#define PGSIDECAR_POOL_SERVER_CONNECTION_H_

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.h"
#include "base/outbox.h"
#include "base/result.h"
#include "base/transport.h"
#include "pgwire/message_stream.h"
#include "pgwire/startup.h"
#include "pool/own_login.h"
#include "pool/own_query.h"
#include "pool/parameters.h"
#include "pool/prepared.h"
#include "pool/settings_label.h"

namespace pgsidecar::pool {

class Pool;

using ServerId = uint64_t;
using ClientId = uint64_t;
// Of the event loops that carry the sockets, the first is 0.
using WorkerId = uint32_t;
inline constexpr ClientId kClientGone = UINT64_MAX;

enum class ServerState : uint8_t {
  kConnecting,
  kLoggingIn,  // relayed for a client, or the proxy's own
  kProbing,    // asking what settings the session holds
  kResetting,  // its settings become those of its login, so that it can be probed
  kIdle,
  kLeased,
  kSettling,  // released, not yet clean: a cancel request under way, or a ROLLBACK running
  kClosed,
};
std::string_view ServerStateName(ServerState state);

// What the server said of the settings of this session, after its login or after a reload of its
// configuration.
struct Environment {
  std::string fingerprint;     // of every setting that can change a result
  std::string login_settings;  // of ALTER ROLE / ALTER DATABASE ... SET, fixed at login
  std::string search_path;
  std::string session_user;
  std::string current_user;
  std::string conf_load_time;
  uint32_t database = 0;            // OID
  bool read_committed = false;      // default_transaction_isolation
  std::string uncacheable_because;  // "" if nothing forbids caching
  bool operator==(const Environment&) const = default;
};

class ServerConnection {
 public:
  // What an input came to; the caller acts on it.
  enum class Event : uint8_t {
    kNone,
    kLoggedIn,   // an own login has ended well
    kIdleAgain,  // an own query has ended
    kFailed,     // `error()` says why; to be closed
  };

  ServerConnection(ServerId id, pgwire::StartupMessage startup, TimePoint now);

  ServerId id() const { return id_; }
  ServerState state() const { return state_; }
  // Whether it has ever been fit for use.
  bool lived() const { return lived_; }
  const Error& error() const { return error_; }
  const pgwire::StartupMessage& startup() const { return startup_; }

  // The only way in which a state changes; asserts that the change is one of the picture above.
  void MoveTo(ServerState state);

  // Opens an own login once the socket is connected and `transport` known. A relayed one is sent by
  // its session.
  void StartOwnLogin(LoginSecret secret, LoginPolicy policy = {});
  // Resets what `label` says is set; then `label` says so, or `own_query_failed`. REQUIRES: as for
  // a query of one's own.
  void StartSettingsReset();
  bool own_login() const { return login_.has_value(); }
  // REQUIRES: nothing else is running on the connection.
  void StartQuery(std::string_view sql, OwnQuery::OnRow on_row, OwnQuery::OnDone on_done);
  void StartQueryWith(std::string_view sql, std::string_view value, OwnQuery::OnRow on_row,
                      OwnQuery::OnDone on_done);
  bool querying() const { return query_.running(); }

  // Bytes that belong to no session: of an own login, an own query, or unasked in the pool. May
  // bring several events; the most severe is returned.
  Event OnBytes(std::string_view bytes);
  // The socket is gone: an own query is told so.
  void OnLost(const Error& error);

  Parameters parameters;  // as last reported, whoever was told

  // --- what the session holds, kept by whoever changes it ---
  Outbox out;
  WorkerId worker = 0;          // whose loop carries the socket
  TransportSecurity transport;  // from when the socket is connected
  // Of what the server sends, whoever reads it: a message may begin before a lease and end in it.
  pgwire::MessageStream stream;
  Pool* pool = nullptr;  // that counts it; null before the probe, and for the proxy's own
  uint32_t pid = 0;
  std::string cancel_key;
  bool challenged = false;        // the server asked for proof of identity at login
  bool heard = false;             // the server has said something
  bool close_needed = false;      // as soon as nobody uses it: RECONNECT
  bool checking = false;          // its health, ahead of a lease
  bool reset_due = false;         // the client that had it has left something behind
  bool own_query_failed = false;  // of the check or the reset that has just ended
  std::shared_ptr<const Environment> environment;
  ClientId client = 0;  // who holds the lease, or is being judged
  int cancels_in_flight = 0;
  // By when what is under way without a client (a login, a probe, a clean-up) has to be over.
  TimePoint deadline = TimePoint::max();
  TimePoint created_at;
  TimePoint used_at;

  // Prepared statements by id, with what the server described; least recently used first.
  struct Held {
    StatementId id;
    Description description;
  };
  using HeldStatements = std::list<Held>;
  const Held* FindStatement(StatementId id) const;
  void HoldStatement(StatementId id, Description description);
  void DropStatement(StatementId id);
  void DropStatements();
  // It has been used: it is the last to make room for another.
  void TouchStatement(StatementId id);
  const HeldStatements& statements() const { return statements_; }

  // What the session holds of settings beyond its login; not up to date while it is leased.
  SharedLabel label;
  // Under whose names statements are prepared there; 0: under the shared ones alone. Whoever else
  // comes ends them first.
  ClientId names_of = 0;
  // Whose the connection is as long as it need not serve another: who held it last, and lives.
  ClientId home_of = 0;
  // Who ran a nextval here last: whose currval and lastval this connection tells; 0: nobody's.
  // kClientGone: nobody's any more.
  ClientId sequence_client = 0;
  bool sequences_mixed = false;  // and of others besides

  // Who prepared the unnamed statement, and what; 0: it does not exist or is not known.
  ClientId unnamed_client = 0;
  StatementId unnamed_statement = 0;

 private:
  Event OnMessage(char type, std::string_view body);
  Event OnLoginMessage(char type, std::string_view body);
  Event OnUnaskedMessage(char type, std::string_view body);
  Event Fail(Error error);

  ServerId id_;
  ServerState state_ = ServerState::kConnecting;
  bool lived_ = false;
  pgwire::StartupMessage startup_;
  std::optional<OwnLogin> login_;
  OwnQuery query_;
  std::string partial_row_;  // a row of an own query whose end has not come yet
  Error error_;
  HeldStatements statements_;
  std::unordered_map<StatementId, HeldStatements::iterator> statement_index_;
};

}  // namespace pgsidecar::pool

#endif  // PGSIDECAR_POOL_SERVER_CONNECTION_H_
