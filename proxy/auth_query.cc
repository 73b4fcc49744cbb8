#include "proxy/auth_query.h"

#include <algorithm>

#include "base/log.h"

namespace pgsidecar::proxy {
namespace {

constexpr Duration kReconnectAfter = std::chrono::seconds(1);
// Of users, those included that do not exist: anybody may ask for any name.
constexpr size_t kMaxRemembered = 10'000;

Error CannotAsk() {
  return {"58000", "the user's secret cannot be asked of the server",
          "auth_query has failed; the log of pgsidecar says why.", ""};
}

}  // namespace

void AuthQuery::Ask(std::string user, ClientId client, TimePoint now) {
  if (const auto it = remembered_.find(user); it != remembered_.end() && now < it->second.until) {
    answers_.push_back({client, it->second.secret});
    return;
  }
  for (Question& question : queue_) {
    if (question.user != user) continue;
    question.clients.push_back(client);
    return;
  }
  queue_.push_back({std::move(user), {client}});
}

bool AuthQuery::WantsConnection(TimePoint now) const {
  return server_ == nullptr && !queue_.empty() && now >= next_attempt_;
}

pgwire::StartupMessage AuthQuery::StartupOf(const std::string& user, const std::string& database) {
  pgwire::StartupMessage startup;
  // Without pg_temp in the list, it would stand in front.
  startup.parameters = {{"user", user},
                        {"database", database},
                        {"client_encoding", "UTF8"},
                        {"application_name", "pgsidecar auth_query"},
                        {"search_path", "pg_catalog, pg_temp"}};
  return startup;
}

void AuthQuery::OnConnecting(pool::ServerConnection* server, TimePoint now) {
  server_ = server;
  ready_ = false;
  asking_ = false;
  next_attempt_ = now + kReconnectAfter;
  deadline_ = server->deadline;
}

void AuthQuery::Continue(const std::string& sql, Duration patience, TimePoint now) {
  if (!ready_ || asking_ || queue_.empty()) return;
  asking_ = true;
  ++asked_;
  asked_at_ = now;
  deadline_ = now + patience;
  failure_.reset();
  row_.reset();
  two_columns_ = true;
  server_->StartQueryWith(
      sql, queue_.front().user,
      [this](size_t, std::span<const std::optional<std::string_view>> row) {
        two_columns_ = row.size() >= 2;
        if (row_ || !two_columns_ || !row[0]) return;
        row_.emplace(std::string(*row[0]), std::nullopt);
        if (row[1]) row_->second = SecretString(std::string(*row[1]));
      },
      [this](const Error* error) {
        if (error != nullptr) failure_ = *error;
      });
}

Result<AuthQuery::Secret> AuthQuery::ReadAnswer() const {
  if (failure_) return *failure_;
  if (!two_columns_) return Error{"42601", "expected two columns, name and secret", "", ""};
  if (!row_ || row_->first != queue_.front().user) return Secret();
  if (!row_->second) return Secret(std::make_shared<const UserSecret>());
  Result<UserSecret> secret = ReadSecret(row_->second->view());
  if (!secret.ok()) return secret.error();
  DeriveVerifier(row_->first, &*secret);
  return Secret(std::make_shared<const UserSecret>(*std::move(secret)));
}

void AuthQuery::OnIdleAgain(Duration ttl, TimePoint now) {
  asking_ = false;
  const Result<Secret> secret = ReadAnswer();
  row_.reset();
  const Question question = std::move(queue_.front());
  queue_.pop_front();
  if (secret.ok()) {
    last_error_.clear();
    Remember(question.user, *secret, now + ttl, now);
    return AnswerAll(question, secret);
  }
  if (last_error_ != secret.error().message) {
    last_error_ = secret.error().message;
    log::error("auth_query failed sqlstate={} reason={}", secret.error().sqlstate, last_error_);
  }
  AnswerAll(question, CannotAsk());
}

void AuthQuery::OnLost(const Error& error) {
  log::warn("no connection for auth_query sqlstate={} reason={}", error.sqlstate, error.message);
  for (const Question& question : queue_) AnswerAll(question, CannotAsk());
  queue_.clear();
  OnLeft();
}

void AuthQuery::OnLeft() {
  server_ = nullptr;
  ready_ = false;
  asking_ = false;
}

bool AuthQuery::IsOverdue(TimePoint now) const {
  return server_ != nullptr && (!ready_ || asking_) && now > deadline_;
}

void AuthQuery::AnswerAll(const Question& question, const Result<Secret>& secret) {
  for (const ClientId client : question.clients) answers_.push_back({client, secret});
}

void AuthQuery::Remember(const std::string& user, const Secret& secret, TimePoint until,
                         TimePoint now) {
  if (remembered_.size() >= kMaxRemembered) {
    std::erase_if(remembered_, [now](const auto& each) { return now >= each.second.until; });
    if (remembered_.size() >= kMaxRemembered) remembered_.clear();
  }
  remembered_.insert_or_assign(user, Remembered{secret, until});
}

}  // namespace pgsidecar::proxy
