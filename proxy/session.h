// One client connection: from its startup packet to its end.
//
//   startup ─► logging in ─► ready ─► draining ─► closed         (draining: client gone, server
//   busy)
//      ├─────► console ──────────────────────────► closed
//      └─────► replication ──────────────────────► closed         (logging in as above)
//
// A pure state machine: bytes and events in; bytes out through `client_out` and the leased server
// connection's `out`; everything else that has to be done comes out of TakeActions. It reads no
// clock and opens no socket. After every input the owner takes the actions and carries the bytes.
//
// What a client sends is cut into Requests. One request at a time is decided: answered here (a hit,
// SHOW pgsidecar.last), or forwarded. While it waits (for a server connection, for another
// session's fill, for statements to be prepared again) nothing behind it is looked at.
//
// Replies come in the order of `expected_`, which has an entry for each message that the server
// will answer, ours among the client's. `batches_` has an entry for each ReadyForQuery to come, in
// step with the ledger's.

#ifndef PGSIDECAR_PROXY_SESSION_H_
#define PGSIDECAR_PROXY_SESSION_H_

#include <cassert>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/flat_queue.h"
#include "base/hash.h"
#include "base/lazy.h"
#include "base/outbox.h"
#include "base/transport.h"
#include "cache/fill.h"
#include "cache/key.h"
#include "cache/known_sizes.h"
#include "cache/single_flight.h"
#include "cache/store.h"
#include "cache/versions.h"
#include "pgwire/backend.h"
#include "pgwire/frontend.h"
#include "pgwire/message_stream.h"
#include "pgwire/startup.h"
#include "pool/pool.h"
#include "pool/prepared.h"
#include "pool/server_connection.h"
#include "proxy/auth_door.h"
#include "proxy/auth_exchange.h"
#include "proxy/auth_settings.h"
#include "proxy/config.h"
#include "proxy/database.h"
#include "proxy/decision.h"
#include "proxy/local_answer.h"
#include "proxy/own_settings.h"
#include "proxy/request.h"
#include "proxy/session_settings.h"
#include "proxy/statistics.h"
#include "proxy/verify.h"
#include "proxy/write_ledger.h"

namespace pgsidecar::proxy {

// What the sessions share. Everything outlives the sessions.
struct Shared {
  const Config* config = nullptr;
  cache::VersionTable* versions = nullptr;
  cache::Store* store = nullptr;
  cache::SingleFlight* flights = nullptr;
  cache::KnownSizes* sizes = nullptr;
  pool::PreparedRegistry* prepared = nullptr;
  DecisionPool* decisions = nullptr;
  Statistics* statistics = nullptr;
  MismatchLog* mismatches = nullptr;
  const std::vector<std::unique_ptr<Database>>* databases = nullptr;
};

enum class SessionState : uint8_t {
  kStartup,
  kLoggingIn,
  kReady,
  kConsole,
  kReplication,  // what either end says goes to the other as it is
  kDraining,
  kClosed
};
std::string_view SessionStateName(SessionState state);

// What a session asks of its owner.
enum class Action : uint8_t {
  kLogIn,           // open a server connection with startup(), and relay its login
  kFindSecret,      // the proxy judges: OnSecret with what is known of the user
  kEnter,           // the client has been judged: OnEntered once the server has let the proxy in
  kProbe,           // the login has been accepted: ask the server connection what it holds
  kReplicate,       // the same, but it is a walsender that takes no SQL: OnReplication follows
  kForwardCancel,   // a CancelRequest came: cancel_request()
  kStartTls,        // the client asks for TLS: write client_out, then shake hands
  kStartDirectTls,  // it has begun TLS unasked: what has come is TakeStartupBytes()
  kLease,           // a server connection of the session's pool: OnLeased or OnLeaseFailed follows
  kRelease,         // the lease is over, the server connection clean
  kReleaseDirty,    // it is over and a transaction is open: ROLLBACK first
  kDropServer,      // it is over and the server connection must be closed
  kCancelServer,    // cancel what runs on the leased server connection
  kCatalogChanged,  // the catalog may have changed: writes under way escalate, watches look
  kWakeWaiters,     // TakeWoken(): sessions whose flight has landed
  kClose,           // close the client connection once client_out has been written
};

// What a client in pool_mode statement is told that begins a transaction block.
Error BlockInStatementMode();

// Whether server_reset_query, which is DISCARD ALL, undoes what a session has been pinned for.
bool ResetClears(catalog::Pin pin);

// The peer of a client that has come over a Unix socket.
inline constexpr std::string_view kUnixPeer = "unix";

class Session {
 public:
  using ClientId = pool::ClientId;

  // `trusted_listener`: only this machine reaches the listener (loopback or a Unix socket).
  // `peer`: the client's address and port, or kUnixPeer.
  Session(ClientId id, const Shared& shared, bool trusted_listener, std::string peer,
          TimePoint now);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // --- inputs ---
  void OnClientBytes(std::string_view bytes, TimePoint now);
  // The TLS that an action asked for is up; the client's bytes are what it carries from now on.
  void OnTransportSecured(TransportSecurity transport);
  void OnClientGone(TimePoint now);
  // client_out has been written: what was held back because of it goes on.
  void OnClientDrained(TimePoint now);
  // The login's server connection: its socket is open, with the session as its client.
  void OnLoginServer(pool::ServerConnection* server, TimePoint now);
  void OnLoginFailed(const Error& error, TimePoint now);  // the server cannot be reached
  // What the client is judged by; null: nothing is known of the user. `random`: fresh,
  // AuthExchange::kRandomBytes.
  void OnSecret(std::shared_ptr<const UserSecret> secret, std::string_view random, TimePoint now);
  // A client that the proxy has judged is in: what a server connection of `pool` was told at its
  // login is what the client is told. `home`: the connection that counts as used last, or 0.
  void OnEntered(pool::Pool* pool, Database* database, const LoginState& login, pool::ServerId home,
                 uint32_t pid, std::string cancel_key, TimePoint now);
  // The login has been accepted, probed, and belongs to `pool` of `database`.
  void OnLoggedIn(pool::Pool* pool, Database* database, uint32_t pid, std::string cancel_key,
                  TimePoint now);
  // The proxy's own login on the server connection of a client that it has judged has ended.
  void OnOwnLogin();
  // The same of one that WantsReplication: it keeps the server connection to its end.
  void OnReplication(uint32_t pid, std::string cancel_key, TimePoint now);
  void OnServerBytes(std::string_view bytes, TimePoint now);
  void OnServerLost(const Error& error, TimePoint now);
  void OnLeased(pool::ServerConnection* server, TimePoint now);
  void OnLeaseFailed(const Error& error, TimePoint now);
  // The owner has taken the server connection back, as an action asked.
  void OnServerTaken();
  void OnFlightLanded(TimePoint now);
  void OnCancelRequest(TimePoint now);
  // Others wait for a server connection, and this session MayBeRecalled.
  void OnRecalled(TimePoint now);
  void OnTick(TimePoint now);
  // The proxy is shutting down: the session ends as soon as nothing is under way.
  void OnDrain(TimePoint now);
  // A console command's answer.
  void OnConsoleAnswer(const LocalAnswer& answer, TimePoint now);
  // The server has reloaded its configuration: what this session's settings are is not known until
  // it holds a server connection that has been asked again.
  void OnSettingsReloaded();
  // shared.config is another.
  void OnReconfigured();
  // Writes of this session count as writes to anything (the catalog has moved under them).
  void Escalate(Database* database);

  // --- outputs ---
  Outbox client_out;
  // Kept by the owner.
  pool::WorkerId worker = 0;  // whose loop carries the socket
  bool listed = false;        // among the owner's active sessions
  // `into` is empty; the session takes its capacity in return.
  void TakeActions(std::vector<Action>* into) { actions_.swap(*into); }
  bool has_actions() const { return !actions_.empty(); }
  // What a client has sent before anything was answered.
  std::string TakeStartupBytes() { return std::exchange(input_, {}); }
  std::vector<cache::WaiterId> TakeWoken() { return std::exchange(woken_, {}); }
  // What a lost server connection may still be committing; to be taken after OnServerLost.
  std::vector<cache::CounterIndex> TakeOrphanedWrites() { return std::exchange(orphaned_, {}); }
  // With what the proxy can log in as a user whom it has judged; at kEnter.
  pool::LoginSecret TakeGained();
  // Bytes of the client's that have not been looked at.
  bool holds_input() const { return !input_.empty() && wait_ == Wait::kNone; }
  // Whether more of the client's bytes are wanted now.
  bool WantsClientBytes() const;

  // --- what it is ---
  ClientId id() const { return id_; }
  SessionState state() const { return state_; }
  // Once the login is over, the pool's, which may have its parameters in another order.
  const pgwire::StartupMessage& startup() const { return pool_ ? pool_->startup() : startup_; }
  const pgwire::CancelRequest& cancel_request() const { return *cancel_request_; }
  pool::ServerConnection* server() const { return server_; }
  pool::Pool* pool() const { return pool_; }
  Database* database() const { return database_; }
  const std::string& peer() const { return peer_; }
  // How the client's bytes travel; as of a plain connection until TLS is up.
  const TransportSecurity& transport() const;
  uint32_t pid() const { return pid_; }
  const std::string& cancel_key() const { return cancel_key_; }
  catalog::Pin pin() const { return pin_; }
  TimePoint pinned_since() const { return pinned_since_; }
  // The settings that its server connection has to hold, outside of a transaction.
  const pool::SharedLabel& label() const { return label_; }
  pool::LeaseWish Wish() const;
  pool::ServerId last_server() const { return last_server_; }
  pool::ServerId sequence_server() const { return sequence_server_; }
  std::string_view bypass() const { return bypass_; }
  // It holds its server connection only because an audit has been put off.
  bool MayBeRecalled() const;
  bool busy() const { return !expected_.empty() || wait_ != Wait::kNone; }
  // Whether nothing but client_idle_timeout can become due for it.
  bool is_idle() const {
    return (state_ == SessionState::kReady || state_ == SessionState::kConsole) &&
           server_ == nullptr && !busy() && !in_transaction() && !has_actions();
  }
  bool in_transaction() const { return status_ != pgwire::TransactionStatus::kIdle; }
  TimePoint connected_at() const { return connected_at_; }
  // The proxy, not the server, has found the client to be who it says.
  bool judged() const { return judged_; }
  bool is_console() const { return is_console_; }
  // May do what changes something, and see what other users' statements say.
  bool console_admin() const { return console_admin_; }
  // REQUIRES: wants_console_answer(). Valid until it is given.
  std::string_view console_sql() const { return decision().text; }
  bool WantsReplication() const;
  bool owes_login_answer() const { return answer_due_; }
  bool waits_for_catalog() const { return wait_ == Wait::kCatalog; }
  bool waits_for_server() const { return wait_ == Wait::kLease && server_ == nullptr; }
  bool wants_console_answer() const { return wait_ == Wait::kConsole; }

 private:
  enum class Wait : uint8_t {
    kNone,
    kLogin,    // for the server's verdict
    kCatalog,  // for the database's catalog to be loaded, the first time or again
    kLease,    // for a server connection
    kFlight,   // for another session's fill
    kAudit,    // for what the session holds, before it is decided whether the cache may answer
    kReplay,   // for statements that are being prepared again
    kQuiet,    // for the server to have answered everything before something is answered here
    kAhead,    // for the server's answer to what was sent ahead of a request
    kConsole,  // for the console's answer
  };

  // What the server is expected to answer.
  enum class Reply : uint8_t {
    kParse,
    kBind,
    kDescribeStatement,
    kDescribePortal,
    kExecute,
    kClose,
    kSync,
    kQuery,  // of our own: the audit and kin, in a batch of its own
    kFunctionCall,
    kCopyEnd,      // marks where the client ended a COPY; answered by nothing
    kForcedError,  // an error that we made the server raise; `error` is what the client is told
  };
  // A text that is being run and that the session has to follow to know its settings.
  struct Followed {
    std::shared_ptr<StatementRecord> record;
    std::vector<std::optional<std::string>> values{};  // of Bind
    std::string prepare{};                             // the text, if it is one PREPARE
    size_t completed = 0;                              // so many of its statements
    const sql::StatementInfo* current() const {
      const auto& statements = record->info().statements;
      return completed < statements.size() ? &statements[completed] : nullptr;
    }
  };
  struct Expected {
    Reply kind;
    bool own = false;  // the answer is not the client's
    // Of the client's statement; empty where the server has the same name. Of a replay: that which
    // is being made again.
    std::string name{};
    std::shared_ptr<ClientStatement> statement{};  // for kParse, kBind, kDescribeStatement
    std::shared_ptr<ClientStatement> previous{};   // what `name` meant before, restored on error
    std::unique_ptr<Error> error{};                // for kForcedError
    std::shared_ptr<Followed> followed{};          // for kQuery, kExecute
  };
  // In mode verify: what the cache would have answered to the request that a fill is copied of.
  struct Verified {
    cache::EntryRef entry;
    std::string text;  // with its literals, which the record's may not have
    size_t parameters = 0;
    uint64_t parameters_hash = 0;
  };
  struct Batch {
    std::unique_ptr<cache::Fill> fill;
    std::unique_ptr<Verified> verified;  // then the fill is only compared
    bool leading = false;                // a flight of others waits for the fill
    Digest key{};                        // of the fill
    bool only_reads = false;             // that the cache may keep
    bool may_change_catalog = false;
    bool failed = false;  // an error has come
    std::shared_ptr<StatementRecord> record;
  };

  // --- session_replication.cc ---

  // --- session_timeouts.cc ---
  bool TimesOut(TimePoint now);

  // --- session_startup.cc ---
  void ProcessStartup(std::string_view& input);
  bool OffersTls() const;
  bool TransportSuffices();
  void OnStartupMessage(pgwire::StartupMessage message);
  void ProcessLogin(std::string_view& input);
  void OnLoginPiece(const pgwire::Piece& piece);
  void OnLoginAuthentication(std::string_view bytes);
  void BecomeReady(TimePoint now);
  void OfferMechanisms(std::string_view mechanisms);
  void CheckEncodings();
  void Identify();

  // --- session_auth.cc: logins that the proxy judges ---
  void BeginLogin();
  void BeginConsole();
  void NegotiateProtocol();
  void ProcessExchange(std::string_view& input);
  void RefuseLogin(const Error& error);
  void AcceptLogin();
  void EnterConsole();
  std::optional<Error> CheckRelayed(pgwire::AuthenticationRequest request) const;

  // --- session.cc ---
  void Process(std::string_view input, TimePoint now);
  void ProcessRequests(std::string_view& input, TimePoint now);
  void Resume(TimePoint now);
  bool OutputIsFull() const;
  void Act(Action action) { actions_.push_back(action); }
  void Fatal(const Error& error);  // tells the client and closes
  void Close();
  void SendError(const Error& error);
  void SendReady();
  void MaybeRelease();
  void ReleaseServer(Action how);
  void AbandonServer();  // what is under way on it is lost
  void EndCatalogChange();
  bool MayRelease() const;
  bool MayReset() const;
  void CancelAgain(TimePoint now);
  bool Quiet() const { return expected_.empty() && batches_.empty(); }

  // --- session_decide.cc: what a request is, and whether the cache may answer it ---
  void Begin(TimePoint now);  // request_ has been read
  void Continue(TimePoint now);
  void Decide(TimePoint now);
  void RefuseBlocks();
  bool DecideQuery();
  bool DecideExtended();
  bool InCacheableForm();
  bool DecideCacheableForm();
  bool WaitForReload(TimePoint now);
  bool WaitForAudit();
  bool IsOneSelect() const;
  void DecideRuns(const std::shared_ptr<ClientStatement>& statement, std::string_view bind);
  void MakePlan();
  void PlanRun(size_t run, const Plan& before, catalog::NameContext* names, bool* reads_texts,
               Plan* plan);
  bool PlanHolds() const;
  void AddWrittenRows(size_t run, const Plan& before, Plan* plan) const;
  void AddReadRows();
  RunValues ValuesOfQuery() const;
  RunValues ValuesOf(const pgwire::Bind& bind, const ClientStatement& statement) const;
  bool IsBehindReads() const;
  std::string_view CacheRefusal();
  bool HasTimeWord() const;
  bool TryCache(TimePoint now);
  void NoteBypass(std::string_view reason, CallCounts* counts);
  CachePolicy Policy();
  void SendHit(const cache::EntryRef& entry);
  void MakeKey();
  void DropFill();
  void Finish();  // the request has been answered or sent
  // REQUIRES: a request is at hand, whole or in the making.
  Decision& decision() const {
    assert(decision_ != nullptr);
    return *decision_;
  }
  Request& request() const { return decision().request; }
  void PutDecisionBack();
  std::shared_ptr<ClientStatement> MakeStatement(const pgwire::Parse& parse);
  std::string Reading(std::string_view sql) const;
  bool ReadsAlike(const ClientStatement& statement) const;
  std::shared_ptr<ClientStatement> FindParsed(const Request::Message& message) const;
  std::shared_ptr<ClientStatement> FindStatement(std::string_view name) const;
  void SetStatement(std::string_view name, std::shared_ptr<ClientStatement> statement);

  // --- session_forward.cc: the request on its way to the server ---
  void Forward(TimePoint now);
  bool Replay();
  void PrepareMissing();
  bool HoldsOnServer(std::string_view name, const ClientStatement& statement) const;
  void PrepareInPlace(std::string_view name, const std::shared_ptr<ClientStatement>& statement);
  bool IsAsTold(const ClientStatement& statement, const pool::Description& now) const;
  bool CanTakeBack() const;
  static bool MayHaveChanged(const ClientStatement& statement);
  void EndBatchOnServer();
  void AdoptNames();
  void PutNamesOnServer();
  bool DropsAllNames();
  void SendToServer();
  void OpenBatch();
  void FlushOpenBatch();
  void NoteEffects();
  void SendForcedError();
  void ForgetStatements();
  void MarkCatalogChange();
  void Expect(Reply kind, bool own = false);
  void ForwardMessage(const Request::Message& message);
  void ForwardParse(const Request::Message& message);
  void ForwardBind(const Request::Message& message);
  void ForwardDescribe(const Request::Message& message);
  void ForwardMissing(const Request::Message& message, std::string_view name);
  void ForwardExecute(const Request::Message& message);
  void ForwardClose(const Request::Message& message);
  void ForwardSync(const Request::Message& message);
  void ForwardRaw(const Request::Message& message);
  void ForwardCopy();
  bool RefersToPhantom(std::string_view portal);
  void ForceError(Error error);
  void PrepareOnServer(std::string_view name, const std::shared_ptr<ClientStatement>& statement);
  void MakeRoomForStatement();
  void DescribeForUs(std::string_view server_name,
                     const std::shared_ptr<ClientStatement>& statement);
  void CloseForUs(std::string_view server_name);

  // --- session_reply.cc: the server's answers ---
  bool OnPiece(const pgwire::Piece& piece, TimePoint now);
  bool OnReply(const pgwire::Piece& piece, TimePoint now);
  bool Answered(Reply kind, const pgwire::Piece& piece);
  bool OnDescription(const pgwire::Piece& piece);
  bool OnCommandEnd(const pgwire::Piece& piece);
  void OnIdle();
  bool OnReadyForQuery(const pgwire::Piece& piece, TimePoint now);
  void OnParameterStatus(const pgwire::Piece& piece);
  void OnErrorResponse(const pgwire::Piece& piece);
  void AfterError();
  void PassError(const pgwire::Piece& piece, const pgwire::ErrorFields& fields);
  void OnCopyIn();
  void MergeOldestBatch();
  void Pass(const pgwire::Piece& piece);  // and what may be kept of it to the fill
  void Tell(const pgwire::Piece& piece);  // the client, as it is
  void RefuseChanged();
  void FailTransaction();
  void SkipToSync();
  void Restore(const Expected& skipped);
  void OnFillAbandoned(Batch& batch);
  void EndFill(Batch& batch, TimePoint now);

  // --- session_verify.cc: modes observe and verify ---
  void WouldHit(const cache::EntryRef& entry, const CachePolicy& policy, TimePoint now);
  void EndVerify(Batch& batch, TimePoint now);
  void NoteMismatch(const Batch& batch, const cache::Entry& server, Verdict verdict, TimePoint now);
  void SkipVerify(std::unique_ptr<Verified>& verified);

  void LandFlight(Batch& batch);
  void DropMarkers();
  void Desynchronized(char type);

  // --- session_transaction.cc: transactions that the server need not know of yet ---
  bool AnswerTransaction();
  void SendOwedBegin();
  void TakeSnapshotOnServer();
  void RunForUs(std::string_view sql);

  // --- session_lease.cc: what a connection is given before the session's first request there ---
  bool NeedsReplay() const;
  void SendReplay();
  void MakeSqlStatements(pool::SharedLabel* held);
  void Become(const pool::SharedLabel& wanted, pool::SharedLabel* held);
  void OnReplayFailed(const pgwire::Piece& piece, const pgwire::ErrorFields& fields);
  void LeaveBroken();
  void RollBackReplay();
  // Nothing more is sent then, but for what the server skips.
  bool AheadUnanswered() const {
    const bool in_doubt = refused_ || (in_doubt_ && !expected_.empty());
    return (begin_unanswered_ || replay_unanswered_ > 0 || replay_broken_ || in_doubt) &&
           !server_skips_;
  }
  void NotePrepared(const sql::StatementInfo& statement, const Followed& followed);
  bool CanPrepareAgain(std::string_view names) const;
  const sql::StatementInfo* FindExecuted(const StatementRecord& record) const;

  // --- session_environment.cc: the settings that the session's answers depend on ---
  void AdoptEnvironment();
  void UpdateEnvironment();
  void LoseEnvironment(std::string_view reason);
  void NoteSettings(Plan* plan);
  bool ChangesSettings(const Plan& plan) const;
  catalog::NameContext Names() const;
  std::optional<std::string_view> UserOfNames() const;
  bool DefaultsToReadCommitted() const;
  void FollowQuery();
  void FollowBind(std::string_view portal, const std::shared_ptr<ClientStatement>& statement,
                  const Request::Message& message);
  void FollowExecute(std::string_view portal);
  void OnCompleted(std::string_view tag);
  void Apply(const sql::SettingChange& change, const Followed& followed);
  void EndTransactionOfSettings(bool committed);
  void OnAttemptFailed();
  void EndBatchOfSettings(bool idle, bool failed);
  bool Explains(std::string_view parameter) const;

  // --- session_pins.cc: what ties the session to its server connection, and what follows it ---
  void AddPin(catalog::Pin reason);
  void RemovePin();
  void NotePins();
  void AskAudit();
  bool EndsIdle();
  bool MayForgetCode() const;
  bool IsUndecided() const { return pin_ == catalog::Pin::kFunction && MayForgetCode(); }
  void NoteUnaudited();
  void NoteVerdict(bool clean);
  bool AuditCanWait(TimePoint now) const;
  std::string SettingsKey() const;
  bool LearnSettings();
  void OnCodeAudited(const catalog::AuditAnswer& held);
  bool OnlyOursUnanswered() const;
  bool ClientIsAnswered() const { return batches_.empty() || OnlyOursUnanswered(); }
  void RunApart(std::string_view sql);
  bool InQueryOfOurs() const;
  bool OnPieceOfOurs(const pgwire::Piece& piece);
  void OnAudited(std::string_view row);
  void LeaveNames();
  void UpdateLabel();
  void NoteReplayable(std::string_view name, std::string_view value);
  bool PrepareSequences();
  void OnSequencesDiscarded();
  void RememberBeforeUnknown();
  void TakeBackUnknown(const pgwire::ErrorFields& fields);

  // --- session_local.cc: answered here ---
  void AnswerLocally();
  bool AnswerLocalMessage(const Request::Message& message);
  LocalAnswer RunLocal(std::string_view sql, bool describe_only);
  LocalAnswer SetLocal(const sql::SettingChange& change);
  void SetLast(std::string_view what, bool bypass);
  void SyncParameters();

  ClientId id_;
  const Shared& shared_;
  bool trusted_listener_;
  std::string peer_;
  std::unique_ptr<const TransportSecurity> transport_;  // null: plain
  TimePoint connected_at_;
  TimePoint heard_at_;          // when either end has said something
  TimePoint begun_at_{};        // when what is unanswered was asked
  TimePoint transaction_at_{};  // when the transaction began
  TimePoint now_;               // of the last input
  uint64_t heard_ = 0;          // inputs from servers so far

  SessionState state_ = SessionState::kStartup;
  Wait wait_ = Wait::kNone;
  TimePoint wait_since_{};
  std::vector<Action> actions_;
  bool draining_proxy_ = false;

  // The client's side.
  std::string input_;  // bytes that have not been looked at: less than a message, or behind a wait
  RequestReader reader_;
  // Of the shared pool's; null between requests.
  std::unique_ptr<Decision> decision_;
  bool request_pending_ = false;  // the request at hand is not finished
  bool client_vanished_ = false;  // behind a Terminate that waits for its turn
  bool replayed_ = false;         // what the request needs has been prepared once
  bool replay_failed_ = false;    // what the request needs could not be prepared
  bool rest_passes_ = false;      // what is still to come of its last message goes to the server
  bool skip_to_sync_ = false;     // after an error of our own in the extended protocol
  pgwire::StartupMessage startup_;
  Lazy<pgwire::CancelRequest> cancel_request_;
  int encryption_requests_ = 0;
  uint32_t pid_ = 0;
  std::string cancel_key_;
  AuthMethod auth_method_ = AuthMethod::kPassthrough;
  std::unique_ptr<AuthExchange> exchange_;  // while the proxy judges
  bool judged_ = false;
  bool is_console_ = false;
  bool console_admin_ = false;
  bool challenged_ = false;
  bool answer_due_ = false;  // the server waits for the client's answer to a challenge
  bool login_over_ = false;  // the server has said ReadyForQuery for the first time
  // Parameters as the client was last told them.
  pool::Parameters told_parameters_;

  // The server's side.
  pool::Pool* pool_ = nullptr;
  pool::PoolMode pool_mode_ = pool::PoolMode::kTransaction;
  Database* database_ = nullptr;
  pool::ServerConnection* server_ = nullptr;
  pgwire::TransactionStatus status_ = pgwire::TransactionStatus::kIdle;
  FlatQueue<Expected> expected_;
  FlatQueue<Batch> batches_;
  bool batch_open_ = false;     // the newest batch has not been ended by a Sync
  bool server_skips_ = false;   // after an error the server ignores all up to the next Sync
  bool copy_in_ = false;        // COPY FROM STDIN is reading
  bool copy_extended_ = false;  // ... begun by an Execute: Sync and Flush are ignored meanwhile
  bool server_said_fatal_ = false;
  bool told_half_ = false;         // the client has had part of a message of the server's
  pool::Description description_;  // of the statement that is being described
  std::vector<uint32_t> described_parameters_;  // the same

  // What the session holds.
  Lazy<std::unordered_map<std::string, std::shared_ptr<ClientStatement>, TextHash, std::equal_to<>>>
      statements_;
  std::shared_ptr<ClientStatement> unnamed_;
  // The client's statement names stand on the server itself: on the connection that the session
  // holds, or has held last.
  bool own_names_ = false;
  // Made by PREPARE, as the server has confirmed.
  struct SqlStatement {
    std::string text;                         // to make it again; empty: it cannot be
    pool::SharedLabel label;                  // of the settings that it was made under
    std::shared_ptr<StatementRecord> record;  // of the text; null: it has not been one PREPARE
  };
  Lazy<std::map<std::string, SqlStatement, std::less<>>> sql_statements_;
  catalog::Pin pin_ = catalog::Pin::kNone;
  bool beyond_reset_ = false;  // it may have left something behind that no reset undoes
  bool drop_drained_ = false;  // draining: what it has left behind is dropped with the connection
  TimePoint cancelled_at_{};   // draining
  TimePoint pinned_since_{};
  bool audit_due_ = false;          // whether pin_ still holds is to be asked
  bool temporary_objects_ = false;  // there may be some
  std::string own_row_;             // of the answer to an audit
  // Code that is not understood is all that has ended the session's use of the cache.
  bool only_code_ran_ = false;
  // What has run since the last audit that may have left something, and since when; whether the
  // audit behind it may be put off.
  std::vector<std::shared_ptr<StatementRecord>> unaudited_;
  TimePoint unaudited_since_{};
  bool audit_presses_ = false;
  bool cancel_sent_ = false;               // since the audit that is under way was asked
  std::unique_ptr<std::string> learning_;  // SettingsKey() of the audit that is under way
  pool::SharedLabel label_;                // of settings_changed_, outside of a transaction
  pool::ServerId last_server_ = 0;         // that it has held last
  pool::ServerId sequence_server_ = 0;     // where its last nextval ran; 0: none has run
  bool sequences_scattered_ = false;       // earlier ones have run elsewhere
  bool must_succeed_ = false;              // the query of our own that is under way
  struct BeforeUnknown {
    catalog::Pin pin;
    std::string_view bypass;
    bool only_code_ran;
    bool names_known;
    bool ran_unknown;
    bool isolation_known;
    pool::ServerId sequence_server;
    ClientId sequence_client;
  };
  std::unique_ptr<BeforeUnknown> before_unknown_;  // a text that could not be parsed was sent
  std::shared_ptr<const pool::Environment> environment_;  // null: not known
  Lazy<SessionSettings> settings_changed_;                // since the login
  Digest session_key_{};                                  // of what of both goes into the key
  std::string search_path_;                               // in force
  std::string user_of_names_;                             // whose "$user" is
  uint64_t names_id_ = 0;
  bool names_known_ = true;            // search_path_ and user_of_names_ are what they say
  bool names_unconfirmed_ = false;     // a change of them is under way
  bool prepares_unconfirmed_ = false;  // a PREPARE, DEALLOCATE or DISCARD is
  bool encoding_unconfirmed_ = false;  // a change of how texts are read is under way
  Lazy<std::map<std::string, std::shared_ptr<Followed>, std::less<>>> followed_portals_;
  // Something of which nothing is known has run, or has been bound to a cursor: only then can a
  // FETCH do what the DECLARE did not say.
  bool ran_unknown_ = false;
  bool analysis_holds_ =
      true;           // strings and encoding are such that a text means what the parser thinks
  bool utf8_ = true;  // both ends
  std::string_view bypass_;  // why the session does not use the cache until it ends; a constant
  Lazy<OwnSettings> own_settings_;
  uint64_t login_number_ = 0;            // among those that were let in
  CacheMode ceiling_ = CacheMode::kOff;  // what the configuration allows the session
  Lazy<SessionIdentity> identity_;       // what rules know of it
  uint64_t identity_id_ = 0;
  bool isolation_known_ = true;      // of the open transaction: READ COMMITTED
  std::vector<Database*> changing_;  // told of a change of the catalog that has not ended
  bool begin_owed_ = false;          // answered here, and not sent yet
  bool begin_unanswered_ = false;    // sent; nothing is sent behind its batch meanwhile
  bool replay_owed_ = false;         // the connection does not hold the session's settings or names
  size_t replay_unanswered_ = 0;     // of expected_, at the front; as for begin_unanswered_
  bool replay_broken_ = false;       // it has failed, and has not been rolled back
  // Of what is unanswered, something runs a statement that may turn out to be another than the
  // client was told.
  bool in_doubt_ = false;
  bool refused_ = false;             // it has: what was sent behind it must come to nothing
  bool sync_due_ = false;            // the client is told what differs behind the next batch
  bool hit_in_transaction_ = false;  // the server does not know that a query has been answered
  bool phantom_portal_ = false;      // the unnamed portal was bound and run here, not on the server
  WriteLedger ledger_;

  // The cache.
  bool waited_for_catalog_ = false;     // the request has
  bool joined_ = false;                 // the request has waited for a flight already
  std::unique_ptr<cache::Fill> fill_;   // for the request, once it is sent
  std::unique_ptr<Verified> verified_;  // what the fill is compared with
  bool leading_ = false;
  std::vector<cache::WaiterId> woken_;
  std::vector<cache::CounterIndex> orphaned_;
  std::string_view last_ = "none";  // SHOW pgsidecar.last; a constant, or behind "bypass: "
  bool last_is_bypass_ = false;

  std::string local_portal_;  // what the unnamed portal was bound to here
};

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_SESSION_H_
