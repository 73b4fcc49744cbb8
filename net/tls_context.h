// Certificates, keys and what is demanded of the other end: what the TLS connections of one side
// share. A context never changes; a reload makes another, and connections keep the one that they
// began with. All of it may be used by several threads.

#ifndef PGSIDECAR_NET_TLS_CONTEXT_H_
#define PGSIDECAR_NET_TLS_CONTEXT_H_

#include <openssl/ssl.h>

#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"
#include "proxy/config.h"
#include "proxy/url.h"

namespace pgsidecar::net {

// The protocol's name in a handshake (ALPN), as registered for PostgreSQL.
inline constexpr unsigned char kAlpn[] = {10, 'p', 'o', 's', 't', 'g', 'r', 'e', 's', 'q', 'l'};

class TlsContext {
 public:
  // Reads the files. An error says which setting, which file and what was expected. Key files have
  // to be as private as PostgreSQL wants its own.
  static Result<std::shared_ptr<TlsContext>> ForClients(const proxy::Config& config);
  static Result<std::shared_ptr<TlsContext>> ForServer(const proxy::UpstreamUrl& upstream);

  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  SSL_CTX* get() const { return context_; }
  // Whether we are the server of the handshake.
  bool for_clients() const { return for_clients_; }
  // Of our own certificate, towards clients: see TransportSecurity.
  const std::string& endpoint_hash() const { return endpoint_hash_; }
  // Towards the server: its name in the URL, and whether its certificate has to bear it.
  const std::string& host() const { return host_; }
  bool checks_host() const { return checks_host_; }

  // The newest session with the server, to be taken up by the next connection; null if there is
  // none. The caller frees it.
  SSL_SESSION* LastSession() const;

 private:
  TlsContext(bool for_clients, SSL_CTX* context);
  static int OnNewSession(SSL* ssl, SSL_SESSION* session);

  SSL_CTX* context_;
  bool for_clients_;
  std::string endpoint_hash_;
  std::string host_;
  bool checks_host_ = false;
  mutable std::mutex mutex_;
  SSL_SESSION* last_session_ = nullptr;  // guarded by mutex_
};

// tls-server-end-point of a certificate (RFC 5929, section 4.1); empty if it names no digest.
std::string EndpointHash(const X509* certificate);

// What OpenSSL says of what has gone wrong on this thread since its errors were last cleared;
// clears them.
std::string TlsErrorText();

// The two contexts in use. Null where the configuration asks for no TLS.
class TlsStore {
 public:
  // Makes both contexts anew from the files that `config` names. If either fails neither changes.
  Result<bool> Load(const proxy::Config& config);
  // Load for a running process: says in the log what has come of it.
  void Reload(const proxy::Config& config);

  std::shared_ptr<TlsContext> clients() const;
  std::shared_ptr<TlsContext> server() const;

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<TlsContext> clients_;  // guarded by mutex_, as is the other
  std::shared_ptr<TlsContext> server_;
};

}  // namespace pgsidecar::net

#endif  // PGSIDECAR_NET_TLS_CONTEXT_H_
