// What the analyser says of the rows that a statement reads and writes.

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "sql/analyzer.h"

namespace pgsidecar::sql {
namespace {

std::string Word(const Value& value) {
  static const char* const kCasts[] = {"", "::int", "::text", "::uuid", "::bool", "::oid"};
  std::string word;
  switch (value.kind) {
    case ValueKind::kUnknown:
      return "?";
    case ValueKind::kDefault:
      return "default";
    case ValueKind::kNull:
      word = "null";
      break;
    case ValueKind::kBoolean:
      word = value.text;
      break;
    case ValueKind::kNumber:
      word = (value.negative ? "-" : "") + value.text + "@" + std::to_string(value.location);
      break;
    case ValueKind::kString:
      word = "'" + value.text + "'@" + std::to_string(value.location);
      break;
    case ValueKind::kParameter:
      word = "$" + std::to_string(value.parameter) + (value.only_use ? "" : "+");
      break;
  }
  return word + kCasts[static_cast<int>(value.cast)] + (value.array ? "[]" : "");
}

std::string Words(const std::vector<Value>& values) {
  std::string words;
  for (const Value& value : values) words += (words.empty() ? "" : ",") + Word(value);
  return words;
}

std::string Words(const std::vector<Restriction>& restrictions) {
  std::string words;
  for (const Restriction& restriction : restrictions) {
    words += (words.empty() ? "" : "; ") + restriction.column + "=" + Words(restriction.values);
  }
  return "(" + words + ")";
}

std::string References(std::string_view text) {
  const TextInfo info = Analyze(text);
  std::string words;
  for (const Reference& reference : info.statements.at(0).references) {
    words += (words.empty() ? "" : " ") + reference.relation.name + Words(reference.restrictions);
  }
  return words;
}

std::string Rows(std::string_view text) {
  const TextInfo info = Analyze(text);
  const auto& write = info.statements.at(0).row_write;
  if (!write) return "none";
  std::string words = write->relation.name;
  for (const std::string& column : write->columns) words += " " + column;
  for (const auto& row : write->rows) words += " [" + Words(row) + "]";
  for (const Assignment& assignment : write->assignments) {
    words += " " + assignment.column + ":" + Word(assignment.value);
  }
  return words + (write->rows.empty() ? " " + Words(write->restrictions) : "");
}

struct Case {
  std::string_view text;
  std::string_view expected;
};

TEST(RowsTest, References) {
  const std::vector<Case> cases = {
      {"SELECT 1 FROM t", "t()"},
      {"SELECT 1 FROM t WHERE a=5", "t(a=5@24)"},
      {"SELECT 1 FROM t WHERE 5=a", "t(a=5@22)"},
      {"SELECT 1 FROM t WHERE a=- 5", "t(a=-5@26)"},
      {"SELECT 1 FROM t WHERE a=-0", "t(a=-0@25)"},
      {"SELECT 1 FROM t WHERE a=- -5", "t()"},
      {"SELECT 1 FROM t WHERE a=+5", "t()"},
      {"SELECT 1 FROM t WHERE a=5000000000", "t(a=5000000000@24)"},
      {"SELECT 1 FROM t WHERE a='x''y'", "t(a='x'y'@24)"},
      {"SELECT 1 FROM t WHERE a=true", "t(a=t)"},
      {"SELECT 1 FROM t WHERE a=NULL", "t()"},
      {"SELECT 1 FROM t WHERE a IN (1, NULL)", "t()"},
      {"SELECT 1 FROM t WHERE a=$1", "t(a=$1)"},
      {"SELECT $1 FROM t WHERE a=$1", "t(a=$1+)"},
      {"SELECT 1 FROM t WHERE a=$1 LIMIT $1", "t(a=$1+)"},
      {"SELECT 1 FROM t WHERE a=$1::bigint", "t(a=$1::int)"},
      {"SELECT 1 FROM t WHERE a='5'::text", "t(a='5'@24::text)"},
      {"SELECT 1 FROM t WHERE a='5'::varchar(3)", "t()"},
      {"SELECT 1 FROM t WHERE a='5'::other.text", "t()"},
      {"SELECT 1 FROM t WHERE a='5'::numeric", "t()"},
      {"SELECT 1 FROM t WHERE a=5 AND (b='x' AND c=7)", "t(a=5@24; b='x'@33; c=7@43)"},
      {"SELECT 1 FROM t WHERE a=5 OR b=6", "t()"},
      {"SELECT 1 FROM t WHERE NOT a=5", "t()"},
      {"SELECT 1 FROM t WHERE a<>5", "t()"},
      {"SELECT 1 FROM t WHERE a NOT IN (5)", "t()"},
      {"SELECT 1 FROM t WHERE a OPERATOR(pg_catalog.=) 5", "t(a=5@47)"},
      {"SELECT 1 FROM t WHERE a OPERATOR(other.=) 5", "t()"},
      {"SELECT 1 FROM t WHERE a COLLATE \"C\"='x'", "t()"},
      {"SELECT 1 FROM t WHERE a IN (1,$1)", "t(a=1@28,$1)"},
      {"SELECT 1 FROM t WHERE a=ANY($1)", "t(a=$1[])"},
      {"SELECT 1 FROM t WHERE a=ANY($1::int[])", "t(a=$1::int[])"},
      {"SELECT 1 FROM t WHERE a=ANY('{1,2}')", "t(a='{1,2}'@28[])"},
      {"SELECT 1 FROM t WHERE a=ANY(ARRAY[1,2])", "t(a=1@34,2@36)"},
      {"SELECT 1 FROM t WHERE a=ANY(ARRAY['1']::int[])", "t(a='1'@34::int)"},
      {"SELECT 1 FROM t WHERE a=ALL($1)", "t()"},
      {"SELECT 1 FROM t WHERE a=ANY(SELECT 1)", "t()"},
      // Whose column it is.
      {"SELECT 1 FROM t x WHERE x.a=5", "t(a=5@28)"},
      {"SELECT 1 FROM t x WHERE t.a=5", "t()"},
      {"SELECT 1 FROM s.t WHERE s.t.a=5", "t()"},
      {"SELECT 1 FROM t AS x(b, a) WHERE a=5", "t()"},
      {"SELECT 1 FROM t, u WHERE a=5", "t() u()"},
      {"SELECT 1 FROM t, u WHERE t.a=5", "t(a=5@29) u()"},
      {"SELECT 1 FROM t, t u WHERE u.a=5", "t() t(a=5@31)"},
      {"SELECT 1 FROM (t JOIN u ON true) AS j WHERE t.a=5", "t() u()"},
      {"SELECT 1 FROM t WHERE EXISTS (SELECT 1 FROM u WHERE t.a=5 AND u.b=6)", "t() u(b=6@66)"},
      {"SELECT 1 FROM (SELECT * FROM t) x WHERE x.a=5", "t()"},
      {"WITH t AS (SELECT 1 FROM u WHERE b=6) SELECT 1 FROM t WHERE a=5", "u(b=6@35)"},
      {"SELECT 1 FROM t WHERE a=5 UNION SELECT 1 FROM t WHERE a=6", "t(a=5@24) t(a=6@56)"},
      // Joins.
      {"SELECT 1 FROM t JOIN u ON t.a=5 AND u.b=6", "t(a=5@30) u(b=6@40)"},
      {"SELECT 1 FROM t LEFT JOIN u ON t.a=5 AND u.b=6", "t() u(b=6@45)"},
      {"SELECT 1 FROM t RIGHT JOIN u ON t.a=5 AND u.b=6", "t(a=5@36) u()"},
      {"SELECT 1 FROM t FULL JOIN u ON t.a=5 AND u.b=6", "t() u()"},
      {"SELECT 1 FROM t FULL JOIN u ON true WHERE t.a=5 AND u.b=6", "t(a=5@46) u(b=6@56)"},
      {"SELECT 1 FROM (t LEFT JOIN u ON true) JOIN v ON u.b=6", "t() u(b=6@52) v()"},
  };
  for (const Case& one : cases) EXPECT_EQ(References(one.text), one.expected) << one.text;
}

TEST(RowsTest, Writes) {
  const std::vector<Case> cases = {
      {"INSERT INTO t VALUES (1,'x'),($1,DEFAULT)", "t [1@22,'x'@24] [$1,default]"},
      {"INSERT INTO t (a,b) VALUES (NULL,1+1)", "t a b [null,?]"},
      {"INSERT INTO t (a[1]) VALUES (1)", "none"},
      {"INSERT INTO t SELECT 1", "none"},
      {"INSERT INTO t VALUES (1),(2) LIMIT 1", "none"},
      {"INSERT INTO t DEFAULT VALUES", "none"},
      {"INSERT INTO t OVERRIDING USER VALUE VALUES (1)", "none"},
      {"INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", "t [1@22]"},
      {"INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a=2", "none"},
      {"UPDATE t SET a=1, b=b+1, c[1]=2 WHERE a=5", "t a:1@15 b:? c:? (a=5@40)"},
      {"UPDATE t SET (a,b)=(1,2) WHERE a=5", "t a:? b:? (a=5@33)"},
      {"UPDATE t AS x SET a=1 WHERE x.a=5 AND t.b=6", "t a:1@20 (a=5@32)"},
      {"UPDATE t SET a=1 FROM u WHERE t.a=5", "none"},
      {"DELETE FROM t WHERE a IN (1,2)", "t (a=1@26,2@28)"},
      {"DELETE FROM t", "t ()"},
      {"DELETE FROM t USING u WHERE t.a=5", "none"},
      {"MERGE INTO t USING u ON t.a=5 WHEN MATCHED THEN DELETE", "none"},
  };
  for (const Case& one : cases) EXPECT_EQ(Rows(one.text), one.expected) << one.text;
}

// So that texts that differ in their literals alone can share an analysis.
TEST(RowsTest, StructureDoesNotDependOnLiterals) {
  EXPECT_EQ(References("SELECT 1 FROM t WHERE a=-0 AND b=''"), "t(a=-0@25; b=''@33)");
  EXPECT_EQ(References("SELECT 1 FROM t WHERE a=-9 AND b='now'"), "t(a=-9@25; b='now'@33)");
}

TEST(RowsTest, ManyReferencesAreNotLookedInto) {
  std::string text = "SELECT 1 FROM t t0";
  for (size_t i = 1; i <= kMaxRestrictedReferences; ++i) text += ", t t" + std::to_string(i);
  EXPECT_EQ(References(text + " WHERE t0.a=5").find('='), std::string::npos);
}

}  // namespace
}  // namespace pgsidecar::sql
