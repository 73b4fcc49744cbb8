// What the steps of a hit cost by themselves: knowing the text, making the key, finding the entry;
// and what an entry costs in memory. Google Benchmark's own options say what is run and how it is
// printed: --benchmark_filter=Store --benchmark_format=json.

#include <benchmark/benchmark.h>
#include <malloc.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "cache/fill.h"
#include "cache/key.h"
#include "cache/store.h"
#include "cache/versions.h"
#include "proxy/statement.h"
#include "sql/analyzer.h"
#include "sql/template.h"

namespace {

using namespace pgsidecar;  // NOLINT

// A number that looks random, of every `number` another (splitmix64).
uint64_t Mix(uint64_t number) {
  number += 0x9e3779b97f4a7c15;
  number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9;
  number = (number ^ number >> 27) * 0x94d049bb133111eb;
  return number ^ number >> 31;
}

// A key without the price of SHA-256.
Digest KeyOf(uint64_t number) {
  std::array<uint64_t, 4> words;
  for (uint64_t i = 0; i < words.size(); ++i) words[i] = Mix(number * words.size() + i);
  return std::bit_cast<Digest>(words);
}

// The store. Entries have 200 bytes of messages and three stamps.

constexpr TimePoint kNow{std::chrono::hours(1)};
constexpr cache::ReadPolicy kPolicy = {.max_age = std::chrono::hours(1)};
constexpr size_t kMessageBytes = 200;

std::string Message(char type, std::string_view body) {
  std::string message(1, type);
  AppendBig32(message, static_cast<uint32_t>(body.size() + 4));
  return message.append(body);
}

struct Reply {
  std::string columns = Message('T', std::string(40, 'c'));
  std::string complete = Message('C', std::string_view("SELECT 1\0", 9));
  std::string row =
      Message('D', std::string(kMessageBytes - 5 - columns.size() - complete.size(), 'r'));
};

// An entry as a reply of the server becomes one.
auto MakeEntry(const cache::VersionTable& versions, uint64_t number) {
  static const Reply reply;
  const std::array<cache::CounterIndex, 3> counters = {versions.DatabaseCounter({}),
                                                       versions.ColumnCounter({}, 1, 1),
                                                       versions.SlotCounter({}, 1, 1, number)};
  cache::Fill fill(KeyOf(number), *versions.Capture(counters), kNow, size_t{8} << 20, kPolicy);
  for (const std::string* message : {&reply.columns, &reply.row, &reply.complete}) {
    fill.OnPiece((*message)[0], message->size(), true, *message);
  }
  return fill.Finish(kNow);
}

size_t ResidentBytes() {
  size_t pages = 0, resident = 0;
  std::FILE* const file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr || std::fscanf(file, "%zu %zu", &pages, &resident) != 2) resident = 0;
  if (file != nullptr) std::fclose(file);
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

struct Filled {
  explicit Filled(uint64_t count)
      : entries(count), store({.max_bytes = size_t{1} << 30, .max_entries = count}, &versions) {
    malloc_trim(0);
    const size_t before = ResidentBytes();
    for (uint64_t i = 0; i < count; ++i) store.Insert(MakeEntry(versions, i));
    const double grown = static_cast<double>(ResidentBytes()) - static_cast<double>(before);
    overhead_bytes = grown / static_cast<double>(count) - kMessageBytes;
    charged_bytes = static_cast<double>(store.Stats().bytes) / static_cast<double>(count);
  }

  // One for all threads of a benchmark and all benchmarks of a size, made on first use.
  static Filled& Of(uint64_t count) {
    if (count <= 1000) {
      static Filled small(1000);
      return small;
    }
    static Filled large(1'000'000);
    return large;
  }

  uint64_t entries;
  cache::VersionTable versions;
  cache::Store store;
  double overhead_bytes;
  double charged_bytes;
};

void StoreLookup(benchmark::State& state) {
  Filled& filled = Filled::Of(static_cast<uint64_t>(state.range(0)));
  uint64_t turn = Mix(static_cast<uint64_t>(state.thread_index()));
  uint64_t hits = 0;
  for (auto _ : state) {
    // Evenly spread, and not in the order in which they were allocated.
    const uint64_t number =
        static_cast<uint64_t>((static_cast<unsigned __int128>(Mix(++turn)) * filled.entries) >> 64);
    hits += filled.store.Lookup(KeyOf(number), kNow, kPolicy) != nullptr ? 1 : 0;
  }
  if (hits != static_cast<uint64_t>(state.iterations())) state.SkipWithError("not all were hits");
  state.SetItemsProcessed(static_cast<int64_t>(hits));
}
BENCHMARK(StoreLookup)
    ->ArgName("entries")
    ->Arg(1000)
    ->Arg(1'000'000)
    ->Threads(1)
    ->Threads(2)
    ->Threads(8)
    ->UseRealTime()
    ->MeasureProcessCPUTime();

// What StoreLookup does beside looking up.
void KeyOfANumber(benchmark::State& state) {
  uint64_t turn = 1;
  for (auto _ : state) benchmark::DoNotOptimize(KeyOf(Mix(++turn)));
}
BENCHMARK(KeyOfANumber);

void StoreMiss(benchmark::State& state) {
  Filled& filled = Filled::Of(static_cast<uint64_t>(state.range(0)));
  uint64_t turn = filled.entries;
  for (auto _ : state) benchmark::DoNotOptimize(filled.store.Lookup(KeyOf(++turn), kNow, kPolicy));
}
BENCHMARK(StoreMiss)->ArgName("entries")->Arg(1000)->Arg(1'000'000);

// Bytes beyond the messages' own for each of a million entries, and what the store believes.
void StoreOverhead(benchmark::State& state) {
  const Filled& filled = Filled::Of(1'000'000);
  for (auto _ : state) benchmark::DoNotOptimize(filled.overhead_bytes);
  state.counters["overhead_bytes"] = filled.overhead_bytes;
  state.counters["charged_overhead_bytes"] = filled.charged_bytes - kMessageBytes;
}
BENCHMARK(StoreOverhead)->Iterations(1);

// From the server's messages into a full store, which evicts for each.
void StoreInsertAtTheBound(benchmark::State& state) {
  const auto entries = static_cast<uint64_t>(state.range(0));
  cache::VersionTable versions;
  cache::Store store({.max_bytes = size_t{1} << 30, .max_entries = entries}, &versions);
  uint64_t turn = 0;
  while (turn < entries) store.Insert(MakeEntry(versions, ++turn));
  for (auto _ : state) store.Insert(MakeEntry(versions, ++turn));
}
BENCHMARK(StoreInsertAtTheBound)->ArgName("entries")->Arg(1000)->Arg(500'000);

// The fill alone: what a miss pays for the copy.
void FillOfAReply(benchmark::State& state) {
  cache::VersionTable versions;
  uint64_t turn = 0;
  for (auto _ : state) benchmark::DoNotOptimize(MakeEntry(versions, ++turn));
}
BENCHMARK(FillOfAReply);

// The key of a statement with one parameter.
void KeyOfARequest(benchmark::State& state) {
  const std::array<uint32_t, 1> types = {23};
  const std::array<uint16_t, 1> formats = {1};
  const std::array<std::optional<std::string_view>, 1> values = {"\0\0\1\2"};
  const cache::KeyFields fields = {
      .flavor = cache::Flavor::kExtended,
      .database = {.cluster = 1, .oid = 16384},
      .session = Sha256("session"),
      .sql = "SELECT a, b, name FROM accounts WHERE id = $1 ORDER BY a",
      .parameter_types = types,
      .parameter_formats = formats,
      .parameters = values,
      .result_formats = formats};
  std::string scratch;
  for (auto _ : state) benchmark::DoNotOptimize(cache::MakeKey(fields, scratch));
  state.counters["bytes"] = static_cast<double>(scratch.size());
}
BENCHMARK(KeyOfARequest);

// Statements.

// A thousand texts of about `bytes` bytes that differ in their literals.
std::vector<std::string> Texts(size_t bytes) {
  std::vector<std::string> texts;
  for (int id = 1000; id < 2000; ++id) {
    std::string text = "SELECT a, b, name FROM accounts WHERE id = " + std::to_string(id);
    for (int i = 0; text.size() + 45 < bytes; ++i) {
      text += " AND column_" + std::to_string(10 + i) + " <> 'value " + std::to_string(id) + "'";
    }
    text += " ORDER BY a";
    texts.push_back(std::move(text));
  }
  return texts;
}

// Calls `work` with one text after the other.
template <typename Work>
void ForTexts(benchmark::State& state, const std::vector<std::string>& texts, Work work) {
  size_t turn = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(work(texts[turn]));
    if (++turn == texts.size()) turn = 0;
  }
}

void StripLiterals(benchmark::State& state) {
  sql::Template stripped;
  ForTexts(state, Texts(static_cast<size_t>(state.range(0))),
           [&](const std::string& text) { return sql::StripLiterals(text, &stripped); });
}
BENCHMARK(StripLiterals)->ArgName("bytes")->Arg(60)->Arg(200)->Arg(1000);

void BookByTemplate(benchmark::State& state) {
  proxy::StatementBook book(1000, size_t{16} << 20);
  ForTexts(state, Texts(static_cast<size_t>(state.range(0))),
           [&](const std::string& text) { return book.Get(text).literals.size(); });
}
BENCHMARK(BookByTemplate)->ArgName("bytes")->Arg(60)->Arg(200)->Arg(1000);

// The text that is analysed once and for all: the template with parameters for its literals.
void BookByText(benchmark::State& state) {
  proxy::StatementBook book(1000, size_t{16} << 20);
  sql::Template stripped;
  sql::StripLiterals(Texts(static_cast<size_t>(state.range(0)))[0], &stripped);
  std::string exact(sql::TemplateText(stripped.key));
  for (size_t at = 0; (at = exact.find('?', at)) != std::string::npos;) exact.replace(at, 1, "$1");
  ForTexts(state, {exact}, [&](const std::string& text) { return book.Get(text).record.get(); });
}
BENCHMARK(BookByText)->ArgName("bytes")->Arg(60)->Arg(200)->Arg(1000);

void Analysis(benchmark::State& state) {
  ForTexts(state, Texts(static_cast<size_t>(state.range(0))),
           [](const std::string& text) { return sql::Analyze(text).statements.size(); });
}
BENCHMARK(Analysis)->ArgName("bytes")->Arg(60)->Arg(200)->Arg(1000);

}  // namespace

BENCHMARK_MAIN();
