#include "proxy/advice.h"

#include <gtest/gtest.h>

#include "catalog/resolve.h"

namespace pgsidecar::proxy {
namespace {

TEST(AdviceTest, ForEveryRefusalAndPin) {
  for (auto i = 1; i < static_cast<int>(catalog::Refusal::kCount_); ++i) {
    const auto name = catalog::RefusalName(static_cast<catalog::Refusal>(i));
    EXPECT_FALSE(AdviceFor(name).empty()) << name;
  }
  for (auto i = 1; i < static_cast<int>(catalog::Pin::kCount_); ++i) {
    const auto name = catalog::PinName(static_cast<catalog::Pin>(i));
    EXPECT_FALSE(AdviceFor(name).empty()) << name;
  }
  EXPECT_TRUE(AdviceFor("").empty());
}

}  // namespace
}  // namespace pgsidecar::proxy
