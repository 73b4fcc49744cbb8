// An entry's block: what is put into it comes out of it, and it takes what it says.

#include "cache/entry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include "tests/unit/cache/make_entry.h"

namespace pgsidecar::cache {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

TEST(EntryTest, KeepsWhatItIsMadeOf) {
  for (const size_t rows : {0u, 1u, 100u, 1000u, 8000u, 20'000u, 300'000u}) {
    for (const size_t stamps : {0u, 1u, 3u, 500u}) {
      EntrySpec spec = SpecOf(7, rows);
      for (uint32_t i = 0; i < stamps; ++i) spec.stamps.emplace_back(i, uint64_t{i} << 33 | 5);
      spec.row_description = "description";
      spec.filled_at = TimePoint(hours(5));
      spec.keep = {.max_age = hours(1), .check_stamps = rows % 2 == 0};
      spec.group = 2;
      const EntryRef entry = spec.Build();
      EXPECT_EQ(entry->key(), spec.key);
      EXPECT_EQ(entry->row_description(), spec.row_description);
      EXPECT_EQ(entry->rows(), spec.rows);
      EXPECT_EQ(entry->command_complete(), spec.command_complete);
      EXPECT_EQ(entry->messages(), spec.row_description + spec.rows + spec.command_complete);
      EXPECT_EQ(entry->rows_and_complete(), spec.rows + spec.command_complete);
      EXPECT_EQ(entry->row_count(), spec.row_count);
      EXPECT_THAT(entry->stamps(), testing::ElementsAreArray(spec.stamps));
      EXPECT_EQ(entry->filled_at(), spec.filled_at);
      EXPECT_EQ(entry->keep().max_age, spec.keep.max_age);
      EXPECT_EQ(entry->keep().check_stamps, spec.keep.check_stamps);
      EXPECT_EQ(entry->group(), 2);
    }
  }
}

// Kept in less room than they come in: a time to live is never cut short, a saved time not added
// to.
TEST(EntryTest, TimesAtTheirLimits) {
  const auto keep = [](Duration max_age) {
    EntrySpec spec = SpecOf(1);
    spec.keep.max_age = max_age;
    return spec.Build()->keep().max_age;
  };
  EXPECT_EQ(keep(Duration(0)), Duration(0));
  EXPECT_EQ(keep(Duration(1)), milliseconds(1));
  EXPECT_EQ(keep(milliseconds(1500)), milliseconds(1500));
  EXPECT_EQ(keep(hours(24 * 49)), hours(24 * 49));
  EXPECT_GE(keep(hours(24 * 1000)), hours(24 * 1000));
  EXPECT_EQ(keep(Duration::max()), Duration::max());
  EXPECT_EQ(EntryBuilder({}).Build({.server_time = hours(9)})->server_time(), Duration(UINT32_MAX));
  EXPECT_EQ(EntryBuilder({}).Build({.server_time = Duration(-1)})->server_time(), Duration(0));
}

TEST(EntryTest, ChargeCountsEverything) {
  const auto charge = [](size_t description, size_t rows, size_t complete, size_t stamps) {
    return EntrySpec{.row_description = std::string(description, 'T'),
                     .rows = std::string(rows, 'D'),
                     .command_complete = std::string(complete, 'C'),
                     .stamps = std::vector<Stamp>(stamps, Stamp(1, 1))}
        .Build()
        ->ChargeBytes();
  };
  const size_t bare = charge(0, 0, 0, 0);
  EXPECT_GE(bare, sizeof(Entry));
  size_t before = bare;
  const auto grew_by = [&](size_t bytes, size_t after) {
    EXPECT_GE(after + 16, before + bytes);
    EXPECT_LE(after, before + bytes + 16);
    before = after;
  };
  grew_by(1000, charge(1000, 0, 0, 0));
  grew_by(2000, charge(1000, 2000, 0, 0));
  grew_by(100, charge(1000, 2000, 100, 0));
  grew_by(10 * sizeof(Stamp), charge(1000, 2000, 100, 10));
}

TEST(EntryTest, ChargeIsWhatMallocTakes) {
  for (size_t rows = 0; rows < 10'000; rows = rows * 5 / 4 + 1) {
    const EntryRef entry = MakeEntry(1, rows);
    const size_t usable = malloc_usable_size(const_cast<Entry*>(entry.get()));
    EXPECT_GE(entry->ChargeBytes(), usable);
    EXPECT_LE(entry->ChargeBytes(), usable + 32) << rows;
  }
}

TEST(EntryBuilderTest, GrowsAsMessagesCome) {
  const std::vector<Stamp> stamps = {{1, 2}, {3, uint64_t{4} << 40}};
  EntryBuilder builder(stamps);
  std::string all;
  for (size_t bytes = 1; bytes < 300'000; bytes = bytes * 3 / 2 + 1) {
    const std::string message(bytes, static_cast<char>('a' + bytes % 26));
    ASSERT_TRUE(builder.Reserve(bytes));
    builder.Append(message.substr(0, bytes / 2));
    builder.Append(message.substr(bytes / 2));
    all += message;
    ASSERT_EQ(builder.messages(), all);
    ASSERT_THAT(builder.stamps(), testing::ElementsAreArray(stamps));
  }
  EntryBuilder moved = std::move(builder);
  const EntryRef entry = moved.Build({.rows_bytes = all.size()});
  EXPECT_EQ(entry->rows(), all);
  EXPECT_THAT(entry->stamps(), testing::ElementsAreArray(stamps));
}

TEST(EntryBuilderTest, DropsMessagesAndKeepsStamps) {
  EntryBuilder builder(std::vector<Stamp>{{1, 2}});
  ASSERT_TRUE(builder.Reserve(100'000));
  builder.Append(std::string(100'000, 'x'));
  builder.DropMessages();
  EXPECT_EQ(builder.messages(), "");
  EXPECT_THAT(builder.stamps(), testing::ElementsAre(Stamp(1, 2)));
}

}  // namespace
}  // namespace pgsidecar::cache
