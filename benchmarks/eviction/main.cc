// Asks eviction policies for what made-up traces ask for. Prints, as a table of Markdown, how much
// of the server's time each policy has saved and how many requests it has answered.
//
//     eviction_benchmark [--seed=N] [--requests=N] [--bytes-per-entry=N] [--output FILE]
//
// With --bytes-per-entry a cache is bounded in entries, too: one for every so many of its bytes.
// FILE gets the same as JSON. Aborts should a policy ever hold more than it may.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "benchmarks/eviction/policies.h"
#include "benchmarks/eviction/traces.h"

namespace pgsidecar::eviction {
namespace {

// Caches, as parts of the trace's working set.
constexpr double kShares[] = {0.01, 0.05, 0.10, 0.25};
constexpr uint64_t kUnbounded = uint64_t{1} << 62;

struct Options {
  uint64_t seed = 1;
  uint32_t requests = 250'000;
  uint64_t bytes_per_entry = 0;
  std::string output;
};

struct Result {
  double saved = 0;  // of the server's time
  double hits = 0;   // of the requests
};

struct Row {
  std::string trace;
  std::string costs;
  double share = 0;
  uint64_t working_set_bytes = 0;
  uint64_t checksum = 0;
  std::vector<Result> results;  // of all policies
  Result unbounded;             // of a cache that holds everything
  double best = 0;              // saved
};

struct Summary {
  Result mean;
  double worst = 1;  // saved, relative to the best of the row
  const Row* worst_row = nullptr;
};

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "eviction_benchmark: %s\n", what);
  std::abort();
}

// A cache in front of a server: its entries go stale when the table they depend on is written,
// which is noticed when they are asked for, or by a sweep.
class Simulation {
 public:
  Simulation(const Trace& trace, Policy& policy)
      : trace_(trace), policy_(policy), versions_(trace.tables), keys_(trace.keys) {}

  Result Run() {
    const size_t count = trace_.requests.size();
    const auto counted_from = static_cast<size_t>(kWarmUp * static_cast<double>(count));
    uint64_t asked = 0;
    uint64_t hits = 0;
    uint64_t server_us = 0;
    uint64_t saved_us = 0;
    for (size_t i = 0; i < count; ++i) {
      if (trace_.tables > 1 && i % (count / kSweeps) == 0) Sweep();
      const Request& request = trace_.requests[i];
      if (request.is_write) {
        ++versions_[request.table];
        continue;
      }
      const bool is_hit = Ask(request);
      if (policy_.bytes() > policy_.bounds().bytes ||
          policy_.entries() > policy_.bounds().entries) {
        Fail("a policy holds more than it may");
      }
      if (i < counted_from) continue;
      ++asked;
      server_us += request.server_us;
      if (!is_hit) continue;
      ++hits;
      saved_us += request.server_us;
    }
    if (policy_.bytes() != policy_.CountBytes()) Fail("a policy has miscounted its bytes");
    return {.saved = static_cast<double>(saved_us) / static_cast<double>(server_us),
            .hits = static_cast<double>(hits) / static_cast<double>(asked)};
  }

 private:
  static constexpr size_t kSweeps = 50;

  struct Key {
    uint32_t version = 0;  // of its table when it was filled
    uint16_t table = 0;
  };

  bool IsStale(uint32_t key) const { return keys_[key].version != versions_[keys_[key].table]; }

  bool Ask(const Request& request) {
    if (policy_.Ask(request.key)) {
      if (!IsStale(request.key)) return true;
      policy_.Drop(request.key, /*refill=*/true);
    }
    policy_.Fill(request.key, request.bytes, request.server_us);
    keys_[request.key] = {.version = versions_[request.table], .table = request.table};
    return false;
  }

  void Sweep() {
    for (uint32_t key = 0; key < trace_.keys; ++key) {
      if (policy_.Has(key) && IsStale(key)) policy_.Drop(key, /*refill=*/false);
    }
  }

  const Trace& trace_;
  Policy& policy_;
  std::vector<uint32_t> versions_;  // of the tables
  std::vector<Key> keys_;
};

Result Run(const Trace& trace, const PolicyKind& kind, const Bounds& bounds) {
  const std::unique_ptr<Policy> policy = kind.make(bounds, trace.keys);
  return Simulation(trace, *policy).Run();
}

std::vector<Row> RunAll(const Options& options) {
  std::vector<Row> rows;
  for (size_t number = 0; number < kTraces; ++number) {
    Trace trace;
    Result unbounded;
    for (const double share : kShares) {
      if (trace.requests.empty() || DependsOnCacheShare(number)) {
        trace = MakeTrace(number, options.seed, options.requests, share);
        unbounded = Run(trace, AllPolicies()[0], {.bytes = kUnbounded});
      }
      Row row{.trace = trace.name,
              .costs = trace.costs,
              .share = share,
              .working_set_bytes = trace.working_set_bytes,
              .checksum = trace.Checksum(),
              .results = {},
              .unbounded = unbounded};
      Bounds bounds;
      bounds.bytes = static_cast<uint64_t>(share * static_cast<double>(trace.working_set_bytes));
      if (options.bytes_per_entry != 0) bounds.entries = bounds.bytes / options.bytes_per_entry + 1;
      for (const PolicyKind& kind : AllPolicies()) {
        row.results.push_back(Run(trace, kind, bounds));
        row.best = std::max(row.best, row.results.back().saved);
      }
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

std::vector<Summary> Summarise(const std::vector<Row>& rows) {
  std::vector<Summary> summaries(AllPolicies().size());
  for (const Row& row : rows) {
    for (size_t i = 0; i < summaries.size(); ++i) {
      Summary& summary = summaries[i];
      summary.mean.saved += row.results[i].saved / static_cast<double>(rows.size());
      summary.mean.hits += row.results[i].hits / static_cast<double>(rows.size());
      const double relative = row.results[i].saved / row.best;
      if (summary.worst_row != nullptr && relative >= summary.worst) continue;
      summary.worst = relative;
      summary.worst_row = &row;
    }
  }
  return summaries;
}

void PrintCell(const Result& result, bool is_best) {
  const char* const mark = is_best ? "**" : "";
  std::printf(" %s%.1f%s / %.1f |", mark, result.saved * 100, mark, result.hits * 100);
}

void PrintTable(const std::vector<Row>& rows, const std::vector<Summary>& summaries) {
  std::printf("| trace | costs | cache |");
  for (const PolicyKind& kind : AllPolicies()) std::printf(" %s |", kind.name.c_str());
  std::printf(" unbounded |\n|---|---|--:|");
  for (size_t i = 0; i <= AllPolicies().size(); ++i) std::printf("--:|");
  std::printf("\n");
  for (const Row& row : rows) {
    std::printf("| %s | %s | %.0f %% |", row.trace.c_str(), row.costs.c_str(), row.share * 100);
    for (const Result& result : row.results) PrintCell(result, result.saved == row.best);
    PrintCell(row.unbounded, false);
    std::printf("\n");
  }

  std::printf("\n| policy | mean saved | mean hit ratio | worst, relative to the best | where |\n");
  std::printf("|---|--:|--:|--:|---|\n");
  for (size_t i = 0; i < summaries.size(); ++i) {
    const Summary& summary = summaries[i];
    std::printf("| %s | %.1f | %.1f | %.2f | %s, %s, %.0f %% |\n", AllPolicies()[i].name.c_str(),
                summary.mean.saved * 100, summary.mean.hits * 100, summary.worst,
                summary.worst_row->trace.c_str(), summary.worst_row->costs.c_str(),
                summary.worst_row->share * 100);
  }
}

void WriteJson(const std::string& command, const Options& options, const std::vector<Row>& rows,
               const std::vector<Summary>& summaries) {
  std::FILE* const file = std::fopen(options.output.c_str(), "w");
  if (file == nullptr) Fail("cannot write the output file");
  std::fprintf(file,
               "{\n\"command\": \"%s\",\n\"seed\": %llu,\n\"requests\": %u,\n"
               "\"bytes_per_entry\": %llu,\n\"rows\": [\n",
               command.c_str(), static_cast<unsigned long long>(options.seed), options.requests,
               static_cast<unsigned long long>(options.bytes_per_entry));
  for (const Row& row : rows) {
    std::fprintf(file,
                 "{\"trace\": \"%s\", \"costs\": \"%s\", \"cache_share\": %.2f, "
                 "\"working_set_bytes\": %llu, \"checksum\": \"%016llx\", \"policies\": {",
                 row.trace.c_str(), row.costs.c_str(), row.share,
                 static_cast<unsigned long long>(row.working_set_bytes),
                 static_cast<unsigned long long>(row.checksum));
    for (size_t i = 0; i < row.results.size(); ++i) {
      std::fprintf(file, "\"%s\": {\"saved\": %.5f, \"hits\": %.5f}, ",
                   AllPolicies()[i].name.c_str(), row.results[i].saved, row.results[i].hits);
    }
    std::fprintf(file, "\"unbounded\": {\"saved\": %.5f, \"hits\": %.5f}}}%s\n",
                 row.unbounded.saved, row.unbounded.hits, &row == &rows.back() ? "" : ",");
  }
  std::fprintf(file, "],\n\"summary\": {\n");
  for (size_t i = 0; i < summaries.size(); ++i) {
    std::fprintf(file, "\"%s\": {\"saved\": %.5f, \"hits\": %.5f, \"worst\": %.5f}%s\n",
                 AllPolicies()[i].name.c_str(), summaries[i].mean.saved, summaries[i].mean.hits,
                 summaries[i].worst, i + 1 == summaries.size() ? "" : ",");
  }
  std::fprintf(file, "}\n}\n");
  if (std::fclose(file) != 0) Fail("cannot write the output file");
}

// The value of --name=value or --name value, which is then at `arguments[i]`.
std::optional<std::string> Value(const std::vector<std::string>& arguments, size_t& i,
                                 std::string_view name) {
  const std::string& argument = arguments[i];
  if (argument == name && i + 1 < arguments.size()) return arguments[++i];
  if (argument.size() > name.size() && argument.starts_with(name) && argument[name.size()] == '=') {
    return argument.substr(name.size() + 1);
  }
  return std::nullopt;
}

// Nothing if an argument is unknown.
std::optional<Options> Parse(const std::vector<std::string>& arguments) {
  const auto number = [](const std::string& text) {
    return std::strtoull(text.c_str(), nullptr, 10);
  };
  Options options;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (const auto seed = Value(arguments, i, "--seed")) {
      options.seed = number(*seed);
    } else if (const auto requests = Value(arguments, i, "--requests")) {
      options.requests = static_cast<uint32_t>(number(*requests));
    } else if (const auto bytes = Value(arguments, i, "--bytes-per-entry")) {
      options.bytes_per_entry = number(*bytes);
    } else if (const auto output = Value(arguments, i, "--output")) {
      options.output = *output;
    } else {
      return std::nullopt;
    }
  }
  if (options.requests < 10'000) return std::nullopt;
  return options;
}

int Main(const std::vector<std::string>& arguments) {
  const std::optional<Options> options = Parse(arguments);
  if (!options) {
    std::fprintf(stderr,
                 "usage: eviction_benchmark [--seed=N] [--requests=N, from 10000] "
                 "[--bytes-per-entry=N] [--output FILE]\n");
    return 2;
  }
  CheckPolicies();
  std::string command = "eviction_benchmark --seed=" + std::to_string(options->seed) +
                        " --requests=" + std::to_string(options->requests);
  if (options->bytes_per_entry != 0) {
    command += " --bytes-per-entry=" + std::to_string(options->bytes_per_entry);
  }
  std::printf("`%s`: percent of the server's time saved / percent of the requests answered\n\n",
              command.c_str());
  const std::vector<Row> rows = RunAll(*options);
  const std::vector<Summary> summaries = Summarise(rows);
  PrintTable(rows, summaries);
  if (!options->output.empty()) WriteJson(command, *options, rows, summaries);
  return 0;
}

}  // namespace
}  // namespace pgsidecar::eviction

int main(int argc, char** argv) {
  return pgsidecar::eviction::Main(std::vector<std::string>(argv + 1, argv + argc));
}
