// Asks the server for users' secrets: PgBouncer's auth_query, on a connection of the proxy's own
// that is opened when it is first needed. The name is a parameter, never text of the query, and
// search_path is fixed, so that nobody's objects stand in front of PostgreSQL's.
//
// Answers are remembered for auth_query_ttl, also that there is no such user; that the server could
// not be asked is not. Each user is asked for once at a time, whoever waits.

#ifndef PGSIDECAR_PROXY_AUTH_QUERY_H_
#define PGSIDECAR_PROXY_AUTH_QUERY_H_

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "pgwire/startup.h"
#include "pool/server_connection.h"
#include "proxy/auth_secret.h"

namespace pgsidecar::proxy {

class AuthQuery {
 public:
  using ClientId = pool::ClientId;
  // Null: there is no such user.
  using Secret = std::shared_ptr<const UserSecret>;
  struct Answer {
    ClientId client;
    Result<Secret> secret;
  };

  // The client waits for the secret of `user`: TakeAnswers has it, perhaps at once.
  void Ask(std::string user, ClientId client, TimePoint now);
  // Whoever has been answered since the last call.
  std::vector<Answer> TakeAnswers() { return std::exchange(answers_, {}); }
  // What is remembered of the user no longer holds.
  void Forget(std::string_view user) { remembered_.erase(std::string(user)); }

  // True if somebody waits and there is no connection to ask on.
  bool WantsConnection(TimePoint now) const;
  static pgwire::StartupMessage StartupOf(const std::string& user, const std::string& database);
  void OnConnecting(pool::ServerConnection* server, TimePoint now);
  void OnLoggedIn() { ready_ = true; }
  void OnIdleAgain(Duration ttl, TimePoint now);
  void OnLost(const Error& error);
  // The connection is closed on purpose; whoever waits goes on waiting.
  void OnLeft();
  // Asks for the next user, if the connection is free. `sql`: auth_query.
  void Continue(const std::string& sql, Duration patience, TimePoint now);
  bool IsOverdue(TimePoint now) const;
  bool idle() const { return ready_ && queue_.empty(); }
  TimePoint used_at() const { return asked_at_; }

  pool::ServerConnection* server() const { return server_; }
  uint64_t asked() const { return asked_; }

 private:
  struct Remembered {
    Secret secret;
    TimePoint until;
  };
  struct Question {
    std::string user;
    std::vector<ClientId> clients;
  };

  void AnswerAll(const Question& question, const Result<Secret>& secret);
  Result<Secret> ReadAnswer() const;
  void Remember(const std::string& user, const Secret& secret, TimePoint until, TimePoint now);

  std::map<std::string, Remembered> remembered_;
  std::deque<Question> queue_;  // the first is being asked if asking_
  std::vector<Answer> answers_;
  pool::ServerConnection* server_ = nullptr;
  bool ready_ = false;
  bool asking_ = false;
  TimePoint next_attempt_{};
  TimePoint asked_at_{};
  TimePoint deadline_{};
  uint64_t asked_ = 0;
  std::string last_error_;

  // Of the question that is being asked.
  std::optional<Error> failure_;
  bool two_columns_ = true;
  std::optional<std::pair<std::string, std::optional<SecretString>>> row_;
};

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_AUTH_QUERY_H_
