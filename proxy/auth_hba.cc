// A line is cut into fields, a field into tokens with commas between them:
//
//   hostssl   app,"all"   +nobody   10.0.0.0/8   scram-sha-256   clientcert=verify-ca
//   field     tokens      (refused)  field        field           field
//
// A token in quotes is a name whatever it says.

#include "proxy/auth_hba.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <span>
#include <utility>

#include "proxy/config_text.h"

namespace pgsidecar::proxy {
namespace {

constexpr std::string_view kMethods =
    "trust, reject, md5, scram-sha-256, password, cert or passthrough";

struct Token {
  std::string text;
  bool quoted = false;
  bool Is(std::string_view keyword) const { return !quoted && text == keyword; }
};
using Field = std::vector<Token>;

struct Line {
  size_t number = 0;
  std::string text;
};

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// Lines that end with a backslash go on in the next one.
std::vector<Line> CutLines(std::string_view text) {
  std::vector<Line> lines;
  bool goes_on = false;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!goes_on) lines.push_back({number, ""});
    goes_on = line.ends_with('\\');
    if (goes_on) line.remove_suffix(1);
    lines.back().text += line;
  }
  return lines;
}

// Takes one token off the front of `rest`. REQUIRES: no blank stands there.
Result<Token> TakeToken(std::string_view& rest) {
  Token token;
  bool in_quotes = false;
  size_t i = 0;
  for (; i < rest.size(); ++i) {
    const char c = rest[i];
    if (c == '"') {
      if (in_quotes && i + 1 < rest.size() && rest[i + 1] == '"') {
        token.text.push_back(rest[i++]);
        continue;
      }
      in_quotes = !in_quotes;
      token.quoted = true;
    } else if (!in_quotes && (IsBlank(c) || c == ',' || c == '#')) {
      break;
    } else {
      token.text.push_back(c);
    }
  }
  if (in_quotes) return Expected("a closing double quote", rest);
  rest.remove_prefix(i);
  return token;
}

void SkipBlanks(std::string_view& rest) {
  while (!rest.empty() && IsBlank(rest.front())) rest.remove_prefix(1);
}

Result<std::vector<Field>> CutFields(std::string_view rest) {
  std::vector<Field> fields;
  for (;;) {
    SkipBlanks(rest);
    if (rest.empty() || rest.front() == '#') return fields;
    Field field;
    for (;;) {
      Result<Token> token = TakeToken(rest);
      if (!token.ok()) return token.error();
      if (token->text.empty() && !token->quoted) return Expected("a name next to a comma", rest);
      field.push_back(std::move(*token));
      if (!rest.starts_with(',')) break;
      rest.remove_prefix(1);
      SkipBlanks(rest);
    }
    fields.push_back(std::move(field));
  }
}

std::optional<Error> ReadNames(const Field& field, bool of_databases, HbaRule::Names& names) {
  for (const Token& token : field) {
    if (token.Is("all")) {
      names.all = true;
    } else if (of_databases && token.Is("sameuser")) {
      names.same_user = true;
    } else if (of_databases && token.Is("replication")) {
      names.replication = true;
    } else if (!token.quoted &&
               (token.text.starts_with('/') || token.text.starts_with('@') ||
                token.text.starts_with('+') ||
                (of_databases && (token.text == "samerole" || token.text == "samegroup")))) {
      return Expected(
          of_databases ? "a database's name, all, sameuser or replication" : "a user's name or all",
          token.text);
    } else {
      names.names.push_back(token.text);
    }
  }
  return std::nullopt;
}

std::optional<uint8_t> ReadPrefix(std::string_view text, bool v6) {
  unsigned bits = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), bits);
  if (failure != std::errc{} || end != text.data() + text.size() || bits > (v6 ? 128 : 32)) {
    return std::nullopt;
  }
  return static_cast<uint8_t>(bits);
}

// The number of leading ones of a mask that has no other.
std::optional<uint8_t> PrefixOfMask(const IpAddress& mask) {
  const size_t all = mask.v6 ? 128 : 32;
  size_t bits = 0;
  const auto bit = [&mask](size_t i) { return (mask.bytes[i / 8] >> (7 - i % 8) & 1) != 0; };
  while (bits < all && bit(bits)) ++bits;
  for (size_t i = bits; i < all; ++i) {
    if (bit(i)) return std::nullopt;
  }
  return static_cast<uint8_t>(bits);
}

// Reads the address at the front of `fields`, and the mask behind it if there is one.
std::optional<Error> TakeAddress(std::span<const Field>& fields,
                                 const std::vector<IpAddress>& own_addresses, HbaRule& rule) {
  const Field& field = fields.front();
  fields = fields.subspan(1);
  const Token& token = field.front();
  const Error wrong =
      Expected("an address such as 10.0.0.0/8 or ::1/128, all or samehost", token.text);
  if (field.size() != 1) return wrong;
  if (token.Is("all")) {
    rule.any_address = true;
    return std::nullopt;
  }
  if (token.Is("samehost")) {
    for (const IpAddress& own : own_addresses) {
      rule.ranges.push_back({own, static_cast<uint8_t>(own.v6 ? 128 : 32)});
    }
    return std::nullopt;
  }
  const size_t slash = token.text.find('/');
  const std::string_view text = token.text;
  const auto address = ParseIpAddress(text.substr(0, slash));
  if (!address) return wrong;
  std::optional<uint8_t> prefix;
  if (slash != text.npos) {
    prefix = ReadPrefix(text.substr(slash + 1), address->v6);
  } else if (!fields.empty()) {
    const auto mask = ParseIpAddress(fields.front().front().text);
    if (mask && mask->v6 == address->v6) prefix = PrefixOfMask(*mask);
    fields = fields.subspan(1);
  }
  if (!prefix) return Expected("a prefix such as 10.0.0.0/8, or a mask behind the address", text);
  rule.ranges.push_back({*address, *prefix});
  return std::nullopt;
}

std::optional<Error> ReadMethod(const Field& field, HbaRule& rule) {
  constexpr std::array<std::pair<std::string_view, AuthMethod>, 7> kNames = {{
      {"trust", AuthMethod::kTrust},
      {"reject", AuthMethod::kReject},
      {"md5", AuthMethod::kMd5},
      {"scram-sha-256", AuthMethod::kScram},
      {"password", AuthMethod::kPlain},
      {"cert", AuthMethod::kCert},
      {"passthrough", AuthMethod::kPassthrough},
  }};
  const Token& token = field.front();
  for (const auto& [name, method] : kNames) {
    if (field.size() != 1 || token.text != name) continue;
    rule.method = method;
    if (method != AuthMethod::kCert) return std::nullopt;
    if (rule.connection != HbaRule::Connection::kHostSsl) {
      return Expected("method cert in a line of type hostssl", token.text);
    }
    rule.needs_certificate = rule.certificate_names_user = true;
    return std::nullopt;
  }
  return Expected("a method: " + std::string(kMethods), token.text);
}

std::optional<Error> ReadOption(const Field& field, HbaRule& rule) {
  const Token& token = field.front();
  const std::string_view text = token.text;
  const bool known = text == "clientcert=verify-ca" || text == "clientcert=verify-full";
  if (field.size() != 1 || !known) {
    return Expected("clientcert=verify-ca or clientcert=verify-full, the only options", text);
  }
  if (rule.connection != HbaRule::Connection::kHostSsl) {
    return Expected("clientcert in a line of type hostssl", text);
  }
  if (rule.method == AuthMethod::kCert && text.ends_with("-ca")) {
    return Expected("clientcert=verify-full with method cert", text);
  }
  rule.needs_certificate = true;
  if (text.ends_with("-full")) rule.certificate_names_user = true;
  return std::nullopt;
}

Result<HbaRule> ReadRule(std::span<const Field> fields,
                         const std::vector<IpAddress>& own_addresses) {
  constexpr std::array<std::pair<std::string_view, HbaRule::Connection>, 4> kTypes = {{
      {"local", HbaRule::Connection::kLocal},
      {"host", HbaRule::Connection::kHost},
      {"hostssl", HbaRule::Connection::kHostSsl},
      {"hostnossl", HbaRule::Connection::kHostNoSsl},
  }};
  HbaRule rule;
  const Token& type = fields.front().front();
  const auto* found = std::find_if(kTypes.begin(), kTypes.end(),
                                   [&](const auto& each) { return type.Is(each.first); });
  if (found == kTypes.end() || fields.front().size() != 1) {
    return Expected("local, host, hostssl or hostnossl at the front of the line", type.text);
  }
  rule.connection = found->second;
  const bool local = rule.connection == HbaRule::Connection::kLocal;
  if (fields.size() < (local ? 4U : 5U)) {
    return Expected(local ? "local, databases, users and a method"
                          : type.text + ", databases, users, an address and a method",
                    std::to_string(fields.size()) + " fields");
  }
  if (auto error = ReadNames(fields[1], true, rule.databases)) return *error;
  if (auto error = ReadNames(fields[2], false, rule.users)) return *error;
  fields = fields.subspan(3);
  if (!local) {
    if (auto error = TakeAddress(fields, own_addresses, rule)) return *error;
  }
  if (fields.empty()) return Expected("a method: " + std::string(kMethods), "nothing");
  if (auto error = ReadMethod(fields.front(), rule)) return *error;
  for (const Field& option : fields.subspan(1)) {
    if (auto error = ReadOption(option, rule)) return *error;
  }
  return rule;
}

bool Has(const HbaRule::Names& names, std::string_view name) {
  return std::find(names.names.begin(), names.names.end(), name) != names.names.end();
}

}  // namespace

std::string_view AuthMethodName(AuthMethod method) {
  switch (method) {
    case AuthMethod::kPassthrough:
      return "passthrough";
    case AuthMethod::kTrust:
      return "trust";
    case AuthMethod::kReject:
      return "reject";
    case AuthMethod::kPlain:
      return "plain";
    case AuthMethod::kMd5:
      return "md5";
    case AuthMethod::kScram:
      return "scram-sha-256";
    case AuthMethod::kCert:
      return "cert";
  }
  return "";
}

std::optional<IpAddress> ParseIpAddress(std::string_view text) {
  if (text.find('\0') != text.npos) return std::nullopt;
  const std::string terminated(text);
  IpAddress address;
  if (inet_pton(AF_INET, terminated.c_str(), address.bytes.data()) == 1) return address;
  if (inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) != 1) return std::nullopt;
  constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  address.v6 = !std::equal(kMapped.begin(), kMapped.end(), address.bytes.begin());
  if (!address.v6) {
    std::copy(address.bytes.begin() + 12, address.bytes.end(), address.bytes.begin());
    std::fill(address.bytes.begin() + 4, address.bytes.end(), uint8_t{0});
  }
  return address;
}

bool IpRange::Contains(const IpAddress& other) const {
  if (other.v6 != address.v6) return false;
  for (size_t i = 0; i < prefix_bits; ++i) {
    const int differing = (address.bytes[i / 8] ^ other.bytes[i / 8]) >> (7 - i % 8) & 1;
    if (differing != 0) return false;
  }
  return true;
}

bool HbaRule::Matches(const HbaRequest& request) const {
  switch (connection) {
    case Connection::kLocal:
      if (request.address) return false;
      break;
    case Connection::kHostSsl:
      if (!request.encrypted) return false;
      break;
    case Connection::kHostNoSsl:
      if (request.encrypted) return false;
      break;
    case Connection::kHost:
      break;
  }
  if (connection != Connection::kLocal) {
    if (!request.address) return false;
    const bool inside =
        any_address || std::any_of(ranges.begin(), ranges.end(), [&](const IpRange& range) {
          return range.Contains(*request.address);
        });
    if (!inside) return false;
  }
  // A physical replication connection is of no database: not even `all` means it.
  const bool database = request.replication
                            ? databases.replication
                            : databases.all || Has(databases, request.database) ||
                                  (databases.same_user && request.database == request.user);
  return database && (users.all || Has(users, request.user));
}

Result<std::vector<HbaRule>> ReadHba(std::string_view text, const std::string& path,
                                     const std::vector<IpAddress>& own_addresses) {
  std::vector<HbaRule> rules;
  for (const Line& line : CutLines(text)) {
    const auto wrong = [&](const Error& error) {
      return Error{"F0000", path + ":" + std::to_string(line.number) + ": " + error.message, "",
                   ""};
    };
    const Result<std::vector<Field>> fields = CutFields(line.text);
    if (!fields.ok()) return wrong(fields.error());
    if (fields->empty()) continue;
    Result<HbaRule> rule = ReadRule(*fields, own_addresses);
    if (!rule.ok()) return wrong(rule.error());
    rule->line = line.number;
    rules.push_back(std::move(*rule));
  }
  return rules;
}

const HbaRule* FindHbaRule(const std::vector<HbaRule>& rules, const HbaRequest& request) {
  const auto found = std::find_if(rules.begin(), rules.end(),
                                  [&](const HbaRule& rule) { return rule.Matches(request); });
  return found == rules.end() ? nullptr : &*found;
}

}  // namespace pgsidecar::proxy
