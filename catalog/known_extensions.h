// The extensions whose functions in C are known: what is written in SQL is analysed like a user's.
//
// A list, because C can do anything. Left out are those that run text as SQL (dblink, tablefunc,
// xml2), reach other servers or files (postgres_fdw, file_fdw) or keep data aside (lo); and
// languages, whose functions are users' texts.

#ifndef PGSIDECAR_CATALOG_KNOWN_EXTENSIONS_H_
#define PGSIDECAR_CATALOG_KNOWN_EXTENSIONS_H_

#include <string_view>

namespace pgsidecar::catalog {

// Do its functions, with the exceptions of IsTrustedInExtension, leave nothing behind, and depend
// on their arguments and settings unless declared VOLATILE? Its types are made by such functions.
bool IsTrustedExtension(std::string_view extension);

bool IsTrustedInExtension(std::string_view extension, std::string_view function);

}  // namespace pgsidecar::catalog

#endif  // PGSIDECAR_CATALOG_KNOWN_EXTENSIONS_H_
