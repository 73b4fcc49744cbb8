#include "base/ref.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "tests/unit/base/shared_text.h"

namespace pgsidecar {
namespace {

TEST(RefTest, TheLastOneDestroys) {
  bool gone = false;
  Ref<const SharedText> first = MakeShared("text", &gone);
  Ref<const SharedText> second = first;
  EXPECT_EQ(first, second);
  first.reset();
  EXPECT_EQ(first, nullptr);
  EXPECT_FALSE(gone);
  EXPECT_EQ(second->text, "text");
  second = MakeShared("other");
  EXPECT_TRUE(gone);
}

TEST(RefTest, AMoveLeavesNothing) {
  bool gone = false;
  {
    Ref<const SharedText> first = MakeShared("text", &gone);
    Ref<const SharedText> second = std::move(first);
    EXPECT_FALSE(first);  // NOLINT
    Ref<const SharedText> third;
    third = std::move(second);
    EXPECT_FALSE(second);  // NOLINT
    Ref<const SharedText>& same = third;
    third = same;
    EXPECT_EQ(third->text, "text");
    EXPECT_FALSE(gone);
  }
  EXPECT_TRUE(gone);
}

TEST(RefTest, AdoptAndDetachDoNotCount) {
  bool gone = false;
  Ref<const SharedText> ref = MakeShared("text", &gone);
  const SharedText* const bare = ref.Detach();
  ref.reset();
  EXPECT_FALSE(gone);
  EXPECT_EQ(Ref<const SharedText>::Adopt(bare)->text, "text");
  EXPECT_TRUE(gone);
}

TEST(OwnerTest, KeepsWhateverItIsAlive) {
  bool gone = false;
  Owner owner(MakeShared("text", &gone));
  EXPECT_TRUE(static_cast<bool>(owner));
  Owner other = std::move(owner);
  EXPECT_FALSE(static_cast<bool>(owner));  // NOLINT
  owner = std::move(other);
  EXPECT_FALSE(gone);
  owner.reset();
  EXPECT_TRUE(gone);
  EXPECT_FALSE(static_cast<bool>(owner));
}

TEST(RefTest, ManyThreadsCountRight) {
  bool gone = false;
  Ref<const SharedText> shared = MakeShared("text", &gone);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([mine = shared] {
      for (int step = 0; step < 10'000; ++step) {
        const Ref<const SharedText> copy = mine;
        ASSERT_EQ(copy->text.size(), 4u);
      }
    });
  }
  shared.reset();
  for (std::thread& thread : threads) thread.join();
  threads.clear();
  EXPECT_TRUE(gone);
}

}  // namespace
}  // namespace pgsidecar
