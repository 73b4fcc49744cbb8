#include "pool/tls_negotiation.h"

#include <utility>

#include "base/bytes.h"
#include "pgwire/backend.h"
#include "pgwire/frame.h"

namespace pgsidecar::pool {
namespace {

// As libpq: a longer error is none that a server sends before the login.
constexpr size_t kMaxRefusalBytes = 30000;

enum class Verdict : uint8_t { kNeedMore, kRefused, kOther };

// What the server says first about a startup packet, a NegotiateProtocolVersion aside.
Verdict Judge(std::string_view said) {
  while (said.size() >= pgwire::kHeaderBytes) {
    const char type = said.front();
    if (type != pgwire::backend_type::kErrorResponse &&
        type != pgwire::backend_type::kNegotiateProtocolVersion) {
      return Verdict::kOther;
    }
    const size_t total = size_t{1} + LoadBig32(said.data() + 1);
    if (total < pgwire::kHeaderBytes || total > kMaxRefusalBytes) return Verdict::kOther;
    if (said.size() < total) return Verdict::kNeedMore;
    if (type == pgwire::backend_type::kErrorResponse) return Verdict::kRefused;
    said.remove_prefix(total);
  }
  return Verdict::kNeedMore;
}

}  // namespace

TlsNegotiation::TlsNegotiation(TlsMode mode, bool direct)
    : mode_(mode),
      direct_(direct),
      encrypted_(mode >= TlsMode::kPrefer),
      can_try_other_(mode == TlsMode::kAllow || mode == TlsMode::kPrefer) {}

TlsNegotiation::Step TlsNegotiation::Begin() const {
  if (!encrypted_) return Step::kPlain;
  return direct_ ? Step::kHandshake : Step::kAsk;
}

TlsNegotiation::Step TlsNegotiation::OnAnswer(std::string_view bytes) {
  if (bytes.front() == 'E') {
    // Whoever says that has proved nothing: the text is not worth showing.
    return Fail("server sent an error response during SSL exchange");
  }
  if (bytes.front() != 'S' && bytes.front() != 'N') {
    return Fail("received invalid response to SSL negotiation");
  }
  if (bytes.size() > 1) return Fail("received unencrypted data after SSL response");
  if (bytes.front() == 'S') return Step::kHandshake;
  if (mode_ == TlsMode::kPrefer) {
    encrypted_ = false;
    can_try_other_ = false;
    return Step::kPlain;
  }
  return Fail("server does not support SSL, but SSL was required");
}

TlsNegotiation::Step TlsNegotiation::OnHandshakeFailed() {
  return can_try_other_ ? TryOther() : Step::kFail;
}

TlsNegotiation::Step TlsNegotiation::OnStartupAnswer(std::string_view bytes) {
  said_.append(bytes);
  switch (Judge(said_)) {
    case Verdict::kNeedMore:
      return Step::kWait;
    case Verdict::kOther:
      refusal_.clear();
      can_try_other_ = false;
      return Step::kPass;
    case Verdict::kRefused:
      break;
  }
  if (!can_try_other_) {
    if (!refusal_.empty() && refusal_encrypted_) said_ = std::move(refusal_);
    refusal_.clear();
    return Step::kPass;
  }
  refusal_ = std::exchange(said_, {});
  refusal_encrypted_ = encrypted_;
  return TryOther();
}

std::string TlsNegotiation::TakeSaid() {
  std::string said = std::exchange(said_, {});
  std::string refusal = std::exchange(refusal_, {});
  can_try_other_ = false;
  return said.empty() ? refusal : said;
}

TlsNegotiation::Step TlsNegotiation::TryOther() {
  encrypted_ = !encrypted_;
  can_try_other_ = false;
  return Step::kReconnect;
}

TlsNegotiation::Step TlsNegotiation::Fail(std::string message) {
  error_ = {"08006", std::move(message), "", ""};
  return Step::kFail;
}

}  // namespace pgsidecar::pool
