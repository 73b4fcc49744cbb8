// Private to the console: rows and values of its tables.

#ifndef PGSIDECAR_PROXY_CONSOLE_TABLE_H_
#define PGSIDECAR_PROXY_CONSOLE_TABLE_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "proxy/local_answer.h"

namespace pgsidecar::proxy {

using Value = std::optional<std::string>;
using Row = std::vector<Value>;

inline Value Text(std::string_view text) { return std::string(text); }
inline Value TextOrNull(std::string_view text) { return text.empty() ? Value() : Text(text); }
template <typename Number>
Value Count(Number number) {
  return std::to_string(number);
}
inline std::string Milliseconds(Duration duration) {
  const auto tenths = duration.count() / 100;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10);
}
inline std::string Seconds(Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(duration).count());
}

inline LocalAnswer Show(std::vector<std::string> columns, std::vector<Row> rows) {
  return {.columns = std::move(columns), .rows = std::move(rows), .tag = "SHOW", .error = {}};
}

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_CONSOLE_TABLE_H_
