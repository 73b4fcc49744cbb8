// Private to sql/: short names for the parse tree that libpg_query hands out (protobuf-c structs,
// one a node type of PostgreSQL's raw parse tree), and how to look at its lists and strings. No
// public header includes this file.
//
// The tree's bytes live as long as the unpacked ParseResult; nothing here copies.

#ifndef PGSIDECAR_SQL_TREE_H_
#define PGSIDECAR_SQL_TREE_H_

#include <pg_query/pg_query.pb-c.h>

#include <span>
#include <string>
#include <string_view>

#include "base/text.h"

namespace pgsidecar::sql {

using Node = PgQuery__Node;
using Nodes = std::span<Node* const>;

// A repeated field. A list element that PostgreSQL leaves null arrives as a Node without a case.
inline Nodes List(size_t count, Node* const* items) { return {items, count}; }

// A string field; protobuf-c gives the empty string for one that is not set.
inline std::string_view Text(const char* field) {
  return field == nullptr ? std::string_view() : std::string_view(field);
}

inline bool IsNull(const Node* node) {
  return node == nullptr || node->node_case == PG_QUERY__NODE__NODE__NOT_SET;
}

// The String node's text; empty, with `*ok` false, for any other node.
inline std::string_view StringOf(const Node* node, bool* ok) {
  *ok = node != nullptr && node->node_case == PG_QUERY__NODE__NODE_STRING;
  return *ok ? Text(node->string->sval) : std::string_view();
}

// The node type as the protobuf schema spells it, for a reason that people read.
std::string_view NodeName(const Node* node);

}  // namespace pgsidecar::sql

#endif  // PGSIDECAR_SQL_TREE_H_
