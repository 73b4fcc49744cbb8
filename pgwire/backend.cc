// Backend messages, field by field as in the PostgreSQL documentation, "Message Formats" and
// "Error and Notice Message Fields".

#include "pgwire/backend.h"

#include "pgwire/frame.h"
#include "pgwire/lists.h"
#include "pgwire/reader.h"
#include "pgwire/startup.h"
#include "pgwire/writer.h"

namespace pgsidecar::pgwire {
namespace {

constexpr size_t kMd5SaltBytes = 4;
// A code is one byte and stands once in a message; more fields than codes is no message.
constexpr size_t kMaxErrorFields = 255;
// A field of a RowDescription: its name's terminator, two OIDs, the modifier, and three 16-bit
// numbers.
constexpr size_t kMinFieldDescriptionBytes = 1 + 3 * sizeof(uint32_t) + 3 * sizeof(uint16_t);

// The mechanisms of AuthenticationSASL: names, then an empty one, then nothing.
bool IsMechanismList(std::string_view data) {
  Reader reader(data);
  while (!reader.String().empty()) {
  }
  return !reader.failed() && reader.rest().empty();
}

bool IsAuthenticationData(AuthenticationRequest request, std::string_view data) {
  switch (request) {
    case AuthenticationRequest::kOk:
    case AuthenticationRequest::kKerberosV5:
    case AuthenticationRequest::kCleartextPassword:
    case AuthenticationRequest::kGss:
    case AuthenticationRequest::kSspi:
      return data.empty();
    case AuthenticationRequest::kMd5Password:
      return data.size() == kMd5SaltBytes;
    case AuthenticationRequest::kSasl:
      return IsMechanismList(data);
    default:
      return true;  // a challenge, an outcome, or a request that is not known here
  }
}

FieldDescription ReadField(Reader& reader) {
  FieldDescription field;
  field.name = reader.String();
  field.table = reader.Int32();
  field.column = reader.Int16();
  field.type = reader.Int32();
  field.type_bytes = static_cast<int16_t>(reader.Int16());
  field.type_modifier = static_cast<int32_t>(reader.Int32());
  field.format = reader.Int16();
  return field;
}

void AppendField(std::string& to, const FieldDescription& field) {
  AppendString(to, field.name);
  AppendBig32(to, field.table);
  AppendBig16(to, field.column);
  AppendBig32(to, field.type);
  AppendBig16(to, static_cast<uint16_t>(field.type_bytes));
  AppendBig32(to, static_cast<uint32_t>(field.type_modifier));
  AppendBig16(to, field.format);
}

// An ErrorResponse or NoticeResponse of our own.
void EncodeOwn(std::string& to, char type, std::string_view severity, const Error& error) {
  ErrorFields message;
  message.fields = {{'S', severity}, {'V', severity}, {'C', error.sqlstate}, {'M', error.message}};
  if (!error.detail.empty()) message.fields.emplace_back('D', error.detail);
  if (!error.hint.empty()) message.fields.emplace_back('H', error.hint);
  message.Encode(to, type);
}

}  // namespace

Result<Authentication> Authentication::Decode(std::string_view body) {
  Reader reader(body);
  Authentication message;
  message.request = static_cast<AuthenticationRequest>(reader.Int32());
  message.data = reader.Rest();
  if (!reader.failed() && !IsAuthenticationData(message.request, message.data)) {
    return ProtocolViolation("invalid message format");
  }
  return reader.Finish(message);
}

void Authentication::Encode(std::string& to) const {
  const size_t begin = BeginMessage(to, backend_type::kAuthentication);
  AppendBig32(to, static_cast<uint32_t>(request));
  to.append(data);
  EndMessage(to, begin);
}

Result<BackendKeyData> BackendKeyData::Decode(std::string_view body) {
  Reader reader(body);
  BackendKeyData message;
  message.pid = reader.Int32();
  message.key = reader.Rest();
  if (message.key.size() < kMinCancelKeyBytes) reader.Fail("insufficient data left in message");
  if (message.key.size() > kMaxCancelKeyBytes) reader.Fail("invalid message format");
  return reader.Finish(message);
}

void BackendKeyData::Encode(std::string& to) const {
  const size_t begin = BeginMessage(to, backend_type::kBackendKeyData);
  AppendBig32(to, pid);
  to.append(key);
  EndMessage(to, begin);
}

Result<ParameterStatus> ParameterStatus::Decode(std::string_view body) {
  Reader reader(body);
  ParameterStatus message;
  message.name = reader.String();
  message.value = reader.String();
  return reader.Finish(message);
}

void ParameterStatus::Encode(std::string& to) const {
  const size_t begin = BeginMessage(to, backend_type::kParameterStatus);
  AppendString(to, name);
  AppendString(to, value);
  EndMessage(to, begin);
}

Result<ReadyForQuery> ReadyForQuery::Decode(std::string_view body) {
  Reader reader(body);
  const char status = reader.Byte();
  if (status != 'I' && status != 'T' && status != 'E') reader.Fail("invalid message format");
  return reader.Finish(ReadyForQuery{static_cast<TransactionStatus>(status)});
}

void ReadyForQuery::Encode(std::string& to) const {
  constexpr char kLength = 5;  // written out: one goes behind every answer
  const char message[] = {backend_type::kReadyForQuery, 0, 0, 0, kLength,
                          static_cast<char>(status)};
  to.append(message, sizeof message);
}

Result<CommandComplete> CommandComplete::Decode(std::string_view body) {
  Reader reader(body);
  CommandComplete message;
  message.tag = reader.String();
  return reader.Finish(message);
}

void CommandComplete::Encode(std::string& to) const {
  const size_t begin = BeginMessage(to, backend_type::kCommandComplete);
  AppendString(to, tag);
  EndMessage(to, begin);
}

std::string_view ErrorFields::Find(char code) const {
  for (const auto& [field_code, value] : fields) {
    if (field_code == code) return value;
  }
  return {};
}

bool ErrorFields::IsFatal() const {
  const std::string_view severity = Find('V').empty() ? Find('S') : Find('V');
  return severity == "FATAL" || severity == "PANIC";
}

Result<ErrorFields> ErrorFields::Decode(std::string_view body) {
  Reader reader(body);
  ErrorFields message;
  for (;;) {
    const char code = reader.Byte();
    if (code == '\0') break;
    if (message.fields.size() == kMaxErrorFields) reader.Fail("invalid message format");
    message.fields.emplace_back(code, reader.String());
  }
  return reader.Finish(std::move(message));
}

void ErrorFields::Encode(std::string& to, char type) const {
  const size_t begin = BeginMessage(to, type);
  for (const auto& [code, value] : fields) {
    to.push_back(code);
    AppendString(to, value);
  }
  to.push_back('\0');
  EndMessage(to, begin);
}

void EncodeError(std::string& to, std::string_view severity, const Error& error) {
  EncodeOwn(to, backend_type::kErrorResponse, severity, error);
}

void EncodeWarning(std::string& to, const Error& warning) {
  EncodeOwn(to, backend_type::kNoticeResponse, "WARNING", warning);
}

Result<RowDescription> RowDescription::Decode(std::string_view body) {
  Reader reader(body);
  RowDescription message;
  message.fields.resize(reader.Count(kMinFieldDescriptionBytes));
  for (FieldDescription& field : message.fields) field = ReadField(reader);
  return reader.Finish(std::move(message));
}

void RowDescription::Encode(std::string& to) const {
  const size_t begin = BeginMessage(to, backend_type::kRowDescription);
  AppendCount(to, fields.size());
  for (const FieldDescription& field : fields) AppendField(to, field);
  EndMessage(to, begin);
}

Result<DataRow> DataRow::Decode(std::string_view body) {
  Reader reader(body);
  DataRow message;
  ReadValues(reader, message.values);
  return reader.Finish(std::move(message));
}

void DataRow::Encode(std::string& to) const {
  const size_t begin = BeginMessage(to, backend_type::kDataRow);
  AppendList(to, values);
  EndMessage(to, begin);
}

Result<ParameterDescription> ParameterDescription::Decode(std::string_view body) {
  Reader reader(body);
  ParameterDescription message;
  message.types = ReadTypes(reader);
  return reader.Finish(std::move(message));
}

void ParameterDescription::Encode(std::string& to) const {
  const size_t begin = BeginMessage(to, backend_type::kParameterDescription);
  AppendList(to, types);
  EndMessage(to, begin);
}

Result<NotificationResponse> NotificationResponse::Decode(std::string_view body) {
  Reader reader(body);
  NotificationResponse message;
  message.pid = reader.Int32();
  message.channel = reader.String();
  message.payload = reader.String();
  return reader.Finish(message);
}

void NotificationResponse::Encode(std::string& to) const {
  const size_t begin = BeginMessage(to, backend_type::kNotificationResponse);
  AppendBig32(to, pid);
  AppendString(to, channel);
  AppendString(to, payload);
  EndMessage(to, begin);
}

Result<NegotiateProtocolVersion> NegotiateProtocolVersion::Decode(std::string_view body) {
  Reader reader(body);
  NegotiateProtocolVersion message;
  message.newest_minor = reader.Int32();
  message.unrecognized.resize(reader.Count32(1));
  for (std::string_view& name : message.unrecognized) name = reader.String();
  return reader.Finish(std::move(message));
}

void NegotiateProtocolVersion::Encode(std::string& to) const {
  const size_t begin = BeginMessage(to, backend_type::kNegotiateProtocolVersion);
  AppendBig32(to, newest_minor);
  AppendBig32(to, static_cast<uint32_t>(unrecognized.size()));
  for (const std::string_view name : unrecognized) AppendString(to, name);
  EndMessage(to, begin);
}

}  // namespace pgsidecar::pgwire
