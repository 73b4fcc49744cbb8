// The head of a block: options, variables, cursors, and the types of variables.

#include "sql/plpgsql_reader.h"

namespace pgsidecar::sql {

// #variable_conflict and #print_strict_params decide which of two names is meant, no more.
void PlpgsqlReader::Options() {
  while (Skip("#")) {
    if (!NextIs("variable_conflict") && !NextIs("print_strict_params")) return Fail("option");
    ++next_;
    ExpectName();
  }
}

void PlpgsqlReader::Declarations() {
  while (Skip("declare")) {
  }
  while (!failed() && !AtEnd() && !NextIs("begin")) {
    if (!Skip("declare")) Declaration();
  }
}

void PlpgsqlReader::Declaration() {
  const std::string name = Next().text;
  ExpectName();
  // An assignment to it would be one to another name.
  if (NextIs("alias")) return Fail("alias");
  const bool is_cursor = NextIs("cursor") || NextIs("scroll") || NextIs("no");
  if (is_cursor) return Cursor(name);
  Skip("constant");
  const size_t end = Find({";", ":=", "=", "default", "not", "collate"});
  Type(end);
  if (failed()) return;
  next_ = end;
  if (Skip("collate")) {
    ExpectName();
    if (Skip(".")) ExpectName();
  }
  if (Skip("not")) Expect("null");
  if (Skip(":=") || Skip("=") || Skip("default")) ExpressionUntil({";"});
  Expect(";");
}

void PlpgsqlReader::Cursor(const std::string& name) {
  Skip("no");
  Skip("scroll");
  Expect("cursor");
  if (Skip("(")) CursorArguments();
  if (!Skip("for")) Expect("is");
  QueryUntil({";"});
  Expect(";");
  cursors_.insert(name);
}

void PlpgsqlReader::CursorArguments() {
  do {
    ExpectName();
    const size_t end = Find({",", ")"});
    Type(end);
    if (failed()) return;
    next_ = end;
  } while (Skip(","));
  Expect(")");
}

// From the next word up to `end`.
void PlpgsqlReader::Type(size_t end) {
  if (failed()) return;
  if (end == next_) return Fail("missing type");
  // Made of whatever is assigned to it, or holding nothing but a name.
  if (end == next_ + 1 && (NextIs("record") || NextIs("refcursor"))) return;
  for (size_t i = next_; i < end; ++i) {
    if (!Is(i, "%")) continue;
    if (i + 2 != end) return Fail("type of an array of a type");
    if (Is(i + 1, "rowtype")) return TypeOf(next_, i, /*of_row=*/true);
    if (Is(i + 1, "type")) return TypeOf(next_, i, /*of_row=*/false);
    return Fail("type");
  }
  Query("SELECT v::" + Text(next_, end));
}

// schema.table%ROWTYPE, schema.table.column%TYPE. variable%TYPE is nothing new, but without such a
// variable the name is a type's.
void PlpgsqlReader::TypeOf(size_t begin, size_t end, bool of_row) {
  if ((end - begin) % 2 == 0) return Fail("name of a type");
  std::vector<std::string> names;
  for (size_t i = begin; i < end; ++i) {
    const bool is_dot = (i - begin) % 2 == 1;
    if (is_dot ? !Is(i, ".") : !At(i).is_name) return Fail("name of a type");
    if (!is_dot) names.push_back(At(i).text);
  }
  if (!of_row && names.size() == 1) {
    routine_.possible_types.push_back(names[0]);
    return;
  }
  if (!of_row) names.pop_back();
  if (names.empty() || names.size() > 2) return Fail("name of a type");
  routine_.row_types.push_back({names.size() == 2 ? names[0] : "", names.back()});
}

}  // namespace pgsidecar::sql
