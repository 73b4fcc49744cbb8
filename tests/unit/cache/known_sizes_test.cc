#include "cache/known_sizes.h"

#include <gtest/gtest.h>

#include <string>

namespace pgsidecar::cache {
namespace {

constexpr size_t kMax = size_t{8} << 20;
constexpr size_t kUnseen = KnownSizes::kUnseenBytes;

TEST(KnownSizesTest, WhatNobodyHasSeenIsCopiedALittle) {
  const KnownSizes sizes;
  EXPECT_EQ(sizes.CopyLimit(Sha256("key"), kMax), kUnseen);
  EXPECT_EQ(sizes.CopyLimit(Sha256("key"), 1000), 1000u);
}

TEST(KnownSizesTest, WhatFitsIsCopiedWhole) {
  KnownSizes sizes;
  sizes.Note(Sha256("key"), kMax);
  EXPECT_EQ(sizes.CopyLimit(Sha256("key"), kMax), kMax);
  EXPECT_EQ(sizes.CopyLimit(Sha256("other"), kMax), kUnseen);
}

// Its class, and so its limit, may be another the next time; and so may its size.
TEST(KnownSizesTest, WhatDoesNotFitIsNotCopied) {
  KnownSizes sizes;
  sizes.Note(Sha256("key"), kMax + 1);
  EXPECT_EQ(sizes.CopyLimit(Sha256("key"), kMax), 0u);
  EXPECT_EQ(sizes.CopyLimit(Sha256("key"), kMax + 1), kMax + 1);
  sizes.Note(Sha256("key"), kMax);
  EXPECT_EQ(sizes.CopyLimit(Sha256("key"), kMax), kMax);
}

TEST(KnownSizesTest, OnlyWhatIsLargeTakesAPlace) {
  KnownSizes sizes;
  sizes.Note(Sha256("large"), kMax);
  for (int i = 0; i < 10'000; ++i) sizes.Note(Sha256("small" + std::to_string(i)), kUnseen);
  EXPECT_EQ(sizes.CopyLimit(Sha256("large"), kMax), kMax);
}

// The first byte of a key chooses the set.
TEST(KnownSizesTest, ThoseOfOneSetDoNotDriveEachOtherOut) {
  KnownSizes sizes;
  const auto key = [](uint8_t number) { return Digest{7, number}; };
  for (int round = 0; round < 3; ++round) {
    for (uint8_t number = 1; number <= 4; ++number) {
      EXPECT_EQ(sizes.CopyLimit(key(number), kMax), round == 0 ? kUnseen : kMax);
      sizes.Note(key(number), kMax);
    }
  }
  sizes.Note(key(5), kMax);  // in place of the one that was noted longest ago
  EXPECT_EQ(sizes.CopyLimit(key(1), kMax), kUnseen);
  for (uint8_t number = 2; number <= 5; ++number) {
    EXPECT_EQ(sizes.CopyLimit(key(number), kMax), kMax);
  }
}

TEST(KnownSizesTest, AnAnswerThatHasBecomeSmallIsForgottenToBeTooLarge) {
  KnownSizes sizes;
  sizes.Note(Sha256("key"), kMax + 1);
  sizes.Note(Sha256("key"), 100);
  EXPECT_EQ(sizes.CopyLimit(Sha256("key"), kMax), kUnseen);
}

}  // namespace
}  // namespace pgsidecar::cache
