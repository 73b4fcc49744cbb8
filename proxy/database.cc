#include "proxy/database.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/hash.h"
#include "base/log.h"

namespace pgsidecar::proxy {
namespace {

constexpr size_t kMaxStatements = 10'000;
constexpr size_t kMaxStatementBytes = size_t{32} << 20;

}  // namespace

Database::Database(std::string name, cache::VersionTable* versions)
    : book(kMaxStatements, kMaxStatementBytes), name_(std::move(name)), versions_(versions) {
  // Until the server has said who it is, the name keeps databases apart.
  id_ = {Hash64(name_), 0};
  counter_ = versions_->DatabaseCounter(id_);
}

void Database::OnCatalogChangeBegins() { ++changes_open_; }

void Database::OnCatalogChangeEnds() {
  assert(changes_open_ > 0);
  --changes_open_;
  OnCatalogMayHaveChanged();
}

void Database::OnCatalogMayHaveChanged() {
  needs_recheck_ = true;
  ++signs_;
}

void Database::OnDisconnected() {
  connected_ = false;
  gave_up_ = true;
}

void Database::Identify(const catalog::PollAnswer& answer) {
  const cache::DatabaseId id{Hash64(answer.system_identifier + "/" + answer.timeline),
                             answer.database};
  const bool restarted = answer.postmaster_start_time != postmaster_start_time_;
  if (id == id_ && !restarted) return;
  // Another cluster, another timeline, or a server that has crashed or been restored: whatever was
  // true of the old one is dropped with its counter. Its backends are gone, too.
  versions_->Move(counter_);
  id_ = id;
  counter_ = versions_->DatabaseCounter(id_);
  versions_->Move(counter_);
  if (restarted && !postmaster_start_time_.empty()) SettleOrphans({}, true);
  postmaster_start_time_ = answer.postmaster_start_time;
  catalog_.reset();
  fingerprint_.clear();
  ++catalog_version_;
}

std::vector<uint32_t> Database::AskForOrphans() {
  std::vector<uint32_t> pids;
  for (OrphanedWrites& orphan : orphans_) {
    orphan.asked = true;
    pids.push_back(orphan.pid);
  }
  return pids;
}

void Database::SettleOrphans(const std::vector<uint32_t>& alive, bool all) {
  std::erase_if(orphans_, [&](const OrphanedWrites& orphan) {
    if (!all && !orphan.asked) return false;
    if (!all && std::find(alive.begin(), alive.end(), orphan.pid) != alive.end()) return false;
    for (const cache::CounterIndex counter : orphan.counters) versions_->EndWrite(counter);
    OnCatalogMayHaveChanged();  // it may have been DDL
    return true;
  });
}

// A poll that was under way when a change ended may not have seen it.
void Database::Recheck(uint64_t signs) {
  if (changes_open_ == 0 && signs == signs_) needs_recheck_ = false;
}

bool Database::OnPoll(const catalog::PollAnswer& answer, uint64_t signs) {
  Identify(answer);
  connected_ = true;
  SettleOrphans(answer.alive, false);
  in_recovery_ = answer.in_recovery;
  if (answer.conf_load_time != conf_load_time_) {
    reloaded_ = !conf_load_time_.empty();
    // No environment shows a setting of the user's own (app.tenant), which the file may give, too.
    versions_->Move(counter_);
    conf_load_time_ = answer.conf_load_time;
  }
  if (catalog_ != nullptr && answer.fingerprint == fingerprint_) {
    Recheck(signs);
    return false;
  }
  needs_recheck_ = true;
  versions_->Move(counter_);
  return true;
}

bool Database::OnLoaded(std::shared_ptr<const catalog::Catalog> catalog, const std::string& before,
                        const std::string& after, uint64_t signs) {
  if (before != after || changes_open_ > 0) return false;
  catalog_ = std::move(catalog);
  gave_up_ = false;
  fingerprint_ = after;
  Recheck(signs);
  ++catalog_version_;
  versions_->Move(counter_);
  log::info("catalog loaded database={} version={}", name_, catalog_version_);
  return true;
}

}  // namespace pgsidecar::proxy
