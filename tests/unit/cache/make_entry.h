// Entries for tests.

#ifndef PGSIDECAR_TESTS_UNIT_CACHE_MAKE_ENTRY_H_
#define PGSIDECAR_TESTS_UNIT_CACHE_MAKE_ENTRY_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "cache/entry.h"

namespace pgsidecar::cache {

inline Digest KeyOf(uint64_t number) { return Sha256("key " + std::to_string(number)); }

// What an entry is to be made of.
struct EntrySpec {
  Digest key{};
  std::string row_description{};
  std::string rows{};
  std::string command_complete{};
  uint64_t row_count = 0;
  std::vector<Stamp> stamps{};
  TimePoint filled_at{};
  ReadPolicy keep = {.max_age = std::chrono::minutes(1)};
  uint8_t group = 0;
  Duration server_time{0};

  EntryRef Build() const {
    EntryBuilder builder(stamps);
    for (const std::string* bytes : {&row_description, &rows, &command_complete}) {
      if (builder.Reserve(bytes->size())) builder.Append(*bytes);
    }
    return builder.Build({.key = key,
                          .description_bytes = row_description.size(),
                          .rows_bytes = rows.size(),
                          .row_count = row_count,
                          .filled_at = filled_at,
                          .server_time = server_time,
                          .keep = keep,
                          .group = group});
  }
};

inline EntrySpec SpecOf(uint64_t number, size_t row_bytes = 100, std::vector<Stamp> stamps = {},
                        TimePoint filled_at = {}) {
  return {.key = KeyOf(number),
          .row_description = "T",
          .rows = std::string(row_bytes, 'D'),
          .command_complete = "C",
          .row_count = number,
          .stamps = std::move(stamps),
          .filled_at = filled_at};
}

inline EntryRef MakeEntry(uint64_t number, size_t row_bytes = 100, std::vector<Stamp> stamps = {},
                          TimePoint filled_at = {}) {
  return SpecOf(number, row_bytes, std::move(stamps), filled_at).Build();
}

}  // namespace pgsidecar::cache

#endif  // PGSIDECAR_TESTS_UNIT_CACHE_MAKE_ENTRY_H_
