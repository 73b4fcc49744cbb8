"""Seeing it: the admin console, SHOW pgsidecar.last, SET pgsidecar.cache, health and metrics."""

import re
import unittest
import urllib.error
import urllib.request

import psycopg

import harness
import wire as w
from harness import DIRECT, Proxy, ServerCase, psql

SETUP = "CREATE TABLE t (a int); INSERT INTO t VALUES (1);"
READ = "SELECT a FROM t"


@unittest.skipIf(DIRECT, "about the proxy only")
class Console(ServerCase):
    SETUP = SETUP

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy.stop()
        cls.proxy = Proxy(cls.server, *cls.FLAGS, http=True)
        cls.addClassCleanup(cls.proxy.stop)
        cls.proxy.wait_for_catalog()

    def test_every_show(self):
        client = self.client()
        self.fill(client, READ)
        client.execute("SELECT random()")
        for what in ("STATS", "CACHE", "POOLS", "CLIENTS", "SERVERS", "STATEMENTS", "CONFIG"):
            with self.subTest(what):
                self.assertTrue(self.show(what), f"SHOW {what} has no row")
                self.assertTrue(self.show(what.lower()))
        with self.assertRaises(AssertionError):
            self.show("NONSENSE")

    def test_statements_tell_the_reason(self):
        client = self.client()
        client.execute("SELECT random(), 'reasoned'")
        text = repr(self.show("STATEMENTS"))
        self.assertIn("random()", text)
        self.assertIn("volatile_function", text)

    def test_texts_that_differ_in_literals_are_one_statement(self):
        client = self.client()
        client.execute("CREATE TABLE many (id int, name text);"
                       "INSERT INTO many SELECT i, 'n' || i FROM generate_series(1, 30) i")
        self.fill(client, "SELECT count(*) FROM many")
        for hit in (False, True):
            for i in range(1, 31):
                rows = client.execute(
                    f"SELECT id, name FROM many WHERE id = {i} AND name <> 'it''s {i}' LIMIT {i}")
                self.assertEqual(rows.fetchall(), [(i, f"n{i}")])
                self.assert_last(client, "hit" if hit else "miss")
        lines = [line for line in self.show("STATEMENTS") if "SELECT id, name" in line["query"]]
        self.assertEqual([line["query"] for line in lines],
                         ["SELECT id, name FROM many WHERE id = ? AND name <> ? LIMIT ?"])
        self.assertEqual((lines[0]["calls"], lines[0]["hits"]), ("60", "30"))

    def test_clients_show_the_pin(self):
        client = self.client()
        client.execute("LISTEN somewhere")
        self.assertIn("listen", repr(self.show("CLIENTS")))

    def test_no_secret_is_shown(self):
        text = repr(self.show("CONFIG"))
        self.assertIn("upstream", text)
        self.assertNotIn("secret", text)

    def test_flush(self):
        client = self.client()
        self.fill(client, READ)
        psql(self.proxy, "FLUSH;", dbname="pgsidecar")
        client.execute(READ)
        self.assert_last(client, "miss")

    def test_console_by_a_driver(self):
        with harness.connect(self.proxy, dbname="pgsidecar") as console:
            self.assertTrue(console.execute("SHOW STATS").fetchall())
            for sql in ("DROP TABLE t", "SELECT * FROM t"):
                with self.assertRaises(psycopg.Error):
                    console.execute(sql)
            self.assertTrue(console.execute("SHOW CACHE").fetchall())

    def test_last_in_both_protocols(self):
        for ask in (lambda client, sql: client.query(sql),
                    lambda client, sql: client.extended(sql)):
            with self.wire() as client:
                ask(client, READ)
                ask(client, READ)
                self.assertEqual(ask(client, "SHOW pgsidecar.last"), [["hit"]])
                # Asking is not itself a statement that is told about.
                self.assertEqual(ask(client, "show PGSIDECAR.LAST"), [["hit"]])
                ask(client, "SELECT now()")
                self.assertRegex(ask(client, "SHOW pgsidecar.last")[0][0], "^bypass: .+")

    def test_cache_off_in_both_protocols(self):
        for ask in (lambda client, sql: client.query(sql),
                    lambda client, sql: client.extended(sql)):
            with self.wire() as client:
                ask(client, READ)
                ask(client, "SET pgsidecar.cache = off")
                ask(client, READ)
                self.assertRegex(ask(client, "SHOW pgsidecar.last")[0][0], "^bypass: .+")
                ask(client, "SET pgsidecar.cache TO on")
                ask(client, READ)
                ask(client, READ)
                self.assertEqual(ask(client, "SHOW pgsidecar.last"), [["hit"]])

    def test_wrong_values_of_our_settings(self):
        with self.wire() as client:
            for sql in ("SET pgsidecar.cache = 'perhaps'", "SET pgsidecar.no_such = on"):
                with self.assertRaises(w.ServerError) as refused:
                    client.query(sql)
                self.assertRegex(refused.exception.sqlstate, "^(22023|42704)$")
            self.assertEqual(client.query(READ), [["1"]])

    def test_our_setting_follows_the_transaction(self):
        with self.wire() as client:
            client.query(READ)
            client.query("BEGIN")
            client.query("SET pgsidecar.cache = off")
            client.query("ROLLBACK")
            client.query(READ)
            client.query(READ)
            self.assertEqual(client.last(), "hit")

    def test_our_setting_is_not_another_clients(self):
        first, second = self.client(), self.client()
        first.execute("SET pgsidecar.cache = off")
        self.fill(second, READ)

    # HTTP

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.proxy.http_port}{path}",
                                    timeout=10) as answer:
            return answer.status, answer.read().decode()

    def test_http(self):
        self.fill(self.client(), READ)
        for path in ("/healthz", "/readyz"):
            self.assertEqual(self.get(path)[0], 200, path)
        # The numbers are taken once a tick.
        harness.wait_until(lambda: re.search(r"(?m)^pgsidecar_hits_total [1-9]",
                                             self.get("/metrics")[1]),
                           seconds=5, what="a hit in the metrics")
        status, text = self.get("/metrics")
        self.assertEqual(status, 200)
        samples = [line for line in text.splitlines() if line and not line.startswith("#")]
        self.assertTrue(samples)
        for line in samples:
            self.assertRegex(line, r"^pgsidecar_[a-z0-9_]+(\{.*\})? -?[0-9.e+-]+( \d+)?$")
        with self.assertRaises(urllib.error.HTTPError) as unknown:
            self.get("/nowhere")
        self.assertEqual(unknown.exception.code, 404)

    def test_not_ready_without_a_server(self):
        server = harness.PostgresServer()
        self.addCleanup(server.remove)
        proxy = Proxy(server, http=True)
        self.addCleanup(proxy.stop)
        with urllib.request.urlopen(f"http://127.0.0.1:{proxy.http_port}/healthz") as answer:
            self.assertEqual(answer.status, 200)
        with self.assertRaises(urllib.error.HTTPError) as unready:
            urllib.request.urlopen(f"http://127.0.0.1:{proxy.http_port}/readyz")
        self.assertEqual(unready.exception.code, 503)


@unittest.skipIf(DIRECT, "about the proxy only")
class CacheOff(ServerCase):
    SETUP = SETUP
    FLAGS = ("--cache", "off")

    def test_nothing_is_cached(self):
        client = self.client()
        for _ in range(3):
            client.execute(READ)
            self.assert_last(client, "bypass")


if __name__ == "__main__":
    harness.main()
