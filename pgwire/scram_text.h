// How the messages of SCRAM are written (RFC 5802, section 5.1). Internal to pgwire/.

#ifndef PGSIDECAR_PGWIRE_SCRAM_TEXT_H_
#define PGSIDECAR_PGWIRE_SCRAM_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgsidecar::pgwire {

std::string ToBase64(std::string_view bytes);
// Strict: no blanks, padding only at the end, nothing empty.
std::optional<std::string> FromBase64(std::string_view text);

// From 0x21 to 0x7e, as a nonce and an error's name have to be.
bool IsScramPrintable(std::string_view text);

// Takes the attribute `name=value` off the front of `message`, its comma with it; nullopt if
// another one stands there.
std::optional<std::string_view> TakeAttribute(std::string_view& message, char name);

// Decimal digits only, from 1 to kMaxScramIterations.
std::optional<uint32_t> ParseIterations(std::string_view text);

}  // namespace pgsidecar::pgwire

#endif  // PGSIDECAR_PGWIRE_SCRAM_TEXT_H_
