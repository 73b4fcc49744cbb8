// What one client session has written and may be committing: the writers' half of the freshness
// protocol.
//
// A batch is what ends with one ReadyForQuery. `written` is what the open transaction has written
// so far; pending marks go up on all of it before the bytes of a batch that may commit are sent,
// and come down, moving the versions, when the server has said ReadyForQuery for that batch, before
// the client hears it. Every outcome moves them: an error is no proof that nothing was committed.
//
// Invariant: a counter is pending for a batch exactly once; Abandon hands every pending counter on.

#ifndef PGSIDECAR_PROXY_WRITE_LEDGER_H_
#define PGSIDECAR_PROXY_WRITE_LEDGER_H_

#include <span>
#include <vector>

#include "base/flat_queue.h"
#include "cache/versions.h"

namespace pgsidecar::proxy {

class WriteLedger {
 public:
  explicit WriteLedger(cache::VersionTable* versions) : versions_(versions) {}
  WriteLedger(const WriteLedger&) = delete;
  WriteLedger& operator=(const WriteLedger&) = delete;
  ~WriteLedger();  // REQUIRES: nothing pending

  // The next batch begins, behind those that are not answered yet.
  void BeginBatch() { batches_.emplace_back(); }
  size_t open_batches() const { return batches_.size(); }

  // The newest batch writes `counters` (sorted). If it may commit, everything that the transaction
  // has written goes pending. To be called before the bytes are sent. REQUIRES: an open batch.
  void Write(std::span<const cache::CounterIndex> counters, bool may_commit);

  // The server's answer shows that the oldest batch has written, which its text did not.
  void WriteOldest(cache::CounterIndex counter);
  bool oldest_writes() const { return !batches_.empty() && !batches_.front().written.empty(); }

  // Every batch that is under way, and the open transaction, count as writes to `counter` too.
  void Escalate(cache::CounterIndex counter);

  // ReadyForQuery for the oldest batch. `idle`: the transaction status is I.
  void EndBatch(bool idle);

  // A Sync that the server ignores (COPY in progress): the oldest batch and the next are one.
  void MergeOldest();

  // The server connection is lost: what is pending now, for whoever waits for the backend's end.
  // The ledger is empty afterwards.
  std::vector<cache::CounterIndex> Abandon();

  // Whether the transaction has written any of the counters that these stamps name.
  bool HasWritten(std::span<const cache::Stamp> stamps) const;
  bool empty() const { return written_.empty(); }
  size_t written() const { return written_.size(); }

 private:
  struct Batch {
    std::vector<cache::CounterIndex> written;
    std::vector<cache::CounterIndex> pending;  // sorted
    bool may_commit = false;
  };
  static void Insert(std::vector<cache::CounterIndex>& into, cache::CounterIndex counter);
  void Mark(Batch& batch, cache::CounterIndex counter);

  cache::VersionTable* versions_;
  std::vector<cache::CounterIndex> written_;  // sorted; since the transaction began
  FlatQueue<Batch> batches_;                  // oldest first
};

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_WRITE_LEDGER_H_
