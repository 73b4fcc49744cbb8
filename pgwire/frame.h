// Framing: where one message ends and the next begins (PostgreSQL documentation, "Message
// Formats").
//
//      +------+----------------------+-----------------+
//      | type | length, 4 bytes,     | body            |
//      | 1    | counts itself + body | length - 4      |
//      +------+----------------------+-----------------+
//
// The startup packet, SSLRequest, GSSENCRequest and CancelRequest have no type byte. A header says
// all that is needed to let a body pass in pieces: no function here wants a whole message.

#ifndef PGSIDECAR_PGWIRE_FRAME_H_
#define PGSIDECAR_PGWIRE_FRAME_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pgsidecar::pgwire {

inline constexpr size_t kHeaderBytes = 5;
// PostgreSQL's MAX_STARTUP_PACKET_LENGTH.
inline constexpr uint32_t kMaxStartupBytes = 10000;
// PostgreSQL's PQ_LARGE_MESSAGE_LIMIT: MaxAllocSize - 1.
inline constexpr uint32_t kMaxMessageBytes = 0x3fffffff - 1;
// PostgreSQL's PQ_SMALL_MESSAGE_LIMIT: messages that have no business to be large.
inline constexpr uint32_t kMaxSmallMessageBytes = 10000;
// What one password or SASL message may hold (PostgreSQL: PG_MAX_AUTH_TOKEN_LENGTH).
inline constexpr uint32_t kMaxAuthBytes = 65535;

enum class FrameStatus : uint8_t { kNeedMore, kMessage, kError };

// The header of a typed message.
struct FrameHeader {
  char type = 0;
  uint32_t body_bytes = 0;  // what follows the header
};

// Reads a header from the start of `bytes`. kNeedMore: fewer than kHeaderBytes are there. kError:
// the length is below 4 or above what a message of that type may have; `error` (not null) then
// holds 08P01 and what was expected. The two differ in which types exist.
FrameStatus ReadFrontendHeader(std::string_view bytes, FrameHeader* header, Error* error);
FrameStatus ReadBackendHeader(std::string_view bytes, FrameHeader* header, Error* error);

// Reads the length of an untyped packet (4 bytes, counts itself) from the start of `bytes` and
// checks it against 8 and kMaxStartupBytes.
FrameStatus ReadStartupLength(std::string_view bytes, uint32_t* total_bytes, Error* error);

// Appends a header whose length is patched by EndMessage; returns the place to patch.
size_t BeginMessage(std::string& to, char type);
void EndMessage(std::string& to, size_t begin);
// A message without a body.
void EncodeEmpty(std::string& to, char type);

}  // namespace pgsidecar::pgwire

#endif  // PGSIDECAR_PGWIRE_FRAME_H_
