// Modes observe and verify: what would have been a hit is forwarded all the same. In mode verify
// the server's answer is copied as for a fill, but compared instead of stored: an entry goes on
// ageing as it would if it were served.

#include <algorithm>
#include <array>
#include <utility>

#include "base/hash.h"
#include "base/log.h"
#include "proxy/session.h"
#include "sql/normalize.h"

namespace pgsidecar::proxy {
namespace {

std::string Hex(uint64_t number) { return fmt::format("{:016x}", number); }

// Of as many digits, what a key begins with.
std::string Hex(const Digest& key) {
  std::string_view bytes(reinterpret_cast<const char*>(key.data()), 8);
  uint64_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<unsigned char>(byte);
  return Hex(number);
}

}  // namespace

// What rules may ask for. Without rules all sessions are alike to them.
void Session::Identify() {
  const uint64_t generation = shared_.config->generation;  // with the rules of then
  identity_id_ = generation;
  if (database_ == nullptr || shared_.config->rules.empty()) return;
  const std::string* user = startup().Find("user");
  identity_.Edit() = {.user = user == nullptr ? "" : *user,
                      .application_name = std::string(told_parameters_.Find("application_name")),
                      .database = database_->name()};
  identity_id_ = Hash64(identity_->user, Hash64(identity_->application_name, generation));
}

// The request goes to the server, though the cache has an answer.
void Session::WouldHit(const cache::EntryRef& entry, const CachePolicy& policy, TimePoint now) {
  CallCounts& counts = decision().records[0]->counts;
  ++shared_.statistics->observed_hits;
  ++counts.observed_hits;
  shared_.statistics->observed_server_time += entry->server_time();
  counts.observed_server_time += entry->server_time();
  if (policy.mode == CacheMode::kObserve) return SetLast("observe: hit", false);

  SetLast("verify: skipped", false);
  AddReadRows();
  auto stamps = shared_.versions->Capture(decision().plan.read_counters);
  // At level `ttl` an entry may be older than a write that has passed through: it would differ
  // rightly.
  if (!stamps || !std::ranges::equal(*stamps, entry->stamps())) {
    ++shared_.statistics->verify_skipped;
    return;
  }
  const bool simple = request().kind == Request::Kind::kQuery;
  verified_ = std::make_unique<Verified>(
      Verified{.entry = entry,
               .text = std::string(simple ? decision().text : decision().statement->prepared->sql),
               .parameters = decision().bind.values.size()});
  for (const auto& value : decision().bind.values) {
    verified_->parameters_hash =
        Hash64(value.value_or(std::string_view()), verified_->parameters_hash + value.has_value());
  }
  fill_ = std::make_unique<cache::Fill>(decision().key, *stamps, now, policy.max_entry_bytes);
}

void Session::SkipVerify(std::unique_ptr<Verified>& verified) {
  if (!verified) return;
  ++shared_.statistics->verify_skipped;
  verified.reset();
}

// The server's answer is complete. It is compared only if nothing that it depends on has moved
// since it was asked for.
void Session::EndVerify(Batch& batch, TimePoint now) {
  const cache::Entry& cached = *batch.verified->entry;
  const auto server = batch.fill->Finish(now);
  if (server == nullptr || !shared_.versions->Match(cached.stamps())) {
    return SkipVerify(batch.verified);
  }
  const Verdict verdict = Compare(cached, *server, batch.record->info().statements[0].ordered);
  CallCounts& counts = batch.record->counts;
  const bool match = verdict == Verdict::kMatch;
  ++(match ? shared_.statistics->verify_matches : shared_.statistics->verify_mismatches);
  ++(match ? counts.verify_matches : counts.verify_mismatches);
  // Nothing has been asked since: it is still the last statement.
  if (batches_.empty()) SetLast(match ? "verify: match" : "verify: mismatch", false);
  if (match) return;
  NoteMismatch(batch, *server, verdict, now);
  shared_.store->Drop(cached);
}

void Session::NoteMismatch(const Batch& batch, const cache::Entry& server, Verdict verdict,
                           TimePoint now) {
  const Verified& verified = *batch.verified;
  const std::string* user = startup().Find("user");
  Mismatch mismatch;
  mismatch.verdict = verdict;
  mismatch.at = now;
  mismatch.age = server.filled_at() - verified.entry->filled_at();
  mismatch.database = database_->name();
  mismatch.user = user == nullptr ? "" : *user;
  mismatch.role = names_known_ ? user_of_names_ : "";
  mismatch.environment =
      Hex(Hash64({reinterpret_cast<const char*>(session_key_.data()), session_key_.size()}));
  mismatch.key = Hex(verified.entry->key());
  mismatch.query = batch.record->text();
  mismatch.parameters = verified.parameters;
  mismatch.parameters_hash = Hex(verified.parameters_hash);
  mismatch.cached_rows = verified.entry->row_count();
  mismatch.server_rows = server.row_count();
  const Mismatch& noted = shared_.mismatches->Add(std::move(mismatch));
  log::error(
      "the cache would have answered otherwise than the server difference={} database={} user={} "
      "role={} environment={} key={} age_ms={} cached_rows={} server_rows={} parameters={} "
      "parameters_hash={} query={}",
      VerdictName(verdict), noted.database, noted.user, noted.role, noted.environment, noted.key,
      noted.age.count() / 1000, noted.cached_rows, noted.server_rows, noted.parameters,
      noted.parameters_hash,
      sql::WithoutConstants(verified.text).substr(0, MismatchLog::kMaxQueryBytes));
}

}  // namespace pgsidecar::proxy
