#include "proxy/session_settings.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "catalog/environment.h"

namespace pgsidecar::proxy {
namespace {

constexpr std::string_view kRole = "role";
constexpr std::string_view kSessionAuthorization = "session_authorization";

bool IsCustom(std::string_view name) { return pool::IsCustomSetting(name); }

// RESET ALL leaves these alone (PostgreSQL: GUC_NO_RESET_ALL).
bool SurvivesResetAll(std::string_view name) {
  return name == kRole || name == kSessionAuthorization || name == "seed" ||
         name.starts_with("transaction_");
}

// Old names of settings (PostgreSQL: map_old_guc_names).
std::string_view PresentName(std::string_view name) {
  if (name == "sort_mem") return "work_mem";
  if (name == "vacuum_mem") return "maintenance_work_mem";
  return name;
}

void AppendField(std::string* to, std::string_view field) {
  AppendBig32(*to, static_cast<uint32_t>(field.size()));
  to->append(field);
}

template <typename Values>
size_t BytesOf(const Values& values) {
  constexpr size_t kNodeBytes = 112;
  size_t bytes = 0;
  for (const auto& [name, value] : values) bytes += kNodeBytes + name.size() + value.size();
  return bytes;
}

}  // namespace

bool IsOfTransaction(std::string_view name) { return name.starts_with("transaction_"); }

void SessionSettings::BeginChange() {
  if (!before_) before_ = now_;
}

void SessionSettings::Erase(std::string_view name) {
  for (Values* values : {&now_.session, &now_.local}) {
    if (const auto it = values->find(name); it != values->end()) values->erase(it);
  }
}

void SessionSettings::Change(std::string_view name, std::string value, bool local) {
  touched_.emplace(name);
  if (local) {
    now_.local.insert_or_assign(std::string(name), std::move(value));
    return;
  }
  Erase(name);
  const bool forgotten = value[0] == kDefault && !IsCustom(name);
  if (!forgotten) now_.session.emplace(name, std::move(value));
}

void SessionSettings::Set(std::string_view name, std::string_view value, bool local) {
  BeginChange();
  name = PresentName(name);
  std::string text = kText + std::string(value);
  if (name == "default_text_search_config" && value.find('.') == std::string_view::npos) {
    // What an unqualified name means is settled when it is set.
    for (const std::string_view other :
         {std::string_view("search_path"), kRole, kSessionAuthorization}) {
      const std::string* in_force = InForce(other);
      AppendField(&text, in_force == nullptr ? std::string_view() : *in_force);
    }
  }
  Change(name, std::move(text), local);
}

void SessionSettings::Reset(std::string_view name, bool local) {
  BeginChange();
  Change(PresentName(name), std::string(1, kDefault), local);
}

void SessionSettings::ResetAll() {
  BeginChange();
  for (const std::string& name : touched_) {
    if (SurvivesResetAll(name)) continue;
    Erase(name);
    if (IsCustom(name)) now_.session.emplace(name, std::string(1, kDefault));
  }
}

void SessionSettings::SetSessionAuthorization(std::optional<std::string_view> user) {
  BeginChange();
  Change(kSessionAuthorization, user ? kText + std::string(*user) : std::string(1, kDefault),
         /*local=*/false);
  Change(kRole, std::string(1, kNoRole), /*local=*/false);
}

void SessionSettings::DiscardAll() {
  ResetAll();
  SetSessionAuthorization(std::nullopt);
}

void SessionSettings::Savepoint(std::string_view name) {
  savepoints_.push_back({std::string(name), now_});
}

void SessionSettings::Release(std::string_view name) {
  const auto mark = std::find_if(savepoints_.rbegin(), savepoints_.rend(),
                                 [name](const Mark& m) { return m.name == name; });
  if (mark != savepoints_.rend()) savepoints_.erase(std::prev(mark.base()), savepoints_.end());
}

void SessionSettings::RollbackTo(std::string_view name) {
  const auto mark = std::find_if(savepoints_.rbegin(), savepoints_.rend(),
                                 [name](const Mark& m) { return m.name == name; });
  if (mark == savepoints_.rend()) return;
  savepoints_.erase(mark.base(), savepoints_.end());
  if (!before_) return;  // nothing has changed in this transaction
  now_ = savepoints_.back().state;
  LeaveMarks();
}

// A custom setting exists from its first SET on, whatever became of that.
void SessionSettings::LeaveMarks() {
  for (const std::string& name : touched_) {
    if (!IsCustom(name) || InForce(name) != nullptr) continue;
    now_.session.emplace(name, std::string(1, kLeftOver));
  }
}

void SessionSettings::Commit() {
  savepoints_.clear();
  if (!before_) return;
  before_.reset();
  now_.local.clear();
  LeaveMarks();
}

void SessionSettings::Rollback() {
  savepoints_.clear();
  if (!before_) return;
  now_ = *std::exchange(before_, std::nullopt);
  LeaveMarks();
}

const std::string* SessionSettings::InForce(std::string_view name) const {
  for (const Values* values : {&now_.local, &now_.session}) {
    if (const auto it = values->find(name); it != values->end()) return &it->second;
  }
  return nullptr;
}

std::optional<std::string_view> SessionSettings::Find(std::string_view name) const {
  const std::string* value = InForce(name);
  if (value == nullptr || value->front() == kDefault) return std::nullopt;
  if (value->front() == kNoRole) return "none";
  return std::string_view(*value).substr(1);
}

pool::SettingsLabel SessionSettings::Label() const {
  pool::SettingsLabel label;
  for (const auto& [name, value] : now_.session) {
    switch (value.front()) {
      case kText:
        label.emplace(name, value.substr(1));
        break;
      case kNoRole:
        label.emplace(name, "none");
        break;
      default:
        if (IsCustom(name)) label.emplace(name, std::nullopt);
    }
  }
  return label;
}

void SessionSettings::AppendKey(std::string* to) const {
  for (const std::string& name : touched_) {
    const std::string* value = InForce(name);
    const bool as_at_login = value == nullptr || (value->front() == kDefault && !IsCustom(name));
    if (as_at_login || catalog::AnswersIgnore(name)) continue;
    AppendField(to, name);
    AppendField(to, *value);
  }
}

size_t SessionSettings::bytes() const {
  const auto of_state = [](const State& state) {
    return sizeof(State) + BytesOf(state.session) + BytesOf(state.local);
  };
  size_t bytes = of_state(now_);
  if (before_) bytes += of_state(*before_);
  for (const Mark& mark : savepoints_) bytes += mark.name.size() + of_state(mark.state);
  for (const std::string& name : touched_) bytes += sizeof(std::string) + 2 * name.size();
  return bytes;
}

}  // namespace pgsidecar::proxy
