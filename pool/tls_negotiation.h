// How a connection to the server comes to be encrypted or not: libpq's sslmode and sslnegotiation
// (PostgreSQL documentation, "SSL Support" and "SSL Session Encryption").
//
//     Begin ─► kAsk ─► OnAnswer ─► kHandshake ─► (TLS is up) ─► startup packet ─► OnStartupAnswer
//       │                  └─────► kPlain ───────────────────────────┘                 │
//       └─► kHandshake (direct), kPlain                                                ▼
//                                                              kPass, or kReconnect and Begin again
//
// allow and prefer may try both ways, each once: the other if the handshake fails (prefer), or if
// the server's first word about the startup packet is an error, as pg_hba.conf's hostssl and
// hostnossl have it. Unlike libpq's, a login that has been asked for its password is not tried
// again: its answers are the client's. If both ways are refused, what was said over TLS counts.
//
// Pure: whoever owns the socket does what a Step says.

#ifndef PGSIDECAR_POOL_TLS_NEGOTIATION_H_
#define PGSIDECAR_POOL_TLS_NEGOTIATION_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/transport.h"

namespace pgsidecar::pool {

class TlsNegotiation {
 public:
  enum class Step : uint8_t {
    kAsk,        // send an SSLRequest; what comes goes to OnAnswer
    kHandshake,  // be the client of a TLS handshake
    kPlain,      // the connection stays as it is
    kWait,       // for more of the server's answer
    kPass,       // it is over: what the server has said is TakeSaid()
    kReconnect,  // close the socket, open another one, and Begin again
    kFail,       // error() says why
  };

  // `direct`: no SSLRequest goes before the handshake.
  TlsNegotiation(TlsMode mode, bool direct);

  // A socket is open.
  Step Begin() const;
  // The server's answer to SSLRequest: kHandshake, kPlain or kFail. More than the one byte that is
  // due is never taken: somebody would slip it under the encryption.
  Step OnAnswer(std::string_view bytes);
  // kReconnect, or kFail where nothing else may be tried.
  Step OnHandshakeFailed();
  // Bytes in answer to the startup packet, while watches_startup(): kWait, kPass or kReconnect.
  Step OnStartupAnswer(std::string_view bytes);

  // Whether the server's first words about the startup packet still matter.
  bool watches_startup() const { return can_try_other_ || !refusal_.empty(); }
  // The startup packet has been refused one way, and goes the other way now.
  bool repeats_startup() const { return !refusal_.empty(); }
  // What the server has said and nobody has been given yet, the refusal of the first way included.
  std::string TakeSaid();
  const Error& error() const { return error_; }

 private:
  Step Fail(std::string message);
  Step TryOther();

  TlsMode mode_;
  bool direct_;
  bool encrypted_;       // what is being tried
  bool can_try_other_;   // the other way has not been tried and is allowed
  std::string said_;     // in answer to the startup packet, so far
  std::string refusal_;  // of the way tried first
  bool refusal_encrypted_ = false;
  Error error_;
};

}  // namespace pgsidecar::pool

#endif  // PGSIDECAR_POOL_TLS_NEGOTIATION_H_
