// Framing: headers at every cut, lengths at their limits, streams split anywhere.

#include "pgwire/frame.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "pgwire/backend.h"
#include "pgwire/frontend.h"
#include "tests/unit/pgwire/message_checks.h"

namespace pgsidecar::pgwire {
namespace {

std::string Header(char type, uint32_t length) {
  std::string bytes(1, type);
  AppendBig32(bytes, length);
  return bytes;
}

// "" if the header is good, else the error's message.
using ReadHeaderFunction = FrameStatus (*)(std::string_view, FrameHeader*, Error*);
std::string HeaderError(ReadHeaderFunction read, char type, uint32_t length) {
  FrameHeader header;
  Error error;
  const ExactBytes bytes(Header(type, length));
  const FrameStatus status = read(bytes.view(), &header, &error);
  if (status == FrameStatus::kError) {
    EXPECT_EQ(error.sqlstate, "08P01");
    return error.message;
  }
  EXPECT_EQ(status, FrameStatus::kMessage);
  EXPECT_EQ(header.type, type);
  EXPECT_EQ(header.body_bytes, length - 4);
  return "";
}

constexpr char kBadLength[] = "invalid message length";

TEST(FrameTest, FewerThanFiveBytesAreNoHeader) {
  for (const ReadHeaderFunction read : {ReadFrontendHeader, ReadBackendHeader}) {
    for (size_t size = 0; size < kHeaderBytes; ++size) {
      const ExactBytes bytes(std::string_view("\xff\xff\xff\xff\xff").substr(0, size));
      FrameHeader header;
      Error error;
      EXPECT_EQ(read(bytes.view(), &header, &error), FrameStatus::kNeedMore);
    }
  }
}

TEST(FrameTest, FrontendLengthsHaveTheLimitsOfTheServer) {
  for (const char type : std::string_view("QPBFd")) {
    EXPECT_EQ(HeaderError(ReadFrontendHeader, type, kMaxMessageBytes), "");
    EXPECT_EQ(HeaderError(ReadFrontendHeader, type, kMaxMessageBytes + 1), kBadLength);
  }
  for (const char type : std::string_view("CDEHSXcf")) {
    EXPECT_EQ(HeaderError(ReadFrontendHeader, type, kMaxSmallMessageBytes), "");
    EXPECT_EQ(HeaderError(ReadFrontendHeader, type, kMaxSmallMessageBytes + 1), kBadLength);
  }
  EXPECT_EQ(HeaderError(ReadFrontendHeader, 'p', kMaxAuthBytes), "");
  EXPECT_EQ(HeaderError(ReadFrontendHeader, 'p', kMaxAuthBytes + 1), kBadLength);
}

TEST(FrameTest, BackendLengthsHaveTheLimitsOfTheirShape) {
  for (const char type : std::string_view("DdTENAVtS")) {
    EXPECT_EQ(HeaderError(ReadBackendHeader, type, kMaxMessageBytes), "");
    EXPECT_EQ(HeaderError(ReadBackendHeader, type, kMaxMessageBytes + 1), kBadLength);
  }
  for (const char type : std::string_view("KCWGH")) {
    EXPECT_EQ(HeaderError(ReadBackendHeader, type, kMaxSmallMessageBytes), "");
    EXPECT_EQ(HeaderError(ReadBackendHeader, type, kMaxSmallMessageBytes + 1), kBadLength);
  }
  for (const char type : std::string_view("Rv")) {
    EXPECT_EQ(HeaderError(ReadBackendHeader, type, kMaxAuthBytes), "");
    EXPECT_EQ(HeaderError(ReadBackendHeader, type, kMaxAuthBytes + 1), kBadLength);
  }
  for (const char type : std::string_view("123cIns")) {
    EXPECT_EQ(HeaderError(ReadBackendHeader, type, 4), "");
    EXPECT_EQ(HeaderError(ReadBackendHeader, type, 5), kBadLength);
  }
  EXPECT_EQ(HeaderError(ReadBackendHeader, 'Z', 5), "");
  EXPECT_EQ(HeaderError(ReadBackendHeader, 'Z', 4), kBadLength);
  EXPECT_EQ(HeaderError(ReadBackendHeader, 'Z', 6), kBadLength);
}

TEST(FrameTest, HostileLengthsAreErrors) {
  for (const uint32_t length : {0U, 1U, 3U, 0x7fffffffU, 0x80000000U, 0xfffffffeU, 0xffffffffU}) {
    EXPECT_EQ(HeaderError(ReadFrontendHeader, 'Q', length), kBadLength) << length;
    EXPECT_EQ(HeaderError(ReadBackendHeader, 'D', length), kBadLength) << length;
  }
}

TEST(FrameTest, EachSideHasItsOwnTypes) {
  constexpr std::string_view kFrontend = "BCDEFHPQSXcdfp";
  constexpr std::string_view kBackend = "123ACDEGHIKNRSTVWZcdnstv";
  for (int type = 0; type < 256; ++type) {
    const char c = static_cast<char>(type);
    const uint32_t length = c == 'Z' ? 5 : 4;
    const std::string number = std::to_string(type);
    EXPECT_EQ(HeaderError(ReadFrontendHeader, c, length),
              kFrontend.find(c) != kFrontend.npos ? "" : "invalid frontend message type " + number);
    EXPECT_EQ(HeaderError(ReadBackendHeader, c, length),
              kBackend.find(c) != kBackend.npos ? "" : "invalid backend message type " + number);
  }
}

TEST(FrameTest, StartupLengthIsCheckedAgainstItsLimits) {
  for (size_t size = 0; size < 4; ++size) {
    const ExactBytes bytes(std::string(size, '\xff'));
    uint32_t total_bytes = 0;
    Error error;
    EXPECT_EQ(ReadStartupLength(bytes.view(), &total_bytes, &error), FrameStatus::kNeedMore);
  }
  for (const uint32_t length : {0U, 4U, 7U, 10001U, 0x7fffffffU, 0x80000000U, 0xffffffffU}) {
    std::string bytes;
    AppendBig32(bytes, length);
    uint32_t total_bytes = 0;
    Error error;
    EXPECT_EQ(ReadStartupLength(bytes, &total_bytes, &error), FrameStatus::kError) << length;
    EXPECT_EQ(error.sqlstate, "08P01");
    EXPECT_EQ(error.message, "invalid length of startup packet");
  }
  for (const uint32_t length : {8U, 10000U}) {
    std::string bytes;
    AppendBig32(bytes, length);
    uint32_t total_bytes = 0;
    Error error;
    EXPECT_EQ(ReadStartupLength(bytes, &total_bytes, &error), FrameStatus::kMessage) << length;
    EXPECT_EQ(total_bytes, length);
  }
}

TEST(FrameTest, EndMessagePatchesItsOwnLength) {
  std::string bytes = "before";
  const size_t begin = BeginMessage(bytes, 'd');
  bytes += "abc";
  EndMessage(bytes, begin);
  EXPECT_EQ(bytes, "befored\0\0\0\7abc"sv);
}

// A reader of frames as a connection has one: bytes come in pieces, whole messages go out.
class FrameCollector {
 public:
  explicit FrameCollector(ReadHeaderFunction read) : read_(read) {}

  void Feed(std::string_view piece) {
    pending_.append(piece);
    FrameHeader header;
    Error error;
    for (;;) {
      const ExactBytes bytes(pending_);
      if (read_(bytes.view(), &header, &error) != FrameStatus::kMessage) return;
      const size_t total = kHeaderBytes + header.body_bytes;
      if (pending_.size() < total) return;
      messages_.push_back(pending_.substr(0, total));
      pending_.erase(0, total);
    }
  }
  const std::vector<std::string>& messages() const { return messages_; }

 private:
  ReadHeaderFunction read_;
  std::string pending_;
  std::vector<std::string> messages_;
};

void ExpectFramesAtRandomSplits(ReadHeaderFunction read, const std::vector<std::string>& messages) {
  std::string stream;
  for (const std::string& message : messages) stream += message;
  std::mt19937 random(20240229);
  for (int round = 0; round < 200; ++round) {
    FrameCollector collector(read);
    std::uniform_int_distribution<size_t> piece_bytes(1, round % 2 == 0 ? 7 : stream.size());
    for (size_t at = 0; at < stream.size();) {
      const size_t bytes = std::min(piece_bytes(random), stream.size() - at);
      collector.Feed(stream.substr(at, bytes));
      at += bytes;
    }
    ASSERT_EQ(collector.messages(), messages) << "round " << round;
  }
}

TEST(FrameTest, StreamsMayBeSplitAnywhere) {
  std::string sync;
  EncodeEmpty(sync, frontend_type::kSync);
  ExpectFramesAtRandomSplits(
      ReadFrontendHeader,
      {Encoded(Parse{"st", "select $1", {23}}), Encoded(Bind{"", "st", {}, {"41"}, {}}),
       Encoded(Describe{'P', ""}), Encoded(Execute{"", 0}), sync, Encoded(Query{"select 1"})});
  ExpectFramesAtRandomSplits(ReadBackendHeader,
                             {Encoded(RowDescription{{{"a", 0, 0, 23, 4, -1, 0}}}),
                              Encoded(DataRow{{"41"}}), Encoded(DataRow{{std::nullopt}}),
                              Encoded(CommandComplete{"SELECT 2"}), Encoded(ReadyForQuery{})});
}

}  // namespace
}  // namespace pgsidecar::pgwire
