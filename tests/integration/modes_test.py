"""Modes verify and observe, rules, classes, hints, the session's own settings."""

import contextlib
import json
import tempfile
import time
import unittest
import urllib.request

import psycopg

import harness
import wire as w
from harness import DIRECT, Proxy, ServerCase, last, psql, wait_until

SETUP = """
    CREATE TABLE t (a int, b text);
    INSERT INTO t SELECT i, 'b' || i FROM generate_series(1, 5) AS i;
    CREATE TABLE u (a int); INSERT INTO u VALUES (1);
    CREATE SCHEMA s; CREATE TABLE s.u (a int); INSERT INTO s.u VALUES (2);
    CREATE VIEW tv AS SELECT a FROM t;
    CREATE TABLE kept (a int); INSERT INTO kept VALUES (1);
    CREATE TABLE checked (a int); INSERT INTO checked VALUES (1);
    CREATE TABLE lax (a int); INSERT INTO lax VALUES (1);
    CREATE ROLE reporter LOGIN; GRANT SELECT ON t TO reporter;
"""
READ = "SELECT a, b FROM t"


@unittest.skipIf(DIRECT, "about the proxy only")
class Case(ServerCase):
    SETUP = SETUP
    FILE = "# no rules\n"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy.stop()
        file = tempfile.NamedTemporaryFile("w", suffix=".toml")
        cls.addClassCleanup(file.close)
        file.write(cls.FILE)
        file.flush()
        cls.proxy = Proxy(cls.server, *cls.FLAGS, "--config", file.name, http=True)
        cls.addClassCleanup(cls.proxy.stop)
        cls.proxy.wait_for_catalog()

    def figure(self, name):
        return int({row["name"]: row["value"] for row in self.show("STATS")}[name])

    def of_statement(self, text):
        rows = [row for row in self.show("STATEMENTS") if row["query"] == text]
        self.assertEqual(len(rows), 1, text)
        return rows[0]

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.proxy.http_port}{path}",
                                    timeout=10) as answer:
            return answer.read().decode()

    def ask(self, client, sql):
        """The rows, and what the proxy says of them."""
        rows = client.execute(sql).fetchall()
        return rows, last(client)


class Verify(Case):
    FLAGS = ("--cache", "verify")

    def test_a_workload_with_writes_matches(self):
        client = self.client()
        before = self.figure("verify_matches_total"), self.figure("verify_mismatches_total")
        reads = (READ, READ + " ORDER BY a DESC", "SELECT count(*) FROM tv",
                 "SELECT t.a FROM t JOIN u USING (a)")
        said = set()
        for i in range(20):
            for read in reads:
                rows, what = self.ask(client, read)
                said.add(what)
                self.assertEqual(sorted(rows), sorted(self.truth.execute(read).fetchall()))
            if i % 4 == 3:
                client.execute(f"UPDATE t SET b = 'w{i}' WHERE a = {i % 5 + 1}")
        self.assertEqual(said, {"miss", "verify: match"})
        self.assertGreaterEqual(self.figure("verify_matches_total") - before[0], 40)
        self.assertEqual(self.figure("verify_mismatches_total"), before[1])
        self.assertEqual(self.figure("hits_total"), 0)
        self.assertIn("pgsidecar_verify_matches_total", self.get("/metrics"))

    def test_in_the_extended_protocol(self):
        with self.wire() as client:
            self.assertEqual(client.extended("SELECT a FROM t WHERE a = $1", ["2"]), [["2"]])
            self.assertEqual(client.extended("SELECT a FROM t WHERE a = $1", ["2"]), [["2"]])
            self.assertEqual(client.last(), "verify: match")

    def test_a_write_elsewhere_is_a_mismatch(self):
        client = self.client()
        self.truth.execute("CREATE TABLE elsewhere (a int, secret text)")
        self.truth.execute("INSERT INTO elsewhere VALUES (1, 'x')")
        read = "SELECT a FROM elsewhere WHERE secret <> 'hushhush'"
        wait_until(lambda: self.ask(client, read)[1] == "verify: match", what="the entry")
        self.truth.execute("INSERT INTO elsewhere VALUES (2, 'y')")
        # The server's rows, not those of the cache.
        self.assertEqual(self.ask(client, read), ([(1,), (2,)], "verify: mismatch"))
        self.assertEqual(self.ask(client, read)[1], "miss")
        self.assertEqual(self.ask(client, read)[1], "verify: match")
        template = "SELECT a FROM elsewhere WHERE secret <> ?"
        noted = [row for row in self.show("MISMATCHES") if row["query"] == template]
        self.assertEqual(len(noted), 1)
        self.assertEqual((noted[0]["difference"], noted[0]["cached_rows"], noted[0]["server_rows"],
                          noted[0]["user"]), ("rows", "1", "2", "postgres"))
        self.assertEqual(self.of_statement(template)["verify_mismatches"], "1")
        self.assertIn("the cache would have answered otherwise", self.proxy.stderr())
        self.assertNotIn("hushhush", self.proxy.stderr())
        self.assertIn("SELECT a FROM elsewhere WHERE secret <> $1", self.proxy.stderr())

    def test_the_order_counts_with_order_by_only(self):
        client = self.client()
        self.truth.execute("CREATE TABLE o (a int, b int)")
        self.truth.execute("INSERT INTO o VALUES (1, 1), (2, 2)")
        plain, ordered = "SELECT a FROM o", "SELECT a FROM o ORDER BY b"
        for read in (plain, ordered):
            wait_until(lambda: self.ask(client, read)[1] == "verify: match", what="the entry")
        self.truth.execute("UPDATE o SET b = 3 WHERE a = 1")  # moves the row to the end, too
        self.assertEqual(self.ask(client, plain), ([(2,), (1,)], "verify: match"))
        self.assertEqual(self.ask(client, ordered), ([(2,), (1,)], "verify: mismatch"))
        self.assertEqual(self.show("MISMATCHES")[0]["difference"], "order")

    def test_an_error_is_not_compared(self):
        client = self.client()
        self.truth.execute("CREATE TABLE gone (a int)")
        wait_until(lambda: self.ask(client, "SELECT a FROM gone")[1] == "verify: match",
                   what="the entry")
        skipped = self.figure("verify_skipped_total")
        self.truth.execute("ALTER TABLE gone RENAME TO went")
        with self.assertRaises(psycopg.Error):
            for _ in range(2):  # the poll may have seen it already
                client.execute("SELECT a FROM gone")
        self.assertLessEqual(self.figure("verify_skipped_total") - skipped, 1)

    def test_off_narrows_and_on_does_not_widen(self):
        client = self.client()
        client.execute("SET pgsidecar.cache = on")
        client.execute(READ)
        self.assertEqual(self.ask(client, READ)[1], "verify: match")
        self.assertEqual(client.execute("SHOW pgsidecar.cache").fetchone()[0], "verify")
        client.execute("SET pgsidecar.cache = off")
        self.assertEqual(self.ask(client, READ)[1], "bypass: cache_off")


class Observe(Case):
    FLAGS = ("--cache", "observe", "--sole-writer")

    def test_never_serves(self):
        client = self.client()
        self.assertEqual(self.ask(client, READ)[1], "miss")
        for i in range(3):
            self.truth.execute(f"UPDATE t SET b = 'o{i}'")
            rows, said = self.ask(client, READ)
            self.assertEqual((rows[0][1], said), (f"o{i}", "observe: hit"))
        self.assertEqual(self.figure("hits_total"), 0)
        row = self.of_statement(READ)
        self.assertEqual((row["calls"], row["misses"], row["observed_hits"], row["hits"]),
                         ("4", "1", "3", "0"))
        self.assertGreater(float(row["observed_saved_ms"]), 0)
        self.assertEqual(float(row["saved_ms"]), 0)


class Share(Case):
    FLAGS = ("--cache", "on", "--cache-share", "25", "--cache-rest", "observe")

    def test_every_fourth_session(self):
        modes = []
        for _ in range(8):
            with harness.connect(self.proxy) as client:
                modes.append(client.execute("SHOW pgsidecar.cache").fetchone()[0])
        self.assertEqual(sorted(modes), ["observe"] * 6 + ["on"] * 2)


class Rules(Case):
    FLAGS = ("--max-foreign-staleness", "100ms")
    FILE = """
[[rule]]
relation = "s.u"
cache = "off"

[[rule]]
relation = "tv"
class = "content"

[[rule]]
relation = "kept"
ttl = "1h"

[[rule]]
relation = "public.checked"
cache = "verify"

[[rule]]
relation = "lax"
consistency = "ttl"
ttl = "1h"

[[rule]]
pattern = "select 'report%'*"
cache = "off"

[[rule]]
user = "reporter"
cache = "observe"

[[rule]]
application_name = "slow"
class = "search"
"""

    def matches(self, rule):
        return int(self.show("RULES")[rule - 1]["matches"])

    def test_by_relation(self):
        client = self.client()
        for _ in range(2):
            self.assertEqual(self.ask(client, "SELECT a FROM s.u")[1], "bypass: off_by_rule")
        self.assertNotEqual(self.ask(client, "SELECT a FROM u")[1], "bypass: off_by_rule")
        self.assertGreaterEqual(self.matches(1), 2)
        with harness.connect(self.proxy, options="-c search_path=s") as there:
            self.assertEqual(self.ask(there, "SELECT a FROM u")[1], "bypass: off_by_rule")

    def test_by_view(self):
        client = self.client()
        client.execute("SELECT max(a) FROM tv")
        self.assertEqual(self.of_statement("SELECT max(a) FROM tv")["class"], "content")
        self.assertEqual(self.show("RULES")[1]["class"], "content")

    def test_a_ttl_lifts_the_cap(self):
        client = self.client()
        for read in ("SELECT a FROM kept", "SELECT a FROM u WHERE a = 1"):
            client.execute(read)
        time.sleep(0.3)
        self.assertEqual(self.ask(client, "SELECT a FROM kept")[1], "hit")
        self.assertEqual(self.ask(client, "SELECT a FROM u WHERE a = 1")[1], "miss")
        self.assertNotEqual(self.of_statement("SELECT a FROM u WHERE a = ?")["expired"], "0")

    def test_verify_by_rule(self):
        client = self.client()
        client.execute("SELECT a FROM checked")
        self.assertEqual(self.ask(client, "SELECT a FROM checked")[1], "verify: match")

    def test_level_ttl_does_not_watch_writes(self):
        client = self.client()
        client.execute("SELECT a FROM lax")
        client.execute("UPDATE lax SET a = 2")
        time.sleep(1.5)  # the sweeper leaves it alone
        self.assertEqual(self.ask(client, "SELECT a FROM lax"), ([(1,)], "hit"))

    def test_by_pattern(self):
        self.assertEqual(self.ask(self.client(), "SELECT 'report%', a FROM u")[1],
                         "bypass: off_by_rule")

    def test_by_user_and_application(self):
        read = "SELECT min(a) FROM t"
        reporter = self.client(user="reporter")
        reporter.execute(read)
        self.assertEqual(self.ask(reporter, read)[1], "observe: hit")
        client = self.client()
        client.execute(read)
        self.assertEqual(self.ask(client, read)[1], "hit")
        self.assertEqual(self.of_statement(read)["class"], "query")
        self.client(application_name="slow").execute(read)
        self.assertEqual(self.of_statement(read)["class"], "search")

    def test_show_rules(self):
        rows = self.show("RULES")
        self.assertEqual([row["rule"] for row in rows], [str(i) for i in range(1, 9)])
        self.assertEqual((rows[4]["relation"], rows[4]["ttl"], rows[4]["consistency"]),
                         ("lax", "1h", "ttl"))


class CleanUp(Case):
    FLAGS = ("--ttl", "200ms", "--sweep-interval", "50ms")

    def test_what_is_too_old_goes_unasked(self):
        client = self.client()
        for number in range(100):
            client.execute(f"SELECT a + {number} FROM t")

        def swept():
            figures = {row["name"]: int(row["value"]) for row in self.show("CACHE")}
            return figures["cache_entries"] == 0 and figures["cache_swept_total"] >= 100

        wait_until(swept, what="a hundred answers to be swept")


class SessionSettings(Case):
    FLAGS = ("--max-foreign-staleness", "100ms")

    def said(self, client, name):
        return client.execute(f"SHOW pgsidecar.{name}").fetchone()[0]

    def test_hints(self):
        client = self.client()
        for hint, expected in (("off", "bypass: off_by_hint"), ("cache=off", "bypass: off_by_hint"),
                               ("nonsense", "bypass: bad_hint"), ("ttl=soon", "bypass: bad_hint"),
                               ("verify", "verify: match"), ("ttl=1h, class=search", "hit")):
            read = f"/* pgsidecar: {hint} */ SELECT a FROM t"
            client.execute(read)
            self.assertEqual(self.ask(client, read)[1], expected, hint)
        self.assertIn("comment", self.of_statement("/* pgsidecar: nonsense */ SELECT a FROM t")
                      ["advice"])
        time.sleep(0.3)
        self.assertEqual(self.ask(client, "/* pgsidecar: ttl=1h, class=search */ SELECT a FROM t")
                         [1], "hit")
        self.assertEqual(self.of_statement("/* pgsidecar: ttl=1h, class=search */ SELECT a FROM t")
                         ["class"], "search")
        # Never past a safety refusal.
        self.assertEqual(self.ask(client, "/* pgsidecar: on, ttl=1h */ SELECT random()")[1],
                         "bypass: volatile_function")

    def test_ttl(self):
        client = self.client()
        self.assertEqual(self.said(client, "ttl"), "100ms")
        client.execute("SET pgsidecar.ttl = '1h'")
        self.assertEqual(self.said(client, "ttl"), "1h")
        read = "SELECT a + 1 FROM t"
        client.execute(read)
        time.sleep(0.3)
        self.assertEqual(self.ask(client, read)[1], "hit")
        client.execute("RESET pgsidecar.ttl")
        self.assertEqual(self.said(client, "ttl"), "100ms")
        self.assertEqual(self.ask(client, read)[1], "miss")

    def test_consistency(self):
        client = self.client()
        self.assertEqual(self.said(client, "consistency"), "session")
        client.execute("SET pgsidecar.consistency = ttl")
        client.execute("SET pgsidecar.ttl = '1h'")
        client.execute("SELECT a FROM u")
        client.execute("INSERT INTO u VALUES (7)")
        self.assertEqual(self.ask(client, "SELECT a FROM u"), ([(1,)], "hit"))
        client.execute("RESET pgsidecar.consistency")
        self.assertEqual(self.ask(client, "SELECT a FROM u"), ([(1,), (7,)], "miss"))
        self.assertEqual(self.of_statement("SELECT a FROM u")["invalidations"], "1")
        client.execute("DELETE FROM u WHERE a = 7")
        with self.assertRaisesRegex(psycopg.Error, "change feed"):
            client.execute("SET pgsidecar.consistency = linearizable")

    def test_local(self):
        with self.wire() as client:
            client.query("BEGIN")
            client.query("SET LOCAL pgsidecar.ttl = '7s'")
            self.assertEqual(client.query("SHOW pgsidecar.ttl"), [["7s"]])
            client.query("COMMIT")
            self.assertEqual(client.query("SHOW pgsidecar.ttl"), [["100ms"]])

    def test_local_outside_a_transaction_is_a_warning(self):
        client = self.client()
        notices = []
        client.add_notice_handler(lambda notice: notices.append((notice.severity, notice.sqlstate)))
        client.execute("SET LOCAL pgsidecar.cache = off")
        self.assertEqual(notices, [("WARNING", "25P01")])
        self.assertEqual(self.said(client, "cache"), "on")
        with self.assertRaises(psycopg.errors.InvalidParameterValue):
            client.execute("SET LOCAL pgsidecar.cache = perhaps")

    def test_reset_all_and_discard_all(self):
        for command in ("RESET ALL", "DISCARD ALL"):
            client = self.client()
            client.execute("SET pgsidecar.cache = off")
            client.execute("SET pgsidecar.ttl = '7s'")
            client.execute(command)
            self.assertEqual((self.said(client, "cache"), self.said(client, "ttl")),
                             ("on", "100ms"), command)
        client = self.client()
        client.execute("SET pgsidecar.ttl = '7s'")
        client.execute("BEGIN")
        client.execute("RESET ALL")
        self.assertEqual(self.said(client, "ttl"), "100ms")
        client.execute("ROLLBACK")
        self.assertEqual(self.said(client, "ttl"), "7s")
        for undone in ("BEGIN; RESET ALL; ROLLBACK", "RESET ALL; SELECT 1/0"):
            with self.wire() as client:
                client.query("SET pgsidecar.ttl = '7s'")
                with contextlib.suppress(w.ServerError):
                    client.query(undone)
                self.assertEqual(client.query("SHOW pgsidecar.ttl"), [["7s"]], undone)

    def test_startup_options(self):
        with harness.connect(self.proxy, options="-c pgsidecar.cache=off -c work_mem=3MB "
                             "--pgsidecar.ttl=9s") as client:
            self.assertEqual((self.said(client, "cache"), self.said(client, "ttl")), ("off", "9s"))
            self.assertEqual(client.execute("SHOW work_mem").fetchone()[0], "3MB")
            # The server knows nothing of it.
            self.assertIsNone(client.execute(
                "SELECT current_setting('pgsidecar.cache', true)").fetchone()[0])
            client.execute("SET pgsidecar.cache = on")
            client.execute("RESET pgsidecar.cache")
            self.assertEqual(self.said(client, "cache"), "off")
        with self.wire(**{"pgsidecar.cache": "verify"}) as client:
            self.assertEqual(client.query("SHOW pgsidecar.cache"), [["verify"]])
        with self.assertRaisesRegex(psycopg.OperationalError, "pgsidecar.cache"):
            harness.connect(self.proxy, options="-c pgsidecar.cache=perhaps")

    def test_statements_have_advice(self):
        client = self.client()
        client.execute("SELECT a FROM t FOR UPDATE")
        row = self.of_statement("SELECT a FROM t FOR UPDATE")
        self.assertEqual(row["bypass_because"], "row_lock")
        self.assertIn("FOR UPDATE", row["advice"])

    def test_cache_by_class(self):
        client = self.client()
        read = "SELECT b FROM t WHERE b ILIKE 'B%'"
        client.execute(read)
        client.execute(read)
        figures = {row["name"]: row["value"] for row in self.show("CACHE")}
        self.assertGreaterEqual(int(figures["cache_class_entries.search"]), 1)
        self.assertGreaterEqual(int(figures["cache_class_hits_total.search"]), 1)
        self.assertIn('pgsidecar_cache_class_entries{class="search"}', self.get("/metrics"))

    def test_stats_as_json(self):
        self.client().execute(READ)
        stats = json.loads(self.get("/stats"))
        self.assertGreater(stats["stats"]["requests_total"], 0)
        self.assertGreater(stats["cache"]["cache_entries"], 0)
        self.assertEqual(set(stats["classes"]), {"query", "search", "content"})
        self.assertEqual([(each["name"], each["cache_usable"]) for each in stats["databases"]],
                         [("postgres", True)])
        self.assertEqual(stats["rules"], [])


if __name__ == "__main__":
    harness.main()
