#include "proxy/decision.h"

#include <type_traits>

namespace pgsidecar::proxy {

void ClientStatement::Clear() {
  prepared.reset();
  record.reset();
  description = {};
  described_parameters.clear();
  described_under = 0;
  changed = false;
  catalog_version = 0;
  literals.clear();
  local_sql.clear();
}

void Decision::Clear() {
  // What a large request has made them is not kept for the next.
  const auto clear = [](auto& items) {
    constexpr size_t kMostKept = 64;
    if (items.capacity() > kMostKept) std::remove_reference_t<decltype(items)>().swap(items);
    items.clear();
  };
  clear(records);
  clear(runs);
  clear(parsed);
  clear(plan.read_counters);
  clear(plan.written_counters);
  clear(bind.parameter_formats);
  clear(bind.values);
  clear(bind.result_formats);
  unknown = local = cache_tried = cacheable_form = false;
  forced.reset();
  text = parsed_name = {};
  statement.reset();
  has_parse = parses_known_name = describes_portal = false;
}

void DecisionPool::Give(std::unique_ptr<Decision> decision) {
  if (spare_.size() == kMostSpare) return;
  decision->request.Clear();
  decision->Clear();
  spare_.push_back(std::move(decision));
}

}  // namespace pgsidecar::proxy
