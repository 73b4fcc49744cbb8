// Backend messages: round trips, cuts, counts and lengths at their edges.

#include "pgwire/backend.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/pgwire/message_checks.h"

namespace pgsidecar::pgwire {
namespace {

// ErrorFields is a message of two types; this is the one that the checks see.
struct ErrorResponse : ErrorFields {
  static Result<ErrorResponse> Decode(std::string_view body) {
    auto fields = ErrorFields::Decode(body);
    if (!fields.ok()) return fields.error();
    return ErrorResponse{*fields};
  }
  void Encode(std::string& to) const { ErrorFields::Encode(to, backend_type::kErrorResponse); }
};

TEST(BackendTest, EveryMessageSurvivesARoundTripAndNoCut) {
  ExpectBackendMessage(Authentication{AuthenticationRequest::kOk, ""}, 'R');
  ExpectBackendMessage(Authentication{AuthenticationRequest::kMd5Password, "salt"}, 'R');
  ExpectBackendMessage(
      Authentication{AuthenticationRequest::kSasl, "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"sv}, 'R');
  ExpectBackendMessage(ParameterStatus{"TimeZone", ""}, 'S');
  ExpectBackendMessage(ReadyForQuery{TransactionStatus::kFailed}, 'Z');
  ExpectBackendMessage(CommandComplete{"SELECT 1"}, 'C');
  ExpectBackendMessage(
      ErrorResponse{{{{'S', "ERROR"}, {'C', "22012"}, {'M', "division by zero"}, {'?', ""}}}}, 'E');
  ExpectBackendMessage(RowDescription{}, 'T');
  ExpectBackendMessage(RowDescription{{{"a", 16384, 1, 23, 4, -1, 0}, {"", 0, 0, 25, -1, 7, 1}}},
                       'T');
  ExpectBackendMessage(DataRow{}, 'D');
  ExpectBackendMessage(DataRow{{"a", std::nullopt, ""}}, 'D');
  ExpectBackendMessage(ParameterDescription{{23, 25}}, 't');
  ExpectBackendMessage(NotificationResponse{4711, "channel", "payload"}, 'A');
  ExpectBackendMessage(NegotiateProtocolVersion{3, {}}, 'v');
  ExpectBackendMessage(NegotiateProtocolVersion{3, {"_pq_.a", "_pq_.b"}}, 'v');
}

TEST(BackendTest, ChallengesAreOpenAtTheirEnd) {
  for (const auto request :
       {AuthenticationRequest::kSaslContinue, AuthenticationRequest::kSaslFinal,
        AuthenticationRequest::kGssContinue}) {
    ExpectRoundTrip(Authentication{request, ""}, 'R', ReadBackendHeader);
    ExpectRoundTrip(Authentication{request, "r=x\0y"sv}, 'R', ReadBackendHeader);
  }
  // A request that is not known yet is passed on as it is.
  ExpectRoundTrip(Authentication{static_cast<AuthenticationRequest>(77), "?"}, 'R',
                  ReadBackendHeader);
  EXPECT_EQ(DecodeError<Authentication>("\0\0\0"sv).sqlstate, "08P01");
}

TEST(BackendTest, AuthenticationDataMustFitItsRequest) {
  EXPECT_EQ(DecodeError<Authentication>("\0\0\0\0x"sv).message, "invalid message format");
  EXPECT_EQ(DecodeError<Authentication>("\0\0\0\5abc"sv).message, "invalid message format");
  EXPECT_EQ(DecodeError<Authentication>("\0\0\0\12SCRAM-SHA-256\0"sv).message,
            "invalid message format");
  EXPECT_EQ(DecodeError<Authentication>("\0\0\0\12SCRAM-SHA-256\0\0x"sv).message,
            "invalid message format");
}

TEST(BackendTest, CancelKeysHaveFourTo256Bytes) {
  for (size_t key_bytes = 0; key_bytes <= 300; ++key_bytes) {
    const std::string key(key_bytes, 'k');
    const std::string bytes = Encoded(BackendKeyData{4711, key});
    const auto decoded = BackendKeyData::Decode(Body(bytes));
    ASSERT_EQ(decoded.ok(), key_bytes >= 4 && key_bytes <= 256) << key_bytes;
    if (!decoded.ok()) continue;
    EXPECT_EQ(decoded->pid, 4711U);
    EXPECT_EQ(decoded->key, key);
  }
  EXPECT_EQ(DecodeError<BackendKeyData>("\0\0\0"sv).sqlstate, "08P01");
}

TEST(BackendTest, TransactionStatusIsOneOfThree) {
  for (int status = 0; status < 256; ++status) {
    const std::string body(1, static_cast<char>(status));
    const bool known = status == 'I' || status == 'T' || status == 'E';
    EXPECT_EQ(ReadyForQuery::Decode(body).ok(), known) << status;
  }
}

TEST(BackendTest, CountsAreUnsigned) {
  DataRow row;
  row.values.assign(65535, "v");
  ExpectRoundTrip(row, 'D', ReadBackendHeader);

  RowDescription description;
  description.fields.assign(65535, FieldDescription{"f", 1, 65535, 3, -1, -1, 1});
  ExpectRoundTrip(description, 'T', ReadBackendHeader);

  ParameterDescription parameters;
  parameters.types.assign(65535, 0xffffffff);
  ExpectRoundTrip(parameters, 't', ReadBackendHeader);
}

TEST(BackendTest, CountsAndLengthsBeyondTheBodyAreErrors) {
  constexpr auto kInsufficient = "insufficient data left in message";
  EXPECT_EQ(DecodeError<DataRow>("\xff\xff"sv).message, kInsufficient);
  EXPECT_EQ(DecodeError<DataRow>("\0\1\xff\xff\xff\xfe"sv).message, kInsufficient);
  EXPECT_EQ(DecodeError<DataRow>("\0\1\x7f\xff\xff\xff"sv).message, kInsufficient);
  EXPECT_EQ(DecodeError<RowDescription>("\xff\xff"sv).message, kInsufficient);
  EXPECT_EQ(DecodeError<ParameterDescription>("\0\2\0\0\0\1"sv).message, kInsufficient);
  EXPECT_EQ(DecodeError<NegotiateProtocolVersion>("\0\3\0\2\xff\xff\xff\xff"sv).message,
            kInsufficient);
}

TEST(BackendTest, RowDescriptionKeepsSignedFields) {
  const std::string bytes = Encoded(RowDescription{{{"a", 1, 2, 3, -2, -1, 1}}});
  const auto decoded = RowDescription::Decode(Body(bytes));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->fields[0].type_bytes, -2);
  EXPECT_EQ(decoded->fields[0].type_modifier, -1);
  EXPECT_EQ(decoded->fields[0].table, 1U);
  EXPECT_EQ(decoded->fields[0].column, 2);
  EXPECT_EQ(decoded->fields[0].type, 3U);
  EXPECT_EQ(decoded->fields[0].format, 1);
}

TEST(BackendTest, AnErrorMayHaveAnyFieldsOrNone) {
  const auto none = ErrorFields::Decode("\0"sv);
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(none->Find('C'), "");

  const auto twice = ErrorFields::Decode("Mone\0Mtwo\0\0"sv);
  ASSERT_TRUE(twice.ok());
  EXPECT_EQ(twice->Find('M'), "one");
  EXPECT_EQ(twice->Find('C'), "");
}

TEST(BackendTest, AnErrorOfMoreFieldsThanCodesIsRefused) {
  std::string body;
  for (int i = 0; i < 255; ++i) body += "M\0"sv;
  EXPECT_TRUE(ErrorFields::Decode(body + '\0').ok());
  EXPECT_EQ(DecodeError<ErrorFields>(body + std::string("M\0\0"sv)).message,
            "invalid message format");
}

TEST(BackendTest, OwnErrorsHaveTheFieldsThatSaySomething) {
  std::string bytes;
  EncodeError(bytes, "FATAL", Error{"28000", "no", "", ""});
  EXPECT_EQ(bytes, "E\0\0\0\x1eSFATAL\0VFATAL\0C28000\0Mno\0\0"sv);

  bytes.clear();
  EncodeError(bytes, "ERROR", Error{"0A000", "no", "because", "do not"});
  const auto error = ErrorFields::Decode(Body(bytes));
  ASSERT_TRUE(error.ok());
  EXPECT_EQ(error->Find('D'), "because");
  EXPECT_EQ(error->Find('H'), "do not");

  bytes.clear();
  EncodeWarning(bytes, Error{"01000", "careful", "", ""});
  EXPECT_EQ(bytes, "N\0\0\0\x27SWARNING\0VWARNING\0C01000\0Mcareful\0\0"sv);
}

}  // namespace
}  // namespace pgsidecar::pgwire
