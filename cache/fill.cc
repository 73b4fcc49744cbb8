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

// Gives back what doubling has reserved in vain, if it is worth a copy.
void Trim(std::string& text) {
  if (text.capacity() - text.size() > text.size() / 8) text.shrink_to_fit();
}

}  // namespace

Fill::Fill(const Digest& key, std::vector<Stamp> stamps, TimePoint sent_at, size_t max_bytes,
           ReadPolicy keep, uint8_t group)
    : max_bytes_(max_bytes), entry_(std::make_shared<Entry>()) {
  entry_->key = key;
  entry_->stamps = std::move(stamps);
  entry_->filled_at = sent_at;
  entry_->keep = keep;
  entry_->group = group;
}

void Fill::OnPiece(char type, size_t message_bytes, bool first, std::string_view piece) {
  if (outcome_ != FillOutcome::kOpen) return;
  if (first) {
    if (missing_bytes_ != 0) return Abandon(FillOutcome::kAbandonedByReply);
    Begin(type, message_bytes);
    if (outcome_ != FillOutcome::kOpen) return;
  }
  if (piece.size() > missing_bytes_) return Abandon(FillOutcome::kAbandonedByReply);
  missing_bytes_ -= piece.size();
  if (target_ != nullptr) target_->append(piece);
}

void Fill::Begin(char type, size_t message_bytes) {
  missing_bytes_ = message_bytes;
  target_ = nullptr;
  const bool describes_statement = std::exchange(after_parameters_, type == 't');
  switch (type) {
    case 'T':  // RowDescription
      // Behind a ParameterDescription it answers a Describe of the statement, which does not know
      // the portal's formats: not part of this result.
      if (describes_statement) return;
      if (rows_begun_ || !entry_->row_description.empty()) break;
      return Keep(entry_->row_description, message_bytes);
    case 'D':  // DataRow
      if (!entry_->command_complete.empty()) break;
      rows_begun_ = true;
      ++entry_->row_count;
      return Keep(entry_->rows, message_bytes);
    case 'C':  // CommandComplete
      if (!entry_->command_complete.empty()) break;
      rows_begun_ = true;
      return Keep(entry_->command_complete, message_bytes);
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

void Fill::Keep(std::string& target, size_t message_bytes) {
  if (message_bytes > max_bytes_ - bytes_) return Abandon(FillOutcome::kAbandonedTooLarge);
  bytes_ += message_bytes;
  target_ = &target;
}

void Fill::Abandon(FillOutcome why) {
  if (outcome_ != FillOutcome::kOpen) return;
  outcome_ = why;
  target_ = nullptr;
  entry_->row_description = {};
  entry_->rows = {};
  entry_->command_complete = {};
}

std::shared_ptr<const Entry> Fill::Finish(TimePoint now) {
  if (outcome_ != FillOutcome::kOpen) return nullptr;
  if (missing_bytes_ != 0 || SelectedRows(entry_->command_complete) != entry_->row_count) {
    Abandon(FillOutcome::kAbandonedByReply);
    return nullptr;
  }
  outcome_ = FillOutcome::kComplete;
  target_ = nullptr;
  entry_->server_time = std::max(now - entry_->filled_at, Duration{0});
  Trim(entry_->row_description);
  Trim(entry_->rows);
  Trim(entry_->command_complete);
  return entry_;
}

}  // namespace pgsidecar::cache
