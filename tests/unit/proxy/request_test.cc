// A client's bytes are cut into the same requests wherever they are split.

#include "proxy/request.h"

#include <gtest/gtest.h>

#include "pgwire/frame.h"
#include "pgwire/frontend.h"

namespace pgsidecar::proxy {
namespace {

namespace frontend = pgwire::frontend_type;

using Kind = Request::Kind;

// What a reader makes of a stream that arrives in pieces. Requests that may be cut anywhere (COPY
// data, what is too large) are joined: one line a request, "<kind> <types> <synced> <bytes>".
class Reading {
 public:
  bool Feed(std::string_view bytes) {
    held_ += bytes;
    std::string_view input = held_;
    bool good = true;
    while (good) {
      if (reader_.rest_bytes() > 0) {
        if (input.empty()) break;
        requests.back() += reader_.TakeRest(input);
        continue;
      }
      const auto outcome = reader_.Next(input, &request_, &error);
      if (outcome == RequestReader::Outcome::kNeedMore) break;
      good = outcome == RequestReader::Outcome::kRequest;
      if (good) Note(request_);
      request_.Clear();
    }
    held_ = std::string(input);
    longest_held = std::max(longest_held, held_.size());
    return good;
  }

  std::vector<std::string> requests;
  Error error;
  size_t longest_held = 0;

 private:
  void Note(const Request& request) {
    if (request.kind == Kind::kCopy && copying_) {
      requests.back() += request.bytes;
    } else {
      std::string line = std::to_string(static_cast<int>(request.kind)) + " ";
      for (const Request::Message& message : request.messages) {
        EXPECT_EQ(request.bytes[message.offset], message.type);
        line += message.type;
      }
      requests.push_back(line + (request.synced ? " synced " : " ") + request.bytes);
    }
    copying_ = request.kind == Kind::kCopy && !request.copy_ended;
  }

  RequestReader reader_;
  Request request_;
  std::string held_;
  bool copying_ = false;
};

void Copy(std::string& to, std::string_view data) {
  const size_t begin = pgwire::BeginMessage(to, frontend::kCopyData);
  to += data;
  pgwire::EndMessage(to, begin);
}

std::string Conversation() {
  std::string bytes;
  pgwire::Query{"SELECT 1"}.Encode(bytes);
  pgwire::Parse{"s", "SELECT $1", {23}}.Encode(bytes);
  pgwire::Bind{"", "s", {}, {"1"}, {}}.Encode(bytes);
  pgwire::Execute{}.Encode(bytes);
  pgwire::EncodeEmpty(bytes, frontend::kSync);
  pgwire::Describe{'S', "s"}.Encode(bytes);
  pgwire::EncodeEmpty(bytes, frontend::kFlush);
  pgwire::Close{'S', "s"}.Encode(bytes);
  pgwire::Query{"COPY t FROM STDIN"}.Encode(bytes);  // ends the request before it
  Copy(bytes, "1\n");
  Copy(bytes, std::string(200, 'x'));
  pgwire::EncodeEmpty(bytes, frontend::kCopyDone);
  pgwire::EncodeEmpty(bytes, frontend::kSync);
  pgwire::FunctionCall call;
  call.function = 5;
  call.Encode(bytes);
  pgwire::EncodeEmpty(bytes, frontend::kTerminate);
  return bytes;
}

TEST(RequestReaderTest, CutsAtSyncFlushAndWhateverIsNotExtended) {
  Reading reading;
  ASSERT_TRUE(reading.Feed(Conversation()));
  std::vector<std::string> heads;
  for (const std::string& request : reading.requests) {
    heads.push_back(request.substr(0, request.find_first_of(' ', 2)));
  }
  EXPECT_EQ(heads, (std::vector<std::string>{"0 Q", "1 PBES", "1 DH", "1 C", "0 Q", "3 ", "1 S",
                                             "2 F", "4 X"}));
}

TEST(RequestReaderTest, EverySplitInTwoGivesTheSameRequests) {
  const std::string bytes = Conversation();
  Reading whole;
  ASSERT_TRUE(whole.Feed(bytes));
  for (size_t at = 0; at <= bytes.size(); ++at) {
    Reading split;
    ASSERT_TRUE(split.Feed(bytes.substr(0, at)));
    ASSERT_TRUE(split.Feed(bytes.substr(at)));
    ASSERT_EQ(split.requests, whole.requests) << at;
  }
}

TEST(RequestReaderTest, ByteByByteGivesTheSameRequests) {
  const std::string bytes = Conversation();
  Reading whole;
  ASSERT_TRUE(whole.Feed(bytes));
  Reading single;
  for (const char byte : bytes) ASSERT_TRUE(single.Feed({&byte, 1}));
  EXPECT_EQ(single.requests, whole.requests);
}

TEST(RequestReaderTest, ALargeMessageIsNotHeld) {
  std::string bytes;
  const std::string value(3 * Request::kMaxWholeBytes, 'v');
  pgwire::Bind{"", "s", {}, {value}, {}}.Encode(bytes);
  pgwire::EncodeEmpty(bytes, frontend::kSync);
  Reading reading;
  for (size_t at = 0; at < bytes.size(); at += 10'000) {
    ASSERT_TRUE(reading.Feed(std::string_view(bytes).substr(at, 10'000)));
  }
  EXPECT_LT(reading.longest_held, Request::kMaxWholeBytes / 2);
  ASSERT_EQ(reading.requests.size(), 2u);
  EXPECT_EQ("1 B " + bytes,
            reading.requests[0] + reading.requests[1].substr(std::string("1 S synced ").size()));
}

TEST(RequestReaderTest, APipelineWithoutEndIsCut) {
  std::string bytes;
  const std::string value(1000, 'v');
  while (bytes.size() < 3 * Request::kMaxRequestBytes) {
    pgwire::Bind{"", "s", {}, {value}, {}}.Encode(bytes);
  }
  Reading reading;
  ASSERT_TRUE(reading.Feed(bytes));
  ASSERT_GE(reading.requests.size(), 2u);
  for (const std::string& request : reading.requests) {
    EXPECT_LT(request.size(), 2 * Request::kMaxRequestBytes);
  }
}

TEST(RequestReaderTest, WhatNoClientMaySendIsAnError) {
  for (const std::string_view bytes :
       {std::string_view("p\0\0\0\5x", 6), std::string_view("Q\0\0\0\3", 5),
        std::string_view("Q\xff\xff\xff\xff", 5), std::string_view("!\0\0\0\4", 5)}) {
    Reading reading;
    EXPECT_FALSE(reading.Feed(bytes));
    EXPECT_EQ(reading.error.sqlstate, "08P01");
  }
}

}  // namespace
}  // namespace pgsidecar::proxy
