// What a client session has changed of its settings since its login, as far as the server has
// confirmed it: transactional as PostgreSQL's own settings are (documentation, "SET";
// guc.c: AtEOXact_GUC), with SET LOCAL and savepoints.
//
// Login settings are the server connection's (pool::Environment); together with key() they are
// every setting that can change an answer.
//
// Invariant: two sessions of one pool and environment whose key() is equal have equal settings, but
// for those that change no answer (catalog::AnswersIgnore).
//
// A custom setting (with a dot in its name) that has been touched never goes back to being unset:
// after RESET, and after the end of a transaction that took it back, it stays with a mark.

#ifndef PGSIDECAR_PROXY_SESSION_SETTINGS_H_
#define PGSIDECAR_PROXY_SESSION_SETTINGS_H_

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "pool/settings_label.h"

namespace pgsidecar::proxy {

// Settings of one transaction, which end with it and are not followed here.
bool IsOfTransaction(std::string_view name);

class SessionSettings {
 public:
  // --- what the server has confirmed, in its order ---
  void Set(std::string_view name, std::string_view value, bool local);
  void Reset(std::string_view name, bool local);
  void ResetAll();
  // SET SESSION AUTHORIZATION and its RESET (nullopt) put an end to SET ROLE. Outside a transaction
  // block.
  void SetSessionAuthorization(std::optional<std::string_view> user);
  void DiscardAll();
  void Savepoint(std::string_view name);
  void Release(std::string_view name);
  void RollbackTo(std::string_view name);
  void Commit();
  void Rollback();

  // --- what follows ---
  // The value that the session itself gave; nullopt: as at login.
  std::optional<std::string_view> Find(std::string_view name) const;
  // Whether the session has ever changed it.
  bool Touched(std::string_view name) const { return touched_.contains(name); }
  bool untouched() const { return touched_.empty(); }
  // Whether the open transaction has changed something, which its end may take back.
  bool in_transaction() const { return before_.has_value(); }
  // Every setting that lasts beyond the transaction, as it has to be set on another server
  // connection. REQUIRES: no transaction is open.
  pool::SettingsLabel Label() const;
  // Appends every setting in force that an answer may depend on; nothing if there is none.
  void AppendKey(std::string* to) const;
  // What is held, in bytes.
  size_t bytes() const;

 private:
  // Of a value: its text behind kText; or a mark alone.
  static constexpr char kText = '=';
  static constexpr char kDefault = 'd';   // reset to the login's
  static constexpr char kLeftOver = 'e';  // a custom setting whose value was taken back
  static constexpr char kNoRole = 'n';    // "role" behind SET SESSION AUTHORIZATION
  using Values = std::map<std::string, std::string, std::less<>>;
  struct State {
    Values session;
    Values local;  // SET LOCAL: in front of `session` until the transaction ends
  };

  void Change(std::string_view name, std::string value, bool local);
  void Erase(std::string_view name);
  void BeginChange();
  void LeaveMarks();
  const std::string* InForce(std::string_view name) const;

  State now_;
  std::optional<State> before_;  // the transaction's first change
  struct Mark {
    std::string name;
    State state;
  };
  std::vector<Mark> savepoints_;  // oldest first
  std::set<std::string, std::less<>> touched_;
};

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_SESSION_SETTINGS_H_
