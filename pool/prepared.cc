#include "pool/prepared.h"

#include <algorithm>

#include "base/hash.h"

namespace pgsidecar::pool {
namespace {

uint64_t HashOf(std::string_view sql, const std::vector<uint32_t>& types) {
  const std::string_view type_bytes(reinterpret_cast<const char*>(types.data()),
                                    types.size() * sizeof(uint32_t));
  return Hash64(sql, Hash64(type_bytes));
}

}  // namespace

std::string ServerName(StatementId id) {
  return std::string(kServerNamePrefix) + std::to_string(id);
}

Error MissingStatement(std::string_view name) {
  if (name.empty()) return {"26000", "unnamed prepared statement does not exist", "", ""};
  return {"26000", "prepared statement \"" + std::string(name) + "\" does not exist", "", ""};
}

Error ChangedResult() { return {"0A000", "cached plan must not change result type", "", ""}; }

Error ChangedReading() {
  return {"0A000", "cannot prepare the statement again on another server connection",
          "standard_conforming_strings or client_encoding is another than when it was prepared.",
          "Set it back, or prepare the statement anew."};
}

std::shared_ptr<const PreparedStatement> PreparedRegistry::Intern(
    std::string_view sql, const std::vector<uint32_t>& parameter_types, std::string_view reading) {
  const uint64_t hash = HashOf(sql, parameter_types);
  const auto [begin, end] = statements_.equal_range(hash);
  for (auto it = begin; it != end; ++it) {
    if (auto held = it->second.lock(); held && held->sql == sql &&
                                       held->parameter_types == parameter_types &&
                                       held->reading == reading) {
      return held;
    }
  }
  if (statements_.size() >= drop_at_) DropUnheld();
  auto statement = std::make_shared<PreparedStatement>();
  statement->id = next_id_++;
  statement->sql = sql;
  statement->parameter_types = parameter_types;
  statement->reading = reading;
  statement->server_name = ServerName(statement->id);
  statements_.emplace(hash, statement);
  return statement;
}

void PreparedRegistry::DropUnheld() {
  std::erase_if(statements_, [](const auto& entry) { return entry.second.expired(); });
  drop_at_ = std::max<size_t>(1024, statements_.size() * 2);
}

}  // namespace pgsidecar::pool
