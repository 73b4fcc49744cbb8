// The upstream URL: what libpq accepts, what is refused, and that no password leaks.

#include "proxy/url.h"

#include <gtest/gtest.h>
#include <pwd.h>
#include <unistd.h>

namespace pgsidecar::proxy {
namespace {

UpstreamUrl Parsed(std::string_view text) {
  Result<UpstreamUrl> url = ParseUrl(text);
  EXPECT_TRUE(url.ok()) << text << ": " << (url.ok() ? "" : url.error().message);
  return url.ok() ? *url : UpstreamUrl{};
}

std::string Refusal(std::string_view text) {
  Result<UpstreamUrl> url = ParseUrl(text);
  EXPECT_FALSE(url.ok()) << text;
  return url.ok() ? "" : url.error().message;
}

TEST(UrlTest, EveryPart) {
  const UpstreamUrl url = Parsed("postgres://ann:s3cret@db.example:5433/shop");
  EXPECT_EQ(url.user, "ann");
  EXPECT_EQ(url.password, "s3cret");
  EXPECT_EQ(url.host, "db.example");
  EXPECT_EQ(url.port, 5433);
  EXPECT_EQ(url.database, "shop");
  EXPECT_TRUE(url.parameters.empty());
}

TEST(UrlTest, BothSchemes) {
  EXPECT_EQ(Parsed("postgresql://u@h/d"), Parsed("postgres://u@h/d"));
  for (const char* wrong : {"", "postgres", "postgres:/u@h/d", "mysql://u@h/d", "u@h/d",
                            "host=h user=u", "POSTGRES//u@h"}) {
    EXPECT_EQ(Refusal(wrong), "expected a URL such as postgres://user:password@host:5432/db");
  }
}

TEST(UrlTest, Defaults) {
  const UpstreamUrl url = Parsed("postgres://ann@h");
  EXPECT_EQ(url.port, 5432);
  EXPECT_EQ(url.database, "ann");
  EXPECT_EQ(url.password, "");
  EXPECT_EQ(Parsed("postgres://ann@h/"), url);
  EXPECT_EQ(Parsed("postgres://ann@h:/"), url);
  EXPECT_EQ(Parsed("postgres://ann:@h:5432/?"), url);
}

TEST(UrlTest, UserDefaultsToTheOperatingSystems) {
  const passwd* owner = getpwuid(geteuid());
  if (!owner) GTEST_SKIP() << "this process's owner has no name";
  const UpstreamUrl url = Parsed("postgres://h");
  EXPECT_EQ(url.user, owner->pw_name);
  EXPECT_EQ(url.database, owner->pw_name);
}

TEST(UrlTest, PercentDecoding) {
  const UpstreamUrl url = Parsed("postgres://a%40b:p%3aw%2F%25@h%2dx/d%20e");
  EXPECT_EQ(url.user, "a@b");
  EXPECT_EQ(url.password, "p:w/%");
  EXPECT_EQ(url.host, "h-x");
  EXPECT_EQ(url.database, "d e");
}

TEST(UrlTest, BadPercentSaysWhereWithoutTheSecret) {
  EXPECT_EQ(Refusal("postgres://u:hunter%2@h/d"),
            "expected two hexadecimal digits behind each % in the password");
  EXPECT_EQ(Refusal("postgres://u:hunter%@h/d"),
            "expected two hexadecimal digits behind each % in the password");
  EXPECT_EQ(Refusal("postgres://u:p@h/d%zz"),
            "expected two hexadecimal digits behind each % in the database");
  EXPECT_EQ(Refusal("postgres://u%00:p@h/d"), "expected no zero byte in the user");
  EXPECT_EQ(Refusal(std::string_view("postgres://u@h/d\0e", 18)),
            "expected no zero byte in the database");
}

TEST(UrlTest, PasswordMayHoldColons) { EXPECT_EQ(Parsed("postgres://u:a:b@h/d").password, "a:b"); }

TEST(UrlTest, Ipv6InBrackets) {
  const UpstreamUrl url = Parsed("postgres://u@[2001:db8::1]:6000/d");
  EXPECT_EQ(url.host, "2001:db8::1");
  EXPECT_EQ(url.port, 6000);
  EXPECT_EQ(RedactedUrl(url), "postgres://u@[2001:db8::1]:6000/d");
  EXPECT_EQ(Parsed("postgres://u@[::1]/d").host, "::1");
  EXPECT_EQ(Parsed("postgres://u@[::1]").host, "::1");
  EXPECT_EQ(Refusal("postgres://u@[]/d"), "expected an IPv6 address between [ and ]");
  EXPECT_EQ(Refusal("postgres://u@[::1/d"), "expected an IPv6 address between [ and ]");
  EXPECT_EQ(Refusal("postgres://u@[::1]x/d"),
            "expected a port, a database or nothing behind the ] of the host");
}

TEST(UrlTest, UnixSocketDirectory) {
  EXPECT_EQ(Parsed("postgres://u@%2Fvar%2Frun%2Fpostgresql/d").host, "/var/run/postgresql");
  EXPECT_EQ(Parsed("postgres://u@/d?host=/tmp").host, "/tmp");
  EXPECT_EQ(Parsed("postgres:///d?host=%2Ftmp&user=u&port=6000").port, 6000);
  EXPECT_EQ(RedactedUrl(Parsed("postgres://u@/d?host=/tmp")), "postgres://u@%2Ftmp:5432/d");
  EXPECT_EQ(ParseUrl(RedactedUrl(Parsed("postgres://u@/d?host=/tmp")))->host, "/tmp");
}

TEST(UrlTest, ParametersOverrideAndTheRestIsKept) {
  const UpstreamUrl url = Parsed(
      "postgres://u:p@h:1/d?user=v&password=q&host=i&port=2&dbname=e&application_name=a%20b&x=");
  EXPECT_EQ(url.user, "v");
  EXPECT_EQ(url.password, "q");
  EXPECT_EQ(url.host, "i");
  EXPECT_EQ(url.port, 2);
  EXPECT_EQ(url.database, "e");
  const std::vector<std::pair<std::string, std::string>> kept = {{"application_name", "a b"},
                                                                 {"x", ""}};
  EXPECT_EQ(url.parameters, kept);
}

TEST(UrlTest, MalformedParameters) {
  for (const char* wrong : {"postgres://u@h/d?a", "postgres://u@h/d?=b", "postgres://u@h/d?a=b=c",
                            "postgres://u@h/d?a=b&&c=d"}) {
    EXPECT_EQ(Refusal(wrong), "expected name=value pairs, separated by &, behind the ? of the URL");
  }
}

TEST(UrlTest, TlsModes) {
  EXPECT_EQ(Parsed("postgres://u@h/d").tls.mode, TlsMode::kPrefer);
  for (const char* mode : {"disable", "allow", "prefer", "require"}) {
    const UpstreamUrl url = Parsed(std::string("postgres://u@h/d?sslmode=") + mode);
    EXPECT_EQ(TlsModeName(url.tls.mode), mode);
    EXPECT_TRUE(url.parameters.empty());
  }
  for (const std::string mode : {"verify-ca", "verify-full"}) {
    const UpstreamUrl url = Parsed("postgres://u@h/d?sslrootcert=%2Fca&sslmode=" + mode);
    EXPECT_EQ(TlsModeName(url.tls.mode), mode);
    EXPECT_EQ(url.tls.root_cert, "/ca");
    EXPECT_EQ(RedactedUrl(url), "postgres://u@h:5432/d?sslmode=" + mode + "&sslrootcert=%2Fca");
    EXPECT_EQ(Parsed(RedactedUrl(url)).tls, url.tls);
    EXPECT_EQ(Refusal("postgres://u@h/d?sslmode=" + mode),
              "expected sslrootcert (a file, or system) with sslmode=" + mode);
  }
  EXPECT_EQ(Parsed("postgres://u@h/d?ssl=true").tls.mode, TlsMode::kRequire);
  EXPECT_EQ(Refusal("postgres://u@h/d?sslmode=on"),
            "expected sslmode to be disable, allow, prefer, require, verify-ca or verify-full");
}

TEST(UrlTest, TlsParameters) {
  const ServerTls tls =
      Parsed(
          "postgres://u@h/d?sslmode=verify-ca&sslrootcert=/r&sslcert=/c&sslkey=/k&sslcrl=/l"
          "&ssl_min_protocol_version=TLSv1.3&sslnegotiation=direct&channel_binding=require")
          .tls;
  EXPECT_EQ(tls.root_cert, "/r");
  EXPECT_EQ(tls.cert, "/c");
  EXPECT_EQ(tls.key, "/k");
  EXPECT_EQ(tls.crl, "/l");
  EXPECT_EQ(tls.min_protocol, "TLSv1.3");
  EXPECT_TRUE(tls.direct);
  EXPECT_EQ(tls.channel_binding, ChannelBinding::kRequire);
  EXPECT_FALSE(Parsed("postgres://u@h/d?sslnegotiation=postgres").tls.direct);
}

TEST(UrlTest, TlsParametersThatDoNotGoTogether) {
  EXPECT_EQ(Parsed("postgres://u@h/d?sslrootcert=system").tls.mode, TlsMode::kVerifyFull);
  EXPECT_EQ(Refusal("postgres://u@h/d?sslrootcert=system&sslmode=require"),
            "expected sslmode=verify-full with sslrootcert=system, got sslmode=require");
  EXPECT_EQ(Refusal("postgres://u@h/d?sslnegotiation=direct"),
            "expected sslmode=require, verify-ca or verify-full with sslnegotiation=direct, got "
            "sslmode=prefer");
  EXPECT_EQ(Refusal("postgres://u@h/d?sslcert=/c"), "expected sslcert and sslkey together");
  EXPECT_EQ(Refusal("postgres://u@h/d?sslcrl=/c"), "expected sslrootcert with sslcrl");
  EXPECT_EQ(Refusal("postgres://u@h/d?ssl_min_protocol_version=TLSv1"),
            "expected ssl_min_protocol_version to be TLSv1.2 or TLSv1.3");
  EXPECT_EQ(Refusal("postgres://u@h/d?sslnegotiation=x"),
            "expected sslnegotiation to be postgres or direct");
  EXPECT_EQ(Refusal("postgres://u@h/d?channel_binding=x"),
            "expected channel_binding to be disable, prefer or require");
  EXPECT_EQ(Refusal("postgres://u@h/d?ssl=1"),
            "expected ssl to be true; sslmode says everything else");
  EXPECT_EQ(Refusal("postgres://u@h/d?gssencmode=require"),
            "gssencmode=require: GSSAPI encryption is not supported, expected TLS");
}

TEST(UrlTest, Ports) {
  EXPECT_EQ(Parsed("postgres://u@h:1/d").port, 1);
  EXPECT_EQ(Parsed("postgres://u@h:65535/d").port, 65535);
  for (const char* wrong : {"0", "65536", "-1", "5432x", "99999999999999999999", "+5"}) {
    EXPECT_EQ(Refusal(std::string("postgres://u@h:") + wrong + "/d"),
              "expected a port from 1 to 65535 in the URL");
  }
}

TEST(UrlTest, HostIsNeeded) {
  for (const char* wrong : {"postgres://", "postgres:///d", "postgres://u:p@/d", "postgres://u@"}) {
    EXPECT_EQ(Refusal(wrong),
              "expected a host in the URL, as in postgres://user:password@host:5432/db");
  }
  EXPECT_EQ(Refusal("postgres://u@a,b/d"), "expected one host in the URL");
  EXPECT_EQ(Refusal("postgres://u@/d?host=a,b"), "expected one host in the URL");
}

TEST(UrlTest, RedactedHasNoPassword) {
  const UpstreamUrl url = Parsed("postgres://a%40b:s3cret@h/d%2Fe?sslpassword=other");
  EXPECT_EQ(RedactedUrl(url), "postgres://a%40b@h:5432/d%2Fe");
}

}  // namespace
}  // namespace pgsidecar::proxy
