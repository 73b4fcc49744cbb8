// A PostgreSQL for tests without one: a database of one table, branches (bid, bbalance), and
// backends that speak the wire protocol over it. A backend handles one message a Step, keeps what
// it answers back until a Flush, a Sync or the end of a Query as PostgreSQL does, and goes on with
// what it has received after its connection has been lost.
//
// Statements understood: SELECT bbalance FROM branches WHERE bid = n, UPDATE branches SET bbalance
// = n WHERE bid = n (n may be $1, $2), SELECT x FROM gone, SELECT opaque(1), COPY branches FROM
// STDIN, CREATE TABLE, BEGIN [ISOLATION LEVEL REPEATABLE READ], SET TRANSACTION ISOLATION LEVEL
// REPEATABLE READ, SAVEPOINT s, ROLLBACK TO SAVEPOINT s, COMMIT, ROLLBACK, PREPARE TRANSACTION 'p',
// COMMIT PREPARED 'p', DISCARD ALL, SET, and the proxy's own queries. What is not understood is a
// syntax error.
//
// Row kTenantRow has a policy: under SET [LOCAL] app.tenant = 'n' a SELECT of it gives row n.

#ifndef PGSIDECAR_TESTS_UNIT_PROXY_FAKE_SERVER_H_
#define PGSIDECAR_TESTS_UNIT_PROXY_FAKE_SERVER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace pgsidecar::proxy {

constexpr int kTenantRow = 4;

struct FakeDatabase {
  std::map<int, int> balances;              // committed
  std::map<int, std::vector<int>> history;  // of each row, every value that was committed, in order
  std::map<int, uint32_t> locks;            // row -> pid of the transaction that has changed it
  std::set<uint32_t> alive;                 // pids of backends
  std::map<std::string, std::map<int, int>> prepared;  // transactions: what they have written
  bool gone_exists = true;
  int catalog_changes = 0;
  std::string conf_load_time = "1";
  std::string start_time = "1";
  uint32_t last_pid = 1000;
  uint64_t executed = 0;  // statements of clients
  uint64_t loads = 0;     // of the catalog
  uint64_t handled = 0;   // messages
  std::string timeline = "1";
  std::string code_leaves;     // a setting that opaque() sets
  bool small_catalog = false;  // without most of pg_catalog, to be loaded quickly

  FakeDatabase();
  // Where `value` stands in the history of row `id`; -1 if it was never committed.
  int IndexOf(int id, int value) const;
};

class FakeBackend {
 public:
  explicit FakeBackend(FakeDatabase* database);
  FakeBackend(const FakeBackend&) = delete;
  FakeBackend& operator=(const FakeBackend&) = delete;
  ~FakeBackend();

  uint32_t pid() const { return pid_; }
  std::string cancel_key() const { return "k" + std::to_string(pid_ % 900 + 100); }

  void Receive(std::string_view bytes) { inbox_ += bytes; }
  // Handles the next whole message; false if there is none.
  bool Step();
  // The connection has ended: what has been received is still handled, then the backend dies.
  void Disconnect() { disconnected_ = true; }
  // A crash, or pg_terminate_backend: nothing more is handled, an open transaction is rolled back.
  void Die();
  bool dead() const { return dead_; }
  bool disconnected() const { return disconnected_; }
  bool logged_in() const { return logged_in_; }
  // Hits a statement whose message has come and has not been handled; else nothing.
  void Cancel();
  // Whether it has done what others will see once it is committed.
  bool has_written() const { return !written_.empty() || changed_catalog_; }
  // The message that comes next: "Q <sql>", "E <sql>", "S" ...; "" if none is whole.
  std::string NextMessage() const;

  std::string out;  // flushed: what the proxy may read

 private:
  struct Portal {
    std::string sql;
    std::vector<std::string> parameters;
  };
  struct Outcome {
    std::string tag;
    std::optional<std::string> value;  // a result of one row of one column
    std::string sqlstate;              // not empty: an error
    std::string message{};
  };

  void Login(std::string_view packet);
  void Handle(char type, std::string_view body);
  void HandleQuery(std::string_view sql);
  bool HandleOwnQuery(std::string_view sql);
  void HandleParse(std::string_view body);
  void HandleBind(std::string_view body);
  void HandleDescribe(std::string_view body);
  void HandleExecute(std::string_view body);
  void HandleCopy(char type, std::string_view body);
  void Finish(const Outcome& outcome);
  void FinishExtended(const Outcome& outcome);
  Outcome Run(const std::string& sql, const std::vector<std::string>& parameters);
  Outcome Check(const std::string& sql) const;
  Outcome Update(int id, int value);
  Outcome Transact(const std::string& sql);
  std::optional<int> Balance(int id);

  void Commit();
  void RollBack();
  void SetTenant(int tenant);
  void Fail(const std::string& sqlstate, const std::string& message);
  void Ready();
  void Row(const std::vector<std::string>& values);
  void Describe(const std::string& sql);
  void Complete(std::string_view tag);
  void Empty(char type);
  void Flush();

  FakeDatabase* database_;
  uint32_t pid_;
  std::string inbox_;
  std::string unflushed_;
  bool logged_in_ = false;
  bool disconnected_ = false;
  bool dead_ = false;
  bool skips_ = false;  // to the next Sync
  bool cancelled_ = false;
  char status_ = 'I';
  enum class Copying { kNo, kSimple, kExtended } copying_ = Copying::kNo;
  std::string copied_;
  std::map<int, int> written_;  // by the open transaction, explicit or not
  bool changed_catalog_ = false;
  // Of the open transaction, too.
  std::optional<std::map<int, int>> savepoint_;  // what had been written
  std::optional<std::map<int, int>> snapshot_;   // what it sees, under REPEATABLE READ
  bool repeatable_ = false;
  bool queried_ = false;
  bool temporary_ = false;  // it has a temporary table
  std::string left_by_code_;
  int tenant_ = 0;                    // of SET LOCAL
  int session_tenant_ = 0;            // of SET
  std::optional<int> tenant_before_;  // the transaction
  std::map<std::string, std::string> statements_;
  std::map<std::string, Portal> portals_;
};

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_TESTS_UNIT_PROXY_FAKE_SERVER_H_
