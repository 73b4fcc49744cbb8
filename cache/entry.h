// An entry of the store: one result in one block of memory.
//
//     | header, 88 bytes | stamps, 12 bytes each | 'T' | 'D' ... 'D' | 'C' |
//                                                |<----- messages() ----->|
//
// The messages are whole and as the server sent them, so that a hit is one run of bytes. Once built
// an entry is immutable, but for the words by which a store's queues find it: these belong to that
// store, under its shard's mutex. Whoever has an EntryRef keeps the entry alive.

#ifndef PGSIDECAR_CACHE_ENTRY_H_
#define PGSIDECAR_CACHE_ENTRY_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/clock.h"
#include "base/hash.h"
#include "base/ref.h"
#include "cache/versions.h"

namespace pgsidecar::cache {

// What the reader of an entry will accept.
struct ReadPolicy {
  Duration max_age{0};
  bool check_stamps = true;  // false at consistency level `ttl`
};

// Entries are counted apart by a group that their owner gives them.
inline constexpr size_t kGroups = 3;

// What is known of a result beside its bytes.
struct EntryFields {
  Digest key{};
  size_t description_bytes = 0;  // of the 'T'; 0 if the fill did not ask for one
  size_t rows_bytes = 0;         // of all 'D'; the rest of the messages is the 'C'
  uint64_t row_count = 0;
  TimePoint filled_at{};    // when the fill was sent to the server, not when it was complete
  Duration server_time{0};  // from sending to the last byte: what a hit saves; at most 71 minutes
  ReadPolicy keep{};        // of whoever filled it: what the sweeper leaves alone. Kept in ms; what
                            // is over 49 days is for ever
  uint8_t group = 0;        // below kGroups
};

class Entry {
 public:
  // Of one entry: the messages' bytes together, and the stamps.
  static constexpr size_t kMaxMessageBytes = UINT32_MAX;
  static constexpr size_t kMaxStamps = UINT16_MAX;
  static constexpr size_t kMaxCompleteBytes = UINT8_MAX;  // of the CommandComplete

  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  const Digest& key() const { return key_; }
  std::span<const Stamp> stamps() const {
    return {reinterpret_cast<const Stamp*>(this + 1), stamp_count_};
  }
  std::string_view messages() const {
    return {begin(), size_t{description_bytes_} + rows_bytes_ + complete_bytes_};
  }
  std::string_view rows_and_complete() const { return messages().substr(description_bytes_); }
  std::string_view row_description() const { return {begin(), description_bytes_}; }
  std::string_view rows() const { return {begin() + description_bytes_, rows_bytes_}; }
  std::string_view command_complete() const {
    return messages().substr(size_t{description_bytes_} + rows_bytes_);
  }
  uint64_t row_count() const { return row_count_; }
  TimePoint filled_at() const { return filled_at_; }
  Duration server_time() const { return Duration(server_time_us_); }
  ReadPolicy keep() const;
  uint8_t group() const { return flags_ & (kChecksStamps - 1); }

  // What malloc takes for the block.
  size_t ChargeBytes() const;

  // For Ref.
  void Retain() const { references_.Add(); }
  void Release() const {
    if (references_.Remove()) Free();
  }

 private:
  friend class EntryBuilder;
  friend class GdFifo;
  static constexpr uint8_t kChecksStamps = 0x80;
  static constexpr unsigned kDueBits = 22;

  Entry(const EntryFields& fields, size_t stamp_count, size_t complete_bytes);
  ~Entry() = default;
  void Free() const;
  const char* begin() const {
    return reinterpret_cast<const char*>(this + 1) + stamp_count_ * sizeof(Stamp);
  }

  // What a lookup does not look at comes first: the rest, with the stamps behind it, is then within
  // two cache lines, most often.
  mutable const Entry* newer_ = nullptr;  // in its queue
  mutable const Entry* older_ = nullptr;
  uint32_t keep_max_age_ms_;
  uint32_t row_count_;
  uint32_t server_time_us_;
  uint32_t description_bytes_;
  uint32_t rows_bytes_;
  // The shard's word (see gd_fifo.h): it is written while others read what is around it.
  mutable uint32_t due_ : kDueBits = 0;
  mutable uint32_t class_ : 5 = 0;
  mutable uint32_t uses_ : 3 = 0;   // how often it was asked for, the longer ago the less
  mutable uint32_t asked_ : 2 = 0;  // since it came into its queue
  RefCount references_;
  uint16_t stamp_count_;
  uint8_t flags_;  // the group, and kChecksStamps
  uint8_t complete_bytes_;
  TimePoint filled_at_;
  Digest key_;
};
static_assert(sizeof(Entry) == 88 && sizeof(Entry) % alignof(Stamp) == 0);

using EntryRef = Ref<const Entry>;

// The block while its messages arrive: it grows as they do, and becomes the entry where it lies.
// What does not fit has a larger block, which malloc makes of the pages of the old one if it is
// large; so a long reply is neither copied nor held twice.
class EntryBuilder {
 public:
  // REQUIRES: at most Entry::kMaxStamps stamps.
  explicit EntryBuilder(std::span<const Stamp> stamps);
  ~EntryBuilder();
  EntryBuilder(EntryBuilder&& other) noexcept;
  EntryBuilder& operator=(EntryBuilder&&) = delete;

  // Valid until the next call of anything that is not const.
  std::span<const Stamp> stamps() const;
  std::string_view messages() const;

  // Makes room for a message that is about to come; false if there is no memory for it. REQUIRES:
  // all messages together have at most Entry::kMaxMessageBytes.
  [[nodiscard]] bool Reserve(size_t bytes);
  // REQUIRES: there is room.
  void Append(std::string_view bytes);
  // Frees the messages; the stamps stay.
  void DropMessages();

  // The entry, in a block of its size; nullptr if there is no memory for that. The builder is empty
  // afterwards, and of no use. REQUIRES: `fields` tell of no more bytes than were appended, and of
  // all but Entry::kMaxCompleteBytes of them.
  EntryRef Build(const EntryFields& fields);

 private:
  bool Resize(size_t capacity);
  size_t first_message() const { return sizeof(Entry) + stamp_count_ * sizeof(Stamp); }

  char* block_ = nullptr;
  size_t capacity_ = 0;
  size_t used_ = 0;  // of the block, the header's room and the stamps included
  size_t stamp_count_;
};

}  // namespace pgsidecar::cache

#endif  // PGSIDECAR_CACHE_ENTRY_H_
