// Entries for the tests of the store.

#ifndef PGSIDECAR_TESTS_UNIT_CACHE_MAKE_ENTRY_H_
#define PGSIDECAR_TESTS_UNIT_CACHE_MAKE_ENTRY_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cache/store.h"

namespace pgsidecar::cache {

inline Digest KeyOf(uint64_t number) { return Sha256("key " + std::to_string(number)); }

inline std::shared_ptr<Entry> MakeEntry(uint64_t number, size_t row_bytes = 100,
                                        std::vector<Stamp> stamps = {}, TimePoint filled_at = {}) {
  auto entry = std::make_shared<Entry>();
  entry->key = KeyOf(number);
  entry->row_description = "T";
  entry->rows = std::string(row_bytes, 'D');
  entry->command_complete = "C";
  entry->row_count = number;
  entry->stamps = std::move(stamps);
  entry->filled_at = filled_at;
  entry->keep = {.max_age = std::chrono::minutes(1)};
  return entry;
}

}  // namespace pgsidecar::cache

#endif  // PGSIDECAR_TESTS_UNIT_CACHE_MAKE_ENTRY_H_
