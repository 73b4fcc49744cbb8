"""The server is down, dies, is full, says no: the client hears PostgreSQL's own error or the
proxy's, soon, and everything works again when the server does. Nothing ever hangs."""

import os
import signal
import threading
import time
import unittest

import psycopg

import harness
import wire as w
from harness import DIRECT, PostgresServer, Proxy, wait_until

SETUP = """
CREATE TABLE item (id int PRIMARY KEY, name text);
INSERT INTO item SELECT n, 'item ' || n FROM generate_series(1, 30) n;
"""
ONE = "SELECT name FROM item WHERE id = 1"
# How long any answer may take when the server is in trouble.
DEADLINE_S = 15.0


@unittest.skipIf(DIRECT, "about the proxy only")
class ServerFailure(unittest.TestCase):
    CONF = ()

    @classmethod
    def setUpClass(cls):
        cls.server = PostgresServer(conf=("max_connections = 12",
                                          "superuser_reserved_connections = 2")).start()
        cls.addClassCleanup(cls.server.remove)
        with harness.connect(cls.server) as truth:
            truth.execute(SETUP)
            truth.execute("CREATE ROLE app LOGIN; GRANT ALL ON item TO app")

    def setUp(self):
        if self.server.process is None or self.server.process.poll() is not None:
            self.server.process = None
            self.server.start()
        # The test before this one may have left it in recovery.
        wait_until(self.server_lets_in, what="the server to accept connections")

    def server_lets_in(self):
        try:
            harness.connect(self.server).close()
        except psycopg.OperationalError:
            return False
        return True

    def start_proxy(self, *flags):
        proxy = Proxy(self.server, *flags)
        self.addCleanup(proxy.stop)
        return proxy

    def connect(self, proxy, **more):
        connection = harness.connect(proxy, connect_timeout=int(DEADLINE_S), **more)
        self.addCleanup(connection.close)
        return connection

    def login_error(self, proxy, user="postgres", **more):
        """The SQLSTATE that a client is refused with."""
        started = time.monotonic()
        with w.Wire(proxy.port, timeout=DEADLINE_S) as connection:
            with self.assertRaises(w.ServerError) as refused:
                connection.start(user, "postgres", **more)
        self.assertLess(time.monotonic() - started, DEADLINE_S)
        return refused.exception.sqlstate

    def works_again(self, proxy):
        def answered():
            try:
                with harness.connect(proxy, connect_timeout=5) as connection:
                    return connection.execute(ONE).fetchone() == ("item 1",)
            except psycopg.OperationalError:
                return False
        wait_until(answered, what="an answer after the server came back", every=0.2)

    def test_down_at_start(self):
        self.server.stop()
        proxy = self.start_proxy()
        self.assertIn(self.login_error(proxy), ("08006", "08001"))
        self.assertTrue(proxy.alive())
        self.server.start()
        self.works_again(proxy)

    def killed(self, how, sqlstates):
        proxy = self.start_proxy("--sole-writer").wait_for_catalog()
        idle, in_transaction = self.connect(proxy), self.connect(proxy, autocommit=False)
        for _ in range(2):
            idle.execute(ONE)
        in_transaction.execute("UPDATE item SET name = 'never' WHERE id = 2")
        busy = harness.wire(proxy)
        self.addCleanup(busy.close)
        busy.send(w.query("SELECT pg_sleep(60)"))
        time.sleep(0.3)
        self.server.stop(how)
        started = time.monotonic()
        said = busy.read_until_closed()
        codes = [w.error_fields(body)["C"] for kind, body in said if kind == b"E"]
        self.assertTrue(codes, "a running query ended without an error")
        self.assertIn(codes[-1], sqlstates)
        # A backend may answer until it notices that its postmaster is dead.
        def refused():
            try:
                in_transaction.execute("SELECT 1")
                return False
            except psycopg.Error:
                return True
        wait_until(refused, seconds=DEADLINE_S, what="the open transaction to fail")
        self.assertLess(time.monotonic() - started, DEADLINE_S)
        # An idle client may stay, but what it asks of a dead server is an error, not a wait.
        try:
            idle.execute("SELECT random()")
        except psycopg.Error:
            pass
        self.assertLess(time.monotonic() - started, 2 * DEADLINE_S)
        self.login_error(proxy)
        self.assertTrue(proxy.alive(), proxy.stderr())
        self.server.start()
        with harness.connect(self.server) as truth:
            truth.execute("UPDATE item SET name = 'after' WHERE id = 3")
        self.works_again(proxy)
        with harness.connect(proxy) as connection:
            self.assertEqual(connection.execute("SELECT name FROM item WHERE id = 3").fetchone(),
                             ("after",))
            self.assertEqual(connection.execute("SELECT name FROM item WHERE id = 2").fetchone(),
                             ("item 2",))
        with harness.connect(self.server) as truth:
            truth.execute("UPDATE item SET name = 'item 3' WHERE id = 3")

    def test_postmaster_killed(self):
        self.killed(signal.SIGKILL, ("08006", "57P01", "57P02"))

    def test_immediate_shutdown(self):
        self.killed(signal.SIGQUIT, ("57P01", "57P02", "08006"))

    def test_fast_shutdown(self):
        self.killed(signal.SIGINT, ("57P01", "08006"))

    def test_what_was_cached_before_a_restart_is_gone(self):
        proxy = self.start_proxy("--sole-writer").wait_for_catalog()
        with harness.connect(proxy) as connection:
            for _ in range(2):
                connection.execute(ONE)
            self.assertEqual(harness.last(connection), "hit")
        self.server.restart()
        with harness.connect(self.server) as truth:
            truth.execute("UPDATE item SET name = 'restored' WHERE id = 1")
        try:
            def fresh():
                try:
                    with harness.connect(proxy, connect_timeout=5) as connection:
                        return connection.execute(ONE).fetchone() == ("restored",)
                except psycopg.OperationalError:
                    return False
            wait_until(fresh, seconds=10, what="the new value after a restart", every=0.2)
        finally:
            with harness.connect(self.server) as truth:
                truth.execute("UPDATE item SET name = 'item 1' WHERE id = 1")

    def test_one_backend_terminated(self):
        proxy = self.start_proxy().wait_for_catalog()
        other, victim = self.connect(proxy), harness.wire(proxy)
        self.addCleanup(victim.close)
        victim.send(w.query("SELECT pg_sleep(60), 'victim'"))
        with harness.connect(self.server) as truth:
            wait_until(lambda: truth.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE query LIKE '%''victim''%' AND state = 'active'"
                " AND pid <> pg_backend_pid()").fetchall(), what="the backend to be found")
        said = victim.read_until_closed()
        codes = [w.error_fields(body)["C"] for kind, body in said if kind == b"E"]
        self.assertEqual(codes[:1], ["57P01"])
        self.assertEqual(other.execute(ONE).fetchone(), ("item 1",))

    def test_one_backend_crashes(self):
        """kill -9 of a backend makes the server restart all of them."""
        proxy = self.start_proxy().wait_for_catalog()
        victim = harness.wire(proxy)
        self.addCleanup(victim.close)
        victim.send(w.query("SELECT pg_sleep(60), 'crash'"))
        with harness.connect(self.server) as truth:
            (pid,) = wait_until(lambda: truth.execute(
                "SELECT pid FROM pg_stat_activity WHERE query LIKE '%''crash''%'"
                " AND state = 'active' AND pid <> pg_backend_pid()").fetchone(),
                what="the backend to be found")
            os.kill(pid, signal.SIGKILL)
            said = victim.read_until_closed()
        codes = [w.error_fields(body)["C"] for kind, body in said if kind == b"E"]
        self.assertTrue(codes and codes[-1] in ("08006", "57P02", "57P01"), codes)
        self.works_again(proxy)

    def test_idle_backends_terminated(self):
        """Pooled connections that died while nobody used them are not handed out. A client whose
        login the server must judge anew is told so; whoever connects is served."""
        proxy = self.start_proxy().wait_for_catalog()
        clients = [self.connect(proxy) for _ in range(3)]
        for client in clients:
            client.execute("SELECT random()")
        with harness.connect(self.server) as truth:
            truth.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                          " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
        time.sleep(0.5)
        for client in clients:
            try:
                self.assertEqual(client.execute(ONE).fetchone(), ("item 1",))
            except psycopg.OperationalError as ended:
                self.assertTrue(client.closed, ended)
            self.assertEqual(self.connect(proxy).execute(ONE).fetchone(), ("item 1",))

    def test_full(self):
        proxy = self.start_proxy()
        taken = []
        try:
            while True:
                taken.append(harness.connect(self.server, user="app"))
        except psycopg.OperationalError:
            pass
        try:
            self.assertEqual(self.login_error(proxy, user="app"), "53300")
        finally:
            for connection in taken:
                connection.close()
        self.works_again(proxy)

    def test_more_clients_than_server_connections(self):
        proxy = self.start_proxy("--default-pool-size", "3", "--query-wait-timeout", "20s")
        clients = [self.connect(proxy) for _ in range(20)]
        answers = []

        def work(client):
            for _ in range(5):
                answers.append(client.execute("SELECT 1, pg_sleep(0.01)::text").fetchone()[0])

        threads = [threading.Thread(target=work, args=[client]) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual(len(answers), 100)

    def test_waiting_has_an_end(self):
        proxy = self.start_proxy("--default-pool-size", "1", "--query-wait-timeout", "1s")
        holder, waiter = self.connect(proxy, autocommit=False), harness.wire(proxy)
        self.addCleanup(waiter.close)
        holder.execute("SELECT 1")
        started = time.monotonic()
        waiter.send(w.query("SELECT random()"))
        kind, body = waiter.read_message()
        self.assertEqual(kind, b"E")
        self.assertRegex(w.error_fields(body)["C"], "^(53300|57014|08006|57P03)$")
        self.assertLess(time.monotonic() - started, 10)
        holder.rollback()
        self.works_again(proxy)

    def test_too_many_clients(self):
        proxy = self.start_proxy("--max-client-connections", "5")
        clients = [self.connect(proxy) for _ in range(5)]
        self.assertEqual(self.login_error(proxy), "53300")
        for client in clients:
            self.assertEqual(client.execute(ONE).fetchone(), ("item 1",))
            client.close()
        self.works_again(proxy)

    def test_unknown_database_and_user(self):
        proxy = self.start_proxy()
        with w.Wire(proxy.port, timeout=DEADLINE_S) as connection:
            with self.assertRaises(w.ServerError) as refused:
                connection.start("postgres", "nowhere")
        self.assertEqual(refused.exception.sqlstate, "3D000")
        self.assertEqual(self.login_error(proxy, user="nobody"), "28000")


@unittest.skipIf(DIRECT, "about the proxy only")
class Passwords(unittest.TestCase):
    def test_wrong_password(self):
        server = PostgresServer("scram-sha-256").start()
        self.addCleanup(server.remove)
        proxy = Proxy(server)
        self.addCleanup(proxy.stop)
        for _ in range(3):
            with w.Wire(proxy.port, timeout=DEADLINE_S) as connection:
                with self.assertRaises(w.ServerError) as refused:
                    connection.start("postgres", "postgres", "wrong")
                self.assertEqual(refused.exception.sqlstate, "28P01")
        with harness.connect(proxy) as connection:
            self.assertEqual(connection.execute("SELECT 1").fetchone(), (1,))

    def test_wrong_password_in_the_url(self):
        """The proxy's own login fails: nothing is cached, clients are served all the same."""
        server = PostgresServer("scram-sha-256").start()
        self.addCleanup(server.remove)
        proxy = Proxy(server, url=server.url(password="wrong"))
        self.addCleanup(proxy.stop)
        with harness.connect(proxy) as connection:
            for _ in range(3):
                self.assertEqual(connection.execute("SELECT 1").fetchone(), (1,))
                self.assertTrue(harness.last(connection).startswith("bypass"))


if __name__ == "__main__":
    harness.main()
