// A second opinion on the analyser: visits every message of the parse tree by the schema's own
// descriptors, without knowing any clause, and says what the StatementInfo leaves out. It shares
// no code with the walker, so a field that the walker forgets shows up here.
//
// Header only: the unit tests and the fuzz target both use it.

#ifndef PGSIDECAR_TESTS_UNIT_SQL_TREE_ORACLE_H_
#define PGSIDECAR_TESTS_UNIT_SQL_TREE_ORACLE_H_

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "sql/statement_info.h"

namespace pgsidecar::sql {

// Calls `visit` with the name of the field and the message, for every message directly inside.
template <typename Visitor>
void ForEachChild(const ProtobufCMessage& message, Visitor visit) {
  const char* bytes = reinterpret_cast<const char*>(&message);
  for (unsigned i = 0; i < message.descriptor->n_fields; ++i) {
    const ProtobufCFieldDescriptor& field = message.descriptor->fields[i];
    if (field.type != PROTOBUF_C_TYPE_MESSAGE) continue;
    if (field.label == PROTOBUF_C_LABEL_REPEATED) {
      size_t count = 0;
      std::memcpy(&count, bytes + field.quantifier_offset, sizeof(count));
      ProtobufCMessage** items = nullptr;
      std::memcpy(&items, bytes + field.offset, sizeof(items));
      for (size_t k = 0; k < count; ++k) visit(field.name, *items[k]);
      continue;
    }
    if ((field.flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
      uint32_t chosen = 0;
      std::memcpy(&chosen, bytes + field.quantifier_offset, sizeof(chosen));
      if (chosen != field.id) continue;
    }
    const ProtobufCMessage* child = nullptr;
    std::memcpy(&child, bytes + field.offset, sizeof(child));
    if (child != nullptr) visit(field.name, *child);
  }
}

class TreeOracle {
 public:
  // What `info`, the analysis of `text`, leaves out; empty if nothing.
  static std::string MissingFrom(const TextInfo& info, const std::string& text) {
    if (!info.parsed) return "";
    PgQueryProtobufParseResult parsed = pg_query_parse_protobuf(text.c_str());
    std::string missing;
    if (parsed.error != nullptr) {
      missing = "parsed only once";
    } else {
      PgQuery__ParseResult* tree = pg_query__parse_result__unpack(
          nullptr, parsed.parse_tree.len, reinterpret_cast<const uint8_t*>(parsed.parse_tree.data));
      if (tree->n_stmts != info.statements.size()) missing = "statements";
      for (size_t i = 0; missing.empty() && i < tree->n_stmts; ++i) {
        missing = TreeOracle(info.statements[i]).Check(*tree->stmts[i]);
      }
      pg_query__parse_result__free_unpacked(tree, nullptr);
    }
    pg_query_free_protobuf_parse_result(parsed);
    return missing;
  }

 private:
  explicit TreeOracle(const StatementInfo& info) : info_(info) {}

  std::string Check(const PgQuery__RawStmt& statement) {
    switch (info_.kind) {
      case StatementKind::kUnknown:
      case StatementKind::kDdl:
      case StatementKind::kDo:
      case StatementKind::kConstraints:
      case StatementKind::kMaintenance:
        return "";
      default:
        break;
    }
    CollectCtes(statement.base);
    Visit(statement.base);
    return missing_;
  }

  void CollectCtes(const ProtobufCMessage& message) {
    if (message.descriptor == &pg_query__common_table_expr__descriptor) {
      ctes_.insert(As<PgQuery__CommonTableExpr>(message).ctename);
    }
    ForEachChild(message,
                 [this](const char*, const ProtobufCMessage& child) { CollectCtes(child); });
  }

  void Visit(const ProtobufCMessage& message) {
    // Storage parameters and sequence options: built-in types and numbers only.
    const bool is_option = message.descriptor == &pg_query__def_elem__descriptor;
    if (is_option && info_.kind == StatementKind::kCreateTemp) return;
    CheckNames(message);
    CheckWrites(message);
    CheckHazards(message);
    const bool creates = message.descriptor == &pg_query__into_clause__descriptor ||
                         message.descriptor == &pg_query__view_stmt__descriptor ||
                         message.descriptor == &pg_query__create_stmt__descriptor ||
                         message.descriptor == &pg_query__create_seq_stmt__descriptor ||
                         message.descriptor == &pg_query__locking_clause__descriptor;
    ForEachChild(message, [&](const char* field, const ProtobufCMessage& child) {
      const std::string_view name = field;
      const bool is_created = name == "rel" || name == "view" || name == "relation" ||
                              name == "sequence" || name == "locked_rels";
      if (!(creates && is_created)) Visit(child);
    });
  }

  void CheckNames(const ProtobufCMessage& message) {
    const ProtobufCMessageDescriptor* type = message.descriptor;
    if (type == &pg_query__range_var__descriptor) {
      CheckRelation(As<PgQuery__RangeVar>(message));
    } else if (type == &pg_query__call_stmt__descriptor) {
      called_ = As<PgQuery__CallStmt>(message).funccall;
    } else if (type == &pg_query__func_call__descriptor) {
      const auto& call = As<PgQuery__FuncCall>(message);
      const bool any_count = call.agg_within_group || &call == called_;
      const auto arguments = static_cast<uint32_t>(call.n_args);
      Expect(info_.functions,
             FunctionUse{Name(call.n_funcname, call.funcname),
                         any_count ? FunctionUse::kAnyCount : arguments},
             "function");
    } else if (type == &pg_query__a__expr__descriptor) {
      const auto& expression = As<PgQuery__AExpr>(message);
      const QualifiedName name = Name(expression.n_name, expression.name);
      if (std::isupper(static_cast<unsigned char>(name.name[0])) == 0) {  // not BETWEEN
        Expect(info_.operators, name, "operator");
      } else if (info_.operators.size() < 2) {
        missing_ = "operators of " + name.name;
      }
    } else if (type == &pg_query__sub_link__descriptor) {
      const auto& link = As<PgQuery__SubLink>(message);
      if (link.n_oper_name != 0) {
        Expect(info_.operators, Name(link.n_oper_name, link.oper_name), "operator");
      }
    } else if (type == &pg_query__sort_by__descriptor) {
      const auto& sort = As<PgQuery__SortBy>(message);
      if (sort.n_use_op != 0) {
        Expect(info_.operators, Name(sort.n_use_op, sort.use_op), "operator");
      }
    } else if (type == &pg_query__collate_clause__descriptor) {
      const auto& collate = As<PgQuery__CollateClause>(message);
      Expect(info_.collations, Name(collate.n_collname, collate.collname), "collation");
    } else if (type == &pg_query__type_name__descriptor) {
      const auto& type_name = As<PgQuery__TypeName>(message);
      const QualifiedName name = Name(type_name.n_names, type_name.names);
      const bool found = std::any_of(info_.types.begin(), info_.types.end(),
                                     [&](const TypeUse& use) { return use.type == name; });
      if (!found) missing_ = "type " + name.name;
    }
  }

  void CheckRelation(const PgQuery__RangeVar& relation) {
    const QualifiedName name{relation.schemaname, relation.relname};
    if (name.schema.empty() && ctes_.contains(name.name)) return;
    Expect(info_.reads, name, "relation");
  }

  void CheckWrites(const ProtobufCMessage& message) {
    const ProtobufCMessageDescriptor* type = message.descriptor;
    const bool runs = info_.kind != StatementKind::kPrepare &&
                      (info_.kind != StatementKind::kExplain || info_.explain_analyze);
    if (!runs) return;
    if (type == &pg_query__insert_stmt__descriptor) {
      CheckWrite(As<PgQuery__InsertStmt>(message).relation, kWriteInsert);
    } else if (type == &pg_query__update_stmt__descriptor) {
      CheckWrite(As<PgQuery__UpdateStmt>(message).relation, kWriteUpdate);
    } else if (type == &pg_query__delete_stmt__descriptor) {
      CheckWrite(As<PgQuery__DeleteStmt>(message).relation, kWriteDelete);
    } else if (type == &pg_query__merge_stmt__descriptor) {
      CheckWrite(As<PgQuery__MergeStmt>(message).relation, 0);
    }
  }

  void CheckWrite(const PgQuery__RangeVar* relation, uint8_t operation) {
    const QualifiedName name{relation->schemaname, relation->relname};
    const bool found =
        std::any_of(info_.writes.begin(), info_.writes.end(), [&](const WriteTarget& write) {
          return write.relation == name && (write.operations & operation) == operation;
        });
    if (!found) missing_ = "write of " + name.name;
  }

  void CheckHazards(const ProtobufCMessage& message) {
    const ProtobufCMessageDescriptor* type = message.descriptor;
    if (type == &pg_query__a__const__descriptor) {
      const auto& constant = As<PgQuery__AConst>(message);
      if (constant.val_case == PG_QUERY__A__CONST__VAL_SVAL) CheckString(constant.sval->sval);
    } else if (type == &pg_query__param_ref__descriptor) {
      const auto number = static_cast<uint32_t>(As<PgQuery__ParamRef>(message).number);
      if (number > info_.max_parameter) missing_ = "parameter";
    } else if (type == &pg_query__sqlvalue_function__descriptor) {
      ExpectHazard(kHazardTimeValue | kHazardIdentityValue, "SQL value");
    } else if (type == &pg_query__locking_clause__descriptor) {
      ExpectHazard(kHazardRowLock, "row lock");
    } else if (type == &pg_query__range_table_sample__descriptor) {
      ExpectHazard(kHazardTableSample, "table sample");
    } else if (type == &pg_query__current_of_expr__descriptor) {
      ExpectHazard(kHazardCurrentOf, "current of");
    } else if (type == &pg_query__xml_expr__descriptor ||
               type == &pg_query__range_table_func__descriptor) {
      ExpectHazard(kHazardXml, "XML");
    } else if (type == &pg_query__column_ref__descriptor) {
      const auto& column = As<PgQuery__ColumnRef>(message);
      if (column.n_fields > 1) CheckAttribute(column.fields[column.n_fields - 1]);
    } else if (type == &pg_query__a__indirection__descriptor) {
      const auto& indirection = As<PgQuery__AIndirection>(message);
      for (size_t i = 0; i < indirection.n_indirection; ++i) {
        CheckAttribute(indirection.indirection[i]);
      }
    }
  }

  void CheckString(std::string text) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    for (const char* word : {"now", "today", "tomorrow", "yesterday"}) {
      if (text.find(word) != std::string::npos) ExpectHazard(kHazardTimeString, "time string");
    }
  }

  void CheckAttribute(const PgQuery__Node* node) {
    if (node->node_case != PG_QUERY__NODE__NODE_STRING) return;
    Expect(info_.attribute_names, std::string(node->string->sval), "attribute");
  }

  void ExpectHazard(uint32_t any_of, const char* what) {
    if ((info_.hazards & any_of) == 0) missing_ = std::string("hazard ") + what;
  }

  template <typename T>
  void Expect(const std::vector<T>& list, const T& item, const char* what) {
    if (std::find(list.begin(), list.end(), item) == list.end()) missing_ = what;
  }

  template <typename T>
  static const T& As(const ProtobufCMessage& message) {
    return *reinterpret_cast<const T*>(&message);
  }

  static QualifiedName Name(size_t count, PgQuery__Node** nodes) {
    QualifiedName name;
    if (count >= 1) name.name = nodes[count - 1]->string->sval;
    if (count >= 2) name.schema = nodes[count - 2]->string->sval;
    return name;
  }

  const StatementInfo& info_;
  std::set<std::string> ctes_;
  std::string missing_;
  const PgQuery__FuncCall* called_ = nullptr;  // by CALL
};

}  // namespace pgsidecar::sql

#endif  // PGSIDECAR_TESTS_UNIT_SQL_TREE_ORACLE_H_
