#include "cache/ghost.h"

#include <gtest/gtest.h>

#include "tests/unit/cache/make_entry.h"

namespace pgsidecar::cache {
namespace {

TEST(GhostTest, RemembersOnce) {
  Ghost ghost(100);
  EXPECT_FALSE(ghost.Recall(KeyOf(1)));
  ghost.Remember(KeyOf(1));
  EXPECT_FALSE(ghost.Recall(KeyOf(2)));
  EXPECT_TRUE(ghost.Recall(KeyOf(1)));
  EXPECT_FALSE(ghost.Recall(KeyOf(1)));
}

TEST(GhostTest, FadesAfterAboutAsManyAsItHasPlaces) {
  constexpr uint64_t kPlaces = 1000;
  Ghost ghost(kPlaces);
  for (uint64_t i = 0; i < 20 * kPlaces; ++i) ghost.Remember(KeyOf(i));
  uint64_t old = 0, young = 0;
  for (uint64_t i = 0; i < kPlaces; ++i) {
    old += ghost.Recall(KeyOf(i)) ? 1 : 0;
    young += ghost.Recall(KeyOf(20 * kPlaces - 1 - i)) ? 1 : 0;
  }
  EXPECT_EQ(old, 0u);
  EXPECT_GT(young, kPlaces / 2);
}

TEST(GhostTest, OnePlaceIsEnough) {
  Ghost ghost(1);
  ghost.Remember(KeyOf(1));
  ghost.Remember(KeyOf(2));
  EXPECT_FALSE(ghost.Recall(KeyOf(1)));
  EXPECT_TRUE(ghost.Recall(KeyOf(2)));
}

TEST(GhostTest, AKeyOfZeros) {
  Ghost ghost(10);
  EXPECT_FALSE(ghost.Recall(Digest{}));  // an empty place is nobody's
  ghost.Remember(Digest{});
  EXPECT_TRUE(ghost.Recall(Digest{}));
}

TEST(GhostTest, Clear) {
  Ghost ghost(10);
  ghost.Remember(KeyOf(1));
  ghost.Clear();
  EXPECT_FALSE(ghost.Recall(KeyOf(1)));
}

}  // namespace
}  // namespace pgsidecar::cache
