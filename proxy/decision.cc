#include "proxy/decision.h"

#include <type_traits>

namespace pgsidecar::proxy {
namespace {

// What a large request has made larger than that is not kept for the next.
constexpr size_t kMostKept = 64;

}  // namespace

void ClientStatement::Clear() {
  prepared.reset();
  record.reset();
  description = {};
  described_parameters.clear();
  described_under = 0;
  changed = false;
  catalog_version = 0;
  if (literals.capacity() > kMostKept) literals = std::vector<sql::Literal>();
  literals.clear();
  local_sql.clear();
}

void Decision::Clear() {
  const auto clear = [](auto& items) {
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
  unknown = local = cache_tried = false;
  cacheable_form.reset();
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
  std::shared_ptr<ClientStatement>& spare = spare_.emplace_back(std::move(decision))->spare;
  if (spare == nullptr) return;
  // What is still to be answered may refer to it for a while.
  if (spare.use_count() == 1) spare->Clear();
  if (spare->literals.capacity() > kMostKept) spare.reset();
}

}  // namespace pgsidecar::proxy
