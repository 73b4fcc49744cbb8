// What the fuzz targets of pgwire/ hold of every message: decoding reads nothing outside the body
// (AddressSanitizer sees to that), and what decodes is encoded to a message that decodes to the
// same.

#ifndef PGSIDECAR_TESTS_FUZZ_PGWIRE_FUZZ_CHECKS_H_
#define PGSIDECAR_TESTS_FUZZ_PGWIRE_FUZZ_CHECKS_H_

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/result.h"
#include "pgwire/frame.h"

namespace pgsidecar::pgwire {

// Unlike an assert, also in a build without assertions.
inline void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

// An error is one that a client can be sent.
inline void RequireError(const Error& error) {
  Require(error.sqlstate.size() == 5, "an error has a SQLSTATE");
  Require(!error.message.empty(), "an error has a message");
}

// `encode` appends the whole message, header included. Every layout here has one encoding of one
// message, so that equal bytes are equal messages and the body itself must come back.
template <typename T, typename EncodeFunction>
void CheckBody(std::string_view body, EncodeFunction encode) {
  const Result<T> first = T::Decode(body);
  if (!first.ok()) return RequireError(first.error());
  std::string once;
  encode(*first, once);
  std::string_view encoded_body = once;
  encoded_body.remove_prefix(kHeaderBytes);
  Require(encoded_body == body, "what decodes is encoded as it was");
  const Result<T> second = T::Decode(encoded_body);
  Require(second.ok(), "what was encoded decodes");
  std::string twice;
  encode(*second, twice);
  Require(once == twice, "a second round changes nothing");
}

template <typename T>
void CheckBody(std::string_view body) {
  CheckBody<T>(body, [](const T& message, std::string& to) { message.Encode(to); });
}

// Walks a stream of typed messages, each body handed to `check`, until it cannot be framed.
template <typename ReadHeaderFunction, typename CheckFunction>
void WalkFrames(std::string_view stream, ReadHeaderFunction read_header, CheckFunction check) {
  for (;;) {
    FrameHeader header;
    Error error;
    const FrameStatus status = read_header(stream, &header, &error);
    if (status == FrameStatus::kError) return RequireError(error);
    if (status == FrameStatus::kNeedMore) return;
    stream.remove_prefix(kHeaderBytes);
    if (header.body_bytes > stream.size()) return;
    check(header.type, stream.substr(0, header.body_bytes));
    stream.remove_prefix(header.body_bytes);
  }
}

}  // namespace pgsidecar::pgwire

#endif  // PGSIDECAR_TESTS_FUZZ_PGWIRE_FUZZ_CHECKS_H_
