// Backend messages: plain structs, decoded from a body and appended with their header, under the
// rules of pgwire/frontend.h. DataRow stays raw: nothing here looks into one.

#ifndef PGSIDECAR_PGWIRE_BACKEND_H_
#define PGSIDECAR_PGWIRE_BACKEND_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace pgsidecar::pgwire {

namespace backend_type {
inline constexpr char kAuthentication = 'R';
inline constexpr char kBackendKeyData = 'K';
inline constexpr char kBindComplete = '2';
inline constexpr char kCloseComplete = '3';
inline constexpr char kCommandComplete = 'C';
inline constexpr char kCopyBothResponse = 'W';
inline constexpr char kCopyData = 'd';
inline constexpr char kCopyDone = 'c';
inline constexpr char kCopyInResponse = 'G';
inline constexpr char kCopyOutResponse = 'H';
inline constexpr char kDataRow = 'D';
inline constexpr char kEmptyQueryResponse = 'I';
inline constexpr char kErrorResponse = 'E';
inline constexpr char kFunctionCallResponse = 'V';
inline constexpr char kNegotiateProtocolVersion = 'v';
inline constexpr char kNoData = 'n';
inline constexpr char kNoticeResponse = 'N';
inline constexpr char kNotificationResponse = 'A';
inline constexpr char kParameterDescription = 't';
inline constexpr char kParameterStatus = 'S';
inline constexpr char kParseComplete = '1';
inline constexpr char kPortalSuspended = 's';
inline constexpr char kReadyForQuery = 'Z';
inline constexpr char kRowDescription = 'T';
}  // namespace backend_type

enum class TransactionStatus : char { kIdle = 'I', kInTransaction = 'T', kFailed = 'E' };

enum class AuthenticationRequest : uint32_t {
  kOk = 0,
  kKerberosV5 = 2,
  kCleartextPassword = 3,
  kMd5Password = 5,
  kGss = 7,
  kGssContinue = 8,
  kSspi = 9,
  kSasl = 10,
  kSaslContinue = 11,
  kSaslFinal = 12,
};

// Authentication*: `data` is the salt (MD5), the list of mechanisms (SASL), the challenge
// (SASLContinue, GSSContinue) or the outcome (SASLFinal). Decode refuses data that does not fit a
// known request; a request that is not known keeps its code and its data.
struct Authentication {
  AuthenticationRequest request = AuthenticationRequest::kOk;
  std::string_view data;
  static Result<Authentication> Decode(std::string_view body);
  void Encode(std::string& to) const;
};

struct BackendKeyData {
  uint32_t pid = 0;
  std::string_view key;
  static Result<BackendKeyData> Decode(std::string_view body);
  void Encode(std::string& to) const;
};

struct ParameterStatus {
  std::string_view name;
  std::string_view value;
  static Result<ParameterStatus> Decode(std::string_view body);
  void Encode(std::string& to) const;
};

struct ReadyForQuery {
  TransactionStatus status = TransactionStatus::kIdle;
  static Result<ReadyForQuery> Decode(std::string_view body);
  void Encode(std::string& to) const;
};

struct CommandComplete {
  std::string_view tag;
  static Result<CommandComplete> Decode(std::string_view body);
  void Encode(std::string& to) const;
};

// ErrorResponse and NoticeResponse: fields in the order of the message. A server may leave any of
// them out, the SQLSTATE included; unknown fields are kept. More than 255 fields are an error.
struct ErrorFields {
  std::vector<std::pair<char, std::string_view>> fields;
  // The value of a field ('S' severity, 'V' its unlocalised form, 'C' SQLSTATE, 'M' message), or
  // "".
  std::string_view Find(char code) const;
  // FATAL or PANIC: the server ends the connection behind it.
  bool IsFatal() const;
  static Result<ErrorFields> Decode(std::string_view body);
  void Encode(std::string& to, char type) const;
};

// An ErrorResponse of our own. `severity` is ERROR or FATAL.
void EncodeError(std::string& to, std::string_view severity, const Error& error);
// A NoticeResponse of our own, severity WARNING.
void EncodeWarning(std::string& to, const Error& warning);

struct FieldDescription {
  std::string_view name;
  uint32_t table = 0;  // OID or 0
  uint16_t column = 0;
  uint32_t type = 0;
  int16_t type_bytes = -1;
  int32_t type_modifier = -1;
  uint16_t format = 0;  // 0 text, 1 binary
};
struct RowDescription {
  std::vector<FieldDescription> fields;
  static Result<RowDescription> Decode(std::string_view body);
  void Encode(std::string& to) const;
};

// A DataRow's values in text format; for our own answers and for the proxy's own queries.
struct DataRow {
  std::vector<std::optional<std::string_view>> values;
  static Result<DataRow> Decode(std::string_view body);
  void Encode(std::string& to) const;
};

struct ParameterDescription {
  std::vector<uint32_t> types;
  static Result<ParameterDescription> Decode(std::string_view body);
  void Encode(std::string& to) const;
};

struct NotificationResponse {
  uint32_t pid = 0;
  std::string_view channel;
  std::string_view payload;
  static Result<NotificationResponse> Decode(std::string_view body);
  void Encode(std::string& to) const;
};

struct NegotiateProtocolVersion {
  uint32_t newest_minor = 0;
  std::vector<std::string_view> unrecognized;
  static Result<NegotiateProtocolVersion> Decode(std::string_view body);
  void Encode(std::string& to) const;
};

}  // namespace pgsidecar::pgwire

#endif  // PGSIDECAR_PGWIRE_BACKEND_H_
