// Prints messages in the format of libpq's PQtrace without timestamps (one line a message: F or B,
// length, name, fields), so that a captured conversation is a file that a person can read and a
// test can compare. Unknown or malformed messages are printed as such, never dropped.
//
// After authentication a line is what libpq 15 writes, byte for byte, with these exceptions:
//   - libpq 15 does not know the packets without a type byte, the 'p' messages, or the fields
//     behind the code of an Authentication message; they are named and printed as later versions
//     do, the data of Authentication behind its code.
//   - CopyData has its name; its contents are left out, as libpq leaves them out.
//   - Where libpq adds a line "mismatched message length", the message's own line ends in
//     " malformed: " and the reason.
// Passwords and what answers a challenge are never printed, in either mode.

#ifndef PGSIDECAR_PGWIRE_TRACE_H_
#define PGSIDECAR_PGWIRE_TRACE_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "pgwire/backend.h"

namespace pgsidecar::pgwire {

enum class Direction : char { kFrontend = 'F', kBackend = 'B' };

// Incremental: Feed takes bytes in any pieces and appends a line to `to` for each whole message.
// The first frontend packet(s) are untyped, and so is the byte that answers an SSLRequest or
// GSSENCRequest; what follows that is expected in the clear. A length that cannot be ends the
// trace of its direction, with a line that says so: where the next message begins is then unknown.
// `regress` masks what differs between runs (PIDs, keys, OIDs, lengths of errors' file and line
// fields, as PQTRACE_REGRESS_MODE does).
class TracePrinter {
 public:
  explicit TracePrinter(bool regress = true);
  void Feed(Direction direction, std::string_view bytes, std::string& to);

 private:
  // One direction's bytes that are not a whole message yet.
  struct Stream {
    std::string pending;
    bool lost = false;  // a length was impossible: nothing that follows can be framed
  };

  // Each prints the first message of `bytes` and returns its length; 0 if it is not whole yet or
  // the stream is lost.
  size_t PrintFirst(Direction direction, std::string_view bytes, std::string& to);
  size_t PrintUntyped(std::string_view bytes, std::string& to);
  size_t PrintEncryptionAnswer(char answer, std::string& to);
  size_t PrintTyped(Direction direction, std::string_view bytes, std::string& to);

  Stream& stream(Direction direction) { return streams_[direction == Direction::kBackend]; }

  bool regress_;
  bool started_ = false;                     // the StartupMessage has passed
  const char* encryption_answer_ = nullptr;  // the name of the untyped byte that comes next
  // What the server asked for last: it says what a 'p' message is.
  AuthenticationRequest authentication_ = AuthenticationRequest::kOk;
  Stream streams_[2];
};

}  // namespace pgsidecar::pgwire

#endif  // PGSIDECAR_PGWIRE_TRACE_H_
