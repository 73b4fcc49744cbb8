// Private to sql/: fills one StatementInfo while the parse tree is walked.
//
// Invariant: after Unknown() the statement ends as kUnknown whatever else is added. Names are
// appended as they come and made unique once, by Finish(), so that a hostile text with very many
// names costs n log n.

#ifndef PGSIDECAR_SQL_COLLECTOR_H_
#define PGSIDECAR_SQL_COLLECTOR_H_

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sql/statement_info.h"
#include "sql/tree.h"

namespace pgsidecar::sql {

// The session's own temporary schema, or some session's by number.
bool IsTempSchema(std::string_view schema);

class Collector {
 public:
  // `info` outlives the collector and is complete after Finish(). `text` is what the tree was made
  // from.
  Collector(StatementInfo* info, std::string_view text) : info_(*info), text_(text) {}

  std::string_view text() const { return text_; }

  // The statement holds something that the analyser does not understand. The first reason stays.
  void Unknown(std::string_view reason);
  void UnknownNode(std::string_view place, const Node* node);
  bool unknown() const { return unknown_; }

  void Read(const PgQuery__RangeVar* relation);
  // Adds the relation to `reads` too: it is named.
  void Write(const PgQuery__RangeVar* relation, uint8_t operations);
  void Function(Nodes names, uint32_t arguments);
  void SettingRead(std::string_view name) { info_.settings_read.emplace_back(name); }
  // Of a relation that has been read; one that is a CTE's name has not.
  void Restrict(const PgQuery__RangeVar* relation, Restriction restriction);
  void WriteRows(const PgQuery__RangeVar& relation, RowWrite rows);
  void Operator(Nodes names);
  void Operator(std::string_view name);
  void Type(Nodes names, bool of_constant);
  void Collation(Nodes names);
  void Attribute(std::string_view name) { info_.attribute_names.emplace_back(name); }
  void AddHazard(Hazard hazard) { info_.hazards |= hazard; }
  void Parameter(int32_t number);
  // A schema that is named anywhere, also where the name itself is not kept.
  void Schema(std::string_view schema);

  // One, two or three String nodes; anything else makes the statement unknown.
  QualifiedName Name(Nodes names);

  StatementInfo& info() { return info_; }
  void Finish();

 private:
  QualifiedName RelationName(const PgQuery__RangeVar& relation);
  void MarkOnlyUses();
  void MarkOnlyUse(Value& value) const;

  StatementInfo& info_;
  std::string_view text_;
  bool unknown_ = false;
  std::unordered_map<const PgQuery__RangeVar*, size_t> references_;  // places in info_.references
  std::unordered_map<uint32_t, uint32_t> parameter_uses_;
};

}  // namespace pgsidecar::sql

#endif  // PGSIDECAR_SQL_COLLECTOR_H_
