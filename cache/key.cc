// The pre-images of a session's digest and of a key:
//
//     "pgsidecar key 2\0"
//     session user                  u32 length, bytes
//     current role                  u32 length, bytes
//     environment                   u32 length, bytes
//
//     flavor                        u8
//     cluster, database oid         u64 u32
//     the session's digest          32 bytes
//     statement text                u32 length, bytes
//     parameter types               u16 count, u32 each
//     parameter formats             u16 count, u16 each
//     parameter values              u16 count, each u32 length and bytes; ffffffff: NULL
//     result formats                u16 count, u16 each
//
// All numbers in network order. Each field has a fixed size or says its own, and is always there,
// in this order: a reader could take a pre-image apart again, so no two different requests have the
// same one. Short, since SHA-256 takes its time for every 64 bytes: what is the same for all of a
// session's requests is digested once. Whoever changes the format changes the tag.

#include "cache/key.h"

#include <cassert>
#include <limits>

#include "base/bytes.h"

namespace pgsidecar::cache {
namespace {

constexpr std::string_view kTag{"pgsidecar key 2\0", 16};
constexpr uint32_t kNull = 0xFFFFFFFF;

void AppendCount(std::string& to, size_t count) {
  assert(count <= std::numeric_limits<uint16_t>::max());
  AppendBig16(to, static_cast<uint16_t>(count));
}

void AppendText(std::string& to, std::string_view text) {
  assert(text.size() < kNull);
  AppendBig32(to, static_cast<uint32_t>(text.size()));
  to.append(text);
}

}  // namespace

Digest MakeSessionKey(const SessionFields& fields) {
  std::string image(kTag);
  AppendText(image, fields.session_user);
  AppendText(image, fields.current_role);
  AppendText(image, fields.environment);
  return Sha256(image);
}

Digest MakeKey(const KeyFields& fields, std::string& scratch) {
  scratch.clear();
  scratch.push_back(static_cast<char>(fields.flavor));
  AppendBig64(scratch, fields.database.cluster);
  AppendBig32(scratch, fields.database.oid);
  scratch.append(reinterpret_cast<const char*>(fields.session.data()), fields.session.size());
  AppendText(scratch, fields.sql);
  AppendCount(scratch, fields.parameter_types.size());
  for (const uint32_t type : fields.parameter_types) AppendBig32(scratch, type);
  AppendCount(scratch, fields.parameter_formats.size());
  for (const uint16_t format : fields.parameter_formats) AppendBig16(scratch, format);
  AppendCount(scratch, fields.parameters.size());
  for (const std::optional<std::string_view>& value : fields.parameters) {
    value ? AppendText(scratch, *value) : AppendBig32(scratch, kNull);
  }
  AppendCount(scratch, fields.result_formats.size());
  for (const uint16_t format : fields.result_formats) AppendBig16(scratch, format);
  return Sha256(scratch);
}

}  // namespace pgsidecar::cache
