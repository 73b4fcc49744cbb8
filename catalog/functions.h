// What calling a function does, by its OID: PostgreSQL's own by the trusted lists, an extension's
// by the list of known extensions, a user's by its body.
//
// Invariant: what of a body is not understood makes the function unknown. A body's names are looked
// up when it runs, under whatever search_path holds then, so an unqualified name counts as every
// object of that name in any schema, unless the function sets its own path.
//
// A function that calls itself adds nothing to what it does; a longer circle is unknown, because
// what is remembered of its members would depend on where it was entered.

#ifndef PGSIDECAR_CATALOG_FUNCTIONS_H_
#define PGSIDECAR_CATALOG_FUNCTIONS_H_

#include <string_view>
#include <vector>

#include "catalog/closure.h"
#include "catalog/effects.h"
#include "catalog/snapshot.h"

namespace pgsidecar::catalog {

// Of calling `function`, as often as may be. The reference is valid as long as the catalog.
const Effects& CallEffects(const Catalog& catalog, Oid function, const Frame& frame);

// Of the body of a DO. REQUIRES: that is the statement's kind.
void AddDo(const Catalog& catalog, const sql::StatementInfo& statement, const Frame& outer,
           Effects& effects);

// Of the triggers of `relation` that these operations (bits of sql::WriteOperation) may fire.
void AddTriggers(const Catalog& catalog, const Relation& relation, uint8_t operations,
                 const Frame& frame, Effects& effects);

// Of a call of PostgreSQL's own. `in_client_text`: the client itself wrote the call.
void AddFunctionClass(FunctionClass function_class, bool in_client_text, Effects& effects);

// What a function of PostgreSQL's own has to do with times that have no date.
void AddZoneUse(std::string_view function, Effects& effects);
// Of reading settings by current_setting; "" is one that is not known.
void AddSettingsRead(const std::vector<std::string>& names, Effects& effects);

}  // namespace pgsidecar::catalog

#endif  // PGSIDECAR_CATALOG_FUNCTIONS_H_
