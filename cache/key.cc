// The pre-image of a key:
//
//     "pgsidecar key 1\0"
//     01 flavor                     u8
//     02 cluster, database oid      u64 u32
//     03 session user               u64 length, bytes
//     04 current role               u64 length, bytes
//     05 environment                u64 length, bytes
//     06 statement text             u64 length, bytes
//     07 parameter types            u64 count, u32 each
//     08 parameter formats          u64 count, u16 each
//     09 parameter values           u64 count, each 00 (NULL) or 01, u64 length, bytes
//     0a result formats             u64 count, u16 each
//
// All numbers in network order. Each field begins with its number, has a fixed size or says its
// own, and is always there: a reader could take the pre-image apart again, so no two different
// requests have the same one. Whoever changes the format changes the tag.

#include "cache/key.h"

#include "base/bytes.h"

namespace pgsidecar::cache {
namespace {

constexpr std::string_view kTag{"pgsidecar key 1\0", 16};

void AppendText(std::string& to, char field, std::string_view text) {
  to.push_back(field);
  AppendBig64(to, text.size());
  to.append(text);
}

void AppendNumbers(std::string& to, char field, std::span<const uint32_t> numbers) {
  to.push_back(field);
  AppendBig64(to, numbers.size());
  for (const uint32_t number : numbers) AppendBig32(to, number);
}

void AppendNumbers(std::string& to, char field, std::span<const uint16_t> numbers) {
  to.push_back(field);
  AppendBig64(to, numbers.size());
  for (const uint16_t number : numbers) AppendBig16(to, number);
}

void AppendValues(std::string& to, char field,
                  std::span<const std::optional<std::string_view>> values) {
  to.push_back(field);
  AppendBig64(to, values.size());
  for (const std::optional<std::string_view>& value : values) {
    to.push_back(value ? '\x01' : '\x00');
    if (!value) continue;
    AppendBig64(to, value->size());
    to.append(*value);
  }
}

}  // namespace

Digest MakeKey(const KeyFields& fields, std::string& scratch) {
  scratch.clear();
  scratch.append(kTag);
  scratch.push_back('\x01');
  scratch.push_back(static_cast<char>(fields.flavor));
  scratch.push_back('\x02');
  AppendBig64(scratch, fields.database.cluster);
  AppendBig32(scratch, fields.database.oid);
  AppendText(scratch, '\x03', fields.session_user);
  AppendText(scratch, '\x04', fields.current_role);
  AppendText(scratch, '\x05', fields.environment);
  AppendText(scratch, '\x06', fields.sql);
  AppendNumbers(scratch, '\x07', fields.parameter_types);
  AppendNumbers(scratch, '\x08', fields.parameter_formats);
  AppendValues(scratch, '\x09', fields.parameters);
  AppendNumbers(scratch, '\x0a', fields.result_formats);
  return Sha256(scratch);
}

}  // namespace pgsidecar::cache
