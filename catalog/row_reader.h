// Reads one row in text format column by column. A column that is absent or malformed makes the
// whole row bad; the caller asks ok() once, at the end.

#ifndef PGSIDECAR_CATALOG_ROW_READER_H_
#define PGSIDECAR_CATALOG_ROW_READER_H_

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog.h"

namespace pgsidecar::catalog {

class RowReader {
 public:
  // The values of `row` outlive the reader.
  RowReader(Row row, size_t columns) : row_(row), ok_(row.size() == columns) {}

  std::optional<std::string_view> Nullable() {
    if (!ok_ || next_ == row_.size()) {
      ok_ = false;
      return std::nullopt;
    }
    return row_[next_++];
  }

  std::string_view Text() {
    const std::optional<std::string_view> value = Nullable();
    if (!value) ok_ = false;
    return value.value_or(std::string_view());
  }

  // A value of type "char": one byte.
  char Char() {
    const std::string_view text = Text();
    if (text.size() != 1) ok_ = false;
    return text.empty() ? '\0' : text[0];
  }

  bool Bool() {
    const std::string_view text = Text();
    if (text != "t" && text != "f") ok_ = false;
    return text == "t";
  }

  uint32_t Number() { return ParseNumber(Text()); }

  // Numbers between commas; NULL and '' are none.
  std::vector<uint32_t> Numbers() { return Split(Nullable().value_or(std::string_view())); }

  // The text of an array of numbers: '{1,2}'.
  std::vector<uint32_t> NumberArray() {
    const std::string_view text = Text();
    if (text.size() < 2 || text.front() != '{' || text.back() != '}') {
      ok_ = false;
      return {};
    }
    return Split(text.substr(1, text.size() - 2));
  }

  bool ok() const { return ok_ && next_ == row_.size(); }

 private:
  uint32_t ParseNumber(std::string_view text) {
    uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) ok_ = false;
    return value;
  }

  std::vector<uint32_t> Split(std::string_view text) {
    std::vector<uint32_t> numbers;
    while (!text.empty()) {
      const size_t comma = text.find(',');
      numbers.push_back(ParseNumber(text.substr(0, comma)));
      text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    }
    return numbers;
  }

  Row row_;
  size_t next_ = 0;
  bool ok_;
};

}  // namespace pgsidecar::catalog

#endif  // PGSIDECAR_CATALOG_ROW_READER_H_
