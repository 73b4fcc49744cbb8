// The server's side of a SCRAM-SHA-256 exchange (RFC 5802), for tests of the client's.

#ifndef PGSIDECAR_TESTS_UNIT_POOL_SCRAM_SERVER_H_
#define PGSIDECAR_TESTS_UNIT_POOL_SCRAM_SERVER_H_

#include <optional>
#include <string>
#include <string_view>

namespace pgsidecar::pool {

class ScramServer {
 public:
  explicit ScramServer(std::string password) : password_(std::move(password)) {}

  // Takes the bytes of a SASLInitialResponse; returns server-first.
  std::string First(std::string_view message);
  // Takes the bytes of a SASLResponse; returns server-final, or nullopt if the proof is wrong.
  std::optional<std::string> Final(std::string_view message) const;

 private:
  std::string password_;
  std::string client_first_;  // without its GS2 header
  std::string server_first_;
};

}  // namespace pgsidecar::pool

#endif  // PGSIDECAR_TESTS_UNIT_POOL_SCRAM_SERVER_H_
