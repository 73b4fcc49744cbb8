// The words of a body, and the texts of SQL between them.

#include "sql/plpgsql_reader.h"

#include <algorithm>
#include <span>

#include "sql/analyzer.h"
#include "sql/tree.h"

namespace pgsidecar::sql {

namespace {

// A name without its quotes. What has escapes in it is not read.
std::string NameOf(std::string_view written, bool* is_quoted) {
  *is_quoted = written.starts_with('"');
  if (!*is_quoted) return LowerCase(written);
  std::string name(written.substr(1, written.size() - 2));
  for (size_t at = name.find("\"\""); at != std::string::npos; at = name.find("\"\"", at + 1)) {
    name.erase(at, 1);
  }
  return name;
}

}  // namespace

PlpgsqlReader::PlpgsqlReader(const std::string& body, const PgQuery__ScanResult& tokens)
    : body_(body) {
  words_.reserve(tokens.n_tokens);
  for (const PgQuery__ScanToken* token : std::span(tokens.tokens, tokens.n_tokens)) {
    const bool is_comment =
        token->token == PG_QUERY__TOKEN__SQL_COMMENT || token->token == PG_QUERY__TOKEN__C_COMMENT;
    if (is_comment) continue;
    Word& word = words_.emplace_back();
    word.token = token->token;
    word.start = static_cast<size_t>(token->start);
    word.end = static_cast<size_t>(token->end);
    const std::string_view written =
        std::string_view(body).substr(word.start, word.end - word.start);
    word.is_name = token->token == PG_QUERY__TOKEN__IDENT ||
                   token->keyword_kind != PG_QUERY__KEYWORD_KIND__NO_KEYWORD;
    word.is_reserved = token->keyword_kind == PG_QUERY__KEYWORD_KIND__RESERVED_KEYWORD;
    word.text = word.is_name ? NameOf(written, &word.is_quoted) : std::string(written);
  }
}

RoutineInfo PlpgsqlReader::Read() {
  Options();
  if (NextIs("<<")) Label();
  Block();
  Skip(";");
  if (!AtEnd()) Fail("text behind the last END");
  for (const std::string& cursor : used_cursors_) {
    const auto& assigned = routine_.assigned;
    if (std::find(assigned.begin(), assigned.end(), cursor) != assigned.end()) {
      Fail("assignment to a cursor");
    }
  }
  return std::move(routine_);
}

const PlpgsqlReader::Word& PlpgsqlReader::At(size_t index) const {
  static const Word kNone;
  return index < words_.size() ? words_[index] : kNone;
}

bool PlpgsqlReader::Is(size_t index, std::string_view text) const {
  const Word& word = At(index);
  return !word.is_quoted && word.text == text;
}

bool PlpgsqlReader::Skip(std::string_view text) {
  if (!NextIs(text)) return false;
  ++next_;
  return true;
}

bool PlpgsqlReader::SkipName() {
  if (!Next().is_name) return false;
  ++next_;
  return true;
}

void PlpgsqlReader::Expect(std::string_view text) {
  if (!Skip(text)) Fail("no " + std::string(text) + " where one belongs");
}

void PlpgsqlReader::ExpectName() {
  if (!SkipName()) Fail("no name where one belongs");
}

// What is left is not looked at any more.
void PlpgsqlReader::Fail(std::string_view reason) {
  if (!failed()) routine_.unknown_reason = reason;
  next_ = words_.size();
}

size_t PlpgsqlReader::Find(Words ends) {
  int depth = 0;
  for (size_t i = next_; i < words_.size(); ++i) {
    if (depth == 0) {
      for (const std::string_view end : ends) {
        if (Is(i, end)) return i;
      }
    }
    if (Is(i, "(") || Is(i, "[")) ++depth;
    if (Is(i, ")") || Is(i, "]")) --depth;
    if (depth < 0) break;
  }
  Fail("expression without an end");
  return next_;
}

std::string PlpgsqlReader::Text(size_t begin, size_t end) const {
  if (begin >= end || end > words_.size()) return "";
  return body_.substr(words_[begin].start, words_[end - 1].end - words_[begin].start);
}

void PlpgsqlReader::Query(std::string_view text) {
  if (failed()) return;
  TextInfo info = Analyze(text);
  if (!info.parsed) return Fail(info.error);
  if (info.statements.size() != 1) return Fail("not one statement");
  routine_.statements.push_back(std::move(info.statements[0]));
}

void PlpgsqlReader::Expression(size_t begin, size_t end) {
  if (begin == end) return Fail("missing expression");
  Query("SELECT " + Text(begin, end));
}

void PlpgsqlReader::ExpressionUntil(Words ends) {
  const size_t end = Find(ends);
  Expression(next_, end);
  if (!failed()) next_ = end;
}

void PlpgsqlReader::QueryUntil(Words ends) {
  const size_t end = Find(ends);
  Query(Text(next_, end));
  if (!failed()) next_ = end;
}

RoutineInfo AnalyzePlpgsqlBody(std::string_view body) {
  RoutineInfo refused;
  const std::string text(body);
  if (text.size() > kMaxAnalyzedBytes) {
    refused.unknown_reason = "body longer than " + std::to_string(kMaxAnalyzedBytes) + " bytes";
  } else if (text.find('\0') != std::string::npos) {
    refused.unknown_reason = "body with a zero byte";
  } else if (HasLongSignRun(text)) {
    refused.unknown_reason = "run of signs too long";
  }
  if (!refused.understood()) return refused;
  const Tokens tokens = Scan(text);
  if (tokens == nullptr) {
    refused.unknown_reason = "body that does not scan";
    return refused;
  }
  return PlpgsqlReader(text, *tokens).Read();
}

}  // namespace pgsidecar::sql
