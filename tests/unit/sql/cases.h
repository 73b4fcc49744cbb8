// Statements with what the analyser must say of them. The tables are data: several tests run over
// all of them.

#ifndef PGSIDECAR_TESTS_UNIT_SQL_CASES_H_
#define PGSIDECAR_TESTS_UNIT_SQL_CASES_H_

#include <span>
#include <string_view>
#include <vector>

namespace pgsidecar::sql {

struct Case {
  std::string_view text;
  std::string_view expected;  // as Describe() writes it
};

std::span<const Case> SelectCases();   // reading: expressions, FROM, WITH
std::span<const Case> WriteCases();    // modifying rows, INTO, several statements, errors
std::span<const Case> SessionCases();  // transactions, settings, cursors, EXPLAIN, COPY
std::span<const Case> CreateCases();   // temporary objects and DDL

inline std::vector<Case> AllCases() {
  std::vector<Case> all;
  for (const auto cases : {SelectCases(), WriteCases(), SessionCases(), CreateCases()}) {
    all.insert(all.end(), cases.begin(), cases.end());
  }
  return all;
}

}  // namespace pgsidecar::sql

#endif  // PGSIDECAR_TESTS_UNIT_SQL_CASES_H_
