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
  constexpr size_t kMostKept = 64;
  if (literals.capacity() > kMostKept) literals = std::vector<sql::Literal>();
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
  clear(literals);
  constexpr size_t kMostScratch = 16384;
  if (key_scratch.capacity() > kMostScratch) std::string().swap(key_scratch);
  unknown = local = cache_tried = cacheable_form = false;
  forced.reset();
  text = parsed_name = {};
  statement.reset();
  has_parse = parses_known_name = describes_portal = false;
}

void DecisionPool::Give(std::unique_ptr<Decision> decision) {
  constexpr size_t kMostBytes = 16384;
  if (spare_.size() == kMostSpare || decision->request.bytes.capacity() > kMostBytes) return;
  decision->request.Clear();
  decision->Clear();
  std::shared_ptr<ClientStatement>& spare = decision->spare;
  if (spare != nullptr && spare.use_count() == 1) {
    spare->Clear();
  } else {
    spare.reset();
  }
  spare_.push_back(std::move(decision));
}

}  // namespace pgsidecar::proxy
