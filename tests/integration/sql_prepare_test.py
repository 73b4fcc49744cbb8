"""SQL's PREPARE: its statements go with their session from one server connection to another, and mean
there what they meant."""

import contextlib
import random

import psycopg

import harness
import wire as w
from harness import ServerCase

SETUP = """
CREATE TABLE t (id int PRIMARY KEY, a int);
INSERT INTO t SELECT i, i * 10 FROM generate_series(1, 5) i;
CREATE SCHEMA other; CREATE TABLE other.t (id int PRIMARY KEY, a text);
INSERT INTO other.t VALUES (1, 'one');
CREATE TABLE counted (n int); INSERT INTO counted VALUES (0);
CREATE TABLE bumped (n int); INSERT INTO bumped VALUES (0);
"""
NAMES = "SELECT name, statement, parameter_types::text, from_sql FROM pg_prepared_statements ORDER BY name"


class Prepare(ServerCase):
    SETUP = SETUP
    FLAGS = ("--sole-writer", "--default-pool-size", "2")

    def value(self, client, sql):
        return client.execute(sql).fetchone()[0]

    def pins(self):
        return [row["pinned_because"] for row in self.show("CLIENTS") if row["pinned_because"]]

    def settle(self):
        harness.wait_until(lambda: self.pins() == [], what="the session to be free")

    @contextlib.contextmanager
    def elsewhere(self, pid):
        """Inside, the session whose server connection has been `pid` has to make do with the other."""
        with harness.connect(self.proxy) as first, harness.connect(self.proxy) as second:
            for other in (first, second):
                other.execute("BEGIN")
                other.execute("LOCK TABLE t IN ACCESS SHARE MODE")
            holds = self.value(first, "SELECT pg_backend_pid()") == pid
            (second if holds else first).execute("ROLLBACK")
            yield
            (first if holds else second).execute("ROLLBACK")

    @contextlib.contextmanager
    def moved(self, client):
        self.settle()
        pid = self.value(client, "SELECT pg_backend_pid()")
        with self.elsewhere(pid):
            yield
            self.assertNotEqual(self.value(client, "SELECT pg_backend_pid()"), pid)

    def both(self, script, sql):
        """What `sql` says behind `script` directly, and elsewhere than `script` has run."""
        def answer(client):
            try:
                return client.execute(sql).fetchall()
            except psycopg.Error as error:
                return error.sqlstate
        direct, client = self.server_client(), self.client()
        for text in script:
            direct.execute(text)
            client.execute(text)
        with self.moved(client):
            self.assertEqual(answer(client), answer(direct), (script, sql))

    def server_client(self):
        client = harness.connect(self.server)
        self.addCleanup(client.close)
        return client

    def test_many_sessions_with_the_same_name_over_two_connections(self):
        dice = random.Random(11)
        failed = self.figures()["settings_replays_failed_total"]
        clients = [self.client() for _ in range(6)]
        for number, client in enumerate(clients):
            client.execute(f"PREPARE p (int) AS SELECT a + {number * 1000} FROM t WHERE id = $1")
        for _ in range(150):
            number = dice.randrange(len(clients))
            client, row = clients[number], dice.randint(1, 5)
            expected = number * 1000 + row * 10
            if dice.random() < 0.2:
                with client.transaction():
                    self.assertEqual(self.value(client, f"EXECUTE p ({row})"), expected)
            else:
                self.assertEqual(self.value(client, f"EXECUTE p ({row})"), expected)
            if dice.random() < 0.1:
                self.assertEqual(client.execute(NAMES).fetchall(), [
                    ("p", f"PREPARE p (int) AS SELECT a + {number * 1000} FROM t WHERE id = $1",
                     "{integer}", True)])
        self.settle()
        figures = self.figures()
        self.assertGreater(figures["settings_replays_total"], 20)
        self.assertEqual(figures["settings_replays_failed_total"], failed)
        stranger = self.client()
        with self.moved(stranger):
            with self.assertRaises(psycopg.errors.InvalidSqlStatementName):
                stranger.execute("EXECUTE p (1)")

    def test_what_the_settings_of_then_have_made_of_it(self):
        """A constant is read once, a name again under each search_path."""
        self.both(["SET datestyle = 'ISO, DMY'", "PREPARE d AS SELECT '02/03/2021'::date::text",
                   "SET datestyle = 'ISO, MDY'"], "EXECUTE d")
        self.both(["SET search_path = other", "PREPARE q AS SELECT count(*) FROM t",
                   "SET search_path = public"], "EXECUTE q")
        self.both(["SET search_path = other", "PREPARE q AS SELECT a FROM t WHERE a <> $1",
                   "SET search_path = public"], "EXECUTE q ('x')")
        self.both(["PREPARE a AS SELECT '02/03/2021'::date::text", "SET datestyle = 'ISO, DMY'",
                   "PREPARE b AS SELECT '02/03/2021'::date::text", "SET work_mem = '5MB'",
                   "PREPARE c AS SELECT current_setting('work_mem')", "RESET work_mem"],
                  "EXECUTE a")
        self.both(["SET app.x = '1'", "PREPARE q AS SELECT current_setting('app.x')",
                   "SET app.x = '2'"], "EXECUTE q")
        self.assertEqual(self.pins(), [])

    def test_what_is_wrong_is_what_postgresql_says(self):
        self.both(["PREPARE p AS SELECT 1"], "PREPARE p AS SELECT 2")
        self.both(["PREPARE p AS SELECT 1", "DEALLOCATE p"], "EXECUTE p")
        self.both(["PREPARE p AS SELECT 1", "DISCARD ALL"], "EXECUTE p")
        self.both(["PREPARE p AS SELECT 1", "PREPARE q AS SELECT 2", "DEALLOCATE ALL"], "EXECUTE q")
        self.both(["PREPARE p (int) AS SELECT $1"], "EXECUTE p")
        self.both(['PREPARE "it\'s \\ here" AS SELECT 8'], 'EXECUTE "it\'s \\ here"')
        self.both(["PREPARE p AS SELECT 7"], NAMES)

    def test_a_transaction_that_fails_leaves_what_it_has_prepared(self):
        self.both(["BEGIN", "PREPARE p AS SELECT 4", "ROLLBACK"], "EXECUTE p")
        self.both(["BEGIN", "SET LOCAL search_path = other", "PREPARE p AS SELECT count(*) FROM t",
                   "COMMIT", "DEALLOCATE p"], "EXECUTE p")

    def test_under_settings_of_a_transaction_the_session_keeps_its_connection(self):
        client = self.client()
        client.execute("BEGIN; SET LOCAL datestyle = 'ISO, DMY'")
        client.execute("PREPARE p AS SELECT '02/03/2021'::date::text")
        client.execute("COMMIT")
        self.assertEqual(self.pins(), ["prepared_statement"])
        self.assertEqual(self.value(client, "EXECUTE p"), "2021-03-02")
        client.execute("DEALLOCATE p")
        self.settle()

    def test_a_table_that_is_gone_meanwhile_is_told_once(self):
        failed = self.figures()["settings_replays_failed_total"]
        self.truth.execute("CREATE TABLE brief (a int)")
        client = self.client()
        client.execute("PREPARE broken AS SELECT a FROM brief")
        client.execute("PREPARE sound AS SELECT 5")
        self.settle()
        with self.moved(client):
            self.assertEqual(self.value(client, "EXECUTE sound"), 5)
        self.settle()
        self.truth.execute("DROP TABLE brief")
        with self.moved(client):
            with self.assertRaises(psycopg.errors.UndefinedTable):
                client.execute("EXECUTE broken")
            self.assertEqual(self.value(client, "EXECUTE sound"), 5)
            with self.assertRaises(psycopg.errors.InvalidSqlStatementName):
                client.execute("EXECUTE broken")
        self.assertEqual(self.figures()["settings_replays_failed_total"], failed + 1)

    def test_statements_of_both_kinds_go_along(self):
        client = self.wire()
        client.send(w.parse("SELECT a FROM t WHERE id = $1", "protocol", [23]), w.SYNC)
        client.read_until_ready()
        client.query("PREPARE made AS SELECT a FROM t WHERE id = $1")
        for _ in range(3):
            self.settle()
            with self.elsewhere(int(client.query("SELECT pg_backend_pid()")[0][0])):
                client.send(w.bind([b"2"], "protocol"), w.execute(), w.SYNC)
                self.assertEqual(client.rows(client.read_until_ready()), [["20"]])
                self.assertEqual(client.query("EXECUTE protocol (3)"), [["30"]])
                self.assertEqual(client.query("EXECUTE made (4)"), [["40"]])
        # PostgreSQL lets the protocol name what SQL has made.
        client.send(w.bind([b"1"], "made"), w.execute(), w.SYNC)
        self.assertEqual(client.rows(client.read_until_ready()), [["10"]])
        looker = self.client()
        self.assertEqual(self.value(looker, "SELECT count(*) FROM pg_prepared_statements"), 0)

    def test_it_reads_and_writes_what_its_text_says(self):
        """The session goes on with the cache, and what it writes is seen."""
        reader, client = self.client(), self.client()
        read, elsewhere = "SELECT n FROM counted", "SELECT a FROM t WHERE id = 1"
        client.execute("PREPARE raise (int) AS UPDATE counted SET n = n + $1")
        client.execute("PREPARE look AS SELECT n FROM counted")
        for number in range(1, 4):
            self.fill(reader, elsewhere)
            self.assertEqual(self.fill(reader, read), [(number - 1,)])
            client.execute("EXECUTE raise (1)")
            self.assertEqual(reader.execute(read).fetchall(), [(number,)])
            self.assertEqual(self.value(client, "EXECUTE look"), number)
            self.assert_last_was_hit_again(reader, elsewhere, [(10,)])
        self.assertEqual(self.fill(client, read), [(3,)])
        self.settle()
        # The name may mean another text by now, and in a pipeline nobody knows yet which.
        client.execute("DEALLOCATE look; PREPARE look AS UPDATE counted SET n = 50 RETURNING n; EXECUTE look")
        self.assertEqual(reader.execute(read).fetchall(), [(50,)])
        client.close()
        writer = self.wire()
        writer.query("PREPARE x AS SELECT 1")
        self.fill(reader, read)
        writer.send(w.query("DEALLOCATE x"), w.query("PREPARE x AS UPDATE counted SET n = 60"),
                    w.query("EXECUTE x"))
        for _ in range(3):
            writer.read_until_ready()
        self.assertEqual(reader.execute(read).fetchall(), [(60,)])

    def test_arguments_that_do_something(self):
        self.truth.execute("CREATE FUNCTION bump() RETURNS int LANGUAGE sql AS "
                           "'UPDATE bumped SET n = n + 100 RETURNING n'")
        reader, client = self.client(), self.client()
        self.proxy.wait_for_catalog()
        client.execute("PREPARE p (int) AS SELECT $1")
        harness.wait_until(lambda: self.fill(reader, "SELECT n FROM bumped") is not None)
        before = self.fill(reader, "SELECT n FROM bumped")[0][0]
        self.assertEqual(self.value(client, "EXECUTE p (bump())"), before + 100)
        self.assertEqual(self.value(reader, "SELECT n FROM bumped"), before + 100)


if __name__ == "__main__":
    harness.main()
