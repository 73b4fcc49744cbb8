// The trace printer: one table says how the fields of each message are laid out, one small
// interpreter prints them.

#include "pgwire/trace.h"

#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/hash.h"
#include "pgwire/frame.h"
#include "pgwire/frontend.h"
#include "pgwire/reader.h"
#include "pgwire/startup.h"

namespace pgsidecar::pgwire {
namespace {

// The fields of a message, one letter each:
//   b  a byte                   s  a string           h  a 16-bit number
//   i  a 32-bit number          n  the same, masked in regress mode
//   v  a value with its length  w  the same, its bytes never printed
//   k  a cancel key             d  the data of an Authentication message
//   e  the fields of an error   u  pairs of strings up to a zero byte
//   m  all the rest, never printed                    x  all the rest, left out
//   [] a group behind a 16-bit count, {} one behind a 32-bit count
struct Layout {
  char type;
  const char* name;
  std::string_view fields;
};

constexpr Layout kFrontendLayouts[] = {
    {frontend_type::kBind, "Bind", "ss[h][v][h]"},
    {frontend_type::kClose, "Close", "bs"},
    {frontend_type::kCopyData, "CopyData", "x"},
    {frontend_type::kCopyDone, "CopyDone", ""},
    {frontend_type::kCopyFail, "CopyFail", "s"},
    {frontend_type::kDescribe, "Describe", "bs"},
    {frontend_type::kExecute, "Execute", "si"},
    {frontend_type::kFlush, "Flush", ""},
    {frontend_type::kFunctionCall, "FunctionCall", "n[h][v]h"},
    {frontend_type::kParse, "Parse", "ss[n]"},
    {frontend_type::kQuery, "Query", "s"},
    {frontend_type::kSync, "Sync", ""},
    {frontend_type::kTerminate, "Terminate", ""},
};

constexpr Layout kBackendLayouts[] = {
    {backend_type::kAuthentication, "Authentication", "d"},
    {backend_type::kBackendKeyData, "BackendKeyData", "nk"},
    {backend_type::kBindComplete, "BindComplete", ""},
    {backend_type::kCloseComplete, "CloseComplete", ""},
    {backend_type::kCommandComplete, "CommandComplete", "s"},
    {backend_type::kCopyBothResponse, "CopyBothResponse", "b[h]"},
    {backend_type::kCopyData, "CopyData", "x"},
    {backend_type::kCopyDone, "CopyDone", ""},
    {backend_type::kCopyInResponse, "CopyInResponse", "b[h]"},
    {backend_type::kCopyOutResponse, "CopyOutResponse", "b[h]"},
    {backend_type::kDataRow, "DataRow", "[v]"},
    {backend_type::kEmptyQueryResponse, "EmptyQueryResponse", ""},
    {backend_type::kErrorResponse, "ErrorResponse", "e"},
    {backend_type::kFunctionCallResponse, "FunctionCallResponse", "v"},
    {backend_type::kNegotiateProtocolVersion, "NegotiateProtocolVersion", "i{s}"},
    {backend_type::kNoData, "NoData", ""},
    {backend_type::kNoticeResponse, "NoticeResponse", "e"},
    {backend_type::kNotificationResponse, "NotificationResponse", "nss"},
    {backend_type::kParameterDescription, "ParameterDescription", "[n]"},
    {backend_type::kParameterStatus, "ParameterStatus", "ss"},
    {backend_type::kParseComplete, "ParseComplete", ""},
    {backend_type::kPortalSuspended, "PortalSuspended", ""},
    {backend_type::kReadyForQuery, "ReadyForQuery", "b"},
    {backend_type::kRowDescription, "RowDescription", "[snhnhih]"},
};

// The untyped packets begin with two 16-bit halves of a version or a request code.
constexpr Layout kStartupMessage = {0, "StartupMessage", "hhu"};
constexpr Layout kCancelRequest = {0, "CancelRequest", "hhnk"};
constexpr Layout kSslRequest = {0, "SSLRequest", "hh"};
constexpr Layout kGssEncRequest = {0, "GSSENCRequest", "hh"};

// The readings of a 'p' message.
constexpr Layout kPasswordMessage = {0, "PasswordMessage", "m"};
constexpr Layout kSaslInitialResponse = {0, "SASLInitialResponse", "sw"};
constexpr Layout kSaslResponse = {0, "SASLResponse", "m"};
constexpr Layout kGssResponse = {0, "GSSResponse", "m"};
constexpr Layout kUnknownAuthenticationResponse = {0, "UnknownAuthenticationResponse", "m"};

const Layout& AuthenticationResponse(AuthenticationRequest request) {
  switch (request) {
    case AuthenticationRequest::kCleartextPassword:
    case AuthenticationRequest::kMd5Password:
      return kPasswordMessage;
    case AuthenticationRequest::kSasl:
      return kSaslInitialResponse;
    case AuthenticationRequest::kSaslContinue:
      return kSaslResponse;
    case AuthenticationRequest::kGss:
    case AuthenticationRequest::kGssContinue:
    case AuthenticationRequest::kSspi:
      return kGssResponse;
    default:
      return kUnknownAuthenticationResponse;
  }
}

const Layout* FindLayout(std::span<const Layout> layouts, char type) {
  for (const Layout& layout : layouts) {
    if (layout.type == type) return &layout;
  }
  return nullptr;
}

bool IsPrint(char c) { return c >= 0x20 && c <= 0x7e; }

// Interprets a layout over one body.
class FieldPrinter {
 public:
  FieldPrinter(std::string_view body, bool regress, std::string& to)
      : reader_(body), regress_(regress), to_(to) {}

  void Print(const Layout& layout) {
    to_ += layout.name;
    if (!layout.fields.empty() && layout.fields != "x") to_ += '\t';
    PrintFields(layout.fields);
    if (!reader_.rest().empty()) reader_.Fail("invalid message format");
    if (reader_.failed()) to_ += " malformed: " + reader_.error().message;
  }

 private:
  void PrintFields(std::string_view fields) {
    for (size_t i = 0; i < fields.size() && !reader_.failed(); ++i) {
      if (fields[i] == '[' || fields[i] == '{') {
        const size_t end = fields.find_first_of("]}", i);
        PrintGroup(fields[i], fields.substr(i + 1, end - i - 1));
        i = end;
      } else {
        PrintField(fields[i]);
      }
    }
  }

  void PrintGroup(char bracket, std::string_view fields) {
    const uint32_t count = bracket == '[' ? reader_.Int16() : reader_.Int32();
    PrintNumber(count);
    for (uint32_t i = 0; i < count && !reader_.failed(); ++i) PrintFields(fields);
  }

  void PrintField(char field) {
    switch (field) {
      case 'b':
        return PrintByte(reader_.Byte());
      case 's':
        return PrintString(reader_.String());
      case 'h':
        return PrintNumber(reader_.Int16());
      case 'i':
        return PrintNumber(static_cast<int32_t>(reader_.Int32()));
      case 'n':
        return PrintMaskedNumber(reader_.Int32());
      case 'v':
        return PrintValue(/*secret=*/false);
      case 'w':
        return PrintValue(/*secret=*/true);
      case 'k':
        return PrintKey(reader_.Rest());
      case 'd':
        return PrintAuthentication();
      case 'e':
        return PrintErrorFields();
      case 'u':
        return PrintPairs();
      case 'm':
        return PrintBytes(reader_.Rest(), /*secret=*/true);
      case 'x':
        reader_.Rest();
        return;
    }
  }

  void PrintByte(char byte) {
    if (reader_.failed()) return;
    to_ += ' ';
    AppendPrintable(byte);
  }

  void PrintNumber(int64_t number) {
    if (!reader_.failed()) to_ += " " + std::to_string(number);
  }
  void PrintMaskedNumber(uint32_t number) {
    if (reader_.failed()) return;
    if (regress_) {
      to_ += " NNNN";
    } else {
      PrintNumber(static_cast<int32_t>(number));
    }
  }

  void PrintString(std::string_view text) {
    if (!reader_.failed()) to_.append(" \"").append(text).append("\"");
  }

  void PrintBytes(std::string_view bytes, bool secret) {
    if (reader_.failed()) return;
    to_ += " '";
    if (secret) {
      to_ += "BBBB";
    } else {
      for (const char c : bytes) AppendPrintable(c);
    }
    to_ += '\'';
  }

  void PrintValue(bool secret) {
    const std::optional<std::string_view> value = reader_.Value();
    if (!value) return PrintNumber(-1);
    PrintNumber(static_cast<int64_t>(value->size()));
    PrintBytes(*value, secret);
  }

  // A key of protocol 3.0 is printed as the number that libpq takes it for.
  void PrintKey(std::string_view key) {
    if (key.size() < kMinCancelKeyBytes) {
      reader_.Fail("insufficient data left in message");
    } else if (regress_ || key.size() == sizeof(uint32_t)) {
      PrintMaskedNumber(LoadBig32(key.data()));
    } else {
      PrintBytes(key, /*secret=*/false);
    }
  }

  // The mechanisms of SASL are names; all other data differs from run to run.
  void PrintAuthentication() {
    const uint32_t request = reader_.Int32();
    PrintNumber(static_cast<int32_t>(request));
    if (static_cast<AuthenticationRequest>(request) == AuthenticationRequest::kSasl) {
      for (std::string_view name = reader_.String(); !name.empty(); name = reader_.String()) {
        PrintString(name);
      }
    } else if (const std::string_view data = reader_.Rest(); !data.empty()) {
      PrintBytes(data, /*secret=*/regress_);
    }
  }

  // File, line and routine move with the server's version.
  void PrintErrorFields() {
    for (;;) {
      const char code = reader_.Byte();
      PrintByte(code);
      if (code == '\0') return;
      const std::string_view value = reader_.String();
      const bool masked = regress_ && (code == 'F' || code == 'L' || code == 'R');
      PrintString(masked ? "SSSS" : value);
    }
  }

  void PrintPairs() {
    for (std::string_view name = reader_.String(); !name.empty(); name = reader_.String()) {
      PrintString(name);
      PrintString(reader_.String());
    }
  }

  void AppendPrintable(char c) {
    if (IsPrint(c)) {
      to_ += c;
    } else {
      to_ += "\\x" + ToHex(std::string_view(&c, 1));
    }
  }

  Reader reader_;
  const bool regress_;
  std::string& to_;
};

void AppendPrefix(std::string& to, Direction direction, const std::string& length) {
  to += static_cast<char>(direction);
  to += '\t' + length + '\t';
}

void PrintImpossible(std::string& to, Direction direction, uint32_t length) {
  const std::string text = std::to_string(static_cast<int32_t>(length));
  AppendPrefix(to, direction, text);
  to += "Unknown message: length is " + text + "\n";
}

}  // namespace

TracePrinter::TracePrinter(bool regress) : regress_(regress) {}

void TracePrinter::Feed(Direction direction, std::string_view bytes, std::string& to) {
  Stream& from = stream(direction);
  if (from.lost) return;
  from.pending.append(bytes);
  std::string_view rest = from.pending;
  while (!rest.empty()) {
    const size_t printed = PrintFirst(direction, rest, to);
    if (printed == 0) break;
    rest.remove_prefix(printed);
  }
  from.pending.erase(0, from.lost ? std::string::npos : from.pending.size() - rest.size());
}

size_t TracePrinter::PrintFirst(Direction direction, std::string_view bytes, std::string& to) {
  if (direction == Direction::kFrontend && !started_) return PrintUntyped(bytes, to);
  if (direction == Direction::kBackend && encryption_answer_ != nullptr) {
    const char answer = bytes.front();
    // A server too old to know the request answers with an ErrorResponse.
    if (answer != backend_type::kErrorResponse) return PrintEncryptionAnswer(answer, to);
    encryption_answer_ = nullptr;
  }
  return PrintTyped(direction, bytes, to);
}

size_t TracePrinter::PrintUntyped(std::string_view bytes, std::string& to) {
  uint32_t length = 0;
  Error error;
  const FrameStatus status = ReadStartupLength(bytes, &length, &error);
  if (status == FrameStatus::kError) {
    PrintImpossible(to, Direction::kFrontend, LoadBig32(bytes.data()));
    stream(Direction::kFrontend).lost = true;
  }
  if (status != FrameStatus::kMessage || bytes.size() < length) return 0;

  const std::string_view body = bytes.substr(sizeof length, length - sizeof length);
  const Layout* layout = &kStartupMessage;
  switch (LoadBig32(body.data())) {
    case kCancelRequestCode:
      layout = &kCancelRequest;
      break;
    case kSslRequestCode:
      layout = &kSslRequest;
      encryption_answer_ = "SSLResponse";
      break;
    case kGssEncRequestCode:
      layout = &kGssEncRequest;
      encryption_answer_ = "GSSENCResponse";
      break;
    default:
      started_ = true;
  }
  AppendPrefix(to, Direction::kFrontend, std::to_string(length));
  FieldPrinter(body, regress_, to).Print(*layout);
  to += '\n';
  return length;
}

size_t TracePrinter::PrintEncryptionAnswer(char answer, std::string& to) {
  AppendPrefix(to, Direction::kBackend, "1");
  FieldPrinter(std::string_view(&answer, 1), regress_, to).Print({0, encryption_answer_, "b"});
  to += '\n';
  encryption_answer_ = nullptr;
  return 1;
}

size_t TracePrinter::PrintTyped(Direction direction, std::string_view bytes, std::string& to) {
  if (bytes.size() < kHeaderBytes) return 0;
  const char type = bytes.front();
  const uint32_t length = LoadBig32(bytes.data() + 1);
  if (length < sizeof length || length > kMaxMessageBytes) {
    PrintImpossible(to, direction, length);
    stream(direction).lost = true;
    return 0;
  }
  if (bytes.size() - 1 < length) return 0;

  const bool backend = direction == Direction::kBackend;
  const bool is_error =
      backend && (type == backend_type::kErrorResponse || type == backend_type::kNoticeResponse);
  AppendPrefix(to, direction, is_error && regress_ ? "NN" : std::to_string(length));

  const std::string_view body = bytes.substr(kHeaderBytes, length - sizeof length);
  const Layout* layout = backend ? FindLayout(kBackendLayouts, type)
                         : type == frontend_type::kPassword
                             ? &AuthenticationResponse(authentication_)
                             : FindLayout(kFrontendLayouts, type);
  if (layout != nullptr) {
    FieldPrinter(body, regress_, to).Print(*layout);
  } else {
    to += "Unknown message: " + ToHex(std::string_view(&type, 1));
  }
  to += '\n';
  if (backend && type == backend_type::kAuthentication && body.size() >= sizeof(uint32_t)) {
    authentication_ = static_cast<AuthenticationRequest>(LoadBig32(body.data()));
  }
  return 1 + length;
}

}  // namespace pgsidecar::pgwire
