"""The pool as an operator sees it: modes, limits, orders on the console, a configuration that is read
again."""

import os
import re
import shutil
import signal
import tempfile
import threading
import time
import unittest
import urllib.request

import psycopg

import harness
from harness import DIRECT, Proxy, ServerCase, psql, wait_until

SETUP = """
CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t VALUES (1, 1);
CREATE DATABASE second;
"""


def split(script):
    return [statement for statement in script.split(";") if statement.strip()]


@unittest.skipIf(DIRECT, "about the proxy only")
class OperationCase(ServerCase):
    CONFIG = ""

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="pgsidecar-test-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, ignore_errors=True)
        cls.config = os.path.join(cls.directory, "pgsidecar.toml")
        cls.write(cls.CONFIG)
        cls.FLAGS = (*cls.FLAGS, "--config", cls.config)
        super().setUpClass()
        with harness.connect(cls.proxy) as client:
            for statement in split(SETUP):
                client.execute(statement)

    @classmethod
    def write(cls, text):
        with open(cls.config, "w") as file:
            file.write(text)

    def order(self, command):
        """A command on the console."""
        psql(self.proxy, command, dbname="pgsidecar")

    def backends(self, database="postgres"):
        return self.truth.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
            " AND application_name <> 'pgsidecar'", [database]).fetchone()[0]


class Modes(OperationCase):
    CONFIG = """
[databases.second]
pool_mode = "session"
[users.piecemeal]
pool_mode = "statement"
"""

    def test_session_keeps_its_backend_and_leaves_it_clean(self):
        pids = set()
        with harness.connect(self.proxy, dbname="second") as client:
            for _ in range(5):
                pids.add(client.execute("SELECT pg_backend_pid()").fetchone()[0])
                with harness.connect(self.proxy, dbname="second") as other:
                    other.execute("SELECT random()")
        self.assertEqual(len(pids), 1)
        resets = self.figures()["server_resets_total"]
        for make in ("CREATE TEMP TABLE mine AS SELECT 5 AS a", "SELECT pg_advisory_lock(78)",
                     "PREPARE p AS SELECT 6", "LISTEN here",
                     "DECLARE c CURSOR WITH HOLD FOR SELECT 7"):
            with self.subTest(make):
                with harness.connect(self.proxy, dbname="second") as maker:
                    maker.execute(make)
                    pid = maker.execute("SELECT pg_backend_pid()").fetchone()[0]

                def left():
                    """Of the backend: whether it is free and holds nothing."""
                    return self.truth.execute(
                        "SELECT (SELECT count(*) FROM pg_locks WHERE pid = %s AND locktype = "
                        "'advisory') = 0 AND (SELECT state FROM pg_stat_activity WHERE pid = %s) "
                        "= 'idle'", [pid, pid]).fetchone()[0]
                wait_until(left, what="the backend to be clean, and kept")
                with harness.connect(self.proxy, dbname="second") as other:
                    self.assertEqual(other.execute(
                        "SELECT to_regclass('pg_temp.mine') IS NULL,"
                        " (SELECT count(*) FROM pg_prepared_statements),"
                        " (SELECT count(*) FROM pg_cursors WHERE name = 'c'),"
                        " (SELECT count(*) FROM pg_listening_channels())").fetchone(),
                        (True, 0, 0, 0))
        # A prepared statement of another's is ended by whoever comes next.
        self.assertGreaterEqual(self.figures()["server_resets_total"], resets + 4)

    def test_session_with_state_that_no_reset_undoes(self):
        with harness.connect(self.proxy, dbname="second") as maker:
            maker.execute("SET app.tenant = 'mine'")
            maker.execute("CREATE TEMP TABLE mine (a int)")
        for _ in range(3):
            with harness.connect(self.proxy, dbname="second") as other:
                self.assertIsNone(other.execute(
                    "SELECT current_setting('app.tenant', true)").fetchone()[0])

    def test_statement_refuses_blocks(self):
        self.truth.execute("CREATE ROLE piecemeal LOGIN; GRANT ALL ON t TO piecemeal")
        with harness.connect(self.proxy, user="piecemeal") as client:
            for refused in ("BEGIN", "START TRANSACTION", "UPDATE t SET a = 9; BEGIN",
                            "BEGIN; UPDATE t SET a = 9; COMMIT", "begin isolation level serializable"):
                with self.assertRaisesRegex(
                        psycopg.errors.FeatureNotSupported,
                        "transaction blocks not allowed in statement pooling mode"):
                    client.execute(refused)
            self.assertEqual(client.execute("SELECT a FROM t").fetchone(), (1,))
            client.execute("UPDATE t SET a = 1")
            client.execute("SELECT 1; SELECT 2")
        with harness.connect(self.proxy, user="piecemeal", autocommit=False) as client:
            with self.assertRaises(psycopg.errors.FeatureNotSupported):
                client.execute("SELECT 1")
            client.rollback()

    def test_shown(self):
        modes = {row["database"]: row["pool_mode"] for row in self.show("DATABASES")}
        self.assertEqual(modes["second"], "session")
        self.assertEqual({row["name"]: row["pool_mode"] for row in self.show("USERS")}["piecemeal"],
                         "statement")


class Orders(OperationCase):
    FLAGS = ("--sole-writer", "--default-pool-size", "4")

    def test_pause_lets_the_server_restart_unnoticed(self):
        wrong, rounds, stop = [], [0], threading.Event()

        def work():
            try:
                with harness.connect(self.proxy) as client:
                    while not stop.is_set():
                        with client.transaction():
                            client.execute("UPDATE t SET a = a + 1 WHERE id = 1")
                            rounds[0] += 1
            except psycopg.Error as error:
                wrong.append(repr(error))

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: rounds[0] > 20, what="somebody to work")
            self.order("PAUSE")
            self.assertEqual(self.backends(), 0)
            before = rounds[0]
            self.truth.close()
            self.server.restart()
            type(self).truth = harness.connect(self.server)
            self.addClassCleanup(self.truth.close)
            self.assertLessEqual(rounds[0], before + len(threads))
            self.order("RESUME")
            wait_until(lambda: rounds[0] > before + 20, what="somebody to work again")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(wrong, [])
        self.proxy.wait_for_catalog()

    def test_reconnect(self):
        with harness.connect(self.proxy) as client:
            def pid():
                return client.execute("SELECT pg_backend_pid(), random()").fetchone()[0]
            before = pid()
            self.order("RECONNECT")
            self.order("WAIT_CLOSE")
            self.assertNotEqual(pid(), before)

    def test_kill_and_disable(self):
        with harness.connect(self.proxy, dbname="second") as victim, self.client() as bystander:
            victim.execute("CREATE TEMP TABLE mine (a int)")
            self.order("KILL second")
            with self.assertRaises(psycopg.OperationalError) as killed:
                victim.execute("SELECT 1")
            self.assertIn("terminating connection", str(killed.exception))
            bystander.execute("SELECT random()")
        wait_until(lambda: self.backends("second") == 0, what="the backends to be gone")
        self.order("RESUME second")
        self.order("DISABLE second")
        with self.assertRaises(psycopg.OperationalError) as disabled:
            harness.connect(self.proxy, dbname="second")
        self.assertIn('database "second" is disabled', str(disabled.exception))
        self.order("ENABLE second")
        with harness.connect(self.proxy, dbname="second") as client:
            client.execute("SELECT 1")

    def test_every_show_and_help(self):
        self.client().execute("SELECT random()")
        for what in ("USERS", "LISTS", "TOTALS", "POOLS", "DATABASES", "HELP"):
            with self.subTest(what):
                self.assertTrue(self.show(what))
        self.assertIn("RECONNECT", repr(self.show("HELP")))

    def test_shutdown(self):
        for how, status in (("SHUTDOWN", 0), ("SHUTDOWN WAIT_FOR_CLIENTS", 0)):
            proxy = Proxy(self.server)
            client = harness.connect(proxy)
            client.execute("SELECT 1")
            psql(proxy, how, dbname="pgsidecar", check=False)
            if how != "SHUTDOWN":
                client.close()
            self.assertEqual(proxy.process.wait(harness.PATIENCE_S), status, proxy.stderr())
            proxy.stop()


class Limits(OperationCase):
    FLAGS = ("--sole-writer", "--default-pool-size", "5")
    CONFIG = """
max_user_connections = 6
[databases.postgres]
max_db_connections = 3
pool_size = 10
[databases.second]
min_pool_size = 2
max_db_client_connections = 2
"""

    def test_more_clients_than_connections(self):
        """Everybody is served, on no more connections than there may be."""
        most = [0]
        stop = threading.Event()

        def watch():
            with harness.connect(self.server) as eye:
                while not stop.is_set():
                    count = eye.execute(
                        "SELECT count(*) FROM pg_stat_activity WHERE datname = 'postgres' AND"
                        " backend_type = 'client backend' AND application_name = 'crowd'"
                    ).fetchone()[0]
                    most[0] = max(most[0], count)

        def work():
            for _ in range(3):
                with harness.connect(self.proxy, application_name="crowd") as client:
                    for _ in range(5):
                        client.execute("SELECT random(), pg_sleep(0.002)")

        watcher = threading.Thread(target=watch)
        threads = [threading.Thread(target=work) for _ in range(12)]
        for thread in (watcher, *threads):
            thread.start()
        for thread in threads:
            thread.join()
        stop.set()
        watcher.join()
        self.assertGreater(most[0], 0)
        # A connection that is being closed may still be seen.
        self.assertLessEqual(most[0], 3 + 2)

    def test_clients_of_a_database(self):
        with harness.connect(self.proxy, dbname="second"):
            with harness.connect(self.proxy, dbname="second"):
                with self.assertRaises(psycopg.OperationalError) as refused:
                    harness.connect(self.proxy, dbname="second")
                self.assertIn("max_db_client_connections", str(refused.exception))

    def test_minimum(self):
        with harness.connect(self.proxy, dbname="second", application_name="least"):
            wait_until(lambda: self.backends("second") >= 2, what="the minimum to be there")


class Reload(OperationCase):
    CONFIG = 'query_wait_timeout = "50s"\n'

    def setting(self, name):
        return {row["key"]: row["value"] for row in self.show("CONFIG")}[name]

    def test_sighup(self):
        client = self.client()
        self.fill(client, "SELECT a FROM t WHERE id = 1")
        self.write('query_wait_timeout = "60s"\ncache = "off"\ncache_bytes = "1MB"\n'
                   'default_pool_size = 7\n')
        self.proxy.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.setting("query_wait_timeout") == "1min", what="the new value")
        self.assertEqual(self.setting("cache"), "off")
        self.assertEqual(self.setting("cache_bytes"), "256MB")
        self.assertIn("name=cache_bytes", self.proxy.stderr())
        client.execute("SELECT a FROM t WHERE id = 1")
        self.assert_last(client, "bypass")
        # An invalid one changes nothing, and says where and what.
        self.write('cache = "on"\nquery_wait_timeout = "soon"\n')
        self.proxy.process.send_signal(signal.SIGHUP)
        wait_until(lambda: f"{self.config}:2: query_wait_timeout: expected a duration"
                   in self.proxy.stderr(), what="the mistake to be named")
        self.assertEqual(self.setting("query_wait_timeout"), "1min")
        self.assertEqual(self.setting("cache"), "off")
        with self.assertRaisesRegex(AssertionError, ":2: query_wait_timeout: expected a duration"):
            self.order("RELOAD")
        self.write(self.CONFIG)
        self.order("RELOAD")
        self.assertEqual(self.setting("cache"), "on")
        self.fill(client, "SELECT a FROM t WHERE id = 1")

    def test_flags_come_first(self):
        proxy = Proxy(self.server, "--config", self.config, "--query-wait-timeout", "5s", http=True)
        self.addCleanup(proxy.stop)
        psql(proxy, "RELOAD", dbname="pgsidecar")
        self.assertIn("query_wait_timeout|5s|", psql(proxy, "SHOW CONFIG", dbname="pgsidecar"))
        psql(proxy, "SET query_wait_timeout = '6s'", dbname="pgsidecar")
        self.assertIn("query_wait_timeout|6s|", psql(proxy, "SHOW CONFIG", dbname="pgsidecar"))
        with harness.connect(proxy, application_name='a"b') as client:
            client.execute("SELECT random()")
            with urllib.request.urlopen(f"http://127.0.0.1:{proxy.http_port}/metrics",
                                        timeout=10) as answer:
                text = answer.read().decode()
        self.assertRegex(text, r'(?m)^pgsidecar_pool_servers\{database="postgres",user="postgres"\} 1$')
        self.assertRegex(text, r'(?m)^pgsidecar_servers_closed_total\{reason="lifetime"\} 0$')
        for name in re.findall(r"(?m)^# TYPE (\S+) ", text):
            self.assertEqual(text.count(f"# TYPE {name} "), 1, name)

    def test_under_load(self):
        wrong, stop = [], threading.Event()

        def work():
            try:
                with harness.connect(self.proxy) as client:
                    while not stop.is_set():
                        client.execute("SELECT a FROM t WHERE id = 1").fetchone()
                        client.execute("SELECT random()")
            except psycopg.Error as error:
                wrong.append(repr(error))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(20):
            rule = '[[rule]]\nrelation = "t"\ncache = "off"\n' if number % 2 else ""
            self.write(self.CONFIG + rule)
            self.proxy.process.send_signal(signal.SIGHUP)
            time.sleep(0.05)
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        self.write(self.CONFIG)
        self.order("RELOAD")


if __name__ == "__main__":
    harness.main()
