// Prepared statements across server connections (PostgreSQL documentation, "Extended Query").
//
// A client's statement name is its own business. On the server a statement is known by an id that
// all clients share who prepared the same text with the same parameter types: "pgs_<id>", and for
// whom the text means the same: a backslash depends on standard_conforming_strings. What a
// client was told about its statement (ParameterDescription and RowDescription) is kept as a hash,
// so that a statement prepared again elsewhere after DDL does not silently change its columns.

#ifndef PGSIDECAR_POOL_PREPARED_H_
#define PGSIDECAR_POOL_PREPARED_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"

namespace pgsidecar::pool {

using StatementId = uint32_t;

// Immutable and shared.
struct PreparedStatement {
  StatementId id = 0;
  std::string sql;
  std::vector<uint32_t> parameter_types;  // as the client gave them
  std::string reading;                    // how its text has been read; empty: always alike
  std::string server_name;                // "pgs_<id>"
};

// What the server described, as hashes.
struct Description {
  uint64_t whole = 0;   // 0: not known
  uint64_t result = 0;  // without the tables that columns are of: what PostgreSQL holds to be the
                        // same type of result (equalTupleDescs)
  bool has_result = false;  // it returns rows
};

// Of every name that the proxy gives to a statement on the server.
inline constexpr std::string_view kServerNamePrefix = "pgs_";
std::string ServerName(StatementId id);
// A name that no server connection ever has: closing it is harmless, naming it is an error.
inline constexpr std::string_view kNoStatement = "pgs_none";

// What the server says where a statement does not exist (PostgreSQL: prepare.c, postgres.c).
Error MissingStatement(std::string_view name);
// And where planning it anew gives other columns (PostgreSQL: plancache.c).
Error ChangedResult();
// What no server says: a statement cannot be prepared again as it was.
Error ChangedReading();

// Interns statements; holds only those that somebody else still holds.
class PreparedRegistry {
 public:
  std::shared_ptr<const PreparedStatement> Intern(std::string_view sql,
                                                  const std::vector<uint32_t>& parameter_types,
                                                  std::string_view reading = {});
  size_t size() const { return statements_.size(); }

 private:
  void DropUnheld();

  StatementId next_id_ = 1;
  size_t drop_at_ = 1024;  // when to look for statements that nobody holds any more
  std::unordered_multimap<uint64_t, std::weak_ptr<const PreparedStatement>> statements_;
};

}  // namespace pgsidecar::pool

#endif  // PGSIDECAR_POOL_PREPARED_H_
