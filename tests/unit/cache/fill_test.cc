// Fills: which replies become entries, however they are cut, and which do not.

#include "cache/fill.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include "base/bytes.h"

namespace pgsidecar::cache {
namespace {

using std::chrono::milliseconds;
using std::string_literals::operator""s;

constexpr size_t kPlenty = 1 << 20;
const TimePoint kSent{std::chrono::seconds(100)};
const TimePoint kDone = kSent + milliseconds(30);

std::string Message(char type, std::string_view body) {
  std::string message(1, type);
  AppendBig32(message, static_cast<uint32_t>(body.size() + 4));
  return message.append(body);
}

std::string Complete(const std::string& tag) { return Message('C', tag + "\0"s); }

const std::string kColumns = Message('T', "\0\1columns"s);
const std::string kRow = Message('D', "\0\1row"s);
const std::string kOtherRow = Message('D', "\0\1other row"s);

Fill MakeFill(size_t max_bytes = kPlenty) {
  return Fill(Sha256("key"), {{1, 2}, {3, 4}}, kSent, max_bytes);
}

// Hands the messages to the fill in pieces of at most `piece_bytes`.
void Feed(Fill& fill, const std::vector<std::string>& messages, size_t piece_bytes = kPlenty) {
  for (const std::string& message : messages) {
    for (size_t at = 0; at < message.size(); at += piece_bytes) {
      fill.OnPiece(message[0], message.size(), at == 0,
                   std::string_view(message).substr(at, piece_bytes));
    }
  }
}

// What comes of a reply of these messages.
FillOutcome OutcomeOf(const std::vector<std::string>& messages) {
  Fill fill = MakeFill();
  Feed(fill, messages);
  const bool has_entry = fill.Finish(kDone) != nullptr;
  EXPECT_EQ(has_entry, fill.outcome() == FillOutcome::kComplete);
  return fill.outcome();
}

TEST(FillTest, KeepsTheServersBytes) {
  Fill fill = MakeFill();
  Feed(fill, {kColumns, kRow, kOtherRow, Complete("SELECT 2")});
  EXPECT_EQ(fill.outcome(), FillOutcome::kOpen);
  const auto entry = fill.Finish(kDone);
  ASSERT_TRUE(entry);
  EXPECT_EQ(fill.outcome(), FillOutcome::kComplete);
  EXPECT_EQ(entry->key(), Sha256("key"));
  EXPECT_EQ(entry->row_description(), kColumns);
  EXPECT_EQ(entry->rows(), kRow + kOtherRow);
  EXPECT_EQ(entry->command_complete(), Complete("SELECT 2"));
  EXPECT_EQ(entry->row_count(), 2u);
  EXPECT_THAT(entry->stamps(), testing::ElementsAre(Stamp(1, 2), Stamp(3, 4)));
  EXPECT_EQ(entry->filled_at(), kSent);
  EXPECT_EQ(entry->server_time(), milliseconds(30));
}

TEST(FillTest, NoRows) {
  EXPECT_EQ(OutcomeOf({kColumns, Complete("SELECT 0")}), FillOutcome::kComplete);
  EXPECT_EQ(OutcomeOf({Complete("SELECT 0")}), FillOutcome::kComplete);
}

TEST(FillTest, ExtendedProtocol) {
  Fill fill = MakeFill();
  Feed(fill, {Message('1', ""), Message('2', ""), kColumns, kRow, Complete("SELECT 1"),
              Message('3', "")});
  const auto entry = fill.Finish(kDone);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->row_description(), kColumns);
  EXPECT_EQ(entry->rows(), kRow);
}

TEST(FillTest, StatementsDescriptionIsNotThePortals) {
  const std::string parameters = Message('t', "\0\0"s);
  const std::string statements = Message('T', "\0\1statement's"s);
  Fill fill = MakeFill();
  Feed(fill,
       {Message('1', ""), parameters, statements, Message('2', ""), kRow, Complete("SELECT 1")});
  EXPECT_EQ(fill.Finish(kDone)->row_description(), "");
  Fill both = MakeFill();
  Feed(both, {parameters, statements, Message('2', ""), kColumns, kRow, Complete("SELECT 1")}, 1);
  EXPECT_EQ(both.Finish(kDone)->row_description(), kColumns);
  EXPECT_EQ(OutcomeOf({parameters, Message('n', ""), kColumns, Complete("SELECT 0")}),
            FillOutcome::kComplete);
}

TEST(FillTest, PiecesOfEverySize) {
  const std::vector<std::string> reply = {Message('2', ""), kColumns, kRow, kOtherRow,
                                          Complete("SELECT 2")};
  for (size_t piece_bytes = 1; piece_bytes < 30; ++piece_bytes) {
    Fill fill = MakeFill();
    Feed(fill, reply, piece_bytes);
    const auto entry = fill.Finish(kDone);
    ASSERT_TRUE(entry) << piece_bytes;
    EXPECT_EQ(entry->messages(), kColumns + kRow + kOtherRow + Complete("SELECT 2"));
  }
}

TEST(FillTest, EverySplitOfAMessageInTwo) {
  for (size_t split = 0; split <= kRow.size(); ++split) {
    Fill fill = MakeFill();
    Feed(fill, {kColumns});
    fill.OnPiece('D', kRow.size(), true, std::string_view(kRow).substr(0, split));
    fill.OnPiece('D', kRow.size(), false, std::string_view(kRow).substr(split));
    Feed(fill, {Complete("SELECT 1")});
    const auto entry = fill.Finish(kDone);
    ASSERT_TRUE(entry) << split;
    EXPECT_EQ(entry->rows(), kRow);
  }
}

// At every limit below the reply's size the fill is given up, as soon as a header says so.
TEST(FillTest, TooLargeAtEveryBoundary) {
  const std::vector<std::string> reply = {kColumns, kRow, kOtherRow, Complete("SELECT 2")};
  size_t whole = 0;
  for (const std::string& message : reply) whole += message.size();
  for (size_t limit = 0; limit <= whole + 1; ++limit) {
    Fill fill = MakeFill(limit);
    size_t sent = 0;
    for (const std::string& message : reply) {
      fill.OnPiece(message[0], message.size(), true, std::string_view(message).substr(0, 1));
      sent += message.size();
      EXPECT_EQ(fill.outcome() == FillOutcome::kAbandonedTooLarge, sent > limit) << limit;
      fill.OnPiece(message[0], message.size(), false, std::string_view(message).substr(1));
    }
    // Its size is known in any case.
    EXPECT_TRUE(fill.completed());
    EXPECT_EQ(fill.bytes(), whole);
    EXPECT_EQ(fill.Finish(kDone) != nullptr, limit >= whole) << limit;
  }
}

TEST(FillTest, CopyOnlyUntilCopyMore) {
  const size_t all = kColumns.size() + kRow.size() + kOtherRow.size();
  for (const bool waited_for : {false, true}) {
    Fill fill = MakeFill(all + 15);
    fill.CopyOnly(kColumns.size() + kRow.size());
    Feed(fill, {kColumns, kRow});
    EXPECT_FALSE(fill.IsFullAt(0));
    EXPECT_TRUE(fill.IsFullAt(1));
    fill.CopyMore(1);
    EXPECT_TRUE(fill.IsFullAt(1));
    if (waited_for) fill.CopyMore(kPlenty);
    EXPECT_EQ(fill.IsFullAt(kOtherRow.size()), !waited_for);
    EXPECT_TRUE(fill.IsFullAt(kOtherRow.size() + 16));  // too large in any case
    Feed(fill, {kOtherRow, Complete("SELECT 2")});
    EXPECT_EQ(fill.Finish(kDone) != nullptr, waited_for);
  }
}

TEST(FillTest, WhatIsTooLargeAndFailsHasNoSize) {
  Fill fill = MakeFill(1);
  Feed(fill, {kColumns, kRow});
  EXPECT_EQ(fill.outcome(), FillOutcome::kAbandonedTooLarge);
  EXPECT_FALSE(fill.completed());
  Feed(fill, {Message('E', "no"), Complete("SELECT 1")});
  EXPECT_EQ(fill.outcome(), FillOutcome::kAbandonedByReply);
  EXPECT_FALSE(fill.completed());
}

TEST(FillTest, HugeMessageLengthIsRefusedBeforeItIsCopied) {
  Fill fill = MakeFill();
  Feed(fill, {kColumns});
  fill.OnPiece('D', size_t{0} - 1, true, kRow);
  EXPECT_EQ(fill.outcome(), FillOutcome::kAbandonedTooLarge);
}

TEST(FillTest, OnlySelect) {
  for (const char* tag :
       {"INSERT 0 1", "UPDATE 1", "SELECT", "SELECT ", "SELECT x", "SELECT 1 ", "SELECT -1",
        "SELECT 18446744073709551617", "SELECTS 1", "FETCH 1", "SHOW", ""}) {
    EXPECT_EQ(OutcomeOf({kColumns, kRow, Complete(tag)}), FillOutcome::kAbandonedByReply) << tag;
  }
  EXPECT_EQ(OutcomeOf({kColumns, kRow, Message('C', "SELECT 1")}), FillOutcome::kAbandonedByReply);
  EXPECT_EQ(OutcomeOf({kColumns, kRow, Message('C', "")}), FillOutcome::kAbandonedByReply);
}

TEST(FillTest, TagMustCountTheRows) {
  EXPECT_EQ(OutcomeOf({kColumns, kRow, Complete("SELECT 2")}), FillOutcome::kAbandonedByReply);
  EXPECT_EQ(OutcomeOf({kColumns, kRow, Complete("SELECT 0")}), FillOutcome::kAbandonedByReply);
  // CREATE TABLE AS.
  EXPECT_EQ(OutcomeOf({Complete("SELECT 5")}), FillOutcome::kAbandonedByReply);
}

// An entry has a byte for its length.
TEST(FillTest, NoTagIsAsLongAsThat) {
  EXPECT_EQ(OutcomeOf({kColumns, kRow, Complete("SELECT " + std::string(300, '0') + "1")}),
            FillOutcome::kAbandonedByReply);
}

TEST(FillTest, NothingWithoutOneCommandComplete) {
  EXPECT_EQ(OutcomeOf({}), FillOutcome::kAbandonedByReply);
  EXPECT_EQ(OutcomeOf({kColumns, kRow}), FillOutcome::kAbandonedByReply);
  EXPECT_EQ(OutcomeOf({kColumns, Complete("SELECT 0"), Complete("SELECT 0")}),
            FillOutcome::kAbandonedByReply);
}

TEST(FillTest, OrderMatters) {
  EXPECT_EQ(OutcomeOf({kRow, kColumns, Complete("SELECT 1")}), FillOutcome::kAbandonedByReply);
  EXPECT_EQ(OutcomeOf({kColumns, kColumns, Complete("SELECT 0")}), FillOutcome::kAbandonedByReply);
  EXPECT_EQ(OutcomeOf({kColumns, Complete("SELECT 1"), kRow}), FillOutcome::kAbandonedByReply);
  EXPECT_EQ(OutcomeOf({Complete("SELECT 0"), kColumns}), FillOutcome::kAbandonedByReply);
}

// Every other type of message, wherever it comes.
TEST(FillTest, OtherMessagesAbandon) {
  const std::vector<std::string> reply = {kColumns, kRow, Complete("SELECT 1")};
  for (int type = 1; type < 256; ++type) {
    const char letter = static_cast<char>(type);
    if ("TDC123tn"s.find(letter) != std::string::npos) continue;
    for (size_t place = 0; place <= reply.size(); ++place) {
      std::vector<std::string> with = reply;
      with.insert(with.begin() + static_cast<std::ptrdiff_t>(place), Message(letter, "body"));
      EXPECT_EQ(OutcomeOf(with), FillOutcome::kAbandonedByReply) << letter << " at " << place;
    }
  }
}

TEST(FillTest, AbandonedStaysAbandonedAndKeepsItsNames) {
  Fill fill = MakeFill();
  Feed(fill, {kColumns, kRow});
  fill.Abandon(FillOutcome::kAbandonedByReply);
  fill.Abandon(FillOutcome::kAbandonedTooLarge);
  Feed(fill, {kColumns, kRow, Complete("SELECT 1")});
  EXPECT_EQ(fill.outcome(), FillOutcome::kAbandonedByReply);
  EXPECT_EQ(fill.Finish(kDone), nullptr);
  EXPECT_EQ(fill.key(), Sha256("key"));
  EXPECT_EQ(fill.stamps().size(), 2u);
}

TEST(FillTest, FinishedIsOver) {
  Fill fill = MakeFill();
  Feed(fill, {kColumns, Complete("SELECT 0")});
  const auto entry = fill.Finish(kDone);
  Feed(fill, {kRow});
  fill.Abandon(FillOutcome::kAbandonedByReply);
  EXPECT_EQ(fill.Finish(kDone), nullptr);
  EXPECT_EQ(entry->rows(), "");
  EXPECT_EQ(entry->row_description(), kColumns);
  EXPECT_EQ(fill.key(), entry->key());
}

// Pieces that do not add up to their messages: what was kept cannot be trusted.
TEST(FillTest, CutShortOrTooLong) {
  Fill cut = MakeFill();
  Feed(cut, {kColumns});
  cut.OnPiece('D', kRow.size(), true, std::string_view(kRow).substr(1));
  Feed(cut, {Complete("SELECT 1")});
  EXPECT_EQ(cut.outcome(), FillOutcome::kAbandonedByReply);

  Fill unfinished = MakeFill();
  Feed(unfinished, {kColumns, Complete("SELECT 0")});
  unfinished.OnPiece('3', 5, true, "3");
  EXPECT_EQ(unfinished.Finish(kDone), nullptr);

  Fill long_piece = MakeFill();
  long_piece.OnPiece('D', kRow.size() - 1, true, kRow);
  EXPECT_EQ(long_piece.outcome(), FillOutcome::kAbandonedByReply);

  Fill headless = MakeFill();
  headless.OnPiece('D', kRow.size(), false, kRow);
  EXPECT_EQ(headless.outcome(), FillOutcome::kAbandonedByReply);
}

TEST(FillTest, DoublingIsGivenBack) {
  Fill fill = MakeFill();
  std::vector<std::string> reply = {kColumns};
  for (int i = 0; i < 600; ++i) reply.push_back(kOtherRow);
  reply.push_back(Complete("SELECT 600"));
  Feed(fill, reply);
  const auto entry = fill.Finish(kDone);
  ASSERT_TRUE(entry);
  EXPECT_LE(malloc_usable_size(const_cast<Entry*>(entry.get())), entry->ChargeBytes());
}

// From one block to the next and the next, in small pieces and by messages that double it at once.
TEST(FillTest, GrowsToAnySize) {
  std::vector<std::string> reply = {kColumns};
  std::string all = kColumns;
  size_t rows = 0;
  for (size_t bytes = 1; bytes < 400'000; bytes = bytes * 3 / 2 + 1, ++rows) {
    reply.push_back(Message('D', std::string(bytes, static_cast<char>('a' + rows % 26))));
    all += reply.back();
  }
  reply.push_back(Complete("SELECT " + std::to_string(rows)));
  all += reply.back();
  for (const size_t piece_bytes : {1000u, 70'000u, 1u << 20}) {
    Fill fill = MakeFill(size_t{16} << 20);
    Feed(fill, reply, piece_bytes);
    const auto entry = fill.Finish(kDone);
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->messages(), all);
    EXPECT_EQ(entry->rows_and_complete(), all.substr(kColumns.size()));
    EXPECT_THAT(fill.stamps(), testing::ElementsAre(Stamp(1, 2), Stamp(3, 4)));
  }
}

TEST(FillTest, TooManyStamps) {
  const std::vector<Stamp> stamps(Entry::kMaxStamps + 1, Stamp(1, 2));
  Fill fill(Sha256("key"), stamps, kSent, kPlenty);
  Feed(fill, {kColumns, Complete("SELECT 0")});
  EXPECT_EQ(fill.outcome(), FillOutcome::kAbandonedTooLarge);
  EXPECT_EQ(fill.Finish(kDone), nullptr);
}

// In a pipeline: what the server did before, others have been answered with.
TEST(FillTest, WhatItWaitedForOthersIsNotItsOwnTime) {
  Fill fill = MakeFill();
  Feed(fill, {kColumns, Complete("SELECT 0")});
  const auto entry = fill.Finish(kDone, kDone - milliseconds(2));
  EXPECT_EQ(entry->server_time(), milliseconds(2));
  EXPECT_EQ(entry->filled_at(), kSent);
}

TEST(FillTest, ClockThatGoesBackSavesNothing) {
  Fill fill = MakeFill();
  Feed(fill, {kColumns, Complete("SELECT 0")});
  EXPECT_EQ(fill.Finish(kSent - milliseconds(1))->server_time(), Duration{0});
}

}  // namespace
}  // namespace pgsidecar::cache
