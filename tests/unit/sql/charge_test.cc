// An analysis is charged for what it holds, not for its text.

#include <gtest/gtest.h>

#include "sql/analyzer.h"

namespace pgsidecar::sql {
namespace {

TEST(ChargeBytes, CountsWhatTheAnalysisHolds) {
  const size_t plain = ChargeBytes(Analyze("select '" + std::string(90, 'x') + "'"));
  const size_t names = ChargeBytes(Analyze(
      "select a(), b(), c(), d(), e(), f(), g(), h() from i, j, k, l, m, n, o, p, q, r, s, tt"));
  EXPECT_GE(plain, sizeof(TextInfo));
  EXPECT_GE(names - plain, 20 * sizeof(QualifiedName));
  const std::string body = "begin null; /*" + std::string(1000, 'x') + "*/ end";
  EXPECT_GE(ChargeBytes(Analyze("do '" + body + "'")) - plain, body.size());
}

}  // namespace
}  // namespace pgsidecar::sql
