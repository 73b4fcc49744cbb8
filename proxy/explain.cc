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

std::string ColumnName(const catalog::ColumnId& id, const catalog::Catalog& catalog) {
  for (const catalog::TrackedColumn& column : catalog.TrackedColumns(id.relation)) {
    if (column.id == id.column) return column.name;
  }
  return "?";
}

std::string TextOf(const sql::Value& value, const sql::Literals& literals) {
  if (value.kind == sql::ValueKind::kNull) return "NULL";
  if (value.kind == sql::ValueKind::kParameter) {
    return (value.array ? "ANY ($" : "$") + std::to_string(value.parameter) +
           (value.array ? ")" : "");
  }
  std::string scratch;
  std::string text = value.negative ? "-" : "";
  text += value.literal == 0 ? std::string_view(value.text)
                             : literals.Value(value.literal - 1, &scratch);
  return value.kind == sql::ValueKind::kString ? "'" + text + "'" : text;
}

// "id = 5", "id = 1 or $1"
std::string Condition(const catalog::KeyedColumn& column, const sql::Literals& literals,
                      const catalog::Catalog& catalog) {
  std::string text = ColumnName(column.id, catalog) + " = ";
  if (column.values.empty()) return text + "NULL";
  for (const sql::Value& value : column.values) {
    if (&value != column.values.data()) text += " or ";
    text += TextOf(value, literals);
  }
  return text;
}

// Which rows of the relation a statement writes, by each column that rows are told apart by.
std::string WrittenRows(catalog::Oid relation, const catalog::Resolved& resolved,
                        const sql::Literals& literals, const catalog::Catalog& catalog) {
  std::string text;
  for (const catalog::KeyedColumn& column : resolved.written_values) {
    if (column.id.relation != relation) continue;
    text += (text.empty() ? ": rows with " : ", ") + Condition(column, literals, catalog);
  }
  if (text.empty()) return text;
  for (const catalog::ColumnId& column : resolved.written_columns) {
    if (column.relation == relation) text += ", any " + ColumnName(column, catalog);
  }
  return text;
}

// What all the statements do when they run.
void AddEffects(const std::vector<catalog::Resolved>& all, const sql::Literals& literals,
                const catalog::Catalog& catalog, Lines& lines) {
  std::set<std::string> written;
  bool anything = false;
  catalog::Pin pin = catalog::Pin::kNone;
  for (const catalog::Resolved& resolved : all) {
    anything |= resolved.writes_anything;
    for (const catalog::Oid relation : resolved.writes) {
      written.insert(FullName(relation, catalog) +
                     WrittenRows(relation, resolved, literals, catalog));
    }
    if (pin == catalog::Pin::kNone) pin = resolved.pin;
  }
  if (anything) {
    lines.Add("invalidates", "everything: what it writes cannot be bounded");
  } else {
    for (const std::string& relation : written) {
      lines.Add("invalidates", "what depends on " + relation);
    }
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

void AddDependencies(const catalog::Resolved& resolved, const sql::Literals& literals,
                     const catalog::Catalog& catalog, Lines& lines) {
  if (resolved.reads.empty()) return lines.Add("depends on", "no relation");
  for (const catalog::Oid relation : resolved.reads) {
    std::string rows;
    for (const catalog::KeyedRead& read : resolved.keyed_reads) {
      if (read.relation != relation) continue;
      for (const catalog::KeyedColumn& column : read.references) {
        rows +=
            (rows.empty() ? ", rows with " : ", and with ") + Condition(column, literals, catalog);
      }
    }
    lines.Add("depends on", FullName(relation, catalog) + (rows.empty() ? ", all rows" : rows));
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
  const auto [record, places] = book.Get(request.sql);
  const sql::Literals literals = {request.sql, places};
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
    if (!config.row_precision) all.back().ForgetRows();
  }
  if (all.size() == 1 && all[0].refusal == Refusal::kNone) {
    const sql::StatementInfo& statement = info.statements[0];
    explanation.cacheable = AddPolicy(request, config, record->text(), statement,
                                      catalog::RelationsOf(statement, names, catalog), lines);
    AddDependencies(all[0], literals, catalog, lines);
    lines.Add("key",
              "its text, parameters with types and formats, result formats, database, user, role, "
              "and every setting of the session that can change a result");
  } else {
    refuse(RefusalName(all.empty()       ? Refusal::kNotASelect
                       : all.size() == 1 ? all[0].refusal
                                         : Refusal::kMultipleStatements));
  }
  AddEffects(all, literals, catalog, lines);
  lines.Add("as", request.user + ", with search_path " + request.search_path);
  explanation.text = lines.Take();
  return explanation;
}

}  // namespace pgsidecar::proxy
