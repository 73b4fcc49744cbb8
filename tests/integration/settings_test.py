"""How an answer looks: settings that change it, however they are made and unmade; formats; and
parameters that are equal in value but not in bytes."""

import harness
import wire as w
from harness import DIRECT, ServerCase

SETUP = """
CREATE TABLE v (id int PRIMARY KEY, at timestamptz, d date, i interval, b bytea, f float8, m money,
                t text, doc text);
INSERT INTO v VALUES (1, '2024-03-05 06:07:08+00', '2024-03-05', '1 year 2 mons 3 days 04:05:06',
  '\\xdeadbeef', 0.1::float8 + 0.2, 1234.5, 'ä', 'the quick foxes');
CREATE ROLE styled LOGIN; GRANT SELECT ON v TO styled;
CREATE DATABASE styled_db;
"""

# Setting, two values of it, and a query whose answer differs between them.
SETTINGS = [
    ("TimeZone", "UTC", "Asia/Tokyo", "SELECT at FROM v"),
    ("DateStyle", "ISO, MDY", "German", "SELECT d, at FROM v"),
    ("IntervalStyle", "postgres", "iso_8601", "SELECT i FROM v"),
    ("bytea_output", "hex", "escape", "SELECT b FROM v"),
    ("extra_float_digits", "1", "-5", "SELECT f FROM v"),
    ("client_encoding", "UTF8", "LATIN1", "SELECT t FROM v"),
    ("xmlbinary", "base64", "hex", "SELECT xmlelement(name x, b) FROM v"),
    ("default_text_search_config", "pg_catalog.simple", "pg_catalog.english",
     "SELECT to_tsvector(doc) FROM v"),
    ("transform_null_equals", "off", "on", "SELECT count(*) FROM v WHERE id = NULL"),
    ("lc_monetary", "C", "C.UTF-8", "SELECT m FROM v"),
]


class Settings(ServerCase):
    SETUP = ""
    # Each set of startup settings is a pool of its own: idle ones must make room for others.
    FLAGS = ("--sole-writer", "--max-server-connections", "40")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        harness.psql(cls.server, SETUP)

    def server_says(self, sql, settings=(), **startup):
        with harness.wire(self.server, **startup) as direct:
            for text in settings:
                direct.query(text)
            return self.raw(direct, sql)

    @staticmethod
    def raw(connection, sql):
        """The answer's own bytes."""
        connection.send(w.query(sql))
        return [message for message in connection.read_until_ready() if message[0] in b"TDCE"]

    def assert_reads(self, client, sql, expected, because):
        for _ in range(3):
            self.assertEqual(self.raw(client, sql), expected, because)

    def each(self):
        """Setting, the other value, the query, and the answer under either value."""
        for name, first, other, sql in SETTINGS:
            plain = self.server_says(sql)
            changed = self.server_says(sql, [f"SET {name} = '{other}'"])
            yield name, other, sql, plain, changed

    def test_set_and_reset(self):
        for name, other, sql, plain, changed in self.each():
            with self.subTest(name):
                with self.wire() as client, self.wire() as bystander:
                    self.assert_reads(client, sql, plain, "before")
                    client.query(f"SET {name} = '{other}'")
                    self.assert_reads(client, sql, changed, "after SET")
                    self.assert_reads(bystander, sql, plain, "another client")
                    client.query(f"RESET {name}")
                    self.assert_reads(client, sql, plain, "after RESET")

    def test_set_local(self):
        for name, other, sql, plain, changed in self.each():
            with self.subTest(name):
                with self.wire() as client:
                    self.assert_reads(client, sql, plain, "before")
                    client.query("BEGIN")
                    client.query(f"SET LOCAL {name} = '{other}'")
                    self.assert_reads(client, sql, changed, "after SET LOCAL")
                    client.query("COMMIT")
                    self.assert_reads(client, sql, plain, "after COMMIT")

    def test_set_and_rolled_back(self):
        for name, other, sql, plain, changed in self.each():
            with self.subTest(name):
                with self.wire() as client:
                    client.query("BEGIN")
                    client.query(f"SET {name} = '{other}'")
                    self.assert_reads(client, sql, changed, "after SET")
                    client.query("ROLLBACK")
                    self.assert_reads(client, sql, plain, "after ROLLBACK")
                    client.query("BEGIN; SAVEPOINT s")
                    client.query(f"SET {name} = '{other}'")
                    self.assert_reads(client, sql, changed, "in the savepoint")
                    client.query("ROLLBACK TO s")
                    self.assert_reads(client, sql, plain, "after ROLLBACK TO")
                    client.query("COMMIT")

    def test_set_config(self):
        for name, other, sql, plain, changed in self.each():
            with self.subTest(name):
                with self.wire() as client:
                    self.assert_reads(client, sql, plain, "before")
                    client.query(f"SELECT set_config('{name}', '{other}', false)")
                    self.assert_reads(client, sql, changed, "after set_config")

    def test_set_that_failed(self):
        for name, other, sql, plain, changed in self.each():
            with self.subTest(name):
                with self.wire() as client:
                    try:
                        client.query(f"SET {name} = 'no such value at all'; SELECT 1")
                    except w.ServerError:
                        pass
                    self.assert_reads(client, sql, plain, "after a refused SET")

    def test_startup_options(self):
        for name, other, sql, plain, changed in self.each():
            with self.subTest(name):
                value = other.replace(" ", "\\ ")
                with self.wire(options=f"-c {name}={value}") as client, self.wire() as bystander:
                    self.assert_reads(client, sql, changed, "by options")
                    self.assert_reads(bystander, sql, plain, "another client")

    def test_startup_parameter(self):
        for name, other, sql, plain, changed in self.each():
            with self.subTest(name):
                with self.wire(**{name: other}) as client, self.wire() as bystander:
                    self.assert_reads(client, sql, changed, "by parameter")
                    self.assert_reads(bystander, sql, plain, "another client")

    def test_set_for_the_role(self):
        for name, other, sql, plain, changed in self.each():
            with self.subTest(name):
                with self.wire(user="styled") as before:
                    self.assert_reads(before, sql, plain, "before")
                for admin in (self.client(), self.truth):
                    admin.execute(f"ALTER ROLE styled SET {name} = '{other}'")
                    with self.wire(user="styled") as client:
                        self.assert_reads(client, sql, changed, "a new session of the role")
                    admin.execute(f"ALTER ROLE styled RESET {name}")
                    with self.wire(user="styled") as client:
                        self.assert_reads(client, sql, plain, "after RESET for the role")

    def test_set_for_the_database(self):
        client = self.client()
        sql = "SELECT '2024-01-01 00:00+00'::timestamptz::text"
        for zone, expected in (("UTC", "2024-01-01 00:00:00+00"),
                               ("Asia/Tokyo", "2024-01-01 09:00:00+09")):
            client.execute(f"ALTER DATABASE styled_db SET TimeZone = '{zone}'")
            with self.wire(database="styled_db") as session:
                for _ in range(3):
                    self.assertEqual(session.query(sql), [[expected]])

    def test_changed_by_reload(self):
        """ALTER SYSTEM and a reload change live sessions: new values within the poll interval."""
        client, sql = self.wire(), "SELECT i FROM v"
        plain = self.server_says(sql)
        self.assert_reads(client, sql, plain, "before")
        self.truth.execute("ALTER SYSTEM SET IntervalStyle = 'iso_8601'")
        try:
            self.truth.execute("SELECT pg_reload_conf()")
            harness.wait_until(lambda: self.raw(client, sql) != plain, seconds=10,
                               what="the value of the reloaded configuration")
        finally:
            self.truth.execute("ALTER SYSTEM RESET IntervalStyle")
            self.truth.execute("SELECT pg_reload_conf()")
        harness.wait_until(lambda: self.raw(client, sql) == plain, seconds=10,
                           what="the value before the reload")

    def test_isolation_changed_by_reload(self):
        """The transaction that meets the new default first does not share what its snapshot says."""
        with self.wire() as client, self.wire() as writer:
            sql = "SELECT b FROM v"
            client.query(sql)
            self.truth.execute(
                "ALTER SYSTEM SET default_transaction_isolation = 'repeatable read'")
            try:
                self.truth.execute("SELECT pg_reload_conf()")
                harness.wait_until(
                    lambda: DIRECT or "has reloaded its configuration" in self.proxy.stderr(),
                    what="the proxy to notice")

                def loaded():
                    writer.query(sql)
                    return DIRECT or writer.last() != "bypass: catalog_not_loaded"
                harness.wait_until(loaded, what="the catalog under the new configuration")
                client.query("BEGIN")
                self.assertEqual(client.query("SHOW transaction_isolation"),
                                 [["repeatable read"]])
                client.query(sql)
                writer.query("UPDATE v SET b = b")
                client.query(sql)
                self.assertEqual(DIRECT or client.last(), DIRECT or "bypass: isolation_level")
                client.query("COMMIT")
            finally:
                self.truth.execute("ALTER SYSTEM RESET default_transaction_isolation")
                self.truth.execute("SELECT pg_reload_conf()")

    def test_parameter_status_reaches_the_client(self):
        with self.wire() as client:
            client.send(w.query("SET TimeZone = 'Asia/Tokyo'"))
            said = client.read_until_ready()
            self.assertIn((b"S", b"TimeZone\0Asia/Tokyo\0"), said)

    # Formats

    def test_formats_are_kept_apart(self):
        sql = "SELECT id, d, b FROM v WHERE id = $1"
        runs = []
        for formats in ((), (0,), (1,), (0, 1, 0), (1, 0, 1)):
            for described in (True, False):
                run = [w.parse(sql, types=[23]), w.bind(["1"], result_formats=formats)]
                runs.append([*run, *([w.describe()] if described else []), w.execute(), w.SYNC])
        with harness.wire(self.server) as direct, self.wire() as client:
            for _ in range(3):
                for run in runs:
                    direct.send(*run)
                    client.send(*run)
                    self.assertEqual(client.read_until_ready(), direct.read_until_ready())

    def test_described_by_statement_or_portal(self):
        sql = "SELECT id, t FROM v"
        with harness.wire(self.server) as direct, self.wire() as client:
            for run in ([w.parse(sql), w.describe(b"S"), w.bind(result_formats=[1]), w.execute(),
                         w.SYNC],
                        [w.parse(sql), w.bind(result_formats=[1]), w.describe(), w.execute(),
                         w.SYNC]) * 3:
                direct.send(*run)
                client.send(*run)
                self.assertEqual(client.read_until_ready(), direct.read_until_ready())

    # Parameters

    def test_parameters_alike_but_different(self):
        sql = "SELECT pg_typeof($1)::text, $1::text"
        cases = [(w.parse(sql, types=[oid]), w.bind([value], formats=formats))
                 for oid, value, formats in (
                     (23, "1", ()), (23, "01", ()), (23, b"\0\0\0\1", (1,)), (20, "1", ()),
                     (25, "1", ()), (25, "01", ()), (25, "", ()), (25, None, ()),
                     (1700, "1.0", ()), (1700, "1.00", ()), (1042, "1", ()), (16, "t", ()),
                     (16, "true", ()), (25, "true", ()), (25, b"\1", (1,)), (17, b"\\x01", ()))]
        with harness.wire(self.server) as direct, self.wire() as client:
            for _ in range(3):
                for run in cases:
                    messages = [*run, w.describe(), w.execute(), w.SYNC]
                    direct.send(*messages)
                    client.send(*messages)
                    self.assertEqual(client.read_until_ready(), direct.read_until_ready())

    def test_field_boundaries(self):
        """Two lists of values with the same bytes in a row are two requests."""
        sql = "SELECT $1::text || '|' || $2::text"
        with self.wire() as client:
            for _ in range(3):
                for values in (["ab", "c"], ["a", "bc"], ["abc", ""], ["", "abc"]):
                    self.assertEqual(client.extended(sql, values), [["|".join(values)]])


if __name__ == "__main__":
    harness.main()
