// Read in PostgreSQL's contrib/ of versions 13 to 18, and in pgvector.

#include "catalog/known_extensions.h"

#include <algorithm>
#include <array>
#include <utility>

namespace pgsidecar::catalog {
namespace {

// Their settings (pg_trgm.similarity_threshold, hnsw.ef_search) are in the key like any other.
// unaccent and the dictionaries read a file of the server's when first used, as PostgreSQL's own
// dictionaries do: who edits it has to restart or FLUSH.
constexpr std::array<std::string_view, 22> kTrusted = {
    "btree_gin", "btree_gist",    "citext",        "cube",        "dict_int",
    "dict_xsyn", "earthdistance", "fuzzystrmatch", "hstore",      "insert_username",
    "intarray",  "isn",           "ltree",         "moddatetime", "pg_trgm",
    "pgcrypto",  "seg",           "unaccent",      "uuid-ossp",   "vector",
    "intagg",    "bloom"};

// Those that change the session, and what turns text into values of types that it is not told.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kExceptions = {{
    {"pg_trgm", "set_limit"},
    {"isn", "isn_weak"},
    {"hstore", "populate_record"},
}};

}  // namespace

bool IsTrustedExtension(std::string_view extension) {
  return std::find(kTrusted.begin(), kTrusted.end(), extension) != kTrusted.end();
}

bool IsTrustedInExtension(std::string_view extension, std::string_view function) {
  return IsTrustedExtension(extension) &&
         std::find(kExceptions.begin(), kExceptions.end(), std::pair(extension, function)) ==
             kExceptions.end();
}

}  // namespace pgsidecar::catalog
