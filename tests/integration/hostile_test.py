"""Bytes that no client should send. Each costs its own connection; another client never notices."""

import socket
import struct
import threading
import time

import harness
import wire as w
from harness import DIRECT, PostgresServer, Proxy, ServerCase

SETUP = """
CREATE TABLE item (id int PRIMARY KEY, name text);
INSERT INTO item SELECT n, 'item ' || n FROM generate_series(1, 30) n;
"""
ONE = "SELECT name FROM item WHERE id = 1"


def raw(kind, length, body=b""):
    """A message whose length field says what it likes."""
    return kind + struct.pack("!I", length & 0xFFFFFFFF) + body


STARTUP = {
    "length 0": struct.pack("!i", 0),
    "length 4": struct.pack("!i", 4),
    "length 7": struct.pack("!i", 7) + b"\0\3\0",
    "length 2^31-1": struct.pack("!i", 2**31 - 1) + b"\0\3\0\0user\0",
    "length negative": struct.pack("!i", -1) + b"\0\3\0\0user\0",
    "10 kB and more": w.startup_packet({"user": "postgres", "options": "x" * 12_000}),
    "200 kB": w.startup_packet({"user": "x" * 200_000}),
    "no user": w.startup_packet({"database": "postgres"}),
    "unterminated": struct.pack("!ii", 17, 196608) + b"user\0post",
    "no final zero": struct.pack("!ii", 22, 196608) + b"user\0postgres\0",
    "a name without a value": struct.pack("!ii", 14, 196608) + b"user\0\0",
    "protocol 2": struct.pack("!ii", 296, 2 << 16) + b"\0" * 288,
    "protocol 9": struct.pack("!ii", 8, 9 << 16),
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TLS at once": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x11" * 200,
    "bytes behind SSLRequest": w.SSL_REQUEST + w.startup_packet(
        {"user": "postgres", "database": "postgres"}) + w.query(ONE),
    "bytes behind GSSENCRequest": w.GSSENC_REQUEST + b"\0" * 100,
    "SSLRequest with a body": struct.pack("!ii", 12, 80877103) + b"abcd",
    "a query before the startup packet": w.query(ONE),
    "a password before the startup packet": w.message(b"p", b"secret\0"),
    "CancelRequest too short": struct.pack("!ii", 8, 80877102),
    "CancelRequest too long": struct.pack("!ii", 2000, 80877102) + b"x" * 1992,
}
SESSION = {
    "length 0": raw(b"Q", 0),
    "length 3": raw(b"Q", 3),
    "length 4": raw(b"Q", 4),
    "length negative": raw(b"Q", -1, b"SELECT 1\0"),
    "length -2^31": raw(b"P", -(2**31)),
    "length 2^31-1": raw(b"Q", 2**31 - 1, b"SELECT 1"),
    "Bind of length 2^31-1": raw(b"B", 2**31 - 1, b"\0\0"),
    "Sync with a body": raw(b"S", 8, b"abcd"),
    "Flush of 1 GB": raw(b"H", 2**30),
    "unknown type": raw(b"!", 4),
    "type 0": raw(b"\0", 4),
    "a server's message": w.message(b"Z", b"I"),
    "a password nobody asked for": w.message(b"p", b"secret\0"),
    "Query unterminated": w.message(b"Q", b"SELECT 1"),
    "Query with a tail": w.message(b"Q", b"SELECT 1\0\0\0"),
    "Parse unterminated": w.message(b"P", b"name") + w.SYNC,
    "Parse with too many types": w.message(b"P", b"\0SELECT 1\0\xff\xff") + w.SYNC,
    "Bind unterminated": w.message(b"B", b"\0") + w.SYNC,
    "Bind with field length -2": w.parse("SELECT $1::text") + w.message(
        b"B", b"\0\0\0\0\0\1" + struct.pack("!i", -2) + b"\0\0") + w.execute() + w.SYNC,
    "Bind with field length 2^31-1": w.parse("SELECT $1::text") + w.message(
        b"B", b"\0\0\0\0\0\1" + struct.pack("!i", 2**31 - 1) + b"\0\0") + w.execute() + w.SYNC,
    "Bind with 65535 formats and no bytes": w.message(b"B", b"\0\0\xff\xff") + w.SYNC,
    "Bind with an unknown format": w.parse(ONE) + w.bind(result_formats=[7]) + w.execute() + w.SYNC,
    "Bind with a tail": w.parse(ONE) + w.message(b"B", b"\0\0\0\0\0\0\0\0tail") + w.SYNC,
    "Describe of nothing": w.message(b"D") + w.SYNC,
    "Describe of an unknown kind": w.message(b"D", b"X\0") + w.SYNC,
    "Close of an unknown kind": w.message(b"C", b"X\0") + w.SYNC,
    "Execute cut short": w.message(b"E", b"\0\0\0") + w.SYNC,
    "Execute with a negative limit": w.parse(ONE) + w.bind() + w.execute(limit=-1) + w.SYNC,
    "FunctionCall cut short": w.message(b"F", b"\0\0"),
    "invalid UTF-8": w.message(b"Q", b"SELECT '\xff\xfe'\0"),
    "COPY data out of place": w.copy_data(b"1\n") + w.COPY_DONE + w.SYNC,
    "a deep expression": w.query("SELECT " + "(" * 20_000 + "1" + ")" * 20_000),
    "a long text": w.query("SELECT 1 -- " + "x" * 3_000_000),
    "a long name": w.parse(ONE, "n" * 100_000) + w.SYNC,
    "an abrupt end within a message": raw(b"Q", 100, b"SELECT"),
}


class Hostile(ServerCase):
    SETUP = SETUP
    FLAGS = ("--sole-writer", "--default-pool-size", "8")

    def setUp(self):
        super().setUp()
        if DIRECT:
            self.skipTest("about the proxy only")
        self.witness = self.client()
        self.stopped = threading.Event()
        self.slowest = 0.0
        self.served = 0
        self.failure = None
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        self.addCleanup(self.end_watch)

    def watch(self):
        """Another client, served all the while: hits and forwarded queries in turn."""
        try:
            while not self.stopped.is_set():
                started = time.monotonic()
                assert self.witness.execute(ONE).fetchone() == ("item 1",)
                assert self.witness.execute("SELECT random() < 2").fetchone() == (True,)
                self.slowest = max(self.slowest, time.monotonic() - started)
                self.served += 1
                time.sleep(0.02)
        except BaseException as error:
            self.failure = error

    def end_watch(self):
        self.stopped.set()
        self.thread.join(20)
        self.assertIsNone(self.failure)
        self.assertTrue(self.proxy.alive(), self.proxy.stderr()[-4000:])
        self.assertGreater(self.served, 0)
        self.assertLess(self.slowest, 5.0, "another client had to wait")
        with self.wire() as fresh:
            self.assertEqual(fresh.query(ONE), [["item 1"]])

    def read_all(self, connection, seconds=3.0):
        """What comes until the other side closes or falls silent."""
        connection.timeout = seconds
        messages = []
        try:
            while True:
                messages.append(connection.read_message())
        except (w.ConnectionClosed, TimeoutError, struct.error, ValueError):
            return messages

    def assert_well_formed(self, messages, name):
        for kind, body in messages:
            if kind == b"E":
                fields = w.error_fields(body)
                self.assertRegex(fields.get("C", ""), "^[0-9A-Z]{5}$", name)
                self.assertTrue(fields.get("M"), name)
            self.assertNotEqual(kind, b"D", name)

    def test_startup(self):
        for name, data in STARTUP.items():
            with self.subTest(name), w.Wire(self.proxy.port) as connection:
                connection.send(data)
                # The end of the client's bytes: nobody waits for the rest of a packet.
                connection.socket.shutdown(socket.SHUT_WR)
                said = self.read_all(connection)
                self.assertFalse(any(kind in b"DT" for kind, _ in said), said)

    def test_session(self):
        for name, data in SESSION.items():
            with self.subTest(name), self.wire() as connection:
                connection.send(data)
                connection.socket.shutdown(socket.SHUT_WR)
                said = self.read_all(connection)
                if name not in ("a long text", "a deep expression", "Execute with a negative limit"):
                    self.assert_well_formed(said, name)

    def test_error_has_a_sqlstate(self):
        for name in ("length 3", "unknown type", "length negative", "length 2^31-1"):
            with self.subTest(name), self.wire() as connection:
                connection.send(SESSION[name])
                said = self.read_all(connection, seconds=5)
                errors = [w.error_fields(body) for kind, body in said if kind == b"E"]
                self.assertTrue(errors, "closed without a word")
                self.assertEqual(errors[0]["C"], "08P01")

    def test_bind_error_is_the_servers_and_the_connection_lives(self):
        for name in ("Bind with field length -2", "Bind with an unknown format",
                     "Describe of an unknown kind"):
            with self.subTest(name), self.wire() as proxied, harness.wire(self.server) as direct:
                answers = []
                for connection in (direct, proxied):
                    connection.send(SESSION[name])
                    answers.append(self.read_all(connection, seconds=1.0))
                codes = [[w.error_fields(body)["C"] for kind, body in answer if kind == b"E"]
                         for answer in answers]
                self.assertEqual(codes[1], codes[0])

    def test_many_ssl_requests_on_one_connection(self):
        with w.Wire(self.proxy.port) as connection:
            try:
                for _ in range(5000):
                    connection.send(w.SSL_REQUEST)
                    if connection.socket.recv(1) != b"N":
                        break
                else:
                    self.fail("5000 SSLRequests were answered")
            except ConnectionError:
                pass

    def test_thousands_of_connections_with_one_ssl_request(self):
        for _ in range(2000):
            with w.Wire(self.proxy.port) as connection:
                connection.send(w.SSL_REQUEST)
                connection.socket.recv(1)

    def test_connections_that_say_nothing(self):
        silent = [w.Wire(self.proxy.port) for _ in range(200)]
        time.sleep(0.3)
        for connection in silent:
            connection.close()

    def test_random_bytes(self):
        import random
        generator = random.Random(20)
        for _ in range(60):
            with self.wire() as connection:
                try:
                    connection.send(generator.randbytes(generator.randrange(1, 400)))
                    connection.socket.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                self.read_all(connection, seconds=1.0)

    def test_valid_runs_cut_anywhere(self):
        run = (w.parse("SELECT name FROM item WHERE id = $1", "s") + w.bind([1], "s", "p")
               + w.describe(b"P", "p") + w.execute("p") + w.SYNC + w.query(ONE))
        for cut in range(0, len(run), 3):
            connection = self.wire()
            connection.send(run[:cut])
            connection.close()

    def test_slow_sender(self):
        with w.Wire(self.proxy.port) as connection:
            for byte in w.startup_packet({"user": "postgres", "database": "postgres"}):
                connection.send(bytes([byte]))
                time.sleep(0.005)
            connection.authenticate("postgres", None)
            for byte in w.query(ONE):
                connection.send(bytes([byte]))
                time.sleep(0.01)
            self.assertEqual(connection.rows(connection.read_until_ready()), [["item 1"]])

    def never_read(self, connection, message, megabytes):
        """Asks for far more than sockets hold and reads nothing; returns how far memory rose."""
        before = self.proxy.rss_kb()
        connection.socket.settimeout(1.0)
        highest = before
        try:
            for _ in range(megabytes):
                connection.send(message)
                highest = max(highest, self.proxy.rss_kb())
        except OSError:
            pass
        time.sleep(1.0)
        return max(highest, self.proxy.rss_kb()) - before

    def test_never_reading_client_of_one_large_result(self):
        with self.wire() as connection:
            grown = self.never_read(
                connection, w.query("SELECT repeat('x', 1000) FROM generate_series(1, 300000)"), 1)
            self.assertLess(grown, 60_000, "kB: memory grows with the result")

    def test_never_reading_client_of_many_hits(self):
        sql = "SELECT string_agg(repeat(name, 1000), '') FROM item"
        client = self.client()

        def is_cached():
            client.execute(sql).fetchall()
            return DIRECT or harness.last(client) == "hit"
        # The COPY that another test has left behind is a write until its process is seen gone.
        harness.wait_until(is_cached, 10, sql)
        with self.wire() as connection:
            grown = self.never_read(connection, w.query(sql) * 20, 60)
            self.assertLess(grown, 60_000, "kB: memory grows with the answers not read")

    def test_client_that_sends_without_end(self):
        """A COPY into a server that is stuck behind a lock must not pile up in the proxy."""
        self.truth.execute("CREATE TABLE IF NOT EXISTS slow (a text)")
        before = self.proxy.rss_kb()
        with self.wire() as connection, self.truth.transaction():
            self.truth.execute("LOCK TABLE slow IN ACCESS EXCLUSIVE MODE")
            connection.send(w.query("COPY slow FROM STDIN"))
            connection.socket.settimeout(1.0)
            piece = w.copy_data(b"x" * 8000 + b"\n") * 100
            try:
                for _ in range(200):
                    connection.send(piece)
            except OSError:
                pass
            self.assertLess(self.proxy.rss_kb() - before, 60_000)


class BeforeAuthentication(ServerCase):
    AUTH = "scram-sha-256"
    SETUP = SETUP

    def test_no_hit_before_authentication(self):
        """A query that waits behind the startup packet gets no row, cached or not."""
        self.fill(self.client(), ONE)
        with w.Wire(self.proxy.port) as connection:
            connection.send(w.startup_packet({"user": "postgres", "database": "postgres"}),
                            w.query(ONE))
            said = connection.read_until_closed()
        self.assertNotIn(b"D", [kind for kind, _ in said])
        self.assertEqual([kind for kind, _ in said if kind == b"Z"], [])

    def test_no_hit_after_failed_authentication(self):
        self.fill(self.client(), ONE)
        with w.Wire(self.proxy.port) as connection:
            with self.assertRaises(w.ServerError) as failed:
                connection.start("postgres", "postgres", "wrong")
            self.assertEqual(failed.exception.sqlstate, "28P01")
            try:
                connection.send(w.query(ONE))
            except OSError:
                pass
            self.assertEqual(connection.read_until_closed(), [])

    def test_sasl_lengths(self):
        for body in (b"", b"SCRAM-SHA-256\0", b"SCRAM-SHA-256\0\xff\xff\xff\xfe",
                     b"SCRAM-SHA-256\0\x7f\xff\xff\xffn,,n=,r=x", b"SCRAM-SHA-256",
                     b"SCRAM-SHA-256\0\0\0\0\3n,,", b"NO-SUCH\0\0\0\0\0", b"x" * 100_000):
            with self.subTest(body[:40]), w.Wire(self.proxy.port) as connection:
                connection.send(w.startup_packet({"user": "postgres", "database": "postgres"}))
                self.assertEqual(connection.read_message()[0], b"R")
                connection.send(w.message(b"p", body))
                said = connection.read_until_closed()
                self.assertNotIn((b"R", b"\0\0\0\0"), said)
                self.assertTrue(all(kind in b"ER" for kind, _ in said), said)
        self.assertEqual(self.client().execute(ONE).fetchone(), ("item 1",))

    def test_huge_password_message(self):
        with w.Wire(self.proxy.port) as connection:
            connection.send(w.startup_packet({"user": "postgres", "database": "postgres"}))
            self.assertEqual(connection.read_message()[0], b"R")
            connection.send(b"p" + struct.pack("!i", 2**31 - 1) + b"x" * 1000)
            said = connection.read_until_closed()
            self.assertTrue(all(kind == b"E" for kind, _ in said), said)

    def test_login_by_each_method(self):
        for method in ("password", "md5"):
            server = PostgresServer(method).start()
            proxy = Proxy(server)
            try:
                with harness.connect(proxy) as connection:
                    self.assertEqual(connection.execute("SELECT 1").fetchone(), (1,))
                with self.assertRaises(harness.psycopg.OperationalError):
                    harness.connect(proxy, password="wrong")
            finally:
                proxy.stop()
                server.remove()


if __name__ == "__main__":
    harness.main()
