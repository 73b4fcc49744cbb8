"""Logins that mean no good: clients against a proxy that judges them, and servers that answer a
login as no server should. Each costs its own connection."""

import socket
import struct
import threading
import time
import unittest

import harness
import wire as w
from harness import DIRECT, PostgresServer, Proxy, connect, free_port, wait_until

PASSWORD = "secret"


def sasl(first, mechanism=b"SCRAM-SHA-256"):
    return w.message(b"p", mechanism + b"\0" + struct.pack("!i", len(first)) + first)


FIRST_MESSAGES = {
    "empty": w.message(b"p"),
    "no response": w.message(b"p", b"SCRAM-SHA-256\0" + struct.pack("!i", -1)),
    "length -2": w.message(b"p", b"SCRAM-SHA-256\0" + struct.pack("!i", -2)),
    "length 2^31-1": w.message(b"p", b"SCRAM-SHA-256\0\x7f\xff\xff\xffn,,n=,r=x"),
    "length short": w.message(b"p", b"SCRAM-SHA-256\0\0\0\0\3n,,n=,r=x"),
    "length missing": w.message(b"p", b"SCRAM-SHA-256\0"),
    "mechanism unterminated": w.message(b"p", b"SCRAM-SHA-256"),
    "mechanism unknown": sasl(b"n,,n=,r=x", b"SCRAM-MD5"),
    "plus without TLS": sasl(b"p=tls-server-end-point,,n=,r=x", b"SCRAM-SHA-256-PLUS"),
    "binding without plus": sasl(b"p=tls-unique,,n=,r=x"),
    "another identity": sasl(b"n,a=postgres,n=,r=x"),
    "mandatory extension": sasl(b"n,,m=x,n=,r=x"),
    "no nonce": sasl(b"n,,n=,"),
    "a zero byte": sasl(b"n,,n=\0,r=x"),
    "1100 bytes": sasl(b"n,,n=,r=" + b"x" * 1100),
    "100 kB": sasl(b"n,,n=,r=" + b"x" * 100_000),
    "message of 2^31-1": b"p" + struct.pack("!i", 2**31 - 1) + b"SCRAM",
    "message of -1": b"p" + struct.pack("!i", -1),
    "a query": w.query("SELECT 1"),
    "a startup packet": w.startup_packet({"user": "postgres"}),
    "a password": w.message(b"p", b"secret\0"),
}


@unittest.skipIf(DIRECT, "about the proxy only")
class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = PostgresServer("scram-sha-256", password=PASSWORD).start()
        cls.addClassCleanup(cls.server.remove)

    def start(self, *flags):
        self.proxy = Proxy(self.server, "--auth-type", "scram-sha-256", *flags)
        self.addCleanup(self.proxy.stop)
        self.witness = connect(self.proxy, password=PASSWORD)
        self.addCleanup(self.witness.close)
        self.served, self.failure, self.stopped = 0, None, threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        self.addCleanup(self.end_watch)
        return self.proxy

    def watch(self):
        """Another client, served all the while."""
        try:
            while not self.stopped.is_set():
                assert self.witness.execute("SELECT random() < 2").fetchone() == (True,)
                self.served += 1
                time.sleep(0.02)
        except BaseException as error:
            self.failure = error

    def end_watch(self):
        self.stopped.set()
        self.thread.join(20)
        self.assertIsNone(self.failure)
        self.assertGreater(self.served, 0)
        with connect(self.proxy, password=PASSWORD) as fresh:
            self.assertEqual(fresh.execute("SELECT 1").fetchone(), (1,))

    def begin(self, proxy, user="postgres"):
        connection = w.Wire(proxy.port)
        self.addCleanup(connection.close)
        connection.send(w.startup_packet({"user": user, "database": "postgres"}))
        self.assertEqual(connection.read_message(), (b"R", b"\0\0\0\x0aSCRAM-SHA-256\0\0"))
        return connection

    def refused(self, connection, name):
        said = connection.read_until_closed()
        self.assertEqual([kind for kind, _ in said], [b"E"], name)
        fields = w.error_fields(said[0][1])
        self.assertEqual(fields["S"], "FATAL", name)
        self.assertRegex(fields["C"], "^(08P01|28000|0A000|28P01)$", name)

    def test_first_messages(self):
        proxy = self.start()
        for name, data in FIRST_MESSAGES.items():
            with self.subTest(name):
                connection = self.begin(proxy)
                connection.send(data)
                self.refused(connection, name)

    def test_final_messages(self):
        proxy = self.start()
        for name, final in {
            "empty": "", "another nonce": "c=biws,r={nonce}x,p={proof}",
            "the client's nonce alone": "c=biws,r=abc,p={proof}",
            "binding changed": "c=eSws,r={nonce},p={proof}", "no proof": "c=biws,r={nonce}",
            "short proof": "c=biws,r={nonce},p=AAAA", "zero proof": "c=biws,r={nonce},p={proof}",
            "a tail": "c=biws,r={nonce},p={proof},x=y", "long": "c=biws,r={nonce}," + "x" * 2000,
        }.items():
            with self.subTest(name):
                connection = self.begin(proxy)
                connection.send(sasl(b"n,,n=,r=abc"))
                kind, challenge = connection.read_message()
                nonce = challenge[4:].decode().split(",")[0][2:]
                text = final.format(nonce=nonce, proof="A" * 43 + "=")
                connection.send(w.message(b"p", text.encode()))
                self.refused(connection, name)

    def test_what_is_sent_ahead(self):
        """A whole exchange in one segment is as good; a query behind it waits until it is in."""
        proxy = self.start()
        with w.Wire(proxy.port) as connection:
            connection.send(w.startup_packet({"user": "postgres", "database": "postgres"}),
                            sasl(b"n,,n=,r=abc"), w.message(b"p", b"c=biws,r=abc,p=AAAA"),
                            w.query("SELECT 'seen'"))
            said = connection.read_until_closed()
            self.assertEqual([kind for kind, _ in said], [b"R", b"R", b"E"])

    def test_slow_sender(self):
        proxy = self.start()
        with w.Wire(proxy.port) as connection:
            whole = connection.send
            connection.send = lambda *messages: [whole(bytes([byte]))
                                                 for message in messages for byte in message]
            connection.start("postgres", "postgres", PASSWORD)
            self.assertEqual(connection.query("SELECT 1"), [["1"]])

    def test_who_does_not_answer_is_ended(self):
        proxy = self.start("--client-login-timeout", "1s")
        silent = [self.begin(proxy, f"user{n}") for n in range(50)]
        for connection in silent:
            said = connection.read_until_closed()
            self.assertEqual([w.error_fields(body)["C"] for _, body in said], ["57014"])

    def test_logins_under_way_are_bounded(self):
        proxy = self.start("--max-client-logins", "20")
        silent = [self.begin(proxy) for _ in range(20)]
        with w.Wire(proxy.port) as one_more:
            said = one_more.read_until_closed()
            self.assertEqual([w.error_fields(body)["C"] for _, body in said], ["53300"])
        for connection in silent:
            connection.close()

        def let_in():
            try:
                connect(proxy, password=PASSWORD).close()
                return True
            except harness.psycopg.OperationalError:
                return False
        wait_until(let_in, what="a login")

    def test_memory_of_many_names(self):
        """Names that do not exist are remembered for a while, but not without end."""
        proxy = self.start("--auth-query-ttl", "1h")
        before = proxy.rss_kb()
        for n in range(1000):
            with w.Wire(proxy.port) as connection:
                connection.send(w.startup_packet({"user": f"{n}" + "x" * 5000, "database": "d"}))
                connection.read_message()
        self.assertLess(proxy.rss_kb() - before, 60_000)


class FakeServer:
    """Answers each connection as `script(connection, startup)` says; ends it afterwards."""

    def __init__(self, script):
        self.script = script
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.passwords = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def serve(self, connection):
        with connection:
            try:
                connection.settimeout(10)
                while True:
                    length, code = struct.unpack("!ii", self.read(connection, 8))
                    if code not in (80877103, 80877104):
                        break
                    connection.sendall(b"N")
                self.read(connection, length - 8)
                self.script(self, connection)
            except (OSError, struct.error):
                pass

    @staticmethod
    def read(connection, count):
        data = b""
        while len(data) < count:
            piece = connection.recv(count - len(data))
            if not piece:
                raise OSError("closed")
            data += piece
        return data

    def read_password(self, connection):
        kind, length = struct.unpack("!ci", self.read(connection, 5))
        body = self.read(connection, length - 4)
        self.passwords.append(body)
        return body

    def close(self):
        self.listener.close()


def authentication(code, data=b""):
    return w.message(b"R", struct.pack("!i", code) + data)


def say(*messages):
    def script(_, connection):
        connection.sendall(b"".join(messages))
    return script


def ask_for_cleartext(server, connection):
    connection.sendall(authentication(3))
    server.read_password(connection)
    connection.sendall(w.message(b"E", b"SFATAL\0C28P01\0Mno\0\0"))


def ask_for_scram(first):
    def script(server, connection):
        connection.sendall(authentication(10, b"SCRAM-SHA-256\0\0"))
        response = server.read_password(connection)
        nonce = response.rpartition(b"r=")[2]
        connection.sendall(authentication(11, first.replace(b"NONCE", nonce)))
        server.read_password(connection)
    return script


@unittest.skipIf(DIRECT, "about the proxy only")
class Servers(unittest.TestCase):
    def start(self, script, *flags):
        self.fake = FakeServer(script)
        self.addCleanup(self.fake.close)
        url = f"postgres://postgres:{PASSWORD}@127.0.0.1:{self.fake.port}/postgres"
        target = type("Target", (), {"url": lambda _: url, "password": PASSWORD, "auth": "x"})()
        # 127.1 is not recognised as an address of this machine: as good as a network.
        self.network_port = free_port()
        proxy = Proxy(target, *flags, listen=f"127.0.0.1:0,127.1:{self.network_port}")
        self.addCleanup(proxy.stop)
        self.addCleanup(lambda: self.assertIn("pgsidecar", harness.psql(
            proxy, "SHOW VERSION;", dbname="pgsidecar")))
        return proxy

    def login(self, port, password=PASSWORD):
        """The errors that a client gets, as dictionaries."""
        with w.Wire(port) as connection:
            with self.assertRaises((w.ServerError, w.ConnectionClosed)) as ended:
                connection.start("postgres", "postgres", password)
        self.assertIsInstance(ended.exception, w.ServerError, "closed without a word")
        return ended.exception.fields

    JUDGED = ("--auth-type", "scram-sha-256")

    def test_error_without_a_sqlstate(self):
        script = say(w.message(b"E", b"SFATAL\0Mno reason\0\0"))
        self.assertEqual(self.login(self.start(script).port)["M"], "no reason")
        fields = self.login(self.start(script, *self.JUDGED).port)
        self.assertEqual((fields["C"], fields["M"]), ("XX000", "no reason"))

    def test_error_without_anything(self):
        script = say(w.message(b"E", b"\0"))
        for flags in ((), self.JUDGED):
            with w.Wire(self.start(script, *flags).port) as connection:
                with self.assertRaises(w.ServerError):
                    connection.start("postgres", "postgres", PASSWORD)

    def test_closes_in_the_middle(self):
        whole = (authentication(0) + w.message(b"S", b"client_encoding\0UTF8\0")
                 + w.message(b"K", b"\0\0\0\1abcd"))
        for cut in (0, 3, 8, 15, len(whole) - 2, len(whole)):
            for flags in ((), self.JUDGED):
                with self.subTest(cut=cut, judged=bool(flags)):
                    fields = self.login(self.start(say(whole[:cut]), *flags).port)
                    self.assertEqual(fields["C"], "08006")

    def test_messages_that_do_not_belong(self):
        for name, message in {"a row": w.message(b"D", b"\0\0"), "type 0": b"\0\0\0\0\4",
                              "length 0": b"R\0\0\0\0", "length 2^31-1": b"R\x7f\xff\xff\xff",
                              "cut": w.message(b"R", b"\0"), "Kerberos": authentication(2),
                              "GSS": authentication(7), "ready": w.message(b"Z", b"X"),
                              "key": w.message(b"K", b"\0")}.items():
            for flags in ((), self.JUDGED):
                with self.subTest(name, judged=bool(flags)):
                    proxy = self.start(say(message), *flags)
                    with w.Wire(proxy.port) as connection:
                        with self.assertRaises((w.ServerError, w.ConnectionClosed,
                                                AssertionError)):
                            connection.start("postgres", "postgres", PASSWORD)
                    self.assertTrue(proxy.alive())

    def test_iteration_counts_and_nonces(self):
        for name, first in {"2^31": b"r=NONCEx,s=c2FsdA==,i=2147483648",
                            "2^31-1": b"r=NONCEx,s=c2FsdA==,i=2147483647",
                            "2^64+1": b"r=NONCEx,s=c2FsdA==,i=18446744073709551617",
                            "0": b"r=NONCEx,s=c2FsdA==,i=0",
                            "nonce": b"r=other,s=c2FsdA==,i=4096",
                            "no salt": b"r=NONCEx,i=4096",
                            "long": b"r=NONCE" + b"x" * 5000 + b",s=c2FsdA==,i=4096"}.items():
            with self.subTest(name):
                started = time.monotonic()
                fields = self.login(self.start(ask_for_scram(first), *self.JUDGED).port)
                self.assertEqual(fields["C"], "28000")
                self.assertIn("invalid SCRAM message from server", fields["M"])
                self.assertLess(time.monotonic() - started, 10)

    def test_scram_that_proves_nothing(self):
        def script(server, connection):
            ask_for_scram(b"r=NONCEx,s=c2FsdA==,i=4096")(server, connection)
            connection.sendall(authentication(0) + w.message(b"Z", b"I"))
        fields = self.login(self.start(script, *self.JUDGED).port)
        self.assertIn("without proving itself", fields["M"])

    def test_cleartext_for_a_client(self):
        """Relayed where nobody listens; over a network the client is not even asked."""
        proxy = self.start(ask_for_cleartext)
        self.assertEqual(self.login(proxy.port)["C"], "28P01")
        self.assertIn(PASSWORD.encode() + b"\0", self.fake.passwords)
        with w.Wire(self.network_port) as connection:
            connection.send(w.startup_packet({"user": "postgres", "database": "postgres"}))
            said = connection.read_until_closed()
        self.assertEqual([kind for kind, _ in said], [b"E"])
        self.assertIn("password in clear", w.error_fields(said[0][1])["M"])
        self.start(ask_for_cleartext, "--accept-cleartext")
        self.assertEqual(self.login(self.network_port)["C"], "28P01")

    def test_cleartext_from_the_proxy(self):
        proxy = self.start(ask_for_cleartext, *self.JUDGED, "--require-auth", "scram-sha-256,md5")
        fields = self.login(proxy.port)
        self.assertIn("server requested a cleartext password", fields["M"])
        self.assertEqual(self.fake.passwords, [])
        proxy = self.start(ask_for_cleartext, "--require-auth", "!password")
        self.assertIn("server requested a cleartext password", self.login(proxy.port)["M"])
        self.assertEqual(self.fake.passwords, [])

    def test_methods_of_the_proxy_over_a_network(self):
        for method, flags, error in (
                ("plain", (), "a password in clear over a network needs TLS"),
                ("plain", ("--accept-cleartext",), None)):
            with self.subTest(method, flags=flags):
                self.start(say(w.message(b"E", b"SFATAL\0C53300\0Mfull\0\0")), "--auth-type",
                           method, *flags)
                self.assertEqual(self.login(self.network_port)["M"], error or "full")

    def test_trust_over_a_network(self):
        script = say(w.message(b"E", b"SFATAL\0C53300\0Mfull\0\0"))
        with self.assertRaisesRegex(AssertionError, "listeners of this machine only"):
            self.start(script, "--auth-type", "trust")
        self.start(script, "--auth-type", "trust", "--accept-unauthenticated")
        self.assertEqual(self.login(self.network_port)["M"], "full")


if __name__ == "__main__":
    harness.main()
