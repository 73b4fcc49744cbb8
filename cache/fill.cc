// How a reply becomes an entry. Only one shape of reply is kept:
//
//     [RowDescription]  DataRow*  CommandComplete "SELECT <number of those rows>"
//
// with messages in between that say nothing about the result. The number is compared, so that a
// reply of which a part passed by unseen, or a CREATE TABLE AS (which says SELECT too, and sends no
// rows), is never taken for a result.

#include "cache/fill.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace pgsidecar::cache {
namespace {

constexpr size_t kHeaderBytes = 5;

// The number of rows that a whole CommandComplete announces, or nullopt if its tag is not SELECT.
std::optional<uint64_t> SelectedRows(std::string_view message) {
  constexpr std::string_view kSelect = "SELECT ";
  if (message.size() <= kHeaderBytes || message.back() != '\0') return std::nullopt;
  std::string_view tag = message.substr(kHeaderBytes, message.size() - kHeaderBytes - 1);
  if (!tag.starts_with(kSelect)) return std::nullopt;
  tag.remove_prefix(kSelect.size());
  uint64_t rows = 0;
  const auto [end, failure] = std::from_chars(tag.data(), tag.data() + tag.size(), rows);
  if (failure != std::errc{} || end != tag.data() + tag.size()) return std::nullopt;
  return rows;
}

}  // namespace

Fill::Fill(const Digest& key, const std::vector<Stamp>& stamps, TimePoint sent_at, size_t max_bytes,
           ReadPolicy keep, uint8_t group)
    : max_bytes_(std::min(max_bytes, Entry::kMaxMessageBytes)),
      copied_bytes_(max_bytes_),
      fields_{.key = key, .filled_at = sent_at, .keep = keep, .group = group},
      builder_(std::span(stamps).first(std::min(stamps.size(), Entry::kMaxStamps))) {
  if (stamps.size() > Entry::kMaxStamps) Abandon(FillOutcome::kAbandonedTooLarge);
}

void Fill::OnPiece(char type, size_t message_bytes, bool first, std::string_view piece) {
  if (outcome_ == FillOutcome::kAbandonedByReply || outcome_ == FillOutcome::kComplete) return;
  if (first) {
    if (missing_bytes_ != 0) return Abandon(FillOutcome::kAbandonedByReply);
    Begin(type, message_bytes);
    if (outcome_ == FillOutcome::kAbandonedByReply) return;
  }
  if (piece.size() > missing_bytes_) return Abandon(FillOutcome::kAbandonedByReply);
  missing_bytes_ -= piece.size();
  if (keeps_) builder_.Append(piece);
}

void Fill::Begin(char type, size_t message_bytes) {
  missing_bytes_ = message_bytes;
  keeps_ = false;
  const bool describes_statement = std::exchange(after_parameters_, type == 't');
  switch (type) {
    case 'T':  // RowDescription
      // Behind a ParameterDescription it answers a Describe of the statement, which does not know
      // the portal's formats: not part of this result.
      if (describes_statement) return;
      if (rows_begun_ || fields_.description_bytes != 0) break;
      fields_.description_bytes = message_bytes;
      return Keep(message_bytes);
    case 'D':  // DataRow
      if (completed_) break;
      rows_begun_ = true;
      ++fields_.row_count;
      fields_.rows_bytes += message_bytes;
      return Keep(message_bytes);
    case 'C':  // CommandComplete
      if (completed_) break;
      rows_begun_ = completed_ = true;
      return Keep(message_bytes);
    case '1':  // ParseComplete
    case '2':  // BindComplete
    case '3':  // CloseComplete
    case 't':  // ParameterDescription
    case 'n':  // NoData
      return;
    default:
      break;
  }
  Abandon(FillOutcome::kAbandonedByReply);
}

// There is room for all of the message from its first piece on.
void Fill::Keep(size_t message_bytes) {
  const size_t before = std::exchange(bytes_, bytes_ + message_bytes);
  if (outcome_ != FillOutcome::kOpen) return;
  keeps_ = message_bytes <= copied_bytes_ - before && builder_.Reserve(message_bytes);
  if (!keeps_) Abandon(FillOutcome::kAbandonedTooLarge);
}

void Fill::Abandon(FillOutcome why) {
  if (outcome_ == FillOutcome::kAbandonedByReply || outcome_ == FillOutcome::kComplete) return;
  outcome_ = why;
  builder_.DropMessages();
}

EntryRef Fill::Finish(TimePoint now, TimePoint begun_at) {
  if (outcome_ != FillOutcome::kOpen) return nullptr;
  const std::string_view complete = builder_.messages().substr(
      std::min(fields_.description_bytes + fields_.rows_bytes, builder_.messages().size()));
  if (missing_bytes_ != 0 || complete.size() > Entry::kMaxCompleteBytes ||
      SelectedRows(complete) != fields_.row_count) {
    Abandon(FillOutcome::kAbandonedByReply);
    return nullptr;
  }
  outcome_ = FillOutcome::kComplete;
  fields_.server_time = std::max(now - std::max(fields_.filled_at, begun_at), Duration{0});
  entry_ = builder_.Build(fields_);
  return entry_;
}

}  // namespace pgsidecar::cache
