#include "cache/entry.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace pgsidecar::cache {
namespace {

// A builder's first block: most replies end within it.
constexpr size_t kFirstBytes = 1000;
// What a message is given beyond its own length, so that the CommandComplete behind a large one
// needs no other block.
constexpr size_t kCompleteBytes = 32;
// Up to this size a block that is too large is copied into another rather than cut: what is cut off
// would lie between the entries in pieces of odd sizes, while the block itself serves the next
// fill.
constexpr size_t kCopyBytes = 8192;

// What glibc takes for a block: a word before it, and all in units of 16; what is large is mapped
// by the page.
size_t BlockBytes(size_t bytes) {
  constexpr size_t kMappedBytes = size_t{128} << 10;
  constexpr size_t kPageBytes = 4096;
  if (bytes < kMappedBytes) return std::max<size_t>((bytes + 8 + 15) / 16 * 16, 32);
  return (bytes + 16 + kPageBytes - 1) / kPageBytes * kPageBytes;
}

uint32_t Saturated(int64_t number) {
  return static_cast<uint32_t>(std::clamp<int64_t>(number, 0, UINT32_MAX));
}

}  // namespace

Entry::Entry(const EntryFields& fields, size_t stamp_count, size_t complete_bytes)
    : keep_max_age_ms_(
          Saturated(std::chrono::ceil<std::chrono::milliseconds>(fields.keep.max_age).count())),
      row_count_(Saturated(static_cast<int64_t>(fields.row_count))),
      server_time_us_(Saturated(fields.server_time.count())),
      description_bytes_(static_cast<uint32_t>(fields.description_bytes)),
      rows_bytes_(static_cast<uint32_t>(fields.rows_bytes)),
      stamp_count_(static_cast<uint16_t>(stamp_count)),
      flags_(static_cast<uint8_t>(fields.group | (fields.keep.check_stamps ? kChecksStamps : 0))),
      complete_bytes_(static_cast<uint8_t>(complete_bytes)),
      filled_at_(fields.filled_at),
      key_(fields.key) {
  assert(fields.group < kGroups);
}

ReadPolicy Entry::keep() const {
  return {.max_age = keep_max_age_ms_ == UINT32_MAX
                         ? Duration::max()
                         : Duration(std::chrono::milliseconds(keep_max_age_ms_)),
          .check_stamps = (flags_ & kChecksStamps) != 0};
}

size_t Entry::ChargeBytes() const {
  return BlockBytes(sizeof(Entry) + stamp_count_ * sizeof(Stamp) + messages().size());
}

void Entry::Free() const {
  Entry* const self = const_cast<Entry*>(this);  // nobody else has it any more
  self->~Entry();
  std::free(self);
}

EntryBuilder::EntryBuilder(std::span<const Stamp> stamps) : stamp_count_(stamps.size()) {
  assert(stamps.size() <= Entry::kMaxStamps);
  used_ = first_message();
  if (!Resize(std::max(kFirstBytes, used_))) throw std::bad_alloc();  // as new does
  if (!stamps.empty()) std::memcpy(block_ + sizeof(Entry), stamps.data(), stamps.size_bytes());
}

EntryBuilder::~EntryBuilder() { std::free(block_); }

EntryBuilder::EntryBuilder(EntryBuilder&& other) noexcept
    : block_(std::exchange(other.block_, nullptr)),
      capacity_(std::exchange(other.capacity_, 0)),
      used_(std::exchange(other.used_, 0)),
      stamp_count_(std::exchange(other.stamp_count_, 0)) {}

std::span<const Stamp> EntryBuilder::stamps() const {
  return {reinterpret_cast<const Stamp*>(block_ + sizeof(Entry)), stamp_count_};
}

std::string_view EntryBuilder::messages() const {
  return {block_ + first_message(), used_ - first_message()};
}

bool EntryBuilder::Reserve(size_t bytes) {
  if (bytes <= capacity_ - used_) return true;
  return Resize(std::max(2 * capacity_, used_ + bytes + kCompleteBytes));
}

void EntryBuilder::Append(std::string_view bytes) {
  assert(bytes.size() <= capacity_ - used_);
  if (bytes.empty()) return;
  std::memcpy(block_ + used_, bytes.data(), bytes.size());
  used_ += bytes.size();
}

void EntryBuilder::DropMessages() {
  used_ = first_message();
  Resize(used_);
}

bool EntryBuilder::Resize(size_t capacity) {
  // Nothing in the block has begun its life as an object: it may be moved as bytes.
  void* const moved = std::realloc(block_, capacity);
  if (moved == nullptr) return false;
  block_ = static_cast<char*>(moved);
  capacity_ = capacity;
  return true;
}

EntryRef EntryBuilder::Build(const EntryFields& fields) {
  const size_t announced = fields.description_bytes + fields.rows_bytes;
  assert(announced <= messages().size() && messages().size() <= Entry::kMaxMessageBytes);
  const size_t complete_bytes = messages().size() - announced;
  assert(complete_bytes <= Entry::kMaxCompleteBytes);
  if (BlockBytes(used_) < BlockBytes(capacity_)) {
    if (used_ > kCopyBytes) {
      if (!Resize(used_)) return nullptr;
    } else {
      char* const exact = static_cast<char*>(std::malloc(used_));
      if (exact == nullptr) return nullptr;
      std::memcpy(exact + sizeof(Entry), block_ + sizeof(Entry), used_ - sizeof(Entry));
      std::free(std::exchange(block_, exact));
    }
  }
  void* const block = std::exchange(block_, nullptr);
  capacity_ = used_ = 0;
  return EntryRef(new (block) Entry(fields, std::exchange(stamp_count_, 0), complete_bytes));
}

}  // namespace pgsidecar::cache
