// The closures of reading and of writing a relation.

#include "catalog/closure.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "catalog/functions.h"
#include "catalog/judge.h"
#include "catalog/remembered.h"
#include "sql/analyzer.h"

namespace pgsidecar::catalog {
namespace {

// Operations that are not said.
constexpr uint8_t kAllOperations = 0x3f;

// What running a text that PostgreSQL printed does.
Effects EffectsOfQuery(const Catalog& catalog, const std::string& text, const Frame& frame) {
  Effects effects;
  const sql::TextInfo info = sql::Analyze(text);
  if (!info.IsSingle(sql::StatementKind::kSelect)) {
    effects.reads_incomplete = true;
    effects.RunsUnknown(Refusal::kNotUnderstood);
    return effects;
  }
  const Path only_pg_catalog;
  Judge(catalog, only_pg_catalog, frame, effects).Run(info.statements[0]);
  return effects;
}

// Policies count whichever role asks and whichever command they are for: too many reads only cost
// a miss.
void AddPolicies(const Catalog& catalog, const Relation& relation, const Frame& frame,
                 Effects& effects) {
  if (!relation.row_security) return;
  for (const std::string& policy : relation.policies) {
    Effects of_policy = EffectsOfExpression(catalog, policy, frame);
    if (of_policy.refusal != Refusal::kNone) of_policy.refusal = Refusal::kRowSecurity;
    effects.Add(of_policy);
  }
}

Refusal RefusalOfMember(const Relation& member) {
  if (member.kind == 'f') return Refusal::kForeignTable;
  if (member.persistence == 't') return Refusal::kTemporaryTable;
  if (member.persistence == 'u') return Refusal::kUnloggedTable;
  return Refusal::kNone;
}

void AddColumns(const Catalog& catalog, const Relation& relation, Effects& effects) {
  for (const Oid type : relation.column_types) {
    AddTypeEffects(catalog.FactsOf(type), effects);
  }
}

Effects SystemRead(const Relation& relation) {
  Effects effects;
  effects.reads_incomplete = true;
  effects.Refuse(Refusal::kSystemCatalog);
  if (relation.name == "pg_prepared_statements" || relation.name == "pg_cursors") {
    effects.AddPin(Pin::kPreparedStatement);
  }
  if (IsUserOid(relation.oid) && relation.kind == 'v') {
    effects.RunsUnknown(Refusal::kUnknownFunction);
  }
  return effects;
}

Effects ComputeRead(const Catalog& catalog, const Relation& relation, const Frame& frame) {
  if (catalog.IsSystemSchema(relation.schema)) return SystemRead(relation);
  Effects effects;
  AddColumns(catalog, relation, effects);
  switch (relation.kind) {
    case 'v':
      effects.Add(EffectsOfQuery(catalog, relation.view_text.value_or(""), frame));
      return effects;
    case 'r':
    case 'p':
    case 'm':
    case 'f':
      effects.reads.push_back(relation.root);
      for (const Relation* member : catalog.Tree(relation.root)) {
        const Refusal refusal = RefusalOfMember(*member);
        if (refusal != Refusal::kNone) effects.Refuse(refusal);
        AddColumns(catalog, *member, effects);
      }
      {
        Effects policies;
        AddPolicies(catalog, relation, frame, policies);
        effects.reads_itself = Contains(policies.reads, relation.root);
        effects.Add(policies);
      }
      return effects;
    case 'S':
      effects.Refuse(Refusal::kSequence);
      effects.reads_incomplete = true;
      return effects;
    default:
      effects.Refuse(Refusal::kUnknownRelation);
      effects.reads_incomplete = true;
      return effects;
  }
}

constexpr uint8_t kChangesRows = sql::kWriteInsert | sql::kWriteUpdate;
constexpr uint8_t kTakesDefaults = sql::kWriteInsert | sql::kWriteDefaults;

// What is evaluated when a row of this one table or view is inserted or updated.
const Effects& RowChecks(const Catalog& catalog, const Relation& table, uint8_t operations,
                         const Frame& outer) {
  const bool takes_defaults = (operations & kTakesDefaults) != 0;
  const uint64_t key = MemoKey(table.oid, kRowChecksKey | (takes_defaults ? 1 : 0));
  return Remembered(catalog, key, outer, [&](const Frame& frame) {
    Effects effects;
    if (table.has_user_opclass) effects.RunsUnknown(Refusal::kUnknownFunction);
    if (takes_defaults) {
      if (table.has_identity) effects.uses_sequence = true;
      for (const std::string& expression : table.defaults) {
        effects.AddRun(EffectsOfExpression(catalog, expression, frame));
      }
    }
    for (const std::string& expression : table.expressions) {
      effects.AddRun(EffectsOfExpression(catalog, expression, frame));
    }
    for (const Oid type : table.column_types) {
      const TypeFacts facts = catalog.FactsOf(type);
      AddTypeEffects(facts, effects);
      AddTypeExpressions(catalog, facts, frame, effects);
    }
    return effects;
  });
}

uint8_t CascadedUpdate(char action) {
  if (action == 'n') return sql::kWriteUpdate;
  return action == 'd' ? sql::kWriteUpdate | sql::kWriteDefaults : 0;
}

// What else is written because of these operations on a referenced table.
uint8_t CascadeOf(const ForeignKey& key, uint8_t operations) {
  uint8_t cascade = 0;
  if ((operations & sql::kWriteDelete) != 0) {
    if (key.on_delete == 'c') cascade |= sql::kWriteDelete;
    cascade |= CascadedUpdate(key.on_delete);
  }
  if ((operations & sql::kWriteUpdate) != 0) {
    if (key.on_update == 'c') cascade |= sql::kWriteUpdate;
    cascade |= CascadedUpdate(key.on_update);
  }
  if ((operations & sql::kWriteTruncateCascade) != 0) cascade |= sql::kWriteTruncateCascade;
  return cascade;
}

// The walk over everything that one write reaches: trees, by their root, with the operations that
// were done to each.
class WriteWalk {
 public:
  WriteWalk(const Catalog& catalog, const Frame& frame) : catalog_(catalog), frame_(frame) {}

  Effects Run(const Relation& relation, uint8_t operations) {
    target_ = relation.root;
    Reach(relation.oid, operations);
    while (!pending_.empty()) {
      const auto [root, todo] = pending_.back();
      pending_.pop_back();
      Visit(root, todo);
    }
    effects_.writes_itself = Contains(effects_.writes, target_);
    if (writes_target_) effects_.writes.push_back(target_);
    return std::move(effects_);
  }

 private:
  void Reach(Oid oid, uint8_t operations) {
    const Relation* relation = catalog_.FindRelation(oid);
    if (relation == nullptr) return effects_.RunsUnknown(Refusal::kUnknownRelation);
    uint8_t& done = done_[relation->root];
    const auto todo = static_cast<uint8_t>(operations & ~done);
    if (todo == 0) return;
    done |= todo;
    pending_.emplace_back(relation->root, todo);
  }

  void Visit(Oid root, uint8_t operations) {
    const auto members = catalog_.Tree(root);
    for (const Relation* member : members) VisitMember(*member, operations);
    // A row that moves to another partition is deleted from its own, and before PostgreSQL 15 that
    // is what the foreign keys saw.
    if (members.size() > 1 && (operations & sql::kWriteUpdate) != 0) {
      operations |= sql::kWriteDelete;
    }
    for (const ForeignKey& key : catalog_.ReferencesTo(root)) {
      const uint8_t cascade = CascadeOf(key, operations);
      if (cascade == 0) continue;
      const Relation* referencing = catalog_.FindRelation(key.referencing);
      if (referencing != nullptr && referencing->root == target_) {
        effects_.writes.push_back(target_);
      }
      Reach(key.referencing, cascade);
    }
  }

  void VisitMember(const Relation& member, uint8_t operations) {
    if (member.has_rules) effects_.RunsUnknown(Refusal::kUnknownFunction);
    AddTriggers(catalog_, member, operations, frame_, effects_);
    switch (member.kind) {
      case 'r':
      case 'p': {
        if (member.root == target_) {
          writes_target_ = true;
        } else {
          effects_.writes.push_back(member.root);
        }
        Effects policies;
        AddPolicies(catalog_, member, frame_, policies);
        effects_.AddRun(policies);
        if ((operations & kChangesRows) != 0) {
          effects_.AddRun(RowChecks(catalog_, member, operations, frame_));
        }
        return;
      }
      case 'v':
        return VisitView(member, operations);
      default:  // foreign tables, whose server may be this one; what cannot be written
        return effects_.RunsUnknown(Refusal::kForeignTable);
    }
  }

  // Every table behind the view counts as written; PostgreSQL would write one of them.
  void VisitView(const Relation& view, uint8_t operations) {
    const Effects& read = ReadEffects(catalog_, view, frame_);
    effects_.AddRun(read);
    // A view's columns may have defaults of their own.
    if ((operations & kChangesRows) != 0)
      effects_.AddRun(RowChecks(catalog_, view, operations, frame_));
    if (read.reads_incomplete) effects_.writes_anything = true;
    for (const Oid table : read.reads) Reach(table, operations);
  }

  const Catalog& catalog_;
  const Frame& frame_;
  Oid target_ = 0;  // its root
  bool writes_target_ = false;
  Effects effects_;              // without the target's own rows, until all is done
  std::map<Oid, uint8_t> done_;  // operations by root
  std::vector<std::pair<Oid, uint8_t>> pending_;
};

Effects SystemWrite() {
  Effects effects;
  effects.RunsUnknown(Refusal::kSystemCatalog);
  effects.changes_catalog = true;
  return effects;
}

}  // namespace

Effects EffectsOfExpression(const Catalog& catalog, const std::string& text, const Frame& frame) {
  return EffectsOfQuery(catalog, "SELECT " + text, frame);
}

void AddTypeEffects(const TypeFacts& facts, Effects& effects) {
  if (!facts.known) effects.Refuse(Refusal::kUnknownType);
  if (facts.has_timetz) effects.Refuse(Refusal::kTimeDependent);
  effects.has_time_of_day |= facts.has_time_of_day;
  for (const Oid type : facts.user_types) effects.user_types.push_back(type);
}

void AddTypeExpressions(const Catalog& catalog, const TypeFacts& facts, const Frame& frame,
                        Effects& effects) {
  for (const Oid domain : facts.expressions) {
    for (const std::string& expression : catalog.FindType(domain)->expressions) {
      Effects of_check = EffectsOfExpression(catalog, expression, frame);
      if (of_check.refusal != Refusal::kNone) of_check.refusal = Refusal::kUnknownType;
      effects.Add(of_check);
    }
  }
}

const Effects& ReadEffects(const Catalog& catalog, const Relation& relation, const Frame& outer) {
  return Remembered(catalog, MemoKey(relation.oid, kReadKey), outer,
                    [&](const Frame& frame) { return ComputeRead(catalog, relation, frame); });
}

const Effects& WriteEffects(const Catalog& catalog, const Relation& relation, uint8_t operations,
                            const Frame& outer) {
  if (operations == 0) operations = kAllOperations;
  return Remembered(catalog, MemoKey(relation.oid, operations), outer, [&](const Frame& frame) {
    if (catalog.IsSystemSchema(relation.schema)) return SystemWrite();
    return WriteWalk(catalog, frame).Run(relation, operations);
  });
}

}  // namespace pgsidecar::catalog
