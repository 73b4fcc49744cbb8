"""Replication connections: PostgreSQL's own tools work through the proxy, on a server connection of
their own that no pool counts and that ends with them."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

import harness
import wire as w
from harness import DIRECT, ServerCase, server_bin, wait_until

CONF = ("wal_level = logical", "max_wal_senders = 8", "max_replication_slots = 4")


class Replication(ServerCase):
    CONF = CONF
    SETUP = "CREATE TABLE t (id int PRIMARY KEY, name text); INSERT INTO t VALUES (1, 'one')"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        path = os.path.join(cls.server.data, "pg_hba.conf")
        with open(path, "a") as hba:
            hba.write("host replication all 127.0.0.1/32 trust\n")
        cls.truth.execute("SELECT pg_reload_conf()")

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="pgsidecar-test-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def tool(self, program, *arguments, **more):
        # Of a server's version, as its data is.
        return subprocess.Popen(
            [server_bin(program), "-h", "127.0.0.1", "-p", str(self.proxy.port), "-U", "postgres",
             *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "PGSSLMODE": "disable"}, **more)

    def run_tool(self, program, *arguments):
        with self.tool(program, *arguments) as process:
            said = process.communicate(timeout=120)[0]
            self.assertEqual(process.returncode, 0, said)
            return said

    def senders(self):
        return self.truth.execute("SELECT count(*) FROM pg_stat_replication").fetchone()[0]

    def tearDown(self):
        wait_until(lambda: self.senders() == 0, what="the walsenders to be gone")
        if not DIRECT:
            self.assertFalse([row for row in self.show("SERVERS")
                              if row["purpose"] == "replication"])

    def check_backup(self, *how):
        backup = os.path.join(self.directory, "backup")
        self.run_tool("pg_basebackup", "-D", backup, "--checkpoint=fast", "--no-sync", *how)
        self.assertTrue(os.path.exists(os.path.join(backup, "backup_label")))
        flags = ("--no-parse-wal",) if "none" in how else ()
        subprocess.run([server_bin("pg_verifybackup"), *flags, backup], check=True,
                       stdout=subprocess.DEVNULL)

    def test_base_backup_without_wal(self):
        self.check_backup("-X", "none")

    def test_base_backup_that_fetches_wal(self):
        self.check_backup("-X", "fetch")

    def test_base_backup_that_streams_wal(self):
        self.check_backup("-X", "stream")

    def test_receivewal(self):
        with self.tool("pg_receivewal", "-D", self.directory, "--no-loop", "--no-sync") as process:
            wait_until(lambda: self.senders() == 1, what="pg_receivewal to stream")
            if not DIRECT:
                self.assertIn("replication", repr(self.show("CLIENTS")))
            self.truth.execute("INSERT INTO t SELECT g, 'wal' FROM generate_series(100, 400) g")
            self.truth.execute("SELECT pg_switch_wal()")
            wait_until(lambda: any(re.fullmatch("[0-9A-F]{24}", name)
                                   for name in os.listdir(self.directory)),
                       what="a whole WAL file")
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0)

    def test_recvlogical(self):
        out = os.path.join(self.directory, "changes")
        self.run_tool("pg_recvlogical", "-d", "postgres", "--slot=s", "--create-slot",
                      "--plugin=test_decoding")
        with self.tool("pg_recvlogical", "-d", "postgres", "--slot=s", "--start", "-f", out,
                       "--no-loop", "--status-interval=1") as process:
            with harness.connect(self.proxy) as client:
                client.execute("UPDATE t SET name = 'two' WHERE id = 1")

            def received():
                if not os.path.exists(out):
                    return False
                with open(out) as file:
                    return "name[text]:'two'" in file.read()
            wait_until(received, what="the change to be received")
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
        self.run_tool("pg_recvlogical", "-d", "postgres", "--slot=s", "--drop-slot")

    def test_a_tool_that_is_killed_leaves_nothing(self):
        with self.tool("pg_receivewal", "-D", self.directory, "--no-loop") as process:
            wait_until(lambda: self.senders() == 1, what="pg_receivewal to stream")
            process.kill()
            process.communicate()

    def test_sql_on_a_logical_walsender(self):
        """psycopg as a replication client: what it asks goes to the server as it is."""
        for _ in range(2):
            connection = self.wire(replication="database")
            self.assertEqual(connection.query("SELECT name FROM t WHERE id < 0"), [])
            self.assertEqual(len(connection.query("IDENTIFY_SYSTEM")), 1)
            connection.close()

    def test_physical_takes_no_sql(self):
        connection = self.wire(replication="true")
        self.assertEqual(len(connection.query("IDENTIFY_SYSTEM")), 1)
        with self.assertRaises(w.ServerError) as refused:
            connection.query("SELECT 1")
        self.assertEqual(refused.exception.sqlstate, "0A000")
        connection.close()

    @unittest.skipIf(DIRECT, "about the proxy only")
    def test_the_end_does_not_wait_for_a_stream(self):
        proxy = harness.Proxy(self.server, "--drain-timeout", "1s")
        with subprocess.Popen(
                [server_bin("pg_receivewal"), "-h", "127.0.0.1", "-p", str(proxy.port), "-U",
                 "postgres", "-D", self.directory, "--no-loop"], stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, env={**os.environ, "PGSSLMODE": "disable"}) as process:
            wait_until(lambda: self.senders() == 1, what="pg_receivewal to stream")
            proxy.stop()
            process.wait(60)


if __name__ == "__main__":
    harness.main()
