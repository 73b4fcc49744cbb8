"""TLS on both sides: who is let in, who is believed, what is refused and with which words."""

import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import psycopg

import harness
import wire as w
from certificates import Certificates
from harness import BINARY, DIRECT, PostgresServer, Proxy, free_port, wait_until

SSL_OF_BACKEND = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
SERVER_CONF = ("ssl = on", "ssl_cert_file = 'server.crt'", "ssl_key_file = 'server.key'",
               "ssl_ca_file = 'root.crt'")
MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

CANCEL_CODE = struct.pack("!i", 80877102)

CERTIFICATES = None
DIRECTORY = None


def setUpModule():
    if DIRECT:
        raise unittest.SkipTest("about the proxy only")
    global CERTIFICATES, DIRECTORY
    DIRECTORY = tempfile.mkdtemp(prefix="pgsidecar-tls-")
    unittest.addModuleCleanup(shutil.rmtree, DIRECTORY, ignore_errors=True)
    CERTIFICATES = Certificates(DIRECTORY)
    CERTIFICATES.authority("ca")
    CERTIFICATES.authority("other_ca")
    CERTIFICATES.issue("proxy", "ca")
    CERTIFICATES.issue("proxy2", "ca")
    CERTIFICATES.issue("server", "ca")
    CERTIFICATES.issue("elsewhere", "ca", "db.example.com", "subjectAltName=DNS:db.example.com")
    CERTIFICATES.issue("expired", "ca", days=-1)
    CERTIFICATES.issue("client", "ca", "postgres", None)
    CERTIFICATES.issue("expired_client", "ca", "postgres", None, days=-1)
    CERTIFICATES.issue("stranger", "other_ca", "postgres", None)


def path(name):
    return CERTIFICATES.path(name)


def client_tls(*more, name="proxy"):
    """The proxy's flags for TLS to clients."""
    return ("--client-tls-cert-file", path(f"{name}.crt"), "--client-tls-key-file",
            path(f"{name}.key"), *more)


def start_server(auth="trust", hba=None, certificate="server", conf=()):
    server = PostgresServer(auth, conf=(*(SERVER_CONF if certificate else ()), *conf))
    if certificate:
        CERTIFICATES.give_to_server(server, certificate, "ca")
    if hba:
        server._write("pg_hba.conf", "local all all trust\n" + hba + "\n")
    return server.start()


def connect(proxy, mode, host="localhost", **more):
    more.setdefault("sslrootcert", path("ca.crt"))
    more.setdefault("sslcert", "")
    more.setdefault("password", "secret")
    return psycopg.connect(host=host, hostaddr="127.0.0.1", port=proxy.port, user="postgres",
                           dbname=more.pop("dbname", "postgres"), sslmode=mode, autocommit=True,
                           connect_timeout=20, prepare_threshold=None, **more)


def context(alpn=None, version=None, certificate=None):
    made = ssl.create_default_context(cafile=path("ca.crt"))
    if alpn:
        made.set_alpn_protocols([alpn])
    if version:
        made.minimum_version = made.maximum_version = version
    if certificate:
        made.load_cert_chain(path(f"{certificate}.crt"), path(f"{certificate}.key"))
    return made


def secured(port, made=None, session=None, direct=False):
    """A Wire whose socket speaks TLS."""
    connection = w.Wire(port)
    if not direct:
        connection.send(w.SSL_REQUEST)
        if connection.read_exactly(1) != b"S":
            raise AssertionError("SSLRequest was not answered S")
    connection.socket = (made or context()).wrap_socket(
        connection.socket, server_hostname="localhost", session=session)
    return connection


def message_of(body):
    return w.error_fields(body)["M"]


class TlsCase(unittest.TestCase):
    maxDiff = 4000

    def proxy(self, server, *flags, query="", url=None, **more):
        url = url or server.url()
        proxy = Proxy(server, "--sole-writer", *flags, url=url + query, **more)
        self.addCleanup(proxy.stop)
        return proxy

    def refusal(self, proxy, mode="disable", **more):
        """What a client is told that cannot get in."""
        with self.assertRaises(psycopg.OperationalError) as caught:
            connect(proxy, mode, **more).close()
        return str(caught.exception)

    def console(self, proxy, command, mode="disable"):
        with connect(proxy, mode, dbname="pgsidecar", sslcert="") as console:
            console.prepare_threshold = None
            cursor = psycopg.ClientCursor(console)
            cursor.execute(command)
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row)) for row in cursor.fetchall()]

    def figures(self, proxy, mode="disable"):
        return {row["name"]: int(row["value"]) for row in self.console(proxy, "SHOW STATS", mode)}


class ToClients(TlsCase):
    """A plain server behind a proxy that has a certificate."""

    @classmethod
    def setUpClass(cls):
        cls.server = start_server(certificate=None)
        cls.addClassCleanup(cls.server.remove)
        cls.shared = Proxy(cls.server, "--sole-writer", *client_tls())
        cls.addClassCleanup(cls.shared.stop)

    def test_every_mode_of_psycopg_and_psql(self):
        for mode in MODES:
            with connect(self.shared, mode) as connection:
                self.assertEqual(connection.pgconn.ssl_in_use, mode not in ("disable", "allow"))
                self.assertEqual(connection.execute("SELECT 1").fetchone(), (1,))
                said = [row["tls"] for row in self.console(self.shared, "SHOW CLIENTS")
                        if row["database"] == "postgres"]
                self.assertTrue(said)
                if connection.pgconn.ssl_in_use:
                    self.assertTrue(any(re.fullmatch(r"TLSv1\.3/TLS_\w+", each) for each in said))
            done = subprocess.run(
                ["psql", "-X", "-A", "-t", "-c", "SELECT 'psql'",
                 f"host=localhost port={self.shared.port} user=postgres dbname=postgres"
                 f" sslmode={mode} sslrootcert={path('ca.crt')}"],
                text=True, capture_output=True, timeout=60)
            self.assertEqual(done.stdout, "psql\n", done.stderr)

    def test_a_client_that_verifies_finds_out(self):
        self.assertIn("certificate verify failed",
                      self.refusal(self.shared, "verify-ca", sslrootcert=path("other_ca.crt")))
        self.assertIn("does not match host name",
                      self.refusal(self.shared, "verify-full", host="db.example.com"))

    def test_both_versions_of_the_protocol(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with secured(self.shared.port, context(version=version)) as connection:
                connection.start("postgres", "postgres")
                self.assertEqual(connection.query("SELECT 1"), [["1"]])
        strict = self.proxy(self.server, *client_tls("--client-tls-min-protocol", "TLSv1.3"))
        with self.assertRaises(ssl.SSLError):
            secured(strict.port, context(version=ssl.TLSVersion.TLSv1_2))

    def test_direct_tls(self):
        with secured(self.shared.port, context(alpn="postgresql"), direct=True) as connection:
            self.assertEqual(connection.socket.selected_alpn_protocol(), "postgresql")
            connection.start("postgres", "postgres")
            self.assertEqual(connection.query("SELECT 1"), [["1"]])

    def test_direct_tls_needs_the_protocols_name(self):
        with self.assertRaises(ssl.SSLError):
            secured(self.shared.port, context(alpn="http/1.1"), direct=True)
        with secured(self.shared.port, context(), direct=True) as connection:
            with self.assertRaises((w.ConnectionClosed, OSError)):
                connection.start("postgres", "postgres")
        # Behind an SSLRequest it is no must, but a wrong one is refused.
        with self.assertRaises(ssl.SSLError):
            secured(self.shared.port, context(alpn="http/1.1"))

    def test_a_gss_request_comes_first(self):
        with w.Wire(self.shared.port) as connection:
            connection.send(w.GSSENC_REQUEST)
            self.assertEqual(connection.read_exactly(1), b"N")
            connection.send(w.SSL_REQUEST)
            self.assertEqual(connection.read_exactly(1), b"S")
            connection.socket = context().wrap_socket(connection.socket,
                                                      server_hostname="localhost")
            connection.start("postgres", "postgres")
            self.assertEqual(connection.query("SELECT 1"), [["1"]])

    def test_bytes_slipped_behind_the_request(self):
        for slipped in (w.startup_packet({"user": "postgres", "database": "postgres"}),
                        b"\x16\x03\x01\x00\x05hello", b"x"):
            with w.Wire(self.shared.port) as connection:
                connection.send(w.SSL_REQUEST + slipped)
                (kind, body), *rest = connection.read_until_closed()
                self.assertEqual((kind, rest), (b"E", []))
                self.assertEqual(w.error_fields(body)["C"], "08P01")

    def test_garbage_costs_its_own_connection(self):
        with secured(self.shared.port) as witness:
            witness.start("postgres", "postgres")
            for garbage in (b"\0" * 100, b"\x16\x03\x01" + b"\xff" * 300, os.urandom(5000),
                            b"\x15\x03\x01\x00\x02\x02\x28"):
                with w.Wire(self.shared.port) as connection:
                    connection.send(w.SSL_REQUEST)
                    self.assertEqual(connection.read_exactly(1), b"S")
                    connection.send(garbage)
                    connection.socket.shutdown(socket.SHUT_WR)
                    connection.socket.settimeout(10)
                    with _quiet():
                        while connection.socket.recv(4096):
                            pass
            # Amid a session: a record that cannot be decrypted.
            connection = secured(self.shared.port)
            connection.start("postgres", "postgres")
            plain = socket.socket(fileno=os.dup(connection.socket.fileno()))
            plain.sendall(b"\x17\x03\x03\x00\x20" + b"\xaa" * 32)
            plain.settimeout(10)
            with _quiet():
                while plain.recv(4096):
                    pass
            plain.close()
            connection.close()
            self.assertEqual(witness.query("SELECT 1"), [["1"]])

    def test_a_handshake_split_into_single_bytes(self):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context().wrap_bio(incoming, outgoing, server_hostname="localhost")
        with w.Wire(self.shared.port) as connection:
            connection.send(w.SSL_REQUEST)
            self.assertEqual(connection.read_exactly(1), b"S")

            def exchange(step):
                while True:
                    try:
                        result = step()
                        break
                    except ssl.SSLWantReadError:
                        for byte in outgoing.read():
                            connection.send(bytes([byte]))
                        incoming.write(connection.socket.recv(3))
                for byte in outgoing.read():
                    connection.send(bytes([byte]))
                return result

            exchange(tls.do_handshake)
            packet = w.startup_packet({"user": "postgres", "database": "postgres"})
            exchange(lambda: tls.write(packet))
            answer = b""
            while b"Z\0\0\0\5I" not in answer:
                answer += exchange(lambda: tls.read(7))
            self.assertTrue(answer.startswith(b"R\0\0\0\x08\0\0\0\0"))

    def test_a_handshake_that_never_ends(self):
        impatient = self.proxy(self.server, *client_tls("--client-login-timeout", "300ms"))
        with w.Wire(impatient.port) as connection:
            connection.send(w.SSL_REQUEST)
            self.assertEqual(connection.read_exactly(1), b"S")
            connection.send(b"\x16\x03\x01\x02\x00\x01")
            self.assertEqual(connection.read_until_closed(), [])

    def test_sessions_are_resumed(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            made = context(version=version)
            with secured(self.shared.port, made) as connection:
                connection.start("postgres", "postgres")
                connection.query("SELECT 1")
                self.assertFalse(connection.socket.session_reused)
                session = connection.socket.session
            with secured(self.shared.port, made, session) as connection:
                connection.start("postgres", "postgres")
                self.assertEqual(connection.query("SELECT 1"), [["1"]])
                self.assertTrue(connection.socket.session_reused)
        figures = self.figures(self.shared)
        self.assertGreaterEqual(figures["client_tls_resumptions_total"], 2)
        self.assertGreater(figures["client_tls_handshakes_total"],
                           figures["client_tls_resumptions_total"])

    def test_the_end_is_announced(self):
        with secured(self.shared.port) as connection:
            connection.start("postgres", "postgres")
            connection.send(w.message(b"X"))
            connection.socket.suppress_ragged_eofs = False
            connection.socket.settimeout(10)
            self.assertEqual(connection.socket.recv(100), b"")  # else SSLEOFError

    def test_a_cancel_request_over_tls(self):
        with secured(self.shared.port) as connection:
            connection.start("postgres", "postgres")
            connection.send(w.query("SELECT pg_sleep(60)"))
            time.sleep(0.3)
            with secured(self.shared.port) as canceler:
                canceler.send(struct.pack("!ii", 8 + len(connection.backend_key), 80877102)
                              + connection.backend_key)
                self.assertEqual(canceler.read_until_closed(), [])
            codes = [w.error_fields(body)["C"] for kind, body in connection.read_until_ready()
                     if kind == b"E"]
            self.assertEqual(codes, ["57014"])

    def test_disabled_it_is_declined(self):
        plain = self.proxy(self.server, *client_tls("--client-tls-sslmode", "disable"))
        with w.Wire(plain.port) as connection:
            connection.send(w.SSL_REQUEST)
            self.assertEqual(connection.read_exactly(1), b"N")
        self.assertIn("server does not support SSL", self.refusal(plain, "require"))

    def test_require_refuses_whoever_comes_without(self):
        directory = tempfile.mkdtemp(dir=DIRECTORY)
        port = free_port()
        strict = self.proxy(self.server, *client_tls("--client-tls-sslmode", "require"),
                            "--listen", f"{directory}:{port}")
        for dbname in ("postgres", "pgsidecar"):
            said = self.refusal(strict, "disable", dbname=dbname)
            self.assertIn("SSL required", said)
            with w.Wire(strict.port) as connection:
                with self.assertRaises(w.ServerError) as caught:
                    connection.start("postgres", dbname)
                self.assertEqual(caught.exception.sqlstate, "28000")
        with connect(strict, "require") as connection:
            self.assertEqual(connection.execute("SELECT 1").fetchone(), (1,))
            # libpq before version 17 cancels in plain: the key is what counts.
            canceled = []
            thread = threading.Thread(target=lambda: canceled.append(_sqlstate(connection)))
            thread.start()
            time.sleep(0.5)
            connection.cancel()
            thread.join()
            self.assertEqual(canceled, ["57014"])
        with psycopg.connect(host=directory, port=port, user="postgres", dbname="postgres",
                             autocommit=True) as connection:
            self.assertEqual(connection.execute("SELECT 1").fetchone(), (1,))

    def test_client_certificates(self):
        ca = ("--client-tls-ca-file", path("ca.crt"))
        for mode in ("verify-ca", "verify-full"):
            strict = self.proxy(self.server, *client_tls("--client-tls-sslmode", mode, *ca))
            self.assertIn("connection requires a valid client certificate",
                          self.refusal(strict, "require"))
            self.assertIn("SSL required", self.refusal(strict, "disable"))
            with connect(strict, "require", sslcert=path("client.crt"),
                         sslkey=path("client.key")) as connection:
                self.assertEqual(connection.execute("SELECT 1").fetchone(), (1,))
            for name in ("stranger", "expired_client"):
                self.refusal(strict, "require", sslcert=path(f"{name}.crt"),
                             sslkey=path(f"{name}.key"))
            wait_until(lambda: "certificate has expired" in strict.stderr(), what="the log")
            self.assertRegex(strict.stderr(), "TLS handshake failed client=.*unable to get local "
                                              "issuer certificate")
        # It is not demanded, but who shows one has to be who he says.
        lenient = self.proxy(self.server, *client_tls(*ca))
        connect(lenient, "require").close()
        connect(lenient, "disable").close()
        self.refusal(lenient, "require", sslcert=path("stranger.crt"), sslkey=path("stranger.key"))

    def test_a_resumed_session_keeps_its_certificate(self):
        strict = self.proxy(self.server, *client_tls(
            "--client-tls-sslmode", "verify-full", "--client-tls-ca-file", path("ca.crt")))
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            made = context(version=version, certificate="client")
            session = None
            for resumed in (False, True):
                with secured(strict.port, made, session) as connection:
                    connection.start("postgres", "postgres")
                    connection.query("SELECT 1")
                    self.assertEqual(connection.socket.session_reused, resumed)
                    session = connection.socket.session

    def test_files_that_cannot_be_used_end_the_start(self):
        open_key = path("open.key")
        shutil.copy(path("proxy.key"), open_key)
        os.chmod(open_key, 0o644)
        no_pem = path("no.pem")
        with open(no_pem, "w") as file:
            file.write("nothing\n")
        os.chmod(no_pem, 0o600)
        locked = path("locked.key")
        subprocess.run(["openssl", "pkcs8", "-topk8", "-in", path("proxy.key"), "-out", locked,
                        "-passout", "pass:hush"], check=True, capture_output=True)
        os.chmod(locked, 0o600)
        cases = (
            (path("none"), path("proxy.key"), "client_tls_cert_file: could not load the certificate"
             ".*No such file or directory"),
            (path("proxy.crt"), path("none"), "client_tls_key_file: could not access private key "
             "file .*No such file or directory"),
            (path("proxy.crt"), open_key, "client_tls_key_file: .*has group or world access"),
            (path("proxy.crt"), path("server.key"), "client_tls_key_file: .*mismatch"),
            (no_pem, path("proxy.key"), "client_tls_cert_file: .*no start line"),
            (path("proxy.crt"), no_pem, "client_tls_key_file: could not load the private key"),
            (path("proxy.crt"), locked, "client_tls_key_file: .*must have no passphrase"),
            (path("proxy.crt"), DIRECTORY, "client_tls_key_file: .*not a regular file"),
        )
        for certificate, key, expected in cases:
            self.assert_refused(expected, "--client-tls-cert-file", certificate,
                                "--client-tls-key-file", key)
        self.assert_refused("client_tls_ca_file: could not load root certificates", *client_tls(
            "--client-tls-ca-file", path("none")))
        for query, expected in (
                ("?sslmode=verify-full&sslrootcert=" + path("none"), "upstream: sslrootcert: could "
                 "not load root certificates.*No such file"),
                (f"?sslcert={path('client.crt')}&sslkey={open_key}", "upstream: sslkey: .*has group"),
                (f"?sslrootcert={path('ca.crt')}&sslcrl={path('none')}", "upstream: sslcrl: ")):
            self.assert_refused(expected, url=self.server.url() + query)

    def assert_refused(self, expected, *flags, url=None):
        done = subprocess.run([BINARY, "--upstream", url or self.server.url(), "--listen",
                               "127.0.0.1:0", *flags], text=True, capture_output=True, timeout=30)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertRegex(done.stderr, expected)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)


class _quiet:
    """The other side may reset the connection as well as close it."""

    def __enter__(self):
        return self

    def __exit__(self, kind, _value, _traceback):
        return kind is not None and issubclass(kind, ConnectionError)


def _sqlstate(connection):
    try:
        connection.execute("SELECT pg_sleep(60)")
    except psycopg.Error as error:
        return error.sqlstate


class ToTheServer(TlsCase):
    """A server that speaks TLS and asks for SCRAM, and clients in plain."""

    @classmethod
    def setUpClass(cls):
        cls.server = start_server("scram-sha-256")
        cls.addClassCleanup(cls.server.remove)

    def encrypted(self, proxy, mode="disable", **more):
        with connect(proxy, mode, **more) as connection:
            return connection.execute(SSL_OF_BACKEND).fetchone()[0]

    def test_every_mode(self):
        roots = f"&sslrootcert={path('ca.crt')}"
        for mode, expected in (("disable", False), ("allow", False), ("prefer", True),
                               ("require", True), ("verify-ca", True), ("verify-full", True)):
            proxy = self.proxy(self.server, query=f"?sslmode={mode}{roots}")
            self.assertEqual(self.encrypted(proxy), expected, mode)
            proxy.wait_for_catalog()
            tls = {row["tls"] for row in self.console(proxy, "SHOW SERVERS")}
            self.assertEqual(len(tls), 1, tls)
            self.assertRegex(tls.pop(), r"^TLSv1\.3/TLS_" if expected else "^$")
        self.assertTrue(self.encrypted(self.proxy(self.server)))

    def test_no_tls_over_unix_sockets(self):
        proxy = self.proxy(self.server, url=f"postgres://postgres@localhost:{self.server.port}"
                           f"/postgres?host={self.server.directory}&sslmode=prefer")
        self.assertFalse(self.encrypted(proxy))

    def test_the_proxys_own_login_is_bound_to_the_channel(self):
        proxy = self.proxy(self.server, query="?sslmode=require&channel_binding=require")
        proxy.wait_for_catalog()
        self.assertIn("catalog loaded", proxy.stderr())
        without = self.proxy(self.server, query="?sslmode=disable&channel_binding=require")
        wait_until(lambda: "channel binding is required, but server did not offer" in
                   without.stderr(), what="the refusal")

    def test_who_the_server_is(self):
        right, wrong = path("ca.crt"), path("other_ca.crt")
        cases = (
            ("server", f"sslmode=verify-ca&sslrootcert={wrong}",
             "could not accept the server's SSL certificate: self-signed certificate in certificate"),
            ("server", f"sslmode=require&sslrootcert={wrong}",
             "could not accept the server's SSL certificate: self-signed certificate in certificate"),
            ("elsewhere", f"sslmode=verify-full&sslrootcert={right}",
             'server certificate for "db.example.com" does not match host name "127.0.0.1"'),
            ("expired", f"sslmode=verify-ca&sslrootcert={right}",
             "could not accept the server's SSL certificate: certificate has expired"),
            ("server", "sslrootcert=system", "could not accept the server's SSL certificate: "),
        )
        for certificate, query, expected in cases:
            with self.subTest(query=query, certificate=certificate):
                server = self.server if certificate == "server" else start_server(
                    certificate=certificate)
                proxy = self.proxy(server, query="?" + query)
                self.assertIn(expected, self.refusal(proxy))
                wait_until(lambda: expected in proxy.stderr(), what="the log")
                if server is not self.server:
                    # Whoever does not ask for its name takes it.
                    lenient = self.proxy(server, query="?sslmode=require")
                    self.assertTrue(self.encrypted(lenient))
                    server.remove()

    def test_a_name_that_matches(self):
        url = self.server.url().replace("127.0.0.1", "localhost")
        proxy = self.proxy(self.server, url=url,
                           query=f"?sslmode=verify-full&sslrootcert={path('ca.crt')}")
        self.assertTrue(self.encrypted(proxy))

    def test_prefer_does_without_a_handshake_that_fails(self):
        proxy = self.proxy(self.server, query=f"?sslmode=prefer&sslrootcert={path('other_ca.crt')}")
        self.assertFalse(self.encrypted(proxy))

    def test_the_server_has_none(self):
        server = start_server(certificate=None)
        self.addCleanup(server.remove)
        for mode in ("allow", "prefer"):
            self.assertFalse(self.encrypted(self.proxy(server, query=f"?sslmode={mode}")))
        self.assertIn("server does not support SSL, but SSL was required",
                      self.refusal(self.proxy(server, query="?sslmode=require")))

    def test_servers_that_let_in_one_way_only(self):
        only_tls = "hostssl all postgres 127.0.0.1/32 trust\n"
        only_plain = "hostnossl all postgres 127.0.0.1/32 trust\n"
        for hba, encrypted in ((only_tls, True), (only_plain, False)):
            server = start_server(hba=hba)
            self.addCleanup(server.remove)
            for mode in ("allow", "prefer"):
                proxy = self.proxy(server, query=f"?sslmode={mode}")
                self.assertEqual(self.encrypted(proxy), encrypted, (hba, mode))
                proxy.wait_for_catalog()
                # What neither way allows: what was said over TLS counts.
                with self.assertRaises(psycopg.OperationalError) as caught:
                    psycopg.connect(host="127.0.0.1", port=proxy.port, user="nobody",
                                    dbname="postgres", sslmode="disable")
                self.assertIn("no pg_hba.conf entry", str(caught.exception))
                self.assertIn("SSL encryption", str(caught.exception))
            hard = "disable" if encrypted else "require"
            self.assertIn("no pg_hba.conf entry",
                          self.refusal(self.proxy(server, query=f"?sslmode={hard}")))

    def test_a_certificate_of_our_own(self):
        server = start_server(hba="hostssl all all 127.0.0.1/32 trust clientcert=verify-ca")
        self.addCleanup(server.remove)
        mine = f"?sslmode=require&sslcert={path('client.crt')}&sslkey={path('client.key')}"
        self.assertTrue(self.encrypted(self.proxy(server, query=mine)))
        self.assertIn("connection requires a valid client certificate",
                      self.refusal(self.proxy(server, query="?sslmode=require")))
        stranger = mine.replace("/client.", "/stranger.")
        self.assertRegex(self.refusal(self.proxy(server, query=stranger)),
                         "SSL error: tlsv1 alert unknown ca|server closed the connection"
                         "|connection reset by peer")

    def test_revoked(self):
        crl = path("crl.pem")
        with open(path("index.txt"), "w"):
            pass
        with open(path("ca.conf"), "w") as file:
            file.write("[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ndefault_md=sha256\n"
                       "default_crl_days=30\n")
        run = dict(cwd=DIRECTORY, check=True, capture_output=True)
        both = ["openssl", "ca", "-config", "ca.conf", "-cert", "ca.crt", "-keyfile", "ca.key"]
        subprocess.run([*both, "-gencrl", "-out", "crl.pem"], **run)
        query = f"?sslmode=verify-ca&sslrootcert={path('ca.crt')}&sslcrl={crl}"
        self.assertTrue(self.encrypted(self.proxy(self.server, query=query)))
        subprocess.run([*both, "-revoke", "server.crt"], **run)
        subprocess.run([*both, "-gencrl", "-out", "crl.pem"], **run)
        self.assertIn("certificate revoked", self.refusal(self.proxy(self.server, query=query)))

    def test_cancel_requests_are_encrypted_as_well(self):
        relay = Relay(self.server.port)
        self.addCleanup(relay.close)
        for query, begins in (("?sslmode=require", w.SSL_REQUEST[:8]), ("?sslmode=disable", None)):
            relay.first_bytes.clear()
            url = f"postgres://postgres:secret@127.0.0.1:{relay.port}/postgres"
            proxy = self.proxy(self.server, url=url, query=query)
            with connect(proxy, "disable") as connection:
                states = []
                thread = threading.Thread(target=lambda: states.append(_sqlstate(connection)))
                thread.start()
                time.sleep(0.5)
                connection.cancel()
                thread.join()
                self.assertEqual(states, ["57014"])
            cancels = [first for first in relay.first_bytes if first[4:8] == CANCEL_CODE]
            if begins:
                self.assertEqual(set(relay.first_bytes), {begins})
            else:
                self.assertEqual(len(cancels), 1)

    def test_last_words_of_one_that_takes_nothing_more(self):
        """The server ends a connection amid an upload that has filled the sockets: the client hears
        why, though its bytes cannot be written any more."""
        proxy = self.proxy(self.server, query="?sslmode=require")
        truth = self.server.connect_locally()
        self.addCleanup(truth.close)
        truth.execute("CREATE TABLE uploaded (a text)")
        client = w.Wire.login(proxy.port, password="secret")
        self.addCleanup(client.close)
        client.query("BEGIN")
        backend = int(client.query("SELECT pg_backend_pid()")[0][0])
        client.send(w.query("COPY uploaded FROM STDIN"))
        self.assertEqual(client.read_message()[0], b"G")
        os.kill(backend, signal.SIGSTOP)
        client.socket.settimeout(0.5)
        with self.assertRaises(TimeoutError):
            while True:
                client.socket.send(w.copy_data(b"x" * 10000 + b"\n"))
        proxy.process.send_signal(signal.SIGSTOP)
        try:
            truth.execute("SELECT pg_terminate_backend(%s)", (backend,))
            os.kill(backend, signal.SIGCONT)
            wait_until(lambda: truth.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s",
                                             (backend,)).fetchone() == (0,), what="its end")
        finally:
            proxy.process.send_signal(signal.SIGCONT)
        kind, body = client.read_message()
        self.assertEqual((kind, w.error_fields(body)["C"]), (b"E", "57P01"))


class Relay:
    """Passes TCP connections on to `target` and remembers how each begins."""

    def __init__(self, target):
        self.target = target
        self.first_bytes = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=self._serve, args=(client, server), daemon=True).start()

    def _serve(self, client, server):
        with client, server:
            back = threading.Thread(target=self._pass, args=(server, client, False), daemon=True)
            back.start()
            self._pass(client, server, True)
            back.join()

    def _pass(self, source, target, forth):
        first = forth
        try:
            while piece := source.recv(65536):
                if first:
                    self.first_bytes.append(piece[:8])
                    first = False
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.listener.close()


class FakeServer:
    """Answers every connection's first packet with `answer`; then it waits for the end, or is the
    server of a handshake."""

    def __init__(self, answer, tls=None):
        self.answer = answer
        self.tls = tls
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.auth = "trust"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with _quiet(), connection:
            connection.settimeout(20)
            connection.recv(4096)
            if self.answer is None:
                return
            connection.sendall(self.answer)
            if self.tls:
                try:
                    connection = self.tls.wrap_socket(connection, server_side=True)
                except OSError:
                    return
            while connection.recv(4096):
                pass

    def close(self):
        self.listener.close()


class FakeServers(TlsCase):
    """Servers that do not keep to the protocol: a clear error, at once, in every mode."""

    def test_wrong_answers(self):
        error = b"E" + struct.pack("!i", 20) + b"SFATAL\0Mtrust me\0\0"
        cases = (
            (b"S" + b"R\0\0\0\x08\0\0\0\0", "received unencrypted data after SSL response"),
            (b"S\x16\x03\x03\x00\x05hello", "received unencrypted data after SSL response"),
            (b"N" + error, "received unencrypted data after SSL response"),
            (error, "server sent an error response during SSL exchange"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", "received invalid response to SSL negotiation"),
            (b"\0", "received invalid response to SSL negotiation"),
            (None, "server closed the connection unexpectedly"),
        )
        for answer, expected in cases:
            fake = FakeServer(answer)
            self.addCleanup(fake.close)
            for mode in ("prefer", "require"):
                with self.subTest(answer=answer, mode=mode):
                    proxy = self.proxy(fake, query=f"?sslmode={mode}",
                                       url=f"postgres://postgres@127.0.0.1:{fake.port}/postgres")
                    said = self.refusal(proxy)
                    self.assertIn(expected, said)
                    self.assertNotIn("trust me", said)

    def test_yes_and_then_no_tls(self):
        fake = FakeServer(b"S")
        self.addCleanup(fake.close)
        proxy = self.proxy(fake, "--server-connect-timeout", "500ms", query="?sslmode=require",
                           url=f"postgres://postgres@127.0.0.1:{fake.port}/postgres")
        self.assertIn("timeout expired", self.refusal(proxy))

    def test_direct_without_the_protocols_name(self):
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(path("server.crt"), path("server.key"))
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                    connection = made.wrap_socket(connection, server_side=True)
                    connection.recv(100)
                    connection.close()
                except OSError:
                    if listener.fileno() < 0:
                        return

        threading.Thread(target=serve, daemon=True).start()
        port = listener.getsockname()[1]
        fake = FakeServer(b"")
        self.addCleanup(fake.close)
        proxy = self.proxy(fake, query="?sslmode=require&sslnegotiation=direct",
                           url=f"postgres://postgres@127.0.0.1:{port}/postgres")
        self.assertIn("direct SSL connection was established without ALPN", self.refusal(proxy))


class BothSides(TlsCase):
    @classmethod
    def setUpClass(cls):
        cls.server = start_server("scram-sha-256")
        cls.addClassCleanup(cls.server.remove)
        cls.shared = Proxy(cls.server, "--sole-writer", *client_tls(),
                           url=cls.server.url() + "?sslmode=require")
        cls.addClassCleanup(cls.shared.stop)

    def through(self, **more):
        return connect(self.shared, "verify-full", channel_binding="disable", **more)

    def test_a_session(self):
        self.shared.wait_for_catalog()
        with self.through() as connection:
            self.assertEqual(connection.execute(SSL_OF_BACKEND).fetchone(), (True,))
            connection.execute("CREATE TABLE IF NOT EXISTS both_sides (id int PRIMARY KEY, t text)")
            connection.execute("INSERT INTO both_sides VALUES (1, repeat('x', 100000))"
                               " ON CONFLICT DO NOTHING")
            statement = "SELECT t FROM both_sides WHERE id = 1"
            wait_until(lambda: connection.execute(statement).fetchone() == ("x" * 100000,)
                       and harness.last(connection) == "hit", what="a hit")
            with self.assertRaises(psycopg.errors.UniqueViolation):
                connection.execute("INSERT INTO both_sides VALUES (1, '')")
            self.assertEqual(connection.execute("SELECT 1").fetchone(), (1,))

    def test_no_client_is_fooled(self):
        # A login that is relayed cannot be bound to the client's channel: who demands it refuses.
        with self.assertRaises(psycopg.OperationalError) as caught:
            connect(self.shared, "require", channel_binding="require").close()
        self.assertIn("channel binding is required, but server did not offer",
                      str(caught.exception))
        # Who could, and is not offered it, is told by the server that it would have.
        with self.assertRaises(psycopg.OperationalError) as caught:
            connect(self.shared, "require", channel_binding="prefer").close()
        self.assertIn("channel binding negotiation error", str(caught.exception))
        wait_until(lambda: "SCRAM" in self.shared.stderr(), what="a word in the log")

    def test_cancel(self):
        with self.through() as connection:
            states = []
            thread = threading.Thread(target=lambda: states.append(_sqlstate(connection)))
            thread.start()
            time.sleep(0.5)
            connection.cancel()
            thread.join()
            self.assertEqual(states, ["57014"])

    def test_a_large_result_to_a_slow_reader(self):
        rows, width = 500, 100_000
        with secured(self.shared.port) as connection:
            connection.start("postgres", "postgres", "secret")
            connection.query("SELECT repeat('x', 1000)")
            before = self.shared.rss_kb()
            connection.send(w.query(f"SELECT n, repeat('x', {width}) FROM"
                                    f" generate_series(1, {rows}) n"))
            # A result of 50 MB; what may be buffered for one that reads nothing is a megabyte.
            time.sleep(1.5)
            self.assertLess(self.shared.rss_kb() - before, 30_000)
            seen, data = 0, 0
            while True:
                kind, body = connection.read_message()
                if kind == b"D":
                    fields = w.row(body)
                    seen += 1
                    self.assertEqual(int(fields[0]), seen)
                    data += len(fields[1])
                    self.assertEqual(fields[1].count(b"x"), width)
                    if seen % 25 == 0:
                        time.sleep(0.02)
                if kind == b"Z":
                    break
            self.assertEqual((seen, data), (rows, rows * width))

    def test_a_sender_without_end_to_a_stuck_server(self):
        truth = self.server.connect_locally()
        self.addCleanup(truth.close)
        truth.execute("CREATE TABLE IF NOT EXISTS slow (a text)")
        block = w.copy_data(b"x" * 8000 + b"\n") * 100
        with secured(self.shared.port) as connection:
            connection.start("postgres", "postgres", "secret")
            before = self.shared.rss_kb()
            sent = 0
            with truth.transaction():
                truth.execute("LOCK TABLE slow IN ACCESS EXCLUSIVE MODE")
                connection.send(w.query("COPY slow FROM STDIN"))
                connection.socket.settimeout(1.0)
                try:
                    while sent < 60:
                        connection.send(block)
                        sent += 1
                except OSError:
                    pass
                self.assertLess(self.shared.rss_kb() - before, 30_000)
            # What has been sent in part cannot be taken up again: the connection is given up.
            self.assertLess(sent, 60, "48 MB have been taken while the server read nothing")

    def test_a_large_copy_both_ways(self):
        block = ("y" * 999 + "\n").encode() * 100
        with self.through() as connection:
            connection.execute("CREATE TEMP TABLE load (t text)")
            cursor = connection.cursor()
            with cursor.copy("COPY load FROM STDIN") as copy:
                for _ in range(200):
                    copy.write(block)
            self.assertEqual(connection.execute("SELECT count(*) FROM load").fetchone(), (20_000,))
            with cursor.copy("COPY load TO STDOUT") as copy:
                self.assertEqual(sum(len(piece) for piece in copy), len(block) * 200)

    def test_many_requests_in_one_write(self):
        with secured(self.shared.port) as connection:
            connection.start("postgres", "postgres", "secret")
            count = 3000
            connection.send(b"".join(w.query(f"SELECT {n}") for n in range(count)))
            for n in range(count):
                self.assertEqual(w.Wire.rows(connection.read_until_ready()), [[str(n)]])

    def test_clients_that_vanish(self):
        with self.through() as witness:
            for sent in (b"", w.query("SELECT pg_sleep(0.2)"), w.query("BEGIN"),
                         w.query("SELECT repeat('x', 1000000) FROM generate_series(1, 20)")):
                connection = secured(self.shared.port)
                connection.start("postgres", "postgres", "secret")
                connection.send(sent)
                connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                             struct.pack("ii", 1, 0))
                connection.close()
                self.assertEqual(witness.execute("SELECT 1").fetchone(), (1,))
            wait_until(lambda: all(row["state"] != "active" for row in
                                   self.console(self.shared, "SHOW SERVERS")), what="clean servers")

    def test_one_proxy_behind_another(self):
        # Direct TLS between them, and sessions that are resumed.
        first = self.proxy(start_plain(self), *client_tls())
        second = self.proxy(
            first.server, *client_tls(), url=f"postgres://postgres@localhost:{first.port}/postgres",
            query=f"?sslmode=verify-full&sslnegotiation=direct&sslrootcert={path('ca.crt')}")
        for _ in range(3):
            with connect(second, "require") as connection:
                self.assertEqual(connection.execute("SELECT 1").fetchone(), (1,))
        tls = [row["tls"] for row in self.console(first, "SHOW CLIENTS")
               if row["database"] == "postgres"]
        self.assertTrue(all(tls), tls)
        self.assertGreater(self.figures(second)["server_tls_resumptions_total"], 0)


def start_plain(case):
    server = start_server(certificate=None)
    case.addCleanup(server.remove)
    return server


class Reload(TlsCase):
    """SIGHUP reads the files again."""

    def setUp(self):
        self.server = start_server()
        self.addCleanup(self.server.remove)
        self.directory = tempfile.mkdtemp(dir=DIRECTORY)
        for name in ("proxy.crt", "proxy.key", "ca.crt"):
            shutil.copy(path(name), self.directory)
        self.started = self.proxy(
            self.server, "--client-tls-cert-file", f"{self.directory}/proxy.crt",
            "--client-tls-key-file", f"{self.directory}/proxy.key",
            query=f"?sslmode=verify-ca&sslrootcert={self.directory}/ca.crt")

    def shown(self):
        with secured(self.started.port) as connection:
            return ssl.DER_cert_to_PEM_cert(connection.socket.getpeercert(True)).strip()

    def of_file(self, name):
        with open(path(f"{name}.crt")) as file:
            return file.read().strip()

    def hup(self, expected):
        count = self.started.stderr().count(expected)
        self.started.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.started.stderr().count(expected) > count, what=expected)

    def test_of_the_certificate_that_clients_see(self):
        self.assertEqual(self.shown(), self.of_file("proxy"))
        with connect(self.started, "verify-full") as old:
            for suffix in ("crt", "key"):
                shutil.copy(path(f"proxy2.{suffix}"), f"{self.directory}/proxy.{suffix}")
            self.assertEqual(self.shown(), self.of_file("proxy"))
            self.hup("certificates reloaded")
            self.assertEqual(self.shown(), self.of_file("proxy2"))
            self.assertEqual(old.execute("SELECT 1").fetchone(), (1,))
            for breakage in (lambda: shutil.copy(path("server.key"), f"{self.directory}/proxy.key"),
                             lambda: os.chmod(f"{self.directory}/proxy.key", 0o666),
                             lambda: os.remove(f"{self.directory}/proxy.crt")):
                breakage()
                self.hup("certificates not reloaded, the old ones stay in use")
                self.assertEqual(self.shown(), self.of_file("proxy2"))
            self.assertIn("client_tls_key_file", self.started.stderr())
            self.assertIn("client_tls_cert_file", self.started.stderr())
            self.assertEqual(old.execute("SELECT 1").fetchone(), (1,))

    def test_of_what_the_server_is_checked_against(self):
        connect(self.started, "disable").close()
        shutil.copy(path("other_ca.crt"), f"{self.directory}/ca.crt")
        self.hup("certificates reloaded")
        with self.assertRaises(psycopg.OperationalError) as caught:
            psycopg.connect(host="127.0.0.1", port=self.started.port, user="postgres",
                            dbname="template1", sslmode="disable")
        self.assertIn("could not accept the server's SSL certificate", str(caught.exception))
        shutil.copy(path("ca.crt"), f"{self.directory}/ca.crt")
        self.hup("certificates reloaded")
        connect(self.started, "disable", dbname="template1").close()


if __name__ == "__main__":
    harness.main()
