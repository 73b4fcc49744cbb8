// What would change a refusal to cache, in plain words: a column of SHOW STATEMENTS, and what
// `pgsidecar explain` says.

#ifndef PGSIDECAR_PROXY_ADVICE_H_
#define PGSIDECAR_PROXY_ADVICE_H_

#include <string_view>

namespace pgsidecar::proxy {

// For every reason that SHOW pgsidecar.last can give behind "bypass: "; empty for any other word.
std::string_view AdviceFor(std::string_view reason);

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_ADVICE_H_
