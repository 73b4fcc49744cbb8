#include "proxy/startup_options.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/own_settings.h"

namespace pgsidecar::proxy {
namespace {

constexpr std::string_view kOurs = "pgsidecar.";

// A word of `options`: as written, and as the server reads it.
struct Word {
  std::string_view written;
  std::string read;
};

// Words are separated by blanks; a backslash takes what follows as it is.
std::vector<Word> Split(std::string_view options) {
  const auto is_blank = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  std::vector<Word> words;
  for (size_t at = 0; at < options.size();) {
    if (is_blank(options[at])) {
      ++at;
      continue;
    }
    const size_t begin = at;
    std::string read;
    for (; at < options.size() && !is_blank(options[at]); ++at) {
      if (options[at] == '\\' && ++at == options.size()) break;
      read.push_back(options[at]);
    }
    words.push_back({options.substr(begin, at - begin), std::move(read)});
  }
  return words;
}

std::string Lower(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

// name=value, if the name is one of ours.
bool IsOurs(std::string_view assignment) {
  return Lower(assignment.substr(0, kOurs.size())) == kOurs;
}

std::optional<Error> Assign(std::string_view assignment, CacheWishes& wishes) {
  const size_t equals = std::min(assignment.find('='), assignment.size());
  if (equals == assignment.size()) {
    return Error{"42601", std::string(assignment) + " requires a value", "", ""};
  }
  const std::string value(assignment.substr(equals + 1));
  return SetWish(Lower(assignment.substr(0, equals)), &value, {}, wishes);
}

std::optional<Error> TakeFromOptions(std::string& options, CacheWishes& wishes) {
  const std::vector<Word> words = Split(options);
  std::string rest;
  bool taken = false;
  const auto keep = [&rest](const Word& word) {
    if (!rest.empty()) rest.push_back(' ');
    rest.append(word.written);
  };
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string_view read = words[i].read;
    std::optional<Error> error;
    if (read == "-c" && i + 1 < words.size()) {
      if (IsOurs(words[i + 1].read)) {
        taken = true;
        error = Assign(words[i + 1].read, wishes);
      } else {
        keep(words[i]);
        keep(words[i + 1]);
      }
      ++i;
    } else if ((read.starts_with("-c") || read.starts_with("--")) && IsOurs(read.substr(2))) {
      taken = true;
      error = Assign(read.substr(2), wishes);
    } else {
      keep(words[i]);
    }
    if (error) return error;
  }
  if (taken) options = std::move(rest);
  return std::nullopt;
}

}  // namespace

Result<CacheWishes> TakeOwnOptions(pgwire::StartupMessage& startup) {
  CacheWishes wishes;
  auto& parameters = startup.parameters;
  for (auto& [name, value] : parameters) {
    std::optional<Error> error;
    if (name == "options") error = TakeFromOptions(value, wishes);
    if (IsOurs(name)) error = SetWish(Lower(name), &value, {}, wishes);
    if (error) return *error;
  }
  std::erase_if(parameters, [](const auto& parameter) {
    return IsOurs(parameter.first) || (parameter.first == "options" && parameter.second.empty());
  });
  return wishes;
}

}  // namespace pgsidecar::proxy
