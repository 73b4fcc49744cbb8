// A Result is either its value or its error.

#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

namespace pgsidecar {
namespace {

TEST(ResultTest, HoldsAValue) {
  Result<std::string> result = std::string("value");
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(static_cast<bool>(result));
  EXPECT_EQ(*result, "value");
  EXPECT_EQ(result->size(), 5U);
  result.value() += "!";
  EXPECT_EQ(result.value(), "value!");
}

TEST(ResultTest, HoldsAnError) {
  const Result<int> result = Error{"08P01", "no", "because", "do not"};
  ASSERT_FALSE(result.ok());
  EXPECT_FALSE(static_cast<bool>(result));
  EXPECT_EQ(result.error().sqlstate, "08P01");
  EXPECT_EQ(result.error().hint, "do not");
}

TEST(ResultTest, GivesUpAValueThatOnlyMoves) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(7);
  const std::unique_ptr<int> value = std::move(result).value();
  EXPECT_EQ(*value, 7);
}

}  // namespace
}  // namespace pgsidecar
