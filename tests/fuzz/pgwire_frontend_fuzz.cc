// Fuzzes what a client may send: the input is a stream of frontend messages, which is framed,
// decoded by type, and traced. A 'p' message is decoded in each of its readings.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "pgwire/frontend.h"
#include "pgwire/trace.h"
#include "tests/fuzz/pgwire_fuzz_checks.h"

namespace pgsidecar::pgwire {
namespace {

void CheckBind(std::string_view body) {
  CheckBody<Bind>(body);
  const auto bind = Bind::Decode(body);
  const auto names = BindNames::Decode(body);
  Require(!bind.ok() || names.has_value(), "a Bind has names");
  Require(!names || names->bytes == names->portal.size() + names->statement.size() + 2,
          "the names are what stands in front");
  Require(!bind.ok() || (bind->portal == names->portal && bind->statement == names->statement),
          "the names are those of the message");
}

void CheckMessage(char type, std::string_view body) {
  switch (type) {
    case frontend_type::kBind:
      return CheckBind(body);
    case frontend_type::kClose:
      return CheckBody<Close>(body);
    case frontend_type::kCopyFail:
      return CheckBody<CopyFail>(body);
    case frontend_type::kDescribe:
      return CheckBody<Describe>(body);
    case frontend_type::kExecute:
      return CheckBody<Execute>(body);
    case frontend_type::kFunctionCall:
      return CheckBody<FunctionCall>(body);
    case frontend_type::kParse:
      return CheckBody<Parse>(body);
    case frontend_type::kPassword:
      CheckBody<Password>(body);
      CheckBody<SaslInitialResponse>(body);
      return CheckBody<SaslResponse>(body);
    case frontend_type::kQuery:
      return CheckBody<Query>(body);
  }
}

void CheckTrace(std::string_view stream) {
  constexpr std::string_view kStartup("\0\0\0\x10\0\3\0\0user\0a\0\0", 16);
  for (const bool regress : {true, false}) {
    TracePrinter whole(regress);
    std::string trace;
    whole.Feed(Direction::kFrontend, kStartup, trace);
    whole.Feed(Direction::kFrontend, stream, trace);

    TracePrinter halves(regress);
    std::string trace_of_halves;
    halves.Feed(Direction::kFrontend, kStartup, trace_of_halves);
    halves.Feed(Direction::kFrontend, stream.substr(0, stream.size() / 2), trace_of_halves);
    halves.Feed(Direction::kFrontend, stream.substr(stream.size() / 2), trace_of_halves);
    Require(trace == trace_of_halves, "a trace does not depend on where its bytes are split");
  }
}

}  // namespace
}  // namespace pgsidecar::pgwire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pgsidecar::pgwire;  // NOLINT(google-build-using-namespace)
  const std::string_view stream(reinterpret_cast<const char*>(data), size);
  WalkFrames(stream, ReadFrontendHeader, CheckMessage);
  CheckTrace(stream);
  return 0;
}
