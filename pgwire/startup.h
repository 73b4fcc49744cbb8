// The packets without a type byte: StartupMessage, SSLRequest, GSSENCRequest, CancelRequest
// (PostgreSQL documentation, "Message Flow: Start-up").

#ifndef PGSIDECAR_PGWIRE_STARTUP_H_
#define PGSIDECAR_PGWIRE_STARTUP_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace pgsidecar::pgwire {

inline constexpr uint32_t kProtocol30 = 3U << 16;
inline constexpr uint32_t kProtocol32 = (3U << 16) | 2;
// What stands in place of a protocol version in the other packets.
inline constexpr uint32_t kCancelRequestCode = (1234U << 16) | 5678;
inline constexpr uint32_t kSslRequestCode = (1234U << 16) | 5679;
inline constexpr uint32_t kGssEncRequestCode = (1234U << 16) | 5680;
// What a cancel key may measure: 4 bytes in protocol 3.0, up to 256 in 3.2.
inline constexpr size_t kMinCancelKeyBytes = 4;
inline constexpr size_t kMaxCancelKeyBytes = 256;

struct StartupMessage {
  uint32_t protocol = kProtocol30;
  // In the order of the packet: user, database, options, any run-time setting, _pq_.* options.
  std::vector<std::pair<std::string, std::string>> parameters;

  // The value of a parameter (the last one of that name, as the server takes it), or nullptr.
  const std::string* Find(std::string_view name) const;
  void Encode(std::string& to) const;
};

struct SslRequest {};
struct GssEncRequest {};

struct CancelRequest {
  uint32_t pid = 0;
  std::string key;
  void Encode(std::string& to) const;
};

using StartupPacket = std::variant<StartupMessage, SslRequest, GssEncRequest, CancelRequest>;

// Decodes one whole packet, length included. Errors as the server gives them: 08P01 for a bad
// layout, 0A000 for a protocol major version other than 3, 28000 where `user` is missing.
Result<StartupPacket> DecodeStartupPacket(std::string_view packet);

}  // namespace pgsidecar::pgwire

#endif  // PGSIDECAR_PGWIRE_STARTUP_H_
