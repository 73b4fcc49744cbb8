"""`unknown_code = audit`: after code of which nothing is known the server is asked what is left of
it. What is left holds the session to its connection; nobody else ever finds it."""

import time

import psycopg

import harness
import wire as w
from harness import DIRECT, ServerCase

SETUP = """
CREATE TABLE t (id int PRIMARY KEY, a int);
INSERT INTO t SELECT i, i FROM generate_series(1, 5) i;
CREATE SCHEMA other; CREATE TABLE other.t (id int PRIMARY KEY, a int);
INSERT INTO other.t VALUES (1, 100);
CREATE ROLE weak;
CREATE FUNCTION run(sql text) RETURNS void LANGUAGE plpgsql AS 'BEGIN EXECUTE sql; END';
CREATE TABLE logged (id int); CREATE TABLE log (id int);
CREATE FUNCTION writes_log() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN EXECUTE format('INSERT INTO %I VALUES ($1)', 'log') USING NEW.id; RETURN NULL; END$$;
CREATE TRIGGER log AFTER INSERT ON logged FOR EACH ROW EXECUTE FUNCTION writes_log();
"""


class CodeAudit(ServerCase):
    SETUP = SETUP
    FLAGS = ("--sole-writer", "--default-pool-size", "2", "--unknown-code", "audit")

    def setUp(self):
        with harness.connect(self.proxy) as teacher:  # what is clean is known from others
            self.value(teacher, "SELECT random()")

    def value(self, client, sql, *parameters):
        row = client.execute(sql, parameters).fetchone()
        return row[0] if row else None

    def pins(self):
        if DIRECT:
            return []
        return [row["pinned_because"] for row in self.show("CLIENTS") if row["pinned_because"]]

    def others(self):
        """Takes both connections, if they may be had, in turns: what each finds there."""
        found = []
        for _ in range(2):
            with harness.connect(self.proxy) as first:
                if not DIRECT:  # so that the second cannot have the same one
                    first.execute("BEGIN")
                found.append(self.found(first))
                if self.pins():
                    first.execute("ROLLBACK") if not DIRECT else None
                    continue
                with harness.connect(self.proxy) as second:
                    found.append(self.found(second))
                if not DIRECT:
                    first.execute("ROLLBACK")
        return found

    def found(self, client):
        return (self.value(client, "SELECT current_setting('work_mem')"),
                self.value(client, "SELECT current_setting('search_path')"),
                self.value(client, "SELECT current_user::text"),
                self.value(client, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
                                   " AND pid = pg_backend_pid()"),
                self.value(client, "SELECT count(*) FROM pg_prepared_statements WHERE from_sql"),
                self.value(client, "SELECT count(*) FROM pg_cursors WHERE is_holdable"),
                self.value(client, "SELECT count(*) FROM pg_listening_channels()"),
                self.value(client, "SELECT to_regclass('scratch')::text"))

    CLEAN = ("4MB", '"$user", public', "postgres", 0, 0, 0, 0, None)

    def test_what_leaves_nothing_holds_nobody(self):
        client, read = self.client(), "SELECT a FROM t WHERE id = 1"
        self.fill(client, read)
        for call in ("SELECT run('UPDATE t SET a = a + 1 WHERE id = 2')",
                     "DO $$BEGIN EXECUTE 'UPDATE t SET a = a + 1 WHERE id = 2'; END$$",
                     "INSERT INTO logged VALUES (1)",
                     "BEGIN; SELECT run('SET LOCAL work_mem = ''7MB'''); COMMIT",
                     "BEGIN; SELECT run('SET work_mem = ''7MB'''); ROLLBACK",
                     "SELECT run('CREATE TEMP TABLE scratch (a int) ON COMMIT DROP')",
                     "SELECT run('SELECT pg_advisory_xact_lock(1)')",
                     "SELECT run('PREPARE p AS SELECT 1; DEALLOCATE p')"):
            client.execute(call)
            self.no_pins()
            self.fill(client, read)  # the cache is there again
        self.assertEqual(self.value(client, "SELECT a FROM t WHERE id = 2"), 4)
        self.assertEqual(self.value(client, "SELECT count(*) FROM log"), 1)
        self.assertEqual(set(self.others()), {self.CLEAN})

    def test_what_is_left_is_there_for_its_own_and_for_nobody_else(self):
        left = {"SET work_mem = '7MB'": ("work_mem", "7MB"),
                "SET search_path = other": ("search_path", "other"),
                "SET ROLE weak": ("role", "weak")}
        for sql, (name, value) in left.items():
            with harness.connect(self.proxy) as client:
                client.execute("SELECT run(%s)", (sql,))
                self.assertEqual(set(self.others()), {self.CLEAN}, sql)
                self.assertEqual(self.value(client, "SELECT current_setting(%s)", name), value)
                self.assertEqual(self.pins(), [] if DIRECT else ["function"], sql)
            self.no_pins()
        for sql, ask, value in (
                ("SELECT pg_advisory_lock(1)", "SELECT pg_advisory_unlock(1)", True),
                ("PREPARE mine AS SELECT 8", "EXECUTE mine", 8),
                ("CREATE TEMP TABLE scratch AS SELECT 9 AS a", "SELECT a FROM scratch", 9),
                ("LISTEN news", "SELECT count(*) FROM pg_listening_channels()", 1)):
            with harness.connect(self.proxy) as client:
                client.execute("SELECT run(%s)", (sql,))
                self.assertEqual(set(self.others()), {self.CLEAN}, sql)
                self.assertEqual(self.value(client, ask), value, sql)
            self.no_pins()
        self.assertEqual(set(self.others()), {self.CLEAN})

    def no_pins(self):
        harness.wait_until(lambda: not self.pins(), what="the ends of all pins")

    def test_settings_of_the_sessions_own(self):
        """Nothing is known yet of what is clean under them; then something is."""
        with harness.connect(self.proxy) as first:
            first.execute("SET work_mem = '9MB'; SET TimeZone = 'Asia/Tokyo'")
            self.value(first, "SELECT random()")
            client = self.client()
            client.execute("SET work_mem = '9MB'; SET TimeZone = 'Asia/Tokyo'")
            client.execute("SELECT run('SELECT 1')")
            self.no_pins()
            self.assertEqual(self.value(client, "SHOW work_mem"), "9MB")
            client.execute("SELECT run('SET work_mem = ''10MB''')")
            self.assertEqual(self.value(first, "SHOW work_mem"), "9MB")
            self.assertEqual(self.value(client, "SHOW work_mem"), "10MB")
            self.assertEqual(self.pins(), [] if DIRECT else ["function"])
        self.assertEqual(set(self.others()), {self.CLEAN})

    def test_a_change_of_the_sessions_own_among_the_code(self):
        client = self.client()
        client.execute("BEGIN; SELECT run('SELECT 1'); SET TimeZone = 'Asia/Tokyo'; COMMIT")
        self.assertEqual(self.value(client, "SHOW TimeZone"), "Asia/Tokyo")
        client.execute("SELECT setseed(0.5), run('SELECT 1')")
        self.value(client, "SELECT random()")
        self.assertEqual(len(self.pins()), 0 if DIRECT else 1)

    def test_statements_that_the_code_has_deallocated(self):
        """The proxy's own names for them are gone, too; nobody meets 26000."""
        clients = [self.client(prepare_threshold=0) for _ in range(3)]
        for client in clients:
            self.value(client, "SELECT a FROM t WHERE id = %s OR random() < 0", 1)
        clients[0].execute("SELECT run('DEALLOCATE ALL')", prepare=False)
        for client in clients[1:] * 2:
            self.assertEqual(
                self.value(client, "SELECT a FROM t WHERE id = %s OR random() < 0", 1), 1)

    def test_a_client_that_vanishes_leaves_nothing(self):
        """Before and behind the answer to the code, and to the audit."""
        for pause in (0, 0.002, 0.01, 0.1):
            client = self.wire()
            client.send(w.query("SELECT run($$SET work_mem = '7MB'$$), pg_sleep(0.01)"))
            time.sleep(pause)
            client.socket.close()
            self.no_pins()
            self.assertEqual(set(self.others()), {self.CLEAN}, pause)

    def test_behind_what_has_left_nothing_so_far_it_is_asked_rarely(self):
        client = self.client()
        for _ in range(8):
            client.execute("SELECT run('SELECT 1')")
            self.value(client, "SELECT a FROM t WHERE id = 1")  # the cache wants to know
        before = self.figures()["audits_total"]
        for _ in range(300):
            client.execute("SELECT run('SELECT 1')")
        if not DIRECT:
            self.assertLess(self.figures()["audits_total"] - before, 30)
        self.no_pins()
        # The same template leaves something in the end: it is there for its own and for nobody else.
        client.execute("SELECT run('SET work_mem = ''7MB''')")
        self.assertEqual(set(self.others()), {self.CLEAN})
        self.assertEqual(self.value(client, "SELECT current_setting('work_mem')"), "7MB")
        self.assertEqual(self.pins(), [] if DIRECT else ["function"])
        before = self.figures()["audits_total"]
        with harness.connect(self.proxy) as other:
            for _ in range(3):  # and now it is asked each time
                other.execute("SELECT run('SELECT 1')")
                harness.wait_until(lambda: len(self.pins()) < 2, what="the answer to the audit")
        if not DIRECT:
            self.assertGreaterEqual(self.figures()["audits_total"] - before, 3)

    def test_an_audit_is_not_asked_in_a_transaction_that_a_flush_has_hidden(self):
        client, other = self.wire(), self.client()
        self.fill(other, "SELECT a FROM t WHERE id = 4")
        begin = (w.parse("BEGIN"), w.bind(), w.execute())
        client.send(*begin, w.parse("UPDATE t SET a = 44 WHERE id = 4"), w.bind(), w.execute(),
                    w.FLUSH)
        while client.read_message()[1] != b"UPDATE 1\0":
            pass
        client.send(w.parse("SELECT pg_advisory_lock(5)"), w.bind(), w.execute(), w.SYNC)
        self.assertEqual(client.read_until_ready()[-1], (b"Z", b"T"))
        self.fill(other, "SELECT a FROM t WHERE id = 4")
        client.query("COMMIT")
        self.assertEqual(self.value(other, "SELECT a FROM t WHERE id = 4"), 44)
        client.query("SELECT pg_advisory_unlock(5)")
        self.no_pins()
        client.send(*begin, w.FLUSH)
        while client.read_message()[1] != b"BEGIN\0":
            pass
        client.send(w.parse("LISTEN news"), w.bind(), w.execute(), w.SYNC)
        self.assertEqual(client.read_until_ready()[-1], (b"Z", b"T"))
        client.query("COMMIT")
        time.sleep(0.1)
        self.assertEqual(self.pins(), [] if DIRECT else ["listen"])
        self.assertEqual(client.query("SELECT count(*) FROM pg_listening_channels()"), [["1"]])

    def test_both_connections_are_kept_and_others_come(self):
        clients = [self.client() for _ in range(4)]
        for _ in range(20):
            for client in clients:
                client.execute("SELECT run('SELECT 1')")
                client.execute("SELECT run('UPDATE t SET a = a WHERE id = 3')")
        self.assertEqual(self.value(clients[0], "SELECT count(*) FROM t"), 5)
        self.assertEqual(set(self.others()), {self.CLEAN})

    def test_a_client_that_goes_leaves_its_connection_to_others(self):
        if DIRECT:
            return
        logins = self.figures()["server_connections_total"]
        for _ in range(20):
            with harness.connect(self.proxy) as client:
                client.execute("SELECT run('SELECT 1')")
        self.assertEqual(self.figures()["server_connections_total"] - logins, 20)
        self.assertEqual(set(self.others()), {self.CLEAN})

    def test_other_pins_stay(self):
        client = self.client()
        client.execute("SELECT setseed(0.5)")
        client.execute("SELECT run('SELECT 1')")
        self.assertEqual(self.pins(), [] if DIRECT else ["seed"])
        with self.assertRaises(psycopg.errors.SyntaxError):
            client.execute("SELECT run('wrong')")
        self.assertEqual(self.pins(), [] if DIRECT else ["seed"])

    def test_a_failure_leaves_nothing(self):
        client = self.client()
        with self.assertRaises(psycopg.errors.DivisionByZero):
            client.execute("SELECT run('SET work_mem = ''7MB'''), 1 / (random() * 0)::int")
        self.no_pins()
        self.assertEqual(set(self.others()), {self.CLEAN})


if __name__ == "__main__":
    harness.main()
