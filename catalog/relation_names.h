// The relations that a statement names, for people: rules of the configuration and explanations.
// What it depends on is Resolve's to say.

#ifndef PGSIDECAR_CATALOG_RELATION_NAMES_H_
#define PGSIDECAR_CATALOG_RELATION_NAMES_H_

#include <vector>

#include "catalog/catalog.h"
#include "catalog/resolve.h"
#include "sql/statement_info.h"

namespace pgsidecar::catalog {

// By schema and name, sorted, no duplicates: what the text names, and what it reads behind views. A
// name that may mean one of several relations gives all of them.
std::vector<sql::QualifiedName> RelationsOf(const sql::StatementInfo& statement,
                                            const NameContext& names, const Catalog& catalog);

// Of one relation; its OID in place of a name that is not known.
sql::QualifiedName NameOf(Oid relation, const Catalog& catalog);

}  // namespace pgsidecar::catalog

#endif  // PGSIDECAR_CATALOG_RELATION_NAMES_H_
