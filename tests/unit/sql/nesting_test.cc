// Hostile texts: deep, or built to multiply. Each runs on a thread with the stack that the header
// promises to be enough.

#include <gtest/gtest.h>
#include <pthread.h>

#include <string>
#include <vector>

#include "sql/analyzer.h"
#include "sql/prescan.h"

namespace pgsidecar::sql {
namespace {

struct Nesting {
  std::string_view head, opening, middle, closing, tail;
};

const std::vector<Nesting>& Nestings() {
  static const std::vector<Nesting> kNestings = {
      {"select 1", "+1", "", "", ""},
      {"select a", "||a", "", "", ""},
      {"select ", "(", "1", ")", ""},
      {"select ", "-+", "1", "", ""},
      {"select ", "not ", "a", "", ""},
      {"select ", "a+(", "1", ")", ""},
      {"select ", "(select ", "1", ")", ""},
      {"select 1 ", "from(select ", "1", ")a", ""},
      {"select ", "exists(select ", "1", ")", ""},
      {"select 1", " union select 1,1", "", "", ""},
      {"select a", "[1]", "", "", ""},
      {"select (a)", ".a", "", "", ""},
      {"select 1", "::a", "", "", ""},
      {"select 1", "::int", "", "", ""},
      {"select ", "case when ", "1", " then 1 end", ""},
      {"select ", "case 1 when 1 then ", "1", " end", ""},
      {"select from a", " join a on b and c", "", "", ""},
      {"select from a", " natural join a", "", "", ""},
      {"select from ", "(", "a", " cross join a)", ""},
      {"select a", " isnull", "", "", ""},
      {"select a", " is true", "", "", ""},
      {"select a", " between 1 and 1 is true", "", "", ""},
      {"select a", " collate b", "", "", ""},
      {"select a", " at time zone b", "", "", ""},
      {"select ", "f(", "1", ")", ""},
      {"select ", "row(", "1", ")", ""},
      {"select ", "array[", "1", "]", ""},
      {"select array", "[", "1", "]", ""},
      {"select ", "1 in(", "1", ")", ""},
      {"select a", " and b", "", "", ""},
      {"select a", " and b or c", "", "", ""},
      {"", "with a as(", "select", ")select", ""},
      {"select 1", ",1", "", "", ""},
      {"values (1)", ",(1)", "", "", ""},
      {"select", ";select", "", "", ""},
      {"", "(", "select", ")", ""},
      {"create temp table t (a int check (", "(", "true", ")", "))"},
      {"create view v as select a", "+1", "", "", ""},
  };
  return kNestings;
}

std::string Nest(const Nesting& n, size_t bytes) {
  const size_t fixed = n.head.size() + n.middle.size() + n.tail.size();
  const size_t times = (bytes - fixed) / (n.opening.size() + n.closing.size());
  std::string text(n.head);
  for (size_t i = 0; i < times; ++i) text += n.opening;
  text += n.middle;
  for (size_t i = 0; i < times; ++i) text += n.closing;
  return text.append(n.tail);
}

TextInfo AnalyzeOnPromisedStack(const std::string& text) {
  struct Job {
    const std::string& text;
    TextInfo info;
  } job{text, {}};
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  EXPECT_EQ(pthread_attr_setstacksize(&attributes, kAnalyzerStackBytes), 0);
  pthread_t thread;
  const auto run = [](void* argument) -> void* {
    Job* job = static_cast<Job*>(argument);
    job->info = Analyze(job->text);
    return nullptr;
  };
  EXPECT_EQ(pthread_create(&thread, &attributes, run, &job), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  return std::move(job.info);
}

TEST(Nesting, AnySizeFitsTheStack) {
  for (const Nesting& nesting : Nestings()) {
    for (const size_t bytes :
         {kUncheckedNestingBytes, 2 * kUncheckedNestingBytes, size_t{32768}, kMaxAnalyzedBytes}) {
      const TextInfo info = AnalyzeOnPromisedStack(Nest(nesting, bytes));
      EXPECT_TRUE(info.parsed || !info.error.empty()) << nesting.opening;
    }
  }
}

TEST(Nesting, ModerateDepthIsAnalysed) {
  for (const Nesting& nesting : Nestings()) {
    const TextInfo info = AnalyzeOnPromisedStack(Nest(nesting, 800));
    if (info.error.starts_with("syntax error") || info.error.starts_with("run of")) continue;
    EXPECT_TRUE(info.parsed) << nesting.opening << ": " << info.error;
  }
}

TEST(Nesting, DeepTextsOverTheUncheckedSizeAreRefused) {
  for (const char* opening :
       {"+1", "||a", " isnull", " between 1 and 1 is true", "::a", " union select 1,1"}) {
    const TextInfo info =
        AnalyzeOnPromisedStack(Nest({"select 1", opening, "", "", ""}, kMaxAnalyzedBytes));
    EXPECT_EQ(info.error, "text nested too deeply") << opening;
  }
}

TEST(Nesting, LongFlatTextsAreAnalysed) {
  std::string bulk = "update t set a = case id";
  for (int i = 0; i < 2000; ++i) bulk += " when " + std::to_string(i) + " then f(a + 1)";
  for (const std::string& text :
       {Nest({"insert into t values (1, 'a')", ", (1, (2 + 3) * 4)", "", "", ""}, 100000),
        Nest({"select a from t where a in (1", ", $1", "", "", ")"}, 100000),
        Nest({"select a from t where a = 1", " or a between 1 and 2 and b = 3", "", "", ""},
             100000),
        Nest({"select 1", "; select a from t join u on t.a = u.a", "", "", ""}, 100000),
        bulk + " else 0 end where id = 1"}) {
    EXPECT_TRUE(Analyze(text).parsed) << text.substr(0, 60) << ": " << Analyze(text).error;
  }
}

TEST(Nesting, LongRunsOfSignsAreRefusedAndLongDashesAreNot) {
  EXPECT_EQ(Analyze("select " + std::string(300, '+') + "1").error, "run of signs too long");
  EXPECT_EQ(Analyze(Nest({"select ", "-+", "1", "", ""}, 3000)).error, "run of signs too long");
  EXPECT_TRUE(Analyze("select 1 " + std::string(3000, '-')).parsed);
  EXPECT_TRUE(Analyze("select '+" + std::string(200, '-') + "+'").parsed);
}

std::string NestedAssignments(int depth) {
  std::string text = "select 1";
  for (int i = 0; i < depth; ++i) {
    text = "update t set (a, b) /* x */ = (with c as (" + text + ") select 1, 2)";
  }
  return text;
}

TEST(Nesting, MultipleAssignmentsMayNotMultiply) {
  EXPECT_TRUE(Analyze(NestedAssignments(3)).parsed);
  EXPECT_EQ(Analyze(NestedAssignments(40)).error, "multiple assignments that multiply");
  const std::string columns = Nest({"(a", ", a", "", "", ")"}, 30000);
  const std::string values = Nest({"(1", ", 1", "", "", ")"}, 30000);
  EXPECT_EQ(Analyze("update t set " + columns + " = " + values).error,
            "multiple assignments that multiply");
  EXPECT_TRUE(Analyze("update t set b = 1, (a, b, c) = (select 1, 2, 3) where f(a) = 2").parsed);
}

}  // namespace
}  // namespace pgsidecar::sql
