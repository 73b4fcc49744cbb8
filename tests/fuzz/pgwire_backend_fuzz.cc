// Fuzzes what a server may send: the input is a stream of backend messages, which is framed,
// decoded by type, and traced; challenges of SASL go through the SCRAM client as well.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "pgwire/backend.h"
#include "pgwire/scram.h"
#include "pgwire/trace.h"
#include "tests/fuzz/pgwire_fuzz_checks.h"

namespace pgsidecar::pgwire {
namespace {

// A count of iterations as large as is allowed would only make the fuzzer wait.
bool AsksForManyIterations(std::string_view server_first) {
  const size_t at = server_first.rfind("i=");
  return at != server_first.npos && server_first.size() - at > 4;
}

void CheckScram(std::string_view challenge) {
  ScramClient client("pencil", "rOprNGfwEbeRWgbNEkqO");
  if (!AsksForManyIterations(challenge)) {
    const auto client_final = client.ClientFinal(challenge);
    if (!client_final.ok()) RequireError(client_final.error());
  }
  const auto outcome = client.CheckServerFinal(challenge);
  Require(!outcome.ok(), "no server signs without the password");
  RequireError(outcome.error());
}

void CheckAuthentication(std::string_view body) {
  CheckBody<Authentication>(body);
  const auto message = Authentication::Decode(body);
  if (message.ok()) CheckScram(message->data);
}

void CheckMessage(char type, std::string_view body) {
  switch (type) {
    case backend_type::kAuthentication:
      return CheckAuthentication(body);
    case backend_type::kBackendKeyData:
      return CheckBody<BackendKeyData>(body);
    case backend_type::kCommandComplete:
      return CheckBody<CommandComplete>(body);
    case backend_type::kDataRow:
      return CheckBody<DataRow>(body);
    case backend_type::kErrorResponse:
    case backend_type::kNoticeResponse:
      return CheckBody<ErrorFields>(
          body, [type](const ErrorFields& message, std::string& to) { message.Encode(to, type); });
    case backend_type::kNegotiateProtocolVersion:
      return CheckBody<NegotiateProtocolVersion>(body);
    case backend_type::kNotificationResponse:
      return CheckBody<NotificationResponse>(body);
    case backend_type::kParameterDescription:
      return CheckBody<ParameterDescription>(body);
    case backend_type::kParameterStatus:
      return CheckBody<ParameterStatus>(body);
    case backend_type::kReadyForQuery:
      return CheckBody<ReadyForQuery>(body);
    case backend_type::kRowDescription:
      return CheckBody<RowDescription>(body);
  }
}

void CheckTrace(std::string_view stream) {
  for (const bool regress : {true, false}) {
    TracePrinter whole(regress);
    std::string trace;
    whole.Feed(Direction::kBackend, stream, trace);

    TracePrinter pieces(regress);
    std::string trace_of_pieces;
    for (size_t at = 0; at < stream.size(); at += 7) {
      pieces.Feed(Direction::kBackend, stream.substr(at, 7), trace_of_pieces);
    }
    Require(trace == trace_of_pieces, "a trace does not depend on where its bytes are split");
  }
}

}  // namespace
}  // namespace pgsidecar::pgwire

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pgsidecar::pgwire;  // NOLINT(google-build-using-namespace)
  const std::string_view stream(reinterpret_cast<const char*>(data), size);
  WalkFrames(stream, ReadBackendHeader, CheckMessage);
  CheckTrace(stream);
  return 0;
}
