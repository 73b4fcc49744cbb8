// The packets without a type byte: round trips, cuts, and the server's own refusals.

#include "pgwire/startup.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.h"
#include "pgwire/frame.h"
#include "tests/unit/pgwire/message_checks.h"

namespace pgsidecar::pgwire {
namespace {

// A packet with the length that its contents call for.
std::string Packet(uint32_t code, std::string_view rest = "") {
  std::string bytes;
  AppendBig32(bytes, static_cast<uint32_t>(8 + rest.size()));
  AppendBig32(bytes, code);
  return bytes.append(rest);
}

Error PacketError(std::string_view packet) {
  const ExactBytes exact(packet);
  const auto result = DecodeStartupPacket(exact.view());
  return result.ok() ? Error{} : result.error();
}

TEST(StartupTest, AStartupMessageSurvivesARoundTrip) {
  const StartupMessage message = {
      kProtocol32, {{"user", "alice"}, {"database", "db"}, {"options", ""}, {"_pq_.x", "1"}}};
  const std::string bytes = Encoded(message);
  const auto packet = DecodeStartupPacket(bytes);
  ASSERT_TRUE(packet.ok());
  const auto& decoded = std::get<StartupMessage>(*packet);
  EXPECT_EQ(decoded.protocol, message.protocol);
  EXPECT_EQ(decoded.parameters, message.parameters);
  EXPECT_EQ(Encoded(decoded), bytes);
}

TEST(StartupTest, BytesAreThoseOfTheProtocol) {
  EXPECT_EQ(Encoded(StartupMessage{kProtocol30, {{"user", "a"}}}),
            "\0\0\0\x10\0\3\0\0user\0a\0\0"sv);
  EXPECT_EQ(Encoded(CancelRequest{1, "key!"}), "\0\0\0\x10\4\xd2\x16\x2e\0\0\0\1key!"sv);
}

TEST(StartupTest, TheLastParameterOfANameCounts) {
  const StartupMessage message = {kProtocol30, {{"user", "a"}, {"x", "1"}, {"user", "b"}}};
  ASSERT_NE(message.Find("user"), nullptr);
  EXPECT_EQ(*message.Find("user"), "b");
  EXPECT_EQ(message.Find("database"), nullptr);
}

TEST(StartupTest, EveryCutIsAnError) {
  const std::string whole = Encoded(StartupMessage{kProtocol30, {{"user", "alice"}, {"x", ""}}});
  for (size_t cut = 0; cut < whole.size(); ++cut) {
    EXPECT_EQ(PacketError(whole.substr(0, cut)).sqlstate, "08P01") << "cut at " << cut;
    if (cut < 8) continue;
    // The same cut with a length that fits it.
    EXPECT_EQ(PacketError(Packet(kProtocol30, whole.substr(8, cut - 8))).message,
              "invalid startup packet layout: expected terminator as last byte")
        << "cut at " << cut;
  }
}

TEST(StartupTest, LayoutErrorsAreThoseOfTheServer) {
  constexpr char kLayout[] = "invalid startup packet layout: expected terminator as last byte";
  EXPECT_EQ(PacketError(Packet(kProtocol30)).message, kLayout);
  EXPECT_EQ(PacketError(Packet(kProtocol30, "user\0a\0\0x"sv)).message, kLayout);
  EXPECT_EQ(PacketError(Packet(kProtocol30, "user\0a\0\0\0"sv)).message, kLayout);
  EXPECT_EQ(PacketError(Packet(kProtocol30, "user\0\0"sv)).message, kLayout);
  EXPECT_EQ(PacketError(Packet(kProtocol30, "user\0"sv)).message, kLayout);
}

TEST(StartupTest, AUserIsRequired) {
  for (const auto rest : {"\0"sv, "database\0d\0\0"sv, "user\0\0\0"sv}) {
    const Error error = PacketError(Packet(kProtocol30, rest));
    EXPECT_EQ(error.sqlstate, "28000");
    EXPECT_EQ(error.message, "no PostgreSQL user name specified in startup packet");
  }
}

TEST(StartupTest, OnlyMajorVersion3IsSpoken) {
  for (const uint32_t minor : {0U, 1U, 2U, 9999U, 65535U}) {
    EXPECT_EQ(PacketError(Packet(kProtocol30 | minor, "user\0a\0\0"sv)).sqlstate, "");
  }
  const Error two = PacketError(Packet(2U << 16, "user\0a\0\0"sv));
  EXPECT_EQ(two.sqlstate, "0A000");
  EXPECT_EQ(two.message, "unsupported frontend protocol 2.0: server supports 3.0 to 3.2");
  EXPECT_EQ(PacketError(Packet((1234U << 16) | 9)).message,
            "unsupported frontend protocol 1234.9: server supports 3.0 to 3.2");
  EXPECT_EQ(PacketError(Packet(0xffffffff)).message,
            "unsupported frontend protocol 65535.65535: server supports 3.0 to 3.2");
}

TEST(StartupTest, EncryptionRequestsHaveEightBytes) {
  const auto ssl = DecodeStartupPacket(Packet(kSslRequestCode));
  ASSERT_TRUE(ssl.ok());
  EXPECT_TRUE(std::holds_alternative<SslRequest>(*ssl));
  const auto gss = DecodeStartupPacket(Packet(kGssEncRequestCode));
  ASSERT_TRUE(gss.ok());
  EXPECT_TRUE(std::holds_alternative<GssEncRequest>(*gss));
  EXPECT_EQ(Packet(80877103), Packet(kSslRequestCode));
  EXPECT_EQ(Packet(80877104), Packet(kGssEncRequestCode));
  for (const uint32_t code : {kSslRequestCode, kGssEncRequestCode}) {
    EXPECT_EQ(PacketError(Packet(code, "x")).message, "invalid length of startup packet");
  }
}

TEST(StartupTest, CancelKeysHaveFourTo256Bytes) {
  EXPECT_EQ(PacketError(Packet(kCancelRequestCode)).message, "invalid length of startup packet");
  EXPECT_EQ(PacketError(Packet(kCancelRequestCode, "abc")).message,
            "invalid length of startup packet");
  for (size_t key_bytes = 0; key_bytes <= 300; ++key_bytes) {
    const CancelRequest request = {4711, std::string(key_bytes, '\xee')};
    const std::string bytes = Encoded(request);
    const ExactBytes exact(bytes);
    const auto packet = DecodeStartupPacket(exact.view());
    ASSERT_EQ(packet.ok(), key_bytes >= 4 && key_bytes <= 256) << key_bytes;
    if (!packet.ok()) continue;
    EXPECT_EQ(std::get<CancelRequest>(*packet).pid, request.pid);
    EXPECT_EQ(std::get<CancelRequest>(*packet).key, request.key);
  }
}

TEST(StartupTest, TheLengthMustBeThatOfThePacket) {
  for (const uint32_t length : {0U, 4U, 7U, 8U, 15U, 17U, 10001U, 0x7fffffffU, 0xffffffffU}) {
    std::string packet = Encoded(StartupMessage{kProtocol30, {{"user", "a"}}});
    ASSERT_EQ(packet.size(), 16U);
    StoreBig32(packet.data(), length);
    EXPECT_EQ(PacketError(packet).message, "invalid length of startup packet") << length;
  }
}

TEST(StartupTest, ALargePacketIsRefused) {
  const size_t room =
      kMaxStartupBytes - Encoded(StartupMessage{kProtocol30, {{"user", ""}}}).size();
  EXPECT_EQ(PacketError(Encoded(StartupMessage{kProtocol30, {{"user", std::string(room, 'u')}}}))
                .sqlstate,
            "");
  EXPECT_EQ(
      PacketError(Encoded(StartupMessage{kProtocol30, {{"user", std::string(room + 1, 'u')}}}))
          .message,
      "invalid length of startup packet");
}

}  // namespace
}  // namespace pgsidecar::pgwire
