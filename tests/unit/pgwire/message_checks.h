// What holds of every message with a layout of its own: it survives a round trip, every cut of it
// is an error, and so is a byte too many.

#ifndef PGSIDECAR_TESTS_UNIT_PGWIRE_MESSAGE_CHECKS_H_
#define PGSIDECAR_TESTS_UNIT_PGWIRE_MESSAGE_CHECKS_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

#include "pgwire/frame.h"

namespace pgsidecar::pgwire {

using namespace std::string_view_literals;  // NOLINT(google-build-using-namespace): ""sv

// Bytes in a heap block of exactly their size, so that AddressSanitizer sees a read behind them.
class ExactBytes {
 public:
  explicit ExactBytes(std::string_view bytes) : size_(bytes.size()), data_(new char[bytes.size()]) {
    std::copy(bytes.begin(), bytes.end(), data_.get());
  }
  std::string_view view() const { return {data_.get(), size_}; }

 private:
  size_t size_;
  std::unique_ptr<char[]> data_;
};

template <typename T>
std::string Encoded(const T& message) {
  std::string bytes;
  message.Encode(bytes);
  return bytes;
}

inline std::string_view Body(std::string_view message) { return message.substr(kHeaderBytes); }

// The error that decoding `body` gives; an empty one if it gives none.
template <typename T>
Error DecodeError(std::string_view body) {
  const ExactBytes exact(body);
  const Result<T> result = T::Decode(exact.view());
  return result.ok() ? Error{} : result.error();
}

// Expects that `message` says so in its header and comes back from its own bytes.
template <typename T, typename ReadHeaderFunction>
void ExpectRoundTrip(const T& message, char type, ReadHeaderFunction read_header) {
  const std::string bytes = Encoded(message);
  FrameHeader header;
  Error error;
  ASSERT_EQ(read_header(bytes, &header, &error), FrameStatus::kMessage) << error.message;
  EXPECT_EQ(header.type, type);
  EXPECT_EQ(header.body_bytes, bytes.size() - kHeaderBytes);

  const ExactBytes body(Body(bytes));
  const Result<T> decoded = T::Decode(body.view());
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  EXPECT_EQ(Encoded(*decoded), bytes);
}

// Expects that nothing but the whole body decodes.
template <typename T>
void ExpectOnlyWhole(const T& message) {
  const std::string bytes = Encoded(message);
  const std::string_view body = Body(bytes);
  for (size_t cut = 0; cut < body.size(); ++cut) {
    EXPECT_EQ(DecodeError<T>(body.substr(0, cut)).sqlstate, "08P01") << "cut at " << cut;
  }
  for (const char extra : {'\0', 'x'}) {
    EXPECT_EQ(DecodeError<T>(std::string(body) + extra).sqlstate, "08P01");
  }
}

template <typename T>
void ExpectFrontendMessage(const T& message, char type) {
  ExpectRoundTrip(message, type, ReadFrontendHeader);
  ExpectOnlyWhole(message);
}

template <typename T>
void ExpectBackendMessage(const T& message, char type) {
  ExpectRoundTrip(message, type, ReadBackendHeader);
  ExpectOnlyWhole(message);
}

}  // namespace pgsidecar::pgwire

#endif  // PGSIDECAR_TESTS_UNIT_PGWIRE_MESSAGE_CHECKS_H_
