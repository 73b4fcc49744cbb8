"""The command line: one line on stderr and status 2 for what is wrong; SIGTERM drains."""

import os
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import psycopg

import harness
import wire as w
from harness import BINARY, DIRECT, PostgresServer, Proxy, wait_until

URL = "postgres://postgres@127.0.0.1:1/postgres"
SERVE = ("--upstream", URL, "--listen", "127.0.0.1:0")


@unittest.skipIf(DIRECT, "about the proxy only")
class Usage(unittest.TestCase):
    def run_proxy(self, *arguments, **environment):
        return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=20,
                              env={"PATH": os.environ["PATH"], **environment})

    def assert_refused(self, expected, *arguments, **environment):
        done = self.run_proxy(*arguments, **environment)
        self.assertEqual(done.returncode, 2, done)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        self.assertIn(expected, done.stderr)

    def test_bad_flags(self):
        self.assert_refused("--nonsense", *SERVE, "--nonsense")
        self.assert_refused("ttl", *SERVE, "--ttl", "soon")
        self.assert_refused("ttl", *SERVE, "--ttl", "-5s")
        self.assert_refused("cache", *SERVE, "--cache", "maybe")
        self.assert_refused("listen", "--upstream", URL, "--listen", "nonsense")
        self.assert_refused("listen", "--upstream", URL, "--listen", "127.0.0.1:99999")
        self.assert_refused("default", *SERVE, "--default-pool-size", "many")
        self.assert_refused("log", *SERVE, "--log-level", "shout")

    def test_bad_url(self):
        for url in ("nonsense", "http://127.0.0.1/", "postgres://user@127.0.0.1:port/db",
                    "postgres://user@127.0.0.1:70000/db", "postgres://user%zz@127.0.0.1/db"):
            with self.subTest(url):
                self.assert_refused("upstream", "--upstream", url, "--listen", "127.0.0.1:0")

    def test_no_upstream(self):
        self.assert_refused("upstream", "--listen", "127.0.0.1:0")

    def test_password_is_not_in_the_message(self):
        done = self.run_proxy("--upstream", "postgres://user:hush@127.0.0.1:port/db", "--listen",
                              "127.0.0.1:0")
        self.assertEqual(done.returncode, 2)
        self.assertNotIn("hush", done.stderr)

    def test_bad_environment(self):
        self.assert_refused("PGSIDECAR_TTL", *SERVE, PGSIDECAR_TTL="soon")

    def test_bad_file(self):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write('cache = "on"\nttl = "soon"\n')
            file.flush()
            self.assert_refused("ttl", *SERVE, "--config", file.name)
            self.assert_refused(file.name, *SERVE, "--config", file.name)
            file.seek(0)
            file.truncate()
            file.write('no_such_key = 1\n')
            file.flush()
            self.assert_refused("no_such_key", *SERVE, "--config", file.name)
        self.assert_refused("/no/such/file", *SERVE, "--config", "/no/such/file")

    def test_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            self.assert_refused(str(port), "--upstream", URL, "--listen", f"127.0.0.1:{port}")
            self.assert_refused(str(port), *SERVE, "--http-listen", f"127.0.0.1:{port}")

    def test_help_and_version(self):
        for flag in ("--help", "--version"):
            done = self.run_proxy(flag)
            self.assertEqual(done.returncode, 0, flag)
            self.assertTrue(done.stdout.strip(), flag)


@unittest.skipIf(DIRECT, "about the proxy only")
class Explain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = PostgresServer().start()
        cls.addClassCleanup(cls.server.remove)
        with cls.server.connect_locally() as connection:
            connection.execute("CREATE TABLE t (a int); CREATE VIEW v AS SELECT a FROM t;"
                               "CREATE SCHEMA s; CREATE TABLE s.only_there (a int);"
                               "CREATE TABLE k (id int PRIMARY KEY, name text UNIQUE, n int)")

    def explain(self, *arguments, upstream=None):
        return subprocess.run([BINARY, "explain", *arguments], capture_output=True, text=True,
                              timeout=30, env={"PATH": os.environ["PATH"],
                                               "DATABASE_URL": upstream or self.server.url()})

    def assert_explained(self, code, lines, *arguments):
        done = self.explain(*arguments)
        self.assertEqual((done.returncode, done.stderr), (code, ""), done)
        for line in lines:
            self.assertIn(line, done.stdout.splitlines())

    def test_cacheable(self):
        self.assert_explained(0, ["cacheable: yes", "class: query", "ttl: 5s", "rule: none",
                                  "consistency: session", "depends on: public.t, all rows"],
                              "SELECT count(*) FROM v")
        self.assert_explained(0, ["class: search", "ttl: 1min"],
                              "SELECT 1 FROM t WHERE a::text ILIKE 'x'", "--ttl", "1min")

    def test_not_cacheable(self):
        self.assert_explained(1, ["cacheable: no", "because: volatile_function"],
                              "SELECT random()")
        self.assert_explained(1, ["because: multiple_statements"], "SELECT 1; SELECT 2")
        self.assert_explained(1, ["because: not_understood"], "SELEKT")
        self.assert_explained(1, ["because: off_by_hint"], "/* pgsidecar: off */ SELECT 1")

    def test_writes(self):
        self.assert_explained(1, ["because: not_a_select",
                                  "invalidates: what depends on public.t"], "DELETE FROM t")
        self.assert_explained(1, ["invalidates: everything: what it writes cannot be bounded"],
                              "CREATE TABLE n (a int)")

    def test_rows(self):
        self.assert_explained(0, ["depends on: public.k, rows with id = 5"],
                              "SELECT n FROM k WHERE id = 5")
        self.assert_explained(
            0, ["depends on: public.k, rows with id = $1, and with name = 'it's' or '7'"],
            "SELECT a.n FROM k a JOIN k b ON b.name IN ('it''s', '7') WHERE a.id = $1")
        self.assert_explained(0, ["depends on: public.k, all rows"],
                              "SELECT n FROM k WHERE id = 5", "--row-precision=off")
        self.assert_explained(
            1, ["invalidates: what depends on public.k: rows with id = -3 or 4, any name"],
            "UPDATE k SET id = 4 WHERE id = -3")
        self.assert_explained(
            1, ["invalidates: what depends on public.k: rows with id = 1 or 2, name = 'x' or NULL"],
            "INSERT INTO k (id, name) VALUES (1, 'x'), (2, NULL)")

    def test_search_path(self):
        read = "SELECT a FROM only_there"
        self.assert_explained(1, ["because: unknown_relation"], read)
        self.assert_explained(0, ["depends on: s.only_there, all rows"], read,
                              "--search-path", "s")
        with self.server.connect_locally() as connection:
            connection.execute("CREATE SCHEMA someone; CREATE TABLE someone.own (a int)")
        self.assert_explained(0, ["depends on: someone.own, all rows"], "SELECT a FROM own",
                              "--user", "someone")

    def test_rule(self):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write('[[rule]]\nrelation = "v"\nclass = "content"\nttl = "7s"\n')
            file.flush()
            self.assert_explained(0, ["rule: 1, relation = \"v\"", "class: content", "ttl: 7s"],
                                  "SELECT a FROM v", "--config", file.name)

    def test_errors(self):
        for done in (self.explain(), self.explain("SELECT 1", "--user"),
                     self.explain("SELECT 1", "--nonsense"),
                     self.explain("SELECT 1", upstream=URL)):
            self.assertEqual((done.returncode, done.stdout), (2, ""), done)
            self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)


@unittest.skipIf(DIRECT, "about the proxy only")
class Running(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = PostgresServer().start()
        cls.addClassCleanup(cls.server.remove)

    def test_environment_and_file(self):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(f'upstream = "{self.server.url()}"\nlisten = "127.0.0.1:0"\ncache = "off"\n'
                       'ttl = "1min"\n')
            file.flush()
            process = subprocess.Popen(
                [BINARY, "--config", file.name], stderr=subprocess.PIPE, text=True,
                env={"PATH": os.environ["PATH"], "PGSIDECAR_TTL": "2min"})
            try:
                for line in process.stderr:
                    if "listening on" in line and "http" not in line:
                        break
                port = int(line.rsplit(":", 1)[1])
                with psycopg.connect(host="127.0.0.1", port=port, user="postgres",
                                     dbname="postgres", sslmode="disable", autocommit=True) as client:
                    client.execute("SELECT 1")
                    self.assertTrue(harness.last(client).startswith("bypass"))
                with psycopg.connect(host="127.0.0.1", port=port, user="postgres",
                                     dbname="pgsidecar", sslmode="disable", autocommit=True) as console:
                    shown = repr(console.execute("SHOW CONFIG").fetchall())
                    self.assertRegex(shown, "'ttl', '(2 ?min|120 ?s)")
            finally:
                process.terminate()
                process.communicate(timeout=20)
            self.assertEqual(process.returncode, 0)

    def test_database_url(self):
        process = subprocess.Popen(
            [BINARY, "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True,
            env={"PATH": os.environ["PATH"], "DATABASE_URL": self.server.url()})
        try:
            self.assertTrue(any("listening on" in line for line in process.stderr))
        finally:
            process.terminate()
            process.communicate(timeout=20)

    def test_sigterm_drains(self):
        proxy = Proxy(self.server)
        self.addCleanup(proxy.stop)
        busy, idle = harness.wire(proxy), harness.wire(proxy)
        self.addCleanup(busy.close)
        self.addCleanup(idle.close)
        idle.query("SELECT 1")
        busy.send(w.query("SELECT pg_sleep(2), 'finished'"))
        time.sleep(0.5)
        proxy.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        with self.assertRaises((OSError, w.ConnectionClosed, w.ServerError)):
            harness.wire(proxy)
        said = busy.read_until_ready()
        self.assertEqual(busy.rows(said), [["", "finished"]])
        self.assertEqual(proxy.process.wait(15), 0)

    def test_sigterm_waits_for_a_transaction(self):
        proxy = Proxy(self.server)
        self.addCleanup(proxy.stop)
        with harness.connect(self.server) as truth:
            truth.execute("DROP TABLE IF EXISTS drained; CREATE TABLE drained (a int)")
        client = harness.wire(proxy)
        self.addCleanup(client.close)
        client.query("BEGIN")
        client.query("INSERT INTO drained VALUES (1)")
        proxy.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        client.query("INSERT INTO drained VALUES (2)")
        client.query("COMMIT")
        self.assertEqual(proxy.process.wait(15), 0)
        with harness.connect(self.server) as truth:
            self.assertEqual(truth.execute("SELECT sum(a) FROM drained").fetchone(), (3,))

    def test_sigterm_when_idle(self):
        proxy = Proxy(self.server)
        clients = [harness.wire(proxy) for _ in range(5)]
        started = time.monotonic()
        proxy.stop()
        self.assertLess(time.monotonic() - started, 5)
        for client in clients:
            codes = [w.error_fields(body)["C"] for kind, body in client.read_until_closed()
                     if kind == b"E"]
            self.assertEqual(codes[:1], ["57P01"])
            client.close()

    def test_started_and_stopped_at_once(self):
        for _ in range(5):
            Proxy(self.server).stop()

    def test_no_server_connection_outlives_the_proxy(self):
        proxy = Proxy(self.server).wait_for_catalog()
        with harness.connect(proxy) as client:
            client.execute("SELECT 1")
        proxy.stop()
        with harness.connect(self.server) as truth:
            wait_until(lambda: truth.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
                " AND pid <> pg_backend_pid()").fetchone() == (0,), what="server connections to end")


if __name__ == "__main__":
    harness.main()
