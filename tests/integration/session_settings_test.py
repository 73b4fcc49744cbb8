"""Settings that a session changes are a part of its cache's key: sessions that have changed them
alike share their hits, and nobody else sees them; through transactions, savepoints and failures."""

import os
import random
import time

import harness
import wire as w
from harness import DIRECT, ServerCase

SETUP = """
CREATE SCHEMA one; CREATE SCHEMA two;
CREATE TABLE one.t (who text); INSERT INTO one.t VALUES ('one');
CREATE TABLE two.t (who text); INSERT INTO two.t VALUES ('two');
CREATE TABLE v (at timestamptz, d date, b bytea);
INSERT INTO v VALUES ('2024-03-05 06:07:08+00', '2024-03-05', '\\xdeadbeef');
CREATE TABLE mine (who text, id int);
INSERT INTO mine VALUES ('alice', 1), ('bob', 2);
CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN;
CREATE SCHEMA alice; CREATE SCHEMA bob;
CREATE TABLE alice.t (who text); INSERT INTO alice.t VALUES ('alice');
CREATE TABLE bob.t (who text); INSERT INTO bob.t VALUES ('bob');
GRANT USAGE ON SCHEMA one, two, alice, bob TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA one, two, alice, bob, public TO PUBLIC;
ALTER TABLE mine ENABLE ROW LEVEL SECURITY;
CREATE TEXT SEARCH CONFIGURATION one.conf (COPY = pg_catalog.simple);
CREATE TEXT SEARCH CONFIGURATION two.conf (COPY = pg_catalog.english);
CREATE POLICY own ON mine USING (who = 'alice' OR id > 1);
"""
READ = "SELECT d, at FROM v"


class SessionSettings(ServerCase):
    SETUP = SETUP

    def read(self, client, sql=READ):
        rows = client.query(sql)
        last = None if DIRECT else client.last()
        if last == "bypass: catalog_not_loaded":  # another test's DDL
            time.sleep(0.02)
            return self.read(client, sql)
        return rows, last

    def hit(self, client, sql=READ):
        rows, last = self.read(client, sql)
        self.assertIn(last, ("hit", None), sql)
        return rows

    def no_hit(self, client, sql=READ):
        rows, last = self.read(client, sql)
        self.assertNotEqual(last, "hit", sql)
        return rows

    def test_tenants_in_transactions(self):
        """BEGIN; SET LOCAL app.tenant; SELECT; COMMIT: hits for the same tenant alone."""
        def transaction(client, tenant, read, how):
            client.query("BEGIN")
            if how == "set":
                client.query(f"SET LOCAL app.tenant = '{tenant}'")
            elif how == "config":
                client.query(f"SELECT set_config('app.tenant', '{tenant}', true)")
            else:
                client.extended("SELECT set_config('app.tenant', $1, true)", [tenant])
            read(client, f"{READ} WHERE '{how}' <> ''")
            client.query("COMMIT")
        for how in ("set", "config", "parameter"):
            with self.wire() as a, self.wire() as b:
                transaction(a, "5", self.no_hit, how)
                transaction(b, "6", self.no_hit, how)
                for _ in range(2):
                    transaction(a, "5", self.hit, how)
                    transaction(b, "5", self.hit, how)
                    transaction(b, "6", self.hit, how)
                transaction(a, "56", self.no_hit, how)

    def test_equal_settings_share_hits(self):
        with self.wire() as a, self.wire() as b:
            for client, read in ((a, self.no_hit), (b, self.hit)):
                client.query("SET TimeZone = 'Asia/Tokyo'")
                client.query("SELECT set_config('DateStyle', 'German', false)")
                read(client)
            self.read(self.wire())  # a session that has changed nothing
            for client in (a, b):
                client.query("RESET ALL")
                self.hit(client)
                client.query("SET application_name = 'other'; SET statement_timeout = '1min'")
                self.hit(client)

    def test_reset_of_what_was_never_set_pins_nothing(self):
        with self.wire() as client:
            client.query("RESET ALL")
            client.query("RESET TimeZone; RESET app.never")
            self.read(client)
            self.hit(client)
        if not DIRECT:
            console = harness.wire(self.proxy, database="pgsidecar")
            self.addCleanup(console.close)
            self.assertNotIn("setting", str(console.query("SHOW CLIENTS")))

    def test_savepoints(self):
        with self.wire() as client:
            self.read(client)
            expected = {"UTC": self.hit(client)}
            for zone in ("Asia/Tokyo", "Europe/Paris"):
                client.query(f"SET TimeZone = '{zone}'")
                expected[zone], _ = self.read(client)
            client.query("RESET TimeZone")
            steps = (("BEGIN", "UTC"), ("SAVEPOINT a", "UTC"),
                     ("SET TimeZone = 'Asia/Tokyo'", "Asia/Tokyo"),
                     ("SAVEPOINT b", "Asia/Tokyo"),
                     ("SET LOCAL TimeZone = 'Europe/Paris'", "Europe/Paris"),
                     ("ROLLBACK TO b", "Asia/Tokyo"),
                     ("SET LOCAL TimeZone TO DEFAULT", "UTC"), ("RELEASE b", "UTC"),
                     ("ROLLBACK TO a", "UTC"), ("SET TimeZone = 'Europe/Paris'", "Europe/Paris"),
                     ("RELEASE a", "Europe/Paris"),
                     ("SET LOCAL TimeZone = 'Asia/Tokyo'", "Asia/Tokyo"),
                     ("COMMIT", "Europe/Paris"), ("BEGIN", "Europe/Paris"),
                     ("RESET TimeZone", "UTC"), ("ROLLBACK", "Europe/Paris"),
                     ("BEGIN; SET TimeZone = 'Asia/Tokyo'; COMMIT; SELECT 1", "Asia/Tokyo"),
                     ("DISCARD ALL", "UTC"))
            for step, zone in steps:
                client.query(step)
                self.assertEqual(self.read(client)[0], expected[zone], step)
                self.assertEqual(self.hit(client), expected[zone], step)

    def test_failed_transactions_take_back(self):
        with self.wire() as client:
            self.read(client)
            plain = self.hit(client)
            for text in ("SET TimeZone = 'Asia/Tokyo'; SELECT 1/0",
                         "BEGIN; SET TimeZone = 'Asia/Tokyo'; SELECT 1/0",
                         "SET TimeZone = 'Asia/Tokyo'; ROLLBACK"):
                try:
                    client.query(text)
                except w.ServerError:
                    pass
                client.query("ROLLBACK")
                self.assertEqual(self.hit(client), plain, text)
            client.send(w.parse("SET TimeZone = 'Asia/Tokyo'"), w.bind(), w.execute(),
                        w.parse("SELECT 1/0"), w.bind(), w.execute(), w.SYNC)
            client.read_until_ready()
            self.assertEqual(self.hit(client), plain)
            client.send(w.parse("SET TimeZone = 'Asia/Tokyo'"), w.bind(), w.execute(), w.SYNC)
            client.read_until_ready()
            self.assertNotEqual(self.read(client)[0], plain)

    def test_names_behind_a_change_in_the_same_text(self):
        """What is written behind SET search_path is another table than before it."""
        with self.wire() as reader, self.wire() as writer:
            for number, text in enumerate((
                    "SET search_path = two; UPDATE t SET who = 'new'",
                    "BEGIN; SET search_path = two; ROLLBACK; UPDATE t SET who = 'new'",
                    "SET search_path = one; BEGIN; SET search_path = two; COMMIT; "
                    "UPDATE t SET who = 'new'",
                    "SELECT set_config('search_path', 'two', false); UPDATE t SET who = 'new'")):
                writer.query("SET search_path = " + ("two" if "ROLLBACK" in text else "one"))
                reader.query("UPDATE two.t SET who = 'old'")
                self.read(reader, "SELECT who FROM two.t")
                self.hit(reader, "SELECT who FROM two.t")
                writer.query(text)
                self.assertEqual(reader.query("SELECT who FROM two.t"), [["new"]], number)

    def test_names_behind_a_change_in_a_pipeline(self):
        with self.wire() as reader, self.wire() as writer:
            writer.query("SET search_path = one")
            for change in ([w.query("SET search_path = two")],
                           [w.parse("SET search_path = two"), w.bind(), w.execute(), w.SYNC],
                           [w.parse("SELECT set_config('search_path', $1, false)"),
                            w.bind(["two"]), w.execute(), w.SYNC]):
                for one_sync in (False, True):
                    reader.query("UPDATE two.t SET who = 'old'")
                    self.read(reader, "SELECT who FROM two.t")
                    self.hit(reader, "SELECT who FROM two.t")
                    update = [w.parse("UPDATE t SET who = 'new'"), w.bind(), w.execute(), w.SYNC]
                    ends = 2 - (one_sync and len(change) > 1)
                    writer.send(*(change[:-1] if ends == 1 else change), *update)
                    for _ in range(ends):
                        writer.read_until_ready()
                    self.assertEqual(reader.query("SELECT who FROM two.t"), [["new"]])
                    writer.query("SET search_path = one")

    def test_roles(self):
        with self.wire() as client, self.wire() as other:
            everything = sorted(client.query("SELECT who FROM mine"))
            self.assertEqual(len(everything), 2)
            sql = "SELECT who FROM t"
            for path in ('"$user"', "one"):
                for user in ("alice", "bob"):
                    seen = {}
                    for how in (f"SET ROLE {user}", f"SELECT set_config('role', '{user}', false)",
                                f"SET SESSION AUTHORIZATION {user}"):
                        session = self.wire()
                        session.query(f"SET search_path = {path}")
                        session.query(how)
                        expected = user if path != "one" else "one"
                        for _ in range(2):
                            rows, seen[how] = self.read(session, sql)
                            self.assertEqual(rows, [[expected]])
                        self.assertIn(seen[how], ("hit", None), how)
                        session.close()
            client.query("BEGIN; SET LOCAL ROLE bob")
            self.assertEqual(sorted(client.query("SELECT who FROM mine")), everything)
            client.query("COMMIT; SET search_path = \"$user\", one; SET ROLE alice")
            self.assertEqual(client.query(sql), [["alice"]])
            client.query("SET ROLE NONE")
            self.assertEqual(client.query(sql), [["one"]])
            client.query("SET SESSION AUTHORIZATION bob")
            self.assertEqual(client.query(sql), [["bob"]])
            client.query("RESET SESSION AUTHORIZATION")
            self.assertEqual(client.query(sql), [["one"]])
            with self.assertRaises(w.ServerError):
                client.query("SET ROLE nobody_at_all")
            self.assertEqual(client.query(sql), [["one"]])
            self.assertEqual(other.query("SELECT count(*) FROM mine"), [["2"]])

    def test_a_part_of_datestyle(self):
        """SET DateStyle = 'ISO' leaves the order of the fields as it was."""
        sql = "SELECT '01/02/2024'::date::text FROM v"
        for first in ("DMY", "MDY", "DMY"):
            with self.wire() as client:
                client.query(f"SET DateStyle = '{first}'")
                client.query("SET DateStyle = 'SQL'")
                client.query("SET DateStyle = 'ISO'")
                expected = "2024-02-01" if first == "DMY" else "2024-01-02"
                for _ in range(2):
                    self.assertEqual(client.query(sql), [[expected]])

    def test_a_name_that_is_resolved_when_it_is_set(self):
        sql = "SELECT to_tsvector('the foxes')::text FROM v"
        answers = {}
        for path in ("one", "two", "one", "two"):
            with self.wire() as client:
                client.query(f"SET search_path = {path}, public")
                client.query("SET default_text_search_config = 'conf'")
                client.query("SET search_path = public")
                for _ in range(2):
                    rows = client.query(sql)
                    self.assertEqual(answers.setdefault(path, rows), rows)
        self.assertNotEqual(answers["one"], answers["two"])

    def test_bytes_in_another_encoding(self):
        with self.wire() as utf8, self.wire() as latin:
            utf8.query("SET app.word = 'ä'")
            self.no_hit(utf8, "SELECT b FROM v")
            self.hit(utf8, "SELECT b FROM v")
            latin.query("SET client_encoding = 'LATIN1'")
            latin.query("SET app.word = 'ä'")  # two characters to this session
            latin.query("SET client_encoding = 'UTF8'")
            self.no_hit(latin, "SELECT b FROM v")

    def test_suspended_set_config(self):
        """asyncpg's fetchval asks for one row: the function has run though it is not complete."""
        with self.wire() as client:
            plain, _ = self.read(client)
            client.send(w.parse("SELECT set_config('TimeZone', $1, false)"),
                        w.bind(["Asia/Tokyo"]), w.execute(limit=1), w.SYNC)
            client.read_until_ready()
            for _ in range(2):
                self.assertNotEqual(self.read(client)[0], plain)

    def test_what_cannot_be_followed_bypasses(self):
        for text in ("SET TIME ZONE INTERVAL '9' HOUR TO MINUTE",
                     "SELECT set_config('TimeZone', 'Asia/' || 'Tokyo', false)",
                     "SELECT set_config(name, 'Asia/Tokyo', false) FROM (VALUES ('TimeZone')) n "
                     "(name)",
                     "DO $$ BEGIN PERFORM set_config('TimeZone', 'Asia/Tokyo', false); END $$"):
            with self.wire() as client, harness.wire(self.server) as direct:
                self.read(client)
                client.query(text)
                direct.query(text)
                rows, last = self.read(client)
                self.assertEqual(rows, direct.query(READ), text)
                self.assertTrue(last is None or last.startswith("bypass"), (text, last))

    def test_a_failed_attempt_at_a_custom_setting(self):
        """It may exist afterwards, and may not."""
        with self.wire() as client:
            with self.assertRaises(w.ServerError):
                client.query("SELECT set_config('app.new', 'x', false), "
                             "set_config('TimeZone', 'nowhere', false)")
            _, last = self.read(client)
            self.assertIn(last, ("bypass: settings_unknown", None))

    def test_too_many_settings(self):
        with self.wire() as client:
            client.query("BEGIN")
            for number in range(80):
                client.query(f"SET app.big{number} = '{'x' * 1000}'")
            client.query("COMMIT")
            _, last = self.read(client)
            self.assertIn(last, ("bypass: settings_unknown", None))

    def test_random_histories(self):
        """Sessions that change settings at random answer as the server does that was asked alike."""
        seed = int(os.environ.get("PGSIDECAR_SEED", random.randrange(10**6)))
        print(f"random histories: seed {seed}")
        rng = random.Random(seed)
        changes = ["SET {l} TimeZone = 'Asia/Tokyo'", "SET {l} TimeZone = 'UTC'",
                   "SET {l} TimeZone TO DEFAULT", "RESET TimeZone", "RESET ALL",
                   "SET {l} DateStyle = 'German'", "SET {l} DateStyle = 'DMY'",
                   "SET {l} DateStyle = 'ISO'", "SET {l} search_path = one, public",
                   "SET {l} search_path = two, public", "SET {l} search_path = \"$user\", public",
                   "SET {l} ROLE alice", "SET {l} ROLE bob", "SET {l} ROLE NONE", "RESET ROLE",
                   "SELECT set_config('search_path', 'two, public', {c})",
                   "SELECT set_config('bytea_output', 'escape', {c})",
                   "SELECT set_config('timezone', NULL, {c})",
                   "SET {l} app.tenant = '1'", "SET {l} app.tenant = '2'", "RESET app.tenant",
                   "SELECT 1/0", "SET {l} TimeZone = 'no such zone'", "DISCARD ALL"]
        transaction = ["BEGIN", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT a", "SAVEPOINT b",
                       "ROLLBACK TO a", "ROLLBACK TO b", "RELEASE a", "RELEASE b"]
        reads = [READ, "SELECT who FROM t", "SELECT b FROM v", "SELECT count(*) FROM mine",
                 "SELECT coalesce(current_setting('app.tenant', true), 'unset') FROM v"]
        hits = 0
        for _ in range(25):
            with self.wire() as client, harness.wire(self.server) as direct:
                done = []
                for _ in range(30):
                    texts = rng.choices(changes + transaction * 2, k=rng.choice((1, 1, 1, 2, 3)))
                    text = "; ".join(texts).format(
                        l=rng.choice(("", "LOCAL")), c=rng.choice(("true", "false")))
                    done.append(text)
                    for ask in (text, rng.choice(reads), rng.choice(reads)):
                        answers = []
                        for connection in (client, direct):
                            connection.send(w.query(ask))
                            answers.append([message for message in connection.read_until_ready()
                                            if message[0] in b"TDCEZ"])
                        answers = [[(kind, body if kind != b"E" else w.error_fields(body)["C"])
                                    for kind, body in answer] for answer in answers]
                        self.assertEqual(*answers, f"seed {seed}: {ask} after {done}")
                        if ask in reads and not DIRECT and answers[0][-1][1] != b"E":
                            hits += client.last() == "hit"
        print(f"random histories: {hits} hits")
        self.assertTrue(DIRECT or hits > 150, hits)


class NamesTaken(ServerCase):
    """Functions and types of users in the place of those that change a setting."""

    SETUP = """
    CREATE TABLE docs (id int, tenant text); INSERT INTO docs VALUES (1, '1'), (2, '12');
    CREATE VIEW mine AS SELECT id FROM docs WHERE tenant = current_setting('app.tenant', true);
    CREATE SCHEMA functions; CREATE SCHEMA types;
    CREATE FUNCTION functions.set_config(text, text, bool) RETURNS text LANGUAGE sql STABLE AS
      'SELECT $2';
    CREATE DOMAIN types.text AS varchar(1);
    """

    def test_a_setting_that_was_not_set_has_no_share_in_the_cache(self):
        for schema, change in (("functions", "SELECT set_config('app.tenant', '12', false)"),
                               ("types", "SELECT set_config('app.tenant', '12'::text, false)")):
            path = f"SET search_path = {schema}, pg_catalog, public"
            with self.subTest(schema), self.wire() as other, self.wire() as client:
                other.query(path)
                other.query(change)
                for _ in range(2):
                    self.assertNotEqual(other.query("SELECT id FROM public.mine"), [["2"]])
                client.query(path)
                client.query("SELECT pg_catalog.set_config('app.tenant', '12', false)")
                self.assertEqual(client.query("SELECT id FROM public.mine"), [["2"]])


if __name__ == "__main__":
    harness.main()
