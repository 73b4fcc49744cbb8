"""Unix sockets on both sides, and the files that they are."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import unittest

import psycopg

import harness
from harness import BINARY, DIRECT, PostgresServer, Proxy, ServerCase


@unittest.skipIf(DIRECT, "about the proxy only")
class UnixSocket(ServerCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="pgsidecar-test-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.port = harness.free_port()
        self.path = f"{self.directory}/.s.PGSQL.{self.port}"

    def start(self, *flags):
        proxy = Proxy(self.server, *flags, listen=f"127.0.0.1:0,{self.directory}:{self.port}",
                      url=f"postgres://postgres@/postgres?host={self.server.directory}"
                          f"&port={self.server.port}")
        self.addCleanup(proxy.stop)
        return proxy

    def connect(self, **more):
        connection = psycopg.connect(host=self.directory, port=self.port, user="postgres",
                                     dbname=more.pop("dbname", "postgres"), autocommit=True,
                                     connect_timeout=20, **more)
        self.addCleanup(connection.close)
        return connection

    def mode(self):
        return stat.S_IMODE(os.stat(self.path).st_mode)

    def test_both_sides(self):
        self.start().wait_for_catalog()
        client = self.connect()
        self.assertEqual(client.execute("SELECT inet_client_addr() IS NULL").fetchone(), (True,))
        client.execute("CREATE TABLE IF NOT EXISTS u (a int)")
        with client.cursor() as cursor:
            with cursor.copy("COPY u FROM STDIN") as copy:
                copy.write(b"1\n" * 100_000)
            self.assertEqual(cursor.execute("SELECT count(*) FROM u").fetchone(), (100_000,))
        self.assertIn("unix", repr(self.connect(dbname="pgsidecar").execute("SHOW CLIENTS")
                                   .fetchall()))

    def test_cancel(self):
        self.start()
        client = self.connect()
        with self.assertRaises(psycopg.errors.QueryCanceled):
            harness.threading.Timer(0.3, client.cancel).start()
            client.execute("SELECT pg_sleep(30)")

    def test_permissions(self):
        self.start()
        self.assertEqual(self.mode(), 0o777)

    def test_permissions_of_a_group(self):
        previous = os.umask(0o077)
        try:
            self.start("--unix-socket-mode", "0770")
        finally:
            os.umask(previous)
        self.assertEqual(self.mode(), 0o770)

    def test_the_file_goes_with_the_proxy(self):
        proxy = self.start()
        self.assertTrue(os.path.exists(self.path))
        proxy.stop()
        self.assertFalse(os.path.exists(self.path))

    def test_a_stale_file_is_replaced(self):
        proxy = self.start()
        proxy.process.send_signal(signal.SIGKILL)
        proxy.process.wait()
        proxy.process.stderr.close()
        proxy.process = None
        self.assertTrue(os.path.exists(self.path))
        self.start()
        self.assertEqual(self.connect().execute("SELECT 1").fetchone(), (1,))

    def refused(self):
        done = subprocess.run(
            [BINARY, "--upstream", self.server.url(), "--listen",
             f"{self.directory}:{self.port}"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"listen: cannot listen on {self.directory}:{self.port}", done.stderr)

    def test_a_live_one_is_not(self):
        self.start()
        self.refused()
        self.assertEqual(self.connect().execute("SELECT 1").fetchone(), (1,))

    def test_a_live_one_of_somebody_else_is_not(self):
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(self.path)
            other.listen()
            self.refused()
            self.assertTrue(os.path.exists(self.path))

    def test_what_is_no_socket_is_not(self):
        with open(self.path, "w") as file:
            file.write("important")
        self.refused()
        with open(self.path) as file:
            self.assertEqual(file.read(), "important")


if __name__ == "__main__":
    harness.main()
