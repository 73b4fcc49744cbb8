// Framing: the limits are those of PostgreSQL 15 (SocketBackend in postgres.c) for what a client
// sends, and what the shape of a message allows for what a server sends.

#include "pgwire/frame.h"

#include <array>
#include <cassert>
#include <initializer_list>

#include "base/bytes.h"
#include "pgwire/backend.h"
#include "pgwire/frontend.h"
#include "pgwire/reader.h"

namespace pgsidecar::pgwire {
namespace {

constexpr uint32_t kLengthBytes = 4;

// What the length of a message, which counts itself, may be.
struct LengthRange {
  uint32_t least = 1;
  uint32_t most = 0;  // then there is no such message
};
constexpr LengthRange kLarge = {kLengthBytes, kMaxMessageBytes};
constexpr LengthRange kSmall = {kLengthBytes, kMaxSmallMessageBytes};
constexpr LengthRange kMedium = {kLengthBytes, kMaxAuthBytes};
constexpr LengthRange kEmpty = {kLengthBytes, kLengthBytes};
constexpr LengthRange kOneByte = {kLengthBytes + 1, kLengthBytes + 1};

// By type.
class LengthRanges {
 public:
  constexpr LengthRanges& Add(std::initializer_list<char> types, LengthRange range) {
    for (const char type : types) ranges_[static_cast<unsigned char>(type)] = range;
    return *this;
  }
  constexpr LengthRange operator[](char type) const {
    return ranges_[static_cast<unsigned char>(type)];
  }

 private:
  std::array<LengthRange, 256> ranges_{};
};

constexpr LengthRanges MakeFrontendRanges() {
  using namespace frontend_type;  // NOLINT
  return LengthRanges()
      .Add({kQuery, kParse, kBind, kFunctionCall, kCopyData}, kLarge)
      .Add({kPassword}, kMedium)
      .Add({kClose, kCopyDone, kCopyFail, kDescribe, kExecute, kFlush, kSync, kTerminate}, kSmall);
}
constexpr LengthRanges kFrontendRanges = MakeFrontendRanges();

constexpr LengthRanges MakeBackendRanges() {
  using namespace backend_type;  // NOLINT
  return LengthRanges()
      .Add({kDataRow, kCopyData, kRowDescription, kErrorResponse, kNoticeResponse,
            kNotificationResponse, kFunctionCallResponse, kParameterDescription, kParameterStatus},
           kLarge)
      .Add({kAuthentication, kNegotiateProtocolVersion}, kMedium)
      .Add(
          {kBackendKeyData, kCommandComplete, kCopyBothResponse, kCopyInResponse, kCopyOutResponse},
          kSmall)
      .Add({kReadyForQuery}, kOneByte)
      .Add({kBindComplete, kCloseComplete, kCopyDone, kEmptyQueryResponse, kNoData, kParseComplete,
            kPortalSuspended},
           kEmpty);
}
constexpr LengthRanges kBackendRanges = MakeBackendRanges();

FrameStatus ReadHeader(std::string_view bytes, const LengthRanges& ranges, const char* side,
                       FrameHeader* header, Error* error) {
  if (bytes.size() < kHeaderBytes) return FrameStatus::kNeedMore;
  const LengthRange range = ranges[bytes[0]];
  const uint32_t length = LoadBig32(bytes.data() + 1);
  if (length >= range.least && length <= range.most) {
    header->type = bytes[0];
    header->body_bytes = length - kLengthBytes;
    return FrameStatus::kMessage;
  }
  *error =
      ProtocolViolation(range.most > 0 ? "invalid message length"
                                       : "invalid " + std::string(side) + " message type " +
                                             std::to_string(static_cast<unsigned char>(bytes[0])));
  return FrameStatus::kError;
}

}  // namespace

FrameStatus ReadFrontendHeader(std::string_view bytes, FrameHeader* header, Error* error) {
  return ReadHeader(bytes, kFrontendRanges, "frontend", header, error);
}

FrameStatus ReadBackendHeader(std::string_view bytes, FrameHeader* header, Error* error) {
  return ReadHeader(bytes, kBackendRanges, "backend", header, error);
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

void EncodeEmpty(std::string& to, char type) {
  const char message[] = {type, 0, 0, 0, kLengthBytes};
  to.append(message, sizeof message);
}

}  // namespace pgsidecar::pgwire
