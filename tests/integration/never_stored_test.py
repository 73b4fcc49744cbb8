"""What must never be stored: each statement twice, and neither answer comes from memory."""

import time

import psycopg

import harness
import wire as w
from harness import DIRECT, ServerCase

SETUP = """
CREATE EXTENSION IF NOT EXISTS file_fdw;
CREATE TABLE t (id int PRIMARY KEY, at timestamptz DEFAULT now(), d date, s text);
INSERT INTO t SELECT n, '2024-01-01', '2024-01-01', 'now' FROM generate_series(1, 20) n;
CREATE UNLOGGED TABLE u (id int); INSERT INTO u VALUES (1);
CREATE SEQUENCE seq;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE foreign_t (line text) SERVER files OPTIONS (filename '/etc/hostname');
CREATE VIEW v_time AS SELECT id FROM t WHERE at < now();
CREATE TABLE daily (h time, z timetz); INSERT INTO daily VALUES ('10:00', '10:00');
CREATE TABLE hours (h time); INSERT INTO hours VALUES ('10:00');
CREATE VIEW v_hours AS SELECT h AT TIME ZONE 'Europe/Berlin' FROM hours;
CREATE VIEW v_catalog AS SELECT relname FROM pg_class;
CREATE VIEW v_foreign AS SELECT * FROM foreign_t;
CREATE VIEW v_unlogged AS SELECT * FROM u;
CREATE FUNCTION volatile_f() RETURNS double precision LANGUAGE sql VOLATILE AS 'SELECT random()';
CREATE FUNCTION lies_stable() RETURNS double precision LANGUAGE plpgsql STABLE AS 'BEGIN RETURN random(); END';
CREATE FUNCTION lies_immutable() RETURNS double precision LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN random(); END';
CREATE FUNCTION over(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION over(text) RETURNS double precision VOLATILE LANGUAGE sql AS 'SELECT random()';
CREATE FUNCTION op(int, int) RETURNS double precision LANGUAGE sql AS 'SELECT random()';
CREATE OPERATOR ### (LEFTARG = int, RIGHTARG = int, FUNCTION = op);
CREATE FUNCTION loud(int) RETURNS int LANGUAGE plpgsql AS $$BEGIN RAISE NOTICE 'x'; RETURN 1; END$$;
"""

BYPASSED = [
    # Time
    "SELECT now()", "SELECT clock_timestamp()", "SELECT current_date", "SELECT CURRENT_TIMESTAMP(3)",
    "SELECT localtime", "SELECT LOCALTIMESTAMP", "SELECT statement_timestamp()", "SELECT timeofday()",
    "SELECT age(at) FROM t", "SELECT count(*) FROM t WHERE at < now()", "SELECT * FROM v_time",
    "SELECT count(*) FROM (SELECT 1 WHERE now() IS NOT NULL) x",
    "SELECT id FROM t ORDER BY now() - at LIMIT 1",
    "SELECT 'now'::timestamptz", "SELECT timestamp 'today'", "SELECT CAST('tomorrow' AS date)",
    "SELECT * FROM t WHERE at > 'yesterday'", "SELECT * FROM t WHERE d = 'TODAY'",
    "SELECT * FROM t WHERE at > ' Now '", "SELECT s::timestamptz FROM t",
    "SELECT (s::timestamptz AT TIME ZONE 'utc')::date FROM t",
    "SELECT to_timestamp('2024', 'YYYY') > 'now'",
    # A time of day has no offset but today's.
    "SELECT '12:00'::timetz", "SELECT * FROM daily WHERE z = '12:00'", "SELECT h = z FROM daily",
    "SELECT h AT TIME ZONE 'Europe/Berlin' FROM hours", "SELECT * FROM v_hours",
    "SELECT make_time(1, 2, 3) AT TIME ZONE 'Europe/Berlin'",
    "SELECT at::time AT TIME ZONE 'Europe/Berlin' FROM t",
    # Chance
    "SELECT random()", "SELECT gen_random_uuid()", "SELECT id FROM t ORDER BY random()",
    "SELECT volatile_f()", "SELECT lies_stable()", "SELECT lies_immutable()", "SELECT over('x')",
    "SELECT 1 ### 2", "SELECT pg_catalog.random()", "SELECT id FROM t WHERE random() < 0.5",
    "SELECT (SELECT random())", "SELECT * FROM t, LATERAL (SELECT random()) r",
    "SELECT * FROM t TABLESAMPLE BERNOULLI (50)",
    # Who and where
    "SELECT current_user", "SELECT session_user", "SELECT user", "SELECT current_role",
    "SELECT current_catalog", "SELECT current_schema", "SELECT current_schemas(true)",
    "SELECT pg_backend_pid()", "SELECT inet_client_port()",
    "SELECT has_table_privilege('t', 'SELECT')",
    "SHOW work_mem",
    # Transactions and sequences
    "SELECT txid_current()", "SELECT pg_current_xact_id()", "SELECT pg_current_wal_lsn()",
    "SELECT nextval('seq')", "SELECT last_value FROM seq",
    # Effects
    "SELECT id FROM t WHERE id = 1 FOR UPDATE", "SELECT id FROM t FOR SHARE",
    "SELECT id FROM t WHERE id = 1 FOR NO KEY UPDATE SKIP LOCKED", "SELECT id FROM t FOR KEY SHARE",
    "SELECT * FROM (SELECT id FROM t FOR UPDATE) x",
    "SELECT pg_advisory_xact_lock(5)", "SELECT pg_try_advisory_lock_shared(6)",
    "SELECT pg_sleep(0.001)", "SELECT pg_notify('c', 'p')", "SELECT set_config('work_mem', '5MB', true)",
    "SELECT loud(1)",
    # Not ours to watch
    "SELECT count(*) FROM pg_class", "SELECT count(*) FROM information_schema.tables",
    "SELECT * FROM v_catalog LIMIT 1", "SELECT 't'::regclass", "SELECT to_regclass('t')",
    "SELECT pg_relation_size('t')", "SELECT obj_description(1, 'pg_class')",
    "SELECT * FROM foreign_t", "SELECT * FROM v_foreign", "SELECT * FROM u", "SELECT * FROM v_unlogged",
    "SELECT pg_read_file('PG_VERSION')", "SELECT query_to_xml('SELECT random()', true, true, '')",
    "SELECT pg_stat_get_numscans(1)",
    # Not one SELECT
    "SELECT 1; SELECT 2", "EXPLAIN SELECT * FROM t", "WITH x AS (UPDATE t SET s = s WHERE false) SELECT 1",
    "SELECT * FROM t LIMIT 1; SELECT * FROM t LIMIT 1",
]
# These hold in the same session what pins it; a session of their own each.
SESSION = [
    "CREATE TEMP TABLE tt AS SELECT 1 AS a; SELECT * FROM tt",
    "CREATE TEMP VIEW tv AS SELECT * FROM t; SELECT * FROM tv",
]
FAILING = ["SELECT 1/0", "SELECT 1/(id-20) FROM t ORDER BY id", "SELECT * FROM nowhere",
           "SELECT no_such()", "SELECT 'x'::int"]


class NeverStored(ServerCase):
    SETUP = SETUP
    CONF = ("max_connections = 100",)
    FLAGS = ("--sole-writer", "--single-flight-wait", "20s")

    def assert_bypassed(self, run, sql):
        with harness.wire(self.proxy) as client:
            for attempt in range(2):
                run(client, sql)
                self.assert_last(client, "bypass", f"{sql}, attempt {attempt}")

    def test_simple_protocol(self):
        for sql in BYPASSED:
            with self.subTest(sql):
                self.assert_bypassed(lambda client, text: client.query(text), sql)

    def test_extended_protocol(self):
        for sql in BYPASSED:
            if ";" not in sql:
                with self.subTest(sql):
                    self.assert_bypassed(lambda client, text: client.extended(text), sql)

    def test_session_state(self):
        for sql in SESSION:
            with self.subTest(sql), harness.wire(self.proxy) as client:
                for statement in sql.split("; "):
                    client.query(statement)
                self.assert_last(client, "bypass", sql)

    def test_errors_are_not_stored(self):
        for sql in FAILING:
            with self.subTest(sql), harness.wire(self.proxy) as client:
                for _ in range(2):
                    with self.assertRaises(w.ServerError):
                        client.query(sql)
                    if not DIRECT:
                        self.assertNotEqual(client.last(), "hit")

    def test_time_words_in_parameters(self):
        with harness.wire(self.proxy) as client:
            sql = "SELECT $1::timestamptz"
            first = client.extended(sql, ["now"])
            time.sleep(0.01)
            self.assertNotEqual(client.extended(sql, ["now"]), first)
            self.assert_last(client, "bypass")
            sql = "SELECT count(*) FROM t WHERE at < $1"
            for value in ("today", "TOMORROW", " yesterday "):
                for _ in range(2):
                    client.extended(sql, [value])
                    self.assert_last(client, "bypass", value)

    def test_row_limited_execute(self):
        sql = "SELECT id FROM t ORDER BY id"
        with harness.wire(self.proxy) as client:
            for _ in range(3):
                client.send(w.parse(sql), w.bind(), w.describe(), w.execute(limit=5), w.SYNC)
                self.assertEqual(w.kinds(client.read_until_ready()), "12TDDDDDsZ")
            self.assertEqual(len(client.extended(sql)), 20)
            self.assertEqual(len(client.extended(sql)), 20)

    def test_cancelled_and_timed_out(self):
        sql = "SELECT count(*) FROM generate_series(1, 30000000) g, t WHERE g = t.id"
        with harness.connect(self.proxy, options="-c statement_timeout=100ms") as client:
            for _ in range(2):
                with self.assertRaises(psycopg.errors.QueryCanceled):
                    client.execute(sql)
        short = "SELECT sum(id) FROM t"
        with harness.connect(self.proxy) as client:
            self.assertEqual(client.execute(short).fetchone(), (210,))

    def test_error_after_rows(self):
        sql = "SELECT repeat('x', 1000), 1/(5000-g) FROM generate_series(1, 5000) g"
        with harness.wire(self.proxy) as client:
            for _ in range(2):
                client.send(w.query(sql))
                said = client.read_until_ready()
                self.assertIn(b"D", [kind for kind, _ in said])
                self.assertEqual(w.kinds(said)[-2:], "EZ")

    def test_cursors(self):
        with harness.connect(self.proxy, autocommit=False) as client:
            client.execute("DECLARE c CURSOR FOR SELECT id FROM t ORDER BY id")
            for expected in range(1, 4):
                self.assertEqual(client.execute("FETCH c").fetchone(), (expected,))
                self.assert_last(client, "bypass")

    def test_redefined_as_volatile(self):
        with harness.connect(self.proxy) as client:
            client.execute("CREATE FUNCTION changes() RETURNS float8 IMMUTABLE LANGUAGE sql"
                           " AS 'SELECT 1.0::float8'")
            for _ in range(3):
                self.assertEqual(client.execute("SELECT changes()").fetchone(), (1.0,))
            client.execute("CREATE OR REPLACE FUNCTION changes() RETURNS float8 VOLATILE"
                           " LANGUAGE sql AS 'SELECT random()'")
            answers = {client.execute("SELECT changes()").fetchone() for _ in range(4)}
            self.assertEqual(len(answers), 4)

    def test_function_of_that_name_earlier_in_the_path(self):
        with harness.connect(self.proxy) as client:
            client.execute("CREATE SCHEMA shadow; CREATE FUNCTION shadow.lower(text) RETURNS text"
                           " VOLATILE LANGUAGE sql AS 'SELECT random()::text'")
        path = "-c search_path=shadow,pg_catalog,public"
        with harness.connect(self.proxy, options=path) as client:
            answers = {client.execute("SELECT lower('X') FROM t LIMIT 1").fetchone()
                       for _ in range(4)}
            self.assertEqual(len(answers), 4)

    def test_what_is_large_is_stored_once_its_size_is_known(self):
        """Of an answer that nobody has seen before, little is copied."""
        client = self.wire()
        for sql, outcomes in (("SELECT repeat('s', 500000) FROM t WHERE id = 1", ["miss", "hit", "hit"]),
                              ("SELECT repeat('l', 2000000) FROM t WHERE id < 3", ["miss", "miss", "hit"]),
                              ("SELECT repeat('h', 5000000) FROM t WHERE id < 3", ["miss"] * 4)):
            seen = []
            for _ in outcomes:
                rows = client.query(sql)
                seen.append(client.last())
                self.assertEqual({len(row[0]) for row in rows}, {int(sql.split(", ")[1].split(")")[0])})
            self.assertEqual(seen, outcomes, sql)

    def test_what_is_large_is_kept_for_those_who_wait_for_it(self):
        sql = "SELECT repeat('f', 700000) FROM t WHERE id < 3"
        clients = [self.wire() for _ in range(4)]
        waited = 0 if DIRECT else self.figures()["flights_followed_total"] + len(clients) - 1
        with self.truth.transaction():
            self.truth.execute("LOCK TABLE t")
            for client in clients:
                client.send(w.query(sql))
            if not DIRECT:
                harness.wait_until(lambda: self.figures()["flights_followed_total"] == waited,
                                   what="three clients to wait for a fourth")
        for client in clients:
            self.assertEqual(client.rows(client.read_until_ready()), [["f" * 700000]] * 2)
        if not DIRECT:
            self.assertEqual(sorted(client.last() for client in clients), ["hit"] * 3 + ["miss"])

    def test_plain_ones_are_stored(self):
        """The other side: without it a proxy that stores nothing would pass."""
        if DIRECT:
            self.skipTest("about the cache")
        for sql in ("SELECT 1", "SELECT count(*) FROM t", "VALUES (1, 'x')", "TABLE t",
                    "SELECT lower(s), length(s), id + 1 FROM t WHERE s LIKE 'n%' ORDER BY id",
                    "WITH x AS (SELECT id FROM t) SELECT * FROM x UNION SELECT 5",
                    "SELECT row_number() OVER (ORDER BY id), sum(id) OVER () FROM t",
                    "SELECT coalesce(max(id), 0)::bigint FROM t GROUP BY s HAVING count(*) > 1",
                    "SELECT * FROM generate_series(1, 3)"):
            with self.subTest(sql), harness.wire(self.proxy) as client:
                def hit():
                    client.query(sql)
                    client.query(sql)
                    return client.last() == "hit"
                harness.wait_until(hit, seconds=10, what=f"a hit for {sql}")


if __name__ == "__main__":
    harness.main()
