// What running something does: the running sum while a statement is resolved, and what is
// remembered of a relation.

#ifndef PGSIDECAR_CATALOG_EFFECTS_H_
#define PGSIDECAR_CATALOG_EFFECTS_H_

#include <algorithm>
#include <vector>

#include "catalog/resolve.h"

namespace pgsidecar::catalog {

inline bool Contains(const std::vector<Oid>& oids, Oid oid) {
  return std::find(oids.begin(), oids.end(), oid) != oids.end();
}

struct Effects {
  Refusal refusal = Refusal::kNone;
  bool writes_anything = false;
  bool changes_catalog = false;
  bool environment_unknown = false;
  bool depends_on_session = false;  // the answer, on settings or on who asks
  bool reads_incomplete = false;    // something is read that `reads` cannot name
  // A time without a date, AT TIME ZONE: together they ask for the zone's offset of today.
  bool has_time_of_day = false;
  bool converts_zone = false;
  // Of one relation: more of it is read (by a policy) or written (by a cascade, a function) than
  // the statement names.
  bool reads_itself = false;
  bool writes_itself = false;
  Pin pin = Pin::kNone;
  bool uses_sequence = false;   // nextval or setval may run
  bool reads_sequence = false;  // currval or lastval may
  std::vector<Oid> reads;       // canonical; sorted once complete
  std::vector<Oid> writes;      // canonical; sorted once complete
  std::vector<Oid> user_types;  // user-defined base, enum, range types whose values may occur

  // The first reason stays.
  void Refuse(Refusal reason) {
    if (refusal == Refusal::kNone) refusal = reason;
  }
  void AddPin(Pin reason) { pin = Stronger(pin, reason); }

  // Something runs of which nothing is known.
  void RunsUnknown(Refusal reason) {
    Refuse(reason);
    AddPin(Pin::kFunction);
    writes_anything = true;
    environment_unknown = true;
  }

  // All of `other` but whether its result may be cached, and what that depends on.
  void AddRun(const Effects& other) {
    writes_anything |= other.writes_anything;
    changes_catalog |= other.changes_catalog;
    environment_unknown |= other.environment_unknown;
    uses_sequence |= other.uses_sequence;
    reads_sequence |= other.reads_sequence;
    AddPin(other.pin);
    Append(writes, other.writes);
    Append(user_types, other.user_types);
  }
  void Add(const Effects& other) {
    if (other.refusal != Refusal::kNone) Refuse(other.refusal);
    reads_incomplete |= other.reads_incomplete;
    depends_on_session |= other.depends_on_session;
    has_time_of_day |= other.has_time_of_day;
    converts_zone |= other.converts_zone;
    Append(reads, other.reads);
    AddRun(other);
  }

  void Normalize() {
    for (std::vector<Oid>* oids : {&reads, &writes, &user_types}) {
      std::sort(oids->begin(), oids->end());
      oids->erase(std::unique(oids->begin(), oids->end()), oids->end());
    }
  }

 private:
  static void Append(std::vector<Oid>& to, const std::vector<Oid>& from) {
    to.insert(to.end(), from.begin(), from.end());
  }
};

}  // namespace pgsidecar::catalog

#endif  // PGSIDECAR_CATALOG_EFFECTS_H_
