// The settings that a session's answers depend on: those of its login, from the probe of its server
// connection, and those that it has changed since, as the server confirms them one by one.
//
// Invariant: while nothing is unanswered and bypass_ is empty, environment_ (if it is known) and
// settings_changed_ together say what the server holds for this session.

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/text.h"
#include "proxy/session.h"

namespace pgsidecar::proxy {
namespace {

// What a session may make the proxy remember of its settings.
constexpr size_t kMaxSettingsBytes = size_t{64} * 1024;
constexpr std::string_view kSettingsUnknown = "settings_unknown";
// unspecified, text, unknown, varchar: the value that set_config gets is the parameter's own text.
constexpr uint32_t kTextTypes[] = {0, 25, 705, 1043};

bool NamesTemporarySchema(std::string_view search_path) {
  return LowerCase(search_path).find("pg_temp") != std::string::npos;
}

// A custom setting may exist from the attempt on.
bool IsNewCustom(const sql::SettingChange& change, const SessionSettings& settings) {
  return change.name.find('.') != std::string::npos && !settings.Touched(change.name);
}

}  // namespace

// --- what is known ---

// What a session knows of its settings comes from the server connection that it holds.
void Session::AdoptEnvironment() {
  environment_ = server_->environment;
  if (environment_ && NamesTemporarySchema(environment_->search_path)) {
    LoseEnvironment(PinName(catalog::Pin::kTemporaryObject));
  }
  UpdateEnvironment();
}

// From now on nothing is known, until the session ends.
void Session::LoseEnvironment(std::string_view reason) {
  if (reason == PinName(catalog::Pin::kFunction)) {
    only_code_ran_ |= bypass_.empty();
  } else {
    only_code_ran_ = false;
    if (server_ != nullptr) AddPin(catalog::Pin::kSetting);
  }
  if (bypass_.empty()) bypass_ = reason;
}

void Session::UpdateEnvironment() {
  if (!environment_) return;
  if (settings_changed_->bytes() > kMaxSettingsBytes) LoseEnvironment(kSettingsUnknown);
  std::string parts;
  AppendBig32(parts, static_cast<uint32_t>(pool_->key().size()));
  parts += pool_->key();
  parts += environment_->fingerprint;
  settings_changed_->AppendKey(&parts);
  // SET datestyle may change only a part of it.
  if (settings_changed_->Find("datestyle")) parts += told_parameters_.Find("DateStyle");
  session_key_ = cache::MakeSessionKey({.session_user = environment_->session_user,
                                        .current_role = environment_->current_user,
                                        .environment = parts});

  search_path_ = settings_changed_->Find("search_path").value_or(environment_->search_path);
  const std::optional<std::string_view> user = UserOfNames();
  if (!user) names_known_ = false;
  user_of_names_ = user.value_or("");
  names_id_ = Hash64(user_of_names_, Hash64(search_path_));
}

// nullopt: not known.
std::optional<std::string_view> Session::UserOfNames() const {
  const auto role = settings_changed_->Find("role");
  if (role && *role != "none") return role;
  const auto authorization = settings_changed_->Find("session_authorization");
  if (role) return authorization.value_or(environment_->session_user);
  if (!authorization) return environment_->current_user;
  if (environment_->session_user != environment_->current_user) return std::nullopt;
  return authorization;
}

catalog::NameContext Session::Names() const {
  if (!environment_ || !names_known_ || names_unconfirmed_) return catalog::kAnyNames;
  return {.search_path = search_path_, .user = user_of_names_, .any_schema = false};
}

bool Session::DefaultsToReadCommitted() const {
  const auto own = settings_changed_->Find("default_transaction_isolation");
  if (own) return LowerCase(*own) == "read committed";
  return environment_ && environment_->read_committed;
}

// Whether a ParameterStatus follows from what the session itself has asked for.
bool Session::Explains(std::string_view parameter) const {
  if (!expected_.empty() && expected_.front().followed != nullptr) return true;
  const auto touched = [&](std::string_view name) { return settings_changed_->Touched(name); };
  if (parameter == "is_superuser" || parameter == "session_authorization") {
    return touched("role") || touched("session_authorization");
  }
  return touched(LowerCase(parameter));
}

// --- what is sent ---

// RESET and DISCARD do nothing to the settings of a session that has changed none.
bool Session::ChangesSettings(const Plan& plan) const {
  return !plan.resets_only || !settings_changed_->untouched();
}

// Before the request is sent.
void Session::NoteSettings(Plan* plan) {
  if (plan->environment_unknown) {
    LoseEnvironment(PinName(plan->pin == catalog::Pin::kNone ? catalog::Pin::kSetting : plan->pin));
  }
  if (plan->names_unknown) names_known_ = false;
  const bool takes_back = plan->ends_transaction && settings_changed_->in_transaction();
  const auto touched = [&](std::string_view name) { return settings_changed_->Touched(name); };
  names_unconfirmed_ |= takes_back || (plan->sets_names && ChangesSettings(*plan));
  encoding_unconfirmed_ |=
      plan->environment_unknown || (plan->sets_encoding && ChangesSettings(*plan)) ||
      (takes_back && (touched("client_encoding") || touched("standard_conforming_strings")));
}

void Session::FollowQuery() {
  if (!decision().plan.follows_settings || decision().records.empty() || server_skips_) return;
  const auto followed = std::make_shared<Followed>(decision().records[0]);
  if (followed->record->info().IsSingle(sql::StatementKind::kPrepare)) {
    followed->prepare = decision().text;
  }
  expected_.back().followed = followed;
}

void Session::FollowBind(std::string_view portal, const std::shared_ptr<ClientStatement>& statement,
                         const Request::Message& message) {
  if (!followed_portals_->empty()) followed_portals_.Edit().erase(std::string(portal));
  if (statement == nullptr || statement->local() || !decision().plan.follows_settings) return;
  if (statement->record->info().statements.size() != 1) return;  // an error to the server
  auto followed = std::make_shared<Followed>(statement->record);
  if (followed->current()->kind == sql::StatementKind::kPrepare) {
    followed->prepare = statement->prepared->sql;
  }
  uint32_t parameters = 0;
  for (const sql::SettingChange& change : followed->current()->settings) {
    parameters = std::max(parameters, change.parameter);
  }
  if (parameters > 0) {
    const auto bind = pgwire::Bind::Decode(request().body(message));
    const auto& types = statement->prepared->parameter_types;
    const bool texts = std::all_of(types.begin(), types.end(), [](uint32_t type) {
      return std::find(std::begin(kTextTypes), std::end(kTextTypes), type) != std::end(kTextTypes);
    });
    if (request().IsPartial(message) || !bind.ok() || bind->values.size() < parameters || !texts) {
      return LoseEnvironment(kSettingsUnknown);
    }
    followed->values.assign(bind->values.begin(), bind->values.end());
  }
  followed_portals_.Edit().emplace(portal, std::move(followed));
}

void Session::FollowExecute(std::string_view portal) {
  if (server_skips_ || followed_portals_->empty()) return;
  const auto it = followed_portals_->find(portal);
  if (it != followed_portals_->end()) expected_.back().followed = it->second;
}

// --- what the server has confirmed ---

// The statement at the front has been run to its end, or (tag "") as far as it was asked to.
void Session::OnCompleted(std::string_view tag) {
  if (expected_.empty() || expected_.front().followed == nullptr) return;
  Followed& followed = *expected_.front().followed;
  const sql::StatementInfo* statement = followed.current();
  if (statement == nullptr) return;
  ++followed.completed;
  switch (statement->kind) {
    case sql::StatementKind::kSet:
    case sql::StatementKind::kSelect:
      for (const sql::SettingChange& change : statement->settings) Apply(change, followed);
      return;
    case sql::StatementKind::kPrepare:
      return NotePrepared(*statement, followed);
    case sql::StatementKind::kDeallocate:
      if (statement->name.empty()) return sql_statements_.Edit().clear();
      sql_statements_.Edit().erase(statement->name);
      return;
    case sql::StatementKind::kDiscard:
      if (statement->name == "ALL" || statement->name == "SEQUENCES") OnSequencesDiscarded();
      if (statement->name != "ALL") return;
      sql_statements_.Edit().clear();
      settings_changed_.Edit().DiscardAll();
      if (OwnSettings* own = own_settings_.edited()) own->ResetAll();
      return;
    case sql::StatementKind::kSavepoint:
      settings_changed_.Edit().Savepoint(statement->name);
      own_settings_.Edit().Savepoint(statement->name);
      return;
    case sql::StatementKind::kReleaseSavepoint:
      if (SessionSettings* settings = settings_changed_.edited())
        settings->Release(statement->name);
      if (OwnSettings* own = own_settings_.edited()) own->Release(statement->name);
      return;
    case sql::StatementKind::kRollbackTo:
      if (SessionSettings* settings = settings_changed_.edited()) {
        settings->RollbackTo(statement->name);
      }
      if (OwnSettings* own = own_settings_.edited()) own->RollbackTo(statement->name);
      return;
    case sql::StatementKind::kCommit:
    case sql::StatementKind::kPrepareTransaction:
    case sql::StatementKind::kRollback:
      return EndTransactionOfSettings(tag != "ROLLBACK");
    default:
      return;
  }
}

void Session::Apply(const sql::SettingChange& change, const Followed& followed) {
  if (IsOfTransaction(change.name)) return;
  if (change.name.empty()) {
    if (OwnSettings* own = own_settings_.edited()) own->ResetAll();
    if (SessionSettings* settings = settings_changed_.edited()) settings->ResetAll();
    return;
  }
  std::optional<std::string> value = change.value;
  if (change.parameter > 0) value = followed.values[change.parameter - 1];
  if (change.name == "session_authorization") {
    // It ends the role, also one that the login gave, and no rollback brings that back.
    const bool has_role = settings_changed_->Touched("role") || !environment_ ||
                          environment_->session_user != environment_->current_user;
    if (has_role) return LoseEnvironment(kSettingsUnknown);
    return settings_changed_.Edit().SetSessionAuthorization(value);
  }
  // What is created from now on may be temporary without saying so.
  if (change.name == "search_path" && value && NamesTemporarySchema(*value)) {
    LoseEnvironment(PinName(catalog::Pin::kTemporaryObject));
  }
  if (!value) return settings_changed_.Edit().Reset(change.name, change.local);
  // The same bytes are another text in another encoding.
  if (!utf8_ && !IsAscii(*value)) return LoseEnvironment(kSettingsUnknown);
  settings_changed_.Edit().Set(change.name, *value, change.local);
  if (!change.local) NoteReplayable(change.name, *value);
}

void Session::EndTransactionOfSettings(bool committed) {
  if (SessionSettings* settings = settings_changed_.edited()) {
    committed ? settings->Commit() : settings->Rollback();
  }
  if (OwnSettings* own = own_settings_.edited()) committed ? own->Commit() : own->Rollback();
}

// The statement at the front has failed.
void Session::OnAttemptFailed() {
  if (!batches_.empty()) batches_.front().failed = true;
  if (expected_.empty() || expected_.front().followed == nullptr) return;
  const sql::StatementInfo* statement = expected_.front().followed->current();
  if (statement == nullptr) return;
  for (const sql::SettingChange& change : statement->settings) {
    if (IsNewCustom(change, *settings_changed_)) return LoseEnvironment(kSettingsUnknown);
  }
}

// ReadyForQuery. What no COMMIT or ROLLBACK has ended was the batch's own transaction.
void Session::EndBatchOfSettings(bool idle, bool failed) {
  if (idle) EndTransactionOfSettings(!failed);
  if (!settings_changed_->untouched()) UpdateEnvironment();
  if (!ClientIsAnswered()) return;
  names_unconfirmed_ = encoding_unconfirmed_ = prepares_unconfirmed_ = false;
  // What is run later than in the batch that bound it, amid others, would be noticed too late.
  for (const auto& [portal, followed] : *followed_portals_) {
    const sql::StatementInfo* statement = followed->current();
    if (statement != nullptr && !statement->settings.empty()) LoseEnvironment(kSettingsUnknown);
  }
  if (idle && !followed_portals_->empty()) followed_portals_.Edit().clear();
}

}  // namespace pgsidecar::proxy
