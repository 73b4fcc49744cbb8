// The trace printer against goldens, and against what libpq 15 itself printed.
//
// golden/session.bin was recorded between libpq 15 and PostgreSQL 15: chunks of a direction
// (F or B), a length of four bytes and as many bytes. golden/session.pqtrace is what PQtrace wrote
// during that conversation (PQTRACE_SUPPRESS_TIMESTAMPS and PQTRACE_REGRESS_MODE). The .trace files
// are ours; PGSIDECAR_UPDATE_GOLDEN=1 rewrites them.

#include "pgwire/trace.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "pgwire/backend.h"
#include "pgwire/frontend.h"
#include "pgwire/startup.h"
#include "tests/unit/pgwire/message_checks.h"

namespace pgsidecar::pgwire {
namespace {

using Chunk = std::pair<Direction, std::string>;

std::filesystem::path GoldenPath(const std::string& name) {
  return std::filesystem::path(__FILE__).parent_path() / "golden" / name;
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<Chunk> ReadCapture(const std::string& name) {
  const std::string bytes = ReadFile(GoldenPath(name));
  std::vector<Chunk> chunks;
  for (size_t at = 0; at + kHeaderBytes <= bytes.size();) {
    const uint32_t length = LoadBig32(bytes.data() + at + 1);
    chunks.emplace_back(static_cast<Direction>(bytes[at]), bytes.substr(at + kHeaderBytes, length));
    at += kHeaderBytes + length;
  }
  return chunks;
}

std::string Trace(const std::vector<Chunk>& chunks, bool regress = true) {
  TracePrinter printer(regress);
  std::string trace;
  for (const auto& [direction, bytes] : chunks) printer.Feed(direction, bytes, trace);
  return trace;
}

void ExpectGolden(const std::string& name, const std::string& actual) {
  const std::filesystem::path path = GoldenPath(name);
  const char* update = std::getenv("PGSIDECAR_UPDATE_GOLDEN");
  if (update != nullptr && std::string_view(update) == "1") {
    std::ofstream(path, std::ios::binary) << actual;
  }
  EXPECT_EQ(ReadFile(path), actual);
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

template <typename T>
Chunk Frontend(const T& message) {
  return {Direction::kFrontend, Encoded(message)};
}
template <typename T>
Chunk Backend(const T& message) {
  return {Direction::kBackend, Encoded(message)};
}
Chunk FrontendBytes(std::string_view bytes) { return {Direction::kFrontend, std::string(bytes)}; }
Chunk BackendBytes(std::string_view bytes) { return {Direction::kBackend, std::string(bytes)}; }

Chunk Startup() { return Frontend(StartupMessage{kProtocol30, {{"user", "alice"}}}); }

TEST(TraceTest, ARecordedSessionMatchesItsGolden) {
  ExpectGolden("session.trace", Trace(ReadCapture("session.bin")));
}

// True of the lines in which the two are documented to differ. `before` is the line before, of the
// same direction: libpq does not trace the ReadyForQuery behind a FunctionCallResponse.
bool Differs(const std::string& line, const std::string& before) {
  const std::string name = line.substr(line.find('\t', 2) + 1);
  for (const char* start : {"Unknown message", "StartupMessage", "SASL", "Authentication"}) {
    if (name.starts_with(start)) return true;
  }
  return name.empty() || name == "CopyData" ||
         (name.starts_with("ReadyForQuery") &&
          before.find("FunctionCallResponse") != std::string::npos);
}

// One direction of a trace without those lines.
std::vector<std::string> Comparable(const std::string& trace, char direction) {
  std::vector<std::string> lines;
  std::string before;
  for (const std::string& line : Lines(trace)) {
    if (line.empty() || line[0] != direction) continue;
    if (!Differs(line, before)) lines.push_back(line);
    before = line;
  }
  return lines;
}

TEST(TraceTest, ARecordedSessionIsWhatLibpqPrinted) {
  const std::string ours = Trace(ReadCapture("session.bin"));
  const std::string libpq = ReadFile(GoldenPath("session.pqtrace"));
  for (const char direction : {'F', 'B'}) {
    EXPECT_EQ(Comparable(ours, direction), Comparable(libpq, direction));
    EXPECT_GT(Comparable(ours, direction).size(), 40U);
  }
}

TEST(TraceTest, PiecesOfAnySizeGiveTheSameTrace) {
  const std::vector<Chunk> chunks = ReadCapture("session.bin");
  const std::string whole = Trace(chunks);
  std::mt19937 random(1);
  for (const size_t most : {size_t{1}, size_t{2}, size_t{5}, size_t{64}}) {
    std::uniform_int_distribution<size_t> piece_bytes(1, most);
    std::vector<Chunk> pieces;
    for (const auto& [direction, bytes] : chunks) {
      for (size_t at = 0; at < bytes.size();) {
        pieces.emplace_back(direction, bytes.substr(at, piece_bytes(random)));
        at += pieces.back().second.size();
      }
    }
    EXPECT_EQ(Trace(pieces), whole) << "pieces of up to " << most;
  }
}

// What the recorded session has none of.
std::vector<Chunk> RareMessages() {
  return {
      FrontendBytes("\0\0\0\x08\x04\xd2\x16\x30"sv),
      BackendBytes("N"),
      FrontendBytes("\0\0\0\x08\x04\xd2\x16\x2f"sv),
      BackendBytes("S"),
      Frontend(CancelRequest{4711, "key!"}),
      Frontend(StartupMessage{kProtocol32, {{"user", "alice"}, {"_pq_.x", "1"}}}),
      Backend(NegotiateProtocolVersion{kProtocol30, {"_pq_.x"}}),
      Backend(Authentication{AuthenticationRequest::kMd5Password, "\1\2\3\4"}),
      Frontend(Password{"md5secret"}),
      Backend(Authentication{AuthenticationRequest::kGss, ""}),
      Frontend(SaslResponse{"token"}),
      Backend(Authentication{}),
      Backend(BackendKeyData{4711, "a key of protocol 3.2"}),
      Frontend(SaslResponse{"out of place"}),
      BackendBytes("W\0\0\0\x09\0\0\1\0\0"sv),
      BackendBytes("d\0\0\0\6hi"sv),
      Frontend(Close{'S', "st"}),
      BackendBytes("3\0\0\0\4s\0\0\0\4n\0\0\0\4"sv),
      Backend(DataRow{{"it's\n", std::nullopt, ""}}),
      BackendBytes("V\0\0\0\x08\xff\xff\xff\xff"sv),
  };
}

TEST(TraceTest, RareMessagesMatchTheirGoldens) {
  ExpectGolden("rare.trace", Trace(RareMessages()));
  ExpectGolden("rare_full.trace", Trace(RareMessages(), /*regress=*/false));
}

TEST(TraceTest, SecretsAreNeverPrinted) {
  const std::string trace = Trace(RareMessages(), /*regress=*/false);
  EXPECT_EQ(trace.find("secret"), trace.npos);
  EXPECT_EQ(trace.find("token"), trace.npos);
  EXPECT_EQ(trace.find("out of place"), trace.npos);
}

TEST(TraceTest, UnknownAndMalformedMessagesArePrintedAsSuch) {
  const std::vector<Chunk> chunks = {
      Startup(),
      FrontendBytes("?\0\0\0\6xx"sv),
      FrontendBytes("B\0\0\0\x0a\0\0\0\1\0\0"sv),
      FrontendBytes("B\0\0\0\x10\0\0\0\0\0\1\xff\xff\xff\xfe\0\0"sv),
      FrontendBytes("Q\0\0\0\5x"sv),
      FrontendBytes("S\0\0\0\5x"sv),
      BackendBytes("E\0\0\0\7C12"sv),
      BackendBytes("K\0\0\0\x0a\0\0\0\1ab"sv),
      BackendBytes("D\0\0\0\6\xff\xff"sv),
      BackendBytes("v\0\0\0\x0c\0\0\0\1\xff\xff\xff\xff"sv),
      BackendBytes("R\0\0\0\5x"sv),
  };
  ExpectGolden("malformed.trace", Trace(chunks));
}

TEST(TraceTest, AnImpossibleLengthEndsItsDirectionOnly) {
  const std::vector<Chunk> chunks = {
      Startup(),
      BackendBytes("D\xff\xff\xff\xfe whatever"sv),
      BackendBytes("Z\0\0\0\5I"sv),
      Frontend(Query{"select 1"}),
  };
  EXPECT_EQ(Trace(chunks),
            "F\t20\tStartupMessage\t 3 0 \"user\" \"alice\"\n"
            "B\t-2\tUnknown message: length is -2\n"
            "F\t13\tQuery\t \"select 1\"\n");
  EXPECT_EQ(Trace({FrontendBytes("\0\0\0\4Q"sv), Startup()}),
            "F\t4\tUnknown message: length is 4\n");
}

TEST(TraceTest, AnOldServerMayAnswerAnEncryptionRequestWithAnError) {
  EXPECT_EQ(Trace({FrontendBytes("\0\0\0\x08\x04\xd2\x16\x2f"sv), BackendBytes("E\0\0\0\5\0"sv)}),
            "F\t8\tSSLRequest\t 1234 5679\nB\tNN\tErrorResponse\t \\x00\n");
}

}  // namespace
}  // namespace pgsidecar::pgwire
