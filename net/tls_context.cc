#include "net/tls_context.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/log.h"

namespace pgsidecar::net {
namespace {

// Sessions are resumed only on the kind of connection that they were made on.
constexpr unsigned char kSessionIdContext[] = "pgsidecar";

Error Failure(std::string message) { return {"F0000", std::move(message), "", ""}; }

// "client_tls_cert_file: could not load the certificate "/x": no start line".
Error LoadFailure(const std::string& setting, const char* what, const std::string& path) {
  return Failure(setting + ": could not load " + what + " \"" + path + "\": " + TlsErrorText());
}

// Nobody is asked for a passphrase: a key that has one does not load.
int NoPassphrase(char*, int, int, void*) { return 0; }

// What PostgreSQL demands of a key file (documentation, "Secure TCP/IP Connections with SSL").
Result<bool> CheckKeyFile(const std::string& setting, const std::string& path) {
  struct stat file;
  if (stat(path.c_str(), &file) != 0) {
    return Failure(setting + ": could not access private key file \"" + path +
                   "\": " + std::strerror(errno));
  }
  if (!S_ISREG(file.st_mode)) {
    return Failure(setting + ": private key file \"" + path + "\" is not a regular file");
  }
  if (file.st_uid != geteuid() && file.st_uid != 0) {
    return Failure(setting + ": private key file \"" + path +
                   "\" must be owned by the current user or root");
  }
  const mode_t forbidden =
      file.st_uid == 0 && geteuid() != 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO;
  if ((file.st_mode & forbidden) != 0) {
    return Failure(setting + ": private key file \"" + path +
                   "\" has group or world access; file must have permissions u=rw (0600) or less "
                   "if owned by the current user, or permissions u=rw,g=r (0640) or less if owned "
                   "by root");
  }
  return true;
}

Result<bool> LoadKeyPair(SSL_CTX* context, const std::string& cert_setting, const std::string& cert,
                         const std::string& key_setting, const std::string& key) {
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context, cert.c_str()) != 1) {
    return LoadFailure(cert_setting, "the certificate", cert);
  }
  if (auto checked = CheckKeyFile(key_setting, key); !checked.ok()) return checked;
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return LoadFailure(key_setting, "the private key, which must have no passphrase,", key);
  }
  if (SSL_CTX_check_private_key(context) != 1) {
    return LoadFailure(key_setting, "the private key of the certificate from", key);
  }
  return true;
}

int SelectAlpn(SSL*, const unsigned char** chosen, unsigned char* chosen_bytes,
               const unsigned char* offered, unsigned int offered_bytes, void*) {
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, chosen_bytes, kAlpn, sizeof kAlpn, offered, offered_bytes) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

SSL_CTX* MakeContext(const SSL_METHOD* method, const std::string& min_protocol) {
  SSL_CTX* context = SSL_CTX_new(method);
  if (context == nullptr) std::abort();  // for want of memory
  SSL_CTX_set_min_proto_version(context,
                                min_protocol == "TLSv1.3" ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_options(
      context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // An idle connection keeps no buffers.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_default_passwd_cb(context, NoPassphrase);
  return context;
}

}  // namespace

std::string TlsErrorText() {
  // Of several the first is the cause, and the others say what failed because of it.
  const unsigned long code = ERR_peek_error();
  const char* reason = ERR_reason_error_string(code);
  std::string text = ERR_SYSTEM_ERROR(code) ? std::strerror(ERR_GET_REASON(code))
                     : reason != nullptr    ? reason
                                            : "error " + std::to_string(code);
  ERR_clear_error();
  return text;
}

std::string EndpointHash(const X509* certificate) {
  int digest = NID_undef;
  if (X509_get_signature_info(const_cast<X509*>(certificate), &digest, nullptr, nullptr, nullptr) !=
      1) {
    return "";
  }
  if (digest == NID_md5 || digest == NID_sha1) digest = NID_sha256;
  const EVP_MD* algorithm = EVP_get_digestbynid(digest);
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned int hash_bytes = 0;
  if (algorithm == nullptr || X509_digest(certificate, algorithm, hash, &hash_bytes) != 1) {
    return "";
  }
  return {reinterpret_cast<const char*>(hash), hash_bytes};
}

TlsContext::TlsContext(bool for_clients, SSL_CTX* context)
    : context_(context), for_clients_(for_clients) {
  SSL_CTX_set_app_data(context_, this);
}

TlsContext::~TlsContext() {
  SSL_SESSION_free(last_session_);
  SSL_CTX_free(context_);
}

Result<std::shared_ptr<TlsContext>> TlsContext::ForClients(const proxy::Config& config) {
  std::shared_ptr<TlsContext> made(
      new TlsContext(true, MakeContext(TLS_server_method(), config.client_tls_min_protocol)));
  SSL_CTX* context = made->context_;
  if (auto loaded = LoadKeyPair(context, "client_tls_cert_file", config.client_tls_cert_file,
                                "client_tls_key_file", config.client_tls_key_file);
      !loaded.ok()) {
    return loaded.error();
  }
  made->endpoint_hash_ = EndpointHash(SSL_CTX_get0_certificate(context));
  SSL_CTX_set_alpn_select_cb(context, SelectAlpn, nullptr);
  // Sessions are kept by the clients, in tickets.
  SSL_CTX_set_session_id_context(context, kSessionIdContext, sizeof kSessionIdContext - 1);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 1);
  if (const std::string& roots = config.client_tls_ca_file; !roots.empty()) {
    STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(roots.c_str());
    if (names == nullptr || SSL_CTX_load_verify_locations(context, roots.c_str(), nullptr) != 1) {
      sk_X509_NAME_pop_free(names, X509_NAME_free);
      return LoadFailure("client_tls_ca_file", "root certificates from", roots);
    }
    SSL_CTX_set_client_CA_list(context, names);
    // Who shows none gets through the handshake: the session then says what is missing.
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, nullptr);
  }
  return made;
}

Result<std::shared_ptr<TlsContext>> TlsContext::ForServer(const proxy::UpstreamUrl& upstream) {
  const proxy::ServerTls& tls = upstream.tls;
  std::shared_ptr<TlsContext> made(
      new TlsContext(false, MakeContext(TLS_client_method(), tls.min_protocol)));
  SSL_CTX* context = made->context_;
  made->host_ = upstream.host;
  made->checks_host_ = tls.mode == TlsMode::kVerifyFull;
  if (!tls.cert.empty()) {
    if (auto loaded = LoadKeyPair(context, "sslcert", tls.cert, "sslkey", tls.key); !loaded.ok()) {
      return loaded.error();
    }
  }
  SSL_CTX_set_alpn_protos(context, kAlpn, sizeof kAlpn);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
  SSL_CTX_sess_set_new_cb(context, OnNewSession);
  if (tls.root_cert.empty()) return made;

  ERR_clear_error();
  if (tls.root_cert == proxy::kSystemRoots) {
    if (SSL_CTX_set_default_verify_paths(context) != 1) {
      return LoadFailure("sslrootcert", "root certificates from", tls.root_cert);
    }
  } else if (SSL_CTX_load_verify_locations(context, tls.root_cert.c_str(), nullptr) != 1) {
    return LoadFailure("sslrootcert", "root certificates from", tls.root_cert);
  }
  if (!tls.crl.empty()) {
    X509_STORE* store = SSL_CTX_get_cert_store(context);
    if (X509_STORE_load_locations(store, tls.crl.c_str(), nullptr) != 1) {
      return LoadFailure("sslcrl", "the certificate revocation list", tls.crl);
    }
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  }
  // As in libpq, whoever names roots has the certificate checked, in every mode that uses TLS.
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  return made;
}

SSL_SESSION* TlsContext::LastSession() const {
  const std::lock_guard lock(mutex_);
  if (last_session_ == nullptr) return nullptr;
  // Nobody would look at the certificate again.
  const X509* peer = SSL_SESSION_get0_peer(last_session_);
  if (peer != nullptr && X509_cmp_current_time(X509_get0_notAfter(peer)) < 0) return nullptr;
  SSL_SESSION_up_ref(last_session_);
  return last_session_;
}

// Returns 1: the session is ours to free.
int TlsContext::OnNewSession(SSL* ssl, SSL_SESSION* session) {
  auto* context = static_cast<TlsContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  const std::lock_guard lock(context->mutex_);
  SSL_SESSION_free(std::exchange(context->last_session_, session));
  return 1;
}

Result<bool> TlsStore::Load(const proxy::Config& config) {
  std::shared_ptr<TlsContext> clients, server;
  if (config.client_tls_sslmode != TlsMode::kDisable) {
    auto made = TlsContext::ForClients(config);
    if (!made.ok()) return made.error();
    clients = *std::move(made);
  }
  if (config.upstream.tls.mode != TlsMode::kDisable && !config.upstream.host.starts_with('/')) {
    auto made = TlsContext::ForServer(config.upstream);
    if (!made.ok()) return Failure("upstream: " + made.error().message);
    server = *std::move(made);
  }
  const std::lock_guard lock(mutex_);
  clients_ = std::move(clients);
  server_ = std::move(server);
  return true;
}

void TlsStore::Reload(const proxy::Config& config) {
  const Result<bool> loaded = Load(config);
  if (!loaded.ok()) {
    log::error("certificates not reloaded, the old ones stay in use reason={}",
               loaded.error().message);
  } else if (clients() != nullptr || server() != nullptr) {
    log::info("certificates reloaded");
  }
}

std::shared_ptr<TlsContext> TlsStore::clients() const {
  const std::lock_guard lock(mutex_);
  return clients_;
}

std::shared_ptr<TlsContext> TlsStore::server() const {
  const std::lock_guard lock(mutex_);
  return server_;
}

}  // namespace pgsidecar::net
