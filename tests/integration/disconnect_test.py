"""Clients that vanish, whatever they were at: nothing of them is left on the server, no server
connection is lost to the pool, and what they had not committed has not happened."""

import contextlib
import signal
import struct
import threading
import time
import unittest

import psycopg

import harness
import wire as w
from harness import DIRECT, ServerCase, psql, wait_until

POOL_SIZE = 3
SETUP = """
CREATE TABLE t (id int PRIMARY KEY, a int);
INSERT INTO t SELECT n, 0 FROM generate_series(1, 1000) n;
CREATE TABLE wide (id int, text text);
INSERT INTO wide SELECT n, repeat('x', 1000) FROM generate_series(1, 20000) n;
"""
UPDATE = "UPDATE t SET a = a + 1 WHERE id = 1"


def in_transaction(client):
    client.query("BEGIN")
    client.query(UPDATE)


def in_failed_transaction(client):
    in_transaction(client)
    with contextlib.suppress(w.ServerError):
        client.query("SELECT 1 / 0")


def in_a_query(client):
    client.send(w.query(f"BEGIN; {UPDATE}; SELECT pg_sleep(60)"))


def in_copy_in(client):
    client.send(w.query("COPY t FROM STDIN"))
    client.read_message()
    client.send(w.copy_data(b"2000\t1\n2001\t1\n"))


def in_half_a_copy_message(client):
    client.send(w.query("COPY t FROM STDIN"))
    client.read_message()
    client.send(w.copy_data(b"2000\t1\n" * 100)[:300])


def in_copy_in_of_the_extended_protocol(client):
    client.send(w.parse("COPY t FROM STDIN"), w.bind(), w.execute(), w.SYNC)
    while client.read_message()[0] != b"G":
        pass
    client.send(w.copy_data(b"2000\t1\n"))


def in_copy_out(client):
    client.send(w.query("COPY wide TO STDOUT"))
    client.read_message()


def in_a_result(client):
    client.send(w.query("SELECT * FROM wide"))
    client.read_message()


def with_a_suspended_portal(client):
    client.send(w.query("BEGIN"))
    client.read_until_ready()
    client.send(w.parse("SELECT * FROM t FOR UPDATE"), w.bind(portal="p"), w.execute("p", 5),
                w.FLUSH)
    while client.read_message()[0] != b"s":
        pass


def with_a_suspended_portal_outside_of_a_block(client):
    client.send(w.parse("SELECT * FROM t FOR UPDATE"), w.bind(), w.execute("", 5), w.FLUSH)
    while client.read_message()[0] != b"s":
        pass


def behind_a_pipeline_without_its_end(client):
    client.send(w.parse(UPDATE), w.bind(), w.execute(), w.parse("SELECT pg_sleep(60)"), w.bind(),
                w.execute(), w.FLUSH)


def behind_an_insert_without_its_end(client):
    client.send(w.parse("INSERT INTO t VALUES (2000, 1)"), w.bind(), w.execute(), w.FLUSH)
    while client.read_message()[0] != b"C":
        pass


def in_a_failed_pipeline(client):
    client.send(w.parse(UPDATE), w.bind(), w.execute(), w.parse("SELECT nonsense"), w.FLUSH)
    while client.read_message()[0] != b"E":
        pass


def in_half_a_message(client):
    client.query("BEGIN")
    client.query(UPDATE)
    client.send(w.query("SELECT 'abcdefghijklmnop'")[:10])


def in_half_a_large_message(client):
    client.send(w.query("SELECT length('" + "x" * 300_000 + "')")[:200_000])


def with_state_of_its_own(client):
    for sql in ("CREATE TEMP TABLE mine (a int)", "SELECT pg_advisory_lock(4711)", "LISTEN l",
                "PREPARE p AS SELECT 1", "BEGIN", "LOCK TABLE t"):
        client.query(sql)


def in_a_prepared_transaction_that_is_not_prepared(client):
    client.query("BEGIN")
    client.query("SAVEPOINT s")
    client.query(UPDATE)
    client.send(w.query("ROLLBACK TO SAVEPOINT nonsense"))


STATES = (in_transaction, in_failed_transaction, in_a_query, in_copy_in, in_half_a_copy_message,
          in_copy_in_of_the_extended_protocol, in_copy_out, in_a_result, with_a_suspended_portal,
          with_a_suspended_portal_outside_of_a_block, behind_a_pipeline_without_its_end,
          behind_an_insert_without_its_end, in_a_failed_pipeline, in_half_a_message,
          in_half_a_large_message, with_state_of_its_own,
          in_a_prepared_transaction_that_is_not_prepared)


@unittest.skipIf(DIRECT, "the server itself does not look for a client that is gone")
class Disconnect(ServerCase):
    SETUP = SETUP
    FLAGS = ("--sole-writer", "--default-pool-size", str(POOL_SIZE), "--query-wait-timeout", "20s")
    MODE_FLAGS = ()
    RESETS = (False, True)

    @classmethod
    def setUpClass(cls):
        cls.FLAGS = (*cls.FLAGS, *cls.MODE_FLAGS)
        super().setUpClass()

    def vanish(self, client, reset):
        if reset:  # an RST rather than a FIN
            client.socket.setsockopt(w.socket.SOL_SOCKET, w.socket.SO_LINGER,
                                     struct.pack("ii", 1, 0))
        client.close()

    def nothing_is_left(self):
        """Of a client: no transaction, no lock, no state, no lease, no session."""
        busy = self.truth.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            " AND pid <> pg_backend_pid() AND application_name <> 'pgsidecar'"
            " AND (state <> 'idle' OR xact_start IS NOT NULL)").fetchone()[0]
        locks = self.truth.execute(
            "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
            " WHERE pid <> pg_backend_pid() AND application_name <> 'pgsidecar'").fetchone()[0]
        temporary = self.truth.execute(
            "SELECT count(*) FROM pg_class WHERE relpersistence = 't'").fetchone()[0]
        clients = [row for row in self.show("CLIENTS") if row["state"] != "console"]
        leased = [row for row in self.show("SERVERS")
                  if row["purpose"] == "pool" and row["state"] != "idle"]
        return busy == 0 and locks == 0 and temporary == 0 and not clients and not leased

    def assert_unchanged(self):
        wait_until(self.nothing_is_left, what="everything of the client to be gone", every=0.1)
        self.assertEqual(self.truth.execute("SELECT count(*), sum(a) FROM t").fetchone(), (1000, 0))
        # As many as ever can work at the same time, each as if it were the first.
        with contextlib.ExitStack() as stack:
            for _ in range(POOL_SIZE):
                other = stack.enter_context(harness.connect(self.proxy, autocommit=False))
                self.assertEqual(
                    other.execute("SELECT pg_advisory_xact_lock_shared(4711),"
                                  " (SELECT count(*) FROM pg_prepared_statements"
                                  "  WHERE name NOT LIKE 'pgs\\_%'),"
                                  " (SELECT count(*) FROM pg_listening_channels())"
                                  ).fetchone()[1:], (0, 0))
        servers = [row for row in self.show("SERVERS") if row["purpose"] == "pool"]
        self.assertLessEqual(len(servers), POOL_SIZE + 1)

    def test_every_state(self):
        for reset in self.RESETS:
            for state in STATES:
                with self.subTest(state.__name__, reset=reset):
                    client = harness.wire(self.proxy)
                    state(client)
                    self.vanish(client, reset)
                    self.assert_unchanged()

    def test_all_at_once(self):
        """More of them than the pool has connections: some wait for a lease when they vanish."""
        clients = [harness.wire(self.proxy) for _ in range(3 * POOL_SIZE)]
        for client in clients:
            client.send(w.query(f"BEGIN; {UPDATE}; SELECT pg_sleep(60)"))
        time.sleep(0.1)
        for number, client in enumerate(reversed(clients)):
            self.vanish(client, number % 2)
        self.assert_unchanged()

    def test_while_a_statement_is_prepared_again(self):
        client = harness.wire(self.proxy)
        client.send(w.parse("UPDATE t SET a = a + $1::int", "s"), w.SYNC)
        client.read_until_ready()
        psql(self.proxy, "RECONNECT", dbname="pgsidecar")  # so that nobody holds it
        with harness.connect(self.server, autocommit=False) as holder:
            holder.execute("LOCK TABLE t")
            client.send(w.bind([1], "s"), w.execute(), w.SYNC)
            wait_until(lambda: self.truth.execute(
                "SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone() == (1,),
                what="the Parse to wait for the lock")
            self.vanish(client, False)
            wait_until(lambda: self.truth.execute(
                "SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone() == (0,),
                what="the Parse to be cancelled")
        self.assert_unchanged()

    def test_during_login(self):
        for cut in (0, 1, 4, 8, 20, None):
            for reset in (False, True):
                with self.subTest(cut=cut, reset=reset):
                    client = w.Wire(self.proxy.port)
                    packet = w.startup_packet({"user": "postgres", "database": "postgres"})
                    client.send(packet[:cut])
                    self.vanish(client, reset)
                    self.assert_unchanged()

    def test_many_in_a_turn(self):
        """An answer, the loss of a server connection, requests, of clients too that are gone behind
        them, and new clients: found all at once, since the proxy was stopped meanwhile."""
        robbed, asking, patient, gone, reset = (harness.wire(self.proxy) for _ in range(5))
        robbed.query("BEGIN")
        backend = robbed.query("SELECT pg_backend_pid()")[0][0]
        asking.send(w.query("SELECT 7 FROM pg_sleep(0.2)"))
        self.proxy.process.send_signal(signal.SIGSTOP)
        try:
            self.truth.execute("SELECT pg_terminate_backend(%s)", (int(backend),))
            for client in (robbed, patient, gone, reset):
                client.send(w.query("SELECT 8"))
            self.vanish(gone, False)
            self.vanish(reset, True)
            arriving = [w.Wire(self.proxy.port) for _ in range(10)]
            for client in arriving:
                client.send(w.startup_packet({"user": "postgres", "database": "postgres"}))
            time.sleep(0.4)  # until the answer is there
        finally:
            self.proxy.process.send_signal(signal.SIGCONT)
        self.assertEqual(asking.rows(asking.read_until_ready()), [["7"]])
        self.assertEqual(patient.rows(patient.read_until_ready()), [["8"]])
        with self.assertRaises((w.ServerError, w.ConnectionClosed)):
            robbed.rows(robbed.read_until_ready())
        for client in arriving:
            client.authenticate("postgres", None)
            self.assertEqual(client.query("SELECT 9"), [["9"]])
        for client in (robbed, asking, patient, *arriving):
            client.close()
        self.assert_unchanged()

    def test_in_a_storm(self):
        """Many at once, each at another point of its life."""
        def one(number):
            with contextlib.suppress(w.ServerError, w.ConnectionClosed, ConnectionError,
                                     TimeoutError):
                client = w.Wire(self.proxy.port)
                client.send(w.startup_packet({"user": "postgres", "database": "postgres"}))
                if number % 3:
                    client.authenticate("postgres", None)
                    STATES[number % len(STATES)](client)
                self.vanish(client, number % 2)

        threads = [threading.Thread(target=one, args=(number,)) for number in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assert_unchanged()


class InModeSession(Disconnect):
    MODE_FLAGS = ("--pool-mode", "session")
    RESETS = (True,)
    test_many_in_a_turn = None  # more clients at work than the pool has connections
    test_during_login = None
    test_in_a_storm = None


@unittest.skipIf(DIRECT, "about the proxy only")
class DuringAnExchange(ServerCase):
    """The server asks for a password: who never answers keeps nobody from logging in."""

    AUTH = "scram-sha-256"
    FLAGS = ("--max-server-logins", "2")

    def start(self):
        client = w.Wire(self.proxy.port)
        client.send(w.startup_packet({"user": "postgres", "database": "postgres"}))
        kind, body = client.read_message()
        self.assertEqual((kind, body[:4]), (b"R", struct.pack("!i", 10)))
        return client

    def test_who_does_not_answer(self):
        silent = [self.start() for _ in range(6)]
        with harness.connect(self.proxy) as client:
            self.assertEqual(client.execute("SELECT 1").fetchone(), (1,))
        for number, client in enumerate(silent):
            if number % 2:
                client.send(w.message(b"p", w.zero("SCRAM-SHA-256") + struct.pack("!i", 100)))
            client.close()
        wait_until(lambda: not [row for row in self.show("SERVERS") if row["purpose"] == "login"],
                   what="the logins to be given up")
        with harness.connect(self.proxy) as client:
            self.assertEqual(client.execute("SELECT 1").fetchone(), (1,))

    def test_wrong_password_does_not_hold_up_the_others(self):
        for _ in range(5):
            with self.assertRaises(psycopg.OperationalError):
                harness.connect(self.proxy, password="wrong")
        with harness.connect(self.proxy) as client:
            self.assertEqual(client.execute("SELECT 1").fetchone(), (1,))


if __name__ == "__main__":
    harness.main()
