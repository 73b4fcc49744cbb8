// Two ends of TLS without a socket between them.

#include "net/tls_stream.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/unit/base/shared_text.h"

namespace pgsidecar::net {
namespace {

using Outcome = TlsStream::Outcome;

// A self-signed certificate for localhost, in a directory that lives as long as the test.
class TlsStreamTest : public testing::Test {
 protected:
  TlsStreamTest() {
    char name[] = "/tmp/pgsidecar-tls-XXXXXX";
    directory_ = mkdtemp(name);
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME* subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    X509_sign(certificate, key, EVP_sha256());
    endpoint_hash_ = EndpointHash(certificate);
    std::FILE* file = std::fopen(Path("crt").c_str(), "w");
    PEM_write_X509(file, certificate);
    std::fclose(file);
    file = std::fopen(Path("key").c_str(), "w");
    PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(file);
    chmod(Path("key").c_str(), S_IRUSR | S_IWUSR);
    X509_free(certificate);
    EVP_PKEY_free(key);

    proxy::Config config;
    config.client_tls_sslmode = TlsMode::kPrefer;
    config.client_tls_cert_file = Path("crt");
    config.client_tls_key_file = Path("key");
    config.upstream.host = "localhost";
    config.upstream.tls.mode = TlsMode::kVerifyFull;
    config.upstream.tls.root_cert = Path("crt");
    const Result<bool> loaded = store_.Load(config);
    EXPECT_TRUE(loaded.ok()) << loaded.error().message;
  }
  ~TlsStreamTest() override { std::filesystem::remove_all(directory_); }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }

  static std::string Drain(Outbox& out) {
    std::vector<std::string_view> pieces(out.pieces());
    pieces.resize(out.Peek(pieces));
    std::string bytes;
    for (const std::string_view piece : pieces) bytes += piece;
    out.Clear();
    return bytes;
  }
  // Carries what `from` has to say to `to`, so many bytes at a time, with `step` after each.
  template <typename Step>
  static void Carry(TlsStream& from, TlsStream& to, size_t size, Step&& step) {
    const std::string bytes = Drain(from.out);
    for (size_t begin = 0; begin < bytes.size(); begin += size) {
      const std::string piece = bytes.substr(begin, size);
      to.Feed(piece);
      step();
      to.Keep();
    }
  }
  static void ShakeHands(TlsStream& client, TlsStream& server, size_t size) {
    EXPECT_EQ(client.Handshake(), Outcome::kNeedMore);
    while (!client.established() || !server.established()) {
      Carry(client, server, size, [&] {
        if (!server.established()) {
          EXPECT_NE(server.Handshake(), Outcome::kFailed);
        }
      });
      Carry(server, client, size, [&] {
        if (!client.established()) {
          EXPECT_NE(client.Handshake(), Outcome::kFailed);
        }
      });
    }
  }
  // Everything that can be read now.
  static std::string ReadAll(TlsStream& stream, Outcome expected = Outcome::kNeedMore) {
    std::string all;
    std::array<char, 1000> buffer;
    while (true) {
      size_t count = 0;
      const Outcome outcome = stream.Read(buffer, &count);
      if (outcome != Outcome::kDone) {
        EXPECT_EQ(outcome, expected);
        return all;
      }
      all.append(buffer.data(), count);
    }
  }

  std::string directory_;
  std::string endpoint_hash_;
  TlsStore store_;
};

TEST_F(TlsStreamTest, BothEndsKnowTheSameHoweverTheBytesAreSplit) {
  for (const size_t size : {size_t{1}, size_t{100}, size_t{100'000}}) {
    TlsStream client(store_.server(), false);
    TlsStream server(store_.clients(), false);
    ShakeHands(client, server, size);
    for (const TlsStream* each : {&client, &server}) {
      EXPECT_TRUE(each->security().encrypted);
      EXPECT_EQ(each->security().version, "TLSv1.3");
      EXPECT_EQ(each->security().endpoint_hash, endpoint_hash_);
    }
    EXPECT_EQ(endpoint_hash_.size(), 32u);
    EXPECT_TRUE(client.security().peer_verified);
    EXPECT_EQ(client.security().peer_common_name, "localhost");
    EXPECT_EQ(client.security().peer_distinguished_name, "CN=localhost");
    EXPECT_FALSE(server.security().peer_verified);
  }
}

TEST_F(TlsStreamTest, OnlyABoundedPartIsEncryptedAhead) {
  TlsStream client(store_.server(), false);
  TlsStream server(store_.clients(), false);
  ShakeHands(client, server, 1000);
  Drain(server.out);
  Outbox plain;
  const auto shared = MakeShared(std::string(1'000'000, 's'));
  plain.Append("begin");
  plain.AppendShared(shared, shared->text);
  plain.Append("end");
  std::string received;
  while (!plain.empty()) {
    const size_t before = plain.bytes();
    const size_t count = server.Encrypt(&plain);
    EXPECT_GT(count, 0u);
    EXPECT_EQ(before - count, plain.bytes());
    EXPECT_LE(server.out.bytes(), size_t{70'000});
    Carry(server, client, 5000, [&] { received += ReadAll(client); });
  }
  EXPECT_EQ(received, "begin" + shared->text + "end");
}

TEST_F(TlsStreamTest, WhatHasNotBeenReadIsKept) {
  TlsStream client(store_.server(), false);
  TlsStream server(store_.clients(), false);
  ShakeHands(client, server, 1000);
  Outbox plain;
  for (const char* each : {"one", "two", "three"}) {
    plain.Append(each);
    client.Encrypt(&plain);
  }
  Carry(client, server, 100'000, [&] {
    std::array<char, 2> buffer;
    size_t count = 0;
    EXPECT_EQ(server.Read(buffer, &count), Outcome::kDone);
    EXPECT_EQ(std::string(buffer.data(), count), "on");
  });
  EXPECT_TRUE(server.has_input());
  EXPECT_EQ(ReadAll(server), "etwothree");
  EXPECT_FALSE(server.has_input());
}

TEST_F(TlsStreamTest, TheEndIsAnnounced) {
  TlsStream client(store_.server(), false);
  TlsStream server(store_.clients(), false);
  ShakeHands(client, server, 1000);
  Outbox plain;
  plain.Append("last words");
  client.Encrypt(&plain);
  client.Close();
  client.Close();
  Carry(client, server, 100'000,
        [&] { EXPECT_EQ(ReadAll(server, Outcome::kClosed), "last words"); });
}

TEST_F(TlsStreamTest, TheLastSessionIsTakenUp) {
  for (const bool resumed : {false, true}) {
    TlsStream client(store_.server(), false);
    TlsStream server(store_.clients(), false);
    ShakeHands(client, server, 1000);
    ReadAll(client);  // the ticket comes behind the handshake
    Carry(server, client, 1000, [&] { ReadAll(client); });
    EXPECT_EQ(client.security().resumed, resumed);
    EXPECT_EQ(server.security().resumed, resumed);
    EXPECT_TRUE(client.security().peer_verified);
    EXPECT_EQ(client.security().endpoint_hash, endpoint_hash_);
  }
}

TEST_F(TlsStreamTest, GarbageIsAnError) {
  TlsStream server(store_.clients(), false);
  const std::string garbage(1000, 'x');
  server.Feed(garbage);
  EXPECT_EQ(server.Handshake(), Outcome::kFailed);
  EXPECT_TRUE(server.error().message.starts_with("SSL error: ")) << server.error().message;
  server.Close();  // nothing is left to be said but the alert
}

TEST_F(TlsStreamTest, AnotherNameIsRefused) {
  proxy::Config config;
  config.upstream.host = "db.example.com";
  config.upstream.tls.mode = TlsMode::kVerifyFull;
  config.upstream.tls.root_cert = Path("crt");
  TlsStore other;
  ASSERT_TRUE(other.Load(config).ok());
  TlsStream client(other.server(), false);
  TlsStream server(store_.clients(), false);
  Outcome outcome = client.Handshake();
  for (int turn = 0; turn < 4 && outcome == Outcome::kNeedMore; ++turn) {
    Carry(client, server, 100'000, [&] { server.Handshake(); });
    Carry(server, client, 100'000, [&] { outcome = client.Handshake(); });
  }
  EXPECT_EQ(outcome, Outcome::kFailed);
  EXPECT_EQ(client.error().message,
            "server certificate for \"localhost\" does not match host name \"db.example.com\"");
  EXPECT_FALSE(client.established());
}

}  // namespace
}  // namespace pgsidecar::net
