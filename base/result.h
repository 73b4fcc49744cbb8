// Errors as values. An Error is what a client is told: a SQLSTATE of PostgreSQL's appendix A and a
// primary message in PostgreSQL's style (lower case, no full stop); detail and hint as in the
// fields D and H of ErrorResponse, empty where there is nothing to say.

#ifndef PGSIDECAR_BASE_RESULT_H_
#define PGSIDECAR_BASE_RESULT_H_

#include <string>
#include <utility>
#include <variant>

namespace pgsidecar {

struct Error {
  std::string sqlstate;  // five characters, for example "08P01"
  std::string message;
  std::string detail;
  std::string hint;
};

// Either a T or an Error. REQUIRES: value() only if ok(), error() only if !ok().
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  const T& value() const& { return *std::get_if<0>(&state_); }
  T& value() & { return *std::get_if<0>(&state_); }
  T&& value() && { return std::move(*std::get_if<0>(&state_)); }
  const T& operator*() const& { return value(); }
  T& operator*() & { return value(); }
  T&& operator*() && { return std::move(value()); }
  const T* operator->() const { return &value(); }
  T* operator->() { return &value(); }
  const Error& error() const { return *std::get_if<1>(&state_); }

 private:
  std::variant<T, Error> state_;
};

}  // namespace pgsidecar

#endif  // PGSIDECAR_BASE_RESULT_H_
