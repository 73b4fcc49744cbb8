// Names of node types, from the schema's own descriptor.

#include "sql/tree.h"

namespace pgsidecar::sql {

std::string_view NodeName(const Node* node) {
  if (IsNull(node)) return "missing node";
  const ProtobufCFieldDescriptor* field = protobuf_c_message_descriptor_get_field(
      &pg_query__node__descriptor, static_cast<unsigned>(node->node_case));
  return field == nullptr ? "node without a name" : field->name;
}

}  // namespace pgsidecar::sql
