// What is known of how a connection's bytes travel: facts that net/ establishes and everybody else
// only reads.

#ifndef PGSIDECAR_BASE_TRANSPORT_H_
#define PGSIDECAR_BASE_TRANSPORT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgsidecar {

// libpq's sslmode, in the order of what is demanded (PostgreSQL documentation, "SSL Support").
enum class TlsMode : uint8_t { kDisable, kAllow, kPrefer, kRequire, kVerifyCa, kVerifyFull };

inline constexpr std::array<std::string_view, 6> kTlsModeNames = {
    "disable", "allow", "prefer", "require", "verify-ca", "verify-full"};

inline std::string_view TlsModeName(TlsMode mode) {
  return kTlsModeNames[static_cast<size_t>(mode)];
}

inline std::optional<TlsMode> ParseTlsMode(std::string_view name) {
  for (size_t i = 0; i < kTlsModeNames.size(); ++i) {
    if (kTlsModeNames[i] == name) return static_cast<TlsMode>(i);
  }
  return std::nullopt;
}

// libpq's channel_binding.
enum class ChannelBinding : uint8_t { kDisable, kPrefer, kRequire };

// The TLS of one connection; nothing but empty values on a plain one.
struct TransportSecurity {
  bool encrypted = false;
  bool resumed = false;   // the handshake took up an earlier session
  std::string version{};  // TLSv1.2, TLSv1.3
  std::string cipher{};
  // The digest, as bytes, that channel binding tls-server-end-point (RFC 5929) is made of: of the
  // certificate of whoever is the server on this connection, so of our own towards a client. Empty
  // if the certificate's signature algorithm names no digest.
  std::string endpoint_hash{};
  // Of the other end's certificate, if it has been verified; else false and empty.
  bool peer_verified = false;
  std::string peer_common_name{};
  std::string peer_distinguished_name{};  // as RFC 2253 writes it

  // For consoles, as PgBouncer shows it: "TLSv1.3/TLS_AES_256_GCM_SHA384"; empty on a plain one.
  std::string Summary() const { return encrypted ? version + "/" + cipher : ""; }
};

}  // namespace pgsidecar

#endif  // PGSIDECAR_BASE_TRANSPORT_H_
