#include "proxy/request.h"

#include <algorithm>
#include <utility>

#include "pgwire/frontend.h"

namespace pgsidecar::proxy {

namespace frontend = pgwire::frontend_type;

namespace {

bool IsCopy(char type) {
  return type == frontend::kCopyData || type == frontend::kCopyDone || type == frontend::kCopyFail;
}

Request::Kind KindOf(char type) {
  switch (type) {
    case frontend::kQuery:
      return Request::Kind::kQuery;
    case frontend::kFunctionCall:
      return Request::Kind::kFunctionCall;
    case frontend::kTerminate:
      return Request::Kind::kTerminate;
    default:
      return IsCopy(type) ? Request::Kind::kCopy : Request::Kind::kExtended;
  }
}

}  // namespace

void Request::Clear() {
  constexpr size_t kMostKept = 256;
  if (bytes.capacity() > kMaxWholeBytes) std::string().swap(bytes);  // an assignment would keep it
  if (messages.capacity() > kMostKept) messages = std::vector<Message>();
  bytes.clear();
  messages.clear();
  synced = false;
  rest_bytes = 0;
  copy_ended = false;
}

void Request::Append(char type, std::string_view message) {
  messages.push_back({type, bytes.size(), message.size()});
  bytes.append(message);
}

RequestReader::Outcome RequestReader::End(const Request& request) {
  rest_bytes_ = request.rest_bytes;
  return Outcome::kRequest;
}

RequestReader::Outcome RequestReader::Next(std::string_view& input, Request* request,
                                           Error* error) {
  while (true) {
    pgwire::FrameHeader header;
    switch (pgwire::ReadFrontendHeader(input, &header, error)) {
      case pgwire::FrameStatus::kNeedMore:
        return Outcome::kNeedMore;
      case pgwire::FrameStatus::kError:
        return Outcome::kError;
      case pgwire::FrameStatus::kMessage:
        break;
    }
    if (header.type == frontend::kPassword) {
      *error = {"08P01", "unexpected password message: the client is already authenticated", "",
                ""};
      return Outcome::kError;
    }
    const Request::Kind kind = KindOf(header.type);
    // What follows an extended request without Sync does not belong to it.
    if (kind != Request::Kind::kExtended && !request->messages.empty()) return End(*request);
    if (kind == Request::Kind::kCopy) return NextCopy(input, request, error);

    const size_t total = pgwire::kHeaderBytes + header.body_bytes;
    const size_t there = std::min(total, input.size());
    if (there < total &&
        (total <= Request::kMaxWholeBytes || there < Request::kMaxWholeBytes / 4)) {
      return Outcome::kNeedMore;
    }
    request->kind = kind;
    request->Append(header.type, input.substr(0, there));
    input.remove_prefix(there);
    request->rest_bytes = total - there;
    request->synced = header.type == frontend::kSync;
    const bool ends = kind != Request::Kind::kExtended || request->rest_bytes > 0 ||
                      request->synced || header.type == frontend::kFlush ||
                      request->bytes.size() > Request::kMaxRequestBytes;
    if (ends) return End(*request);
  }
}

// Copy data passes as it comes: whole messages as far as they are there, then the beginning of one.
RequestReader::Outcome RequestReader::NextCopy(std::string_view& input, Request* request,
                                               Error* error) {
  request->kind = Request::Kind::kCopy;
  while (!request->copy_ended && request->rest_bytes == 0) {
    pgwire::FrameHeader header;
    const pgwire::FrameStatus status = pgwire::ReadFrontendHeader(input, &header, error);
    if (status == pgwire::FrameStatus::kError) return Outcome::kError;
    if (status == pgwire::FrameStatus::kNeedMore || !IsCopy(header.type)) break;
    const size_t total = pgwire::kHeaderBytes + header.body_bytes;
    const size_t there = std::min(total, input.size());
    if (header.type != frontend::kCopyData) {
      if (there < total) break;
      request->copy_ended = true;
    }
    request->bytes.append(input.substr(0, there));
    input.remove_prefix(there);
    request->rest_bytes = total - there;
  }
  return request->bytes.empty() ? Outcome::kNeedMore : End(*request);
}

std::string_view RequestReader::TakeRest(std::string_view& input) {
  const std::string_view part = input.substr(0, rest_bytes_);
  input.remove_prefix(part.size());
  rest_bytes_ -= part.size();
  return part;
}

}  // namespace pgsidecar::proxy
