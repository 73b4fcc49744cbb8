"""Logins that the proxy judges, over TLS: channel binding, certificates, rules about them."""

import os
import shutil
import tempfile
import unittest

import psycopg

import harness
from certificates import Certificates
from harness import DIRECT, PostgresServer, Proxy, free_port

ONE = "SELECT ssl, 1 FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


@unittest.skipIf(DIRECT, "about the proxy only")
class AuthTls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="pgsidecar-auth-tls-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, ignore_errors=True)
        cls.certificates = Certificates(cls.directory)
        cls.certificates.authority("ca")
        cls.certificates.authority("other_ca")
        cls.certificates.issue("proxy", "ca")
        cls.certificates.issue("server", "ca")
        cls.certificates.issue("client", "ca", "app", None)
        cls.certificates.issue("stranger", "other_ca", "app", None)
        cls.server = PostgresServer("scram-sha-256", conf=(
            "ssl = on", "ssl_cert_file = 'server.crt'", "ssl_key_file = 'server.key'",
            "ssl_ca_file = 'root.crt'"))
        cls.addClassCleanup(cls.server.remove)
        cls.certificates.give_to_server(cls.server, "server", "ca")
        cls.server.start()
        with cls.server.connect_locally() as truth:
            truth.execute("CREATE ROLE app LOGIN PASSWORD 'app secret'")
            cls.verifier = truth.execute(
                "SELECT rolpassword FROM pg_authid WHERE rolname = 'app'").fetchone()[0]

    def path(self, name):
        return self.certificates.path(name)

    def write(self, name, text):
        with open(os.path.join(self.directory, name), "w") as file:
            file.write(text)
        return file.name

    def start(self, *flags, listen="127.0.0.1:0", query="", secret=None):
        proxy = Proxy(self.server, "--client-tls-cert-file", self.path("proxy.crt"),
                      "--client-tls-key-file", self.path("proxy.key"), "--client-tls-ca-file",
                      self.path("ca.crt"), "--auth-file",
                      self.write("users", f'"app" "{secret or self.verifier}"\n"other" "x"\n'),
                      *flags,
                      listen=listen, url=self.server.url() + query)
        self.addCleanup(proxy.stop)
        return proxy

    def connect(self, proxy, user="app", port=None, certificate=None, **more):
        more.setdefault("password", "app secret")
        more.setdefault("sslmode", "verify-full")
        return psycopg.connect(
            host="localhost", hostaddr="127.0.0.1", port=port or proxy.port, user=user,
            dbname="postgres", sslrootcert=self.path("ca.crt"), autocommit=True,
            sslcert=self.path(f"{certificate}.crt") if certificate else "",
            sslkey=self.path(f"{certificate}.key") if certificate else "", connect_timeout=20,
            **more)

    def works(self, *given, **more):
        with self.connect(*given, **more) as connection:
            self.assertEqual(connection.execute("SELECT current_user").fetchone()[0],
                             more.get("user", "app"))
            return connection.execute(ONE).fetchone()

    def refusal(self, *given, **more):
        with self.assertRaises(psycopg.OperationalError) as refused:
            self.connect(*given, **more).close()
        return str(refused.exception)

    def test_channel_binding(self):
        """SCRAM-SHA-256-PLUS between client and proxy; and again, by the keys that it gave away,
        between proxy and server."""
        proxy = self.start("--auth-type", "scram-sha-256",
                           query="?sslmode=require&channel_binding=require")
        for binding in ("require", "prefer", "disable"):
            with self.subTest(binding):
                self.assertEqual(self.works(proxy, channel_binding=binding), (True, 1))
                self.assertIn("password authentication failed", self.refusal(
                    proxy, channel_binding=binding, password="wrong"))
        self.assertIn("channel binding required", self.refusal(
            proxy, channel_binding="require", sslmode="disable"))
        self.works(proxy, sslmode="disable")

    def test_certificate(self):
        proxy = self.start("--auth-type", "cert")
        self.assertIn("connection requires a valid client certificate", self.refusal(proxy))
        self.assertIn('certificate authentication failed for user "other"',
                      self.refusal(proxy, user="other", certificate="client"))
        self.refusal(proxy, certificate="stranger")
        # Who it is, is proved; but the proxy has only a verifier, which lets nobody in.
        self.assertIn("which the proxy does not know", self.refusal(proxy, certificate="client"))
        proxy = self.start("--auth-type", "cert", secret="app secret")
        self.works(proxy, certificate="client", password="")

    def test_rules(self):
        rules = self.write("hba", "hostnossl all app 127.0.0.1/32 reject\n"
                           "hostssl all app 127.0.0.1/32 scram-sha-256 clientcert=verify-full\n"
                           "hostssl all other all scram-sha-256 clientcert=verify-ca\n")
        proxy = self.start("--auth-type", "hba", "--auth-hba-file", rules)
        self.works(proxy, certificate="client")
        self.assertIn("requires a valid client certificate", self.refusal(proxy))
        self.assertIn("no encryption", self.refusal(proxy, sslmode="disable"))
        self.assertIn("password authentication failed",
                      self.refusal(proxy, user="other", certificate="client", password="y"))
        self.assertIn('no pg_hba.conf entry for host "127.0.0.1", user "postgres", database'
                      ' "postgres", SSL encryption', self.refusal(proxy, user="postgres"))

    def test_password_in_clear_over_a_network(self):
        port = free_port()  # 127.1 is not recognised as an address of this machine
        proxy = self.start("--auth-type", "plain", listen=f"127.0.0.1:0,127.1:{port}")
        self.works(proxy, port=port)
        self.assertIn("a password in clear over a network needs TLS",
                      self.refusal(proxy, port=port, sslmode="disable"))


if __name__ == "__main__":
    harness.main()
