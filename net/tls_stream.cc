#include "net/tls_stream.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace pgsidecar::net {
namespace {

constexpr size_t kRecordBytes = 16384;
static_assert(TlsStream::kEncryptAheadBytes % kRecordBytes == 0);

bool IsAddress(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

std::string DistinguishedName(const X509_NAME* name) {
  BIO* text = BIO_new(BIO_s_mem());
  if (text == nullptr) std::abort();
  X509_NAME_print_ex(text, name, 0, XN_FLAG_RFC2253);
  char* bytes = nullptr;
  const long count = BIO_get_mem_data(text, &bytes);
  std::string result(bytes, static_cast<size_t>(std::max(count, 0L)));
  BIO_free(text);
  return result;
}

// Empty if there is none, or one with a zero byte, behind which another name could hide.
std::string CommonName(const X509_NAME* name) {
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at < 0) return "";
  unsigned char* utf8 = nullptr;
  const int count =
      ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
  if (count < 0) return "";
  std::string result(reinterpret_cast<const char*>(utf8), static_cast<size_t>(count));
  OPENSSL_free(utf8);
  return result.find('\0') == std::string::npos ? result : "";
}

}  // namespace

// What OpenSSL reads from and writes to.
struct TlsBio {
  static TlsStream* StreamOf(BIO* bio) { return static_cast<TlsStream*>(BIO_get_data(bio)); }

  static int Read(BIO* bio, char* to, int count) {
    BIO_clear_retry_flags(bio);
    std::string_view& fed = StreamOf(bio)->fed_;
    if (fed.empty()) {
      BIO_set_retry_read(bio);
      return -1;
    }
    const size_t taken = std::min(fed.size(), static_cast<size_t>(count));
    std::memcpy(to, fed.data(), taken);
    fed.remove_prefix(taken);
    return static_cast<int>(taken);
  }

  static int Write(BIO* bio, const char* from, int count) {
    StreamOf(bio)->out.Append({from, static_cast<size_t>(count)});
    return count;
  }

  static long Control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static BIO* Make(TlsStream* stream) {
    static const BIO_METHOD* const kMethod = [] {
      BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "pgsidecar");
      if (method == nullptr) std::abort();
      BIO_meth_set_read(method, Read);
      BIO_meth_set_write(method, Write);
      BIO_meth_set_ctrl(method, Control);
      return method;
    }();
    BIO* bio = BIO_new(kMethod);
    if (bio == nullptr) std::abort();
    BIO_set_data(bio, stream);
    BIO_set_init(bio, 1);
    return bio;
  }
};

TlsStream::TlsStream(std::shared_ptr<TlsContext> context, bool direct)
    : context_(std::move(context)), ssl_(SSL_new(context_->get())), direct_(direct) {
  if (ssl_ == nullptr) std::abort();
  BIO* bio = TlsBio::Make(this);
  SSL_set_bio(ssl_, bio, bio);
  if (context_->for_clients()) {
    SSL_set_accept_state(ssl_);
    return;
  }
  SSL_set_connect_state(ssl_);
  if (!IsAddress(context_->host())) SSL_set_tlsext_host_name(ssl_, context_->host().c_str());
  if (SSL_SESSION* session = context_->LastSession()) {
    SSL_set_session(ssl_, session);
    SSL_SESSION_free(session);
  }
}

TlsStream::~TlsStream() {
  // A socket that ends without a word does not make its session suspect; an error does.
  if (established_ && error_.message.empty()) SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN);
  SSL_free(ssl_);
}

void TlsStream::Feed(std::string_view bytes) {
  if (bytes.empty()) return;
  starved_ = false;
  if (fed_.empty()) {
    fed_ = bytes;
    return;
  }
  Keep();
  kept_.append(bytes);
  fed_ = kept_;
}

void TlsStream::Keep() {
  std::string rest(fed_);  // may be a part of kept_
  kept_ = std::move(rest);
  fed_ = kept_;
}

TlsStream::Outcome TlsStream::Handshake() {
  started_ = true;
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result != 1) return Fail(result);
  if (!CheckPeer()) {
    closed_ = true;
    return Outcome::kFailed;
  }
  NoteSecurity();
  established_ = true;
  return Outcome::kDone;
}

TlsStream::Outcome TlsStream::Read(std::span<char> to, size_t* count) {
  ERR_clear_error();
  *count = 0;
  const int result = SSL_read_ex(ssl_, to.data(), to.size(), count);
  return result == 1 ? Outcome::kDone : Fail(result);
}

size_t TlsStream::Encrypt(Outbox* plain) {
  std::array<char, kRecordBytes> gathered;
  size_t total = 0;
  while (!closed_ && !plain->empty() && total < kEncryptAheadBytes) {
    // Small pieces share a record; of a large one no copy is made.
    constexpr size_t kMaxPieces = 16;
    std::array<std::string_view, kMaxPieces> pieces;
    const size_t filled = plain->Peek(pieces);
    std::string_view record = pieces[0].substr(0, kRecordBytes);
    if (record.size() < kRecordBytes && filled > 1) {
      size_t used = 0;
      for (size_t i = 0; i < filled && used < kRecordBytes; ++i) {
        const size_t part = std::min(pieces[i].size(), kRecordBytes - used);
        std::memcpy(gathered.data() + used, pieces[i].data(), part);
        used += part;
      }
      record = {gathered.data(), used};
    }
    ERR_clear_error();
    size_t written = 0;
    // Without renegotiation, and with an `out` that takes everything, this fails on a dead
    // connection only.
    if (const int result = SSL_write_ex(ssl_, record.data(), record.size(), &written);
        result != 1) {
      Fail(result);
      break;
    }
    plain->Consume(written);
    total += written;
  }
  return total;
}

void TlsStream::Close() {
  if (std::exchange(closed_, true) || !established_) return;
  ERR_clear_error();
  SSL_shutdown(ssl_);  // close_notify; the other end's is not waited for
  ERR_clear_error();
}

TlsStream::Outcome TlsStream::Fail(int result) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      starved_ = true;
      return Outcome::kNeedMore;
    case SSL_ERROR_ZERO_RETURN:
      starved_ = true;
      return Outcome::kClosed;
    default:
      break;
  }
  starved_ = true;
  closed_ = true;
  const bool checked = SSL_get_verify_mode(ssl_) != SSL_VERIFY_NONE;
  const long verdict = checked ? SSL_get_verify_result(ssl_) : X509_V_OK;
  if (!established_ && verdict != X509_V_OK) {
    error_ = {"08006",
              std::string("could not accept the ") +
                  (context_->for_clients() ? "client" : "server") +
                  "'s SSL certificate: " + X509_verify_cert_error_string(verdict),
              context_->for_clients() ? "It was checked against client_tls_ca_file."
                                      : "It was checked against the upstream's sslrootcert.",
              ""};
    ERR_clear_error();
  } else {
    error_ = {"08006", "SSL error: " + TlsErrorText(), "", ""};
  }
  return Outcome::kFailed;
}

// What OpenSSL has not checked by itself.
bool TlsStream::CheckPeer() {
  if (direct_) {
    const unsigned char* protocol = nullptr;
    unsigned int protocol_bytes = 0;
    SSL_get0_alpn_selected(ssl_, &protocol, &protocol_bytes);
    if (protocol_bytes == 0) {
      error_ = {"08006",
                "direct SSL connection was established without ALPN protocol negotiation extension",
                "", ""};
      return false;
    }
  }
  if (!context_->checks_host()) return true;
  const std::string& host = context_->host();
  X509* certificate = SSL_get1_peer_certificate(ssl_);
  bool matches = false;
  if (certificate != nullptr) {
    matches = (IsAddress(host) && X509_check_ip_asc(certificate, host.c_str(), 0) == 1) ||
              X509_check_host(certificate, host.c_str(), host.size(),
                              X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, nullptr) == 1;
    if (!matches) {
      error_ = {"08006",
                "server certificate for \"" + CommonName(X509_get_subject_name(certificate)) +
                    "\" does not match host name \"" + host + "\"",
                "sslmode=verify-full of the upstream demands it.", ""};
    }
  }
  X509_free(certificate);
  return matches;
}

void TlsStream::NoteSecurity() {
  security_.encrypted = true;
  security_.resumed = SSL_session_reused(ssl_) == 1;
  security_.version = SSL_get_version(ssl_);
  security_.cipher = SSL_get_cipher_name(ssl_);
  security_.endpoint_hash = context_->endpoint_hash();
  NotePeer();
}

void TlsStream::NotePeer() {
  X509* certificate = SSL_get1_peer_certificate(ssl_);
  if (certificate == nullptr) return;
  if (!context_->for_clients()) security_.endpoint_hash = EndpointHash(certificate);
  // A session that is resumed was verified when it began: the certificate may have run out since.
  if (SSL_get_verify_mode(ssl_) != SSL_VERIFY_NONE && SSL_get_verify_result(ssl_) == X509_V_OK &&
      X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0) {
    const X509_NAME* name = X509_get_subject_name(certificate);
    security_.peer_verified = true;
    security_.peer_common_name = CommonName(name);
    security_.peer_distinguished_name = DistinguishedName(name);
  }
  X509_free(certificate);
}

}  // namespace pgsidecar::net
