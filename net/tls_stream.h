// The TLS of one connection: bytes of the socket in, plain bytes out, and the reverse. It touches
// no socket: what it has to send is in `out`, in the order in which it has to be sent.
//
//     socket ─► Feed ─► [fed_] ─► OpenSSL ─► Read ─► plain bytes
//     socket ◄─ out  ◄─────────── OpenSSL ◄─ Encrypt ◄─ an Outbox of plain bytes
//
// What has been fed and not yet been read stays here: has_input() says so, since no socket will.

#ifndef PGSIDECAR_NET_TLS_STREAM_H_
#define PGSIDECAR_NET_TLS_STREAM_H_

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/outbox.h"
#include "base/result.h"
#include "base/transport.h"
#include "net/tls_context.h"

namespace pgsidecar::net {

class TlsStream {
 public:
  enum class Outcome : uint8_t {
    kDone,
    kNeedMore,  // bytes of the other end
    kClosed,    // it has said that nothing more will come
    kFailed,    // error() says why; `out` may hold an alert for the other end
  };

  // What is encrypted at a time at most, ahead of the socket.
  static constexpr size_t kEncryptAheadBytes = size_t{64} * 1024;

  // `direct`: TLS has begun, or begins, without an SSLRequest, and both ends must name the
  // protocol.
  TlsStream(std::shared_ptr<TlsContext> context, bool direct);
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  // Bytes of the socket. REQUIRES: they stay as they are until Keep.
  void Feed(std::string_view bytes);
  // Copies what of them has not been taken.
  void Keep();

  // Goes on with the handshake, or begins it. kDone once it is over and the other end is who it
  // should be.
  Outcome Handshake();
  bool started() const { return started_; }
  bool established() const { return established_; }
  // REQUIRES: established().
  const TransportSecurity& security() const { return security_; }

  // Decrypts into `to` as much as fits and is there: `count` bytes, above 0 if kDone.
  Outcome Read(std::span<char> to, size_t* count);
  // Whether Read may have something without another Feed.
  bool has_input() const { return !starved_; }

  // Encrypts bytes off the front of `plain`, a bounded number; returns how many, 0 if the
  // connection can carry no more.
  // REQUIRES: established().
  size_t Encrypt(Outbox* plain);
  // Tells the other end that nothing more will come. Once; later calls do nothing.
  void Close();

  const Error& error() const { return error_; }

  Outbox out;

 private:
  friend struct TlsBio;

  Outcome Fail(int result);
  bool CheckPeer();
  void NoteSecurity();
  void NotePeer();

  std::shared_ptr<TlsContext> context_;
  SSL* ssl_;
  bool direct_;
  bool started_ = false;
  bool established_ = false;
  bool closed_ = false;  // we have, or may say nothing more
  bool starved_ = true;
  std::string_view fed_;  // not yet taken by OpenSSL; into the caller's bytes, or into kept_
  std::string kept_;
  TransportSecurity security_;
  Error error_;
};

}  // namespace pgsidecar::net

#endif  // PGSIDECAR_NET_TLS_STREAM_H_
