// The untyped packets, checked in the order in which the server checks them
// (ProcessStartupPacket in postmaster.c), so that a bad one gets the error that it would get there.

#include "pgwire/startup.h"

#include "base/bytes.h"
#include "pgwire/frame.h"
#include "pgwire/reader.h"
#include "pgwire/writer.h"

namespace pgsidecar::pgwire {
namespace {

Error InvalidLength() { return ProtocolViolation("invalid length of startup packet"); }

Error UnsupportedProtocol(uint32_t protocol) {
  return Error{"0A000",
               "unsupported frontend protocol " + std::to_string(protocol >> 16) + "." +
                   std::to_string(protocol & 0xffff) + ": server supports 3.0 to 3.2",
               "", ""};
}

Result<StartupPacket> DecodeCancelRequest(Reader& reader) {
  CancelRequest request;
  request.pid = reader.Int32();
  request.key = reader.Rest();
  if (reader.failed() || request.key.size() < kMinCancelKeyBytes ||
      request.key.size() > kMaxCancelKeyBytes) {
    return InvalidLength();
  }
  return StartupPacket(std::move(request));
}

Result<StartupPacket> DecodeStartupMessage(uint32_t protocol, Reader& reader) {
  StartupMessage message;
  message.protocol = protocol;
  for (;;) {
    const std::string_view name = reader.String();
    if (name.empty()) break;
    const std::string_view value = reader.String();
    message.parameters.emplace_back(name, value);
  }
  if (reader.failed() || !reader.rest().empty()) {
    return ProtocolViolation("invalid startup packet layout: expected terminator as last byte");
  }
  const std::string* user = message.Find("user");
  if (user == nullptr || user->empty()) {
    return Error{"28000", "no PostgreSQL user name specified in startup packet", "", ""};
  }
  return StartupPacket(std::move(message));
}

// An untyped packet is a message without its type byte: the same length, in the same place.
size_t BeginPacket(std::string& to) {
  const size_t begin = to.size();
  AppendBig32(to, 0);
  return begin;
}

}  // namespace

const std::string* StartupMessage::Find(std::string_view name) const {
  for (auto it = parameters.rbegin(); it != parameters.rend(); ++it) {
    if (it->first == name) return &it->second;
  }
  return nullptr;
}

void StartupMessage::Encode(std::string& to) const {
  const size_t begin = BeginPacket(to);
  AppendBig32(to, protocol);
  for (const auto& [name, value] : parameters) {
    AppendString(to, name);
    AppendString(to, value);
  }
  to.push_back('\0');
  EndMessage(to, begin);
}

void CancelRequest::Encode(std::string& to) const {
  const size_t begin = BeginPacket(to);
  AppendBig32(to, kCancelRequestCode);
  AppendBig32(to, pid);
  to.append(key);
  EndMessage(to, begin);
}

Result<StartupPacket> DecodeStartupPacket(std::string_view packet) {
  Error error;
  uint32_t total_bytes = 0;
  const FrameStatus status = ReadStartupLength(packet, &total_bytes, &error);
  if (status != FrameStatus::kMessage || total_bytes != packet.size()) return InvalidLength();

  Reader reader(packet.substr(sizeof(uint32_t)));
  const uint32_t code = reader.Int32();
  switch (code) {
    case kCancelRequestCode:
      return DecodeCancelRequest(reader);
    case kSslRequestCode:
      if (!reader.rest().empty()) return InvalidLength();
      return StartupPacket(SslRequest{});
    case kGssEncRequestCode:
      if (!reader.rest().empty()) return InvalidLength();
      return StartupPacket(GssEncRequest{});
    default:
      if (code >> 16 != kProtocol30 >> 16) return UnsupportedProtocol(code);
      return DecodeStartupMessage(code, reader);
  }
}

}  // namespace pgsidecar::pgwire
