// The memory of outboxes, lent to whoever has something to be written: a connection that has
// nothing owns none.

#ifndef PGSIDECAR_BASE_SPARE_OUTBOXES_H_
#define PGSIDECAR_BASE_SPARE_OUTBOXES_H_

#include <cassert>
#include <cstddef>
#include <utility>
#include <vector>

#include "base/outbox.h"

namespace pgsidecar {

class SpareOutboxes {
 public:
  // Not more than `most` are kept.
  explicit SpareOutboxes(size_t most) : most_(most) {}

  // Gives memory to an outbox that has none, if there is any.
  void Lend(Outbox* outbox) {
    if (outbox->has_memory() || spare_.empty()) return;
    *outbox = std::move(spare_.back());
    spare_.pop_back();
  }

  // Takes the outbox's memory, if it has any. REQUIRES: it is empty.
  void Keep(Outbox* outbox) {
    assert(outbox->empty());
    if (!outbox->has_memory()) return;
    Outbox spare = std::exchange(*outbox, {});
    if (spare_.size() < most_) spare_.push_back(std::move(spare));
  }

 private:
  size_t most_;
  std::vector<Outbox> spare_;
};

}  // namespace pgsidecar

#endif  // PGSIDECAR_BASE_SPARE_OUTBOXES_H_
