// Private to the configuration: one setting's value from text and to text.

#ifndef PGSIDECAR_PROXY_CONFIG_VALUE_H_
#define PGSIDECAR_PROXY_CONFIG_VALUE_H_

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "proxy/config.h"
#include "proxy/config_settings.h"

namespace pgsidecar::proxy {

// Sets `setting` of `config` from `text`, or says what was expected.
std::optional<Error> SetValue(const Setting& setting, std::string_view text, Config& config);

// The text that SetValue would read to the same value; of the upstream, without its password.
std::string ShowValue(const Setting& setting, const Config& config);

std::string ShowAddress(const ListenAddress& address);

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_CONFIG_VALUE_H_
