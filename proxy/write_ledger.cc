#include "proxy/write_ledger.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace pgsidecar::proxy {

using cache::CounterIndex;

WriteLedger::~WriteLedger() { assert(batches_.empty()); }

void WriteLedger::Insert(std::vector<CounterIndex>& into, CounterIndex counter) {
  const auto at = std::lower_bound(into.begin(), into.end(), counter);
  if (at == into.end() || *at != counter) into.insert(at, counter);
}

void WriteLedger::Mark(Batch& batch, CounterIndex counter) {
  const auto at = std::lower_bound(batch.pending.begin(), batch.pending.end(), counter);
  if (at != batch.pending.end() && *at == counter) return;
  versions_->BeginWrite(counter);
  batch.pending.insert(at, counter);
}

void WriteLedger::Write(std::span<const CounterIndex> counters, bool may_commit) {
  Batch& batch = batches_.back();
  for (const CounterIndex counter : counters) {
    Insert(batch.written, counter);
    Insert(written_, counter);
  }
  batch.may_commit |= may_commit;
  if (!batch.may_commit) return;
  for (const CounterIndex counter : written_) Mark(batch, counter);
}

void WriteLedger::WriteOldest(CounterIndex counter) {
  Insert(batches_.front().written, counter);
  Insert(written_, counter);
  Mark(batches_.front(), counter);
}

void WriteLedger::Escalate(CounterIndex counter) {
  if (written_.empty()) return;
  Insert(written_, counter);
  for (Batch& batch : batches_) {
    if (batch.may_commit) Mark(batch, counter);
  }
}

void WriteLedger::EndBatch(bool idle) {
  assert(!batches_.empty());
  for (const CounterIndex counter : batches_.front().pending) versions_->EndWrite(counter);
  batches_.pop_front();
  if (!idle) return;
  // What was sent behind this batch belongs to what comes next.
  written_.clear();
  for (const Batch& batch : batches_) {
    for (const CounterIndex counter : batch.written) Insert(written_, counter);
  }
}

void WriteLedger::MergeOldest() {
  if (batches_.size() < 2) return;
  Batch oldest = std::move(batches_.front());
  batches_.pop_front();
  Batch& merged = batches_.front();
  for (const CounterIndex counter : oldest.written) Insert(merged.written, counter);
  for (const CounterIndex counter : oldest.pending) {
    const auto at = std::lower_bound(merged.pending.begin(), merged.pending.end(), counter);
    if (at != merged.pending.end() && *at == counter) {
      versions_->EndWrite(counter);  // marked twice, once for each
    } else {
      merged.pending.insert(at, counter);
    }
  }
  merged.may_commit |= oldest.may_commit;
}

std::vector<CounterIndex> WriteLedger::Abandon() {
  std::vector<CounterIndex> pending;
  for (const Batch& batch : batches_) {
    pending.insert(pending.end(), batch.pending.begin(), batch.pending.end());
  }
  batches_.clear();
  written_.clear();
  return pending;
}

bool WriteLedger::HasWritten(std::span<const cache::Stamp> stamps) const {
  if (written_.empty()) return false;
  return std::any_of(stamps.begin(), stamps.end(), [this](const cache::Stamp& stamp) {
    return std::binary_search(written_.begin(), written_.end(), stamp.counter);
  });
}

}  // namespace pgsidecar::proxy
