// What a statement changes.

#include "tests/unit/catalog/outcome_table.h"

namespace pgsidecar::catalog {
namespace {

constexpr std::string_view kUnknown = "not_a_select anything pin=function environment";

TEST(ResolveWrite, PlainWritesNameTheirTable) {
  ExpectOutcomes({
      {"INSERT INTO accounts VALUES (1, 2, 3, 'x')", "not_a_select writes=accounts"},
      {"UPDATE accounts SET abalance = abalance + 1 WHERE aid = 1", "not_a_select writes=accounts"},
      {"UPDATE accounts AS a SET abalance = b.bbalance FROM branches b WHERE a.bid = b.bid",
       "not_a_select writes=accounts"},
      {"DELETE FROM accounts USING branches", "not_a_select writes=accounts"},
      {"TRUNCATE accounts, branches", "not_a_select writes=accounts,branches"},
      {"COPY accounts FROM STDIN", "not_a_select writes=accounts"},
      {"COPY accounts TO STDOUT", "not_a_select"},
      {"INSERT INTO accounts (aid) VALUES (1) ON CONFLICT (aid) DO UPDATE SET bid = 1",
       "not_a_select writes=accounts"},
      {"MERGE INTO accounts a USING branches b ON a.bid = b.bid WHEN MATCHED THEN DELETE",
       "not_a_select writes=accounts"},
      {"WITH x AS (DELETE FROM branches RETURNING *) SELECT * FROM x",
       "modifies_data writes=branches"},
      {"EXPLAIN ANALYZE DELETE FROM accounts", "not_a_select writes=accounts"},
      {"EXPLAIN SELECT * FROM accounts", "not_a_select"},
      {"EXPLAIN SELECT opaque(1)", kUnknown},
      {"INSERT INTO unlogged VALUES (1)", "not_a_select writes=unlogged"},
      {"INSERT INTO stamped DEFAULT VALUES", "not_a_select writes=stamped"},
  });
  ExpectOutcomes({{"DELETE FROM accounts", "not_a_select writes=accounts,~accounts"}},
                 "other, public");
}

TEST(ResolveWrite, Sequences) {
  ExpectOutcomes({
      {"INSERT INTO serials (v) VALUES ('x')", "not_a_select writes=serials sequence"},
      {"COPY serials (v) FROM STDIN", "not_a_select writes=serials sequence"},
      {"UPDATE serials SET v = 'y'", "not_a_select writes=serials"},
      {"DELETE FROM serials", "not_a_select writes=serials"},
      {"INSERT INTO identities (v) VALUES ('x')", "not_a_select writes=identities sequence"},
      {"INSERT INTO accounts SELECT nextval('standalone')",
       "not_a_select writes=accounts sequence"},
  });
}

TEST(ResolveWrite, TriggersAndRulesRunAnything) {
  ExpectOutcomes({
      {"UPDATE audited_child SET id = 1", kUnknown},
      {"INSERT INTO audited_child VALUES (1)", "not_a_select writes=audited_child"},
      {"UPDATE audited_child SET id = 1 WHERE id = 2", kUnknown},
      {"INSERT INTO audited_parent VALUES (1)", "not_a_select writes=audited_parent"},
      {"INSERT INTO ruled VALUES (1)", kUnknown},
      {"INSERT INTO instead VALUES (1)", kUnknown},
      {"INSERT INTO traced VALUES (1)", kUnknown},
  });
}

TEST(ResolveWrite, ExpressionsOfTheTable) {
  ExpectOutcomes({
      {"INSERT INTO default_calls DEFAULT VALUES", kUnknown},
      {"INSERT INTO check_calls VALUES (1)", kUnknown},
      {"INSERT INTO generated_calls VALUES (1)", kUnknown},
      {"UPDATE index_calls SET id = 1", kUnknown},
      {"UPDATE predicate_calls SET id = 1", kUnknown},
      {"INSERT INTO partition_calls VALUES (1)", kUnknown},
      {"DELETE FROM check_calls", "not_a_select writes=check_calls"},
      {"INSERT INTO domained VALUES (1)", "not_a_select writes=domained"},
      {"INSERT INTO domain_checked VALUES (1)", kUnknown},
      {"INSERT INTO insensitive VALUES ('x')", "not_a_select writes=insensitive"},
      {"INSERT INTO set_config_default DEFAULT VALUES",
       "not_a_select writes=set_config_default pin=setting environment"},
      {"INSERT INTO guarded VALUES (1, 1)", "not_a_select writes=guarded"},
      {"DELETE FROM guarded_call", kUnknown},
      {"INSERT INTO accounts SELECT opaque(1)", kUnknown},
      {"DELETE FROM accounts WHERE opaque(aid) = 1", kUnknown},
      {"INSERT INTO accounts SELECT h FROM calling", kUnknown},
  });
}

TEST(ResolveWrite, Cascades) {
  ExpectOutcomes({
      {"INSERT INTO parent VALUES (1)", "not_a_select writes=parent"},
      {"DELETE FROM parent", "not_a_select writes=child,defaulted,grandchild,parent"},
      {"UPDATE parent SET id = 2", "not_a_select writes=child,parent"},
      {"DELETE FROM child", "not_a_select writes=child,grandchild"},
      {"TRUNCATE parent", "not_a_select writes=parent"},
      {"TRUNCATE parent CASCADE",
       "not_a_select writes=child,defaulted,grandchild,parent,plain_reference"},
      {"DELETE FROM loop_a", "not_a_select writes=loop_a,loop_b"},
  });
}

TEST(ResolveWrite, TreesAndViews) {
  ExpectOutcomes({
      {"INSERT INTO events_2024 VALUES (1)", "not_a_select writes=events"},
      {"DELETE FROM derived", "not_a_select writes=base_a"},
      {"UPDATE rich SET abalance = 0", "not_a_select writes=accounts"},
      {"DELETE FROM rich_branches", "not_a_select writes=accounts,branches"},
      {"INSERT INTO remote VALUES (1)", kUnknown},
      {"UPDATE calling SET h = 1", kUnknown},
      {"INSERT INTO view_default VALUES (1)", kUnknown},
      {"DELETE FROM view_default", "not_a_select writes=branches"},
      {"UPDATE on_catalog SET relname = 'x'", "not_a_select anything"},
      {"DELETE FROM pg_class", "not_a_select anything catalog pin=function environment"},
      {"UPDATE pg_settings SET setting = 'x'",
       "not_a_select anything catalog pin=function environment"},
      {"INSERT INTO missing VALUES (1)", "not_a_select anything"},
      {"INSERT INTO pg_temp.missing VALUES (1)", "not_a_select anything pin=temporary_object"},
  });
}

}  // namespace
}  // namespace pgsidecar::catalog
