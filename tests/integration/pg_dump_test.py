"""pg_dump through the proxy, psql -f of it through the proxy into another database, compared."""

import re
import subprocess

import harness
from harness import ServerCase, psql

SETUP = r"""
CREATE SCHEMA "Odd schema";
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE parent (id serial PRIMARY KEY, m mood, p positive, t text DEFAULT 'a\b''c', b bytea);
CREATE TABLE "Odd schema"."Odd ""table" (id int REFERENCES parent ON DELETE CASCADE, x jsonb);
CREATE TABLE part (k int, v text) PARTITION BY LIST (k);
CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
CREATE TABLE part_rest PARTITION OF part DEFAULT;
CREATE VIEW v AS SELECT m, count(*) FROM parent GROUP BY m;
CREATE MATERIALIZED VIEW mv AS SELECT count(*) FROM parent;
CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
CREATE TRIGGER noop BEFORE INSERT ON parent FOR EACH ROW EXECUTE FUNCTION noop();
CREATE INDEX ON parent (lower(t));
CREATE POLICY mine ON parent USING (p > 1);
COMMENT ON TABLE parent IS 'a comment with ü';
INSERT INTO parent (m, p, t, b) SELECT 'ok', n, E'line\n\t' || n, decode('00ff', 'hex')
  FROM generate_series(1, 2000) n;
INSERT INTO "Odd schema"."Odd ""table" SELECT n, jsonb_build_object('ü', n) FROM generate_series(1, 500) n;
INSERT INTO part SELECT n % 3, n::text FROM generate_series(1, 300) n;
REFRESH MATERIALIZED VIEW mv;
SELECT lo_from_bytea(0, '\xdeadbeef');
CREATE DATABASE copy;
"""


def dump(target, database, *flags):
    done = subprocess.run(
        ["pg_dump", "-h", "127.0.0.1", "-p", str(target.port), "-U", "postgres", *flags, database],
        capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    # Newer minor versions put a random key into \restrict.
    return re.sub(r"(?m)^\\(un)?restrict .*$", "", done.stdout)


class PgDump(ServerCase):
    @classmethod
    def setUpClass(cls):
        cls.SETUP = ""
        super().setUpClass()
        psql(cls.server, SETUP)

    def test_dump_and_restore(self):
        direct = dump(self.server, "postgres")
        through = dump(self.proxy, "postgres")
        self.assertEqual(through, direct)
        psql(self.proxy, through, dbname="copy", seconds=120)
        self.assertEqual(dump(self.server, "copy"), direct)
        self.assertEqual(dump(self.proxy, "copy"), direct)
        client = self.client(dbname="copy")
        for _ in range(2):
            self.assertEqual(client.execute("SELECT count(*), sum(p) FROM parent").fetchone(),
                             (2000, 2001000))

    def test_dump_as_inserts(self):
        self.assertEqual(dump(self.proxy, "postgres", "--inserts", "--data-only"),
                         dump(self.server, "postgres", "--inserts", "--data-only"))


class Verified(ServerCase):
    """A dump reads under REPEATABLE READ; what psql restores is read again and again."""

    FLAGS = (*ServerCase.FLAGS, "--cache", "verify")

    @classmethod
    def setUpClass(cls):
        cls.SETUP = ""
        super().setUpClass()
        psql(cls.server, SETUP)

    def test_dump_restore_and_read(self):
        psql(self.proxy, dump(self.proxy, "postgres"), dbname="copy", seconds=120)
        self.assertEqual(dump(self.server, "copy"), dump(self.server, "postgres"))
        client = self.client(dbname="copy")
        for statement in ("SELECT count(*), sum(p) FROM parent", "SELECT * FROM part ORDER BY k, v",
                          "SELECT * FROM v", "SELECT * FROM mv"):
            self.fill_by_verifying(client, statement)
        self.assert_verified()

    def fill_by_verifying(self, client, statement):
        def verified():
            client.execute(statement).fetchall()
            return harness.DIRECT or harness.last(client) == "verify: match"
        harness.wait_until(verified, 10, statement)


if __name__ == "__main__":
    harness.main()
