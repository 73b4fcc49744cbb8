"""When it is true: isolation levels, own writes, savepoints, two-phase commit, races."""

import threading
import time

import psycopg

import harness
import wire as w
from harness import DIRECT, ServerCase

SETUP = """
CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL);
INSERT INTO t SELECT n, 0 FROM generate_series(1, 20) n;
CREATE TABLE counter (id int PRIMARY KEY, n bigint NOT NULL);
INSERT INTO counter SELECT n, 0 FROM generate_series(1, 4) n;
CREATE TABLE bystander (id int); INSERT INTO bystander VALUES (1);
"""
SUM = "SELECT sum(a) FROM t"


class Transactions(ServerCase):
    SETUP = SETUP

    def setUp(self):
        super().setUp()
        self.writer = self.client()
        self.writer.execute("UPDATE t SET a = 0")

    def value(self, client, sql=SUM):
        return client.execute(sql).fetchone()[0]

    # Isolation levels, cursors, failed transactions

    def test_repeatable_read_keeps_its_snapshot(self):
        for level in ("REPEATABLE READ", "SERIALIZABLE"):
            client = self.client()
            client.execute(f"BEGIN ISOLATION LEVEL {level}")
            before = self.value(client)
            self.writer.execute("UPDATE t SET a = a + 1 WHERE id = 1")
            other = self.client()
            for _ in range(2):
                self.assertEqual(self.value(other), before + 1)
            for _ in range(3):
                self.assertEqual(self.value(client), before, level)
            client.execute("COMMIT")
            self.assertEqual(self.value(client), before + 1)

    def test_what_an_old_snapshot_read_is_not_stored(self):
        client = self.client()
        client.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        self.value(client, "SELECT count(*) FROM bystander")
        self.writer.execute("UPDATE t SET a = a + 1 WHERE id = 1")
        expected = self.value(self.truth)
        self.assertEqual(self.value(client), expected - 1)
        for _ in range(3):
            self.assertEqual(self.value(self.client()), expected)
        client.execute("COMMIT")

    def test_isolation_by_every_way_of_saying_it(self):
        for begin in (["START TRANSACTION ISOLATION LEVEL REPEATABLE READ"],
                      ["BEGIN", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"],
                      ["SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                       "BEGIN"],
                      ["SET default_transaction_isolation = 'serializable'", "BEGIN"],
                      ["BEGIN", "SET transaction_isolation = 'repeatable read'"]):
            with self.subTest(begin):
                client = self.client()
                for text in begin:
                    client.execute(text)
                before = self.value(client)
                self.writer.execute("UPDATE t SET a = a + 1 WHERE id = 2")
                self.assertEqual(self.value(self.client()), before + 1)
                self.assertEqual(self.value(client), before)
                client.execute("ROLLBACK")
                client.close()

    def test_isolation_at_startup(self):
        client = self.client(options="-c default_transaction_isolation=repeatable\\ read")
        client.execute("BEGIN")
        before = self.value(client)
        self.writer.execute("UPDATE t SET a = a + 1 WHERE id = 2")
        self.assertEqual(self.value(self.client()), before + 1)
        self.assertEqual(self.value(client), before)
        client.execute("COMMIT")
        self.assertEqual(self.value(client), before + 1)

    def test_cursor_keeps_its_snapshot(self):
        client = self.client()
        client.execute("BEGIN; DECLARE c CURSOR FOR SELECT a FROM t ORDER BY id")
        self.writer.execute("UPDATE t SET a = 9")
        self.assertEqual(client.execute("FETCH ALL FROM c").fetchall(), [(0,)] * 20)
        self.assertEqual(self.value(client), 180)
        client.execute("COMMIT")

    def test_a_harmless_cursor_invalidates_nothing(self):
        reader, fetcher = self.client(), self.client()
        sql = "SELECT count(*) FROM t"
        self.fill(reader, sql)
        fetcher.execute("BEGIN; DECLARE harmless CURSOR FOR SELECT id FROM t")
        fetcher.execute("FETCH 2 FROM harmless")
        reader.execute(sql)
        self.assert_last(reader, "hit")
        fetcher.execute("COMMIT")

    def test_failed_transaction(self):
        client = self.client()
        self.fill(client, SUM)
        client.execute("BEGIN")
        with self.assertRaises(psycopg.errors.DivisionByZero):
            client.execute("SELECT 1/0")
        for _ in range(3):
            with self.assertRaises(psycopg.errors.InFailedSqlTransaction):
                client.execute(SUM)
        client.execute("ROLLBACK")
        self.assertEqual(self.value(client), 0)

    # A transaction's own writes

    def test_own_uncommitted_write(self):
        client, other = self.client(), self.client()
        self.fill(other, SUM)
        client.execute("BEGIN")
        client.execute("UPDATE t SET a = 5 WHERE id = 1")
        for _ in range(3):
            self.assertEqual(self.value(client), 5)
            self.assertEqual(self.value(other), 0)
        client.execute("COMMIT")
        for connection in (client, other):
            self.assertEqual(self.value(connection), 5)

    def test_own_write_rolled_back(self):
        client, other = self.client(), self.client()
        self.fill(other, SUM)
        client.execute("BEGIN")
        client.execute("UPDATE t SET a = 5 WHERE id = 1")
        self.assertEqual(self.value(client), 5)
        client.execute("ROLLBACK")
        for connection in (client, other):
            for _ in range(2):
                self.assertEqual(self.value(connection), 0)

    def test_savepoints(self):
        client, other = self.client(), self.client()
        client.execute("BEGIN")
        client.execute("UPDATE t SET a = 1 WHERE id = 1")
        client.execute("SAVEPOINT s")
        client.execute("UPDATE t SET a = 10 WHERE id = 2")
        self.assertEqual(self.value(client), 11)
        client.execute("ROLLBACK TO s")
        for _ in range(2):
            self.assertEqual(self.value(client), 1)
            self.assertEqual(self.value(other), 0)
        client.execute("UPDATE t SET a = 100 WHERE id = 3")
        client.execute("RELEASE s")
        client.execute("COMMIT")
        self.assertEqual(self.value(client), 101)
        self.assertEqual(self.value(other), 101)

    def test_read_before_the_write_in_the_same_transaction(self):
        client = self.client()
        self.fill(client, SUM)
        client.execute("BEGIN")
        for expected in (0, 0):
            self.assertEqual(self.value(client), expected)
        self.writer.execute("UPDATE t SET a = 3 WHERE id = 1")
        self.assertEqual(self.value(client), 3, "READ COMMITTED sees it at once")
        client.execute("COMMIT")

    # BEGIN's modifiers

    def test_modifiers_of_begin(self):
        client = self.client()
        self.fill(client, SUM)
        client.execute("BEGIN READ ONLY")
        self.assertEqual(self.value(client), 0)
        with self.assertRaises(psycopg.errors.ReadOnlySqlTransaction):
            client.execute("UPDATE t SET a = 1")
        client.execute("ROLLBACK")
        client.execute("BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE")
        self.assertEqual(client.execute("SHOW transaction_deferrable").fetchone(), ("on",))
        client.execute("COMMIT")
        client.execute("BEGIN")
        self.assertEqual(self.value(client), 0)
        with self.assertRaises(psycopg.errors.ActiveSqlTransaction):
            client.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        client.execute("ROLLBACK")
        client.execute("SET default_transaction_read_only = on")
        with self.assertRaises(psycopg.errors.ReadOnlySqlTransaction):
            client.execute("UPDATE t SET a = 1")

    def test_commit_and_chain(self):
        client = self.client()
        client.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        self.value(client)
        client.execute("COMMIT AND CHAIN")
        before = self.value(client)
        self.writer.execute("UPDATE t SET a = a + 1 WHERE id = 1")
        self.assertEqual(self.value(self.client()), before + 1)
        self.assertEqual(self.value(client), before)
        client.execute("COMMIT")

    # A writer that dies; two-phase commit

    def test_writer_vanishes_between_commit_and_answer(self):
        for attempt in range(10):
            reader = self.client()
            self.fill(reader, SUM)
            writer = self.wire()
            writer.query("BEGIN")
            writer.query(f"UPDATE t SET a = {attempt + 1} WHERE id = 1")
            writer.send(w.query("COMMIT"))
            writer.close()

            def settled():
                return self.truth.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle'"
                    " AND query ~ 'COMMIT|UPDATE' AND pid <> pg_backend_pid()").fetchone() == (0,)
            harness.wait_until(settled, what="the lost writer's backend to end")
            self.assertEqual(self.value(reader), self.value(self.truth))
            reader.close()

    def test_prepare_transaction(self):
        client, other = self.client(), self.client()
        for end, expected in (("ROLLBACK PREPARED 'x'", 0), ("COMMIT PREPARED 'x'", 7)):
            self.fill(other, SUM)
            client.execute("BEGIN")
            client.execute("UPDATE t SET a = 7 WHERE id = 1")
            client.execute("PREPARE TRANSACTION 'x'")
            for _ in range(2):
                self.assertEqual(self.value(other), 0)
                self.assertEqual(self.value(client), 0)
            other.execute(end)
            for _ in range(2):
                self.assertEqual(self.value(client), expected)
                self.assertEqual(self.value(other), expected)

    # Races

    def test_nobody_reads_older_than_what_was_acknowledged_or_seen(self):
        """Writers count up; every read, by anyone, is at least what was acknowledged and what
        anybody had read before that read began."""
        stop, failures = threading.Event(), []
        floor = {n: 0 for n in range(1, 5)}
        lock = threading.Lock()

        def raise_floor(key, value):
            with lock:
                floor[key] = max(floor[key], value)

        def write(key):
            with harness.connect(self.proxy) as client:
                value = 0
                while not stop.is_set():
                    value += 1
                    if value % 3:
                        client.execute(f"UPDATE counter SET n = {value} WHERE id = {key}")
                    else:
                        client.execute("BEGIN")
                        client.execute(f"UPDATE counter SET n = {value} WHERE id = {key}")
                        client.execute("COMMIT")
                    raise_floor(key, value)
                    time.sleep(0.003)

        def read(extended):
            with harness.wire(self.proxy) as client:
                key = 0
                while not stop.is_set():
                    key = key % 4 + 1
                    with lock:
                        least = floor[key]
                    if extended:
                        rows = client.extended("SELECT n FROM counter WHERE id = $1", [key])
                    else:
                        rows = client.query(f"SELECT n FROM counter WHERE id = {key}")
                    value = int(rows[0][0])
                    if value < least:
                        failures.append(f"counter {key}: read {value} after {least}")
                        stop.set()
                    raise_floor(key, value)

        def guarded(work, argument):
            try:
                work(argument)
            except BaseException as error:
                failures.append(repr(error))
                stop.set()

        threads = [threading.Thread(target=guarded, args=(write, key)) for key in range(1, 5)]
        threads += [threading.Thread(target=guarded, args=(read, n % 2 == 0)) for n in range(6)]
        for thread in threads:
            thread.start()
        stop.wait(6)
        stop.set()
        for thread in threads:
            thread.join(20)
        self.assertEqual(failures, [])

    def test_fill_race_with_a_slow_reader(self):
        """The reader's snapshot is taken, the writer commits, the old rows arrive: not stored."""
        slow = "SELECT sum(a), count(pg_sleep(0)) FROM t"
        heavy = ("SELECT (SELECT sum(a) FROM t), count(*) FROM t, generate_series(1, 400000) g"
                 " WHERE t.id + g > 0")
        for sql in (slow, heavy):
            answers = []

            def read():
                with harness.connect(self.proxy) as client:
                    answers.append(client.execute(sql).fetchone()[0])

            before = self.value(self.truth)
            thread = threading.Thread(target=read)
            thread.start()
            time.sleep(0.2)
            self.writer.execute("UPDATE t SET a = a + 1 WHERE id = 1")
            thread.join(60)
            self.assertIn(answers[0], (before, before + 1))
            for _ in range(2):
                self.assertEqual(self.client().execute(sql).fetchone()[0], before + 1)

    # Single-flight

    def test_many_ask_the_same_at_once(self):
        sql = "SELECT count(*) FROM t, generate_series(1, 200000) g WHERE t.id + g > 0"
        answers = []

        def read():
            with harness.connect(self.proxy) as client:
                answers.append(client.execute(sql).fetchone()[0])

        threads = [threading.Thread(target=read) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(answers, [4_000_000] * 8)

    def test_leader_fails_or_vanishes(self):
        sql = "SELECT count(*) FROM t, generate_series(1, 600000) g WHERE t.id + g > 1"
        for how in ("cancel", "disconnect"):
            leader = self.wire()
            leader.send(w.query(sql))
            time.sleep(0.1)
            answers = []

            def follow():
                with harness.connect(self.proxy) as client:
                    answers.append(client.execute(sql).fetchone()[0])

            thread = threading.Thread(target=follow)
            thread.start()
            time.sleep(0.1)
            if how == "cancel":
                w.cancel(self.proxy.port, leader.backend_key)
                leader.read_until_ready()
            leader.close()
            thread.join(60)
            self.assertEqual(answers, [12_000_000], how)
            self.writer.execute("UPDATE t SET a = a WHERE id = 1")

    def test_write_between_leader_and_follower(self):
        sql = ("SELECT (SELECT sum(a) FROM t), count(*) FROM t, generate_series(1, 400000) g"
               " WHERE t.id + g > 2")
        leader = self.wire()
        leader.timeout = 60
        leader.send(w.query(sql))
        time.sleep(0.1)
        self.writer.execute("UPDATE t SET a = 40 WHERE id = 4")
        self.assertEqual(self.client().execute(sql).fetchone()[0], 40)
        leader.read_until_ready()
        self.assertEqual(self.client().execute(sql).fetchone()[0], 40)


if __name__ == "__main__":
    harness.main()
