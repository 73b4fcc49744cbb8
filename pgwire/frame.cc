// Framing: the limits are those of PostgreSQL 15 (SocketBackend in postgres.c) for what a client
// sends, and what the shape of a message allows for what a server sends.

#include "pgwire/frame.h"

#include <cassert>
#include <optional>

#include "base/bytes.h"
#include "pgwire/backend.h"
#include "pgwire/frontend.h"
#include "pgwire/reader.h"

namespace pgsidecar::pgwire {
namespace {

constexpr uint32_t kLengthBytes = 4;

// What the length of a message, which counts itself, may be.
struct LengthRange {
  uint32_t least;
  uint32_t most;
};
constexpr LengthRange kLarge = {kLengthBytes, kMaxMessageBytes};
constexpr LengthRange kSmall = {kLengthBytes, kMaxSmallMessageBytes};
constexpr LengthRange kMedium = {kLengthBytes, kMaxAuthBytes};
constexpr LengthRange kEmpty = {kLengthBytes, kLengthBytes};

// nullopt: a frontend sends no such message.
std::optional<LengthRange> FrontendRange(char type) {
  switch (type) {
    case frontend_type::kQuery:
    case frontend_type::kParse:
    case frontend_type::kBind:
    case frontend_type::kFunctionCall:
    case frontend_type::kCopyData:
      return kLarge;
    case frontend_type::kPassword:
      return kMedium;
    case frontend_type::kClose:
    case frontend_type::kCopyDone:
    case frontend_type::kCopyFail:
    case frontend_type::kDescribe:
    case frontend_type::kExecute:
    case frontend_type::kFlush:
    case frontend_type::kSync:
    case frontend_type::kTerminate:
      return kSmall;
    default:
      return std::nullopt;
  }
}

// nullopt: a backend sends no such message.
std::optional<LengthRange> BackendRange(char type) {
  switch (type) {
    case backend_type::kDataRow:
    case backend_type::kCopyData:
    case backend_type::kRowDescription:
    case backend_type::kErrorResponse:
    case backend_type::kNoticeResponse:
    case backend_type::kNotificationResponse:
    case backend_type::kFunctionCallResponse:
    case backend_type::kParameterDescription:
    case backend_type::kParameterStatus:
      return kLarge;
    case backend_type::kAuthentication:
    case backend_type::kNegotiateProtocolVersion:
      return kMedium;
    case backend_type::kBackendKeyData:
    case backend_type::kCommandComplete:
    case backend_type::kCopyBothResponse:
    case backend_type::kCopyInResponse:
    case backend_type::kCopyOutResponse:
      return kSmall;
    case backend_type::kReadyForQuery:
      return LengthRange{kLengthBytes + 1, kLengthBytes + 1};
    case backend_type::kBindComplete:
    case backend_type::kCloseComplete:
    case backend_type::kCopyDone:
    case backend_type::kEmptyQueryResponse:
    case backend_type::kNoData:
    case backend_type::kParseComplete:
    case backend_type::kPortalSuspended:
      return kEmpty;
    default:
      return std::nullopt;
  }
}

FrameStatus ReadHeader(std::string_view bytes, std::optional<LengthRange> range, const char* side,
                       FrameHeader* header, Error* error) {
  if (!range) {
    *error = ProtocolViolation("invalid " + std::string(side) + " message type " +
                               std::to_string(static_cast<unsigned char>(bytes[0])));
    return FrameStatus::kError;
  }
  const uint32_t length = LoadBig32(bytes.data() + 1);
  if (length < range->least || length > range->most) {
    *error = ProtocolViolation("invalid message length");
    return FrameStatus::kError;
  }
  header->type = bytes[0];
  header->body_bytes = length - kLengthBytes;
  return FrameStatus::kMessage;
}

}  // namespace

FrameStatus ReadFrontendHeader(std::string_view bytes, FrameHeader* header, Error* error) {
  if (bytes.size() < kHeaderBytes) return FrameStatus::kNeedMore;
  return ReadHeader(bytes, FrontendRange(bytes[0]), "frontend", header, error);
}

FrameStatus ReadBackendHeader(std::string_view bytes, FrameHeader* header, Error* error) {
  if (bytes.size() < kHeaderBytes) return FrameStatus::kNeedMore;
  return ReadHeader(bytes, BackendRange(bytes[0]), "backend", header, error);
}

FrameStatus ReadStartupLength(std::string_view bytes, uint32_t* total_bytes, Error* error) {
  if (bytes.size() < kLengthBytes) return FrameStatus::kNeedMore;
  const uint32_t length = LoadBig32(bytes.data());
  if (length < 2 * kLengthBytes || length > kMaxStartupBytes) {
    *error = ProtocolViolation("invalid length of startup packet");
    return FrameStatus::kError;
  }
  *total_bytes = length;
  return FrameStatus::kMessage;
}

size_t BeginMessage(std::string& to, char type) {
  to.push_back(type);
  const size_t begin = to.size();
  to.append(kLengthBytes, '\0');
  return begin;
}

void EndMessage(std::string& to, size_t begin) {
  assert(to.size() >= begin + kLengthBytes && to.size() - begin <= kMaxMessageBytes);
  StoreBig32(to.data() + begin, static_cast<uint32_t>(to.size() - begin));
}

}  // namespace pgsidecar::pgwire
