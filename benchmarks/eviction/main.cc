// Asks made-up traces of eviction policies and prints how much of the server's time each has saved,
// and how many requests it has answered.
//
//     eviction_benchmark [--seed=N] [--requests=N] [--output=FILE]

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "benchmarks/eviction/policies.h"
#include "benchmarks/eviction/traces.h"

namespace {

using pgsidecar::eviction::Policy;
using pgsidecar::eviction::Request;
using pgsidecar::eviction::Trace;

constexpr double kShares[] = {0.01, 0.05, 0.10, 0.25};

struct Result {
  double saved = 0;  // of the server's time
  double hits = 0;   // of the requests
};

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "eviction_benchmark: %s\n", what);
  std::abort();
}

// The first fifth fills the cache and is not counted.
Result Run(const Trace& trace, Policy& policy) {
  std::vector<uint32_t> table_versions(trace.tables);
  std::vector<uint32_t> filled_at(trace.keys);  // the table's version
  std::vector<uint16_t> tables(trace.keys);
  const size_t warm = trace.requests.size() / 5;
  const size_t sweep_every = trace.requests.size() / 50;
  uint64_t asked = 0, hits = 0, all_us = 0, saved_us = 0;
  for (size_t i = 0; i < trace.requests.size(); ++i) {
    const Request& request = trace.requests[i];
    if (request.is_write) {
      ++table_versions[request.table];
      continue;
    }
    const uint32_t key = request.key;
    const uint32_t version = table_versions[request.table];
    tables[key] = request.table;
    bool is_hit = policy.Ask(key);
    if (is_hit && filled_at[key] != version) {
      policy.Drop(key, true);
      is_hit = false;
    }
    if (!is_hit) {
      policy.Fill(key, request.bytes, request.server_us);
      filled_at[key] = version;
    }
    if (policy.bytes() > policy.capacity()) Fail("a policy has exceeded its bytes");
    if (i >= warm) {
      ++asked;
      all_us += request.server_us;
      hits += is_hit;
      saved_us += is_hit ? request.server_us : 0;
    }
    if (trace.tables > 1 && i % sweep_every == 0) {
      for (uint32_t k = 0; k < trace.keys; ++k) {
        if (policy.Has(k) && filled_at[k] != table_versions[tables[k]]) policy.Drop(k, false);
      }
    }
  }
  if (policy.bytes() != policy.CountBytes()) Fail("a policy has miscounted its bytes");
  return {.saved = static_cast<double>(saved_us) / static_cast<double>(all_us),
          .hits = static_cast<double>(hits) / static_cast<double>(asked)};
}

}  // namespace

int main(int argc, char** argv) {
  using namespace pgsidecar::eviction;
  uint64_t seed = 1;
  uint32_t requests = 300'000;
  bool quiet = false;
  std::string only;
  for (int i = 1; i < argc; ++i) {
    if (!std::strncmp(argv[i], "--seed=", 7)) seed = std::strtoull(argv[i] + 7, nullptr, 10);
    if (!std::strncmp(argv[i], "--requests=", 11)) requests = (uint32_t)std::strtoul(argv[i] + 11, nullptr, 10);
    if (!std::strncmp(argv[i], "--only=", 7)) only = argv[i] + 7;
    if (!std::strcmp(argv[i], "--quiet")) quiet = true;
  }
  CheckPolicies();
  std::vector<const PolicyKind*> kinds;
  for (const PolicyKind& k : AllPolicies()) if (only.empty() || (","+only+",").find(","+k.name+",") != std::string::npos) kinds.push_back(&k);
  std::vector<double> sum(kinds.size()), hsum(kinds.size()), worst(kinds.size(), 9);
  std::vector<std::string> where(kinds.size());
  int rows = 0;
  for (size_t n = 0; n < kTraces; ++n) {
    Trace trace;
    for (double share : kShares) {
      if (trace.requests.empty() || DependsOnCacheShare(n)) trace = MakeTrace(n, seed, requests, share);
      const uint64_t cap = (uint64_t)(share * (double)trace.working_set_bytes);
      if (!quiet) std::printf("%-10s %-12s %3.0f%% ", trace.name.c_str(), trace.costs.c_str(), share * 100);
      std::vector<Result> rs;
      double best = 0;
      for (auto* k : kinds) { rs.push_back(Run(trace, *k->make(cap, trace.keys))); best = std::max(best, rs.back().saved); }
      for (size_t i = 0; i < kinds.size(); ++i) {
        sum[i] += rs[i].saved; hsum[i] += rs[i].hits;
        if (rs[i].saved / best < worst[i]) { worst[i] = rs[i].saved / best; where[i] = trace.name + "/" + trace.costs + std::to_string(share); }
        if (!quiet) std::printf(" %5.1f/%4.1f", rs[i].saved * 100, rs[i].hits * 100);
      }
      ++rows;
      if (!quiet) std::printf("  ws=%.0fMB\n", (double)trace.working_set_bytes / 1e6);
    }
  }
  for (size_t i = 0; i < kinds.size(); ++i) std::printf("%-16s saved %5.2f hits %5.2f worst %5.3f %s\n", kinds[i]->name.c_str(), sum[i] / rows * 100, hsum[i] / rows * 100, worst[i], where[i].c_str());
}
