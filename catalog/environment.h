// Which settings take part in the cache key.

#ifndef PGSIDECAR_CATALOG_ENVIRONMENT_H_
#define PGSIDECAR_CATALOG_ENVIRONMENT_H_

#include <string_view>

namespace pgsidecar::catalog {

// Names are in lower case.

// Whether no answer depends on the setting, but that of a statement which reads it itself. The
// probe leaves these out of the environment, and a session's changes of them out of the key.
bool AnswersIgnore(std::string_view name);

// Whether a statement may read the setting and be cached. One that is not in the key may differ
// between two connections that share answers.
bool IsSettingInKey(std::string_view name);

}  // namespace pgsidecar::catalog

#endif  // PGSIDECAR_CATALOG_ENVIRONMENT_H_
