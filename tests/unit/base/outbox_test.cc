// An outbox against a string that has been through the same.

#include "base/outbox.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/unit/base/shared_text.h"

namespace pgsidecar {
namespace {

std::string Whole(const Outbox& out) {
  std::vector<std::string_view> pieces(out.pieces());
  pieces.resize(out.Peek(pieces));
  std::string all;
  for (const std::string_view piece : pieces) {
    EXPECT_FALSE(piece.empty());
    all += piece;
  }
  return all;
}

TEST(OutboxTest, KeepsOrderThroughRandomOperations) {
  std::mt19937 random(1);
  const auto roll = [&](size_t below) {
    return std::uniform_int_distribution<size_t>(0, below - 1)(random);
  };
  Outbox out;
  std::string reference;
  for (int i = 0; i < 20'000; ++i) {
    const std::string text(roll(10) == 0 ? roll(3 * Outbox::kShareBytes) : roll(50),
                           static_cast<char>('a' + i % 26));
    switch (roll(5)) {
      case 0:
        out.Append(text);
        reference += text;
        break;
      case 1: {
        const auto owner = MakeShared(text);
        out.AppendShared(owner, owner->text);
        reference += text;
        break;
      }
      case 2:
        out.Emit([&](std::string& to) { to += text; });
        reference += text;
        break;
      default: {
        const size_t count =
            roll(2) == 0 ? roll(reference.size() + 1) : std::min(reference.size(), size_t{3});
        out.Consume(count);
        reference.erase(0, count);
        break;
      }
    }
    ASSERT_EQ(out.bytes(), reference.size());
    ASSERT_EQ(out.empty(), reference.empty());
    if (i % 50 == 0) {
      ASSERT_EQ(Whole(out), reference) << i;
    }
  }
}

TEST(OutboxTest, PeekFillsWhatThereIsRoomFor) {
  Outbox out;
  const auto owner = MakeShared(std::string(Outbox::kShareBytes, 's'));
  out.Append("ab");
  out.AppendShared(owner, owner->text);
  out.Append("cd");
  out.Consume(1);
  std::string_view one[1];
  EXPECT_EQ(out.Peek(one), 1u);
  EXPECT_EQ(one[0], "b");
  std::string_view many[5];
  EXPECT_EQ(out.Peek(many), 3u);
  EXPECT_EQ(many[2], "cd");
}

TEST(OutboxTest, KeepsSharedBytesAliveUntilTheyAreConsumed) {
  Outbox out;
  bool gone = false;
  auto owner = MakeShared(std::string(Outbox::kShareBytes, 's'), &gone);
  out.AppendShared(owner, owner->text);
  out.Append("tail");
  owner.reset();
  EXPECT_FALSE(gone);
  out.Consume(Outbox::kShareBytes);
  EXPECT_TRUE(gone);
  EXPECT_EQ(Whole(out), "tail");
  out.Clear();
  EXPECT_TRUE(out.empty());
}

}  // namespace
}  // namespace pgsidecar
