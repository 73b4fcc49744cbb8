// Private to sql/: reads one body of LANGUAGE plpgsql token by token, and has every expression and
// statement of SQL in it analysed.
//
// libpg_query has PL/pgSQL's own parser, too, but that refuses what it would have to look up
// (fields of records, cursors with arguments) and prints a tree without everything in it. Only the
// frame of the language is read here: where an expression ends is decided as PL/pgSQL decides it,
// by the first THEN, LOOP, semicolon ... outside of brackets.
//
// Invariant: each token is either part of a fixed form of words and names, or of a text that
// Analyze() has seen; whatever fits neither ends the reading, as not understood.

#ifndef PGSIDECAR_SQL_PLPGSQL_READER_H_
#define PGSIDECAR_SQL_PLPGSQL_READER_H_

#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sql/prescan.h"
#include "sql/routine.h"

namespace pgsidecar::sql {

class PlpgsqlReader {
 public:
  // REQUIRES: `body` may be scanned, and outlives the reader.
  PlpgsqlReader(const std::string& body, const PgQuery__ScanResult& tokens);

  RoutineInfo Read();

 private:
  struct Word {
    PgQuery__Token token = PG_QUERY__TOKEN__NUL;
    size_t start = 0;
    size_t end = 0;
    std::string text;  // of an identifier or keyword: as the parser folds it; else as written
    bool is_name = false;
    bool is_quoted = false;
    bool is_reserved = false;  // by SQL: FROM, INTO ...
  };
  using Words = std::initializer_list<std::string_view>;

  // The words ahead. Past the last one there is an empty one.
  const Word& At(size_t index) const;
  const Word& Next() const { return At(next_); }
  bool AtEnd() const { return next_ >= words_.size(); }
  // An unquoted word, or a sign.
  bool Is(size_t index, std::string_view text) const;
  bool NextIs(std::string_view text) const { return Is(next_, text); }
  bool Skip(std::string_view text);
  bool SkipName();
  void Expect(std::string_view text);
  void ExpectName();
  void Fail(std::string_view reason);
  bool failed() const { return !routine_.unknown_reason.empty(); }
  // The first of `ends` outside of brackets, from the next word on; fails if there is none.
  size_t Find(Words ends);

  // SQL.
  void Query(std::string_view text);
  void Expression(size_t begin, size_t end);
  // Up to one of `ends`, which becomes the next word.
  void ExpressionUntil(Words ends);
  void QueryUntil(Words ends);
  std::string Text(size_t begin, size_t end) const;

  // Declarations (plpgsql_declarations.cc).
  void Options();
  void Declarations();
  void Declaration();
  void Cursor(const std::string& name);
  void CursorArguments();
  void Type(size_t end);
  void TypeOf(size_t begin, size_t end, bool of_row);

  // Statements (plpgsql_statements.cc).
  void Block();
  void Handlers();
  void Statements(Words ends);
  void Statement();
  bool Assignment();
  void StatementNamed(std::string_view word);
  void If();
  void Case();
  void LoopBody();
  void For();
  void ForEach();
  void Exit();
  void Return();
  void Raise();
  void RaiseOptions();
  void GetDiagnostics();
  void Open();
  void Fetch();
  void CloseCursor();
  void Sql();
  void Label();
  // The cursor's name is next, and it is known what the cursor runs.
  void DeclaredCursor();
  // Variables on the left of an assignment, behind INTO or FOR, with commas between them.
  void Targets();
  void Target();

  const std::string& body_;
  std::vector<Word> words_;
  size_t next_ = 0;
  int depth_ = 0;
  std::set<std::string> cursors_;       // declared with their query
  std::set<std::string> used_cursors_;  // must not be assigned another's name
  RoutineInfo routine_;
};

}  // namespace pgsidecar::sql

#endif  // PGSIDECAR_SQL_PLPGSQL_READER_H_
