"""A server that flaps: it accepts and hangs up, or restarts over and over. The proxy asks it now and
then rather than always, says so clearly, and needs nobody's help when it is back."""

import socket
import threading
import time
import unittest

import psycopg

import harness
import wire as w
from harness import DIRECT, PostgresServer, Proxy, wait_until


class Flapper:
    """Listens on a port, accepts, and hangs up, `polite` with a FATAL before that."""

    def __init__(self, port, polite=False):
        self.accepted = 0
        self._polite = polite
        self._socket = socket.create_server(("127.0.0.1", port), backlog=100)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.accepted += 1
            if self._polite:
                if connection.recv(1000) == w.SSL_REQUEST:
                    connection.sendall(b"N")
                    connection.recv(1000)
                connection.sendall(w.message(
                    b"E", b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"))
            connection.close()

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@unittest.skipIf(DIRECT, "about the proxy only")
class Flapping(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = PostgresServer().start()
        cls.addClassCleanup(cls.server.remove)

    def setUp(self):
        self.proxy = Proxy(self.server, "--server-login-retry", "1s", http=True)
        self.addCleanup(self.proxy.stop)

    def storm(self, count):
        """So many clients at once; what each was told, and how long the slowest waited."""
        said = []

        def one():
            try:
                with w.Wire(self.proxy.port, timeout=30) as client:
                    client.start("postgres", "postgres")
                    said.append("in")
            except w.ServerError as error:
                said.append(error.sqlstate)
            except w.ConnectionClosed:
                said.append("closed")

        threads = [threading.Thread(target=one) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return said

    def flap(self, polite):
        self.server.stop()
        flapper = Flapper(self.server.port, polite)
        try:
            return self.storm(60), flapper.accepted
        finally:
            flapper.close()
            self.server.start()

    def recovers(self):
        def in_again():
            try:
                with harness.connect(self.proxy) as client:
                    return client.execute("SELECT 1").fetchone() == (1,)
            except psycopg.OperationalError:
                return False
        wait_until(in_again, what="the server to be used again")

    def test_accepts_and_hangs_up(self):
        with harness.connect(self.proxy) as client:
            client.execute("SELECT 1")
        said, accepted = self.flap(polite=False)
        self.assertEqual(set(said), {"08006"}, said)
        # Those that were under way when it became known, one retry, the catalog's connection.
        self.assertLess(accepted, 30)
        self.recovers()

    def test_says_that_it_is_starting(self):
        said, _ = self.flap(polite=True)
        self.assertEqual(set(said), {"57P03"}, said)
        self.recovers()

    def test_restarts_in_a_loop(self):
        """Somebody works through it all; every error is one of those that a client expects."""
        stop = threading.Event()
        wrong, rounds = [], [0]

        def work():
            while not stop.is_set():
                try:
                    with harness.connect(self.proxy) as client:
                        for _ in range(20):
                            if client.execute("SELECT 42, random() < 2").fetchone() != (42, True):
                                wrong.append("another answer")
                            rounds[0] += 1
                except psycopg.OperationalError:
                    time.sleep(0.02)
                except psycopg.Error as error:
                    wrong.append(repr(error))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(4):
                before = rounds[0]
                wait_until(lambda before=before: rounds[0] > before + 20, what="somebody to work")
                self.server.restart()
            before = rounds[0]
            wait_until(lambda: rounds[0] > before + 20, what="somebody to work afterwards")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    harness.main()
