#include "proxy/config_rules.h"

#include <array>
#include <string_view>
#include <utility>

#include "proxy/config.h"
#include "proxy/config_text.h"

namespace pgsidecar::proxy {
namespace {

constexpr std::string_view kKeys =
    "relation, pattern, user, application_name, database, class, ttl, cache or consistency";

// What a rule asks for.
constexpr std::array<std::pair<std::string_view, std::string Rule::*>, 5> kConditions = {{
    {"relation", &Rule::relation},
    {"pattern", &Rule::pattern},
    {"user", &Rule::user},
    {"application_name", &Rule::application_name},
    {"database", &Rule::database},
}};

template <typename T>
std::optional<Error> Keep(const Result<T>& parsed, std::string_view text, std::optional<T>& wish) {
  if (parsed.ok()) {
    wish = *parsed;
    return std::nullopt;
  }
  const std::string& why = parsed.error().message;
  const bool says_what_it_got = why.find(", got ") != std::string::npos;
  return Error{"F0000", says_what_it_got ? why : why + ", got " + Quote(text), "", ""};
}

std::optional<Error> ReadKey(std::string_view key, const std::string& text, Rule& rule) {
  for (const auto& [name, field] : kConditions) {
    if (key != name) continue;
    if (text.empty()) return Expected("a text that is not empty", text);
    rule.*field = text;
    return std::nullopt;
  }
  CacheWishes& wishes = rule.wishes;
  if (key == "class") return Keep(ParseCacheClass(text), text, wishes.cache_class);
  if (key == "ttl") return Keep(ParseTtl(text), text, wishes.ttl);
  if (key == "cache") return Keep(ParseCacheMode(text), text, wishes.cache);
  if (key == "consistency") return Keep(ParseConsistency(text), text, wishes.consistency);
  return Error{"F0000", "unknown key of a rule, expected " + std::string(kKeys), "", ""};
}

std::string Place(const std::string& path, const toml::node& node) {
  return path + ":" + std::to_string(node.source().begin.line) + ": " + std::string(kRulesKey);
}

std::optional<Error> ReadRule(const toml::table& table, const std::string& path, Rule& rule) {
  for (const auto& [key, node] : table) {
    const std::string name = Quote(key.str());
    const std::string where = Place(path, node) + "." + name.substr(1, name.size() - 2);
    std::optional<std::string> text;
    if (const auto* string = node.as_string()) text = string->get();
    if (const auto* number = node.as_integer()) text = std::to_string(number->get());
    if (const auto* flag = node.as_boolean()) text = flag->get() ? "on" : "off";
    if (!text) return Error{"F0000", where + ": expected a string", "", ""};
    if (const auto error = ReadKey(key.str(), *text, rule)) {
      return Error{"F0000", where + ": " + error->message, "", ""};
    }
  }
  if (rule.wishes == CacheWishes{}) {
    return Error{"F0000",
                 Place(path, table) + ": expected at least one of class, ttl, cache, consistency",
                 "", ""};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Error> ReadRules(const toml::node& node, const std::string& path,
                               std::vector<Rule>& rules) {
  const toml::array* array = node.as_array();
  const Error not_tables = {"F0000", Place(path, node) + ": expected tables, each under [[rule]]",
                            "", ""};
  if (array == nullptr) return not_tables;
  for (const toml::node& element : *array) {
    const toml::table* table = element.as_table();
    if (table == nullptr) return not_tables;
    if (const auto error = ReadRule(*table, path, rules.emplace_back())) return error;
  }
  return std::nullopt;
}

}  // namespace pgsidecar::proxy
