// A stream of backend messages is cut the same way wherever its bytes are split.

#include "pgwire/message_stream.h"

#include <gtest/gtest.h>

#include <vector>

#include "pgwire/frame.h"

namespace pgsidecar::pgwire {
namespace {

// One of each kind: whole ones, empty ones, rows, and one too large to be kept.
std::string Conversation() {
  std::string bytes;
  ParameterStatus{"TimeZone", "UTC"}.Encode(bytes);
  RowDescription{{{.name = "a"}, {.name = "b"}}}.Encode(bytes);
  for (const size_t length : {size_t{0}, size_t{1}, size_t{300}}) {
    const std::string value(length, 'v');
    DataRow{{value, std::nullopt}}.Encode(bytes);
  }
  EndMessage(bytes, BeginMessage(bytes, backend_type::kDataRow));  // without a body
  CommandComplete{"SELECT 3"}.Encode(bytes);
  EndMessage(bytes, BeginMessage(bytes, backend_type::kNoData));
  const size_t copy = BeginMessage(bytes, backend_type::kCopyData);
  bytes += "1\t2\n";
  EndMessage(bytes, copy);
  EncodeError(bytes, "ERROR", {"42601", "syntax error", "detail", "hint"});
  ReadyForQuery{TransactionStatus::kFailed}.Encode(bytes);
  return bytes;
}

class Receiver {
 public:
  bool Feed(std::string_view bytes) {
    return stream_.Feed(bytes, &error, [this](const Piece& piece) {
      if (piece.first) {
        EXPECT_TRUE(rest_ == 0);
        messages.push_back("");
        rest_ = piece.message_bytes;
      }
      EXPECT_LE(piece.bytes.size(), rest_);
      if (MessageStream::IsWanted(piece.type, piece.message_bytes)) {
        EXPECT_TRUE(piece.first && piece.last);
      }
      rest_ -= piece.bytes.size();
      EXPECT_EQ(piece.last, rest_ == 0);
      messages.back() += piece.bytes;
      return true;
    });
  }
  bool AtBoundary() const { return stream_.AtBoundary(); }
  std::vector<std::string> messages;
  Error error;

 private:
  MessageStream stream_;
  size_t rest_ = 0;
};

std::vector<std::string> Messages(std::string_view bytes) {
  std::vector<std::string> messages;
  FrameHeader header;
  Error error;
  while (ReadBackendHeader(bytes, &header, &error) == FrameStatus::kMessage) {
    messages.emplace_back(bytes.substr(0, kHeaderBytes + header.body_bytes));
    bytes.remove_prefix(messages.back().size());
  }
  return messages;
}

TEST(MessageStreamTest, EverySplitInTwoGivesTheSameMessages) {
  const std::string bytes = Conversation();
  const std::vector<std::string> expected = Messages(bytes);
  for (size_t at = 0; at <= bytes.size(); ++at) {
    Receiver receiver;
    ASSERT_TRUE(receiver.Feed(bytes.substr(0, at)));
    ASSERT_TRUE(receiver.Feed(bytes.substr(at)));
    ASSERT_EQ(receiver.messages, expected) << at;
    ASSERT_TRUE(receiver.AtBoundary());
  }
}

TEST(MessageStreamTest, PiecesOfAnySizeGiveTheSameMessages) {
  const std::string bytes = Conversation();
  for (size_t size = 1; size <= 12; ++size) {
    Receiver receiver;
    for (size_t at = 0; at < bytes.size(); at += size) {
      ASSERT_TRUE(receiver.Feed(std::string_view(bytes).substr(at, size)));
    }
    ASSERT_EQ(receiver.messages, Messages(bytes)) << size;
  }
}

TEST(MessageStreamTest, AMessageTooLargeToBeKeptPassesInPieces) {
  std::string bytes;
  EncodeError(bytes, "ERROR", {"P0001", std::string(MessageStream::kMaxWholeBytes, 'x'), "", ""});
  Receiver receiver;
  for (size_t at = 0; at < bytes.size(); at += 60'000) {
    ASSERT_TRUE(receiver.Feed(std::string_view(bytes).substr(at, 60'000)));
  }
  ASSERT_EQ(receiver.messages.size(), 1u);
  EXPECT_EQ(receiver.messages[0], bytes);
  EXPECT_TRUE(receiver.AtBoundary());
}

TEST(MessageStreamTest, ABadLengthIsAnErrorWhereverItIsSplit) {
  const std::string bytes("Z\0\0\0\3I", 6);
  for (size_t at = 0; at < 5; ++at) {
    Receiver receiver;
    EXPECT_FALSE(receiver.Feed(bytes.substr(0, at)) && receiver.Feed(bytes.substr(at))) << at;
    EXPECT_EQ(receiver.error.sqlstate, "08P01");
  }
}

TEST(MessageStreamTest, WhoeverStopsGetsNoMore) {
  const std::string bytes = Conversation();
  MessageStream stream;
  Error error;
  int pieces = 0;
  EXPECT_TRUE(stream.Feed(bytes, &error, [&](const Piece&) { return ++pieces < 3; }));
  EXPECT_EQ(pieces, 3);
}

}  // namespace
}  // namespace pgsidecar::pgwire
