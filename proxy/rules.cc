#include "proxy/rules.h"

#include <algorithm>
#include <array>

#include "proxy/config.h"
#include "proxy/hint.h"

namespace pgsidecar::proxy {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool Matches(std::string_view wanted, std::string_view value) {
  return wanted.empty() || wanted == value;
}

bool MatchesRelation(const Rule& rule, std::span<const sql::QualifiedName> relations) {
  if (rule.relation.empty()) return true;
  return std::any_of(relations.begin(), relations.end(), [&](const sql::QualifiedName& relation) {
    return rule.relation == relation.name || rule.relation == relation.schema + "." + relation.name;
  });
}

template <typename T>
T FirstOf(const std::optional<T>& a, const std::optional<T>& b, const std::optional<T>& c,
          T otherwise) {
  if (a) return *a;
  if (b) return *b;
  return c.value_or(otherwise);
}

}  // namespace

// After a mismatch only the last star can take more: never more than pattern times text steps.
bool GlobMatches(std::string_view pattern, std::string_view text) {
  size_t p = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;
  size_t star_end = 0;  // how far into the text the last star reaches
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_end = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || Lower(pattern[p]) == Lower(text[t]))) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++star_end;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

std::optional<size_t> FindRule(std::span<const Rule> rules, const StatementFacts& statement,
                               const SessionIdentity& session) {
  for (size_t i = 0; i < rules.size(); ++i) {
    const Rule& rule = rules[i];
    if (Matches(rule.user, session.user) && Matches(rule.database, session.database) &&
        Matches(rule.application_name, session.application_name) &&
        MatchesRelation(rule, statement.relations) &&
        (rule.pattern.empty() || GlobMatches(rule.pattern, statement.text))) {
      return i;
    }
  }
  return std::nullopt;
}

CacheClass ClassOf(const sql::StatementInfo& statement) {
  // Text search, ILIKE, pg_trgm's distances. Its % is a remainder as well, and says nothing.
  constexpr std::array<std::string_view, 9> kSearch = {"@@",   "@@@",  "~~*", "!~~*", "<->",
                                                       "<<->", "<->>", "<%",  "%>"};
  const bool searches = std::any_of(
      statement.operators.begin(), statement.operators.end(), [&](const sql::QualifiedName& used) {
        return std::find(kSearch.begin(), kSearch.end(), used.name) != kSearch.end();
      });
  return searches ? CacheClass::kSearch : CacheClass::kQuery;
}

StatementPolicy MakeStatementPolicy(const Config& config, const sql::StatementInfo& statement,
                                    std::string_view text,
                                    std::span<const sql::QualifiedName> relations,
                                    const SessionIdentity& session) {
  StatementPolicy policy;
  const Hint hint = ReadHint(text);
  policy.hint = hint.wishes;
  policy.bad_hint = hint.bad;
  policy.cache_class = ClassOf(statement);
  policy.rule_index = FindRule(config.rules, {text, relations}, session);
  if (policy.rule_index) policy.rule = config.rules[*policy.rule_index].wishes;
  return policy;
}

CachePolicy PolicyOf(const Config& config, const StatementPolicy& statement, CacheMode ceiling,
                     const CacheWishes& own) {
  CachePolicy policy;
  policy.mode = std::min({ceiling, own.cache.value_or(CacheMode::kOn),
                          statement.rule.cache.value_or(CacheMode::kOn),
                          statement.hint.cache.value_or(CacheMode::kOn)});
  if (statement.bad_hint) policy.mode = CacheMode::kOff;
  if (policy.mode == CacheMode::kOff) {
    policy.off_because = statement.bad_hint                        ? "bad_hint"
                         : statement.hint.cache == CacheMode::kOff ? "off_by_hint"
                         : statement.rule.cache == CacheMode::kOff ? "off_by_rule"
                                                                   : "cache_off";
  }
  policy.cache_class =
      FirstOf(statement.hint.cache_class, {}, statement.rule.cache_class, statement.cache_class);
  const Consistency level = FirstOf(statement.hint.consistency, own.consistency,
                                    statement.rule.consistency, config.consistency);
  policy.read.check_stamps = level != Consistency::kTtl;
  policy.read.max_age = FirstOf(statement.hint.ttl, own.ttl, statement.rule.ttl,
                                config.MaxAge(policy.cache_class, level));
  policy.max_entry_bytes = config.MaxEntryBytes(policy.cache_class);
  return policy;
}

}  // namespace pgsidecar::proxy
