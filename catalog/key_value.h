// The values of tracked columns as numbers: two spellings of one value give the same number, in
// whatever format they came. What is not spelled in one of the plain ways is no value here; whoever
// asks falls back to what covers all values.

#ifndef PGSIDECAR_CATALOG_KEY_VALUE_H_
#define PGSIDECAR_CATALOG_KEY_VALUE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgsidecar::catalog {

// Types whose `=` is equality of what HashOfText and HashOfBinary hash. int2, int4 and int8 are
// one, text and varchar are one.
enum class KeyType : uint8_t { kInteger, kText, kUuid, kBool, kOid };

// `text` as the type's input function would read it: of a quoted literal, or a parameter in text
// format.
std::optional<uint64_t> HashOfText(KeyType type, std::string_view text);
// A parameter in binary format, of a declared or inferred type of this kind.
std::optional<uint64_t> HashOfBinary(KeyType type, std::string_view bytes);

// The elements of an array of one dimension, in text or binary format. nullopt if it is not a plain
// one, has more than `max_elements`, or a NULL among them.
std::optional<std::vector<std::string>> TextArrayElements(std::string_view text,
                                                          size_t max_elements);
std::optional<std::vector<std::string_view>> BinaryArrayElements(std::string_view bytes,
                                                                 size_t max_elements);

// The type that PostgreSQL calls by this OID, or the array of such if `array`.
std::optional<KeyType> KeyTypeOfOid(uint32_t oid, bool array);

}  // namespace pgsidecar::catalog

#endif  // PGSIDECAR_CATALOG_KEY_VALUE_H_
