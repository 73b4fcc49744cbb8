// Frontend messages: plain structs. Decode(body) takes the body without its header; the views that
// it returns point into that body. Bytes left over are an error (08P01), as are a missing
// terminator, a negative length other than -1, counts that the body cannot hold, formats that do
// not go with the number of values, and a kind that Describe and Close do not have. Encode appends
// the whole message, header included; a string ends at its first zero byte, and no list has more
// than 65535 items.

#ifndef PGSIDECAR_PGWIRE_FRONTEND_H_
#define PGSIDECAR_PGWIRE_FRONTEND_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pgsidecar::pgwire {

namespace frontend_type {
inline constexpr char kBind = 'B';
inline constexpr char kClose = 'C';
inline constexpr char kCopyData = 'd';
inline constexpr char kCopyDone = 'c';
inline constexpr char kCopyFail = 'f';
inline constexpr char kDescribe = 'D';
inline constexpr char kExecute = 'E';
inline constexpr char kFlush = 'H';
inline constexpr char kFunctionCall = 'F';
inline constexpr char kParse = 'P';
inline constexpr char kPassword = 'p';  // also SASLInitialResponse, SASLResponse, GSSResponse
inline constexpr char kQuery = 'Q';
inline constexpr char kSync = 'S';
inline constexpr char kTerminate = 'X';
}  // namespace frontend_type

struct Query {
  std::string_view sql;
  static Result<Query> Decode(std::string_view body);
  void Encode(std::string& to) const;
};

struct Parse {
  std::string_view name;
  std::string_view sql;
  std::vector<uint32_t> parameter_types;  // OIDs, 0 where the server is to infer
  static Result<Parse> Decode(std::string_view body);
  void Encode(std::string& to) const;
};

struct Bind {
  std::string_view portal;
  std::string_view statement;
  std::vector<uint16_t> parameter_formats;              // none, one for all, or one each
  std::vector<std::optional<std::string_view>> values;  // nullopt is NULL
  std::vector<uint16_t> result_formats;                 // none, one for all, or one each
  static Result<Bind> Decode(std::string_view body);
  // The same into this one, whose lists keep their memory; after an error its content is of no use.
  std::optional<Error> DecodeFrom(std::string_view body);
  void Encode(std::string& to) const;
};

// A Bind may be large and is then never held whole: its two names stand at the front.
struct BindNames {
  std::string_view portal;
  std::string_view statement;
  size_t bytes = 0;  // length of both with their terminators, what follows them is untouched
  // nullopt if `body_prefix` does not hold both terminators yet.
  static std::optional<BindNames> Decode(std::string_view body_prefix);
};

// Describe and Close: kind is 'S' (prepared statement) or 'P' (portal).
struct Describe {
  char kind = 'S';
  std::string_view name;
  static Result<Describe> Decode(std::string_view body);
  void Encode(std::string& to) const;
};
struct Close {
  char kind = 'S';
  std::string_view name;
  static Result<Close> Decode(std::string_view body);
  void Encode(std::string& to) const;
};

struct Execute {
  std::string_view portal;
  uint32_t max_rows = 0;  // 0: no limit
  static Result<Execute> Decode(std::string_view body);
  void Encode(std::string& to) const;
};

struct CopyFail {
  std::string_view message;
  static Result<CopyFail> Decode(std::string_view body);
  void Encode(std::string& to) const;
};

struct FunctionCall {
  uint32_t function = 0;
  std::vector<uint16_t> argument_formats;
  std::vector<std::optional<std::string_view>> arguments;
  uint16_t result_format = 0;
  static Result<FunctionCall> Decode(std::string_view body);
  void Encode(std::string& to) const;
};

// The three readings of a 'p' message: which one it is depends on the authentication in progress.
struct Password {
  std::string_view password;
  static Result<Password> Decode(std::string_view body);
  void Encode(std::string& to) const;
};
struct SaslInitialResponse {
  std::string_view mechanism;
  std::optional<std::string_view> response;
  static Result<SaslInitialResponse> Decode(std::string_view body);
  void Encode(std::string& to) const;
};
struct SaslResponse {
  std::string_view data;
  static Result<SaslResponse> Decode(std::string_view body);
  void Encode(std::string& to) const;
};

}  // namespace pgsidecar::pgwire

#endif  // PGSIDECAR_PGWIRE_FRONTEND_H_
