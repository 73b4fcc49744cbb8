"""A plain BEGIN is answered by the proxy and sent with the first statement that the cache cannot
answer: nothing but now() and the statistics may tell the difference."""

import time

import harness
import wire as w
from harness import DIRECT, ServerCase

SETUP = """
CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1), (2, 2);
CREATE TABLE u (id int PRIMARY KEY REFERENCES t DEFERRABLE INITIALLY DEFERRED);
"""
READ = "SELECT v FROM t WHERE id = 1"


class LazyBegin(ServerCase):
    SETUP = SETUP

    def setUp(self):
        super().setUp()
        self.asked = harness.connect(self.server)
        self.addCleanup(self.asked.close)

    def fill_wire(self, client, sql=READ):
        for _ in range(50):
            rows = client.query(sql)
            if DIRECT or client.last() == "hit":
                return rows
            time.sleep(0.02)
        self.fail("not cached")

    def says(self, *requests):
        """Both ends say the same, request by request."""
        said = []
        for target in (self.proxy, self.server):
            with harness.wire(target) as connection:
                said.append([self.answer(connection, request) for request in requests])
        for request, ours, theirs in zip(requests, *said):
            self.assertEqual(ours, theirs, request)

    @staticmethod
    def answer(connection, request):
        connection.send(*([w.query(request)] if isinstance(request, str) else request))
        return [(kind, {k: v for k, v in w.error_fields(body).items() if k not in "FLRP"}
                 if kind in b"EN" else body)
                for kind, body in connection.read_until_ready() if kind != b"S"]

    def test_conversations(self):
        self.fill_wire(self.wire())
        extended = [w.parse("SELECT v FROM t WHERE id = $1"), w.bind(["1"]), w.describe(),
                    w.execute(), w.SYNC]
        for conversation in (
                ("BEGIN", READ, "COMMIT", READ), ("begin;", READ, "ROLLBACK"),
                ("START TRANSACTION", READ, "END"), ("BEGIN WORK", "ABORT"),
                ("BEGIN", "COMMIT", "COMMIT"), ("BEGIN", "ROLLBACK", "ROLLBACK"),
                ("BEGIN", "BEGIN", READ, "COMMIT"), ("BEGIN", READ, "BEGIN", "COMMIT"),
                ("BEGIN", "COMMIT AND CHAIN", READ, "ROLLBACK AND NO CHAIN"),
                ("BEGIN", READ, "COMMIT AND CHAIN", "SET TRANSACTION READ ONLY",
                 "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", READ, "COMMIT"),
                ("BEGIN", "SELECT 1", READ, "ROLLBACK AND CHAIN",
                 "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", READ, "ROLLBACK"),
                ("BEGIN", "SAVEPOINT a", READ, "ROLLBACK TO a",
                 "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "ROLLBACK"),
                ("BEGIN", extended, [w.parse("COMMIT AND CHAIN"), w.bind(), w.execute(), w.SYNC],
                 "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", [w.execute(), w.SYNC], "ROLLBACK"),
                ("BEGIN", "SELECT 1/0", READ, "COMMIT", READ),
                ("BEGIN", "no statement at all", "ROLLBACK"),
                ("BEGIN", "SAVEPOINT a", READ, "ROLLBACK TO a", "RELEASE a", "COMMIT"),
                ("BEGIN", "ROLLBACK TO a", "ROLLBACK"),
                ("BEGIN", READ, "VACUUM t", "ROLLBACK"),
                ("BEGIN; COMMIT", "BEGIN; SELECT 1", "COMMIT"),
                ("BEGIN", "", "SELECT 1; COMMIT", READ),
                ("BEGIN ISOLATION LEVEL SERIALIZABLE", READ, "SHOW transaction_isolation",
                 "COMMIT"),
                ("BEGIN READ ONLY", READ, "UPDATE t SET v = v", "ROLLBACK"),
                ("BEGIN", "SHOW transaction_isolation", READ, "COMMIT"),
                ("SET default_transaction_isolation = 'serializable'", "BEGIN",
                 "SHOW transaction_isolation", READ, "COMMIT"),
                ("BEGIN", extended, extended, "COMMIT", extended),
                ("BEGIN", [w.parse("SELECT 1", "p"), w.SYNC], READ,
                 [w.bind(name="p"), w.execute(), w.SYNC], "COMMIT",
                 [w.bind(name="p"), w.execute(), w.SYNC]),
                ("BEGIN", [w.parse("COMMIT"), w.bind(), w.execute(), w.SYNC], READ),
                ([w.parse("BEGIN"), w.bind(), w.execute(), w.SYNC], READ, "COMMIT"),
                ("BEGIN", "DECLARE c CURSOR FOR SELECT v FROM t ORDER BY id", "FETCH c", READ,
                 "FETCH c", "COMMIT", "FETCH c"),
                ("BEGIN", READ, "UPDATE t SET v = 5 WHERE id = 1", READ, "ROLLBACK", READ),
                ("BEGIN", "INSERT INTO u VALUES (99)", "COMMIT", READ),
                ("BEGIN", "COPY t TO STDOUT", READ, "COMMIT"),
                ("BEGIN", "LISTEN here", "NOTIFY here", "ROLLBACK"),
                ("BEGIN", "DISCARD ALL", "ROLLBACK"),
                ("BEGIN", READ, "BEGIN ISOLATION LEVEL SERIALIZABLE", READ, "ROLLBACK"),
                ("BEGIN", READ, "START TRANSACTION READ WRITE", READ, "ROLLBACK"),
                ("BEGIN", "BEGIN ISOLATION LEVEL SERIALIZABLE", "SHOW transaction_isolation",
                 "ROLLBACK"),
                ("BEGIN", [w.parse("COPY t FROM STDIN"), w.bind(), w.execute(),
                           w.copy_data(b"9\t1\n"), w.COPY_DONE, w.SYNC], "ROLLBACK"),
                ("BEGIN", [w.parse("COPY t FROM STDIN"), w.bind(), w.execute(), w.FLUSH,
                           w.copy_data(b"9\t1\n"), w.COPY_DONE, w.SYNC], "ROLLBACK"),
                ("BEGIN", "SELECT 1/0", "SET pgsidecar.cache = off", "ROLLBACK"),
                ("BEGIN", [w.parse("SELECT 1"), w.bind(), w.execute(), w.query("SELECT 2")],
                 "ROLLBACK"),
                ("BEGIN", [w.parse("SELECT length($1::text)"),
                           *[w.bind(["x" * 100000]), w.execute()] * 20, w.SYNC], "ROLLBACK")):
            with self.subTest(conversation):
                self.says(*conversation)

    def test_set_transaction_behind_a_hit(self):
        """A query has been run, though the server has not heard of it."""
        self.fill_wire(self.wire())
        for change in ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
                       "SET TRANSACTION DEFERRABLE", "SET transaction_isolation = 'serializable'",
                       "SELECT set_config('transaction_isolation', 'serializable', true)",
                       "SET TRANSACTION READ ONLY", "SET TRANSACTION READ WRITE"):
            for first in ("BEGIN", "BEGIN; SAVEPOINT a", "BEGIN READ ONLY"):
                with self.subTest((change, first)):
                    self.says(first, READ, change, READ, "ROLLBACK", READ)
                    self.says(first, change, READ, "ROLLBACK")
                    extended = [w.parse(change), w.bind(), w.execute(), w.SYNC]
                    self.says(first, READ, extended, "ROLLBACK")

    def test_the_server_does_not_hear_of_hits(self):
        if DIRECT:
            return
        with self.wire() as client:
            self.fill_wire(client)
            for _ in range(20):
                client.query("BEGIN")
                self.assertEqual(client.last(), "local")
                client.query(READ)
                self.assertEqual(client.last(), "hit")
                self.assertEqual(self.states().count("idle in transaction"), 0)
                client.query("COMMIT")
            client.query("BEGIN")
            client.query("SELECT 1")
            self.assertEqual(self.states().count("idle in transaction"), 1)
            client.query("COMMIT")

    def states(self):
        return [state for (state,) in self.asked.execute(
            "SELECT state FROM pg_stat_activity WHERE backend_type = 'client backend' "
            "AND pid <> pg_backend_pid() AND application_name <> 'pgsidecar'").fetchall()]

    def test_own_writes_and_others(self):
        with self.wire() as client, self.wire() as other:
            self.fill_wire(client)
            client.query("BEGIN")
            self.assertEqual(client.query(READ), [["1"]])
            other.query("UPDATE t SET v = 7 WHERE id = 1")
            self.assertEqual(client.query(READ), [["7"]])  # READ COMMITTED
            client.query("UPDATE t SET v = v + 1 WHERE id = 1")
            self.assertEqual(client.query(READ), [["8"]])
            self.assertEqual(other.query(READ), [["7"]])
            client.query("ROLLBACK")
            self.assertEqual(client.query(READ), [["7"]])
            other.query("UPDATE t SET v = 1 WHERE id = 1")

    def test_a_client_that_goes(self):
        for steps in (["BEGIN"], ["BEGIN", READ], ["BEGIN", READ, "UPDATE t SET v = v"]):
            client = self.wire()
            self.fill_wire(self.wire())
            for step in steps:
                client.query(step)
            client.close()
        harness.wait_until(lambda: "idle in transaction" not in self.states(), 10,
                           "the transactions of vanished clients")

    def test_switched_off(self):
        proxy = harness.Proxy(self.server, "--lazy-begin=false")
        self.addCleanup(proxy.stop)
        with harness.wire(proxy) as client:
            client.query("BEGIN")
            self.assertTrue(DIRECT or client.last().startswith("bypass"))
            self.assertEqual(self.states().count("idle in transaction"), 1)
            client.query("COMMIT")


if __name__ == "__main__":
    harness.main()
