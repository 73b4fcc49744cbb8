// The rules of the configuration ([[rule]] in the TOML file): which statements of which sessions
// the cache treats how. The first rule that matches holds.

#ifndef PGSIDECAR_PROXY_RULES_H_
#define PGSIDECAR_PROXY_RULES_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/cache_policy.h"
#include "sql/statement_info.h"

namespace pgsidecar::proxy {

struct Config;

// An empty text matches anything.
struct Rule {
  std::string relation{};  // schema.name, or name in whatever schema
  std::string
      pattern{};       // of the text or its template: * for any letters, ? for one; case is ignored
  std::string user{};  // who has logged in
  std::string application_name{};
  std::string database{};
  CacheWishes wishes{};
  bool operator==(const Rule&) const = default;
};

// Who asks, as far as rules may ask for it.
struct SessionIdentity {
  std::string user{};
  std::string application_name;
  std::string database;
};

// What is read, as far as rules may ask for it.
struct StatementFacts {
  std::string_view text;
  std::span<const sql::QualifiedName> relations;
};

// Whether all of `text` is what `pattern` says.
bool GlobMatches(std::string_view pattern, std::string_view text);

std::optional<size_t> FindRule(std::span<const Rule> rules, const StatementFacts& statement,
                               const SessionIdentity& session);

// Full-text and similarity search and ILIKE; anything else is kQuery. Which rows are content no
// text shows: that takes a rule or a hint.
CacheClass ClassOf(const sql::StatementInfo& statement);

// What is known of a statement in one kind of session before a call of it: remembered.
struct StatementPolicy {
  CacheWishes hint{};
  bool bad_hint = false;
  CacheWishes rule{};
  std::optional<size_t> rule_index{};
  CacheClass cache_class = CacheClass::kQuery;
};

StatementPolicy MakeStatementPolicy(const Config& config, const sql::StatementInfo& statement,
                                    std::string_view text,
                                    std::span<const sql::QualifiedName> relations,
                                    const SessionIdentity& session);

// What holds for a call. `ceiling` is what the configuration allows the session at most, `own` what
// it has set for itself. Of the modes the narrowest holds; of ages and levels what is nearest to
// the call: the hint, then the session, then the rule, then the configuration.
CachePolicy PolicyOf(const Config& config, const StatementPolicy& statement, CacheMode ceiling,
                     const CacheWishes& own);

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_RULES_H_
