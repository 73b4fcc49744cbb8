// Reads the fields of one message body (PostgreSQL documentation, "Message Data Types"). Internal
// to pgwire/.
//
// Failure is sticky: after the first field that is not there every further read returns an empty
// value and moves nothing, so that a decoder reads all its fields in a row and asks once, in
// Finish. Views point into the body. The wording of the errors is PostgreSQL's (pqformat.c).

#ifndef PGSIDECAR_PGWIRE_READER_H_
#define PGSIDECAR_PGWIRE_READER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/result.h"

namespace pgsidecar::pgwire {

inline Error ProtocolViolation(std::string message) {
  return Error{"08P01", std::move(message), "", ""};
}

class Reader {
 public:
  explicit Reader(std::string_view body) : rest_(body) {}

  bool failed() const { return failure_ != nullptr; }
  // REQUIRES: failed().
  Error error() const { return ProtocolViolation(failure_); }
  std::string_view rest() const { return rest_; }

  // Keeps the first failure; `message` is a literal.
  void Fail(const char* message) {
    if (failure_ == nullptr) failure_ = message;
    rest_ = {};
  }

  char Byte() {
    if (rest_.empty()) {
      Fail("no data left in message");
      return 0;
    }
    return Bytes(1).front();
  }
  uint16_t Int16() {
    const std::string_view bytes = Bytes(sizeof(uint16_t));
    return failed() ? uint16_t{0} : LoadBig16(bytes.data());
  }
  uint32_t Int32() {
    const std::string_view bytes = Bytes(sizeof(uint32_t));
    return failed() ? 0 : LoadBig32(bytes.data());
  }

  std::string_view Bytes(size_t count) {
    if (count > rest_.size()) Fail("insufficient data left in message");
    if (failed()) return {};
    const std::string_view bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }
  std::string_view Rest() { return Bytes(rest_.size()); }

  // A string and its terminator; the view leaves the terminator out.
  std::string_view String() {
    const size_t end = rest_.find('\0');
    if (end == std::string_view::npos) {
      Fail("invalid string in message");
      return {};
    }
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }

  // A value behind its 32-bit length; -1 is NULL.
  std::optional<std::string_view> Value() {
    const auto length = static_cast<int32_t>(Int32());
    if (length == -1) return std::nullopt;
    if (length < -1) Fail("insufficient data left in message");
    const std::string_view bytes = Bytes(static_cast<size_t>(length));
    if (failed()) return std::nullopt;
    return bytes;
  }

  // An unsigned 16-bit count of items that take at least `item_bytes` each. Fails at once if the
  // body cannot hold them, so that whoever reserves room for them is bounded by the body.
  uint16_t Count(size_t item_bytes) {
    const uint16_t count = Int16();
    CheckRoom(count, item_bytes);
    return failed() ? uint16_t{0} : count;
  }
  uint32_t Count32(size_t item_bytes) {
    const uint32_t count = Int32();
    CheckRoom(count, item_bytes);
    return failed() ? 0 : count;
  }

  // What is wrong, if a field was missing or bytes are left over.
  std::optional<Error> Finish() {
    if (!rest_.empty()) Fail("invalid message format");
    if (failed()) return error();
    return std::nullopt;
  }
  // The message, unless something is.
  template <typename T>
  Result<T> Finish(T message) {
    if (auto error = Finish()) return *std::move(error);
    return message;
  }

 private:
  void CheckRoom(size_t count, size_t item_bytes) {
    if (count * item_bytes > rest_.size()) Fail("insufficient data left in message");
  }

  std::string_view rest_;          // what has not been read; empty once failed
  const char* failure_ = nullptr;  // the first failure
};

}  // namespace pgsidecar::pgwire

#endif  // PGSIDECAR_PGWIRE_READER_H_
