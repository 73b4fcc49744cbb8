// Bodies of functions: every statement and expression in them is found, and nothing else is
// understood.

#include "sql/routine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sql/analyzer.h"
#include "tests/unit/sql/describe.h"

namespace pgsidecar::sql {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// One line for each statement, or the reason.
std::string Said(const RoutineInfo& routine) {
  if (!routine.understood()) return "unknown: " + routine.unknown_reason;
  std::string text;
  for (const StatementInfo& statement : routine.statements) {
    text += (text.empty() ? "" : " ; ") + Describe(statement);
  }
  return text;
}

struct BodyCase {
  std::string_view body;
  std::string_view expected;
};

TEST(Plpgsql, FindsWhatEachStatementRuns) {
  constexpr BodyCase kCases[] = {
      {"BEGIN END", ""},
      {"begin null; end;", ""},
      {"<<l>> BEGIN END l;", ""},
      {"DECLARE a int := f(1); BEGIN END", "select types=pg_catalog.int4 ; select functions=f"},
      {"DECLARE a CONSTANT text COLLATE \"C\" NOT NULL DEFAULT g(); BEGIN END",
       "select types=text ; select functions=g"},
      {"BEGIN a := f(b); END", "select functions=f"},
      {"BEGIN a = b = f(c); END", "select functions=f operators=="},
      {"BEGIN a.b := 1; a[f(1)] := g(2); END",
       "select ; select functions=f ; "
       "select functions=g"},
      {"BEGIN a := count(*) FROM t; END", "select reads=t functions=count"},
      {"BEGIN PERFORM f() FROM t; END", "select reads=t functions=f"},
      {"BEGIN SELECT x INTO a FROM t; END", "select reads=t"},
      {"BEGIN SELECT x INTO STRICT a, b.c FROM t WHERE y = 1; END", "select reads=t operators=="},
      {"BEGIN INSERT INTO t VALUES (1) RETURNING f(id) INTO a; END",
       "insert reads=t writes=t:insert functions=f"},
      {"BEGIN IF f() THEN PERFORM g(); ELSIF h() THEN NULL; ELSE PERFORM i(); END IF; END",
       "select functions=f ; select functions=g ; select functions=h ; select functions=i"},
      {"BEGIN CASE f() WHEN g() THEN PERFORM h(); ELSE PERFORM i(); END CASE; END",
       "select functions=f ; select operators== ; select functions=g ; select functions=h ; "
       "select functions=i"},
      {"BEGIN FOR i IN REVERSE f()..g() BY h() LOOP PERFORM k(); END LOOP; END",
       "select functions=f ; select functions=g ; select functions=h ; select functions=k"},
      {"BEGIN FOR i IN 1..10 LOOP NULL; END LOOP; END", "select ; select"},
      {"BEGIN FOR r IN SELECT * FROM t LOOP NULL; END LOOP; END", "select reads=t"},
      {"BEGIN FOR r IN (SELECT * FROM t) LOOP NULL; END LOOP; END", "select reads=t"},
      {"BEGIN FOREACH x SLICE 1 IN ARRAY f() LOOP NULL; END LOOP; END", "select functions=f"},
      {"BEGIN WHILE f() LOOP EXIT WHEN g(); CONTINUE l WHEN h(); END LOOP; END",
       "select functions=f ; select functions=g ; select functions=h"},
      {"DECLARE c CURSOR (k int) FOR SELECT f() FROM t; BEGIN OPEN c(g()); FETCH NEXT FROM c INTO "
       "a; CLOSE c; FOR r IN c(h()) LOOP NULL; END LOOP; END",
       "select types=pg_catalog.int4 ; select reads=t functions=f ; select functions=g ; "
       "select functions=h"},
      {"BEGIN RETURN f(); END", "select functions=f"},
      {"BEGIN RETURN QUERY SELECT * FROM t; RETURN; END", "select reads=t"},
      {"BEGIN RETURN NEXT f(); END", "select functions=f"},
      {"BEGIN RAISE NOTICE 'x % %', f(), g() USING HINT = h(); RAISE; RAISE too_many_rows; END",
       "select functions=f ; select functions=g ; select functions=h"},
      {"BEGIN ASSERT f(), g(); GET DIAGNOSTICS a = ROW_COUNT; END", "select functions=f,g"},
      {"BEGIN PERFORM f(); EXCEPTION WHEN a OR SQLSTATE '22012' THEN PERFORM g(); END",
       "select functions=f ; select functions=g"},
      {"BEGIN -- END;\n PERFORM /* g() */ f(); END", "select functions=f"},
      {"BEGIN PERFORM ';', f(';'); END", "select functions=f"},
      {"BEGIN NEW.at := now(); RETURN NEW; END", "select functions=now ; select"},
      // The words of the language may be names.
      {"DECLARE perform int; BEGIN perform := f(); END",
       "select types=pg_catalog.int4 ; "
       "select functions=f"},
      {"BEGIN SET LOCAL a = 1; END", "set settings=local a='1'"},
      {"BEGIN CALL p(); END", "call functions=p"},
  };
  for (const BodyCase& one : kCases) {
    EXPECT_EQ(Said(AnalyzePlpgsqlBody(one.body)), one.expected) << one.body;
  }
}

TEST(Plpgsql, DoesNotUnderstandTheRest) {
  for (const std::string_view body :
       {"",
        "END",
        "BEGIN",
        "BEGIN EXECUTE 'SELECT 1'; END",
        "BEGIN COMMIT; END",
        "BEGIN ROLLBACK; END",
        "BEGIN FOR r IN EXECUTE 'x' LOOP NULL; END LOOP; END",
        "BEGIN RETURN QUERY EXECUTE 'x'; END",
        "BEGIN OPEN c FOR SELECT 1; END",
        "BEGIN OPEN c FOR EXECUTE 'x'; END",
        "BEGIN FETCH c INTO a; END",
        "BEGIN FOR r IN c LOOP NULL; END LOOP; END",
        "DECLARE c CURSOR FOR SELECT 1; BEGIN c := 'other'; FETCH c INTO a; END",
        "DECLARE a ALIAS FOR $1; BEGIN END",
        "BEGIN a := (1; END",
        "BEGIN a := ; END",
        "BEGIN f(); END",
        "BEGIN IF a THEN; END",
        "BEGIN END BEGIN END",
        "BEGIN END; SELECT 1",
        "#option dump\nBEGIN END",
        "BEGIN U&\"a\" := 1; END",
        "BEGIN SELECT 1 END",
        "DECLARE strict int; BEGIN SELECT x INTO strict FROM t; END"}) {
    EXPECT_FALSE(AnalyzePlpgsqlBody(body).understood()) << body;
  }
  EXPECT_FALSE(AnalyzePlpgsqlBody(std::string("BEGIN \0 END", 11)).understood());
  EXPECT_FALSE(AnalyzePlpgsqlBody("BEGIN" + std::string(kMaxAnalyzedBytes, ' ')).understood());
  std::string deep = "NULL; ";
  for (int i = 0; i < 5000; ++i) deep = "BEGIN " + deep + "END; ";
  EXPECT_EQ(AnalyzePlpgsqlBody(deep).unknown_reason, "body nested too deeply");
}

TEST(Plpgsql, Assignments) {
  const RoutineInfo body = AnalyzePlpgsqlBody(
      "DECLARE r public.t%ROWTYPE; c u.id%TYPE; v x%TYPE; BEGIN a := 1; SELECT 1, 2 INTO b, $1; "
      "FOR d IN SELECT 1 LOOP NULL; END LOOP; GET DIAGNOSTICS e = ROW_COUNT; END");
  ASSERT_TRUE(body.understood()) << body.unknown_reason;
  EXPECT_THAT(body.assigned, ElementsAre("a", "b", "$1", "d", "e"));
  EXPECT_THAT(body.row_types, ElementsAre(QualifiedName{"public", "t"}, QualifiedName{"", "u"}));
  EXPECT_THAT(body.possible_types, ElementsAre("x"));
  EXPECT_FALSE(body.assigns_field);
  EXPECT_FALSE(body.returns_expression);
  EXPECT_TRUE(AnalyzePlpgsqlBody("BEGIN a.b := 1; END").assigns_field);
  EXPECT_TRUE(AnalyzePlpgsqlBody("BEGIN SELECT 1 INTO a.b; END").assigns_field);
  EXPECT_TRUE(AnalyzePlpgsqlBody("BEGIN RETURN a; END").returns_expression);
}

TEST(SqlBody, StringsAndTrees) {
  EXPECT_EQ(Said(AnalyzeSqlBody("SELECT f(); DELETE FROM t")),
            "select functions=f ; delete reads=t writes=t:delete");
  EXPECT_FALSE(AnalyzeSqlBody("SELECT (").understood());
  EXPECT_EQ(Said(AnalyzeDefinition("CREATE FUNCTION x() RETURNS int LANGUAGE sql "
                                   "BEGIN ATOMIC SELECT f(); DELETE FROM t; END")),
            "select functions=f ; delete reads=t writes=t:delete");
  EXPECT_EQ(Said(AnalyzeDefinition("CREATE FUNCTION x() RETURNS int LANGUAGE sql RETURN f(1)")),
            "select functions=f");
  EXPECT_EQ(Said(AnalyzeDefinition("CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW "
                                   "WHEN (f(new.a)) EXECUTE FUNCTION g()")),
            "select functions=f attributes=a");
  for (const std::string_view other :
       {"", "SELECT 1", "SELECT 1; SELECT 2",
        "CREATE FUNCTION x() RETURNS int LANGUAGE sql AS 'SELECT 1'"}) {
    EXPECT_FALSE(AnalyzeDefinition(other).understood()) << other;
  }
}

TEST(Calls, NumberOfArguments) {
  const auto counts = [](std::string_view text) {
    std::vector<uint32_t> all;
    const TextInfo info = Analyze(text);
    for (const FunctionUse& call : info.statements.at(0).functions) all.push_back(call.arguments);
    return all;
  };
  EXPECT_THAT(counts("SELECT f(), f(1, 2), f(VARIADIC a), f(a => 1, b => 2, c => 3)"),
              ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(counts("SELECT count(*), sum(a) OVER ()"), ElementsAre(0, 1));
  EXPECT_THAT(counts("SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a)"),
              ElementsAre(FunctionUse::kAnyCount));
  EXPECT_THAT(counts("SELECT 1"), IsEmpty());
}

TEST(Calls, SettingsRead) {
  const auto names = [](std::string_view text) {
    return Analyze(text).statements.at(0).settings_read;
  };
  EXPECT_THAT(names("SELECT current_setting('App.Tenant'), other.current_setting('b', true)"),
              ElementsAre("app.tenant", "b"));
  EXPECT_THAT(names("SELECT current_setting('a'::text)"), ElementsAre("a"));
  EXPECT_THAT(names("SELECT current_setting('a'::name), current_setting(b), current_setting()"),
              ElementsAre(""));
}

}  // namespace
}  // namespace pgsidecar::sql
