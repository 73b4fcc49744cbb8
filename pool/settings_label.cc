#include "pool/settings_label.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace pgsidecar::pool {
namespace {

constexpr std::string_view kRole = "role";
constexpr std::string_view kSessionAuthorization = "session_authorization";
constexpr std::string_view kClientEncoding = "client_encoding";

const SettingsLabel& Values(const SharedLabel& label) {
  static const SettingsLabel kNone;
  return label == nullptr ? kNone : *label;
}

bool IsIdentity(std::string_view name) { return name == kRole || name == kSessionAuthorization; }

// Settings that every role may set (PostgreSQL documentation, "Server Configuration"): whoever is
// in force when they are set again is allowed to.
bool IsOfEveryRole(std::string_view name) {
  constexpr std::array<std::string_view, 29> kNames = {"application_name",
                                                       "bytea_output",
                                                       "check_function_bodies",
                                                       "client_encoding",
                                                       "client_min_messages",
                                                       "constraint_exclusion",
                                                       "cursor_tuple_fraction",
                                                       "datestyle",
                                                       "default_tablespace",
                                                       "extra_float_digits",
                                                       "idle_in_transaction_session_timeout",
                                                       "intervalstyle",
                                                       "jit",
                                                       "lc_monetary",
                                                       "lc_numeric",
                                                       "lc_time",
                                                       "lock_timeout",
                                                       "maintenance_work_mem",
                                                       "plan_cache_mode",
                                                       "random_page_cost",
                                                       "row_security",
                                                       "search_path",
                                                       "standard_conforming_strings",
                                                       "statement_timeout",
                                                       "synchronous_commit",
                                                       "timezone",
                                                       "transaction_timeout",
                                                       "work_mem",
                                                       "xmlbinary"};
  return name.starts_with("enable_") || name.starts_with("default_transaction_") ||
         std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

// As a literal that reads alike whatever standard_conforming_strings is.
void AppendLiteral(std::string& to, std::string_view text) {
  to += "E'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') to += c;
    to += c;
  }
  to += '\'';
}

// set_config with NULL is RESET.
void AppendSet(std::string& to, std::string_view name, const std::optional<std::string>& value) {
  to += to.empty() ? "SELECT " : ", ";
  to += "pg_catalog.set_config(";
  AppendLiteral(to, name);
  to += ", ";
  if (value) {
    AppendLiteral(to, *value);
  } else {
    to += "NULL";
  }
  to += ", false)";
}

std::optional<std::string> Find(const SettingsLabel& values, std::string_view name) {
  const auto it = values.find(name);
  return it == values.end() ? std::nullopt : it->second;
}

}  // namespace

bool SameLabel(const SharedLabel& a, const SharedLabel& b) {
  return a == b || Values(a) == Values(b);
}

bool CanBecome(const SharedLabel& held, const SharedLabel& wanted) {
  if (held == nullptr || held == wanted) return true;
  const SettingsLabel& to = Values(wanted);
  const bool keeps_encoding = !Values(held).contains(kClientEncoding);
  return std::all_of(Values(held).begin(), Values(held).end(),
                     [&to](const auto& setting) {
                       return !IsCustomSetting(setting.first) || to.contains(setting.first);
                     }) &&
         // The statement that sets a value is read under the encoding that is still in force.
         (keeps_encoding || SameLabel(held, wanted) || IsAsciiLabel(wanted));
}

bool IsAsciiLabel(const SharedLabel& label) {
  return std::all_of(Values(label).begin(), Values(label).end(), [](const auto& setting) {
    return !setting.second || IsAscii(*setting.second);
  });
}

bool HoldsCustom(const SharedLabel& held) {
  return std::any_of(Values(held).begin(), Values(held).end(),
                     [](const auto& setting) { return IsCustomSetting(setting.first); });
}

SharedLabel WithCustomOf(const SharedLabel& held, const SharedLabel& other) {
  if (!HoldsCustom(other)) return held;
  SettingsLabel both = Values(held);
  for (const auto& [name, value] : Values(other)) {
    if (IsCustomSetting(name)) both.emplace(name, std::nullopt);
  }
  return std::make_shared<const SettingsLabel>(std::move(both));
}

SharedLabel ResetLabel(const SharedLabel& held) {
  SettingsLabel left;
  for (const auto& [name, value] : Values(held)) {
    if (IsCustomSetting(name)) left.emplace(name, std::nullopt);
  }
  return left.empty() ? nullptr : std::make_shared<const SettingsLabel>(std::move(left));
}

bool CanReplay(std::string_view name, std::string_view value, bool as_other) {
  // The generator of random() has moved on since.
  if (name == "seed") return false;
  // The server would end the session while it idles in the pool, or its client would not be ended.
  if (name == "idle_session_timeout") return false;
  // Only before the first use of a temporary table.
  if (name == "temp_buffers") return false;
  // SET quotes the names in its list where that is needed, which is not seen here.
  if (name == "temp_tablespaces" || name.ends_with("_preload_libraries")) return false;
  // An unqualified name has been looked up when it was set.
  if (name == "default_text_search_config") return value.find('.') != std::string_view::npos;
  // A permission that the role of the login may not have, or a check that may not hold again.
  return !as_other || IsCustomSetting(name) || IsIdentity(name) || IsOfEveryRole(name);
}

std::string ReplayQuery(const SharedLabel& held, const SharedLabel& wanted) {
  const SettingsLabel& from = Values(held);
  const SettingsLabel& to = Values(wanted);
  std::string query;
  if (SameLabel(held, wanted)) return query;
  // Everything else is set by the role of the login.
  for (const std::string_view name : {kSessionAuthorization, kRole}) {
    if (from.contains(name)) AppendSet(query, name, std::nullopt);
  }
  for (const auto& [name, value] : from) {
    if (!IsIdentity(name) && !to.contains(name)) AppendSet(query, name, std::nullopt);
  }
  for (const auto& [name, value] : to) {
    const auto there = from.find(name);
    if (IsIdentity(name) || (there != from.end() && there->second == value)) continue;
    AppendSet(query, name, value);
  }
  for (const std::string_view name : {kSessionAuthorization, kRole}) {
    if (const auto value = Find(to, name)) AppendSet(query, name, value);
  }
  return query;
}

}  // namespace pgsidecar::pool
