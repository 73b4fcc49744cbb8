// Cuts a stream of backend messages, which arrives in pieces of any size, into messages.
//
// Messages that the receiver has to look into come whole; the others (rows, COPY data, anything
// huge) pass in the pieces in which they arrive, so that memory does not grow with a result.
//
//      Feed(bytes): [ rest of a message ][ whole ][ whole ][ start of one ]
//                     piece, or kept        pieces           piece, or kept until whole
//
// Only partial headers and partial messages that are wanted whole are copied.

#ifndef PGSIDECAR_PGWIRE_MESSAGE_STREAM_H_
#define PGSIDECAR_PGWIRE_MESSAGE_STREAM_H_

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "pgwire/backend.h"
#include "pgwire/frame.h"

namespace pgsidecar::pgwire {

// Part of a message, header included. A message that is wanted whole has first == last == true.
struct Piece {
  char type = 0;
  size_t message_bytes = 0;  // of the whole message with its header
  bool first = false;
  bool last = false;
  std::string_view bytes;  // valid during the call

  // REQUIRES: first and last.
  std::string_view body() const { return bytes.substr(kHeaderBytes); }
};

class MessageStream {
 public:
  // A message longer than this passes in pieces whatever its type.
  static constexpr size_t kMaxWholeBytes = size_t{1} << 20;

  static bool IsWanted(char type, size_t message_bytes) {
    return message_bytes <= kMaxWholeBytes && type != backend_type::kDataRow &&
           type != backend_type::kCopyData && type != backend_type::kFunctionCallResponse;
  }

  // Calls on_piece(const Piece&), which returns false to stop (the rest of `bytes` is then dropped,
  // for a connection that is being closed). Returns false with `error` set if the stream is not
  // PostgreSQL's protocol.
  template <typename OnPiece>
  bool Feed(std::string_view bytes, Error* error, OnPiece&& on_piece) {
    while (!bytes.empty()) {
      if (rest_bytes_ > 0) {
        const std::string_view part = Take(bytes, rest_bytes_);
        rest_bytes_ -= part.size();
        if (!on_piece(Piece{type_, message_bytes_, false, rest_bytes_ == 0, part})) return true;
        continue;
      }
      if (!kept_.empty()) {
        if (!Complete(bytes, error)) return error->sqlstate.empty();
        if (rest_bytes_ > 0) {  // only its header had been kept, and it is not wanted whole
          const std::string header = std::exchange(kept_, {});
          if (!on_piece(Piece{type_, message_bytes_, true, false, header})) return true;
          continue;
        }
        const std::string whole = std::exchange(kept_, {});
        if (!on_piece(Piece{type_, message_bytes_, true, true, whole})) return true;
        continue;
      }
      FrameHeader header;
      switch (ReadBackendHeader(bytes, &header, error)) {
        case FrameStatus::kError:
          return false;
        case FrameStatus::kNeedMore:
          kept_.assign(bytes);
          return true;
        case FrameStatus::kMessage:
          break;
      }
      Begin(header);
      if (bytes.size() < message_bytes_ && IsWanted(type_, message_bytes_)) {
        kept_.assign(bytes);
        return true;
      }
      const std::string_view part = Take(bytes, message_bytes_);
      rest_bytes_ = message_bytes_ - part.size();
      if (!on_piece(Piece{type_, message_bytes_, true, rest_bytes_ == 0, part})) return true;
    }
    return true;
  }

  // True between messages: nothing is half read.
  bool AtBoundary() const { return rest_bytes_ == 0 && kept_.empty(); }

 private:
  static std::string_view Take(std::string_view& bytes, size_t count) {
    const std::string_view part = bytes.substr(0, count);
    bytes.remove_prefix(part.size());
    return part;
  }

  void Begin(const FrameHeader& header) {
    type_ = header.type;
    message_bytes_ = kHeaderBytes + header.body_bytes;
  }

  // Adds to a kept beginning what it lacks. Returns true if a piece can be handed out: the whole
  // message, or (rest_bytes_ > 0) the header of one that is not wanted whole.
  bool Complete(std::string_view& bytes, Error* error) {
    if (kept_.size() < kHeaderBytes) {
      kept_.append(Take(bytes, kHeaderBytes - kept_.size()));
      FrameHeader header;
      const FrameStatus status = ReadBackendHeader(kept_, &header, error);
      if (status != FrameStatus::kMessage) return false;
      Begin(header);
      if (!IsWanted(type_, message_bytes_) && message_bytes_ > kHeaderBytes) {
        rest_bytes_ = message_bytes_ - kHeaderBytes;
        return true;
      }
    }
    kept_.append(Take(bytes, message_bytes_ - kept_.size()));
    return kept_.size() == message_bytes_;
  }

  std::string kept_;          // a partial header, or the beginning of a message wanted whole
  char type_ = 0;             // of the message begun last
  size_t message_bytes_ = 0;  // of that message
  size_t rest_bytes_ = 0;     // of it that is still to pass in pieces
};

}  // namespace pgsidecar::pgwire

#endif  // PGSIDECAR_PGWIRE_MESSAGE_STREAM_H_
