// What it takes to know a text: stripping its literals, finding it in the book by text and by
// template, analysing it. Prints CPU nanoseconds per text, the best of some rounds.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/statement.h"
#include "sql/analyzer.h"
#include "sql/template.h"

namespace {

using pgsidecar::proxy::StatementBook;

double Now() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

// What the work gives, so that it is not left out.
uint64_t sum = 0;

template <typename Work>
void Measure(std::string_view what, const std::vector<std::string>& texts, int repeats, Work work) {
  double best = 1e18;
  for (int round = 0; round < 7; ++round) {
    const double begin = Now();
    for (int i = 0; i < repeats; ++i) {
      for (const std::string& text : texts) sum += work(text);
    }
    best = std::min(best, (Now() - begin) / (repeats * static_cast<double>(texts.size())));
  }
  std::printf("%-24.*s %5zu bytes %9.0f ns %12.0f texts/s\n", static_cast<int>(what.size()),
              what.data(), texts[0].size(), best, 1e9 / best);
}

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

void MeasureTexts(size_t bytes) {
  const std::vector<std::string> texts = Texts(bytes);
  pgsidecar::sql::Template stripped;
  Measure("strip literals", texts, 200, [&](const std::string& text) {
    return uint64_t{pgsidecar::sql::StripLiterals(text, &stripped)} + stripped.key.size();
  });

  StatementBook book(1000, size_t{16} << 20);
  Measure("book, by template", texts, 200,
          [&](const std::string& text) { return book.Get(text).literals.size(); });

  // The text that is analysed once and for all: the template with parameters for its literals.
  std::string exact(pgsidecar::sql::TemplateText(stripped.key));
  for (size_t at = 0; (at = exact.find('?', at)) != std::string::npos;) exact.replace(at, 1, "$1");
  Measure("book, by exact text", {exact}, 200'000,
          [&](const std::string& text) { return book.Get(text).record->info().statements.size(); });

  Measure("analysis", texts, 1,
          [](const std::string& text) { return pgsidecar::sql::Analyze(text).statements.size(); });
}

}  // namespace

int main() {
  for (const size_t bytes : {60, 200, 1000}) MeasureTexts(bytes);
  return sum == 0 ? 1 : 0;
}
