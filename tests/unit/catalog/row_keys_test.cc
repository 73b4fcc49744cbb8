// Which tracked columns of the sample's tables a statement reads and writes by value.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/snapshot.h"
#include "sql/analyzer.h"
#include "tests/unit/catalog/sample.h"

namespace pgsidecar::catalog {
namespace {

std::string Name(const ColumnId& id) {
  std::string name = Sample().FindRelation(id.relation)->name + ".";
  for (const TrackedColumn& column : Sample().TrackedColumns(id.relation)) {
    if (column.id == id.column) return name + column.name;
  }
  return name + "?";
}

std::string Word(const KeyedColumn& column) {
  std::string word = Name(column.id) + "=";
  for (const sql::Value& value : column.values) {
    word += (&value == column.values.data() ? "" : ",") + value.text;
    if (value.kind == sql::ValueKind::kParameter) word += "$" + std::to_string(value.parameter);
    if (value.kind == sql::ValueKind::kNull) word += "null";
  }
  return word;
}

Resolved ResolveOne(std::string_view text, std::string_view search_path = "public") {
  const sql::TextInfo info = sql::Analyze(text);
  return Resolve(info.statements.at(0), {search_path, "someone"}, &Sample());
}

std::string Reads(std::string_view text, std::string_view search_path = "public") {
  const Resolved resolved = ResolveOne(text, search_path);
  std::string words(RefusalName(resolved.refusal));
  for (const KeyedRead& read : resolved.keyed_reads) {
    EXPECT_TRUE(std::binary_search(resolved.reads.begin(), resolved.reads.end(), read.relation));
    for (const KeyedColumn& column : read.references) words += " " + Word(column);
  }
  return words;
}

// What is known, then a bar, then the columns that are not.
std::string Writes(std::string_view text) {
  const Resolved resolved = ResolveOne(text);
  if (resolved.writes_anything) return "anything";
  std::vector<std::string> known, unknown;
  for (const KeyedColumn& column : resolved.written_values) known.push_back(Word(column));
  for (const ColumnId& id : resolved.written_columns) unknown.push_back(Name(id));
  std::sort(unknown.begin(), unknown.end());
  std::string words;
  for (const std::string& word : known) words += word + " ";
  words += "|";
  for (const std::string& word : unknown) words += " " + word;
  return words;
}

TEST(RowKeysTest, TrackedColumns) {
  const auto names = [](std::string_view table) {
    std::string words;
    for (const TrackedColumn& column :
         Sample().TrackedColumns(Sample().RelationsNamed(table)[0]->root)) {
      words += column.name + " ";
    }
    return words;
  };
  EXPECT_EQ(names("owners"), "id name ") << "numeric has several spellings";
  EXPECT_EQ(names("owned"), "id owner p part ") << "what is generated is not";
  EXPECT_EQ(names("keyed_derived"), "extra id ") << "of the tree";
  EXPECT_EQ(names("typed"), "");
}

TEST(RowKeysTest, Reads) {
  EXPECT_EQ(Reads("SELECT * FROM owners WHERE id = 5"), "none owners.id=5");
  EXPECT_EQ(Reads("SELECT * FROM owners WHERE id = $1 AND name = 'x'"), "none owners.id=$1");
  EXPECT_EQ(Reads("SELECT * FROM owned WHERE owner = 1 AND id IN (1, 2)"), "none owned.id=1,2");
  EXPECT_EQ(Reads("SELECT * FROM owned WHERE owner = 1"), "none owned.owner=1");
  EXPECT_EQ(Reads("SELECT * FROM owned WHERE p = 3"), "none owned.p=3") << "a domain over int";
  EXPECT_EQ(Reads("SELECT * FROM owners a JOIN owners b ON b.id = 2 WHERE a.id = 1"),
            "none owners.id=1 owners.id=2");
  EXPECT_EQ(Reads("SELECT * FROM owners a JOIN owners b ON b.id = a.id WHERE a.id = 1"), "none")
      << "one of the references is not restricted";
  EXPECT_EQ(Reads("SELECT * FROM owned o, owners w WHERE o.id = 1"), "none owned.id=1");
  EXPECT_EQ(Reads("SELECT * FROM owned_view v, owned o WHERE o.id = 1"), "none")
      << "the view reads all of it";
  EXPECT_EQ(Reads("SELECT * FROM owners WHERE other = 1"), "none");
  EXPECT_EQ(Reads("SELECT * FROM owners WHERE id = 'x'::text"), "none");
  EXPECT_EQ(Reads("SELECT * FROM owners WHERE name = 5"), "none");
  EXPECT_EQ(Reads("SELECT * FROM owners WHERE id = true"), "none");
  EXPECT_EQ(Reads("SELECT * FROM keyed_derived WHERE id = 5"), "none keyed_base.id=5");
  EXPECT_EQ(Reads("SELECT * FROM owners WHERE EXISTS (SELECT FROM keyed_base WHERE name = 'x')"),
            "none")
      << "the name is of the outer query's table";
  // Which of the two it is depends on privileges.
  EXPECT_EQ(Reads("SELECT * FROM accounts WHERE aid = 5", "public, other"),
            "none accounts.aid=5 accounts.aid=5");
}

TEST(RowKeysTest, AnEqualityOfAUsersIsNotTaken) {
  EXPECT_EQ(Reads("SELECT * FROM public.owners WHERE id = 5", "app"), "volatile_function");
  EXPECT_EQ(Reads("SELECT * FROM public.owners WHERE name = 'x'", "moods"), "none");
  EXPECT_EQ(Reads("SELECT * FROM public.owners WHERE name IN ('x')", "moods"), "none");
}

TEST(RowKeysTest, Inserts) {
  EXPECT_EQ(Writes("INSERT INTO owners VALUES (1, 'x'), ($1, NULL)"),
            "owners.id=1,$1 owners.name=x,null |");
  EXPECT_EQ(Writes("INSERT INTO owners (name, id) VALUES ('x', 1)"), "owners.id=1 owners.name=x |");
  EXPECT_EQ(Writes("INSERT INTO owners (id) VALUES (1)"), "owners.id=1 owners.name= |")
      << "no default: NULL, which equals nothing";
  EXPECT_EQ(Writes("INSERT INTO owned (id, owner) VALUES (1, 1 + 1)"),
            "owned.id=1 | owned.owner owned.p owned.part");
  EXPECT_EQ(Writes("INSERT INTO owned (id, owner, part, p) VALUES (1, DEFAULT, DEFAULT, 2)"),
            "owned.id=1 owned.owner= owned.p=2 | owned.part");
  EXPECT_EQ(Writes("INSERT INTO owners (id) VALUES ('1'::text)"), "owners.name= | owners.id");
  EXPECT_EQ(Writes("INSERT INTO keyed_base VALUES (1)"), "keyed_base.extra= keyed_base.id=1 |");
  EXPECT_EQ(Writes("INSERT INTO owners SELECT 1"), "| owners.id owners.name");
  EXPECT_EQ(Writes("INSERT INTO owners (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 2"),
            "| owners.id owners.name");
}

TEST(RowKeysTest, UpdatesAndDeletes) {
  EXPECT_EQ(Writes("UPDATE owners SET other = 1 WHERE id = 5"), "owners.id=5 | owners.name");
  EXPECT_EQ(Writes("UPDATE owners SET other = 1 WHERE id = 5 AND name = 'x'"),
            "owners.id=5 owners.name=x |");
  EXPECT_EQ(Writes("UPDATE owners SET name = 'y' WHERE id = 5 AND name = 'x'"),
            "owners.id=5 owners.name=x,y |");
  EXPECT_EQ(Writes("UPDATE owners SET name = 'y' WHERE id = 5"), "owners.id=5 | owners.name");
  EXPECT_EQ(Writes("UPDATE owners SET name = lower('Y') WHERE name = 'x'"),
            "| owners.id owners.name");
  EXPECT_EQ(Writes("UPDATE owners SET other = 1 WHERE id > 5"), "| owners.id owners.name");
  EXPECT_EQ(Writes("UPDATE owned_view SET flag = true WHERE id = 5"),
            "| owned.id owned.owner owned.p owned.part");
  EXPECT_EQ(Writes("DELETE FROM owned WHERE id = 5"),
            "owned.id=5 | owned.owner owned.p owned.part");
  EXPECT_EQ(Writes("UPDATE keyed_base SET id = 2 WHERE id = 1"),
            "keyed_base.id=1,2 | keyed_base.extra");
  EXPECT_EQ(Writes("TRUNCATE owned"), "| owned.id owned.owner owned.p owned.part");
  EXPECT_EQ(Writes("EXPLAIN ANALYZE DELETE FROM owners WHERE id = 5"), "| owners.id owners.name");
  EXPECT_EQ(Writes("WITH x AS (DELETE FROM owners WHERE id = 6) DELETE FROM owners WHERE id = 5"),
            "| owners.id owners.name");
}

// The statement says which rows of parent are deleted, not which of its children.
TEST(RowKeysTest, Cascades) {
  EXPECT_EQ(Writes("DELETE FROM parent WHERE id = 5"),
            "parent.id=5 | child.id defaulted.id grandchild.id");
  EXPECT_EQ(Writes("DELETE FROM loop_a WHERE id = 5"), "| loop_a.b loop_a.id loop_b.a loop_b.id");
}

}  // namespace
}  // namespace pgsidecar::catalog
