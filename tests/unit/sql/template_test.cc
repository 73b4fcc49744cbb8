// What is stripped and what is not, and that texts of one template are alike to PostgreSQL's
// scanner and to the analyser.

#include "sql/template.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "cases.h"
#include "template_oracle.h"

namespace pgsidecar::sql {
namespace {

// The key with a space for its zero byte; empty if there is no template.
std::string KeyOf(std::string_view text) {
  Template stripped;
  if (!StripLiterals(text, &stripped)) return "";
  stripped.key[stripped.key.find('\0')] = ' ';
  return stripped.key;
}

struct TemplateCase {
  std::string_view text;
  std::string_view key;
};

constexpr TemplateCase kStripped[] = {
    // pgbench -M simple
    {"UPDATE pgbench_accounts SET abalance = abalance + -1234 WHERE aid = 71",
     "UPDATE pgbench_accounts SET abalance = abalance + -? WHERE aid = ? ii"},
    {"SELECT abalance FROM pgbench_accounts WHERE aid = 71;",
     "SELECT abalance FROM pgbench_accounts WHERE aid = ?; i"},
    {"INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 2, 3, -4, "
     "CURRENT_TIMESTAMP);",
     "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (?, ?, ?, -?, "
     "CURRENT_TIMESTAMP); iiii"},
    // What object-relational mappers write.
    {R"(SELECT "auth_user"."id" FROM "auth_user" WHERE "auth_user"."username" = 'ann' LIMIT 21)",
     R"(SELECT "auth_user"."id" FROM "auth_user" WHERE "auth_user"."username" = ? LIMIT ? si)"},
    {R"(UPDATE "t" SET "n" = "t"."n" - 5, "s" = 'x' WHERE "t"."id" IN (1, 2, 3))",
     R"(UPDATE "t" SET "n" = "t"."n" - ?, "s" = ? WHERE "t"."id" IN (?, ?, ?) isiii)"},
    {"SELECT * FROM t WHERE t.id = 5 ORDER BY t.id ASC LIMIT 1 OFFSET 40 /*app:web,id:7*/",
     "SELECT * FROM t WHERE t.id = ? ORDER BY t.id ASC LIMIT ? OFFSET ? /*app:web,id:7*/ iii"},
    {"select u1_0.id from users u1_0 where u1_0.name='o''neil' and u1_0.age>=18",
     "select u1_0.id from users u1_0 where u1_0.name=? and u1_0.age>=? si"},
    {"INSERT INTO t (a, b) VALUES ('x', 1.50), ('y', 20) RETURNING t.id",
     "INSERT INTO t (a, b) VALUES (?, ?), (?, ?) RETURNING t.id snsi"},
    {"/* pgsidecar: ttl=30s */ select 1 from t where a = 2",
     "/* pgsidecar: ttl=30s */ select 1 from t where a = ? i"},
    {"-- one\n(select a from t where b between 1 and 10)",
     "-- one\n(select a from t where b between ? and ?) ii"},
    {"select a from t where b like 'x%' and c ilike '%y'",
     "select a from t where b like ? and c ilike ? ss"},
    // Classes.
    {"select a=0, a=2147483647, a=2147483649, a=9223372036854775807, a=0.5",
     "select a=?, a=?, a=?, a=?, a=? iilln"},
    {"select a='x', a='\xC3\xA9'", "select a=?, a=? su"},
    // Operators end where PostgreSQL's do.
    {"select a=-5, a<>-5, a>=-5, a= - 5, a<-5", "select a=-?, a<>-?, a>=-?, a= - ?, a<-? iiiii"},
    {"select a!=5, a<5, a>5, a<=5, a>=5", "select a!=?, a<?, a>?, a<=?, a>=? iiiii"},
    {"select a=/* ? */5", "select a=/* ? */? i"},
    {"select a=--\n5", "select a=--\n? i"},
    {"select a='x'and b=5", "select a=?and b=? si"},
    {"select '?', \"?\", a=5 --?", "select '?', \"?\", a=? --? i"},
    // What stays beside what goes.
    {"select a from t where b = 5 and c = $1 and d = 'x'::text",
     "select a from t where b = ? and c = $1 and d = 'x'::text i"},
    {"select a from t where b = 5 /* :: */ :: int and c = 6",
     "select a from t where b = 5 /* :: */ :: int and c = ? i"},
    {"select a from t where b = date '2024-01-01' and c = 6",
     "select a from t where b = date '2024-01-01' and c = ? i"},
    {"select a from t where b = 'now' or b = 'I know' or c = 6",
     "select a from t where b = 'now' or b = 'I know' or c = ? i"},
    {"select cast(a as numeric(10,2)), interval(3) '1s', b[1], array[1,2] from t where c = 6 "
     "group by 1, 2 order by 1, 2",
     "select cast(a as numeric(10,2)), interval(3) '1s', b[1], array[1,2] from t where c = ? "
     "group by 1, 2 order by 1, 2 i"},
    {"select f(1, 'a', b => 2, c := 3) from t where c = 6",
     "select f(1, 'a', b => 2, c := 3) from t where c = ? i"},
    {"select a from t where b in (select c, 1 from u order by 1, 2) and d = 6",
     "select a from t where b in (select c, 1 from u order by 1, 2) and d = ? i"},
    {"select a from t where b in ((select 1) order by 1, 2) and d = 6",
     "select a from t where b in ((select 1) order by 1, 2) and d = ? i"},
    {"values (1, array[2, 3], f(4, 5), 6), (7, row(8, 9), 10)",
     "values (?, array[2, 3], f(4, 5), ?), (?, row(8, 9), ?) iiii"},
    {"select a from t where b in (values (1), (2))",
     "select a from t where b in (values (?), (?)) ii"},
    {"select a from t where b @-5 and c @> 5 and d !=-5 and e = 6",
     "select a from t where b @-5 and c @> 5 and d !=-5 and e = ? i"},
    {"select a=2147483648, a=9223372036854775808, a=007, a=1",
     "select a=2147483648, a=9223372036854775808, a=007, a=? i"},
    {"select a=+5, a=- -5, a=(5), -5, a=5", "select a=+5, a=- -5, a=(5), -5, a=? i"},
    {"select a=-'5', b=1", "select a=-'5', b=? i"},
    {"select sum(a) over (order by b rows between 1 preceding and 2 following), c between 3 and 4",
     "select sum(a) over (order by b rows between 1 preceding and 2 following), c between ? and ? "
     "ii"},
    {"select a from t where b = 1 fetch first 5 rows only",
     "select a from t where b = ? fetch first 5 rows only i"},
    {"select a from t where t.rows between 1 and 2 and b in (t.by, 3)",
     "select a from t where t.rows between ? and ? and b in (t.by, ?) iii"},
};

TEST(Template, StripsWhatNoAnalysisDependsOn) {
  for (const TemplateCase& c : kStripped) EXPECT_EQ(KeyOf(c.text), c.key);
}

TEST(Template, LeavesWhatItCannotJudge) {
  for (const std::string_view text : {
           // Nothing to strip, or not of the statements that are tried.
           "",
           " ",
           "select 1",
           "select a from t where b = $1",
           "set a = 5",
           "show a",
           "explain select a from t where b = 5",
           "begin",
           "prepare p as select a = 5",
           "execute p(5)",
           "create table t as select a = 5",
           "call f(a = 5)",
           "5 = 5",
           "'x' = 5",
           "\"select\" = 5",
           "= 5",
           "copy t from stdin",
           // Several statements.
           "select a = 5; select 1",
           "select a = 5;;",
           "select a = 5; -- x",
           ";select a = 5",
           // Strings of another kind, or in parts.
           "select a = 5, E'x'",
           "select a = 5, e'\\''",
           "select a = 5, b'1'",
           "select a = 5, X'1'",
           "select a = 5, N'x'",
           "select a = 5, U&'x'",
           "select a = 5, u&\"x\"",
           "select a = 5, $$x$$",
           "select a = 5, $x$x$x$",
           "select a = 'x'\n'y'",
           "select a = 5, 'x' -- c\n'y'",
           "select a = 5, 'x' 'y'",
           // Numbers of another kind.
           "select a = 5, 1e5",
           "select a = 5, 1.5e5",
           "select a = 5, 0x1F",
           "select a = 5, 1_000",
           "select a = 5, 5abc",
           "select a = 5, 1..2",
           "select a = 5, 5.",
           "select a = 5, .5",
           "select a = 5, $1a",
           "select a = 5, $",
           "select a = 5$1",
           // What does not end, or is no SQL.
           "select a = 5, 'x",
           "select a = 5, \"x",
           "select a = 5 /* x",
           "select a = 5 /* /* */",
           "select a = 5)",
           "select a = 5 ? 6",
           "select a = 5 \\ 6",
           "select a = 5 \v",
           "select {a = 5}",
       }) {
    EXPECT_EQ(KeyOf(text), "") << text;
  }
  EXPECT_EQ(KeyOf(std::string_view("select a = 5\0", 13)), "");
  EXPECT_EQ(KeyOf("select a = 5, " + std::string(64, '(') + std::string(64, ')')), "");
  EXPECT_NE(KeyOf("select a = 5, " + std::string(63, '(') + std::string(63, ')')), "");
  EXPECT_EQ(KeyOf("select a = 5" + std::string(kMaxAnalyzedBytes, ' ')), "");
}

TEST(Template, TextsOfOneTemplateAreAlike) {
  TemplateOracle oracle(1);
  for (int round = 0; round < 20; ++round) {
    for (const TemplateCase& c : kStripped) EXPECT_EQ(oracle.FaultOf(std::string(c.text)), "");
    for (const Case& c : AllCases()) EXPECT_EQ(oracle.FaultOf(std::string(c.text)), "");
  }
}

// Pieces that mean something to a scanner, in any order.
TEST(Template, TextsOfAnyPiecesAreAlike) {
  static const std::vector<std::string> kPieces = {
      "=",        "<>",       "!=",    "<",           ">=",
      "+",        "-",        "--",    "/*",          "*/",
      "@",        "'",        "''",    "'x'",         "\"",
      "\"a\"",    "(",        ")",     "[",           "]",
      ",",        ".",        ":",     "::",          "5",
      "0",        "1.5",      ".5",    "2147483648",  "4294967296",
      "a",        "e",        "u&",    "$1",          "$$",
      "\n",       " ",        " ",     " ",           "in (",
      "values (", "between ", " and ", "limit ",      "select ",
      "by ",      "like ",    "int",   "now",         "\xC3\xA9",
      "is null",  " or ",     "a = 5", "b in (1, 2)", "from t where "};
  std::mt19937_64 random(7);
  TemplateOracle oracle(7);
  size_t templates = 0;
  for (int i = 0; i < 30'000; ++i) {
    std::string text = "select a = 5 ";
    for (size_t pieces = random() % 8; pieces > 0; --pieces) {
      text += kPieces[random() % kPieces.size()];
    }
    ASSERT_EQ(oracle.FaultOf(text), "");
    if (!KeyOf(text).empty()) ++templates;
  }
  EXPECT_GT(templates, 5000U);
}

bool IsShared(std::string_view text, TextInfo info) {
  Template stripped;
  return StripLiterals(text, &stripped) && MakeShared(stripped.literals, &info);
}

TEST(Template, IsSharedByPlainStatementsOnly) {
  for (const std::string_view text :
       {"select a = 5", "insert into t values (5)", "update t set a = 5",
        "delete from t where a = 5", "with c as (delete from t returning a) select a = 5 from c"}) {
    EXPECT_TRUE(IsShared(text, Analyze(text))) << text;
  }
  for (const std::string_view text : {"", "select a = ", "select a = 5; select 1",
                                      "select a into b from t where c = 5", "set a = 5"}) {
    EXPECT_FALSE(IsShared(text, Analyze(text))) << text;
  }
  TextInfo info = Analyze("select a = 5");
  info.statements[0].settings.push_back({.name = "a.b", .value = "5"});
  EXPECT_FALSE(IsShared("select a = 5", info));
}

TEST(Template, ValuesNameTheirLiterals) {
  const std::string_view text = "update t set a = 1, b = 'x' where c in (2, -3, $1) and d = 4::int";
  TextInfo info = Analyze(text);
  Template stripped;
  ASSERT_TRUE(StripLiterals(text, &stripped));
  ASSERT_TRUE(MakeShared(stripped.literals, &info));
  const RowWrite& write = *info.statements[0].row_write;
  EXPECT_EQ(write.assignments[0].value.literal, 1U);
  EXPECT_EQ(write.assignments[1].value.literal, 2U);
  ASSERT_EQ(write.restrictions.size(), 2U);
  const std::vector<Value>& values = write.restrictions[0].values;
  EXPECT_EQ(values[0].literal, 3U);
  EXPECT_EQ(values[1].literal, 4U);
  EXPECT_TRUE(values[1].negative);
  EXPECT_EQ(values[2].literal, 0U);
  EXPECT_EQ(write.restrictions[1].values[0].literal, 0U);  // what is cast is not stripped
  EXPECT_EQ(write.restrictions[1].values[0].text, "4");
}

TEST(Template, ReusesItsBuffers) {
  Template stripped;
  ASSERT_TRUE(StripLiterals("select a = 5, b = 'x'", &stripped));
  ASSERT_TRUE(StripLiterals("select a = 6", &stripped));
  EXPECT_EQ(TemplateText(stripped.key), "select a = ?");
  ASSERT_EQ(stripped.literals.size(), 1U);
}

TEST(Template, MapsAConstantToItsLiteral) {
  using Source = ConstantPlace::Source;
  const std::string_view text = "select a = - 51, b = 'x''y', c = c - 7, d = 8::int";
  Template stripped;
  ASSERT_TRUE(StripLiterals(text, &stripped));
  ASSERT_EQ(stripped.literals.size(), 3U);
  const auto at = [&](std::string_view part) {
    return PlaceOf(stripped.literals, text.find(part));
  };
  const auto literal = [](size_t index, bool negated) {
    return ConstantPlace{.source = Source::kLiteral, .negated = negated, .index = index};
  };
  EXPECT_EQ(at("- 51"), literal(0, true));
  EXPECT_EQ(at("51"), literal(0, false));
  EXPECT_EQ(at("1,").source, Source::kUnknown);
  EXPECT_EQ(at(" 51").source, Source::kUnknown);
  EXPECT_EQ(at("'x"), literal(1, false));
  EXPECT_EQ(at("y'").source, Source::kUnknown);
  EXPECT_EQ(at("- 7"), literal(2, true));
  EXPECT_EQ(at("7"), literal(2, false));
  EXPECT_EQ(at("8").source, Source::kTemplate);
  EXPECT_EQ(at("a =").source, Source::kTemplate);
  EXPECT_EQ(at(", b").source, Source::kTemplate);

  const Literals literals{.text = text, .places = stripped.literals};
  std::string scratch;
  EXPECT_EQ(literals.Value(0, &scratch), "51");
  EXPECT_EQ(literals.Value(1, &scratch), "x'y");
  EXPECT_EQ(literals.Value(2, &scratch), "7");
}

}  // namespace
}  // namespace pgsidecar::sql
