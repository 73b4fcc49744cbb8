"""What the analysis refuses: too long, too deep, not understood, not readable. Everything is
forwarded, nothing of it is cached, and the reason is counted; answers are the server's own."""

import urllib.request

import harness
import wire as w
from harness import DIRECT, ServerCase

SETUP = """
CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT n, n::text FROM generate_series(1, 5) n;
CREATE ROLE nobody LOGIN; CREATE ROLE blind LOGIN;
CREATE TABLE secret (id int); INSERT INTO secret VALUES (1);
"""


class Unanalysed(ServerCase):
    SETUP = SETUP

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not DIRECT:
            cls.http = harness.Proxy(cls.server, "--sole-writer", http=True)
            cls.addClassCleanup(cls.http.stop)
            cls.http.wait_for_catalog()

    def answers(self, connection, *messages):
        connection.send(*messages)
        return [(kind, {k: v for k, v in w.error_fields(body).items() if k not in "FLR"}
                 if kind == b"E" else body)
                for kind, body in connection.read_until_ready() if kind not in b"SN"]

    def refused(self, reason, *messages):
        """Twice, as the server says it, and never from memory."""
        for _ in range(2):
            with self.wire() as client, harness.wire(self.server) as direct:
                self.assertEqual(self.answers(client, *messages), self.answers(direct, *messages))
                # What is not understood may have been DDL, which the next one may meet.
                self.assertTrue(DIRECT or client.last() in (
                    "bypass: " + reason, "bypass: catalog_not_loaded"), client.last())

    def test_does_not_parse(self):
        for text in ("SELEC 1", "SELECT 'open", "SELECT (((", "SELECT 1 1", "\x01", "SELECT $$x"):
            self.refused("not_understood", w.query(text))
            self.refused("not_understood", w.parse(text), w.bind(), w.execute(), w.SYNC)

    def test_newer_grammar(self):
        """Errors to PostgreSQL 15, and perhaps not to the server behind the proxy."""
        for text in ("SELECT JSON_VALUE('1', '$')", "SELECT 1_000 AS n, 0x1F AS m",
                     "MERGE INTO t USING t s ON t.id = s.id WHEN NOT MATCHED BY SOURCE THEN DELETE",
                     "SELECT JSON_OBJECT('a': 1 RETURNING text)"):
            with self.wire() as client, harness.wire(self.server) as direct:
                for _ in range(2):
                    self.assertEqual(self.answers(client, w.query(text)),
                                     self.answers(direct, w.query(text)))
                    self.assertTrue(DIRECT or client.last().startswith("bypass"), text)

    def test_long_texts(self):
        for size in (200_000, 10_000_000):
            text = "SELECT count(*) FROM t WHERE v <> '" + "x" * size + "'"
            self.refused("not_understood", w.query(text))
            self.refused("not_understood", w.parse(text), w.bind(), w.describe(), w.execute(),
                         w.SYNC)

    def test_many_parameters(self):
        for count in (10_000, 65_535):
            text = f"SELECT count(*) FROM t WHERE id IN ({','.join(f'${n + 1}' for n in range(count))})"
            messages = [w.parse(text), w.bind([str(n) for n in range(count)]), w.describe(),
                        w.execute(), w.SYNC]
            with self.wire() as client, harness.wire(self.server) as direct:
                for _ in range(2):
                    self.assertEqual(self.answers(client, *messages),
                                     self.answers(direct, *messages))

    def test_many_values_follow_writes(self):
        """More values than are told apart by row."""
        text = f"SELECT count(*) FROM t WHERE id IN ({','.join(str(n) for n in range(1, 3000))})"
        with self.wire() as client:
            before = int(client.query(text)[0][0])
            client.query(text)
            client.query("INSERT INTO t VALUES (2999, 'new')")
            self.assertEqual(int(client.query(text)[0][0]), before + 1)
            client.query("DELETE FROM t WHERE id = 2999")
            self.assertEqual(int(client.query(text)[0][0]), before)

    def test_deep_nesting(self):
        for depth in (100, 5_000):
            for text in ("SELECT " + "(" * depth + "1" + ")" * depth,
                         "SELECT " + "-(" * depth + "1" + ")" * depth,
                         "SELECT 1" + " + 1" * depth,
                         "SELECT * FROM " + "(SELECT * FROM " * depth + "t" + ") x" * depth):
                with self.wire() as client, harness.wire(self.server) as direct:
                    for _ in range(2):
                        self.assertEqual(self.answers(client, w.query(text)),
                                         self.answers(direct, w.query(text)))

    def test_role_without_rights(self):
        admin = self.client()
        admin.execute("SELECT count(*) FROM secret")
        self.fill(admin, "SELECT count(*) FROM secret")
        with self.wire(user="nobody") as client:
            for _ in range(2):
                with self.assertRaises(w.ServerError) as raised:
                    client.query("SELECT count(*) FROM secret")
                self.assertIn("permission denied", str(raised.exception))

    def test_catalog_changes_all_the_time(self):
        """DDL beside the reads: no answer is older than what was written before it was asked."""
        with self.wire() as reader, self.wire() as ddl:
            for n in range(40):
                ddl.send(w.query(f"CREATE TABLE other_{n} (id int)"))
                reader.query(f"UPDATE t SET v = '{n}' WHERE id = 1")
                self.assertEqual(reader.query("SELECT v FROM t WHERE id = 1"), [[str(n)]])
                ddl.read_until_ready()
                self.assertEqual(reader.query("SELECT v FROM t WHERE id = 1"), [[str(n)]])

    def test_reasons_are_counted(self):
        if DIRECT:
            return
        def count(reason):
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http.http_port}/metrics") as answer:
                text = answer.read().decode()
            name = f'pgsidecar_bypasses_by_reason_total{{reason="{reason}"}} '
            return sum(int(line[len(name):]) for line in text.splitlines()
                       if line.startswith(name))
        before = count("time_dependent")
        with harness.wire(self.http) as client:
            for _ in range(3):
                client.query("SELECT now()")
            try:
                client.query("SELEC 1")
            except w.ServerError:
                pass
        self.assertEqual(count("time_dependent"), before + 3)
        self.assertEqual(count("not_understood"), 1)


class CatalogNotReadable(ServerCase):
    """The proxy's own user may not connect: nothing is known, so everything is forwarded."""

    SETUP = "CREATE ROLE locked NOLOGIN; CREATE TABLE t (id int); INSERT INTO t VALUES (1)"

    def test_everything_is_forwarded(self):
        if DIRECT:
            return
        proxy = harness.Proxy(self.server, url=self.server.url(user="locked"))
        self.addCleanup(proxy.stop)
        for _ in range(3):
            with harness.wire(proxy) as client:
                self.assertEqual(client.query("SELECT id FROM t"), [["1"]])
                self.assertEqual(client.last(), "bypass: catalog_not_loaded")
                # A view of that name could have called anything.
                self.assertEqual(client.query("SELECT id FROM t"), [["1"]])
                self.assertEqual(client.last(), "bypass: function")


if __name__ == "__main__":
    harness.main()
