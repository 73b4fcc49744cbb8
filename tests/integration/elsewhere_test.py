"""Writes and DDL made directly on the server: seen within the bound that holds without a feed."""

import time

import harness
from harness import DIRECT, ServerCase, wait_until

STALENESS_S = 2.0
POLL_S = 0.5
# A loaded machine gets this much on top of the promise.
SLACK_S = 3.0


class Elsewhere(ServerCase):
    SETUP = """
    CREATE TABLE t (id int PRIMARY KEY, a int);
    INSERT INTO t VALUES (1, 0);
    CREATE VIEW v AS SELECT a FROM t;
    CREATE ROLE reader LOGIN;
    GRANT SELECT ON t TO reader;
    """
    FLAGS = ("--max-foreign-staleness", "2s", "--catalog-poll-interval", "500ms")

    def seen(self, client, sql, expected, within):
        started = time.monotonic()
        wait_until(lambda: client.execute(sql).fetchall() == expected, seconds=within + SLACK_S,
                   what=f"{expected} from {sql}", every=0.05)
        return time.monotonic() - started

    def test_write_elsewhere(self):
        client, sql = self.client(), "SELECT a FROM t WHERE id = 1"
        for value in (1, 2, 3):
            self.fill(client, sql)
            self.truth.execute("UPDATE t SET a = %s WHERE id = 1", [value])
            # Asked all the while: hits must not prolong an entry's life.
            self.seen(client, sql, [(value,)], STALENESS_S)

    def test_within_the_bound_it_is_a_hit(self):
        client, sql = self.client(), "SELECT count(*) FROM t"
        self.fill(client, sql)
        client.execute(sql)
        self.assert_last(client, "hit")

    def test_nobody_sees_old_after_new(self):
        first, second = self.client(), self.client()
        sql = "SELECT a FROM v"
        highest = 0
        self.truth.execute("UPDATE t SET a = 100")
        deadline = time.monotonic() + 5
        value = 100
        while time.monotonic() < deadline:
            value += 1
            self.truth.execute("UPDATE t SET a = %s", [value])
            for client in (first, second):
                read = client.execute(sql).fetchone()[0]
                self.assertGreaterEqual(read, highest)
                highest = read
            time.sleep(0.05)

    def test_ddl_elsewhere(self):
        client = self.client()
        for change, sql, expected in (
            ("CREATE OR REPLACE VIEW v AS SELECT a + 1000 - a AS a FROM t", "SELECT a FROM v",
             [(1000,)]),
            ("CREATE OR REPLACE VIEW v AS SELECT a - a AS a FROM t", "SELECT a FROM v", [(0,)]),
            ("CREATE TABLE fresh AS SELECT 5 AS a", "SELECT count(*) FROM t", [(1,)]),
        ):
            with self.subTest(change):
                client.execute(sql)
                client.execute(sql)
                self.truth.execute(change)
                self.seen(client, sql, expected, max(POLL_S, STALENESS_S))

    def test_new_trigger_elsewhere_counts_for_writes_here(self):
        self.truth.execute("""
            CREATE TABLE src (id int); CREATE TABLE dst (id int);
            CREATE FUNCTION copy_it() RETURNS trigger LANGUAGE plpgsql AS
              $$BEGIN INSERT INTO dst VALUES (NEW.id); RETURN NULL; END$$""")
        time.sleep(POLL_S + 1)
        client, sql = self.client(), "SELECT count(*) FROM dst"
        client.execute("INSERT INTO src VALUES (1)")
        client.execute(sql)
        self.truth.execute("CREATE TRIGGER c AFTER INSERT ON src FOR EACH ROW"
                           " EXECUTE FUNCTION copy_it()")
        time.sleep(POLL_S + SLACK_S)
        client.execute(sql)
        client.execute(sql)
        client.execute("INSERT INTO src VALUES (2)")
        self.assertEqual(client.execute(sql).fetchone(), (1,))

    def test_revoke_elsewhere(self):
        client, sql = self.client(user="reader"), "SELECT a FROM t"
        for _ in range(2):
            client.execute(sql)
        self.truth.execute("REVOKE SELECT ON t FROM reader")

        def denied():
            try:
                client.execute(sql)
                return False
            except harness.psycopg.errors.InsufficientPrivilege:
                return True
        try:
            wait_until(denied, seconds=max(POLL_S, 0) + SLACK_S, what="the REVOKE to count")
        finally:
            self.truth.execute("GRANT SELECT ON t TO reader")

    def test_policy_elsewhere(self):
        client, sql = self.client(user="reader"), "SELECT count(*) FROM t"
        for _ in range(2):
            client.execute(sql)
        self.truth.execute("ALTER TABLE t ENABLE ROW LEVEL SECURITY")
        try:
            self.seen(client, sql, [(0,)], POLL_S)
        finally:
            self.truth.execute("ALTER TABLE t DISABLE ROW LEVEL SECURITY")
        self.seen(client, sql, [(1,)], max(POLL_S, STALENESS_S))


class ShortTtl(ServerCase):
    SETUP = "CREATE TABLE t (a int); INSERT INTO t VALUES (1);"
    FLAGS = ("--ttl", "1s")

    def test_ttl_the_user_wrote(self):
        client, sql = self.client(), "SELECT a FROM t"
        self.fill(client, sql)
        self.truth.execute("UPDATE t SET a = 2")
        if not DIRECT:
            self.assertIn(client.execute(sql).fetchone(), [(1,), (2,)])
        time.sleep(1.1)
        self.assertEqual(client.execute(sql).fetchone(), (2,))


class SoleWriter(ServerCase):
    SETUP = "CREATE TABLE t (a int); INSERT INTO t VALUES (1);"
    FLAGS = ("--sole-writer", "--max-foreign-staleness", "500ms")

    def test_sole_writer_lifts_the_bound(self):
        if DIRECT:
            self.skipTest("about the cache")
        client, sql = self.client(), "SELECT a FROM t"
        self.fill(client, sql)
        time.sleep(1.0)
        client.execute(sql)
        self.assert_last(client, "hit")


if __name__ == "__main__":
    harness.main()
