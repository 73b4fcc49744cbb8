// Replication connections (PostgreSQL documentation, "Streaming Replication Protocol"): a server
// connection of their own, whose bytes pass as they are in both directions, and which ends with the
// client.

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <string_view>
#include <utility>

#include "proxy/session.h"

namespace pgsidecar::proxy {

// The startup parameter is a boolean, or "database". What is none of these the server refuses.
bool Session::WantsReplication() const {
  const std::string* value = startup_.Find("replication");
  if (value == nullptr || value->empty()) return false;
  std::string word = *value;
  std::transform(word.begin(), word.end(), word.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  // As parse_bool() reads them: a beginning is enough where it cannot be of another word.
  constexpr std::array<std::string_view, 4> kFalse = {"false", "no", "off", "0"};
  return std::none_of(kFalse.begin(), kFalse.end(),
                      [&word](std::string_view no) { return no.starts_with(word) && word != "o"; });
}

void Session::OnReplication(uint32_t pid, std::string cancel_key, TimePoint now) {
  pid_ = pid;
  cancel_key_ = std::move(cancel_key);
  server_->MoveTo(pool::ServerState::kLeased);
  client_out.Emit([&](std::string& to) { pgwire::BackendKeyData{pid_, cancel_key_}.Encode(to); });
  SendReady();
  state_ = SessionState::kReplication;
  wait_ = Wait::kNone;
  Process({}, now);
}

}  // namespace pgsidecar::proxy
