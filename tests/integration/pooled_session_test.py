"""A session's state goes with it from one server connection to another, or holds it to one for just
as long as the state is there. Few server connections, many clients, in turns."""

import contextlib
import random

import psycopg

import harness
import wire as w
from harness import ServerCase

SETUP = """
CREATE TABLE t (id serial PRIMARY KEY, a int);
INSERT INTO t (a) SELECT generate_series(1, 5);
CREATE TABLE u (id serial PRIMARY KEY, a int);
CREATE SCHEMA other; CREATE TABLE other.t (id int PRIMARY KEY, a int);
INSERT INTO other.t VALUES (1, 100);
CREATE ROLE weak LOGIN; GRANT SELECT ON t TO weak;
CREATE ROLE app LOGIN; GRANT weak TO app; GRANT ALL ON ALL TABLES IN SCHEMA public TO app;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app;
"""


class Pooled(ServerCase):
    SETUP = SETUP
    FLAGS = ("--sole-writer", "--default-pool-size", "2")

    def value(self, client, sql, *parameters):
        return client.execute(sql, parameters).fetchone()[0]

    def pins(self):
        return [row["pinned_because"] for row in self.show("CLIENTS") if row["pinned_because"]]

    def churn(self):
        """Others come, take whatever is free, and go."""
        for _ in range(3):
            with harness.connect(self.proxy) as other:
                self.value(other, "SELECT random()")

    def pid(self, client):
        return self.value(client, "SELECT pg_backend_pid()")


class Settings(Pooled):
    LOOK = "SELECT current_setting('work_mem'), current_setting('TimeZone'), current_setting('search_path')"

    def test_many_sessions_with_settings_of_their_own_over_two_connections(self):
        """In a random order, in and out of transactions; nobody ever finds another's."""
        dice = random.Random(7)
        mine = {}
        clients = [self.client() for _ in range(6)]
        for number, client in enumerate(clients):
            mine[client] = {"work_mem": f"{number + 1}MB", "TimeZone": ["UTC", "Asia/Tokyo"][number % 2],
                            "search_path": ["public", "other"][number % 3 == 0], "app.who": str(number)}
            for name, value in mine[client].items():
                self.value(client, f"SELECT set_config('{name}', %s, false)", value)
        for _ in range(120):
            client = dice.choice(clients)
            found = {name: self.value(client, "SELECT current_setting(%s) || CASE WHEN random() < 2 THEN '' END", name)
                     for name in mine[client]}
            self.assertEqual(found, mine[client])
            self.assertEqual(self.value(client, "SELECT a FROM t WHERE id = 1"),
                             100 if mine[client]["search_path"] == "other" else 1)
            if dice.random() < 0.3:
                name = dice.choice(["work_mem", "app.who"])
                value = f"{dice.randint(1, 90)}MB"
                if dice.random() < 0.5:
                    client.execute(f"SET {name} = '{value}'")
                    mine[client][name] = value
                else:
                    client.execute(f"BEGIN; SET {name} = '{value}'; ROLLBACK")
        self.assertEqual(self.pins(), [])
        self.assertGreater(self.figures()["settings_replays_total"], 0)

    def test_role_and_session_authorization_follow(self):
        first, second = self.client(user="app"), self.client(user="app")
        first.execute("SET ROLE weak")
        for _ in range(4):
            self.assertEqual(self.value(second, "SELECT current_user::text"), "app")
            self.assertEqual(self.value(first, "SELECT current_user::text"), "weak")
            with self.assertRaises(psycopg.errors.InsufficientPrivilege):
                first.execute("DELETE FROM t WHERE id = 77")
            second.execute("DELETE FROM t WHERE id = 77")
        admin, plain = self.client(), self.client()
        admin.execute("SET SESSION AUTHORIZATION app")
        admin.execute("SET work_mem = '7MB'")
        self.churn()
        self.assertEqual(self.value(admin, "SELECT session_user::text"), "app")
        self.assertEqual(self.value(admin, "SHOW work_mem"), "7MB")
        self.assertEqual(self.value(plain, "SELECT session_user::text"), "postgres")
        admin.execute("RESET SESSION AUTHORIZATION")
        self.assertEqual(self.value(admin, "SELECT session_user::text"), "postgres")

    def test_a_custom_setting_does_not_exist_for_who_has_never_set_it(self):
        setter = self.client()
        setter.execute("SET app.hidden = 'x'")
        setter.execute("RESET app.hidden")
        for _ in range(4):
            with harness.connect(self.proxy) as other:
                self.assertIsNone(self.value(other, "SELECT current_setting('app.hidden', true)"))
            self.assertEqual(self.value(setter, "SELECT current_setting('app.hidden', true)"), "")
        setter.close()
        with harness.connect(self.proxy) as other:
            self.assertIsNone(self.value(other, "SELECT current_setting('app.hidden', true)"))

    def test_reported_settings_are_told_once_and_truly(self):
        first, second = self.client(), self.client()
        first.execute("SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'")
        self.churn()
        self.assertEqual(first.info.parameter_status("TimeZone"), "Asia/Tokyo")
        self.assertEqual(self.value(second, "SELECT right(now()::text, 3)"), "+00")
        self.assertEqual(second.info.parameter_status("TimeZone"), "UTC")
        self.assertEqual(self.value(first, "SELECT to_date('2020-02-01', 'YYYY-MM-DD')::text"), "01.02.2020")
        self.assertEqual(first.info.parameter_status("DateStyle"), "German, DMY")

    def test_what_cannot_be_set_again_keeps_the_connection(self):
        client = self.client()
        pid = self.pid(client)
        client.execute("SET seed = 0.5")
        self.assertEqual(self.pins(), ["setting"])
        self.churn()
        self.assertEqual(self.pid(client), pid)

    def test_a_role_that_is_gone_meanwhile_is_told(self):
        self.truth.execute("CREATE ROLE passing; GRANT passing TO app")
        clients = [self.client(user="app") for _ in range(3)]
        clients[0].execute("SET ROLE passing")
        for client in clients[1:]:
            client.execute("SELECT random()")
        clients[1].execute("BEGIN; SELECT random()")  # they hold both connections by turns
        clients[2].execute("BEGIN; SELECT random()")
        for client in clients[1:]:
            client.execute("COMMIT")
        self.truth.execute("DROP ROLE passing")
        try:
            seen = self.value(clients[0], "SELECT current_user::text || CASE WHEN random() < 2 THEN '' END")
        except psycopg.Error as error:
            seen = error
        # Either its own connection was still there (PostgreSQL itself goes on under the OID of a
        # role that is gone), or it is told. What it must not be is somebody else.
        self.assertNotEqual(seen, "app")


class OneConnection(Pooled):
    """Each statement finds the settings of the session before it."""

    FLAGS = ("--sole-writer", "--default-pool-size", "1")

    def test_what_the_server_holds_to_be_no_news_is_news_to_the_client(self):
        """It reports what has changed since its last report, which was to another session."""
        first, second = self.client(), self.client()
        first.execute("SET TimeZone = 'Asia/Tokyo'")
        second.execute("SET TimeZone = 'Europe/Paris'")
        first.execute("SET TimeZone = 'Europe/Paris'")
        self.assertEqual(first.info.parameter_status("TimeZone"), "Europe/Paris")
        second.execute("RESET TimeZone")
        self.assertEqual(second.info.parameter_status("TimeZone"), "UTC")
        self.assertEqual(first.execute("SHOW TimeZone").fetchone(), ("Europe/Paris",))
        self.assertEqual(first.info.parameter_status("TimeZone"), "Europe/Paris")

    def test_settings_that_cannot_be_set_again_end_the_client_alone(self):
        self.truth.execute("CREATE ROLE lent; GRANT lent TO app; GRANT SELECT, INSERT ON t TO lent")
        borrower, other = self.client(user="app"), self.client(user="app")
        borrower.execute("SET ROLE lent")
        self.assertEqual(self.value(other, "SELECT current_user::text"), "app")
        pid = self.pid(other)
        self.truth.execute("REVOKE lent FROM app")
        count = self.truth.execute("SELECT count(*) FROM t").fetchone()
        with self.assertRaises(psycopg.Error) as refused:
            borrower.execute("INSERT INTO t (a) VALUES (99)")
        self.assertIn("lent", str(refused.exception))
        self.assertTrue(borrower.closed)
        self.assertEqual(self.truth.execute("SELECT count(*) FROM t").fetchone(), count)
        self.assertEqual(self.value(other, "SELECT current_user::text"), "app")
        self.assertEqual(self.pid(other), pid)


class Pins(Pooled):
    def ends(self, make, end, reason):
        client = self.client()
        for text in make:
            client.execute(text)
        self.assertEqual(self.pins(), [reason] if reason else [])
        for text in end:
            client.execute(text)
        harness.wait_until(lambda: self.pins() == [], what=f"the pin of {make} to end with {end}")
        client.close()

    def test_a_pin_ends_with_what_it_was_for(self):
        cases = [
            (["CREATE TEMP TABLE x (a int)"], ["DROP TABLE x"], "temporary_object"),
            (["CREATE TEMP TABLE x (a int)"], ["DISCARD TEMP"], "temporary_object"),
            (["CREATE TEMP TABLE x (a int)"], ["DISCARD ALL"], "temporary_object"),
            (["BEGIN", "CREATE TEMP TABLE x (a int) ON COMMIT DROP"], ["COMMIT"], "temporary_object"),
            (["BEGIN", "CREATE TEMP TABLE x (a int)"], ["ROLLBACK"], "temporary_object"),
            (["DECLARE c CURSOR WITH HOLD FOR SELECT 1"], ["CLOSE c"], "hold_cursor"),
            (["DECLARE c CURSOR WITH HOLD FOR SELECT 1"], ["CLOSE ALL"], "hold_cursor"),
            (["SELECT pg_advisory_lock(1)"], ["SELECT pg_advisory_unlock(1)"], "advisory_lock"),
            (["SELECT pg_advisory_lock(1)", "SELECT pg_advisory_lock(1)",
              "SELECT pg_advisory_unlock(1)"], ["SELECT pg_advisory_unlock(1)"], "advisory_lock"),
            (["SELECT pg_advisory_lock(1)"], ["SELECT pg_advisory_unlock_all()"], "advisory_lock"),
            (["LISTEN a"], ["UNLISTEN a"], "listen"),
            (["LISTEN a", "LISTEN b", "UNLISTEN a"], ["UNLISTEN *"], "listen"),
            (["BEGIN", "LISTEN a"], ["ROLLBACK"], "listen"),
            (["PREPARE p AS SELECT 1; SELECT 1"], ["DEALLOCATE p"], "prepared_statement"),
            (["PREPARE p AS SELECT 1; SELECT 1"], ["DEALLOCATE ALL"], "prepared_statement"),
            # What drivers' own pools send before they give a connection away.
            ([], ["DISCARD ALL"], None),
            ([], ["SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL"], None),
            ([], ["RESET ALL; SET search_path = public; UNLISTEN *"], None),
        ]
        for make, end, reason in cases:
            with self.subTest(make=make, end=end):
                self.ends(make, end, reason)

    def test_a_pin_does_not_end_while_something_is_left(self):
        client = self.client()
        client.execute("CREATE TEMP TABLE x AS SELECT 5 AS a")
        client.execute("SELECT pg_advisory_lock(2)")
        client.execute("DROP TABLE x")
        self.churn()
        self.assertEqual(self.pins(), ["advisory_lock"])
        self.assertTrue(self.value(client, "SELECT pg_advisory_unlock(2)"))
        harness.wait_until(lambda: self.pins() == [], what="the pin to end")

    def test_the_cache_is_back_when_the_temporary_table_is_gone(self):
        client = self.client()
        read = "SELECT a FROM t WHERE id = 2"
        self.fill(client, read)
        client.execute("CREATE TEMP TABLE t (id int, a int)")
        self.assertIsNone(client.execute(read).fetchone())
        self.assert_last(client, "bypass: temporary_object")
        client.execute("DROP TABLE pg_temp.t")
        harness.wait_until(lambda: self.pins() == [], what="the pin to end")
        self.assertEqual(self.fill(client, read), [(2,)])

    def test_prepared_names_are_the_clients_again_after_its_sql_level_ones(self):
        client, other = self.wire(), self.wire()
        for who, text in ((client, "SELECT 'mine'"), (other, "SELECT 'other'")):
            who.send(w.parse(text, "s"), w.SYNC)
            who.read_until_ready()
        client.send(w.query("PREPARE p AS SELECT 1"))
        client.read_until_ready()
        client.send(w.query("DEALLOCATE p"))
        client.read_until_ready()
        harness.wait_until(lambda: self.pins() == [], what="the pin to end")
        for _ in range(3):
            for who, text in ((client, "mine"), (other, "other")):
                who.send(w.bind([], "s"), w.execute(), w.SYNC)
                self.assertEqual(who.rows(who.read_until_ready()), [[text]])

    def test_what_is_made_behind_an_audit_is_not_lost(self):
        """The client does not wait: its next request is sent while the server is being asked."""
        for _ in range(15):
            client = self.wire()
            for text in ("SELECT pg_advisory_lock(3)", "SELECT pg_advisory_unlock(3)",
                         "CREATE TEMP TABLE kept AS SELECT 5 AS a"):
                client.send(w.query(text))
                client.read_until_ready()
            self.churn()
            client.send(w.query("SELECT a FROM kept"))
            self.assertEqual(client.rows(client.read_until_ready()), [["5"]])
            for text in ("PREPARE p AS SELECT 1", "DEALLOCATE p"):
                client.send(w.query(text))
                client.read_until_ready()
            client.send(w.parse("INSERT INTO t (a) VALUES (55)", "i"), w.bind([], "i"), w.execute(),
                        w.FLUSH)
            client.send(w.query("SELECT 1/0"))
            client.read_until_ready()
            self.assertEqual(self.truth.execute("SELECT count(*) FROM t WHERE a = 55").fetchone(), (0,))
            client.close()

    def test_a_notification_is_delivered_while_the_pin_is_being_looked_at(self):
        listener = self.client()
        listener.execute("LISTEN news")
        heard = []
        listener.add_notify_handler(lambda note: heard.append(note.payload))
        for number in range(5):
            with harness.connect(self.proxy) as sender:
                sender.execute(f"NOTIFY news, '{number}'")
            listener.execute("LISTEN news")  # asks for an audit

        def all_heard():
            listener.execute("SELECT random()")
            return len(heard) >= 5
        harness.wait_until(all_heard, what="the notifications")
        self.assertEqual(heard, ["0", "1", "2", "3", "4"])

    def test_a_text_that_the_server_does_not_understand_either_leaves_nothing(self):
        client = self.client()
        read = "SELECT a FROM t WHERE id = 3"
        self.fill(client, read)
        for text in ("SELEC 1", "SELECT FROM WHERE", "wrong"):
            with self.assertRaises(psycopg.errors.SyntaxError):
                client.execute(text)
            self.assertEqual(self.pins(), [])
        with self.assertRaises(psycopg.errors.SyntaxError):
            client.execute("SELEC %s", (1,))
        self.fill(client, read)
        # This one does come from a text that has run.
        with self.assertRaises(psycopg.errors.SyntaxError):
            client.execute("DO $$BEGIN EXECUTE 'SELEC 1'; END$$")
        self.assertEqual(self.pins(), ["function"])


class Sequences(Pooled):
    def test_currval_is_the_sessions_own_or_an_error(self):
        clients = [self.client() for _ in range(5)]
        mine = {}
        for _ in range(6):
            for client in clients:
                mine[client] = self.value(client, "INSERT INTO t (a) VALUES (9) RETURNING id")
                self.value(client, "SELECT random()")
            for client in clients:
                try:
                    self.assertEqual(self.value(client, "SELECT currval('t_id_seq')"), mine[client])
                except psycopg.errors.ObjectNotInPrerequisiteState:
                    pass  # once: from then on they are kept
                except psycopg.OperationalError:
                    return  # all connections are held by those who keep them
            break

    def test_who_has_none_is_told_so_by_the_server(self):
        maker, other = self.client(), self.client()
        maker.execute("INSERT INTO t (a) VALUES (9)")
        for _ in range(3):
            with self.assertRaises(psycopg.errors.ObjectNotInPrerequisiteState) as told:
                other.execute("SELECT lastval()")
            self.assertIn("not yet defined in this session", str(told.exception))

    def test_discard_sequences_lets_go(self):
        maker = self.client()
        maker.execute("INSERT INTO t (a) VALUES (9)")
        maker.execute("SELECT lastval()")
        self.assertEqual(self.pins(), ["sequence"])
        maker.execute("DISCARD SEQUENCES")
        self.assertEqual(self.pins(), [])
        with self.assertRaises(psycopg.errors.ObjectNotInPrerequisiteState):
            maker.execute("SELECT lastval()")


class Hidden(ServerCase):
    """State that hides behind other state, on the one connection that everybody shares."""

    SETUP = SETUP + "CREATE SEQUENCE s1; CREATE SEQUENCE s2;"
    FLAGS = ("--sole-writer", "--default-pool-size", "1")

    def run_as(self, client, *texts):
        for text in texts:
            client.execute(text)

    def test_behind_a_sequence(self):
        maker, other = self.client(), self.client()
        self.run_as(maker, "SELECT nextval('s1')", "SELECT currval('s1')",
                    "CREATE TEMP TABLE leak AS SELECT 42 AS a", "LISTEN xx", "DISCARD SEQUENCES")
        self.assertEqual(maker.execute("SELECT a FROM leak").fetchone(), (42,))
        maker.close()
        with self.assertRaises(psycopg.errors.UndefinedTable):
            other.execute("SELECT a FROM leak")
        self.assertEqual(other.execute("SELECT count(*) FROM pg_listening_channels()").fetchone(), (0,))

    def test_temporary_by_the_search_path(self):
        for path in ("SET search_path = pg_temp, public", "SELECT set_config('search_path', 'pg_temp', false)",
                     "SET search_path = \"PG_TEMP\""):
            with self.subTest(path):
                maker, other = self.client(), self.client()
                maker.execute(path)
                with contextlib.suppress(psycopg.errors.InvalidSchemaName):
                    maker.execute("CREATE TABLE t (a int)")
                maker.close()
                self.assertGreater(other.execute("SELECT count(*) FROM t").fetchone()[0], 0)
                other.close()
        maker, other = self.client(), self.client()
        self.run_as(maker, "BEGIN", "SET LOCAL search_path = pg_temp", "CREATE TABLE t (a int)", "COMMIT")
        maker.close()
        self.assertGreater(other.execute("SELECT count(*) FROM t").fetchone()[0], 0)

    def test_a_name_that_prepare_could_not_take(self):
        maker, other = self.wire(), self.wire()
        maker.send(w.parse("SELECT 'mine'", "foo"), w.SYNC)
        maker.read_until_ready()
        maker.send(w.query("PREPARE foo AS SELECT 1"))
        with self.assertRaises(w.ServerError) as taken:
            maker.rows(maker.read_until_ready())
        self.assertEqual(taken.exception.sqlstate, "42P05")
        other.send(w.bind([], "foo"), w.execute(), w.SYNC)
        with self.assertRaises(w.ServerError) as missing:
            other.rows(other.read_until_ready())
        self.assertEqual(missing.exception.sqlstate, "26000")
        maker.send(w.bind([], "foo"), w.execute(), w.SYNC)
        self.assertEqual(maker.rows(maker.read_until_ready()), [["mine"]])

    def test_a_typing_error_behind_the_nextval_of_another(self):
        first, second = self.client(), self.client()
        first.execute("SELECT nextval('s1')")
        with self.assertRaises(psycopg.errors.SyntaxError):
            second.execute("SELEC 1")
        self.assertEqual([row["pinned_because"] for row in self.show("CLIENTS") if row["pinned_because"]], [])


class HiddenSequence(ServerCase):
    SETUP = Hidden.SETUP
    FLAGS = Hidden.FLAGS

    def test_currval_behind_nextval_of_another_sequence(self):
        first, second = self.client(), self.client()
        first.execute("SELECT nextval('s1')")
        second.execute("SELECT nextval('s2')")
        with self.assertRaises(psycopg.errors.ObjectNotInPrerequisiteState):
            second.execute("SELECT currval('s1')")


class FewStatements(Pooled):
    """More statements than a server connection keeps."""

    FLAGS = (*Pooled.FLAGS, "--max-prepared-statements", "3")

    def test_statements_make_room_for_others_and_are_prepared_again(self):
        client = self.wire()
        client.send(*(w.parse(f"SELECT {n}, random() < 2", f"s{n}") for n in range(8)), w.SYNC)
        client.read_until_ready()
        for _ in range(2):
            for n in range(8):
                client.send(w.bind([], f"s{n}"), w.execute(), w.SYNC)
                self.assertEqual(client.rows(client.read_until_ready()), [[str(n), "t"]])
        # All of them in one pipeline.
        for n in range(8):
            client.send(w.bind([], f"s{n}"), w.execute())
        client.send(w.SYNC)
        self.assertEqual(client.rows(client.read_until_ready()), [[str(n), "t"] for n in range(8)])
        held = max(int(row["prepared_statements"]) for row in self.show("SERVERS"))
        self.assertLessEqual(held, 3)


class Home(Pooled):
    def test_a_session_goes_back_to_the_connection_that_it_was_told_of(self):
        first, second = self.client(), self.client()
        pids = {client: client.info.backend_pid for client in (first, second)}
        for _ in range(5):
            for client in (first, second, second, first):
                self.assertEqual(self.pid(client), pids[client])


if __name__ == "__main__":
    harness.main()
