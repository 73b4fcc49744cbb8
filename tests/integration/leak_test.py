"""Session state between clients that share very few server connections: what one of them has made
is never felt by another, also when it was made inside a function, and when its maker vanishes."""

import time
import unittest

import psycopg

import harness
import wire as w
from harness import DIRECT, ServerCase

SETUP = """
CREATE TABLE t (id serial PRIMARY KEY, a int);
INSERT INTO t (a) VALUES (1);
CREATE TABLE other_seq (id serial PRIMARY KEY, a int);
SELECT setval('other_seq_id_seq', 1000);
CREATE ROLE weak LOGIN; GRANT SELECT ON t TO weak;
CREATE FUNCTION sets() RETURNS void LANGUAGE plpgsql AS $$BEGIN PERFORM set_config('app.x', 'leaked', false); SET work_mem = '9MB'; END$$;
CREATE FUNCTION locks() RETURNS void LANGUAGE plpgsql AS $$BEGIN PERFORM pg_advisory_lock(77); END$$;
CREATE FUNCTION temps() RETURNS void LANGUAGE plpgsql AS $$BEGIN CREATE TEMP TABLE hidden (a int); END$$;
CREATE FUNCTION seeds() RETURNS void LANGUAGE plpgsql AS $$BEGIN PERFORM setseed(0.5); END$$;
CREATE FUNCTION listens() RETURNS void LANGUAGE plpgsql AS $$BEGIN LISTEN leak; END$$;
CREATE FUNCTION adds() RETURNS int LANGUAGE plpgsql AS $$BEGIN INSERT INTO t (a) VALUES (2); RETURN 1; END$$;
"""

# What a client does, and what another must then find as if it had not.
STATES = {
    "setting": ("SET work_mem = '9MB'", "SHOW work_mem", "4MB"),
    "setting by set_config": ("SELECT set_config('work_mem', '9MB', false)", "SHOW work_mem", "4MB"),
    "setting within a function": ("SELECT sets()", "SHOW work_mem", "4MB"),
    "setting within DO": ("DO $$BEGIN SET work_mem = '9MB'; END$$", "SHOW work_mem", "4MB"),
    "setting by UPDATE of a view": ("UPDATE pg_settings SET setting = '9216' WHERE name = 'work_mem'",
                                    "SHOW work_mem", "4MB"),
    "custom setting": ("SET app.x = 'leaked'", "SELECT current_setting('app.x', true)", None),
    "custom setting within a function": ("SELECT sets()", "SELECT current_setting('app.x', true)",
                                         None),
    "role": ("SET ROLE weak", "SELECT current_user::text", "postgres"),
    "session authorization": ("SET SESSION AUTHORIZATION weak", "SELECT session_user::text",
                              "postgres"),
    "default isolation": ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
                          "SHOW transaction_read_only", "off"),
    "search_path": ("SET search_path = nowhere", "SHOW search_path", '"$user", public'),
    "time zone": ("SET TIME ZONE 'Asia/Tokyo'", "SHOW TimeZone", "UTC"),
    "names": ("SET NAMES 'LATIN1'", "SHOW client_encoding", "UTF8"),
    "temporary table": ("CREATE TEMP TABLE hidden (a int)", "SELECT to_regclass('hidden')::text",
                        None),
    "temporary table by CTAS": ("CREATE TEMP TABLE hidden AS SELECT 1",
                                "SELECT to_regclass('hidden')::text", None),
    "temporary table by SELECT INTO": ("SELECT 1 AS a INTO TEMP hidden",
                                       "SELECT to_regclass('hidden')::text", None),
    "table in pg_temp": ("CREATE TABLE pg_temp.hidden (a int)",
                         "SELECT to_regclass('hidden')::text", None),
    "temporary table within a function": ("SELECT temps()", "SELECT to_regclass('hidden')::text",
                                          None),
    "temporary view": ("CREATE TEMP VIEW hidden AS SELECT 1", "SELECT to_regclass('hidden')::text",
                       None),
    "temporary function": ("CREATE FUNCTION pg_temp.hf() RETURNS int LANGUAGE sql AS 'SELECT 1'",
                           "SELECT count(*)::text FROM pg_proc WHERE proname = 'hf' AND"
                           " pronamespace = pg_my_temp_schema()", "0"),
    "prepared statement": ("PREPARE p AS SELECT 1",
                           "SELECT count(*)::text FROM pg_prepared_statements WHERE from_sql", "0"),
    "cursor WITH HOLD": ("DECLARE c CURSOR WITH HOLD FOR SELECT 1",
                         "SELECT count(*)::text FROM pg_cursors WHERE name = 'c'", "0"),
    "advisory lock": ("SELECT pg_advisory_lock(77)",
                      "SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND"
                      " pid = pg_backend_pid()", "0"),
    "advisory lock within a function": ("SELECT locks()",
                                        "SELECT count(*)::text FROM pg_locks WHERE"
                                        " locktype = 'advisory' AND pid = pg_backend_pid()", "0"),
    "LISTEN behind a RESET": ("RESET ALL; LISTEN leak",
                              "SELECT count(*)::text FROM pg_listening_channels()", "0"),
    "temporary table behind a RESET": ("RESET TimeZone; CREATE TEMP TABLE hidden (a int)",
                                       "SELECT to_regclass('hidden')::text", None),
    "LISTEN": ("LISTEN leak", "SELECT count(*)::text FROM pg_listening_channels()", "0"),
    "LISTEN within a function": ("SELECT listens()",
                                 "SELECT count(*)::text FROM pg_listening_channels()", "0"),
    "replication role": ("SET session_replication_role = replica", "SHOW session_replication_role",
                         "origin"),
    "constraints": ("SET statement_timeout = '1ms'", "SHOW statement_timeout", "0"),
}
IN_TRANSACTION = {
    "open transaction": ("BEGIN", "SELECT now() = statement_timestamp()", True),
    "failed transaction": ("BEGIN; SELECT 1/0", "SELECT 1", 1),
    "row lock": ("BEGIN; UPDATE t SET a = 5 WHERE id = 1", "SELECT a FROM t WHERE id = 1", 1),
    "SET LOCAL": ("BEGIN; SET LOCAL work_mem = '9MB'", "SHOW work_mem", "4MB"),
}


class Leaks(ServerCase):
    SETUP = SETUP
    FLAGS = ("--sole-writer", "--default-pool-size", "2")

    def read(self, client, sql):
        return client.execute(sql).fetchone()[0]

    def tolerant(self, client, text):
        try:
            client.execute(text)
        except psycopg.errors.DivisionByZero:
            pass

    def test_while_the_maker_is_there(self):
        for name, (make, look, expected) in {**STATES, **IN_TRANSACTION}.items():
            with self.subTest(name):
                maker = harness.connect(self.proxy)
                self.tolerant(maker, make)
                for _ in range(2):
                    with harness.connect(self.proxy) as other:
                        self.assertEqual(self.read(other, look), expected)
                maker.close()

    def test_after_the_maker_said_goodbye(self):
        for name, (make, look, expected) in {**STATES, **IN_TRANSACTION}.items():
            with self.subTest(name):
                maker = harness.connect(self.proxy)
                self.tolerant(maker, make)
                maker.close()
                others = [harness.connect(self.proxy) for _ in range(2)]
                for other in others:
                    self.assertEqual(self.read(other, look), expected)
                for other in others:
                    other.close()

    def test_after_the_maker_vanished(self):
        for name, (make, look, expected) in {**STATES, **IN_TRANSACTION}.items():
            with self.subTest(name):
                maker = harness.wire(self.proxy)
                maker.send(w.query(make))
                maker.read_until_ready()
                maker.socket.close()
                others = [harness.connect(self.proxy) for _ in range(2)]
                for other in others:
                    self.assertEqual(self.read(other, look), expected)
                for other in others:
                    other.close()

    def test_the_maker_keeps_what_it_made(self):
        """Others use the pool in between; the session's own state is still there."""
        kept = {
            "SET work_mem = '9MB'": ("SHOW work_mem", "9MB"),
            "SET app.x = 'mine'": ("SELECT current_setting('app.x')", "mine"),
            "CREATE TEMP TABLE mine AS SELECT 5 AS a": ("SELECT a FROM mine", 5),
            "PREPARE p AS SELECT 6": ("EXECUTE p", 6),
            "DECLARE c CURSOR WITH HOLD FOR SELECT 7": ("FETCH c", 7),
            "SELECT pg_advisory_lock(78)": ("SELECT pg_advisory_unlock(78)", True),
            "SELECT sets()": ("SHOW work_mem", "9MB"),
            "SET ROLE weak": ("SELECT current_user::text", "weak"),
        }
        for make, (look, expected) in kept.items():
            with self.subTest(make), harness.connect(self.proxy) as maker:
                maker.execute(make)
                for _ in range(3):
                    with harness.connect(self.proxy) as other:
                        other.execute("SELECT random()")
                self.assertEqual(self.read(maker, look), expected)

    def test_sequences(self):
        first, second = self.client(), self.client()
        for _ in range(3):
            first.execute("INSERT INTO t (a) VALUES (3)")
            mine = self.read(first, "SELECT max(id) FROM t")
            with harness.connect(self.proxy) as passing:
                passing.execute("INSERT INTO other_seq (a) VALUES (1)")
            self.assertEqual(self.read(first, "SELECT lastval()"), mine)
            self.assertEqual(self.read(first, "SELECT currval('t_id_seq')"), mine)
        with self.assertRaises(psycopg.errors.ObjectNotInPrerequisiteState):
            second.execute("SELECT lastval()")

    def test_sequence_used_within_a_function(self):
        first, second = self.client(), self.client()
        first.execute("SELECT adds()")
        self.assertEqual(self.read(first, "SELECT lastval()"), self.read(first, "SELECT max(id) FROM t"))
        with self.assertRaises(psycopg.errors.ObjectNotInPrerequisiteState):
            second.execute("SELECT lastval()")

    def test_prepared_statements_of_the_protocol(self):
        """One name, two clients, two texts; on two server connections, in turns."""
        clients = [self.wire() for _ in range(4)]
        for number, client in enumerate(clients):
            client.send(w.parse(f"SELECT {number}, $1::int, random() < 2", "s"), w.SYNC)
            client.read_until_ready()
        for _ in range(3):
            for number, client in enumerate(clients):
                client.send(w.bind([7], "s"), w.execute(), w.SYNC)
                self.assertEqual(client.rows(client.read_until_ready()), [[str(number), "7", "t"]])
        clients[0].send(w.close(b"S", "s"), w.SYNC)
        clients[0].read_until_ready()
        clients[1].send(w.bind([8], "s"), w.execute(), w.SYNC)
        self.assertEqual(clients[1].rows(clients[1].read_until_ready()), [["1", "8", "t"]])
        fresh = self.wire()
        fresh.send(w.bind([8], "s"), w.execute(), w.SYNC)
        with self.assertRaises(w.ServerError) as unknown:
            fresh.rows(fresh.read_until_ready())
        self.assertEqual(unknown.exception.sqlstate, "26000")

    @unittest.skipIf(DIRECT, "the server itself does not look for a client that is gone")
    def test_vanished_in_the_middle_of_a_query(self):
        for _ in range(4):
            client = self.wire()
            client.send(w.query("BEGIN; UPDATE t SET a = 9 WHERE id = 1; SELECT pg_sleep(60)"))
            time.sleep(0.1)
            client.close()
        with harness.connect(self.proxy) as other:
            self.assertEqual(other.execute("SELECT a FROM t WHERE id = 1").fetchone(), (1,))
            other.execute("UPDATE t SET a = 1 WHERE id = 1")

        def cancelled():
            return self.truth.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%'"
                " AND state = 'active' AND pid <> pg_backend_pid()").fetchone() == (0,)
        harness.wait_until(cancelled, what="the queries of vanished clients to be cancelled")

    def test_vanished_in_the_middle_of_copy(self):
        client = self.wire()
        client.send(w.query("COPY t (a) FROM STDIN"))
        self.assertEqual(client.read_message()[0], b"G")
        client.send(w.copy_data(b"1\n2\n"))
        before = self.truth.execute("SELECT count(*) FROM t").fetchone()[0]
        client.close()
        with harness.connect(self.proxy) as other:
            for _ in range(2):
                self.assertEqual(self.read(other, "SELECT count(*) FROM t"), before)

    def test_users_do_not_share_connections(self):
        with harness.connect(self.proxy) as admin:
            admin.execute("SELECT random()")
        with harness.connect(self.proxy, user="weak") as weak:
            self.assertEqual(self.read(weak, "SELECT current_user::text"), "weak")
            with self.assertRaises(psycopg.errors.InsufficientPrivilege):
                weak.execute("UPDATE t SET a = 6")

    def test_startup_settings_do_not_leak(self):
        with harness.connect(self.proxy, options="-c work_mem=9MB") as client:
            self.assertEqual(self.read(client, "SHOW work_mem"), "9MB")
        with harness.connect(self.proxy) as client:
            self.assertEqual(self.read(client, "SHOW work_mem"), "4MB")
        with harness.connect(self.proxy, application_name="one") as client:
            self.assertEqual(self.read(client, "SHOW application_name"), "one")
        with harness.connect(self.proxy, application_name="two") as client:
            self.assertEqual(self.read(client, "SHOW application_name"), "two")


class OneConnection(Leaks):
    """The same with a single server connection for all, so that everything is shared in turn. A
    client that pins it keeps the others waiting: only what makes room again is run."""

    FLAGS = ("--sole-writer", "--default-pool-size", "1")

    test_while_the_maker_is_there = None
    test_the_maker_keeps_what_it_made = None
    test_sequences = None
    test_sequence_used_within_a_function = None

    def test_after_the_maker_said_goodbye(self):
        for name, (make, look, expected) in {**STATES, **IN_TRANSACTION}.items():
            with self.subTest(name):
                maker = harness.connect(self.proxy)
                self.tolerant(maker, make)
                maker.close()
                with harness.connect(self.proxy) as other:
                    self.assertEqual(self.read(other, look), expected)

    def test_after_the_maker_vanished(self):
        for name, (make, look, expected) in {**STATES, **IN_TRANSACTION}.items():
            with self.subTest(name):
                maker = harness.wire(self.proxy)
                maker.send(w.query(make))
                maker.read_until_ready()
                maker.close()
                with harness.connect(self.proxy) as other:
                    self.assertEqual(self.read(other, look), expected)


if __name__ == "__main__":
    harness.main()
