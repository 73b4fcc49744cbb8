// What a client asks for, cut from its bytes: one Request is the most that can be decided at once.
//
//   a simple Query                                        kQuery
//   extended-protocol messages up to a Sync or a Flush    kExtended
//   a FunctionCall                                        kFunctionCall
//   a run of CopyData, CopyDone, CopyFail                 kCopy
//   Terminate                                             kTerminate
//
// A message larger than kMaxWholeBytes is not held: the request then ends with its beginning, and
// `rest_bytes` of it are still to be passed on as they come. An extended request is also cut when
// it grows beyond kMaxRequestBytes; it then ends without Sync, as if the client had sent Flush.

#ifndef PGSIDECAR_PROXY_REQUEST_H_
#define PGSIDECAR_PROXY_REQUEST_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "pgwire/frame.h"

namespace pgsidecar::proxy {

struct Request {
  static constexpr size_t kMaxWholeBytes = size_t{256} * 1024;
  static constexpr size_t kMaxRequestBytes = size_t{1} << 20;

  enum class Kind : uint8_t { kQuery, kExtended, kFunctionCall, kCopy, kTerminate };

  struct Message {
    char type;
    size_t offset;  // of its header in `bytes`
    size_t size;    // what of it is in `bytes`, header included
  };

  Kind kind = Kind::kQuery;
  std::string bytes;
  std::vector<Message> messages;  // empty for kCopy
  bool synced = false;            // ends with Sync
  size_t rest_bytes = 0;          // of the last message, not in `bytes`
  bool copy_ended = false;        // kCopy: with CopyDone or CopyFail

  std::string_view body(const Message& message) const {
    return std::string_view(bytes).substr(message.offset + pgwire::kHeaderBytes,
                                          message.size - pgwire::kHeaderBytes);
  }
  bool IsPartial(const Message& message) const {
    return rest_bytes > 0 && &message == &messages.back();
  }
  void Append(char type, std::string_view message);
  void Clear();
};

class RequestReader {
 public:
  enum class Outcome : uint8_t { kNeedMore, kRequest, kError };

  // Takes bytes from the front of `input` to the end of `request`, which is empty at first.
  // kRequest: it is whole. kNeedMore: it may have begun, and what is left of `input` is less than a
  // message; both have to be handed in again, with more behind it.
  Outcome Next(std::string_view& input, Request* request, Error* error);

  // Bytes of a message begun in the last request; not more than its rest_bytes.
  std::string_view TakeRest(std::string_view& input);
  size_t rest_bytes() const { return rest_bytes_; }

 private:
  Outcome End(const Request& request);
  Outcome NextCopy(std::string_view& input, Request* request, Error* error);

  size_t rest_bytes_ = 0;
};

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_REQUEST_H_
