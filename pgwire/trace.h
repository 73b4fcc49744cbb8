// Prints messages in the format of libpq's PQtrace without timestamps (one line a message: F or B,
// length, name, fields), so that a captured conversation is a file that a person can read and a
// test can compare. Unknown or malformed messages are printed as such, never dropped.

#ifndef PGSIDECAR_PGWIRE_TRACE_H_
#define PGSIDECAR_PGWIRE_TRACE_H_

#include <string>
#include <string_view>

namespace pgsidecar::pgwire {

enum class Direction : char { kFrontend = 'F', kBackend = 'B' };

// Incremental: Feed takes bytes in any pieces and appends a line to `to` for each whole message.
// The first frontend packet(s) are untyped. `regress` masks what differs between runs (PIDs, keys,
// lengths of errors' file and line fields, as PQTRACE_REGRESS_MODE does).
class TracePrinter {
 public:
  explicit TracePrinter(bool regress = true);
  void Feed(Direction direction, std::string_view bytes, std::string& to);

 private:
  bool regress_;
  bool started_ = false;  // the StartupMessage has passed
  std::string pending_[2];
};

}  // namespace pgsidecar::pgwire

#endif  // PGSIDECAR_PGWIRE_TRACE_H_
