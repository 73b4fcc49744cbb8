"""Several workers: clients are dealt evenly, and nobody can tell on whose loop a client or a server
connection lives: leases, cancel requests, invalidation, settings and the end reach across."""

import collections
import contextlib
import random
import signal
import subprocess
import threading
import time
import unittest

import harness
import wire as w
from harness import DIRECT, PATIENCE_S, Proxy, ServerCase, connect, wait_until, wire

WORKERS = 3
FEW_SERVERS = 5

SETUP = """
CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL);
INSERT INTO t SELECT g, 0 FROM generate_series(1, 20) g;
CREATE TABLE wide (id int PRIMARY KEY, filler text);
INSERT INTO wide SELECT g, repeat(chr(96 + g), 200000) FROM generate_series(1, 8) g;
CREATE TABLE copied (a text);
"""


@unittest.skipIf(DIRECT, "about the proxy's own loops")
class WorkersCase(ServerCase):
    # A login takes a server connection of its own: no more at a time than the server lets in.
    FLAGS = ("--sole-writer", "--workers", str(WORKERS), "--default-pool-size", str(FEW_SERVERS),
             "--max-server-connections", "40")
    SETUP = SETUP

    def on_workers(self, count=WORKERS, **more):
        """Clients of which each is on another worker, in the order of the workers."""
        clients = {}
        for _ in range(3 * count):
            client = self.wire(application_name=f"probe-{random.random()}", **more)
            clients.setdefault(self.worker_of(client), client)
            if len(clients) == count:
                return [clients[worker] for worker in sorted(clients)]
        raise AssertionError(f"clients on the workers {sorted(clients)} only")

    def worker_of(self, client):
        name = client.query("SHOW application_name")[0][0]
        (row,) = [row for row in self.show("CLIENTS") if row["application_name"] == name]
        return int(row["worker"])


class WorkersTest(WorkersCase):
    def test_clients_are_dealt_evenly(self):
        clients = [self.wire(application_name=f"dealt-{n}") for n in range(4 * WORKERS)]
        counts = collections.Counter(row["worker"] for row in self.show("CLIENTS")
                                     if row["user"] == "postgres" and row["state"] == "active")
        self.assertEqual(len(counts), WORKERS, counts)
        self.assertLessEqual(max(counts.values()) - min(counts.values()), 1, counts)
        # Those of one worker go, and the next ones fill the gap.
        going = [client for client in clients if self.worker_of(client) == 1]
        for client in going:
            client.close()
        wait_until(lambda: int(self.show("WORKERS")[1]["clients"]) <= 1, what="the clients to go")
        for _ in going:
            self.wire()
        by_worker = [int(row["clients"]) for row in self.show("WORKERS")]
        self.assertLessEqual(max(by_worker) - min(by_worker), 1, by_worker)

    def test_workers_are_shown_and_their_time_counted(self):
        for client in self.on_workers():
            for _ in range(50):
                client.query("SELECT a FROM t WHERE id = 1")
        rows = self.show("WORKERS")
        self.assertEqual([row["worker"] for row in rows], [str(n) for n in range(WORKERS)])
        wait_until(lambda: all(int(row["processor_microseconds"]) > 0
                               for row in self.show("WORKERS")), what="processor time")
        (setting,) = [row for row in self.show("CONFIG") if row["key"] == "workers"]
        self.assertEqual(setting["value"], str(WORKERS))

    def test_a_write_is_seen_at_once_on_every_worker(self):
        clients = self.on_workers()
        wait_until(lambda: self.show("DATABASES")[0]["cache_usable"] == "yes",
                   what="the catalog to be read again, after what other tests have changed")
        for round_number in range(1, 60):
            writer = clients[round_number % WORKERS]
            writer.query(f"UPDATE t SET a = {round_number} WHERE id = 1")
            for client in clients:
                self.assertEqual(client.query("SELECT a FROM t WHERE id = 1"),
                                 [[str(round_number)]])
                self.assertEqual(client.query("SELECT a FROM t WHERE id = 1"),
                                 [[str(round_number)]])
                self.assertEqual(client.last(), "hit")

    def test_a_table_that_changes_is_seen_at_once_on_every_worker(self):
        clients = self.on_workers()
        clients[0].query("CREATE TABLE changing (a int)")
        for round_number in range(1, 6):
            clients[round_number % WORKERS].query(
                f"ALTER TABLE changing ADD COLUMN c{round_number} int")
            for client in clients:
                client.send(w.query("SELECT * FROM changing"))
                description = client.read_until_ready()[0]
                self.assertIn(f"c{round_number}\0".encode(), description[1])

    def test_a_server_connection_is_leased_wherever_it_idles(self):
        with contextlib.ExitStack() as stack:
            proxy = Proxy(self.server, "--sole-writer", "--workers", "2", "--default-pool-size", "1",
                          "--cache", "off")
            stack.callback(proxy.stop)
            pair = [stack.enter_context(wire(proxy)) for _ in range(2)]
            for number in range(20):
                client = pair[number % 2]
                client.query("BEGIN")
                client.query(f"UPDATE t SET a = {number} WHERE id = 2")
                client.query("COMMIT")
                self.assertEqual(pair[(number + 1) % 2].query("SELECT a FROM t WHERE id = 2"),
                                 [[str(number)]])
            with connect(proxy, dbname="pgsidecar") as console:
                clients = console.execute("SHOW WORKERS").fetchall()
                self.assertEqual([row[1] for row in clients], ["2", "1"])
                servers = [row for row in console.execute("SHOW SERVERS").fetchall()
                           if "pool" in row]
                self.assertEqual(len(servers), 1)

    def test_large_answers_and_requests_cross_workers(self):
        proxy = Proxy(self.server, "--workers", "2", "--default-pool-size", "1", "--cache", "off",
                      "--client-buffer-bytes", "32768", "--server-buffer-bytes", "32768")
        self.addCleanup(proxy.stop)
        pair = [wire(proxy), wire(proxy)]
        for client in pair:
            self.addCleanup(client.close)
        for client in (*pair, *pair):
            rows = client.query("SELECT filler FROM wide ORDER BY id")
            self.assertEqual([len(row[0]) for row in rows], [200000] * 8)
            self.assertEqual("".join(row[0][0] for row in rows), "abcdefgh")
            self.assertEqual(client.extended("SELECT length($1)", ["x" * 900_000]), [["900000"]])
            client.query("TRUNCATE copied")
            client.send(w.query("COPY copied FROM STDIN"))
            self.assertEqual(client.read_message()[0], b"G")
            for _ in range(40):
                client.send(w.copy_data(b"y" * 50_000 + b"\n"))
            client.send(w.COPY_DONE)
            client.read_until_ready()
            self.assertEqual(client.query("SELECT sum(length(a)) FROM copied"), [["2000000"]])

    def test_a_client_that_reads_late_gets_every_pipelined_hit(self):
        """More answers than may be buffered: what is behind them in the pipeline goes on when they
        have been written, though the client sends nothing more."""
        client = self.wire()
        question = "SELECT filler FROM wide WHERE id = 3"
        self.assertEqual(client.query(question), [["c" * 200000]])
        self.assertEqual(client.query(question), [["c" * 200000]])
        self.assertEqual(client.last(), "hit")
        count = 60
        client.send(*[w.query(question)] * count)
        time.sleep(0.5)  # until the sockets between us are full
        for _ in range(count):
            self.assertEqual(client.rows(client.read_until_ready()), [["c" * 200000]])

    def test_a_cancel_request_crosses_workers(self):
        for sleeper in self.on_workers():
            errors = []

            def sleep(client=sleeper):
                try:
                    client.timeout = PATIENCE_S
                    client.query("SELECT pg_sleep(60)")
                except w.ServerError as error:
                    errors.append(error.sqlstate)

            thread = threading.Thread(target=sleep)
            thread.start()
            wait_until(lambda: self.truth.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'"
                " AND state = 'active'").fetchone()[0], what="the query to run")
            w.cancel(self.proxy.port, sleeper.backend_key)
            thread.join(PATIENCE_S)
            self.assertEqual(errors, ["57014"])
            self.assertEqual(sleeper.query("SELECT 1"), [["1"]])

    def test_settings_stay_with_their_client(self):
        clients = self.on_workers()
        for number, client in enumerate(clients):
            client.query(f"SET work_mem = '{number + 7}MB'")
        for _ in range(10):
            for number, client in enumerate(clients):
                self.assertEqual(client.query("SHOW work_mem"), [[f"{number + 7}MB"]])

    def test_killed_server_connections_are_replaced(self):
        for _ in range(5):
            for client in self.on_workers():
                client.query("UPDATE t SET a = a + 1 WHERE id = 4")
            self.truth.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                               " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
            wait_until(self.answers_everywhere, what="answers")

    def answers_everywhere(self):
        """Whose query was under way when its server connection was lost has been ended with it; the
        next one is not."""
        try:
            return all(client.query("SELECT 17") == [["17"]] for client in self.on_workers())
        except (w.ServerError, w.ConnectionClosed):
            return False


class ManyClientsTest(WorkersCase):
    def test_many_clients_come_and_go_over_few_server_connections(self):
        """200 clients at a time, each adding to a row of its own and reading it back, now and then
        in a transaction, now and then vanishing in one."""
        self.truth.execute("CREATE TABLE counters (id int PRIMARY KEY, a int NOT NULL);"
                           "INSERT INTO counters SELECT g, 0 FROM generate_series(1, 200) g")
        failures = []
        expected = [0] * 201

        def live(number):
            dice = random.Random(number)
            try:
                for _ in range(3):
                    client = wire(self.proxy)
                    client.timeout = 2 * PATIENCE_S
                    for _ in range(4):
                        if dice.random() < 0.3:
                            client.query("BEGIN")
                            client.query(f"UPDATE counters SET a = a + 1 WHERE id = {number}")
                            client.query("COMMIT")
                        else:
                            client.query(f"UPDATE counters SET a = a + 1 WHERE id = {number}")
                        expected[number] += 1
                        for _ in range(2):
                            seen = client.query(f"SELECT a FROM counters WHERE id = {number}")
                            if seen != [[str(expected[number])]]:
                                failures.append((number, seen, expected[number]))
                    if dice.random() < 0.3:
                        client.query("BEGIN")
                        client.query(f"UPDATE counters SET a = -1 WHERE id = {number}")
                    client.close()
            except Exception as error:  # noqa: BLE001 - reported below
                failures.append((number, error))

        threads = [threading.Thread(target=live, args=(number,)) for number in range(1, 201)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        found = self.truth.execute("SELECT a FROM counters ORDER BY id").fetchall()
        self.assertEqual([a for (a,) in found], expected[1:])
        pools = [row for row in self.show("POOLS") if row["user"] == "postgres"]
        self.assertLessEqual(max(int(row["sv_total"]) for row in pools), FEW_SERVERS)
        wait_until(lambda: int(self.figures()["clients"]) <= 2, what="the clients to be gone")
        self.assertEqual(sum(int(row["clients"]) for row in self.show("WORKERS")), 1)


@unittest.skipIf(DIRECT, "about the proxy's own loops")
class EndTest(ServerCase):
    def proxy_of(self, workers):
        proxy = Proxy(self.server, "--workers", str(workers), "--drain-timeout", "60s")
        return proxy.wait_for_catalog()

    def clients_of(self, proxy, count):
        clients = [wire(proxy) for _ in range(count)]
        for client in clients:
            self.addCleanup(client.close)
        return clients

    def test_draining_ends_the_clients_of_every_worker(self):
        proxy = self.proxy_of(4)
        clients = self.clients_of(proxy, 12)
        busy = clients[5]
        busy.query("BEGIN")
        busy.query("SELECT 1")
        proxy.process.send_signal(signal.SIGTERM)
        for client in clients:
            if client is not busy:
                client.read_until_closed()
        self.assertTrue(proxy.alive())  # the transaction may end
        busy.query("COMMIT")
        busy.read_until_closed()
        proxy.process.wait(PATIENCE_S)
        proxy.stop()

    def test_asked_twice_it_ends_at_once_on_every_worker(self):
        proxy = self.proxy_of(4)
        clients = self.clients_of(proxy, 8)
        for client in clients:
            client.query("BEGIN")
            client.query("SELECT 1")
        proxy.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "draining" in proxy.stderr(), what="the drain")
        proxy.process.send_signal(signal.SIGTERM)
        for client in clients:
            kinds = [kind for kind, _ in client.read_until_closed()]
            self.assertIn(b"E", kinds)
        proxy.process.wait(PATIENCE_S)
        proxy.stop()

    def test_zero_workers_are_as_many_as_processors(self):
        proxy = self.proxy_of(0)
        with connect(proxy, dbname="pgsidecar") as console:
            shown = len(console.execute("SHOW WORKERS").fetchall())
        self.assertEqual(shown, int(subprocess.run(["nproc"], check=True, capture_output=True,
                                                   text=True).stdout))
        proxy.stop()

    def test_a_number_of_workers_out_of_range_is_refused(self):
        done = subprocess.run([harness.BINARY, "--upstream", self.server.url(), "--workers", "65"],
                              capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 2)
        self.assertIn("workers", done.stderr)


if __name__ == "__main__":
    harness.main()
