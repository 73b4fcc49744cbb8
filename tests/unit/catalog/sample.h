// The sample database as a Catalog, and a Resolved as one line of words, so that tests read as
// tables of statement and outcome.

#ifndef PGSIDECAR_TESTS_UNIT_CATALOG_SAMPLE_H_
#define PGSIDECAR_TESTS_UNIT_CATALOG_SAMPLE_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "catalog/catalog.h"
#include "catalog/resolve.h"

namespace pgsidecar::catalog {

// Every row of tests/unit/catalog/sample.rows, result set by result set.
void ForEachSampleRow(const std::function<void(size_t result_set, Row row)>& on_row);
// Feeds them to `builder`.
void AddSampleRows(CatalogBuilder& builder);
const Catalog& Sample();

// For example "none reads=accounts,branches" or "not_a_select writes=accounts sequence". In
// this order: refusal, reads, writes or anything, catalog, pin, environment, commit.
std::string Describe(const Resolved& resolved, const Catalog& catalog);

// Of the only statement in `text`, under `search_path`.
std::string Outcome(std::string_view text, std::string_view search_path = "\"$user\", public");

std::string OutcomeIn(const Catalog& catalog, std::string_view text,
                      std::string_view search_path = "\"$user\", public");

}  // namespace pgsidecar::catalog

#endif  // PGSIDECAR_TESTS_UNIT_CATALOG_SAMPLE_H_
