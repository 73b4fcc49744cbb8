// What may be cached, and on what it depends.

#include "tests/unit/catalog/outcome_table.h"

namespace pgsidecar::catalog {
namespace {

constexpr std::string_view kUnknown = "unknown_function anything pin=function environment";

TEST(ResolveRead, TablesAndViewsAreReadThroughToTheirTables) {
  ExpectOutcomes({
      {"SELECT 1", "none"},
      {"SELECT abalance FROM accounts WHERE aid = $1", "none reads=accounts"},
      {"TABLE branches", "none reads=branches"},
      {"VALUES (1), (2)", "none"},
      {"SELECT * FROM accounts a JOIN branches b USING (bid)", "none reads=accounts,branches"},
      {"SELECT (SELECT max(bbalance) FROM branches) FROM accounts a WHERE a.aid IN (1, 2)",
       "none reads=accounts,branches"},
      {"WITH x AS (SELECT * FROM accounts) SELECT count(*) FROM x", "none reads=accounts"},
      {"SELECT * FROM rich", "none reads=accounts"},
      {"SELECT * FROM rich_branches", "none reads=accounts,branches"},
      {"SELECT * FROM barrier", "none reads=branches"},
      {"SELECT * FROM summary", "none reads=summary"},
      {"SELECT * FROM clocked", "time_dependent"},
      {"SELECT * FROM dated", "time_dependent"},
      {"SELECT * FROM whoami", "none"},
      {"SELECT * FROM on_catalog", "system_catalog"},
      {"SELECT * FROM calling", kUnknown},
  });
}

TEST(ResolveRead, NamesFollowTheSearchPath) {
  ExpectOutcomes({{"SELECT * FROM accounts", "none reads=~accounts"}}, "other");
  ExpectOutcomes({{"SELECT * FROM accounts", "none reads=accounts,~accounts"},
                  {"SELECT * FROM other.accounts", "none reads=~accounts"},
                  {"SELECT * FROM public.accounts", "none reads=accounts"},
                  {"SELECT * FROM elsewhere.accounts", "unknown_relation"}},
                 "other, public");
  ExpectOutcomes(
      {{"SELECT * FROM \"Case.Table\"", "none reads=~Case.Table"},
       {"SELECT * FROM case.table", "not one statement: syntax error at or near \"case\""}},
      "\"Mixed\"");
  ExpectOutcomes({{"SELECT * FROM \"Case.Table\"", "unknown_relation"}}, "Mixed");
  ExpectOutcomes({{"SELECT 1", "unknown_relation anything pin=function environment"}}, "a,,b");
  ExpectOutcomes({{"SELECT * FROM accounts", "unknown_relation"}, {"SELECT 1", "none"}}, "");
}

TEST(ResolveRead, KindsOfRelation) {
  ExpectOutcomes({
      {"SELECT * FROM missing", "unknown_relation"},
      {"SELECT * FROM unlogged", "unlogged_table"},
      {"SELECT * FROM remote", "foreign_table"},
      {"SELECT last_value FROM standalone", "sequence"},
      {"SELECT * FROM ruled", "none reads=ruled"},
      {"SELECT * FROM pg_class", "system_catalog"},
      {"SELECT * FROM pg_catalog.pg_tables", "system_catalog"},
      {"SELECT * FROM information_schema.tables", "system_catalog"},
      {"SELECT * FROM pg_prepared_statements", "system_catalog pin=prepared_statement"},
      {"SELECT * FROM pg_temp.accounts", "temporary_table"},
  });
}

TEST(ResolveRead, TreesAreTheirRoot) {
  ExpectOutcomes({
      {"SELECT * FROM events", "none reads=events"},
      {"SELECT * FROM events_2025_low", "none reads=events"},
      {"SELECT * FROM derived", "none reads=base_a"},
      {"SELECT * FROM base_b", "none reads=base_a"},
      {"SELECT * FROM ONLY base_b", "none reads=base_a"},
      {"SELECT * FROM mixed_tree", "unlogged_table"},
  });
}

TEST(ResolveRead, RowSecurity) {
  ExpectOutcomes({
      {"SELECT * FROM guarded", "none reads=guarded,tenants"},
      {"SELECT * FROM guarded_setting", "none reads=guarded_setting"},
      {"SELECT * FROM guarded_user", "none reads=guarded_user"},
      {"SELECT * FROM guarded_call", "row_security anything pin=function environment"},
      {"SELECT * FROM guarded_loop", "row_security anything pin=function environment"},
      {"SELECT * FROM guard_off", "none reads=guard_off"},
  });
}

TEST(ResolveRead, Types) {
  ExpectOutcomes({
      {"SELECT * FROM typed", "none reads=typed"},
      {"SELECT * FROM domained", "none reads=domained"},
      {"SELECT * FROM domain_checked", "none reads=domain_checked"},
      {"SELECT * FROM insensitive", "none reads=insensitive"},
      {"SELECT * FROM coloured", "volatile_function"},
      {"SELECT 'sad'::mood, '(1,sad)'::pair, 'x'::free_text, '1'::positive", "none"},
      {"SELECT '1'::checked", "unknown_type anything pin=function environment"},
      {"SELECT 'x'::citext", "none"},
      {"SELECT 'x'::missing", "unknown_type anything pin=function environment"},
      {"SELECT 'pg_class'::regclass", "other"},
      {"SELECT filler::birthday FROM accounts", "time_dependent"},
      {"SELECT filler::daterange FROM accounts", "time_dependent"},
      {"SELECT abalance::numeric(10,2)::text FROM accounts", "none reads=accounts"},
      {"SELECT '2024-01-01'::birthday", "none"},
  });
}

TEST(ResolveRead, HazardsOfTheText) {
  ExpectOutcomes({
      {"SELECT CURRENT_DATE", "time_dependent"},
      {"SELECT 'today'::date", "time_dependent"},
      {"SELECT CURRENT_USER", "identity_dependent"},
      {"SELECT * FROM accounts FOR UPDATE", "row_lock"},
      {"SELECT * FROM accounts TABLESAMPLE SYSTEM (1)", "table_sample"},
  });
}

TEST(ResolveRead, BuiltInFunctions) {
  ExpectOutcomes({
      {"SELECT lower(filler), length(filler), coalesce(abalance, 0) FROM accounts",
       "none reads=accounts"},
      {"SELECT count(*), sum(abalance), string_agg(filler, ',') FROM accounts GROUP BY bid",
       "none reads=accounts"},
      {"SELECT row_number() OVER (ORDER BY aid) FROM accounts", "none reads=accounts"},
      {"SELECT * FROM generate_series(1, 3) g", "none"},
      {"SELECT date_trunc('day', day), extract(year FROM day), to_char(day, 'YYYY') FROM events",
       "none reads=events"},
      {"SELECT to_tsvector('a') @@ to_tsquery('b')", "none"},
      {"SELECT jsonb_build_object('a', 1) -> 'a', '[1]'::jsonb @> '1'", "none"},
      {"SELECT array_agg(aid), ARRAY[1] || 2, 1 = ANY (ARRAY[1]) FROM accounts",
       "none reads=accounts"},
      {"SELECT 1 + 2 * 3 - 4 / 5 % 6 < 7, 'a' || 'b', 'a' LIKE 'b', 'a' ~ 'b', 1 <> 2", "none"},
      {"SELECT now()", "time_dependent"},
      {"SELECT age(day) FROM events", "time_dependent"},
      {"SELECT date(filler) FROM accounts", "time_dependent"},
      {"SELECT random()", "volatile_function"},
      {"SELECT clock_timestamp()", "time_dependent"},
      {"SELECT pg_backend_pid()", "volatile_function"},
      {"SELECT pg_sleep(1)", "volatile_function"},
      {"SELECT txid_current()", "volatile_function"},
      {"SELECT pg_advisory_xact_lock(1)", "volatile_function"},
      {"SELECT pg_advisory_lock(1)", "session_function pin=advisory_lock"},
      {"SELECT nextval('standalone')", "session_function sequence"},
      {"SELECT currval('standalone')", "session_function sequence_state"},
      {"SELECT set_config('a.b', 'c', false)", "session_function"},
      {"SELECT set_config('a.b', 'c', true)", "session_function"},
      {"SELECT set_config('work_mem', 'c', true)", "session_function"},
      {"SELECT set_config('a.b', id::text, true) FROM events",
       "session_function pin=setting environment"},
      {"SELECT setseed(0.5)", "session_function pin=seed"},
      {"SELECT current_setting('a.b')", "none"},
      {"SELECT has_table_privilege('accounts', 'SELECT')", "identity_dependent"},
      {"SELECT pg_get_viewdef('rich'::regclass)", "other"},
      {"SELECT to_regclass('accounts')", "system_catalog"},
      {"SELECT format_type(1, 2)", "system_catalog"},
  });
}

// TimeZone, DateStyle and IntervalStyle are in the key; the clock and words for it are not.
TEST(ResolveRead, TimesAndSettings) {
  ExpectOutcomes({
      {"SELECT at - interval '1 day', at + '1 month'::interval FROM stamped", "none reads=stamped"},
      {"SELECT at > '2024-01-01', at AT TIME ZONE 'UTC' FROM stamped", "none reads=stamped"},
      {"SELECT to_char(at, 'HH24 TZ'), date_trunc('day', at) FROM stamped", "none reads=stamped"},
      {"SELECT at - '2024-01-01'::timestamptz, at::text FROM stamped", "none reads=stamped"},
      {"SELECT day = at, day + 1, day - day FROM events, stamped", "none reads=events,stamped"},
      {"SELECT 'epoch'::timestamp, 'allballs'::time, date 'infinity'", "none"},
      {"SELECT at::date FROM stamped", "time_dependent"},
      {"SELECT filler::timestamptz FROM accounts", "time_dependent"},
      {"SELECT '2024-01-01'::text::timestamp", "none"},
      {"SELECT ('to' || 'day')::timestamp", "time_dependent"},
      {"SELECT timestamp 'Tomorrow'", "time_dependent"},
      {"SELECT at > ' yesterday noon' FROM stamped", "time_dependent"},
      {"SELECT age(at) FROM stamped", "time_dependent"},
      {"SELECT timeofday()", "time_dependent"},
      {"SELECT to_timestamp('2024', 'YYYY'), to_date('2024', 'YYYY')", "none"},
  });
}

TEST(ResolveRead, UnknownFunctions) {
  ExpectOutcomes({
      {"SELECT opaque(1)", kUnknown},
      {"SELECT public.opaque(1)", kUnknown},
      {"SELECT 1 FROM accounts WHERE opaque(aid) = 1", kUnknown},
      {"SELECT missing(1)", kUnknown},
      {"SELECT lo_create(0)", kUnknown},
      {"SELECT pg_reload_conf()", kUnknown},
      {"SELECT query_to_xml('SELECT 1', true, true, '')", kUnknown},
      {"SELECT ts_rewrite('a'::tsquery, 'SELECT 1')", kUnknown},
      {"SELECT pg_catalog.lower('X')", "none"},
      {"SELECT app.lower('X')", "volatile_function"},
      {"SELECT 1 OPERATOR(pg_catalog.=) 1", "none"},
      {"SELECT 1 OPERATOR(app.=) 1", "volatile_function"},
      {"SELECT 1 ==== 1", kUnknown},
      {"SELECT mood('sad')", "none"},
  });
}

TEST(ResolveRead, OverloadsOnTheSearchPath) {
  ExpectOutcomes(
      {
          {"SELECT lower('X')", "volatile_function"},
          {"SELECT upper('X')", "none"},
          {"SELECT 1 = 1", "volatile_function"},
          // Only for values of mood, and none occur.
          {"SELECT 1 < 1", "none"},
          {"SELECT aid < 1 FROM accounts", "none reads=accounts"},
          {"SELECT 'sad'::mood < 'happy'", "volatile_function"},
          {"SELECT m < 'happy' FROM typed", "volatile_function"},
          {"SELECT ms[1] < 'happy' FROM typed", "volatile_function"},
          {"SELECT a.total FROM accounts a", "volatile_function"},
          {"SELECT a.born FROM accounts a", "none reads=accounts"},
          {"SELECT a.aid FROM accounts a", "none reads=accounts"},
      },
      "app, public");
  // citext lives in public and overloads =, ~, max(), replace() and more for its own type.
  ExpectOutcomes({
      {"SELECT 1 = 1, 'a' = 'b', replace('a', 'b', 'c'), max(filler) FROM accounts",
       "none reads=accounts"},
      {"SELECT filler ~ 'b' FROM accounts", "none reads=accounts"},
      {"SELECT c = 'b' FROM insensitive", "none reads=insensitive"},
  });
}

}  // namespace
}  // namespace pgsidecar::catalog
