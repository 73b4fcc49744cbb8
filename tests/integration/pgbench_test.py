"""pgbench's TPC-B by 8 clients while 8 others read, in each of its protocols; then the sums."""

import os
import subprocess
import tempfile

import harness
from harness import ServerCase

SUMS = {
    "accounts": "SELECT sum(abalance) FROM pgbench_accounts",
    "tellers": "SELECT sum(tbalance) FROM pgbench_tellers",
    "branches": "SELECT sum(bbalance) FROM pgbench_branches",
    "history": "SELECT coalesce(sum(delta), 0) FROM pgbench_history",
}
# Reads that hit until a writer moves what they depend on, and that check what they read: in every
# snapshot the tellers' and the branches' balances have the same sum. Wrong ones divide by zero.
READ = r"""
\set aid random(1, 500)
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
SELECT 1 / (sum(t.tbalance) = (SELECT sum(bbalance) FROM pgbench_branches))::int
  FROM pgbench_tellers t;
SELECT count(*) FROM pgbench_branches;
"""


class Pgbench(ServerCase):
    SECONDS = 4

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pgbench_once(cls.server, "-i", "-s", "2", "-q")
        cls.proxy.stop()
        cls.proxy = harness.Proxy(cls.server, *cls.FLAGS)
        cls.addClassCleanup(cls.proxy.stop)
        cls.proxy.wait_for_catalog()

    @staticmethod
    def start(target, *arguments):
        return subprocess.Popen(
            ["pgbench", *arguments, "-h", "127.0.0.1", "-p", str(target.port), "-U", "postgres",
             "postgres"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "PGSSLMODE": "disable"})

    @classmethod
    def pgbench_once(cls, target, *arguments):
        process = cls.start(target, *arguments)
        said, _ = process.communicate(timeout=120)
        if process.returncode != 0:
            raise AssertionError(said)

    def run_mode(self, mode):
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
            script.write(READ)
            script.flush()
            common = ("-n", "-M", mode, "-c", "8", "-T", str(self.SECONDS))
            writers = self.start(self.proxy, *common)
            readers = self.start(self.proxy, *common, "-f", script.name)
            for process in (writers, readers):
                try:
                    said, _ = process.communicate(timeout=self.SECONDS + 60)
                except subprocess.TimeoutExpired:
                    process.kill()
                    raise
                self.assertEqual(process.returncode, 0, said)
                self.assertNotIn("ERROR", said)
                self.assertNotIn("aborted", said)
        client = self.client()
        sums = {}
        for name, sql in SUMS.items():
            sums[name] = self.truth.execute(sql).fetchone()[0]
            for _ in range(2):
                self.assertEqual(client.execute(sql).fetchone()[0], sums[name], name)
        self.assertEqual(len(set(sums.values())), 1, sums)
        self.assertGreater(self.truth.execute("SELECT count(*) FROM pgbench_history").fetchone()[0],
                           0)

    def test_simple(self):
        self.run_mode("simple")

    def test_extended(self):
        self.run_mode("extended")

    def test_prepared(self):
        self.run_mode("prepared")

    def test_initialisation_through_the_proxy(self):
        self.pgbench_once(self.proxy, "-i", "-s", "1", "-q", "--foreign-keys")
        client = self.client()
        for _ in range(2):
            self.assertEqual(client.execute("SELECT count(*) FROM pgbench_accounts").fetchone(),
                             (100000,))


class Verified(Pgbench):
    """The same with every would-be hit compared with what the server says."""

    FLAGS = (*Pgbench.FLAGS, "--cache", "verify")
    SECONDS = 2

    def tearDown(self):
        super().tearDown()
        self.assert_verified()


if __name__ == "__main__":
    harness.main()
