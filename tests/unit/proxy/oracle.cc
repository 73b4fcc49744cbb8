#include "tests/unit/proxy/oracle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

namespace pgsidecar::proxy {
namespace {

constexpr char kRead[] = "SELECT bbalance FROM branches WHERE bid = $1";
constexpr char kWrite[] = "UPDATE branches SET bbalance = $1 WHERE bid = $2";

std::string Find(const std::vector<std::string>& words, char type) {
  for (const std::string& word : words) {
    if (word.front() == type) return word.substr(2);
  }
  return "";
}

// `sql` with its parameters in place.
std::string Inlined(std::string sql, const std::vector<std::string>& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    sql.replace(sql.find("$" + std::to_string(i + 1)), 2, values[i]);
  }
  return sql;
}

}  // namespace

Oracle::Oracle(FakeDatabase* database, int rows) : database_(database) {
  for (int id = 1; id <= rows; ++id) {
    database->balances[id] = id;
    database->history[id] = {id};
    floor_[id] = 0;
  }
}

// --- what is asked ---

void Oracle::Send(Player& player, Call call) {
  FakeClient& client = *player.client;
  if (call.kind == Call::Kind::kOther) {
    client.Query(call.sql);
  } else {
    const bool reads = call.kind == Call::Kind::kRead;
    const std::string id = std::to_string(call.id);
    const std::vector<std::string> values =
        reads ? std::vector{id} : std::vector{std::to_string(call.value), id};
    call.floor = floor_;
    if (player.repeatable) {
      if (!player.first_floor) player.first_floor = floor_;
      call.floor = *player.first_floor;
    }
    SendPrepared(player, call, reads ? "r" : "w", reads ? kRead : kWrite, values,
                 reads ? player.has_read : player.has_write);
  }
  player.unanswered.push_back(std::move(call));
}

void Oracle::SendPrepared(Player& player, Call& call, const char* name, const std::string& sql,
                          const std::vector<std::string>& values, bool exists) {
  FakeClient& client = *player.client;
  if (call.form == Call::Form::kSimple) {
    client.Query(Inlined(sql, values));
    return;
  }
  if (call.form == Call::Form::kUnnamed) {
    client.Parse("", sql).Bind("", values).DescribePortal().Execute();
  } else {
    // Prepared once, and nothing else is under way that might prepare it.
    if (!exists && player.unanswered.empty()) {
      call.parses = true;
      client.Parse(name, sql);
    } else if (!exists) {
      client.Parse("", sql);
      name = "";
    }
    client.Bind(name, values).Execute();
  }
  if (call.syncs) client.Sync();
}

// --- what is answered ---

void Oracle::Hear(Player& player) {
  for (std::string& word : std::exchange(player.client->received, {})) {
    player.words.push_back(word);
    if (word.front() != 'Z') continue;
    const char before = std::exchange(player.status, word[2]);
    if (player.unanswered.empty()) {
      EXPECT_EQ(player.words.size(), 1u) << "an answer to nothing";  // the login's
    } else {
      Answered(player, before);
      ++answers_;
    }
    player.words.clear();
  }
}

// Everything up to a ReadyForQuery has come.
void Oracle::Answered(Player& player, char before) {
  std::vector<Call> calls;
  do {
    calls.push_back(std::move(player.unanswered.front()));
    player.unanswered.pop_front();
  } while (!calls.back().syncs && !player.unanswered.empty());

  const std::string error = Find(player.words, 'E');
  for (const Call& call : calls) {
    if (call.parses && (error.empty() || error == "42P05")) {
      (call.kind == Call::Kind::kRead ? player.has_read : player.has_write) = true;
    }
    if (!error.empty() && call.kind == Call::Kind::kWrite) {
      EXPECT_EQ(database_->IndexOf(call.id, call.value), -1) << "it has failed, and was committed";
    }
    if (!call.is_control()) {
      EXPECT_EQ(player.status == 'I', before == 'I') << "outside of its transaction";
    }
    if (!call.fails_with.empty() && error != "57014") {
      EXPECT_EQ(error, call.fails_with);
    }
  }
  if (!error.empty()) {
    const bool expected = error == "55P03" || error == "25P02" || error == "42P05" ||
                          error == "40001" || error == calls.front().fails_with ||
                          (error == "57014" && player.cancelled);
    EXPECT_TRUE(expected) << error;
    if (player.status == 'I') EndTransaction(player, false);
    return;
  }
  bool commits = true;
  auto begin = player.words.begin();
  for (const Call& call : calls) {
    auto end = std::find_if(begin, player.words.end(),
                            [](const std::string& word) { return word.front() == 'C'; });
    if (end == player.words.end()) {
      ADD_FAILURE() << "no answer to one of the statements";
      return;
    }
    commits = *end != "C:ROLLBACK";
    ++end;
    Judge(player, call, Words(begin, end));
    begin = end;
  }
  EXPECT_EQ(player.words.end() - begin, 1) << "more than was asked";
  if (player.status == 'I') EndTransaction(player, commits);
}

void Oracle::Judge(Player& player, const Call& call, const Words& words) {
  const std::string tag = Find(words, 'C');
  switch (call.kind) {
    case Call::Kind::kRead: {
      EXPECT_EQ(tag, "SELECT 1");
      const std::string value = Find(words, 'D');
      if (value.empty()) {
        ADD_FAILURE() << "no row";
        return;
      }
      return JudgeRead(player, call, std::stoi(value));
    }
    case Call::Kind::kWrite:
      EXPECT_EQ(tag, "UPDATE 1");
      player.own[call.id] = call.value;
      return;
    case Call::Kind::kOther:
      break;
  }
  const bool may_fail = call.sql.starts_with("COMMIT") || call.sql.starts_with("PREPARE");
  EXPECT_TRUE(call.sql.starts_with(tag) || (may_fail && tag == "ROLLBACK")) << tag;
  if (tag == "BEGIN") player.repeatable = call.sql.ends_with("REPEATABLE READ");
  if (tag == "SAVEPOINT") player.savepoint = player.own;
  if (call.sql.starts_with("ROLLBACK TO")) player.own = player.savepoint;
  if (tag == "PREPARE TRANSACTION") prepared_ = std::exchange(player.own, {});
  if (tag == "COMMIT PREPARED") player.own = std::exchange(prepared_, {});
  if (call.sql.starts_with("SET TRANSACTION") && player.status == 'T') player.repeatable = true;
  if (call.sql.starts_with("SET LOCAL app.tenant") && player.status == 'T') {
    player.tenant = call.sql[call.sql.size() - 2] - '0';
  }
  if (call.sql.starts_with("SET app.tenant")) {
    player.session_tenant = call.sql[call.sql.size() - 2] - '0';
  }
}

void Oracle::JudgeRead(Player& player, const Call& call, int value) {
  int id = call.id;
  if (id == kTenantRow && player.tenant != 0) id = player.tenant;
  if (id == kTenantRow && player.session_tenant != 0) id = player.session_tenant;
  EXPECT_EQ(value % 10, id) << "the answer to somebody else";
  if (value % 10 != id) return;
  if (const auto own = player.own.find(id); own != player.own.end()) {
    EXPECT_EQ(value, own->second) << "own write not seen";
    return;
  }
  if (player.repeatable) {
    EXPECT_EQ(player.seen.try_emplace(id, value).first->second, value) << "not one snapshot";
  }
  if (newest_) {
    EXPECT_EQ(value, database_->balances.at(id)) << "an old answer has been kept";
  }
  EXPECT_GE(database_->IndexOf(id, value), call.floor.at(id))
      << "stale: row " << id << " " << value;
  Told(id, value);
}

void Oracle::EndTransaction(Player& player, bool commits) {
  if (commits) {
    for (const auto& [id, value] : player.own) Told(id, value);
  }
  player.own.clear();
  player.savepoint.clear();
  player.repeatable = false;
  player.seen.clear();
  player.first_floor.reset();
  player.tenant = 0;
}

// Somebody has been told that the row has, or had, this value.
void Oracle::Told(int id, int value) {
  const int index = database_->IndexOf(id, value);
  EXPECT_GE(index, 0) << "row " << id << ": " << value << " was never committed";
  floor_[id] = std::max(floor_[id], index);
}

}  // namespace pgsidecar::proxy
