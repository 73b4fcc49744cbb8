// What PostgreSQL's catalogs say about one database: an immutable snapshot that answers what a name
// may mean and what follows from touching it. Pure: rows come in through CatalogBuilder, which
// whoever holds the proxy's own connection feeds.
//
// The rule of this room: what a snapshot does not know for certain, it reports as unknown.

#ifndef PGSIDECAR_CATALOG_CATALOG_H_
#define PGSIDECAR_CATALOG_CATALOG_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pgsidecar::catalog {

using Oid = uint32_t;

class Catalog;  // defined in catalog/snapshot.h, for this room alone

// One value of a row in text format; nullopt is NULL. Views are valid during the call only.
using Row = std::span<const std::optional<std::string_view>>;

// The text that loads a catalog, to be sent as one simple Query: it opens a REPEATABLE READ READ
// ONLY transaction, yields several result sets with rows and ends the transaction. Every relation,
// type and function in it is qualified with pg_catalog; search_path is set to '' for the
// transaction, so that operators are pg_catalog's too and every expression that PostgreSQL deparses
// comes with qualified names.
// Works on PostgreSQL 13 to 18 and for any role that may connect.
const std::string& LoadQuery();

class CatalogBuilder {
 public:
  // `harmless`: functions, as schema.name, that change nothing, whatever else they are.
  explicit CatalogBuilder(std::vector<std::string> harmless = {});
  ~CatalogBuilder();
  CatalogBuilder(CatalogBuilder&&) noexcept;
  CatalogBuilder& operator=(CatalogBuilder&&) noexcept;

  // `result_set` counts the RowDescriptions of LoadQuery's answer from 0.
  // A row that does not have the expected form makes Finish fail.
  void AddRow(size_t result_set, Row row);
  Result<std::shared_ptr<const Catalog>> Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What is asked once a poll interval: a single row that moves when anything that a Catalog holds,
// or that the answers of live sessions depend on, was changed, by whomever.
//   columns: fingerprint, conf_load_time, postmaster_start_time, system_identifier, timeline,
//            in_recovery ('t' or 'f'), database OID, server_version_num,
//            alive: those of `pids` that are still backends, as an array text '{1,2}'
// `pids` are server processes whose connection was lost with a write in flight.
std::string PollQuery(std::span<const uint32_t> pids);

struct PollAnswer {
  std::string fingerprint;
  std::string conf_load_time;
  std::string postmaster_start_time;
  std::string system_identifier;
  std::string timeline;
  bool in_recovery = false;
  Oid database = 0;
  int server_version = 0;
  std::vector<uint32_t> alive;
};
Result<PollAnswer> ReadPollRow(Row row);

// What a server connection holds right after its login, asked on that connection before a client
// sees it, as one simple Query of two statements: SHOW ALL, and one row of
//   columns: what ALTER ROLE and ALTER DATABASE gave this session, with the role's OID, in
//            hexadecimal; session_user, current_user, conf_load_time, database OID, in_recovery
const std::string& ProbeQuery();

struct ProbeAnswer {
  std::string environment;     // hash of every setting that an answer may depend on
  std::string login_settings;  // hash of those of ALTER ROLE and ALTER DATABASE: fixed for its life
  std::string search_path;
  std::string default_isolation;  // "read committed", ...
  std::string session_user;
  std::string current_user;
  std::string conf_load_time;
  Oid database = 0;
  std::string uncacheable_because;  // row_security or whatever else forbids caching; else empty
};

// Reads the answer as it comes.
class ProbeReader {
 public:
  void OnRow(size_t result_set, Row row);
  // At its end; 08P01 if it was not whole: also if it did not say of each setting that may forbid
  // caching what it is.
  Result<ProbeAnswer> Finish();

 private:
  void OnSetting(std::string_view name, std::string_view value);

  std::string settings_;  // that answers depend on, in the server's order: name=value, a line each
  ProbeAnswer answer_;
  size_t judged_ = 0;  // settings that may forbid caching, or have a place of their own
  bool in_recovery_ = false;
  bool answered_ = false;  // the second statement
};

// --- the audit: what of a session's state outlives its transactions and can be asked for ---

// One row of five booleans, in the order of AuditAnswer.
const std::string& AuditQuery();
// The same and what else code of which nothing is known may have left, as far as the server can be
// asked. It cannot tell a custom setting (app.tenant), a random number's seed, a library that was
// loaded, and what a procedural language keeps for itself.
const std::string& CodeAuditQuery();

struct AuditAnswer {
  bool temporary_objects = false;
  bool hold_cursors = false;
  bool advisory_locks = false;
  bool listens = false;
  // The names of those that PREPARE has made, each as quote_literal writes it, in order, with
  // commas between.
  std::string prepared_statements;

  // Of CodeAuditQuery.
  struct OfCode {
    bool replication_slots = false;    // temporary ones
    uint32_t protocol_statements = 0;  // named, prepared by Parse
    // Those that the session has set, and who it is: equal texts, equal state.
    std::string settings;
  };
  std::optional<OfCode> of_code;

  bool AnyHeld() const {
    return temporary_objects || hold_cursors || advisory_locks || listens ||
           !prepared_statements.empty() || (of_code && of_code->replication_slots);
  }
};
// The answer to either.
Result<AuditAnswer> ReadAuditRow(Row row);

}  // namespace pgsidecar::catalog

#endif  // PGSIDECAR_CATALOG_CATALOG_H_
