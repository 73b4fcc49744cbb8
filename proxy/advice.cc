#include "proxy/advice.h"

#include <algorithm>
#include <array>
#include <utility>

namespace pgsidecar::proxy {
namespace {

using Advice = std::pair<std::string_view, std::string_view>;

constexpr std::array kAdvice = std::to_array<Advice>({
    // Of the statement.
    {"not_a_select", "nothing: only SELECT, VALUES, TABLE and WITH are cached"},
    {"multiple_statements", "send one statement a message"},
    {"not_understood",
     "the text is not PostgreSQL 15's grammar, or too deep: write it more plainly"},
    {"text_too_long", "shorten the text; pass values as parameters"},
    {"catalog_not_loaded",
     "nothing if it is seldom; if it stays, see SHOW DATABASES and the log: the upstream's user "
     "must be able to connect"},
    {"unknown_relation", "name a relation that exists on the search_path"},
    {"unknown_function",
     "call functions, operators and casts of PostgreSQL's own only; those of users and extensions "
     "are not known to be harmless"},
    {"unknown_type", "avoid types of extensions and users in what is read and in parameters"},
    {"volatile_function", "its answer changes from call to call: compute it in the application"},
    {"time_dependent", "pass the time as a parameter in place of now(), CURRENT_DATE or 'today'"},
    {"identity_dependent", "pass the name as a parameter in place of CURRENT_USER and its kin"},
    {"session_function", "nothing: it reads or changes the state of the session"},
    {"row_lock", "leave out FOR UPDATE and FOR SHARE if no lock is needed"},
    {"table_sample", "nothing: a sample is another one each time"},
    {"system_catalog", "nothing: the system catalogs are not watched"},
    {"foreign_table", "copy the foreign table into a materialised view"},
    {"temporary_table", "nothing: a temporary table is its session's own"},
    {"unlogged_table", "ALTER TABLE ... SET LOGGED"},
    {"sequence", "nothing: a sequence is not watched"},
    {"row_security", "let its policies call functions of PostgreSQL's own only"},
    {"modifies_data", "nothing: it writes"},
    {"other", "write it more plainly"},
    // Of the session and the transaction.
    {"cache_off", "set pgsidecar.cache, or cache, cache_share and cache_rest in the configuration"},
    {"off_by_rule", "see SHOW RULES: a rule says cache = off"},
    {"off_by_hint", "its leading comment says off"},
    {"bad_hint",
     "correct its leading comment: ttl=30s, consistency=session or ttl, class=query, search or "
     "content, cache=on, off, verify or observe"},
    {"own_write", "nothing: the transaction has written before; the next one may read the cache"},
    {"protocol_form", "run it to its end on the unnamed portal, without a row limit"},
    {"in_pipeline", "wait for the answers to what was sent before"},
    {"failed_transaction", "end the failed transaction"},
    {"isolation_level", "read under READ COMMITTED"},
    {"settings_unknown",
     "nothing if it passes; if it stays, the session has changed a setting in a way that could not "
     "be followed: connect again"},
    {"session_settings", "see the log: a setting of the user or the database forbids it"},
    {"time_word_in_parameter", "pass the time itself in place of now, today, tomorrow, yesterday"},
    // What a session has done before.
    {"setting",
     "the session has changed a setting that cannot be followed: set it in the startup packet or "
     "by "
     "ALTER ROLE; SET LOCAL ends with its transaction"},
    {"seed", "the session has called setseed: use another connection for it"},
    {"temporary_object", "the session has made a temporary object: use another connection for it"},
    {"hold_cursor", "the session holds a cursor WITH HOLD: use another connection for it"},
    {"advisory_lock", "take advisory locks of the transaction, or use another connection for them"},
    {"listen", "use another connection for LISTEN"},
    {"load", "use another connection for LOAD"},
    {"prepared_statement", "prepare by the protocol, not by PREPARE, EXECUTE or DISCARD"},
    {"function",
     "the session has called a function that is not known: use another connection for it"},
    {"unknown", "the session has run something that is not understood: use another connection"},
});

}  // namespace

std::string_view AdviceFor(std::string_view reason) {
  const auto* const found =
      std::find_if(kAdvice.begin(), kAdvice.end(),
                   [reason](const Advice& each) { return each.first == reason; });
  return found == kAdvice.end() ? std::string_view() : found->second;
}

}  // namespace pgsidecar::proxy
