// A server connection in the proxy's own hands: its login, its queries, what comes unasked.

#include "pool/server_connection.h"

#include <gtest/gtest.h>

#include "pgwire/backend.h"
#include "tests/unit/pool/scram_server.h"

namespace pgsidecar::pool {
namespace {

using namespace pgwire;  // NOLINT
using Event = ServerConnection::Event;

StartupMessage Startup() {
  StartupMessage startup;
  startup.parameters = {{"user", "app"}};
  return startup;
}

std::string Drain(Outbox& out) {
  std::vector<std::string_view> pieces(out.pieces());
  pieces.resize(out.Peek(pieces));
  std::string bytes;
  for (const std::string_view piece : pieces) bytes += piece;
  out.Clear();
  return bytes;
}

template <typename Message>
std::string Encoded(const Message& message) {
  std::string bytes;
  message.Encode(bytes);
  return bytes;
}

std::string LoginEnd() {
  return Encoded(Authentication{}) + Encoded(ParameterStatus{"TimeZone", "UTC"}) +
         Encoded(BackendKeyData{7, "key1"}) + Encoded(ReadyForQuery{});
}

class ServerConnectionTest : public testing::Test {
 protected:
  void LogIn() {
    server_.MoveTo(ServerState::kLoggingIn);
    server_.StartOwnLogin({});
    ASSERT_EQ(server_.OnBytes(LoginEnd()), Event::kLoggedIn);
    server_.MoveTo(ServerState::kIdle);
    Drain(server_.out);
  }
  ServerConnection server_{1, Startup(), TimePoint{}};
};

TEST_F(ServerConnectionTest, LogsInWithoutAChallengeByteByByte) {
  server_.MoveTo(ServerState::kLoggingIn);
  server_.StartOwnLogin({});
  EXPECT_EQ(Drain(server_.out), Encoded(Startup()));
  const std::string bytes = LoginEnd();
  for (size_t i = 0; i + 1 < bytes.size(); ++i) {
    ASSERT_EQ(server_.OnBytes(bytes.substr(i, 1)), Event::kNone);
  }
  EXPECT_EQ(server_.OnBytes(bytes.substr(bytes.size() - 1)), Event::kLoggedIn);
  EXPECT_EQ(server_.pid, 7u);
  EXPECT_EQ(server_.cancel_key, "key1");
  EXPECT_EQ(server_.parameters.Find("TimeZone"), "UTC");
}

TEST_F(ServerConnectionTest, LogsInByScramAndChecksTheServer) {
  for (const bool honest : {true, false}) {
    ServerConnection server(1, Startup(), TimePoint{});
    ScramServer scram("secret");
    server.MoveTo(ServerState::kLoggingIn);
    server.StartOwnLogin(std::string("secret"));
    Drain(server.out);
    const std::string mechanisms = std::string(kScramSha256) + std::string(2, '\0');
    ASSERT_EQ(server.OnBytes(Encoded(Authentication{AuthenticationRequest::kSasl, mechanisms})),
              Event::kNone);
    const std::string first = scram.First(Drain(server.out));
    ASSERT_EQ(server.OnBytes(Encoded(Authentication{AuthenticationRequest::kSaslContinue, first})),
              Event::kNone);
    const auto final = scram.Final(Drain(server.out));
    ASSERT_TRUE(final.has_value()) << "the proof is wrong";
    const std::string verifier = honest ? *final : "v=" + std::string(43, 'A') + "=";
    EXPECT_EQ(server.OnBytes(Encoded(Authentication{AuthenticationRequest::kSaslFinal, verifier})),
              honest ? Event::kNone : Event::kFailed);
    if (!honest) continue;
    EXPECT_EQ(server.OnBytes(LoginEnd()), Event::kLoggedIn);
  }
}

// What an own login answers to an offer of mechanisms: the first words of its SCRAM message, or its
// error.
std::string AnswerTo(const std::vector<std::string>& mechanisms, bool encrypted,
                     std::string endpoint_hash, ChannelBinding binding) {
  ServerConnection server(1, Startup(), TimePoint{});
  server.transport.encrypted = encrypted;
  server.transport.endpoint_hash = std::move(endpoint_hash);
  server.MoveTo(ServerState::kLoggingIn);
  server.StartOwnLogin(std::string("secret"), {.binding = binding});
  Drain(server.out);
  std::string list;
  for (const std::string& mechanism : mechanisms) list += mechanism + std::string(1, '\0');
  list.push_back('\0');
  if (server.OnBytes(Encoded(Authentication{AuthenticationRequest::kSasl, list})) ==
      Event::kFailed) {
    return server.error().message;
  }
  const std::string sent = Drain(server.out).substr(5);
  const size_t name_bytes = sent.find('\0');
  return sent.substr(0, name_bytes) + " " + sent.substr(name_bytes + 5, 2);
}

TEST_F(ServerConnectionTest, BindsItsLoginToTheServersCertificateIfItCan) {
  using enum ChannelBinding;
  const std::vector<std::string> both = {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"};
  const std::vector<std::string> plain = {"SCRAM-SHA-256"};
  EXPECT_EQ(AnswerTo(both, true, "hash", kPrefer), "SCRAM-SHA-256-PLUS p=");
  EXPECT_EQ(AnswerTo(both, true, "hash", kRequire), "SCRAM-SHA-256-PLUS p=");
  EXPECT_EQ(AnswerTo(both, true, "hash", kDisable), "SCRAM-SHA-256 n,");
  EXPECT_EQ(AnswerTo(both, true, "", kPrefer), "SCRAM-SHA-256 n,");  // nothing to bind to
  EXPECT_EQ(AnswerTo(both, false, "", kPrefer), "SCRAM-SHA-256 n,");
  // A middleman has taken it out of the list, or the server cannot: it is told that we could.
  EXPECT_EQ(AnswerTo(plain, true, "hash", kPrefer), "SCRAM-SHA-256 y,");
  EXPECT_EQ(AnswerTo(plain, true, "hash", kRequire),
            "channel binding is required, but server did not offer an authentication method that "
            "supports channel binding");
}

TEST_F(ServerConnectionTest, ALoginThatHasToBeBoundAnswersNothingElse) {
  for (const auto request : {AuthenticationRequest::kOk, AuthenticationRequest::kCleartextPassword,
                             AuthenticationRequest::kMd5Password}) {
    ServerConnection server(1, Startup(), TimePoint{});
    server.transport = {.encrypted = true, .endpoint_hash = "hash"};
    server.MoveTo(ServerState::kLoggingIn);
    server.StartOwnLogin(std::string("secret"), {.binding = ChannelBinding::kRequire});
    Drain(server.out);
    const std::string_view salt = request == AuthenticationRequest::kMd5Password ? "salt" : "";
    EXPECT_EQ(server.OnBytes(Encoded(Authentication{request, salt})), Event::kFailed);
    EXPECT_EQ(Drain(server.out), "");
    EXPECT_EQ(server.error().message,
              "channel binding required, but server authenticated client without channel binding");
  }
}

TEST_F(ServerConnectionTest, AScramExchangeCannotBeCutShort) {
  server_.MoveTo(ServerState::kLoggingIn);
  server_.StartOwnLogin(std::string("secret"));
  const std::string mechanisms = std::string(kScramSha256) + std::string(2, '\0');
  server_.OnBytes(Encoded(Authentication{AuthenticationRequest::kSasl, mechanisms}));
  EXPECT_EQ(server_.OnBytes(LoginEnd()), Event::kFailed);
  EXPECT_EQ(server_.error().sqlstate, "28000");
}

TEST_F(ServerConnectionTest, APasswordThatIsNotThereIsAnError) {
  server_.MoveTo(ServerState::kLoggingIn);
  server_.StartOwnLogin({});
  EXPECT_EQ(server_.OnBytes(Encoded(Authentication{AuthenticationRequest::kCleartextPassword, ""})),
            Event::kFailed);
  EXPECT_EQ(server_.error().sqlstate, "28P01");
}

TEST_F(ServerConnectionTest, ReadsRowsOfAnOwnQueryWhereverTheyAreSplit) {
  LogIn();
  const std::string large(100'000, 'x');
  const std::string answer = Encoded(RowDescription{}) + Encoded(DataRow{{"a", std::nullopt}}) +
                             Encoded(CommandComplete{"SELECT 1"}) + Encoded(RowDescription{}) +
                             Encoded(DataRow{{large}}) + Encoded(CommandComplete{"SELECT 1"}) +
                             Encoded(ReadyForQuery{});
  for (const size_t size : {size_t{1}, size_t{7}, size_t{60'000}, answer.size()}) {
    std::vector<std::string> rows;
    int done = 0;
    server_.unnamed_client = 5;
    server_.StartQuery(
        "SELECT",
        [&](size_t set, auto row) {
          rows.push_back(std::to_string(set) + ":" + std::string(row[0].value_or("null")));
        },
        [&](const Error* error) {
          EXPECT_EQ(error, nullptr);
          ++done;
        });
    EXPECT_EQ(server_.unnamed_client, 0u);
    Event last = Event::kNone;
    for (size_t at = 0; at < answer.size(); at += size) {
      last = server_.OnBytes(std::string_view(answer).substr(at, size));
    }
    EXPECT_EQ(last, Event::kIdleAgain);
    EXPECT_EQ(done, 1);
    EXPECT_EQ(rows, (std::vector<std::string>{"0:a", "1:" + large}));
  }
}

TEST_F(ServerConnectionTest, AnOwnQueryIsToldOfErrorsAndOfItsConnectionsEnd) {
  LogIn();
  std::string told;
  const auto note = [&](const Error* error) { told = error ? error->sqlstate : "none"; };
  server_.StartQuery("SELECT", {}, note);
  std::string answer;
  EncodeError(answer, "ERROR", {"42601", "syntax error", "", ""});
  EXPECT_EQ(server_.OnBytes(answer + Encoded(ReadyForQuery{})), Event::kIdleAgain);
  EXPECT_EQ(told, "42601");
  server_.StartQuery("SELECT", {}, note);
  server_.OnLost({"08006", "gone", "", ""});
  EXPECT_EQ(told, "08006");
  EXPECT_FALSE(server_.querying());
}

TEST_F(ServerConnectionTest, ATransactionThatStaysOpenIsAFailure) {
  LogIn();
  server_.StartQuery("ROLLBACK", {}, {});
  EXPECT_EQ(server_.OnBytes(Encoded(ReadyForQuery{TransactionStatus::kFailed})), Event::kFailed);
}

TEST_F(ServerConnectionTest, WhatComesUnasked) {
  LogIn();
  server_.environment = std::make_shared<const Environment>();
  std::string notice;
  EncodeWarning(notice, {"01000", "hello", "", ""});
  EXPECT_EQ(server_.OnBytes(notice), Event::kNone);
  EXPECT_EQ(server_.OnBytes(Encoded(ParameterStatus{"TimeZone", "UTC"})), Event::kNone);
  EXPECT_NE(server_.environment, nullptr);
  EXPECT_EQ(server_.OnBytes(Encoded(ParameterStatus{"TimeZone", "PST"})), Event::kNone);
  EXPECT_EQ(server_.environment, nullptr);
  std::string fatal;
  EncodeError(fatal, "FATAL", {"57P01", "terminating", "", ""});
  EXPECT_EQ(server_.OnBytes(fatal), Event::kFailed);
  EXPECT_EQ(server_.error().sqlstate, "57P01");
}

TEST_F(ServerConnectionTest, TheEndBehindAnAnswerCounts) {
  LogIn();
  server_.StartQuery("SELECT", {}, {});
  std::string bytes = Encoded(CommandComplete{"SELECT 0"}) + Encoded(ReadyForQuery{});
  EncodeError(bytes, "FATAL", {"57P01", "terminating", "", ""});
  EXPECT_EQ(server_.OnBytes(bytes), Event::kFailed);
}

TEST_F(ServerConnectionTest, HoldsStatementsOldestFirst) {
  for (const StatementId id : {1u, 2u, 3u}) server_.HoldStatement(id, {.whole = id * 10});
  server_.HoldStatement(1, {.whole = 11});  // anew: the youngest
  EXPECT_EQ(server_.statements().front().id, 2u);
  EXPECT_EQ(server_.FindStatement(1)->description.whole, 11u);
  server_.DropStatement(2);
  server_.DropStatement(2);
  EXPECT_EQ(server_.FindStatement(2), nullptr);
  EXPECT_EQ(server_.statements().size(), 2u);
}

TEST(Parameters, CopiesShareOneSetUntilOneChanges) {
  Parameters one;
  EXPECT_TRUE(one.Set("TimeZone", "UTC"));
  EXPECT_FALSE(one.Set("TimeZone", "UTC"));
  Parameters copy = one;
  EXPECT_TRUE(copy.IsSame(one));
  EXPECT_FALSE(copy.Set("TimeZone", "UTC"));
  EXPECT_TRUE(copy.IsSame(one));
  EXPECT_TRUE(copy.Set("TimeZone", "Asia/Tokyo"));
  EXPECT_FALSE(copy.IsSame(one));
  EXPECT_EQ(one.Find("TimeZone"), "UTC");
  EXPECT_EQ(copy.Find("TimeZone"), "Asia/Tokyo");
  EXPECT_FALSE(copy == one);
  copy.Set("TimeZone", "UTC");
  EXPECT_TRUE(copy == one);
  EXPECT_EQ(one.Find("DateStyle"), "");
}

}  // namespace
}  // namespace pgsidecar::pool
