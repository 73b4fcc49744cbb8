// What a session makes of TLS: when it offers it, when it insists, and what it lets through a
// login. The handshake itself is net/'s.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/bytes.h"
#include "pgwire/backend.h"
#include "pgwire/startup.h"
#include "proxy/hub.h"
#include "tests/unit/proxy/world.h"

namespace pgsidecar::proxy {
namespace {

using Kind = NetAction::Kind;

std::string Packet(uint32_t code) {
  std::string bytes;
  AppendBig32(bytes, 8);
  AppendBig32(bytes, code);
  return bytes;
}

std::string SslRequest() { return Packet(pgwire::kSslRequestCode); }

std::string Startup(const std::string& database = "app") {
  std::string bytes;
  pgwire::StartupMessage message;
  message.parameters = {{"user", "app"}, {"database", database}};
  message.Encode(bytes);
  return bytes;
}

std::string Text(const Outbox& out) {
  std::vector<std::string_view> pieces(out.pieces());
  pieces.resize(out.Peek(pieces));
  std::string bytes;
  for (const std::string_view piece : pieces) bytes += piece;
  return bytes;
}

// One client of a hub, seen from the wire.
class TlsTest : public testing::Test {
 protected:
  void Start(TlsMode mode, std::string_view peer = "10.0.0.1:5000") {
    End();
    config_ = World::DefaultConfig();
    config_.client_tls_sslmode = mode;
    hub_ = std::make_unique<Hub>(&config_, [](size_t count) { return std::string(count, 'k'); });
    id_ = hub_->OnClientOpened(true, std::string(peer), now_);
    TakeActions(*hub_);
  }
  ~TlsTest() override { End(); }
  void End() {
    if (hub_ != nullptr) hub_->EndAll(now_);
  }

  // What the client is told in plain, "S+tls" and "+direct" for what begins TLS, and "+closed".
  std::string Send(std::string_view bytes) {
    hub_->OnClientBytes(id_, bytes, now_);
    std::string heard;
    if (Session* session = hub_->FindSession(id_)) heard = Text(session->client_out);
    if (Session* session = hub_->FindSession(id_)) session->client_out.Clear();
    for (NetAction& action : TakeActions(*hub_)) {
      if (action.id != id_) continue;
      if (action.kind == Kind::kStartTls) heard += Text(action.last_bytes) + "+tls";
      if (action.kind == Kind::kStartDirectTls) {
        heard += "+direct";
        first_bytes_ = Text(action.last_bytes);
      }
      if (action.kind == Kind::kCloseClient) heard += Text(action.last_bytes) + "+closed";
    }
    return heard;
  }
  void Secure(TransportSecurity transport = {.encrypted = true}) {
    hub_->OnClientSecured(id_, std::move(transport), now_);
  }
  SessionState state() {
    const Session* session = hub_->FindSession(id_);
    return session == nullptr ? SessionState::kClosed : session->state();
  }

  Config config_;
  std::unique_ptr<Hub> hub_;
  ClientId id_ = 0;
  TimePoint now_{std::chrono::seconds(1000)};
  std::string first_bytes_;
};

TEST_F(TlsTest, AnSslRequestIsAnsweredAsTheModeSays) {
  Start(TlsMode::kDisable);
  EXPECT_EQ(Send(SslRequest()), "N");
  for (const TlsMode mode : {TlsMode::kAllow, TlsMode::kPrefer, TlsMode::kRequire,
                             TlsMode::kVerifyCa, TlsMode::kVerifyFull}) {
    Start(mode);
    EXPECT_EQ(Send(SslRequest()), "S+tls");
  }
}

TEST_F(TlsTest, AGssRequestIsDeclinedFirst) {
  Start(TlsMode::kPrefer);
  EXPECT_EQ(Send(Packet(pgwire::kGssEncRequestCode)), "N");
  EXPECT_EQ(Send(SslRequest()), "S+tls");
  Secure();
  EXPECT_EQ(Send(Startup()), "");
  EXPECT_EQ(state(), SessionState::kLoggingIn);
}

TEST_F(TlsTest, AUnixSocketNeedsNone) {
  Start(TlsMode::kVerifyFull, kUnixPeer);
  EXPECT_EQ(Send(SslRequest()), "N");
  EXPECT_EQ(Send(Startup()), "");
  EXPECT_EQ(state(), SessionState::kLoggingIn);
}

TEST_F(TlsTest, BytesBehindTheRequestEndIt) {
  Start(TlsMode::kPrefer);
  const std::string heard = Send(SslRequest() + Startup());
  EXPECT_NE(heard.find("C08P01"), std::string::npos);
  EXPECT_TRUE(heard.ends_with("+closed"));
  EXPECT_EQ(heard.find("+tls"), std::string::npos);
}

TEST_F(TlsTest, NoTlsWithinTls) {
  Start(TlsMode::kPrefer);
  EXPECT_EQ(Send(SslRequest()), "S+tls");
  Secure();
  EXPECT_EQ(Send(SslRequest()), "N");
  EXPECT_NE(Send(SslRequest()).find("+closed"), std::string::npos);
}

TEST_F(TlsTest, TlsMayBeginAtOnce) {
  const std::string hello("\x16\x03\x01\x00\x05hello", 10);
  Start(TlsMode::kPrefer);
  EXPECT_EQ(Send(hello), "+direct");
  EXPECT_EQ(first_bytes_, hello);
  Secure();
  EXPECT_EQ(Send(Startup()), "");
  EXPECT_EQ(state(), SessionState::kLoggingIn);
  Start(TlsMode::kDisable);
  EXPECT_TRUE(Send(hello).ends_with("+closed"));
  // Behind a request of another kind it is no beginning.
  Start(TlsMode::kPrefer);
  Send(Packet(pgwire::kGssEncRequestCode));
  EXPECT_TRUE(Send(hello).ends_with("+closed"));
}

TEST_F(TlsTest, RequireRefusesWhoComesWithout) {
  for (const char* database : {"app", "pgsidecar"}) {
    Start(TlsMode::kRequire);
    const std::string heard = Send(Startup(database));
    EXPECT_NE(heard.find("C28000"), std::string::npos);
    EXPECT_NE(heard.find("SSL required"), std::string::npos);
    EXPECT_TRUE(heard.ends_with("+closed"));
  }
  Start(TlsMode::kAllow);
  EXPECT_EQ(Send(Startup()), "");
  EXPECT_EQ(state(), SessionState::kLoggingIn);
}

TEST_F(TlsTest, ACertificateIsDemandedWhereTheModeVerifies) {
  for (const TlsMode mode : {TlsMode::kVerifyCa, TlsMode::kVerifyFull}) {
    Start(mode);
    Send(SslRequest());
    Secure();
    const std::string heard = Send(Startup());
    EXPECT_NE(heard.find("connection requires a valid client certificate"), std::string::npos);
    Start(mode);
    Send(SslRequest());
    Secure({.encrypted = true, .peer_verified = true, .peer_common_name = "app"});
    EXPECT_EQ(Send(Startup()), "");
    EXPECT_EQ(hub_->FindSession(id_)->transport().peer_common_name, "app");
  }
}

TEST_F(TlsTest, ACancelRequestMayComeAnyWay) {
  Start(TlsMode::kVerifyFull);
  std::string bytes;
  pgwire::CancelRequest{1, "key1"}.Encode(bytes);
  EXPECT_EQ(Send(bytes), "+closed");
}

// A relayed login.
class TlsLoginTest : public TlsTest {
 protected:
  // What the client is offered when the server offers `mechanisms`.
  std::string OfferedOf(const std::vector<std::string>& mechanisms) {
    Start(TlsMode::kPrefer);
    hub_->OnClientBytes(id_, Startup(), now_);
    for (const NetAction& action : TakeActions(*hub_)) {
      if (action.kind == Kind::kConnectServer) server_ = action.id;
    }
    hub_->OnServerConnected(server_, now_, {.encrypted = true, .endpoint_hash = "hash"});
    std::string list;
    for (const std::string& mechanism : mechanisms) list += mechanism + std::string(1, '\0');
    list.push_back('\0');
    std::string bytes;
    pgwire::Authentication{pgwire::AuthenticationRequest::kSasl, list}.Encode(bytes);
    hub_->OnServerBytes(server_, bytes, now_);
    const std::string heard = Text(hub_->FindSession(id_)->client_out);
    const auto message = pgwire::Authentication::Decode(std::string_view(heard).substr(5));
    EXPECT_TRUE(message.ok());
    std::string names(message->data);
    for (char& letter : names) letter = letter == '\0' ? ';' : letter;
    return names;
  }
  ServerId server_ = 0;
};

TEST_F(TlsLoginTest, NothingIsOfferedThatIsBoundToAnotherChannel) {
  EXPECT_EQ(OfferedOf({"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"}), "SCRAM-SHA-256;;");
  EXPECT_EQ(OfferedOf({"SCRAM-SHA-256", "OAUTHBEARER"}), "SCRAM-SHA-256;OAUTHBEARER;;");
  EXPECT_EQ(OfferedOf({"SCRAM-SHA-256-PLUS"}), ";");
}

TEST_F(TlsLoginTest, ACancelGoesTheWayOfWhatItCancels) {
  for (const bool encrypted : {false, true}) {
    World world;
    FakeClient& client = world.LoggedIn();
    world.Ask(client, "BEGIN");
    world.Ask(client, "UPDATE branches SET bbalance = 5 WHERE bid = 1");
    const ServerId server = world.ServerOf(client);
    world.hub->FindServer(server)->transport.encrypted = encrypted;
    world.At(server).held = true;
    client.Query("SELECT bbalance FROM branches");
    world.Run();
    std::string request;
    pgwire::CancelRequest{client.pid, client.cancel_key}.Encode(request);
    world.hub->OnClientBytes(world.hub->OnClientOpened(true, "cancel", world.now), request,
                             world.now);
    std::vector<bool> ways;
    for (const NetAction& action : TakeActions(*world.hub)) {
      if (action.kind == Kind::kSendCancel) ways.push_back(action.encrypt);
    }
    EXPECT_EQ(ways, std::vector<bool>{encrypted});
    world.hub->OnCancelSent(server, world.now);
    world.At(server).held = false;
    world.Run();
  }
}

TEST_F(TlsLoginTest, AnotherAttemptSendsTheStartupPacketAgain) {
  Start(TlsMode::kDisable);
  hub_->OnClientBytes(id_, Startup(), now_);
  for (const NetAction& action : TakeActions(*hub_)) {
    if (action.kind == Kind::kConnectServer) server_ = action.id;
  }
  hub_->OnServerConnected(server_, now_, {.encrypted = true});
  pool::ServerConnection* server = hub_->FindServer(server_);
  const std::string sent = Text(server->out);
  server->out.Clear();
  hub_->OnServerReconnected(server_, {});
  EXPECT_EQ(Text(server->out), sent);
  EXPECT_FALSE(server->transport.encrypted);
}

}  // namespace
}  // namespace pgsidecar::proxy
