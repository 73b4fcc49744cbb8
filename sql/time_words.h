// The words that make a date out of the moment of parsing: 'now', 'today', 'tomorrow',
// 'yesterday'. A string that holds one of them, in a literal or in a parameter, may turn into the
// current time wherever a date or time type is meant, so its statement's result is not cacheable.

#ifndef PGSIDECAR_SQL_TIME_WORDS_H_
#define PGSIDECAR_SQL_TIME_WORDS_H_

#include <string_view>

namespace pgsidecar::sql {

// Whether `bytes` holds one of the words anywhere, in any mixture of ASCII cases, also inside a
// longer word ("know") and with backslashes or double quotes between its letters: the text forms
// of arrays, ranges and rows drop those ('{n\ow}'). No allocation; any bytes are allowed.
bool ContainsTimeWord(std::string_view bytes);

}  // namespace pgsidecar::sql

#endif  // PGSIDECAR_SQL_TIME_WORDS_H_
