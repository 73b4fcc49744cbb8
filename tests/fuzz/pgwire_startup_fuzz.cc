// Fuzzes the packets without a type byte: the input is one packet, and also the first bytes of a
// client whose later bytes are traced.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "pgwire/startup.h"
#include "pgwire/trace.h"
#include "tests/fuzz/pgwire_fuzz_checks.h"

namespace pgsidecar::pgwire {
namespace {

struct Encoder {
  void operator()(const StartupMessage& message) const {
    const std::string* user = message.Find("user");
    Require(user != nullptr && !user->empty(), "a StartupMessage has a user");
    message.Encode(to);
  }
  void operator()(const CancelRequest& request) const { request.Encode(to); }
  void operator()(const SslRequest&) const { to.append(packet); }
  void operator()(const GssEncRequest&) const { to.append(packet); }

  std::string_view packet;
  std::string& to;
};

void CheckPacket(std::string_view packet) {
  const auto decoded = DecodeStartupPacket(packet);
  if (!decoded.ok()) return RequireError(decoded.error());
  Require(packet.size() >= 8 && packet.size() <= kMaxStartupBytes, "a packet is within its limits");
  std::string encoded;
  std::visit(Encoder{packet, encoded}, *decoded);
  Require(encoded == packet, "what decodes is encoded as it was");
}

void CheckTrace(std::string_view stream) {
  TracePrinter whole;
  std::string trace;
  whole.Feed(Direction::kFrontend, stream, trace);

  TracePrinter bytewise;
  std::string trace_of_bytes;
  for (const char& byte : stream) {
    bytewise.Feed(Direction::kFrontend, std::string_view(&byte, 1), trace_of_bytes);
  }
  Require(trace == trace_of_bytes, "a trace does not depend on where its bytes are split");
}

}  // namespace
}  // namespace pgsidecar::pgwire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pgsidecar::pgwire;  // NOLINT(google-build-using-namespace)
  const std::string_view packet(reinterpret_cast<const char*>(data), size);
  CheckPacket(packet);
  CheckTrace(packet);
  return 0;
}
