#include "proxy/console_cache.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "proxy/advice.h"
#include "proxy/console_table.h"
#include "proxy/hub.h"

namespace pgsidecar::proxy {

LocalAnswer ShowStatements(const Hub& hub) {
  constexpr size_t kMaxRows = 1000;
  std::vector<std::pair<const Database*, const StatementRecord*>> all;
  for (const auto& database : hub.databases()) {
    for (const auto& record : database->book.records()) {
      if (record->counts.calls > 0) all.emplace_back(database.get(), record.get());
    }
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return a.second->counts.calls > b.second->counts.calls;
  });
  if (all.size() > kMaxRows) all.resize(kMaxRows);
  std::vector<Row> rows;
  for (const auto& [database, record] : all) {
    const CallCounts& counts = record->counts;
    rows.push_back({Text(database->name()), Count(counts.calls), Count(counts.hits),
                    Count(counts.misses), Count(counts.bypasses), Count(counts.invalidated),
                    Count(counts.expired), Milliseconds(counts.server_time_saved),
                    Count(counts.observed_hits), Milliseconds(counts.observed_server_time),
                    Count(counts.verify_matches), Count(counts.verify_mismatches),
                    counts.cache_class ? Text(CacheClassName(*counts.cache_class)) : Value(),
                    TextOrNull(counts.last_bypass), TextOrNull(AdviceFor(counts.last_bypass)),
                    Text(record->text())});
  }
  return Show({"database", "calls", "hits", "misses", "bypasses", "invalidations", "expired",
               "saved_ms", "observed_hits", "observed_saved_ms", "verify_matches",
               "verify_mismatches", "class", "bypass_because", "advice", "query"},
              std::move(rows));
}

LocalAnswer ShowRules(const Hub& hub) {
  std::vector<Row> rows;
  const std::vector<Rule>& rules = hub.config().rules;
  for (size_t i = 0; i < rules.size(); ++i) {
    const Rule& rule = rules[i];
    const CacheWishes& wishes = rule.wishes;
    rows.push_back({Count(i + 1), TextOrNull(rule.relation), TextOrNull(rule.pattern),
                    TextOrNull(rule.user), TextOrNull(rule.application_name),
                    TextOrNull(rule.database),
                    wishes.cache_class ? Text(CacheClassName(*wishes.cache_class)) : Value(),
                    wishes.ttl ? Text(FormatDuration(*wishes.ttl)) : Value(),
                    wishes.cache ? Text(CacheModeName(*wishes.cache)) : Value(),
                    wishes.consistency ? Text(ConsistencyName(*wishes.consistency)) : Value(),
                    Count(hub.statistics().rule_matches[i])});
  }
  return Show({"rule", "relation", "pattern", "user", "application_name", "database", "class",
               "ttl", "cache", "consistency", "matches"},
              std::move(rows));
}

LocalAnswer ShowMismatches(const Hub& hub, TimePoint now) {
  std::vector<Row> rows;
  for (const Mismatch& mismatch : hub.mismatches().newest()) {
    rows.push_back(
        {Seconds(now - mismatch.at), Text(VerdictName(mismatch.verdict)), Text(mismatch.database),
         Text(mismatch.user), Text(mismatch.role), Text(mismatch.environment), Text(mismatch.key),
         Milliseconds(mismatch.age), Count(mismatch.cached_rows), Count(mismatch.server_rows),
         Count(mismatch.parameters), Text(mismatch.parameters_hash), Text(mismatch.query)});
  }
  return Show({"ago_seconds", "difference", "database", "user", "role", "environment", "key",
               "age_ms", "cached_rows", "server_rows", "parameters", "parameters_hash", "query"},
              std::move(rows));
}

}  // namespace pgsidecar::proxy
