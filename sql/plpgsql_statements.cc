// Blocks and the statements in them.

#include <array>

#include "sql/plpgsql_reader.h"

namespace pgsidecar::sql {

namespace {

constexpr int kMaxBlockDepth = 100;

}  // namespace

void PlpgsqlReader::Label() {
  Expect("<<");
  ExpectName();
  Expect(">>");
}

// Up to the END of the block and its label; the semicolon is the caller's.
void PlpgsqlReader::Block() {
  Declarations();
  Expect("begin");
  Statements({"end", "exception"});
  if (Skip("exception")) Handlers();
  Expect("end");
  if (!AtEnd() && !NextIs(";")) ExpectName();
}

void PlpgsqlReader::Handlers() {
  while (Skip("when")) {
    do {
      if (Skip("sqlstate")) {
        if (Next().token != PG_QUERY__TOKEN__SCONST) return Fail("SQLSTATE");
        ++next_;
      } else {
        ExpectName();
      }
    } while (Skip("or"));
    Expect("then");
    Statements({"when", "end"});
  }
}

void PlpgsqlReader::Statements(Words ends) {
  if (++depth_ > kMaxBlockDepth) Fail("body nested too deeply");
  while (!failed()) {
    if (AtEnd()) {
      Fail("body without an end");
      break;
    }
    bool at_end = false;
    for (const std::string_view end : ends) at_end = at_end || NextIs(end);
    if (at_end && !Is(next_ + 1, ":=") && !Is(next_ + 1, "=")) break;
    Statement();
  }
  --depth_;
}

void PlpgsqlReader::Statement() {
  if (NextIs("<<")) Label();
  if (Assignment()) return;
  // A quoted name begins nothing but an assignment.
  if (!Next().is_name || Next().is_quoted) return Sql();
  StatementNamed(Next().text);
}

// name := expression, name.field[i] = expression. The words of the language may be variables, too.
bool PlpgsqlReader::Assignment() {
  if (!Next().is_name && Next().token != PG_QUERY__TOKEN__PARAM) return false;
  size_t at = next_ + 1;
  bool has_fields = false;
  bool has_subscripts = false;
  while (Is(at, ".") || Is(at, "[")) {
    if (Is(at, ".")) {
      has_fields = true;
      if (!At(at + 1).is_name) return false;
      at += 2;
      continue;
    }
    has_subscripts = true;
    int depth = 0;
    do {
      if (Is(at, "[")) ++depth;
      if (Is(at, "]")) --depth;
      if (++at > words_.size()) return false;
    } while (depth > 0);
  }
  if (!Is(at, ":=") && !Is(at, "=")) return false;
  routine_.assigned.push_back(Next().text);
  if (has_fields || has_subscripts) routine_.assigns_field = true;
  if (has_subscripts) Expression(next_, at);
  if (failed()) return true;
  next_ = at + 1;
  ExpressionUntil({";"});
  Expect(";");
  return true;
}

void PlpgsqlReader::StatementNamed(std::string_view word) {
  struct Form {
    std::string_view word;
    void (PlpgsqlReader::*read)();
  };
  static constexpr auto kForms = std::to_array<Form>({
      {"if", &PlpgsqlReader::If},
      {"case", &PlpgsqlReader::Case},
      {"loop", &PlpgsqlReader::LoopBody},
      {"for", &PlpgsqlReader::For},
      {"foreach", &PlpgsqlReader::ForEach},
      {"exit", &PlpgsqlReader::Exit},
      {"continue", &PlpgsqlReader::Exit},
      {"return", &PlpgsqlReader::Return},
      {"raise", &PlpgsqlReader::Raise},
      {"get", &PlpgsqlReader::GetDiagnostics},
      {"open", &PlpgsqlReader::Open},
      {"fetch", &PlpgsqlReader::Fetch},
      {"move", &PlpgsqlReader::Fetch},
      {"close", &PlpgsqlReader::CloseCursor},
  });
  for (const Form& form : kForms) {
    if (form.word == word) return (this->*form.read)();
  }
  if (word == "begin" || word == "declare") {
    Block();
  } else if (word == "while") {
    ++next_;
    ExpressionUntil({"loop"});
    return LoopBody();
  } else if (word == "perform" || word == "assert") {
    ++next_;
    ExpressionUntil({";"});
  } else if (word == "null" || word == "execute" || word == "commit" || word == "rollback") {
    ++next_;
    if (word == "execute") Fail("dynamic SQL");
    if (word == "commit" || word == "rollback") Fail("transaction control");
  } else {
    return Sql();
  }
  Expect(";");
}

void PlpgsqlReader::If() {
  Expect("if");
  do {
    ExpressionUntil({"then"});
    Expect("then");
    Statements({"elsif", "elseif", "else", "end"});
  } while (Skip("elsif") || Skip("elseif"));
  if (Skip("else")) Statements({"end"});
  Expect("end");
  Expect("if");
  Expect(";");
}

// Each value after WHEN is compared with the expression by an = that the text does not show.
void PlpgsqlReader::Case() {
  Expect("case");
  if (!NextIs("when")) {
    ExpressionUntil({"when"});
    Query("SELECT a = b");
  }
  while (Skip("when")) {
    ExpressionUntil({"then"});
    Expect("then");
    Statements({"when", "else", "end"});
  }
  if (Skip("else")) Statements({"end"});
  Expect("end");
  Expect("case");
  Expect(";");
}

void PlpgsqlReader::LoopBody() {
  Expect("loop");
  Statements({"end"});
  Expect("end");
  Expect("loop");
  if (!AtEnd() && !NextIs(";")) ExpectName();
  Expect(";");
}

// FOR i IN [REVERSE] a .. b [BY c], FOR row IN cursor (...), FOR row IN query.
void PlpgsqlReader::For() {
  Expect("for");
  Targets();
  Expect("in");
  if (NextIs("execute")) return Fail("dynamic SQL");
  const size_t loop = Find({"loop"});
  if (failed()) return;
  const size_t dots = Find({"..", "loop"});
  if (dots < loop) {
    Skip("reverse");
    Expression(next_, dots);
    next_ = dots + 1;
    const size_t end = Find({"by", "loop"});
    Expression(next_, end);
    next_ = end;
    if (Skip("by")) ExpressionUntil({"loop"});
  } else if (Next().is_name && (next_ + 1 == loop || Is(next_ + 1, "(")) && !NextIs("values") &&
             !NextIs("select")) {
    DeclaredCursor();
    if (next_ < loop) Expression(next_, loop);
    if (!failed()) next_ = loop;
  } else {
    QueryUntil({"loop"});
  }
  LoopBody();
}

void PlpgsqlReader::ForEach() {
  Expect("foreach");
  Targets();
  if (Skip("slice")) {
    if (Next().token != PG_QUERY__TOKEN__ICONST) return Fail("SLICE");
    ++next_;
  }
  Expect("in");
  Expect("array");
  ExpressionUntil({"loop"});
  LoopBody();
}

void PlpgsqlReader::Exit() {
  ++next_;
  if (!NextIs("when")) SkipName();
  if (Skip("when")) ExpressionUntil({";"});
  Expect(";");
}

void PlpgsqlReader::Return() {
  Expect("return");
  if (Skip("query")) {
    if (NextIs("execute")) return Fail("dynamic SQL");
    QueryUntil({";"});
  } else {
    Skip("next");
    routine_.returns_expression = true;
    if (!NextIs(";")) ExpressionUntil({";"});
  }
  Expect(";");
}

// RAISE [level] [format, expression ... | condition | SQLSTATE code] [USING option = expression
// ...]
void PlpgsqlReader::Raise() {
  static constexpr std::array<std::string_view, 6> kLevels = {"debug",  "log",     "info",
                                                              "notice", "warning", "exception"};
  Expect("raise");
  for (const std::string_view level : kLevels) {
    if (Skip(level)) break;
  }
  if (Skip("sqlstate")) {
    if (Next().token != PG_QUERY__TOKEN__SCONST) return Fail("SQLSTATE");
    ++next_;
  } else if (Next().token == PG_QUERY__TOKEN__SCONST) {
    ++next_;
    while (Skip(",")) ExpressionUntil({",", "using", ";"});
  } else if (!NextIs("using") && !NextIs(";")) {
    ExpectName();
  }
  if (Skip("using")) RaiseOptions();
  Expect(";");
}

void PlpgsqlReader::RaiseOptions() {
  do {
    ExpectName();
    if (!Skip("=")) Expect(":=");
    ExpressionUntil({",", ";"});
  } while (Skip(","));
}

// GET [CURRENT | STACKED] DIAGNOSTICS variable = item ...
void PlpgsqlReader::GetDiagnostics() {
  Expect("get");
  if (!Skip("current")) Skip("stacked");
  Expect("diagnostics");
  do {
    Target();
    if (!Skip("=")) Expect(":=");
    ExpectName();
  } while (Skip(","));
  Expect(";");
}

void PlpgsqlReader::DeclaredCursor() {
  const std::string name = Next().text;
  ExpectName();
  if (!cursors_.contains(name)) return Fail("cursor that is not declared with its query");
  used_cursors_.insert(name);
}

void PlpgsqlReader::Open() {
  Expect("open");
  DeclaredCursor();
  if (!NextIs(";")) ExpressionUntil({";"});  // the cursor's arguments
  Expect(";");
}

// FETCH [direction] [FROM | IN] cursor INTO target; MOVE has no target. A direction is words,
// and a count, which is not read.
void PlpgsqlReader::Fetch() {
  static constexpr std::array<std::string_view, 8> kDirections = {
      "next", "prior", "first", "last", "forward", "backward", "all", "from"};
  const bool has_target = NextIs("fetch");
  ++next_;
  for (const std::string_view direction : kDirections) Skip(direction);
  Skip("in");
  DeclaredCursor();
  if (has_target) {
    Expect("into");
    Targets();
  }
  Expect(";");
}

void PlpgsqlReader::CloseCursor() {
  Expect("close");
  DeclaredCursor();
  Expect(";");
}

void PlpgsqlReader::Targets() {
  do Target();
  while (Skip(","));
}

// A variable could have a reserved word's name; but then STRICT, say, could be one, and the word be
// SQL's.
void PlpgsqlReader::Target() {
  if (Next().is_reserved) return Fail("reserved word as a target");
  routine_.assigned.push_back(Next().text);
  if (Next().token == PG_QUERY__TOKEN__PARAM) {
    ++next_;
  } else {
    ExpectName();
  }
  while (Skip(".")) {
    routine_.assigns_field = true;
    ExpectName();
  }
}

// A statement of SQL. INTO is PL/pgSQL's own wherever it stands, unless INSERT or MERGE is before
// it; it is taken out.
void PlpgsqlReader::Sql() {
  const size_t begin = next_;
  const size_t end = Find({";"});
  if (failed()) return;
  size_t into = begin;
  while (into < end && !(Is(into, "into") && !Is(into - 1, "insert") && !Is(into - 1, "merge"))) {
    ++into;
  }
  if (into == begin) return Fail("INTO without a statement");
  std::string text = Text(begin, into);
  if (into < end) {
    next_ = into + 1;
    Skip("strict");
    Targets();
    if (failed()) return;
    text += " " + Text(next_, end);
  }
  Query(text);
  if (failed()) return;
  next_ = end;
  Expect(";");
}

}  // namespace pgsidecar::sql
