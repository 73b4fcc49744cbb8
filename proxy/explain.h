// `pgsidecar explain`: what the cache makes of one text, in words.

#ifndef PGSIDECAR_PROXY_EXPLAIN_H_
#define PGSIDECAR_PROXY_EXPLAIN_H_

#include <string>
#include <string_view>

#include "catalog/snapshot.h"
#include "proxy/config.h"

namespace pgsidecar::proxy {

struct ExplainRequest {
  std::string sql;
  std::string user;
  std::string database;
  std::string search_path = "\"$user\", public";  // as the server has it by default
};

struct Explanation {
  bool cacheable = false;
  std::string text;  // lines, "word: what it is"
};

Explanation Explain(const ExplainRequest& request, const Config& config,
                    const catalog::Catalog& catalog);

}  // namespace pgsidecar::proxy

#endif  // PGSIDECAR_PROXY_EXPLAIN_H_
