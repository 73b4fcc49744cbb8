// Tables of statements and their outcomes.

#ifndef PGSIDECAR_TESTS_UNIT_CATALOG_OUTCOME_TABLE_H_
#define PGSIDECAR_TESTS_UNIT_CATALOG_OUTCOME_TABLE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <string_view>

#include "tests/unit/catalog/sample.h"

namespace pgsidecar::catalog {

struct OutcomeCase {
  std::string_view text;
  std::string_view outcome;
};

inline void ExpectOutcomes(std::initializer_list<OutcomeCase> cases,
                           std::string_view search_path = "\"$user\", public") {
  for (const OutcomeCase& one : cases) {
    EXPECT_EQ(Outcome(one.text, search_path), one.outcome) << one.text;
  }
}

}  // namespace pgsidecar::catalog

#endif  // PGSIDECAR_TESTS_UNIT_CATALOG_OUTCOME_TABLE_H_
