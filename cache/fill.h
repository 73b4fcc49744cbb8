// A fill: the copy that is kept of a server's reply while it passes to the client.
//
// The stamps are captured before the query is sent, the result is complete at ReadyForQuery, and
// only if nothing has moved in between is it stored (Store::Insert checks). A fill that must not be
// stored (an error, a notice, a suspended portal, too large, an unexpected message) is abandoned at
// that moment and frees its copy; the reply itself goes on.

#ifndef PGSIDECAR_CACHE_FILL_H_
#define PGSIDECAR_CACHE_FILL_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "cache/entry.h"

namespace pgsidecar::cache {

enum class FillOutcome : uint8_t {
  kOpen,
  kAbandonedTooLarge,  // goes on counting: bytes()
  kAbandonedByReply,   // an error, a notice, or a message that a cacheable reply does not have
  kComplete,
};

class Fill {
 public:
  // `keep` and `group` are the entry's. Of more than Entry::kMaxStamps stamps nothing comes: the
  // fill is abandoned from the start.
  Fill(const Digest& key, const std::vector<Stamp>& stamps, TimePoint sent_at, size_t max_bytes,
       ReadPolicy keep = {}, uint8_t group = 0);

  // Not more than `bytes` are kept until CopyMore: how large the result will be is not known. To be
  // called before the first piece.
  void CopyOnly(size_t bytes) { copied_bytes_ = std::min(bytes, max_bytes_); }
  // Whether a message of so many bytes would be too much.
  bool IsFullAt(size_t message_bytes) const {
    return outcome_ == FillOutcome::kOpen && message_bytes > copied_bytes_ - bytes_;
  }
  // From now on `bytes` may be kept, if that is more than before.
  void CopyMore(size_t bytes) {
    copied_bytes_ = std::max(copied_bytes_, std::min(bytes, max_bytes_));
  }

  // A piece of a message of the reply, in order: `type` and the message's whole length with header
  // are known from its header; `piece` is any part of its bytes (header included), `first` marks
  // the piece that begins it. Accepts T, D, C; swallows 1, 2, 3, t, n (they are not part of the
  // result) and the T behind a t (it describes the statement, not the portal); anything else
  // abandons, and so does a message that is out of order or cut short. Not more than `max_bytes`
  // of T, D and C together are ever kept; if there are more, they are only counted.
  void OnPiece(char type, size_t message_bytes, bool first, std::string_view piece);
  void Abandon(FillOutcome why);

  FillOutcome outcome() const { return outcome_; }
  // Of T, D and C so far, kept or not: their whole lengths.
  size_t bytes() const { return bytes_; }
  // Its CommandComplete has come: bytes() are all.
  bool completed() const { return completed_ && missing_bytes_ == 0; }
  const Digest& key() const { return fields_.key; }
  std::span<const Stamp> stamps() const { return entry_ ? entry_->stamps() : builder_.stamps(); }

  // At ReadyForQuery: the entry to insert, or nullptr if the fill was abandoned or did not see
  // exactly one CommandComplete with a tag of SELECT and the number of rows that it kept. The fill
  // is over afterwards; key() and stamps() stay valid. `begun_at`: since when the server has had
  // nothing else of this session's to do, if that is later than when it was sent.
  EntryRef Finish(TimePoint now, TimePoint begun_at = {});

 private:
  void Begin(char type, size_t message_bytes);
  void Keep(size_t message_bytes);

  size_t max_bytes_;
  size_t copied_bytes_;            // at most; not more than max_bytes_
  size_t bytes_ = 0;               // of the messages so far, the present one in full
  size_t missing_bytes_ = 0;       // of the present message
  bool keeps_ = false;             // the present message; else it is swallowed
  bool after_parameters_ = false;  // the last message was a ParameterDescription
  bool rows_begun_ = false;        // no RowDescription may come any more
  bool completed_ = false;         // nor any other part of the result
  FillOutcome outcome_ = FillOutcome::kOpen;
  EntryFields fields_;  // as far as they are known
  EntryBuilder builder_;
  EntryRef entry_;  // once it is complete; the builder is then empty
};

}  // namespace pgsidecar::cache

#endif  // PGSIDECAR_CACHE_FILL_H_
