// Frontend messages, field by field as in the PostgreSQL documentation, "Message Formats".

#include "pgwire/frontend.h"

#include <string>

#include "pgwire/frame.h"
#include "pgwire/lists.h"
#include "pgwire/reader.h"
#include "pgwire/writer.h"

namespace pgsidecar::pgwire {
namespace {

// Format codes come as none, one for all, or one each.
bool FormatsFit(size_t formats, size_t values) { return formats <= 1 || formats == values; }

// Describe and Close have one layout. `name_in_errors` is how the server's error calls it.
template <typename T>
Result<T> DecodeTarget(std::string_view body, const char* name_in_errors) {
  Reader reader(body);
  T message;
  message.kind = reader.Byte();
  message.name = reader.String();
  auto result = reader.Finish(message);
  if (result.ok() && message.kind != 'S' && message.kind != 'P') {
    return ProtocolViolation("invalid " + std::string(name_in_errors) + " message subtype " +
                             std::to_string(static_cast<unsigned char>(message.kind)));
  }
  return result;
}

void EncodeTarget(std::string& to, char type, char kind, std::string_view name) {
  const size_t begin = BeginMessage(to, type);
  to.push_back(kind);
  AppendString(to, name);
  EndMessage(to, begin);
}

// A message that is one string.
void EncodeString(std::string& to, char type, std::string_view text) {
  const size_t begin = BeginMessage(to, type);
  AppendString(to, text);
  EndMessage(to, begin);
}

}  // namespace

Result<Query> Query::Decode(std::string_view body) {
  Reader reader(body);
  Query message;
  message.sql = reader.String();
  return reader.Finish(message);
}

void Query::Encode(std::string& to) const { EncodeString(to, frontend_type::kQuery, sql); }

Result<Parse> Parse::Decode(std::string_view body) {
  Reader reader(body);
  Parse message;
  message.name = reader.String();
  message.sql = reader.String();
  message.parameter_types = ReadTypes(reader);
  return reader.Finish(std::move(message));
}

void Parse::Encode(std::string& to) const {
  const size_t begin = BeginMessage(to, frontend_type::kParse);
  AppendString(to, name);
  AppendString(to, sql);
  AppendList(to, parameter_types);
  EndMessage(to, begin);
}

Result<Bind> Bind::Decode(std::string_view body) {
  Bind message;
  if (auto error = message.DecodeFrom(body)) return *std::move(error);
  return message;
}

std::optional<Error> Bind::DecodeFrom(std::string_view body) {
  Reader reader(body);
  portal = reader.String();
  statement = reader.String();
  ReadFormats(reader, parameter_formats);
  ReadValues(reader, values);
  ReadFormats(reader, result_formats);
  if (!reader.failed() && !FormatsFit(parameter_formats.size(), values.size())) {
    return ProtocolViolation("bind message has " + std::to_string(parameter_formats.size()) +
                             " parameter formats but " + std::to_string(values.size()) +
                             " parameters");
  }
  return reader.Finish();
}

void Bind::Encode(std::string& to) const {
  const size_t begin = BeginMessage(to, frontend_type::kBind);
  AppendString(to, portal);
  AppendString(to, statement);
  AppendList(to, parameter_formats);
  AppendList(to, values);
  AppendList(to, result_formats);
  EndMessage(to, begin);
}

std::optional<BindNames> BindNames::Decode(std::string_view body_prefix) {
  Reader reader(body_prefix);
  BindNames names;
  names.portal = reader.String();
  names.statement = reader.String();
  if (reader.failed()) return std::nullopt;
  names.bytes = body_prefix.size() - reader.rest().size();
  return names;
}

Result<Describe> Describe::Decode(std::string_view body) {
  return DecodeTarget<Describe>(body, "DESCRIBE");
}

void Describe::Encode(std::string& to) const {
  EncodeTarget(to, frontend_type::kDescribe, kind, name);
}

Result<Close> Close::Decode(std::string_view body) { return DecodeTarget<Close>(body, "CLOSE"); }

void Close::Encode(std::string& to) const { EncodeTarget(to, frontend_type::kClose, kind, name); }

Result<Execute> Execute::Decode(std::string_view body) {
  Reader reader(body);
  Execute message;
  message.portal = reader.String();
  message.max_rows = reader.Int32();
  return reader.Finish(message);
}

void Execute::Encode(std::string& to) const {
  const size_t begin = BeginMessage(to, frontend_type::kExecute);
  AppendString(to, portal);
  AppendBig32(to, max_rows);
  EndMessage(to, begin);
}

Result<CopyFail> CopyFail::Decode(std::string_view body) {
  Reader reader(body);
  CopyFail fail;
  fail.message = reader.String();
  return reader.Finish(fail);
}

void CopyFail::Encode(std::string& to) const {
  EncodeString(to, frontend_type::kCopyFail, message);
}

Result<FunctionCall> FunctionCall::Decode(std::string_view body) {
  Reader reader(body);
  FunctionCall message;
  message.function = reader.Int32();
  ReadFormats(reader, message.argument_formats);
  ReadValues(reader, message.arguments);
  message.result_format = reader.Int16();
  if (!reader.failed() && !FormatsFit(message.argument_formats.size(), message.arguments.size())) {
    return ProtocolViolation(
        "function call message contains " + std::to_string(message.argument_formats.size()) +
        " argument formats but " + std::to_string(message.arguments.size()) + " arguments");
  }
  return reader.Finish(std::move(message));
}

void FunctionCall::Encode(std::string& to) const {
  const size_t begin = BeginMessage(to, frontend_type::kFunctionCall);
  AppendBig32(to, function);
  AppendList(to, argument_formats);
  AppendList(to, arguments);
  AppendBig16(to, result_format);
  EndMessage(to, begin);
}

Result<Password> Password::Decode(std::string_view body) {
  Reader reader(body);
  Password message;
  message.password = reader.String();
  auto result = reader.Finish(message);
  if (!result.ok()) return ProtocolViolation("invalid password packet size");
  return result;
}

void Password::Encode(std::string& to) const {
  EncodeString(to, frontend_type::kPassword, password);
}

Result<SaslInitialResponse> SaslInitialResponse::Decode(std::string_view body) {
  Reader reader(body);
  SaslInitialResponse message;
  message.mechanism = reader.String();
  message.response = reader.Value();
  return reader.Finish(message);
}

void SaslInitialResponse::Encode(std::string& to) const {
  const size_t begin = BeginMessage(to, frontend_type::kPassword);
  AppendString(to, mechanism);
  AppendValue(to, response);
  EndMessage(to, begin);
}

Result<SaslResponse> SaslResponse::Decode(std::string_view body) { return SaslResponse{body}; }

void SaslResponse::Encode(std::string& to) const {
  const size_t begin = BeginMessage(to, frontend_type::kPassword);
  to.append(data);
  EndMessage(to, begin);
}

}  // namespace pgsidecar::pgwire
