#include "proxy/own_settings.h"

#include <algorithm>
#include <utility>

#include "proxy/config.h"

namespace pgsidecar::proxy {
namespace {

CacheMode ModeOf(const CacheWishes& wishes) { return wishes.cache.value_or(CacheMode::kOn); }

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
  defaults_ = defaults;
  now_ = defaults;
  session_ = defaults;
}

// Before now_ is changed.
void OwnSettings::NoteChange(const CacheWishes& next, bool in_transaction) {
  if (!in_transaction) return;
  if (!before_) {
    before_ = session_;
    narrowest_ = ModeOf(now_);
  }
  narrowest_ = std::min(narrowest_, ModeOf(next));
  limits_set_ |= next.ttl != now_.ttl || next.consistency != now_.consistency;
}

std::optional<Error> OwnSettings::Set(std::string_view name, const std::string* value, bool local,
                                      bool in_transaction) {
  CacheWishes next = now_;
  if (auto error = SetWish(name, value, defaults_, next)) return error;
  NoteChange(next, in_transaction);
  now_ = next;
  if (in_doubt_) now_.cache = CacheMode::kOff;
  if (!local) SetWish(name, value, defaults_, session_);
  return std::nullopt;
}

void OwnSettings::ResetAll() {
  NoteChange(defaults_, /*in_transaction=*/true);
  now_ = session_ = defaults_;
  if (in_doubt_) now_.cache = CacheMode::kOff;
}

void OwnSettings::OnRollbackToSavepoint() {
  if (!before_) return;
  in_doubt_ = true;
  now_.cache = CacheMode::kOff;
}

void OwnSettings::OnTransactionEnd(bool committed) {
  if (!before_) return;
  if (!committed) {
    session_ = *before_;
  } else if (in_doubt_) {
    session_.cache = limits_set_ ? CacheMode::kOff : std::min(narrowest_, ModeOf(session_));
  }
  now_ = session_;
  before_.reset();
  limits_set_ = in_doubt_ = false;
}

}  // namespace pgsidecar::proxy
