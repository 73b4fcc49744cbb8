#!/usr/bin/python3
"""The catalog's queries against a real server: the poll's fingerprint moves for every change to
what a catalog holds and for nothing else; load, poll and probe work for any role, under any
search_path; the probe leaves nothing behind and tells settings apart."""

import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARIES = pathlib.Path(os.environ.get("PG_BINDIR", "/usr/lib/postgresql/15/bin"))
AS_SERVER = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
SUPERUSER = "postgres" if AS_SERVER else pwd.getpwuid(os.getuid()).pw_name


def query_text(name):
    text = (ROOT / "catalog" / name).read_text().rstrip()
    return text.removeprefix('R"sql(').removesuffix(')sql"')


POLL = (ROOT / "tests/unit/catalog/poll_query.sql").read_text()
LOAD = query_text("load_query.sql.inc")
PROBE = query_text("probe_query.sql.inc")

# Names that hide pg_catalog's from whoever does not qualify.
HOSTILE = """
CREATE SCHEMA hostile;
CREATE FUNCTION hostile.wrong(text, text) RETURNS bool LANGUAGE sql AS 'SELECT 1/0 = 1';
CREATE FUNCTION hostile.wrong(oid, oid) RETURNS bool LANGUAGE sql AS 'SELECT 1/0 = 1';
CREATE OPERATOR hostile.= (LEFTARG = text, RIGHTARG = text, FUNCTION = hostile.wrong);
CREATE OPERATOR hostile.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = hostile.wrong);
CREATE OPERATOR hostile.!~ (LEFTARG = text, RIGHTARG = text, FUNCTION = hostile.wrong);
CREATE OPERATOR hostile.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = hostile.wrong);
CREATE OPERATOR hostile.<> (LEFTARG = oid, RIGHTARG = oid, FUNCTION = hostile.wrong);
CREATE TABLE hostile.pg_class (); CREATE TABLE hostile.pg_database ();
CREATE TYPE hostile.text AS ENUM (); CREATE TYPE hostile.int8 AS ENUM ();
CREATE FUNCTION hostile.sum(int8) RETURNS int8 LANGUAGE sql AS 'SELECT 1/0::int8';
CREATE FUNCTION hostile.concat(text, text, text) RETURNS text LANGUAGE sql AS 'SELECT (1/0)::text';
GRANT USAGE ON SCHEMA hostile TO PUBLIC;
"""

MOVES = [
    "CREATE TABLE t (id int PRIMARY KEY, v text)",
    "ALTER TABLE t ADD COLUMN w int",
    "ALTER TABLE t RENAME COLUMN w TO x",
    "ALTER TABLE t ALTER COLUMN x SET DEFAULT 1",
    "ALTER TABLE t ALTER COLUMN x SET DEFAULT 2",
    "ALTER TABLE t ALTER COLUMN x TYPE bigint",
    "ALTER TABLE t ADD CHECK (id > 0)",
    "ALTER TABLE t DROP CONSTRAINT t_id_check",
    "GRANT SELECT ON t TO plain",
    "GRANT UPDATE (v) ON t TO plain",
    "REVOKE SELECT ON t FROM plain",
    "ALTER TABLE t OWNER TO plain",
    "CREATE INDEX named ON t (v)",
    "DROP INDEX named",
    "CREATE TABLE u (id int REFERENCES t)",
    "ALTER TABLE u DROP CONSTRAINT u_id_fkey",
    "CREATE TABLE heir () INHERITS (u)",
    "ALTER TABLE heir NO INHERIT u",
    "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY p ON t USING (id > 1)",
    "ALTER POLICY p ON t USING (id > 2)",
    "DROP POLICY p ON t",
    "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "ALTER FUNCTION f() STABLE",
    "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    "ALTER TABLE t DISABLE TRIGGER g",
    "DROP TRIGGER g ON t",
    "CREATE VIEW w AS SELECT id FROM t",
    "CREATE OR REPLACE VIEW w AS SELECT id + 0 AS id FROM t",
    "CREATE RULE r AS ON INSERT TO u DO ALSO NOTHING",
    "CREATE TYPE mood AS ENUM ('sad')",
    "ALTER TYPE mood ADD VALUE 'happy'",
    "CREATE DOMAIN d AS int CHECK (VALUE > 0)",
    "ALTER DOMAIN d ADD CHECK (VALUE > 1)",
    "CREATE CAST (mood AS int) WITH INOUT",
    "CREATE SCHEMA s",
    "ALTER TABLE u SET SCHEMA s",
    "CREATE EXTENSION citext",
    "DROP EXTENSION citext",
    "CREATE TEXT SEARCH CONFIGURATION mine (COPY = simple)",
    "ALTER TEXT SEARCH CONFIGURATION mine DROP MAPPING FOR word",
    "CREATE COLLATION nocase (provider = libc, locale = 'C')",
    "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION ef()",
    "DROP EVENT TRIGGER e",
    "CREATE ROLE other_role",
    "ALTER ROLE other_role BYPASSRLS",
    "GRANT other_role TO plain",
    "REVOKE other_role FROM plain",
    "ALTER ROLE other_role SET search_path = s",
    "ALTER DATABASE postgres SET work_mem = '5MB'",
    "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC; GRANT CONNECT ON DATABASE postgres TO PUBLIC",
    "CREATE TABLE parts (id int) PARTITION BY RANGE (id)",
    "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (2)",
    "ALTER TABLE parts DETACH PARTITION parts_1",
    "ALTER TABLE t SET UNLOGGED",
    "DROP TABLE t CASCADE",
]

STAYS = [
    "INSERT INTO still SELECT generate_series(1, 1000)",
    "UPDATE still SET id = id + 1; DELETE FROM still WHERE id % 2 = 0",
    "VACUUM still",
    "ANALYZE still",
    "VACUUM (FREEZE) still",
    "SELECT nextval('still_sequence')",
    "CREATE TEMP TABLE gone (id serial PRIMARY KEY, v text DEFAULT 'x', CHECK (id > 0))",
    "CREATE TEMP VIEW gone AS SELECT 1",
    "BEGIN; CREATE TABLE never (id int); ROLLBACK",
    "SELECT 1",
]


class CatalogQueries(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="catalog_queries.")
        if AS_SERVER:
            shutil.chown(cls.directory, "postgres")
        cls.data = f"{cls.directory}/data"
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.server(f"{BINARIES}/initdb", "-D", cls.data, "-A", "trust", "-U", SUPERUSER,
                   "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        cls.server(f"{BINARIES}/pg_ctl", "-D", cls.data, "-w", "-l", f"{cls.directory}/log", "-o",
                   f"-k {cls.directory} -c listen_addresses='' -c fsync=off", "start")
        cls.addClassCleanup(cls.server, f"{BINARIES}/pg_ctl", "-D", cls.data, "-m", "immediate",
                            "stop")
        cls.psql("CREATE ROLE plain LOGIN; CREATE TABLE still (id int);"
                 "CREATE SEQUENCE still_sequence;"
                 "CREATE FUNCTION ef() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'")
        cls.psql(HOSTILE)

    @classmethod
    def server(cls, *arguments):
        subprocess.run(AS_SERVER + list(arguments), check=True, stdout=subprocess.DEVNULL,
                       cwd=cls.directory)

    @classmethod
    def psql(cls, text, user=SUPERUSER, options="", whole=False):
        """`whole`: in one message, as the proxy sends it, and not statement by statement."""
        answer = subprocess.run(
            ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", cls.directory, "-U", user,
             *(("-c", text) if whole else ()), "postgres"],
            input=None if whole else text, text=True, capture_output=True,
            env=os.environ | {"PGOPTIONS": options}, check=False)
        if answer.returncode != 0:
            raise AssertionError(f"{text[:200]}: {answer.stderr}")
        return answer.stdout.strip()

    def fingerprint(self):
        return self.psql(POLL).split("|")[0]

    def test_fingerprint_moves(self):
        before = self.fingerprint()
        for statement in MOVES:
            self.psql(statement)
            after = self.fingerprint()
            self.assertNotEqual(before, after, statement)
            before = after

    def test_fingerprint_stays(self):
        for statement in STAYS:
            before = self.fingerprint()
            # The temporary objects are still there while the poll runs.
            during = self.psql(f"{statement};\n{POLL}").splitlines()[-1].split("|")[0]
            self.assertEqual(before, during, statement)
            self.assertEqual(before, self.fingerprint(), statement)

    def test_any_role_under_any_search_path(self):
        hostile = "-c search_path=hostile,pg_catalog"
        for user in (SUPERUSER, "plain"):
            for text in (POLL, PROBE, LOAD):
                self.assertTrue(self.psql(text, user, hostile, whole=True))
        self.assertEqual(self.psql(POLL, "plain", hostile), self.psql(POLL))

    def test_poll_says_who_is_alive(self):
        text = POLL.replace("'{}'", "'{' || pg_backend_pid() || ',1}'")
        self.assertRegex(self.psql(text.replace("('{' ||", "(('{' ||").replace(
            ",1}'::pg_catalog.int4[]", ",1}')::pg_catalog.int4[]")), r"\|\{\d+\}$")

    def probe(self, user="plain", options=""):
        """The settings by name, and the row."""
        *settings, row = self.psql(PROBE, user, options, whole=True).splitlines()
        return dict(line.split("|")[:2] for line in settings), row.split("|")

    def test_probe_shows_settings(self):
        usual, row = self.probe()
        self.assertEqual(row[1:3], ["plain", "plain"])
        self.assertEqual(row[-1], "f")
        known = self.psql("SELECT name FROM pg_settings", "plain").split()
        self.assertEqual(sorted(usual), sorted(known))
        for setting in ("TimeZone=Asia/Tokyo", "DateStyle=German", "extra_float_digits=0",
                        "search_path=s", "bytea_output=escape", "enable_seqscan=off",
                        "row_security=off", "standard_conforming_strings=off",
                        "client_encoding=SJIS", "default_transaction_isolation=serializable"):
            name = setting.split("=")[0]
            settings, _ = self.probe(options=f"-c {setting}")
            self.assertEqual({each for each in settings if settings[each] != usual[each]}
                             - {"transaction_isolation"}, {name})
            self.assertTrue(settings[name].startswith(setting.split("=")[1]), setting)
        settings, _ = self.probe(SUPERUSER, "-c session_replication_role=replica")
        self.assertEqual(settings["session_replication_role"], "replica")

    def test_probe_tells_login_settings_apart(self):
        _, before = self.probe()
        self.psql("CREATE ROLE tenant LOGIN; ALTER ROLE tenant SET app.tenant = '1'")
        _, first = self.probe("tenant")
        self.psql("ALTER ROLE tenant SET app.tenant = '2'")
        _, second = self.probe("tenant")
        self.assertEqual(len({before[0], first[0], second[0]}), 3)
        self.assertEqual(self.probe()[1][0], before[0])


if __name__ == "__main__":
    unittest.main()
