// What clients may be told, whatever the order of events: each reply is the one to its request; a
// read is not older than anything that anybody had been told when it was sent; own writes are seen;
// who was not cancelled is not told so.
//
// It knows every commit from the fake database's history. The last digit of a value is the id of
// its row, so that an answer to somebody else is seen to be one.

#ifndef PGSIDECAR_TESTS_UNIT_PROXY_ORACLE_H_
#define PGSIDECAR_TESTS_UNIT_PROXY_ORACLE_H_

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/unit/proxy/world.h"

namespace pgsidecar::proxy {

// One statement; with `syncs` the end of a request, which is answered with one ReadyForQuery.
struct Call {
  enum class Kind { kRead, kWrite, kOther };
  enum class Form { kSimple, kUnnamed, kNamed };  // kOther: kSimple
  Kind kind = Kind::kRead;
  int id = 0;
  int value = 0;      // of a write
  std::string sql{};  // of kOther
  Form form = Form::kSimple;
  bool syncs = true;
  std::string fails_with{};  // the SQLSTATE that it must get

  std::map<int, int> floor{};  // of a read: what had been told of each row when it was sent
  bool parses = false;         // the named statement of its kind

  // Whether what comes behind it depends on its answer.
  bool is_control() const { return kind == Kind::kOther; }
};

// A client, and what it knows.
struct Player {
  FakeClient* client = nullptr;
  std::deque<Call> unanswered;
  std::vector<std::string> words;  // of the answer that is coming
  char status = 'I';
  bool cancelled = false;
  bool has_read = false;  // its named statements
  bool has_write = false;
  // Of its open transaction.
  std::map<int, int> own;  // written
  std::map<int, int> savepoint;
  bool repeatable = false;
  std::map<int, int> seen;                        // under REPEATABLE READ
  std::optional<std::map<int, int>> first_floor;  // of its first statement, likewise
  int tenant = 0;
  int session_tenant = 0;  // of its session
};

class Oracle {
 public:
  // Rows 1 to `rows` get values of their own.
  Oracle(FakeDatabase* database, int rows);

  // Puts the call into the client's hands; everything told so far is its floor.
  void Send(Player& player, Call call);
  // Judges what the client has received.
  void Hear(Player& player);
  // A value for row `id` that no other write has.
  int NewValue(int id) { return ++last_value_ * 10 + id; }

  // Nothing is under way any more: from now on every read must be of the newest value.
  void ExpectNewest() { newest_ = true; }

  size_t answers() const { return answers_; }

 private:
  using Words = std::vector<std::string>;
  void SendPrepared(Player& player, Call& call, const char* name, const std::string& sql,
                    const std::vector<std::string>& values, bool exists);
  // `before`: the status of the transaction until now.
  void Answered(Player& player, char before);
  void Judge(Player& player, const Call& call, const Words& words);
  void JudgeRead(Player& player, const Call& call, int value);
  void EndTransaction(Player& player, bool commits);
  void Told(int id, int value);

  FakeDatabase* database_;
  std::map<int, int> floor_;  // of each row: the latest index in its history that anybody was told
  std::map<int, int> prepared_;  // written by the prepared transaction
  int last_value_ = 0;
  size_t answers_ = 0;
  bool newest_ = false;
};

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_TESTS_UNIT_PROXY_ORACLE_H_
