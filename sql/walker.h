// Private to sql/: walks queries (SELECT, INSERT, UPDATE, DELETE, MERGE) and expressions of one
// statement and reports what they name to a Collector.
//
// Invariant: an allow-list. A node type or an enum value without a case of its own makes the
// statement unknown; of a node type with a case, every field is either walked or known to name
// nothing that could read, write or run. Fields that only analysed trees have (OIDs, Query nodes)
// are empty in a raw parse tree.
//
// Recursive like the tree; needs less stack a level than the unpacking of the tree did.

#ifndef PGSIDECAR_SQL_WALKER_H_
#define PGSIDECAR_SQL_WALKER_H_

#include <string_view>
#include <vector>

#include "sql/collector.h"
#include "sql/tree.h"

namespace pgsidecar::sql {

class Walker {
 public:
  explicit Walker(Collector* out) : out_(*out) {}

  // Queries (walker_query.cc).
  static bool IsQuery(const Node* node);
  void Query(const Node* node);  // unknown if !IsQuery(node)
  void Select(const PgQuery__SelectStmt& select);
  void Insert(const PgQuery__InsertStmt& insert);
  void Update(const PgQuery__UpdateStmt& update);
  void Delete(const PgQuery__DeleteStmt& del);
  void Merge(const PgQuery__MergeStmt& merge);
  // The INTO clause met on the way, if any.
  const PgQuery__IntoClause* into() const { return into_; }

  // Expressions (walker_expression.cc). A missing node is nothing to do.
  void Expression(const Node* node);
  void Expressions(Nodes nodes);
  void FunctionCall(const PgQuery__FuncCall& call);
  void Constant(const PgQuery__AConst& constant);

  // Names of types and columns (walker_name.cc).
  void Type(const PgQuery__TypeName& type, bool of_constant);
  // A column definition list gives a type to what a function returns.
  void ColumnDefinitions(Nodes columns);
  void Collate(const PgQuery__CollateClause& collate);

 private:
  using Scope = size_t;  // how many CTE names were visible before

  // Queries.
  Scope EnterWith(const PgQuery__WithClause* with);
  void LeaveWith(Scope scope) { ctes_.resize(scope); }
  void Cte(const PgQuery__CommonTableExpr& cte);
  void DistinctClause(Nodes items);
  void GroupClause(Nodes items);
  void ValuesLists(Nodes lists);
  void WindowClause(Nodes windows);
  void Window(const PgQuery__WindowDef& window);
  void SortClause(Nodes items);
  void LockingClauses(Nodes items);
  void Targets(Nodes targets);
  uint8_t OnConflict(const PgQuery__OnConflictClause& clause);  // as Assignments()
  void InsertedRows(const PgQuery__InsertStmt& insert);
  void UpdatedRows(const PgQuery__UpdateStmt& update);
  void MergeWhen(const PgQuery__MergeWhenClause& when, uint8_t* operations);
  // Targets of an update: kWriteDefaults if one of them is set to DEFAULT.
  uint8_t Assignments(Nodes targets);
  void SortOperators();

  // FROM (walker_from.cc).
  void FromItems(Nodes items);
  void FromItem(const Node* item);
  void Join(const PgQuery__JoinExpr& join);
  void Relation(const PgQuery__RangeVar& relation);
  void FromFunction(const PgQuery__RangeFunction& function);
  void TableSample(const PgQuery__RangeTableSample& sample);
  void XmlTable(const PgQuery__RangeTableFunc& table);

  // Expressions.
  bool SimpleExpression(const Node& node);
  bool CompoundExpression(const Node& node);
  bool SqlSyntaxExpression(const Node& node);
  void OperatorExpression(const PgQuery__AExpr& expression);
  void Between(const PgQuery__AExpr& expression);
  void SubQuery(const PgQuery__SubLink& link);
  void Case(const PgQuery__CaseExpr& expression);
  void Xml(const PgQuery__XmlExpr& expression);
  void SqlValue(const PgQuery__SQLValueFunction& function);
  void MultipleAssignment(const PgQuery__MultiAssignRef& assignment);

  // Names.
  void Column(const PgQuery__ColumnRef& column);
  void Indirection(const PgQuery__AIndirection& indirection);
  void IndirectionSteps(Nodes steps, bool plain_base);
  void Cast(const PgQuery__TypeCast& cast);
  void CurrentSetting(Nodes name, Nodes arguments);
  void DateHazard(const PgQuery__TypeName& type, const Node* argument);

  Collector& out_;
  std::vector<std::string_view> ctes_;  // names visible here, innermost last
  const PgQuery__IntoClause* into_ = nullptr;
  bool met_default_ = false;
};

}  // namespace pgsidecar::sql

#endif  // PGSIDECAR_SQL_WALKER_H_
