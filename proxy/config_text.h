// How the errors of a configuration quote what they are about.

#ifndef PGSIDECAR_PROXY_CONFIG_TEXT_H_
#define PGSIDECAR_PROXY_CONFIG_TEXT_H_

#include <string>
#include <string_view>

#include "base/result.h"

namespace pgsidecar::proxy {

// `text` for an error: quoted, one line, not endless, and without what may be a URL's password.
std::string Quote(std::string_view text);

Error Expected(const std::string& what, std::string_view got);

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_CONFIG_TEXT_H_
