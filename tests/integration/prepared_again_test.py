"""A statement that its session prepared on one server connection and runs on another, under names
that mean something else there: it says what PostgreSQL says."""

import time

import harness
import wire as w
from harness import DIRECT, ServerCase

SETUP = """
CREATE SCHEMA alike CREATE TABLE item (a int);
CREATE SCHEMA unlike CREATE TABLE item (a text, b text);
CREATE SCHEMA real CREATE TABLE item (a real);
CREATE TABLE item (a int);
CREATE TABLE only_once (a int PRIMARY KEY);
INSERT INTO item VALUES (1);
INSERT INTO alike.item VALUES (2);
INSERT INTO unlike.item VALUES ('3', '3');
"""
RUN = (w.bind(name="s"), w.describe(), w.execute(), w.SYNC)


class PreparedAgainTest(ServerCase):
    SETUP = SETUP
    FLAGS = ("--default-pool-size", "8")

    def prepared(self, sql="SELECT * FROM item"):
        """A session that has prepared a statement on a server connection which it does not get again."""
        client = self.wire()
        client.send(w.parse(sql, "s"), w.SYNC)
        client.read_until_ready()
        self.move(client)
        return client

    def move(self, client):
        """Somebody else keeps the server connection that the client has used last."""
        pid = client.query("SELECT pg_backend_pid()")
        self.keep(pid)
        if not DIRECT:
            self.assertNotEqual(client.query("SELECT pg_backend_pid()"), pid)

    def keep(self, pid):
        others = []
        while not others or others[-1].query("SELECT pg_backend_pid()") != pid:
            others.append(self.wire())
            others[-1].query("BEGIN")
            others[-1].query("INSERT INTO item SELECT 1 WHERE false")
        for other in others[:-1]:
            other.query("ROLLBACK")

    def test_the_unnamed_statement_is_refused_each_time(self):
        client = self.wire()
        client.send(w.parse("SET search_path = unlike", "set"), w.SYNC)
        client.read_until_ready()
        pid = client.query("SELECT pg_backend_pid()")
        client.send(w.parse("SELECT * FROM item"), w.describe(b"S", ""), w.SYNC)
        self.assertEqual(w.kinds(client.read_until_ready()), "1tTZ")
        if not DIRECT:
            self.keep(pid)
        client.send(w.bind(name="set"), w.execute(), w.SYNC)
        self.assertEqual(w.kinds(client.read_until_ready()), "2CZ")
        for _ in range(3):
            client.send(w.bind(), w.execute(), w.SYNC)
            with self.assertRaises(w.ServerError) as refused:
                client.rows(client.read_until_ready())
            self.assertEqual(refused.exception.sqlstate, "0A000")

    def test_a_notice_comes_once(self):
        client = self.wire()
        pid = client.query("SELECT pg_backend_pid()")
        client.query("SET standard_conforming_strings = off")
        client.send(w.parse("SELECT 'a\\\\b' FROM item", "s"), w.SYNC)
        self.assertIn(b"N", [kind for kind, _ in client.read_until_ready()])
        self.keep(pid)
        client.send(w.describe(b"S", "s"), w.SYNC)
        self.assertEqual("".join(kind.decode() for kind, _ in client.read_until_ready()), "tTZ")

    def test_a_backslash_means_what_it_meant(self):
        """A text is not prepared again where it would be read in another way, nor is what others have
        prepared under it taken for it."""
        sql = "SELECT '\\x0102'::bytea FROM item WHERE false UNION SELECT '\\x0102'::bytea"
        client, other = self.prepared(sql), self.wire()
        self.assertEqual(self.run_it(client), [["\\x0102"]])
        pid = client.query("SELECT pg_backend_pid()")
        client.query("SET standard_conforming_strings = off")
        if not DIRECT:
            self.keep(pid)
            self.assertEqual(self.run_it(client), "0A000")
        other.query("SET standard_conforming_strings = off")
        other.send(w.parse(sql, "s"), *RUN)
        self.assertEqual(other.rows(other.read_until_ready()), [["\\x013032"]])
        third = self.wire()
        third.send(w.parse(sql, "s"), *RUN)
        self.assertEqual(third.rows(third.read_until_ready()), [["\\x0102"]])
        client.query("SET standard_conforming_strings = on")
        self.assertEqual(self.run_it(client), [["\\x0102"]])

    def test_what_is_read_in_another_way_is_not_cached(self):
        sql = "SELECT '\\x0304'::bytea"
        client, other = self.wire(), self.wire()
        client.query("SET standard_conforming_strings = off")
        client.send(w.parse(sql, "s"), w.SYNC)
        client.read_until_ready()
        client.query("RESET standard_conforming_strings")
        for _ in range(3):
            self.assertEqual(self.run_it(client), [["\\x033034"]])
        other.send(w.parse(sql, "s"), *RUN)
        self.assertEqual(other.rows(other.read_until_ready()), [["\\x0304"]])
        self.assertEqual(self.run_it(client), [["\\x033034"]])

    def run_it(self, client):
        client.send(*RUN)
        try:
            return client.rows(client.read_until_ready())
        except w.ServerError as refused:
            return refused.sqlstate

    def test_another_table_of_the_same_shape(self):
        client = self.prepared()
        client.query("SET search_path = alike")
        self.assertEqual(self.run_it(client), [["2"]])
        client.query("SET search_path = public")
        self.assertEqual(self.run_it(client), [["1"]])

    def test_another_shape_is_refused_as_long_as_it_is_meant(self):
        client = self.prepared()
        client.query("SET search_path = unlike")
        for _ in range(2):
            self.assertEqual(self.run_it(client), "0A000")
        client.query("SET search_path = public")
        self.assertEqual(self.run_it(client), [["1"]])
        client.query("SET search_path = alike")
        self.assertEqual(self.run_it(client), [["2"]])
        client.query("SET search_path = unlike")
        self.assertEqual(self.run_it(client), "0A000")

    def test_what_a_refused_statement_has_done_is_undone(self):
        """It runs before it is known that it is another than the client was told."""
        for sql in ("SELECT * FROM item", "INSERT INTO item SELECT * FROM item RETURNING *"):
            client = self.prepared(sql)
            client.query("SET search_path = unlike")
            before = client.query("SELECT count(*) FROM unlike.item")
            client.query("BEGIN")
            self.assertEqual(self.run_it(client), "0A000", sql)
            with self.assertRaises(w.ServerError) as failed:
                client.query("SELECT 1")
            self.assertEqual(failed.exception.sqlstate, "25P02", sql)
            client.send(w.query("COMMIT"))
            self.assertIn((b"C", b"ROLLBACK\0"), client.read_until_ready(), sql)
            self.assertEqual(self.run_it(client), "0A000", sql)  # in no transaction
            self.assertEqual(client.query("SELECT count(*) FROM unlike.item"), before, sql)

    def test_what_stands_behind_a_refused_statement_does_not_happen(self):
        client = self.prepared()
        client.send(w.parse("INSERT INTO item VALUES (7)", "i"), w.SYNC)
        client.read_until_ready()
        client.query("SET search_path = unlike, public")
        client.query("BEGIN")
        behind = (w.bind(name="s"), w.execute(), w.parse("SELECT 1", "later"), w.bind(name="i"),
                  w.execute(), w.close(b"S", "i"), w.SYNC)
        client.send(*behind, w.query("SELECT 2"), w.query("ROLLBACK"))
        messages = client.read_until_ready()
        self.assertEqual(w.kinds(messages), "EZ")
        self.assertEqual(messages[-1][1], b"E")
        self.assertEqual(w.kinds(client.read_until_ready()), "EZ")
        self.assertEqual(client.read_until_ready()[-1], (b"Z", b"I"))
        self.assertEqual(client.query("SELECT count(*) FROM public.item WHERE a = 7"),
                         client.query("SELECT count(*) FROM public.item WHERE false"))
        client.send(w.bind(name="i"), w.SYNC)  # it has not been closed
        self.assertEqual(w.kinds(client.read_until_ready()), "2Z")
        client.send(w.bind(name="later"), w.SYNC)  # and this not prepared
        with self.assertRaises(w.ServerError) as missing:
            client.rows(client.read_until_ready())
        self.assertEqual(missing.exception.sqlstate, "26000")

    def test_what_writes_outside_of_a_transaction(self):
        """It is run in the same write, and committed once it is known to be what it was."""
        for schema, sql in (("unlike", "INSERT INTO item SELECT * FROM item RETURNING *"),
                            ("alike", "INSERT INTO item VALUES (5) RETURNING *")):
            client = self.prepared(sql)
            client.query(f"SET search_path = {schema}")
            rows = client.query("SELECT count(*) FROM item")
            for _ in range(2):
                self.assertEqual(self.run_it(client), [["5"]] if schema == "alike" else "0A000")
            added = 2 if schema == "alike" else 0
            self.assertEqual(client.query("SELECT count(*) FROM item"),
                             [[str(int(rows[0][0]) + added)]])

    def test_an_error_of_its_own_while_its_sync_is_held_back(self):
        client = self.prepared("INSERT INTO only_once VALUES ($1) RETURNING a")
        for sqlstate in (None, "23505"):
            client.send(w.bind(["1"], name="s"), w.execute(), w.SYNC, w.query("SELECT 3"))
            messages = client.read_until_ready()
            if sqlstate is None:
                self.assertEqual(w.kinds(messages), "2DCZ")
                self.assertEqual(client.rows(client.read_until_ready()), [["3"]])
                self.move(client)
                continue
            self.assertEqual(w.kinds(messages), "2EZ")
            self.assertEqual(w.ServerError(messages[-2][1]).sqlstate, sqlstate)
            self.assertEqual(client.rows(client.read_until_ready()), [["3"]])

    SLOW = "INSERT INTO only_once SELECT $1::int + length(pg_sleep(0.5)::text) RETURNING a"

    def test_a_cancel_while_its_sync_is_held_back(self):
        client = self.prepared(self.SLOW)
        client.send(w.bind(["100"], name="s"), w.execute(), w.SYNC)
        time.sleep(0.1)
        w.cancel((self.server if DIRECT else self.proxy).port, client.backend_key)
        with self.assertRaises(w.ServerError) as cancelled:
            client.rows(client.read_until_ready())
        self.assertEqual(cancelled.exception.sqlstate, "57014")
        self.assertEqual(client.query("SELECT count(*) FROM only_once WHERE a >= 100"), [["0"]])

    def test_a_client_that_vanishes_while_its_sync_is_held_back(self):
        for pause in (0, 0.01, 0.1):
            client = self.prepared(self.SLOW)
            client.send(w.bind(["200"], name="s"), w.execute(), w.SYNC)
            time.sleep(pause)
            client.close()
        time.sleep(0.7)
        other = self.wire()
        self.assertEqual(other.query("SELECT count(*) FROM only_once WHERE a >= 200"), [["0"]])
        self.assertEqual(other.query("SELECT 1"), [["1"]])

    def test_what_came_before_it_in_its_batch_is_undone(self):
        client = self.prepared()
        client.query("SET search_path = unlike, public")
        client.send(w.parse("INSERT INTO public.item VALUES (8)"), w.bind(), w.execute(), w.FLUSH)
        for kind in (b"1", b"2", b"C"):
            self.assertEqual(client.read_message()[0], kind)
        client.send(w.bind(name="s"), w.execute(), w.SYNC)
        self.assertEqual(w.kinds(client.read_until_ready()), "EZ")
        self.assertEqual(client.query("SELECT count(*) FROM public.item WHERE a = 8"), [["0"]])

    def test_a_flush_behind_it(self):
        client = self.prepared()
        client.query("SET search_path = unlike")
        client.query("BEGIN")
        client.send(w.bind(name="s"), w.execute(), w.FLUSH)
        self.assertEqual(client.read_message()[0], b"E")
        client.send(w.parse("SELECT 1"), w.bind(), w.execute(), w.SYNC)
        self.assertEqual(client.read_until_ready(), [(b"Z", b"E")])
        client.query("ROLLBACK")

    def test_it_is_described(self):
        client = self.prepared()
        client.query("SET search_path = unlike")
        client.send(w.describe(b"S", "s"), w.SYNC)
        with self.assertRaises(w.ServerError) as refused:
            client.rows(client.read_until_ready())
        self.assertEqual(refused.exception.sqlstate, "0A000")

    def test_parameters_keep_their_types(self):
        """As where PostgreSQL plans again: they were inferred once."""
        client = self.prepared("INSERT INTO item VALUES ($1)")
        client.query("SET search_path = real")
        value = (7).to_bytes(4, "big")  # of an integer; the column is a real
        for _ in range(2):
            client.send(w.bind([value], name="s", formats=[1]), w.execute(), w.SYNC)
            self.assertEqual(w.kinds(client.read_until_ready()), "2CZ")
        self.assertEqual(client.query("SELECT a FROM real.item"), [["7"], ["7"]])


if __name__ == "__main__":
    harness.main()
