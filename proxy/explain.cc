#include "proxy/explain.h"

#include <algorithm>
#include <set>
#include <vector>

#include "catalog/relation_names.h"
#include "catalog/resolve.h"
#include "proxy/advice.h"
#include "proxy/hint.h"
#include "proxy/statement.h"

namespace pgsidecar::proxy {
namespace {

using catalog::Refusal;

class Lines {
 public:
  void Add(std::string_view word, std::string_view what) {
    text_.append(word).append(": ").append(what).push_back('\n');
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string FullName(catalog::Oid relation, const catalog::Catalog& catalog) {
  const sql::QualifiedName name = catalog::NameOf(relation, catalog);
  return name.schema.empty() ? name.name : name.schema + "." + name.name;
}

std::string List(const std::set<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

// What all the statements do when they run.
void AddEffects(const std::vector<catalog::Resolved>& all, const catalog::Catalog& catalog,
                Lines& lines) {
  std::set<std::string> written;
  bool anything = false;
  catalog::Pin pin = catalog::Pin::kNone;
  for (const catalog::Resolved& resolved : all) {
    anything |= resolved.writes_anything;
    for (const catalog::Oid relation : resolved.writes) written.insert(FullName(relation, catalog));
    if (pin == catalog::Pin::kNone) pin = resolved.pin;
  }
  if (anything) {
    lines.Add("invalidates", "everything: what it writes cannot be bounded");
  } else if (!written.empty()) {
    lines.Add("invalidates", "what depends on " + List(written));
  }
  if (pin != catalog::Pin::kNone) {
    lines.Add("afterwards",
              "the session keeps its server connection: " + std::string(catalog::PinName(pin)));
  }
}

std::string Describe(size_t index, const Rule& rule) {
  std::string text = std::to_string(index + 1);
  const auto add = [&text](std::string_view name, const std::string& value) {
    if (!value.empty()) text.append(", ").append(name).append(" = \"").append(value).append("\"");
  };
  add("relation", rule.relation);
  add("pattern", rule.pattern);
  add("user", rule.user);
  add("application_name", rule.application_name);
  add("database", rule.database);
  return text;
}

// How a statement that may be cached is cached; false if rule or hint forbid it.
bool AddPolicy(const ExplainRequest& request, const Config& config, std::string_view text,
               const sql::StatementInfo& statement,
               const std::vector<sql::QualifiedName>& relations, Lines& lines) {
  const SessionIdentity session = {
      .user = request.user, .application_name = "", .database = request.database};
  const StatementPolicy found = MakeStatementPolicy(config, statement, text, relations, session);
  const CachePolicy policy = PolicyOf(config, found, config.cache, {});
  const bool cached = policy.mode != CacheMode::kOff;
  lines.Add("cacheable", cached ? "yes" : "no");
  if (!cached) {
    lines.Add("because", policy.off_because);
    lines.Add("advice", AdviceFor(policy.off_because));
  }
  lines.Add("mode", CacheModeName(policy.mode));
  lines.Add("class", CacheClassName(policy.cache_class));
  lines.Add("ttl", FormatDuration(policy.read.max_age));
  lines.Add("consistency", policy.read.check_stamps ? "session" : "ttl: writes are not watched");
  lines.Add("rule", found.rule_index ? Describe(*found.rule_index, config.rules[*found.rule_index])
                                     : "none");
  return cached;
}

void AddDependencies(const catalog::Resolved& resolved, const catalog::Catalog& catalog,
                     Lines& lines) {
  if (resolved.reads.empty()) return lines.Add("depends on", "no relation");
  for (const catalog::Oid relation : resolved.reads) {
    lines.Add("depends on", FullName(relation, catalog) + ", all rows");
  }
}

}  // namespace

Explanation Explain(const ExplainRequest& request, const Config& config,
                    const catalog::Catalog& catalog) {
  Lines lines;
  Explanation explanation;
  const auto refuse = [&lines](std::string_view reason) {
    lines.Add("cacheable", "no");
    lines.Add("because", reason);
    lines.Add("advice", AdviceFor(reason));
  };
  // As a session would meet it: literals that make no difference are not seen by rules.
  StatementBook book(/*max_statements=*/1, /*max_bytes=*/size_t{64} << 20);
  const auto record = book.Get(request.sql).record;
  const sql::TextInfo& info = record->info();
  if (!info.parsed) {
    refuse(RefusalName(Refusal::kNotUnderstood));
    lines.Add("parser", info.error);
    lines.Add("invalidates", "everything: it is not understood");
    explanation.text = lines.Take();
    return explanation;
  }
  const catalog::NameContext names = {.search_path = request.search_path, .user = request.user};
  std::vector<catalog::Resolved> all;
  for (const sql::StatementInfo& statement : info.statements) {
    all.push_back(catalog::Resolve(statement, names, &catalog));
  }
  if (all.size() == 1 && all[0].refusal == Refusal::kNone) {
    const sql::StatementInfo& statement = info.statements[0];
    explanation.cacheable = AddPolicy(request, config, record->text(), statement,
                                      catalog::RelationsOf(statement, names, catalog), lines);
    AddDependencies(all[0], catalog, lines);
    lines.Add("key",
              "its text, parameters with types and formats, result formats, database, user, role, "
              "and every setting of the session that can change a result");
  } else {
    refuse(RefusalName(all.empty()       ? Refusal::kNotASelect
                       : all.size() == 1 ? all[0].refusal
                                         : Refusal::kMultipleStatements));
  }
  AddEffects(all, catalog, lines);
  lines.Add("as", request.user + ", with search_path " + request.search_path);
  explanation.text = lines.Take();
  return explanation;
}

}  // namespace pgsidecar::proxy
