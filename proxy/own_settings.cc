#include "proxy/own_settings.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "proxy/config.h"

namespace pgsidecar::proxy {
namespace {

template <typename T>
std::optional<Error> SetOne(std::string_view name, const std::string* value,
                            const std::optional<T>& otherwise, std::optional<T>& wish,
                            Result<T> (*parse)(std::string_view)) {
  if (value == nullptr) {
    wish = otherwise;
    return std::nullopt;
  }
  const Result<T> parsed = parse(*value);
  if (!parsed.ok()) {
    return Error{"22023",
                 "invalid value for parameter \"" + std::string(name) + "\": \"" + *value + "\"",
                 "", parsed.error().message};
  }
  wish = *parsed;
  return std::nullopt;
}

}  // namespace

std::optional<Error> SetWish(std::string_view name, const std::string* value,
                             const CacheWishes& defaults, CacheWishes& wishes) {
  if (name == kCacheSetting) {
    return SetOne(name, value, defaults.cache, wishes.cache, &ParseCacheMode);
  }
  if (name == kTtlSetting) return SetOne(name, value, defaults.ttl, wishes.ttl, &ParseTtl);
  if (name == kConsistencySetting) {
    return SetOne(name, value, defaults.consistency, wishes.consistency, &ParseConsistency);
  }
  return Error{"42704", "unrecognized configuration parameter \"" + std::string(name) + "\"", "",
               "pgsidecar knows pgsidecar.last, pgsidecar.cache, pgsidecar.ttl and "
               "pgsidecar.consistency."};
}

void OwnSettings::Start(const CacheWishes& defaults) {
  defaults_ = before_ = defaults;
  state_ = {.now = defaults, .session = defaults};
}

std::optional<Error> OwnSettings::Set(std::string_view name, const std::string* value, bool local) {
  if (auto error = SetWish(name, value, defaults_, state_.now)) return error;
  if (!local) SetWish(name, value, defaults_, state_.session);
  return std::nullopt;
}

void OwnSettings::ResetAll() { state_ = {.now = defaults_, .session = defaults_}; }

// The newest of that name.
std::vector<OwnSettings::Mark>::iterator OwnSettings::Find(std::string_view name) {
  const auto mark = std::find_if(savepoints_.rbegin(), savepoints_.rend(),
                                 [name](const Mark& m) { return m.name == name; });
  return mark == savepoints_.rend() ? savepoints_.end() : std::prev(mark.base());
}

void OwnSettings::Savepoint(std::string_view name) {
  savepoints_.push_back({std::string(name), state_});
}

void OwnSettings::Release(std::string_view name) {
  savepoints_.erase(Find(name), savepoints_.end());
}

void OwnSettings::RollbackTo(std::string_view name) {
  const auto mark = Find(name);
  if (mark == savepoints_.end()) return;
  state_ = mark->state;
  savepoints_.erase(std::next(mark), savepoints_.end());
}

void OwnSettings::Commit() {
  savepoints_.clear();
  state_.now = before_ = state_.session;
}

void OwnSettings::Rollback() {
  savepoints_.clear();
  state_ = {.now = before_, .session = before_};
}

}  // namespace pgsidecar::proxy
