// Frontend messages: round trips, cuts, counts and lengths at their edges.

#include "pgwire/frontend.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/pgwire/message_checks.h"

namespace pgsidecar::pgwire {
namespace {

TEST(FrontendTest, EveryMessageSurvivesARoundTripAndNoCut) {
  ExpectFrontendMessage(Query{""}, 'Q');
  ExpectFrontendMessage(Query{"select 'é'"}, 'Q');
  ExpectFrontendMessage(Parse{"", "select 1", {}}, 'P');
  ExpectFrontendMessage(Parse{"st", "select $1, $2", {23, 0}}, 'P');
  ExpectFrontendMessage(Bind{}, 'B');
  ExpectFrontendMessage(Bind{"p", "st", {0, 1, 0}, {"a", std::nullopt, ""}, {1}}, 'B');
  ExpectFrontendMessage(Describe{'S', "st"}, 'D');
  ExpectFrontendMessage(Describe{'P', ""}, 'D');
  ExpectFrontendMessage(Close{'S', ""}, 'C');
  ExpectFrontendMessage(Close{'P', "portal"}, 'C');
  ExpectFrontendMessage(Execute{"", 0}, 'E');
  ExpectFrontendMessage(Execute{"p", 0xffffffff}, 'E');
  ExpectFrontendMessage(CopyFail{"no more"}, 'f');
  ExpectFrontendMessage(FunctionCall{1397, {1}, {"\xff\0\xff\xfb"sv, std::nullopt}, 1}, 'F');
  ExpectFrontendMessage(Password{"secret"}, 'p');
  ExpectFrontendMessage(SaslInitialResponse{"SCRAM-SHA-256", "n,,n=,r=x"}, 'p');
  ExpectFrontendMessage(SaslInitialResponse{"EXTERNAL", std::nullopt}, 'p');
  ExpectRoundTrip(SaslResponse{"c=biws,r=x,p=y"}, 'p', ReadFrontendHeader);
  ExpectRoundTrip(SaslResponse{}, 'p', ReadFrontendHeader);
}

TEST(FrontendTest, BytesAreThoseOfTheProtocol) {
  EXPECT_EQ(Encoded(Query{"x"}), "Q\0\0\0\6x\0"sv);
  EXPECT_EQ(Encoded(Bind{"", "s", {1}, {"ab", std::nullopt}, {}}),
            "B\0\0\0\x19\0s\0\0\1\0\1\0\2\0\0\0\2ab\xff\xff\xff\xff\0\0"sv);
  std::string sync;
  EncodeEmpty(sync, frontend_type::kSync);
  EXPECT_EQ(sync, "S\0\0\0\4"sv);
}

TEST(FrontendTest, BindKeepsNullApartFromEmpty) {
  const std::string bytes = Encoded(Bind{"", "", {}, {std::nullopt, ""}, {}});
  const auto bind = Bind::Decode(Body(bytes));
  ASSERT_TRUE(bind.ok());
  EXPECT_FALSE(bind->values[0].has_value());
  ASSERT_TRUE(bind->values[1].has_value());
  EXPECT_EQ(*bind->values[1], "");
}

TEST(FrontendTest, CountsAreUnsigned) {
  Bind bind;
  bind.values.assign(65535, "v");
  bind.parameter_formats.assign(65535, 1);
  bind.result_formats.assign(65535, 1);
  ExpectRoundTrip(bind, 'B', ReadFrontendHeader);

  Parse parse;
  parse.parameter_types.assign(65535, 23);
  ExpectRoundTrip(parse, 'P', ReadFrontendHeader);

  FunctionCall call;
  call.arguments.assign(65535, std::nullopt);
  ExpectRoundTrip(call, 'F', ReadFrontendHeader);
}

TEST(FrontendTest, CountsBeyondTheBodyAreErrors) {
  EXPECT_EQ(DecodeError<Parse>("\0\0\xff\xff"sv).message, "insufficient data left in message");
  EXPECT_EQ(DecodeError<Bind>("\0\0\xff\xff"sv).message, "insufficient data left in message");
  EXPECT_EQ(DecodeError<Bind>("\0\0\0\0\xff\xff\0\0"sv).message,
            "insufficient data left in message");
  EXPECT_EQ(DecodeError<FunctionCall>("\0\0\0\1\0\0\xff\xff\0\0"sv).message,
            "insufficient data left in message");
}

TEST(FrontendTest, NegativeLengthsOtherThanNullAreErrors) {
  constexpr auto kBind = "\0\0\0\0\0\1\xff\xff\xff\xfe\0\0"sv;
  EXPECT_EQ(DecodeError<Bind>(kBind).message, "insufficient data left in message");
  constexpr auto kLeast = "\0\0\0\0\0\1\x80\0\0\0\0\0"sv;
  EXPECT_EQ(DecodeError<Bind>(kLeast).message, "insufficient data left in message");
  constexpr auto kMost = "\0\0\0\0\0\1\x7f\xff\xff\xff\0\0"sv;
  EXPECT_EQ(DecodeError<Bind>(kMost).message, "insufficient data left in message");
  constexpr auto kSasl = "SCRAM-SHA-256\0\xff\xff\xff\xfe"sv;
  EXPECT_EQ(DecodeError<SaslInitialResponse>(kSasl).message, "insufficient data left in message");
}

TEST(FrontendTest, ErrorsHaveTheWordsOfTheServer) {
  EXPECT_EQ(DecodeError<Query>("select 1").message, "invalid string in message");
  EXPECT_EQ(DecodeError<Query>("select 1\0x"sv).message, "invalid message format");
  EXPECT_EQ(DecodeError<Describe>("").message, "no data left in message");
  EXPECT_EQ(DecodeError<Describe>("X\0"sv).message, "invalid DESCRIBE message subtype 88");
  EXPECT_EQ(DecodeError<Close>("\xff\0"sv).message, "invalid CLOSE message subtype 255");
  EXPECT_EQ(DecodeError<Password>("ab\0c"sv).message, "invalid password packet size");
  EXPECT_EQ(DecodeError<Bind>(Body(Encoded(Bind{"", "", {0, 1}, {"a"}, {}}))).message,
            "bind message has 2 parameter formats but 1 parameters");
  EXPECT_EQ(DecodeError<FunctionCall>(Body(Encoded(FunctionCall{1, {0, 1}, {"a"}, 0}))).message,
            "function call message contains 2 argument formats but 1 arguments");
}

TEST(FrontendTest, BindNamesNeedBothTerminatorsAndNoMore) {
  const std::string bytes = Encoded(Bind{"po", "stm", {}, {"value"}, {}});
  const std::string_view body = Body(bytes);
  constexpr size_t kNamesBytes = sizeof("po") + sizeof("stm");
  for (size_t cut = 0; cut <= body.size(); ++cut) {
    const ExactBytes prefix(body.substr(0, cut));
    const auto names = BindNames::Decode(prefix.view());
    ASSERT_EQ(names.has_value(), cut >= kNamesBytes) << "cut at " << cut;
    if (!names) continue;
    EXPECT_EQ(names->portal, "po");
    EXPECT_EQ(names->statement, "stm");
    EXPECT_EQ(names->bytes, kNamesBytes);
  }
}

TEST(FrontendTest, AStringEndsAtItsFirstZeroByte) {
  EXPECT_EQ(Encoded(Query{"a\0b"sv}), Encoded(Query{"a"}));
}

TEST(FrontendTest, EncodeAppends) {
  std::string bytes = Encoded(Query{"a"});
  const size_t first = bytes.size();
  Execute{"p", 1}.Encode(bytes);
  EXPECT_EQ(bytes.substr(0, first), Encoded(Query{"a"}));
  EXPECT_EQ(bytes.substr(first), Encoded(Execute{"p", 1}));
}

}  // namespace
}  // namespace pgsidecar::pgwire
