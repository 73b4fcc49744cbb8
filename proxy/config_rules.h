// The [[rule]] tables of the TOML file.

#ifndef PGSIDECAR_PROXY_CONFIG_RULES_H_
#define PGSIDECAR_PROXY_CONFIG_RULES_H_

#include <toml++/toml.h>

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "proxy/rules.h"

namespace pgsidecar::proxy {

inline constexpr std::string_view kRulesKey = "rule";

// Adds the rules of `node`, the value of kRulesKey in the file at `path`.
std::optional<Error> ReadRules(const toml::node& node, const std::string& path,
                               std::vector<Rule>& rules);

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_CONFIG_RULES_H_
