#include "proxy/console_commands.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "proxy/hub.h"

namespace pgsidecar::proxy {
namespace {

constexpr std::array kHelp = std::to_array<CommandHelp>({
    {"PAUSE [db]", "holds clients back until RESUME; answers when no server connection is left"},
    {"RESUME [db]", "ends PAUSE and KILL"},
    {"RECONNECT [db]", "closes each server connection as soon as nobody uses it"},
    {"WAIT_CLOSE [db]", "answers when what RECONNECT is to close has been closed"},
    {"KILL [db]", "ends all clients and server connections at once, and pauses"},
    {"KILL_CLIENT id", "ends one client, by its id in SHOW CLIENTS"},
    {"DISABLE db", "turns new clients of a database away"},
    {"ENABLE db", "ends DISABLE"},
    {"SET key = value", "changes a setting until the next reload or restart"},
    {"RELOAD", "reads the configuration again"},
    {"SHUTDOWN", "ends at once; WAIT_FOR_CLIENTS: as SIGTERM does"},
});

// Words, with '=' as one of its own; within quotation marks anything, doubled marks one.
std::vector<std::string> Split(std::string_view sql) {
  std::vector<std::string> words;
  for (size_t i = 0; i < sql.size();) {
    const char c = sql[i];
    if (std::isspace(static_cast<unsigned char>(c)) != 0 || c == ';') {
      ++i;
    } else if (c == '=') {
      words.emplace_back("=");
      ++i;
    } else if (c == '"' || c == '\'') {
      std::string word;
      for (++i; i < sql.size() && (sql[i] != c || (i + 1 < sql.size() && sql[i + 1] == c)); ++i) {
        if (sql[i] == c) ++i;
        word.push_back(sql[i]);
      }
      ++i;
      words.push_back(std::move(word));
    } else {
      const size_t end = std::min(sql.find_first_of(" \t\r\n\f\v;='\"", i), sql.size());
      words.emplace_back(sql.substr(i, end - i));
      i = end;
    }
  }
  return words;
}

std::string Upper(std::string word) {
  std::transform(word.begin(), word.end(), word.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return word;
}

ConsoleOutcome Done(std::string tag) {
  ConsoleOutcome outcome;
  outcome.answer.tag = std::move(tag);
  return outcome;
}

ConsoleOutcome Refused(Error error) {
  ConsoleOutcome outcome;
  outcome.answer.error = std::move(error);
  return outcome;
}

ConsoleOutcome DoneOr(std::string tag, std::optional<Error> error) {
  return error ? Refused(*std::move(error)) : Done(std::move(tag));
}

Error NotOn(const std::string& database, std::string_view what) {
  return {
      "55000",
      (database.empty() ? "nothing" : "database \"" + database + "\"") + " is " + std::string(what),
      "", ""};
}

ConsoleOutcome Kill(Hub& hub, const std::string& id, TimePoint now) {
  uint64_t number = 0;
  const char* const end = id.data() + id.size();
  const auto [stop, failure] = std::from_chars(id.data(), end, number);
  if (failure == std::errc{} && stop == end && hub.KillClient(number, now)) {
    return Done("KILL_CLIENT");
  }
  return Refused({"42704", "no client has the id \"" + id + "\"", "", ""});
}

ConsoleOutcome Shutdown(Hub& hub, const std::string& how) {
  if (!how.empty() && how != "WAIT_FOR_CLIENTS") {
    return Refused({"42601", "expected SHUTDOWN or SHUTDOWN WAIT_FOR_CLIENTS", "", ""});
  }
  hub.OrderShutdown(how.empty() ? Hub::Shutdown::kAtOnce : Hub::Shutdown::kDrain);
  return Done("SHUTDOWN");
}

}  // namespace

std::span<const CommandHelp> Commands() { return kHelp; }

std::optional<ConsoleOutcome> RunCommand(Hub& hub, std::string_view sql, TimePoint now) {
  const std::vector<std::string> words = Split(sql);
  if (words.empty()) return std::nullopt;
  const std::string command = Upper(words[0]);
  if (command == "SET") {
    if (words.size() == 4 && (words[2] == "=" || Upper(words[2]) == "TO")) {
      return DoneOr("SET", hub.Set(words[1], words[3], now));
    }
    return Refused({"42601", "expected SET key = value", "", ""});
  }
  if (words.size() > 2) return std::nullopt;
  const std::string argument = words.size() == 2 ? words[1] : "";
  if (command == "PAUSE") {
    hub.Pause(argument, now);
    ConsoleOutcome outcome = Done(command);
    // Should it be resumed meanwhile, there is nothing left to wait for.
    outcome.until = [argument](const Hub& of) {
      return !of.HasServersOf(argument) || !of.orders().paused(argument);
    };
    return outcome;
  }
  if (command == "RESUME") {
    return hub.Resume(argument, now) ? Done(command) : Refused(NotOn(argument, "not paused"));
  }
  if (command == "RECONNECT") {
    hub.Reconnect(argument, now);
    return Done(command);
  }
  if (command == "WAIT_CLOSE") {
    ConsoleOutcome outcome = Done(command);
    outcome.until = [argument](const Hub& of) { return !of.AwaitsClose(argument); };
    return outcome;
  }
  if (command == "KILL") {
    hub.Kill(argument, now);
    return Done(command);
  }
  if (command == "RELOAD" && argument.empty()) return DoneOr(command, hub.Reload(now));
  if (command == "SHUTDOWN") return Shutdown(hub, Upper(argument));
  if (command == "DISABLE" || command == "ENABLE" || command == "KILL_CLIENT") {
    if (argument.empty()) {
      const std::string what = command == "KILL_CLIENT" ? "a client's id" : "a database's name";
      return Refused({"42601", "expected " + what + " behind " + command, "", ""});
    }
    if (command == "KILL_CLIENT") return Kill(hub, argument, now);
    if (command == "DISABLE") {
      hub.Disable(argument);
      return Done(command);
    }
    return hub.Enable(argument) ? Done(command) : Refused(NotOn(argument, "not disabled"));
  }
  return std::nullopt;
}

}  // namespace pgsidecar::proxy
