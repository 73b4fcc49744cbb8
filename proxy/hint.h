// A leading comment that says how the cache is to treat the statement behind it:
//
//     /* pgsidecar: ttl=30s, cache=verify */ SELECT ...
//     /* pgsidecar: off */ SELECT ...
//
// Words are separated by commas or blanks: ttl=<duration>, consistency=session|ttl,
// class=query|search|content, cache=on|off|verify|observe, and each of the last four by itself.

#ifndef PGSIDECAR_PROXY_HINT_H_
#define PGSIDECAR_PROXY_HINT_H_

#include <string_view>

#include "proxy/cache_policy.h"

namespace pgsidecar::proxy {

struct Hint {
  CacheWishes wishes;
  // Something in it is not understood. A comment is no place for an error: the statement is
  // forwarded and not cached.
  bool bad = false;
};

// The hint of the comments that `sql` begins with; nothing is wished if there is none.
Hint ReadHint(std::string_view sql);

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_HINT_H_
