#include "proxy/watch.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/log.h"

namespace pgsidecar::proxy {
namespace {

constexpr Duration kReconnectAfter = std::chrono::seconds(1);
// A load that was overtaken by a change is done again, but not in a tight loop.
constexpr Duration kLoadAgainAfter = std::chrono::milliseconds(20);
// One that has met a lock is done again after this.
constexpr Duration kLockedAgainAfter = std::chrono::milliseconds(250);
constexpr std::string_view kLockNotAvailable = "55P03";

// How long a poll and a load may take before nothing is cached, and before the connection is given
// up.
constexpr Duration kShortestPatience = std::chrono::seconds(2);
constexpr Duration kLongestPatience = std::chrono::seconds(30);
// A recheck of some milliseconds costs the server no more than a fifth of one processor.
constexpr int kRestsFor = 4;

}  // namespace

Watch::Watch(Database* database, Duration interval, const std::vector<std::string>* harmless)
    : database_(database), interval_(interval), harmless_(harmless) {}

bool Watch::WantsConnection(TimePoint now) const {
  return server_ == nullptr && now >= next_attempt_;
}

void Watch::OnConnecting(pool::ServerConnection* server, TimePoint now) {
  server_ = server;
  next_attempt_ = now + kReconnectAfter;
}

void Watch::OnLoggedIn() {
  ready_ = true;
  step_ = Step::kIdle;
  next_poll_ = TimePoint{};
}

void Watch::OnLost(const Error& error, TimePoint now) {
  if (error.message != last_error_) {
    log::warn("no catalog connection database={} sqlstate={} reason={}: nothing is cached",
              database_->name(), error.sqlstate, error.message);
    last_error_ = error.message;
  }
  OnLeft(now);
}

void Watch::OnLeft(TimePoint now) {
  server_ = nullptr;
  ready_ = false;
  step_ = Step::kIdle;
  builder_.reset();
  locked_since_.reset();
  next_attempt_ = now + kReconnectAfter;
  database_->OnDisconnected();
  moved_ = true;
}

void Watch::Tick(TimePoint now) {
  if (ready_ && step_ != Step::kIdle && now - asked_at_ > Patience()) {
    // What changes elsewhere would be seen too late.
    database_->OnDisconnected();
    moved_ = true;
  }
  if (!ready_ || step_ != Step::kIdle || server_->querying()) return;
  if (now < locked_until_) return;
  if (now < next_poll_ && (!database_->ready_for_recheck() || now < rested_at_)) return;
  next_poll_ = now + interval_;
  asked_at_ = now;
  Poll(Step::kPolling);
}

Duration Watch::Patience() const { return std::max(2 * interval_, kShortestPatience); }

bool Watch::IsOverdue(TimePoint now) const {
  if (server_ == nullptr) return false;
  return ready_ ? step_ != Step::kIdle && now - asked_at_ > kLongestPatience
                : now > server_->deadline;
}

bool Watch::TakeMoved() { return std::exchange(moved_, false); }

void Watch::Poll(Step step) {
  step_ = step;
  signs_before_ = database_->signs();
  answer_.reset();
  server_->StartQuery(
      catalog::PollQuery(database_->AskForOrphans()),
      [this](size_t, catalog::Row row) {
        Result<catalog::PollAnswer> answer = catalog::ReadPollRow(row);
        if (answer.ok()) answer_ = *std::move(answer);
      },
      [this](const Error* error) {
        failure_.reset();
        if (error != nullptr) failure_ = *error;
      });
}

void Watch::Load() {
  step_ = Step::kLoading;
  fingerprint_before_ = answer_->fingerprint;
  builder_.emplace(*harmless_);
  server_->StartQuery(
      catalog::LoadQuery(),
      [this](size_t result_set, catalog::Row row) { builder_->AddRow(result_set, row); },
      [this](const Error* error) {
        failure_.reset();
        if (error != nullptr) failure_ = *error;
      });
}

// Somebody changes a table, or holds it as if: the catalog cannot be read before that is over.
void Watch::OnLocked(TimePoint now) {
  step_ = Step::kIdle;
  builder_.reset();
  locked_until_ = now + kLockedAgainAfter;
  if (!locked_since_) locked_since_ = now;
  if (now - *locked_since_ <= Patience()) return;
  // Nobody waits for it any longer.
  database_->OnDisconnected();
  moved_ = true;
}

void Watch::OnIdleAgain(TimePoint now) {
  if (failure_ && failure_->sqlstate == kLockNotAvailable) return OnLocked(now);
  if (failure_ || (step_ != Step::kLoading && !answer_)) {
    const std::string reason = failure_ ? failure_->message : "the poll gave no answer";
    if (reason != last_error_) {
      log::error("catalog query failed database={} reason={}: nothing is cached", database_->name(),
                 reason);
      last_error_ = reason;
    }
    database_->OnDisconnected();
    moved_ = true;
    step_ = Step::kIdle;
    next_poll_ = now + std::max(interval_, kReconnectAfter);
    return;
  }
  switch (step_) {
    case Step::kPolling:
      return OnPolled(now);
    case Step::kLoading:
      return Poll(Step::kPollingAgain);
    case Step::kPollingAgain:
      step_ = Step::kIdle;
      OnLoadedAndPolled();
      if (database_->needs_recheck()) next_poll_ = now + kLoadAgainAfter;
      return;
    case Step::kIdle:
      return;
  }
}

void Watch::OnPolled(TimePoint now) {
  last_error_.clear();
  step_ = Step::kIdle;
  const uint64_t version = database_->catalog_version();
  const bool load = database_->OnPoll(*answer_, signs_before_);
  if (load || version != database_->catalog_version()) moved_ = true;
  if (load) return Load();
  // Code of which nothing is known asks for a poll each time. Where much of it runs, the server has
  // to have time for something else.
  rested_at_ = now + kRestsFor * (now - asked_at_);
}

void Watch::OnLoadedAndPolled() {
  moved_ = true;
  locked_since_.reset();
  // The second poll may itself have found another server.
  if (answer_->fingerprint != fingerprint_before_) {
    database_->OnPoll(*answer_, signs_before_);
    return;
  }
  Result<std::shared_ptr<const catalog::Catalog>> catalog = builder_->Finish();
  builder_.reset();
  if (!catalog.ok()) {
    log::error("catalog not understood database={} reason={}: nothing is cached", database_->name(),
               catalog.error().message);
    return;
  }
  database_->OnLoaded(*std::move(catalog), fingerprint_before_, answer_->fingerprint,
                      signs_before_);
}

}  // namespace pgsidecar::proxy
