// What a server session holds of settings beyond its login (PostgreSQL documentation, "SET"): the
// values that clients have given, as set_config takes them. A client session says what it wants to
// find, a server connection what is there; where they differ one query makes them alike.
//
// A custom setting (with a dot in its name) exists from its first SET on and cannot be made to not
// exist again: current_setting(name, true) gives '' ever after. A connection that has one is of use
// only to sessions that have it, too.

#ifndef PGSIDECAR_POOL_SETTINGS_LABEL_H_
#define PGSIDECAR_POOL_SETTINGS_LABEL_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace pgsidecar::pool {

inline bool IsCustomSetting(std::string_view name) {
  return name.find('.') != std::string_view::npos;
}

// Values by name, in lower case; "role" and "session_authorization" among them. nullopt is for
// custom settings alone: it exists, and is as it was at login.
using SettingsLabel = std::map<std::string, std::optional<std::string>, std::less<>>;
// Immutable and shared; null is the same as an empty one.
using SharedLabel = std::shared_ptr<const SettingsLabel>;

bool SameLabel(const SharedLabel& a, const SharedLabel& b);

// Whether a connection that holds `held` can be made to hold `wanted`.
bool CanBecome(const SharedLabel& held, const SharedLabel& wanted);
// Whether its values are the same bytes in every client encoding.
bool IsAsciiLabel(const SharedLabel& label);
// Whether it holds settings that a session without any must not find.
bool HoldsCustom(const SharedLabel& held);

// `held`, and the custom settings of `other`, which exist there as well.
SharedLabel WithCustomOf(const SharedLabel& held, const SharedLabel& other);

// The label that is left when everything is reset: custom settings stay.
SharedLabel ResetLabel(const SharedLabel& held);

// Whether a session that has set this can be given another connection: not where the value's
// meaning hangs on when it was set, or where the server acts on it while nobody is there.
// `as_other`: set while another role than that of the login was in force.
bool CanReplay(std::string_view name, std::string_view value, bool as_other);

// One statement that turns `held` into `wanted`, or changes nothing if it fails; role and session
// authorization come last. REQUIRES: CanBecome, and a session outside of a transaction.
std::string ReplayQuery(const SharedLabel& held, const SharedLabel& wanted);

}  // namespace pgsidecar::pool

#endif  // PGSIDECAR_POOL_SETTINGS_LABEL_H_
