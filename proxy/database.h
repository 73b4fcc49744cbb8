// One database of the upstream: what is known of it, and whether that may be relied on.
//
// A Database is *usable* while its catalog is loaded, the proxy's own connection to it is up, and
// nobody has a change of the catalog under way. Only then may the cache be read or filled. While it
// is not, every write counts as a write to anything; the catalog that was loaded last still tells
// which statements leave something in their session.
//
//   DDL through the proxy   OnCatalogChangeBegins ... OnCatalogChangeEnds ─► recheck
//   a function of which     OnCatalogMayHaveChanged                        ─► recheck
//     nothing is known
//   recheck                 poll; if the fingerprint has moved: load, poll again, accept if the two
//                           polls agree. Only a poll that was sent after the last sign of a change
//                           ends it: an earlier one may not have seen the change. What is accepted
//                           while writes go on is not usable yet, but lets the next of them be
//                           known for what they are, so that the signs come to an end.
//
// The dialogue itself is Watch's (proxy/watch.h); this class holds what it found out.

#ifndef PGSIDECAR_PROXY_DATABASE_H_
#define PGSIDECAR_PROXY_DATABASE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cache/versions.h"
#include "catalog/catalog.h"
#include "proxy/statement.h"

namespace pgsidecar::proxy {

// Writes whose server connection was lost before the server had answered: their counters stay
// pending until the backend is seen gone, because it can commit long after its socket has closed.
struct OrphanedWrites {
  uint32_t pid = 0;
  std::vector<cache::CounterIndex> counters;
  bool asked = false;  // a poll has been sent that asks for the backend
};

class Database {
 public:
  Database(std::string name, cache::VersionTable* versions);

  const std::string& name() const { return name_; }
  const cache::DatabaseId& id() const { return id_; }
  cache::CounterIndex counter() const { return counter_; }
  cache::CounterIndex RelationCounter(catalog::Oid relation) const {
    return versions_->RelationCounter(id_, relation);
  }

  cache::CounterIndex ColumnCounter(const catalog::ColumnId& column) const {
    return versions_->ColumnCounter(id_, column.relation, column.column);
  }
  cache::CounterIndex SlotCounter(const catalog::ColumnId& column, uint64_t value) const {
    return versions_->SlotCounter(id_, column.relation, column.column, value);
  }

  bool usable() const {
    return connected_ && catalog_ != nullptr && !needs_recheck_ && changes_open_ == 0;
  }
  // The first load is under way: it is worth waiting for, since without a catalog every statement
  // may do anything and ties its session to one server connection.
  bool awaits_first_load() const { return catalog_ == nullptr && !gave_up_; }
  // The catalog has changed and is being looked at: soon the names that it does not know may be
  // known.
  bool reloads() const { return connected_ && needs_recheck_ && changes_open_ == 0; }
  // Nullptr before the first load.
  const catalog::Catalog* last_catalog() const { return catalog_.get(); }
  // Moves with each accepted catalog: what plans are remembered under.
  uint64_t catalog_version() const { return catalog_version_; }

  // A session has forwarded a statement that changes the catalog; its transaction has ended.
  void OnCatalogChangeBegins();
  void OnCatalogChangeEnds();
  void OnCatalogMayHaveChanged();

  void AddOrphan(OrphanedWrites orphan) { orphans_.push_back(std::move(orphan)); }
  const std::vector<OrphanedWrites>& orphans() const { return orphans_; }
  // The backends for which the poll that is sent now has to ask. A poll that was sent before a
  // connection was lost says nothing of its backend.
  std::vector<uint32_t> AskForOrphans();

  // --- for Watch ---
  bool needs_recheck() const { return needs_recheck_; }
  bool ready_for_recheck() const { return needs_recheck_ && changes_open_ == 0; }
  // Moves with each sign that the catalog may have changed.
  uint64_t signs() const { return signs_; }
  void OnDisconnected();
  // The answer to a poll that was sent when the signs stood at `signs`. Returns true if the catalog
  // has to be loaded. Restart, failover and restore drop everything.
  bool OnPoll(const catalog::PollAnswer& answer, uint64_t signs);
  // A load between two polls that gave `before` and `after`, the second sent when the signs stood
  // at `signs`. Returns false if it has to be done again.
  bool OnLoaded(std::shared_ptr<const catalog::Catalog> catalog, const std::string& before,
                const std::string& after, uint64_t signs);
  const std::string& conf_load_time() const { return conf_load_time_; }
  // Whether the server has reloaded its configuration since the last call.
  bool TakeReloaded() { return std::exchange(reloaded_, false); }
  bool in_recovery() const { return in_recovery_; }

  // Whether reads and writes of single rows are told apart. Set before the first plan is made.
  bool row_precision = true;
  // A session has lost its currval: from then on a nextval pins.
  bool sequences_pin = false;
  // What the server says (catalog::AuditAnswer::OfCode::settings) of a session that holds certain
  // settings and of which nothing else is to be known: learned from such. By pool and settings.
  std::unordered_map<std::string, std::string> settings_said;
  // Client sessions that are logged in to it.
  size_t clients = 0;
  StatementBook book;

 private:
  void Identify(const catalog::PollAnswer& answer);
  void Recheck(uint64_t signs);
  void SettleOrphans(const std::vector<uint32_t>& alive, bool all);

  std::string name_;
  cache::VersionTable* versions_;
  cache::DatabaseId id_;
  cache::CounterIndex counter_ = 0;

  bool connected_ = false;
  bool gave_up_ = false;  // the first load has failed; later ones may not
  bool needs_recheck_ = false;
  int changes_open_ = 0;
  uint64_t signs_ = 0;
  bool in_recovery_ = false;
  std::shared_ptr<const catalog::Catalog> catalog_;
  uint64_t catalog_version_ = 0;
  std::string fingerprint_;  // of catalog_
  std::string postmaster_start_time_;
  std::string conf_load_time_;
  bool reloaded_ = false;
  std::vector<OrphanedWrites> orphans_;
};

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_DATABASE_H_
