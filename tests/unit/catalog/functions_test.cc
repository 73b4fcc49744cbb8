// What calling a function does: bodies, overloads, triggers, extensions, settings.

#include "catalog/environment.h"
#include "catalog/snapshot.h"
#include "tests/unit/catalog/outcome_table.h"

namespace pgsidecar::catalog {
namespace {

constexpr std::string_view kUnknown = "unknown_function anything pin=function environment";

TEST(Functions, BodiesAreReadThrough) {
  ExpectOutcomes({
      {"SELECT plus_one(1)", "none"},
      {"SELECT public.plus_one(1)", "none"},
      {"SELECT plus_one(aid) FROM accounts", "none reads=accounts"},
      // An unqualified name in a string is looked up when it runs.
      {"SELECT count_accounts()", "none reads=accounts,~accounts"},
      {"SELECT balance_of(1)", "volatile_function"},  // app.=
      {"SELECT balance_in_public(1)", "none reads=accounts"},
      {"SELECT balance_as_postgres(1)", kUnknown},
      {"SELECT balance_atomic(1)", "none reads=accounts"},
      {"SELECT sum_atomic(1, 2)", "none"},
      {"SELECT nested(1)", "none reads=accounts"},
      {"SELECT * FROM with_balance", "none reads=accounts,branches"},
      {"SELECT * FROM guarded_lookup", "none reads=accounts,guarded_lookup"},
      {"SELECT reads_rows(1)", "none reads=branches"},
      {"SELECT first_of(aid) FROM accounts", "none reads=accounts"},
      {"SELECT opaque_of(aid) FROM accounts", kUnknown},
      {"SELECT opaque(1)", kUnknown},
      {"SELECT sets_time_zone()", kUnknown},
      {"SELECT makes_temp()", kUnknown},
  });
}

TEST(Functions, DeclaredVolatilityOnlyNarrows) {
  ExpectOutcomes({
      {"SELECT app.total(a) FROM accounts a", "volatile_function"},
      {"SELECT lies_immutable(1)", "volatile_function"},
      {"SELECT tenant_immutable()", "volatile_function"},
      {"SELECT calls_volatile()", "volatile_function"},
  });
}

TEST(Functions, WhatTheyWriteIsWritten) {
  ExpectOutcomes({
      {"SELECT deposit(1, 2)", "modifies_data writes=accounts,child,grandchild"},
      {"SELECT nested_write()", "modifies_data writes=accounts,child,grandchild"},
      {"INSERT INTO branches SELECT 1 FROM (SELECT deposit(1, 2)) x",
       "not_a_select writes=accounts,branches,child,grandchild"},
  });
}

TEST(Functions, CirclesEnd) {
  ExpectOutcomes({
      {"SELECT factorial_of(5)", "none"},
      {"SELECT even(4)", "other anything pin=function environment"},
      {"SELECT odd(4)", "other anything pin=function environment"},
  });
}

TEST(Functions, OverloadsByTheNumberOfArguments) {
  ExpectOutcomes({
      {"SELECT over(1)", "none"},
      {"SELECT over(1, 2)", "volatile_function"},
      {"SELECT over(1, 2, 3)", "none reads=branches"},
      {"SELECT over(1, 2, 3, 4, 5)", "none reads=branches"},
      {"SELECT over(1, 2, 3, VARIADIC ARRAY[1])", "none reads=branches"},
      {"SELECT over()", kUnknown},
      {"SELECT with_default(1, '2024-01-01')", "time_dependent"},
      {"SELECT with_default(1)", "time_dependent"},
  });
}

TEST(Functions, OverloadsByTheTypesThatOccurInABody) {
  ExpectOutcomes({
      {"SELECT compares_numbers(1)", "none"},
      {"SELECT compares_argument('happy')", "modifies_data writes=branches"},
      {"SELECT compares_any(1)", "modifies_data writes=branches"},
      {"SELECT compares_variable()", "modifies_data writes=branches"},
      {"UPDATE mooded SET id = 1", "not_a_select writes=branches,mooded"},
      {"DELETE FROM mooded", "not_a_select writes=mooded"},
  });
}

TEST(Functions, PlpgsqlTurnsTextIntoDates) {
  ExpectOutcomes({
      {"SELECT as_date('x')", "time_dependent"},
      {"SELECT day_of(1)", "time_dependent"},
      {"SELECT days()", "none reads=events"},
  });
}

TEST(Functions, SettingsInTheKey) {
  ExpectOutcomes({
      {"SELECT current_setting('app.tenant')", "none"},
      {"SELECT pg_catalog.current_setting('TimeZone', true)", "none"},
      {"SELECT current_setting('app.tenant'::text)::int", "none"},
      {"SELECT current_setting('application_name')", "session_function"},
      {"SELECT current_setting('Application_Name')", "session_function"},
      {"SELECT current_setting('log_statement')", "session_function"},
      {"SELECT current_setting('lock_timeout')", "session_function"},
      {"SELECT current_setting('transaction_isolation')", "session_function"},
      {"SELECT current_setting('pgsidecar.cache')", "session_function"},
      {"SELECT current_setting('role')", "session_function"},
      {"SELECT current_setting($1)", "session_function"},
      {"SELECT current_setting('app.' || 'tenant')", "session_function"},
      {"SELECT current_setting(setting_name => 'app.tenant')", "session_function"},
      {"SELECT tenant()", "none"},
      {"SELECT any_setting('app.tenant')", "session_function"},
      {"SELECT * FROM guarded_tenant", "none reads=guarded_tenant"},
  });
}

TEST(Functions, WhoAsksIsInTheKey) {
  ExpectOutcomes({
      {"SELECT CURRENT_USER", "identity_dependent"},
      {"SELECT current_schemas(true)", "identity_dependent"},
      {"SELECT me()", "none"},
      {"SELECT * FROM whoami", "none"},
      {"SELECT * FROM guarded_user", "none reads=guarded_user"},
  });
}

TEST(Functions, Extensions) {
  ExpectOutcomes({
      {"SELECT similarity('a', 'b')", "none"},
      {"SELECT aid FROM accounts WHERE filler % 'x' ORDER BY filler <-> 'y'",
       "none reads=accounts"},
      {"SELECT set_limit(0.5)", kUnknown},
      {"SELECT h -> 'a', h ? 'b', akeys(h) FROM stores", "none reads=stores"},
      {"SELECT populate_record(NULL::pair, h) FROM stores", kUnknown},
      {"SELECT uuid_generate_v4()", "volatile_function"},
      {"SELECT uuid_nil()", "none"},
      {"INSERT INTO uuids (v) VALUES ('x')", "not_a_select writes=uuids"},
      {"SELECT * FROM dblink('dbname=postgres', 'SELECT 1') AS t(a int)", kUnknown},
      {"SELECT lower(c), c LIKE 'a%' FROM insensitive", "none reads=insensitive"},
  });
}

TEST(Functions, InExpressionsOfTables) {
  ExpectOutcomes({
      {"INSERT INTO understood_calls DEFAULT VALUES", "not_a_select writes=understood_calls"},
      {"SELECT 'sad'::mood === 'sad'", "none"},
  });
}

TEST(Functions, DefaultsRunWhenTheyAreNamed) {
  ExpectOutcomes({
      {"UPDATE serials SET v = 'y'", "not_a_select writes=serials"},
      {"UPDATE serials SET id = DEFAULT", "not_a_select writes=serials sequence"},
      {"UPDATE serials SET (id, v) = (DEFAULT, 'x')", "not_a_select writes=serials sequence"},
      {"UPDATE identities SET v = 'y'", "not_a_select writes=identities"},
      {"UPDATE identities SET id = DEFAULT", "not_a_select writes=identities sequence"},
      {"MERGE INTO serials s USING branches b ON s.id = b.bid WHEN MATCHED THEN UPDATE SET v = ''",
       "not_a_select writes=serials"},
      {"MERGE INTO serials s USING branches b ON s.id = b.bid "
       "WHEN MATCHED THEN UPDATE SET id = DEFAULT",
       "not_a_select writes=serials sequence"},
      {"INSERT INTO default_calls VALUES (1) ON CONFLICT DO NOTHING",
       "not_a_select anything pin=function environment"},
      {"UPDATE default_calls SET id = 1", "not_a_select writes=default_calls"},
      {"UPDATE default_calls SET id = DEFAULT", "not_a_select anything pin=function environment"},
  });
}

TEST(Functions, Triggers) {
  constexpr std::string_view kOpaque = "not_a_select anything pin=function environment";
  ExpectOutcomes({
      {"INSERT INTO logged VALUES (1)", "not_a_select writes=log,logged"},
      {"UPDATE logged SET v = ''", "not_a_select writes=log,logged"},
      {"DELETE FROM logged", "not_a_select writes=logged"},
      {"TRUNCATE logged", "not_a_select writes=logged"},
      {"COPY logged FROM STDIN", "not_a_select writes=log,logged"},
      {"INSERT INTO logged_before VALUES (1)", "not_a_select writes=log,logged_before"},
      {"INSERT INTO deferred_logged VALUES (1)", "not_a_select writes=deferred_logged,log"},
      {"INSERT INTO logged_opaquely VALUES (1)", "not_a_select writes=logged_opaquely"},
      {"UPDATE logged_opaquely SET v = ''", kOpaque},
      {"DELETE FROM log_parent", "not_a_select writes=log,log_child,log_parent"},
      {"INSERT INTO log_child VALUES (1)", "not_a_select writes=log_child"},
      {"INSERT INTO self_logged VALUES (1)", "not_a_select writes=self_logged"},
      {"DELETE FROM pieces", "not_a_select writes=log,pieces"},
      // A row may move to another partition.
      {"UPDATE pieces SET v = ''", "not_a_select writes=log,pieces"},
      {"INSERT INTO pieces VALUES (1)", "not_a_select writes=pieces"},
      {"INSERT INTO instead_logged VALUES (1)", "not_a_select writes=branches,log"},
  });
}

TEST(Functions, TriggersThatChangeTheRow) {
  const auto changes = [](std::string_view name) {
    return Sample().RelationsNamed(name)[0]->has_row_changing_triggers;
  };
  EXPECT_TRUE(changes("logged_before"));
  EXPECT_TRUE(changes("instead_logged"));
  EXPECT_FALSE(changes("logged"));
  EXPECT_FALSE(changes("accounts"));
}

TEST(Functions, DeclaredHarmlessByTheOperator) {
  const auto outcome = [](std::string_view text) {
    static const std::shared_ptr<const Catalog> catalog = [] {
      CatalogBuilder builder({"public.opaque", "public.audit", "other.deposit", "public.deposit"});
      AddSampleRows(builder);
      return builder.Finish().value();
    }();
    return OutcomeIn(*catalog, text);
  };
  EXPECT_EQ(outcome("SELECT opaque(1)"), "none");
  EXPECT_EQ(outcome("INSERT INTO traced VALUES (1)"), "not_a_select writes=traced");
  // What its body says holds all the same.
  EXPECT_EQ(outcome("SELECT deposit(1, 2)"), "modifies_data writes=accounts,child,grandchild");
  EXPECT_EQ(outcome("SELECT makes_temp()"), kUnknown);
}

TEST(Environment, TheProbeLeavesOutTheSame) {
  for (const std::string_view name : {"application_name",
                                      "in_hot_standby",
                                      "lc_messages",
                                      "synchronous_commit",
                                      "update_process_title",
                                      "client_connection_check_interval",
                                      "transaction_isolation",
                                      "transaction_read_only",
                                      "transaction_deferrable",
                                      "default_transaction_isolation",
                                      "default_transaction_read_only",
                                      "default_transaction_deferrable",
                                      "log_duration",
                                      "tcp_keepalives_idle",
                                      "ssl_ciphers",
                                      "track_counts",
                                      "debug_print_plan",
                                      "statement_timeout",
                                      "role",
                                      "seed",
                                      "session_authorization",
                                      "pgsidecar.ttl",
                                      ""}) {
    EXPECT_FALSE(IsSettingInKey(name)) << name;
  }
  for (const std::string_view name : {"timezone", "app.tenant", "search_path", "work_mem"}) {
    EXPECT_TRUE(IsSettingInKey(name)) << name;
  }
}

}  // namespace
}  // namespace pgsidecar::catalog
