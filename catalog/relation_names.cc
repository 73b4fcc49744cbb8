#include "catalog/relation_names.h"

#include <algorithm>
#include <string>

#include "catalog/judge.h"
#include "catalog/snapshot.h"

namespace pgsidecar::catalog {

sql::QualifiedName NameOf(Oid relation, const Catalog& catalog) {
  const Relation* found = catalog.FindRelation(relation);
  if (found == nullptr) return {"", std::to_string(relation)};
  return {std::string(catalog.SchemaName(found->schema)), found->name};
}

std::vector<sql::QualifiedName> RelationsOf(const sql::StatementInfo& statement,
                                            const NameContext& names, const Catalog& catalog) {
  std::vector<sql::QualifiedName> relations;
  const Path path = MakePath(names, catalog);
  for (const sql::QualifiedName& name : statement.reads) {
    for (const Relation* relation : catalog.RelationsNamed(name.name)) {
      const std::string_view schema = catalog.SchemaName(relation->schema);
      if (name.schema.empty() ? path.Contains(relation->schema) : name.schema == schema) {
        relations.push_back({std::string(schema), relation->name});
      }
    }
  }
  for (const Oid oid : Resolve(statement, names, &catalog).reads) {
    relations.push_back(NameOf(oid, catalog));
  }
  std::sort(relations.begin(), relations.end());
  relations.erase(std::unique(relations.begin(), relations.end()), relations.end());
  return relations;
}

}  // namespace pgsidecar::catalog
