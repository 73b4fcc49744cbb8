"""The protocol at its corners: what PostgreSQL answers to a run of messages, the proxy answers,
byte for byte, with the cache cold and warm."""

import struct
import threading
import time

import harness
import wire as w
from harness import DIRECT, ServerCase

SETUP = """
CREATE TABLE item (id int PRIMARY KEY, name text);
INSERT INTO item SELECT n, 'item ' || n FROM generate_series(1, 30) n;
CREATE TABLE sink (a int, b text);
CREATE FUNCTION loud() RETURNS int LANGUAGE plpgsql AS $$
BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two'; RETURN 3; END $$;
"""
ONE = "SELECT name FROM item WHERE id = 1"
BY_ID = "SELECT name FROM item WHERE id = $1"


def whole(sql, values=(), **more):
    """The usual four messages before a Sync."""
    return [w.parse(sql), w.bind(values, **more), w.describe(), w.execute()]


def without_source(kind, body):
    """An error says in which file, line and routine of the server it was raised; what the proxy
    answers itself has none of these."""
    if kind in b"EN":
        body = b"\0".join(field for field in body.split(b"\0") if field[:1] not in b"FLR")
    return kind, body


class Protocol(ServerCase):
    SETUP = SETUP

    def setUp(self):
        super().setUp()
        self.direct = harness.wire(self.server)
        self.addCleanup(self.direct.close)
        self.proxied = self.wire()

    def answers(self, connection, messages, readies):
        connection.send(*messages)
        return [without_source(*message) for _ in range(readies)
                for message in connection.read_until_ready()]

    def assert_same(self, *messages, readies=1, rounds=3):
        """The server's answer to the run, and the proxy's to the same, cold and warm."""
        expected = self.answers(self.direct, messages, readies)
        for attempt in range(rounds):
            self.assertEqual(self.answers(self.proxied, messages, readies), expected,
                             f"round {attempt}")
        return expected

    def warm(self, *texts):
        client = self.client()
        for sql in texts:
            self.fill(client, sql)
        for _ in range(2):
            self.proxied.extended(ONE)
            for number in (1, 2, 3):
                self.proxied.extended(BY_ID, [number])

    # Order of replies

    def test_hits_between_forwarded_queries(self):
        self.warm()
        self.assert_same(
            *whole(BY_ID, [1]), *whole("SELECT pg_sleep(0.05), 1"), *whole(BY_ID, [2]),
            *whole("SELECT random() < 2"), *whole(BY_ID, [3]), w.SYNC)

    def test_each_with_its_own_sync(self):
        self.warm()
        run = []
        for number in (1, 2, 3):
            run += [*whole(BY_ID, [number]), w.SYNC, *whole("SELECT pg_sleep(0.01), 1"), w.SYNC]
        self.assert_same(*run, readies=6)

    def test_simple_queries_sent_together(self):
        self.warm(ONE)
        self.assert_same(w.query(ONE), w.query("SELECT pg_sleep(0.05)"), w.query(ONE),
                         w.query("SELECT 1/0"), w.query(ONE), readies=5)

    def test_parse_error_with_hits_behind_it(self):
        self.warm()
        said = self.assert_same(*whole(BY_ID, [1]), w.parse("SELEC"), *whole(BY_ID, [2]),
                                *whole(BY_ID, [3]), w.SYNC, *whole(BY_ID, [2]), w.SYNC, readies=2)
        self.assertEqual(w.kinds(said), "12TDCEZ12TDCZ")

    def test_execute_error_then_skip_to_sync(self):
        self.warm()
        self.assert_same(*whole("SELECT 1/(id-1) FROM item"), *whole(BY_ID, [1]), w.SYNC)
        self.assert_same(*whole(BY_ID, [1]), w.bind(["x"], name="no such"), *whole(BY_ID, [2]),
                         w.SYNC)
        self.assert_same(*whole(BY_ID, ["not a number"]), *whole(BY_ID, [2]), w.SYNC)

    def test_flush_in_place_of_sync(self):
        self.warm()
        for connection in (self.direct, self.proxied):
            connection.send(*whole(BY_ID, [1]), w.FLUSH)
            said = [connection.read_message()[0] for _ in range(5)]
            self.assertEqual(b"".join(said), b"12TDC")
            connection.send(*whole(BY_ID, [2]), w.FLUSH)
            said = [connection.read_message() for _ in range(5)]
            self.assertEqual(w.row(said[3][1]), [b"item 2"])
            connection.send(w.SYNC)
            self.assertEqual(connection.read_message(), (b"Z", b"I"))

    def test_several_syncs(self):
        self.assert_same(w.SYNC, w.SYNC, *whole(BY_ID, [1]), w.SYNC, w.SYNC, readies=4)

    def test_byte_by_byte(self):
        self.warm()
        run = b"".join([*whole(BY_ID, [1]), w.SYNC, w.query(ONE), *whole("SELECT 2"), w.SYNC])
        expected = self.answers(self.direct, [run], 3)
        for position in range(len(run)):
            self.proxied.send(run[position : position + 1])
        got = self.answers(self.proxied, [], 3)
        self.assertEqual(got, expected)

    # Portals and statements

    def test_close_and_bind_again(self):
        self.assert_same(
            w.parse(BY_ID, "s", [23]), w.bind([1], "s", "p"), w.describe(b"P", "p"),
            w.execute("p"), w.close(b"P", "p"), w.bind([2], "s", "p"), w.execute("p"),
            w.close(b"P", "p"), w.close(b"S", "s"), w.close(b"S", "never there"), w.SYNC)

    def test_portal_name_in_use(self):
        self.assert_same(w.parse(BY_ID), w.bind([1], portal="p"), w.bind([2], portal="p"), w.SYNC)

    def test_execute_twice(self):
        self.assert_same(*whole(BY_ID, [1]), w.execute(), w.SYNC)

    def test_unnamed_statement_replaced(self):
        self.assert_same(w.parse(BY_ID), w.bind([1]), w.parse("SELECT 2"), w.execute(), w.bind(),
                         w.execute(), w.SYNC)

    def test_statement_survives_sync_and_other_clients(self):
        for connection in (self.direct, self.proxied):
            connection.send(w.parse(BY_ID, "mine"), w.SYNC)
            connection.read_until_ready()
        with self.wire() as other:
            other.send(w.parse("SELECT 'theirs', $1::text", "mine"), w.SYNC)
            other.read_until_ready()
            for number in (1, 2, 1):
                self.assert_same(w.bind([number], "mine"), w.describe(), w.execute(), w.SYNC)
                other.send(w.bind([number], "mine"), w.execute(), w.SYNC)
                self.assertEqual(other.rows(other.read_until_ready()), [["theirs", str(number)]])

    def test_statement_name_in_use_and_unknown(self):
        self.assert_same(w.parse("SELECT 1", "twice"), w.parse("SELECT 2", "twice"), w.SYNC,
                         w.close(b"S", "twice"), w.SYNC, readies=2)
        self.assert_same(w.bind(name="unknown"), w.execute(), w.SYNC)
        self.assert_same(w.describe(b"S", "unknown"), w.SYNC)
        self.assert_same(w.execute("unknown"), w.SYNC)

    def test_failed_parse_leaves_no_statement(self):
        self.assert_same(w.parse("SELECT * FROM nowhere", "bad"), w.SYNC, w.bind(name="bad"),
                         w.execute(), w.SYNC, w.parse("SELECT 5", "bad"), w.SYNC,
                         w.bind(name="bad"), w.execute(), w.close(b"S", "bad"), w.SYNC, readies=4)

    def test_statement_parsed_in_an_aborted_run_is_not_there(self):
        self.assert_same(w.parse("SELEC"), w.parse("SELECT 1", "skipped"), w.SYNC,
                         w.bind(name="skipped"), w.execute(), w.SYNC, readies=2)

    def test_describe_without_execute(self):
        self.warm()
        self.assert_same(w.parse(BY_ID, types=[23]), w.describe(b"S"), w.SYNC)
        self.assert_same(w.parse(BY_ID), w.bind([1]), w.describe(), w.SYNC)
        self.assert_same(w.parse("INSERT INTO sink VALUES ($1, $2)"), w.describe(b"S"), w.SYNC)

    def test_execute_without_describe(self):
        self.warm()
        self.assert_same(w.parse(BY_ID), w.bind([1]), w.execute(), w.SYNC)

    def test_row_limited_execute(self):
        sql = "SELECT id FROM item ORDER BY id"
        self.assert_same(w.parse(sql), w.bind(), w.describe(), w.execute(limit=7),
                         w.execute(limit=7), w.execute(), w.SYNC)
        self.assert_same(w.parse(sql), w.bind(), w.execute(limit=1000), w.SYNC)
        self.assertEqual(len(self.proxied.extended(sql)), 30)
        self.assert_same(w.parse(sql), w.bind(), w.execute(limit=3), w.SYNC)
        self.assertEqual(len(self.proxied.extended(sql)), 30)

    def test_two_portals_in_turn(self):
        sql = "SELECT id FROM item ORDER BY id"
        self.assert_same(
            w.query("BEGIN"), w.parse(sql, "s"), w.bind(name="s", portal="a"),
            w.bind(name="s", portal="b"), w.execute("a", 2), w.execute("b", 3), w.execute("a", 2),
            w.SYNC, w.execute("b", 1), w.SYNC, w.close(b"S", "s"), w.SYNC, w.query("COMMIT"),
            readies=5)

    def test_deallocate(self):
        for connection in (self.direct, self.proxied):
            connection.send(w.parse("SELECT 1", "d1"), w.parse("SELECT 2", "d2"), w.SYNC)
            connection.read_until_ready()
        for messages in ([w.query("DEALLOCATE d1")], [w.bind(name="d1"), w.execute(), w.SYNC],
                         [w.bind(name="d2"), w.execute(), w.SYNC], [w.query("DEALLOCATE ALL")],
                         [w.bind(name="d2"), w.execute(), w.SYNC]):
            self.assert_same(*messages, rounds=1)

    def test_discard_all(self):
        for connection in (self.direct, self.proxied):
            connection.query("SET work_mem = '5MB'")
            connection.send(w.parse("SELECT 1", "gone"), w.SYNC)
            connection.read_until_ready()
            connection.query("DISCARD ALL")
            self.assertEqual(connection.query("SHOW work_mem"), [["4MB"]])
        self.assert_same(w.bind(name="gone"), w.execute(), w.SYNC, rounds=1)

    # Other messages

    def test_function_call(self):
        (oid,) = self.truth.execute("SELECT 'int4pl(int4,int4)'::regprocedure::oid").fetchone()
        said = self.assert_same(w.function_call(oid, [20, 22]))
        self.assertEqual(said[0], (b"V", struct.pack("!i", 2) + b"42"))
        self.assert_same(w.function_call(1, [1]))

    def test_empty_query(self):
        self.assert_same(w.query(""), w.query(" ; -- nothing\n"), readies=2)
        self.assert_same(w.parse(""), w.bind(), w.describe(), w.execute(), w.SYNC)

    def test_multi_statement(self):
        self.warm(ONE)
        self.assert_same(w.query(f"{ONE}; SELECT 1; {ONE}"))
        self.assert_same(w.query(f"{ONE}; SELECT 1/0; {ONE}"))
        self.assert_same(w.parse(f"{ONE}; {ONE}"), w.SYNC)
        self.assert_same(w.query("BEGIN; SELECT 1; COMMIT"), w.query(ONE), readies=2)

    def test_notices_in_order(self):
        self.assert_same(*whole("SELECT loud()"), w.SYNC, w.query("SELECT loud()"), readies=2)

    def test_copy_in_and_out(self):
        self.assert_same(w.query("COPY (SELECT * FROM item ORDER BY id) TO STDOUT"))
        for finish, ends in (((w.COPY_DONE,), "C"), ((w.copy_fail("enough"),), "E")):
            for connection in (self.direct, self.proxied):
                connection.send(w.query("COPY sink FROM STDIN"))
                self.assertEqual(connection.read_message()[0], b"G")
                connection.send(w.copy_data(b"1\tone\n2\tt"), w.copy_data(b"wo\n"), *finish)
                self.assertEqual(w.kinds(connection.read_until_ready()), ends + "Z")
        self.assertEqual(self.proxied.query("SELECT count(*) FROM sink"), [["4"]])
        self.proxied.query("TRUNCATE sink")

    def test_copy_failing_midway(self):
        """The server's error comes while the client is still sending; what follows is skipped."""
        for connection in (self.direct, self.proxied):
            connection.send(w.query("COPY sink FROM STDIN"))
            self.assertEqual(connection.read_message()[0], b"G")
            connection.send(w.copy_data(b"not a number\tx\n"))
            time.sleep(0.1)
            connection.send(*[w.copy_data(b"1\tx\n")] * 2000, w.COPY_DONE)
            said = connection.read_until_ready()
            self.assertEqual(w.kinds(said), "EZ")
            self.assertEqual(connection.query(ONE), [["item 1"]])
        self.assertEqual(self.proxied.query("SELECT count(*) FROM sink"), [["0"]])

    def test_copy_in_the_extended_protocol(self):
        for connection in (self.direct, self.proxied):
            connection.send(w.parse("COPY sink FROM STDIN"), w.bind(), w.execute(), w.SYNC)
            said = [connection.read_message()[0] for _ in range(3)]
            self.assertEqual(said, [b"1", b"2", b"G"])
            connection.send(w.copy_data(b"7\tx\n"), w.COPY_DONE, w.SYNC)
            self.assertEqual(w.kinds(connection.read_until_ready()), "CZ")
        self.proxied.query("TRUNCATE sink")

    def test_transaction_status(self):
        self.warm(ONE)
        for sql in ("BEGIN", ONE, "SELECT 1/0", ONE, "ROLLBACK", ONE):
            self.assert_same(w.query(sql), rounds=1)

    def test_extended_pipeline_is_one_transaction(self):
        self.assert_same(
            *whole("INSERT INTO sink VALUES (1, 'a')"), *whole("SELECT count(*) FROM sink"),
            *whole("SELECT 1/0"), w.SYNC, *whole("SELECT count(*) FROM sink"), w.SYNC, readies=2)

    # Cancel

    def test_what_is_never_synced_is_not_committed(self):
        """A client that goes before its Sync has asked for no commit."""
        update = [w.parse("UPDATE item SET name = 'changed' WHERE id = 30"), w.bind(), w.execute()]
        before = self.truth.execute("SELECT name FROM item WHERE id = 30").fetchone()
        for end in (w.FLUSH, w.TERMINATE, w.message(b"?")):
            client = self.wire()
            client.query("SELECT 1")
            pid = client.query("SELECT pg_backend_pid()")[0][0]
            client.send(*update, end)
            if end == w.FLUSH:
                for _ in update:
                    client.read_message()
            client.close()
            harness.wait_until(lambda pid=pid: self.truth.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND state <> 'idle'",
                [pid]).fetchone() == (0,), what="the end of what the client has left")
            self.assertEqual(
                self.truth.execute("SELECT name FROM item WHERE id = 30").fetchone(), before)
        if not DIRECT:
            console = self.wire(database="pgsidecar")
            harness.wait_until(lambda: ["active", "query"] not in
                               [row[5:7] for row in console.query("SHOW CLIENTS")],
                               what="the end of the sessions")

    def test_cancel_reaches_the_query(self):
        self.proxied.send(w.query("SELECT pg_sleep(20)"))
        time.sleep(0.3)
        started = time.monotonic()
        w.cancel(self.proxy.port, self.proxied.backend_key)
        said = self.proxied.read_until_ready()
        self.assertLess(time.monotonic() - started, 10)
        self.assertEqual(w.error_fields(said[0][1] if said[0][0] == b"E" else said[1][1])["C"],
                         "57014")
        self.assertEqual(self.proxied.query(ONE), [["item 1"]])

    def test_cancel_of_nothing_harms_nobody(self):
        victims = [self.wire() for _ in range(3)]
        done = []

        def run(victim):
            done.append(victim.query("SELECT pg_sleep(0.8)::text, 1"))

        threads = [threading.Thread(target=run, args=[victim]) for victim in victims]
        self.proxied.query(ONE)
        for thread in threads:
            thread.start()
        for _ in range(20):
            w.cancel(self.proxy.port, self.proxied.backend_key)
            w.cancel(self.proxy.port, struct.pack("!ii", 1, 2))
            time.sleep(0.02)
        for thread in threads:
            thread.join()
        self.assertEqual(done, [[["", "1"]]] * 3)
        self.assertEqual(self.proxied.query(ONE), [["item 1"]])

    # Start-up

    def test_ssl_and_gss_requests_are_declined(self):
        if DIRECT:
            self.skipTest("the server's own answer may differ")
        with w.Wire(self.proxy.port) as connection:
            for request in (w.SSL_REQUEST, w.GSSENC_REQUEST):
                connection.send(request)
                self.assertEqual(connection.read_exactly(1), b"N")
            connection.start("postgres", "postgres")
            self.assertEqual(connection.query(ONE), [["item 1"]])

    def test_newer_minor_version_is_negotiated(self):
        with w.Wire(self.proxy.port) as connection:
            connection.send(w.startup_packet(
                {"user": "postgres", "database": "postgres", "_pq_.unknown": "1"},
                version=196608 + 9))
            kind, body = connection.read_message()
            self.assertEqual(kind, b"v")
            self.assertIn(b"_pq_.unknown\0", body)
            connection.authenticate("postgres", None)
            self.assertEqual(connection.query(ONE), [["item 1"]])

    def test_startup_parameters_reach_the_server(self):
        with self.wire(application_name="a name", options="-c work_mem=7MB -c app.x=y") as client:
            self.assertEqual(client.query("SHOW application_name"), [["a name"]])
            self.assertEqual(client.query("SHOW work_mem"), [["7MB"]])
            self.assertEqual(client.query("SELECT current_setting('app.x')"), [["y"]])

    def test_login_looks_like_the_servers(self):
        mine = {name: value for name, value in self.proxied.parameters.items()}
        self.assertEqual(mine, self.direct.parameters)
        self.assertEqual(len(self.proxied.backend_key), 8)


if __name__ == "__main__":
    harness.main()
