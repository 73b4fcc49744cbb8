"""Every kind of write through the proxy: fill, write, read again, compare with the server."""

import time

import psycopg

import harness
import wire as w
from harness import DIRECT, ServerCase

SETUP = """
CREATE TABLE t (id int PRIMARY KEY, a int DEFAULT 0, b text);
CREATE TABLE other (id int PRIMARY KEY, a int);
CREATE TABLE untouched (id int);
INSERT INTO untouched VALUES (1);
CREATE VIEW tv AS SELECT id, a FROM t;
CREATE VIEW tvv AS SELECT sum(a) AS s, count(*) AS n FROM tv;
CREATE MATERIALIZED VIEW tm AS SELECT count(*) AS n, sum(a) AS s FROM t;

CREATE TABLE grandparent (id int PRIMARY KEY);
CREATE TABLE parent (id int PRIMARY KEY, g int REFERENCES grandparent ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE child (id int PRIMARY KEY, p int REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE child_null (id int PRIMARY KEY, p int REFERENCES parent ON DELETE SET NULL);
CREATE TABLE child_default (id int PRIMARY KEY, p int DEFAULT 0 REFERENCES parent ON DELETE SET DEFAULT);

CREATE TABLE part (k int, v int) PARTITION BY RANGE (k);
CREATE TABLE part_low PARTITION OF part FOR VALUES FROM (0) TO (100);
CREATE TABLE part_high PARTITION OF part FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (k);
CREATE TABLE part_high_1 PARTITION OF part_high FOR VALUES FROM (100) TO (150);
CREATE TABLE part_high_2 PARTITION OF part_high FOR VALUES FROM (150) TO (200);
CREATE TABLE inh (a int);
CREATE TABLE inh_child () INHERITS (inh);

CREATE TABLE watched (id int, a int);
CREATE TABLE audit (n int);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO audit VALUES (1); RETURN NULL; END$$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON watched FOR EACH ROW EXECUTE FUNCTION note();
CREATE TABLE stated (id int);
CREATE TABLE stated_audit (n int);
CREATE FUNCTION stated_note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO stated_audit VALUES (1); RETURN NULL; END$$;
CREATE TRIGGER note AFTER TRUNCATE OR INSERT ON stated FOR EACH STATEMENT EXECUTE FUNCTION stated_note();
CREATE TABLE late (id int);
CREATE TABLE late_audit (n int);
CREATE FUNCTION late_note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO late_audit VALUES (1); RETURN NULL; END$$;
CREATE CONSTRAINT TRIGGER note AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late_note();
CREATE TABLE ruled (id int);
CREATE TABLE ruled_to (id int);
CREATE RULE redirect AS ON INSERT TO ruled DO ALSO INSERT INTO ruled_to VALUES (NEW.id);
CREATE VIEW instead AS SELECT id, a FROM other;
CREATE FUNCTION instead_do() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO t VALUES (NEW.id, NEW.a); RETURN NEW; END$$;
CREATE TRIGGER instead INSTEAD OF INSERT ON instead FOR EACH ROW EXECUTE FUNCTION instead_do();

CREATE FUNCTION f_plpgsql() RETURNS int LANGUAGE plpgsql AS $$BEGIN UPDATE t SET a = a + 1; RETURN 1; END$$;
CREATE FUNCTION f_sql() RETURNS int LANGUAGE sql AS 'UPDATE t SET a = a + 1; SELECT 1';
CREATE FUNCTION f_stable() RETURNS int LANGUAGE plpgsql STABLE AS $$BEGIN RETURN f_plpgsql(); END$$;
CREATE FUNCTION f_dynamic(x text) RETURNS int LANGUAGE plpgsql AS $$BEGIN EXECUTE x; RETURN 1; END$$;
CREATE FUNCTION f_add(t, int) RETURNS int LANGUAGE plpgsql AS $$BEGIN UPDATE t SET a = a + $2; RETURN 1; END$$;
CREATE OPERATOR @+ (LEFTARG = int, RIGHTARG = int, FUNCTION = int4pl);
CREATE FUNCTION f_operator(int, text) RETURNS int LANGUAGE plpgsql AS $$BEGIN UPDATE t SET a = a + 1; RETURN 1; END$$;
CREATE OPERATOR @! (LEFTARG = int, RIGHTARG = text, FUNCTION = f_operator);
CREATE TYPE weird AS (x int);
CREATE FUNCTION f_cast(weird) RETURNS int LANGUAGE plpgsql AS $$BEGIN UPDATE t SET a = a + 1; RETURN 1; END$$;
CREATE CAST (weird AS int) WITH FUNCTION f_cast(weird);
CREATE FUNCTION f_check(int) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN UPDATE t SET a = a + 1; RETURN true; END$$;
CREATE DOMAIN checked AS int CHECK (f_check(VALUE));
CREATE TABLE with_default (id int, x int DEFAULT f_plpgsql());
CREATE TABLE with_check (id int CHECK (f_check(id)));
CREATE PROCEDURE p_commits() LANGUAGE plpgsql AS $$BEGIN UPDATE t SET a = a + 1; COMMIT; UPDATE t SET a = a + 1; END$$;
CREATE PROCEDURE p_commits_then_fails() LANGUAGE plpgsql AS $$BEGIN UPDATE t SET a = a + 1; COMMIT; PERFORM 1/0; END$$;
"""

RESET = """
TRUNCATE t, other, grandparent, parent, child, child_null, child_default, part, inh, watched, audit,
  stated, late, late_audit, ruled, ruled_to, with_default, with_check;
TRUNCATE stated_audit;
INSERT INTO t SELECT n, n, 'b' || n FROM generate_series(1, 10) n;
INSERT INTO other SELECT n, n * 100 FROM generate_series(1, 10) n;
INSERT INTO grandparent VALUES (0), (1), (2);
INSERT INTO parent VALUES (0, 0), (1, 1), (2, 2);
INSERT INTO child VALUES (1, 1), (2, 2);
INSERT INTO child_null VALUES (1, 1), (2, 2);
INSERT INTO child_default VALUES (1, 1), (2, 2);
INSERT INTO part SELECT n, n FROM generate_series(1, 199) n;
INSERT INTO inh VALUES (1); INSERT INTO inh_child VALUES (2);
"""

T = "SELECT count(*), sum(a), max(b) FROM t"
READS = {
    "t": [T, "SELECT * FROM tv ORDER BY id", "SELECT * FROM tvv",
          "SELECT a FROM t WHERE id = 1", "SELECT count(*) FROM other o JOIN t USING (id)",
          "SELECT id FROM other WHERE EXISTS (SELECT FROM tv WHERE tv.a = other.a / 100) ORDER BY 1"],
    "other": ["SELECT count(*), sum(a) FROM other"],
    "tm": ["SELECT * FROM tm"],
    "family": ["SELECT * FROM child ORDER BY id", "SELECT * FROM child_null ORDER BY id",
               "SELECT * FROM child_default ORDER BY id", "SELECT * FROM parent ORDER BY id"],
    "part": ["SELECT count(*), sum(v) FROM part", "SELECT count(*), sum(v) FROM part_low",
             "SELECT count(*), sum(v) FROM part_high", "SELECT count(*), sum(v) FROM part_high_1",
             "SELECT count(*), sum(v) FROM part_high_2"],
    "inh": ["SELECT sum(a) FROM inh", "SELECT sum(a) FROM ONLY inh", "SELECT sum(a) FROM inh_child"],
    "audit": ["SELECT count(*) FROM audit", "SELECT count(*) FROM watched"],
    "stated": ["SELECT count(*) FROM stated_audit"],
    "late": ["SELECT count(*) FROM late_audit", "SELECT count(*) FROM late"],
    "ruled": ["SELECT count(*) FROM ruled_to", "SELECT count(*) FROM ruled"],
}

# What is read, and the writes that each must show in it.
WRITES = {
    "t": [
        "INSERT INTO t VALUES (100, 1, 'new')",
        "INSERT INTO t SELECT 101, 1, 'new'",
        "INSERT INTO t VALUES (1, 5) ON CONFLICT (id) DO UPDATE SET a = excluded.a + 1000",
        "INSERT INTO t VALUES (1, 5) ON CONFLICT DO NOTHING",
        "UPDATE t SET a = a + 1 WHERE id = 1",
        "UPDATE t AS x SET a = x.a + 1",
        "UPDATE ONLY public.t SET a = 7",
        'UPDATE "t" SET "a" = 8 RETURNING id',
        "UPDATE t SET a = other.a FROM other WHERE other.id = t.id",
        "DELETE FROM t WHERE id = 2",
        "DELETE FROM t USING other WHERE other.id = t.id AND other.a > 500",
        "MERGE INTO t USING other ON t.id = other.id WHEN MATCHED THEN UPDATE SET a = other.a"
        " WHEN NOT MATCHED THEN INSERT VALUES (other.id, other.a)",
        "MERGE INTO t USING other ON t.id = other.id WHEN MATCHED THEN DELETE",
        "WITH x AS (UPDATE t SET a = a + 1 RETURNING id) SELECT count(*) FROM x",
        "WITH x AS (DELETE FROM t WHERE id < 4 RETURNING *) INSERT INTO other SELECT id + 50, a FROM x",
        "WITH x AS (INSERT INTO t VALUES (102, 2)) SELECT 1",
        "UPDATE tv SET a = a + 1 WHERE id = 1",
        "INSERT INTO tv VALUES (103, 3)",
        "DELETE FROM tv WHERE id = 3",
        "INSERT INTO instead VALUES (104, 4)",
        "TRUNCATE t",
        "TRUNCATE ONLY t, other",
        "SELECT f_plpgsql()",
        "SELECT f_sql()",
        "SELECT f_stable()",
        "SELECT * FROM f_plpgsql()",
        "SELECT f_dynamic('UPDATE t SET a = a + 1')",
        "SELECT count(*) FROM other WHERE f_plpgsql() = 1",
        "SELECT id FROM other ORDER BY f_plpgsql(), id LIMIT 1",
        "SELECT (SELECT f_plpgsql())",
        "SELECT t.f_add FROM (SELECT 1) one, LATERAL (SELECT f_add(t, 1) FROM t LIMIT 1) t",
        "SELECT 1 @! 'x'",
        "SELECT ROW(1)::weird::int",
        "SELECT 5::checked",
        "INSERT INTO with_default (id) VALUES (1)",
        "INSERT INTO with_check VALUES (1)",
        "EXPLAIN ANALYZE UPDATE t SET a = a + 1",
        "EXPLAIN (ANALYZE, COSTS off) SELECT f_plpgsql()",
        "DO $$BEGIN UPDATE t SET a = a + 1; END$$",
        "DO $$BEGIN EXECUTE 'UP' || 'DATE t SET a = a + 1'; END$$",
        "CALL p_commits()",
        "COPY (UPDATE t SET a = a + 1 RETURNING id) TO STDOUT",
        "ALTER TABLE t ALTER b TYPE text USING b || '!'",
        "ALTER TABLE t DISABLE TRIGGER ALL; UPDATE t SET a = 3",
        "UPDATE t SET a = 1; UPDATE t SET a = 2",
        "BEGIN; UPDATE t SET a = a + 1; COMMIT",
        "BEGIN; UPDATE t SET a = a + 1; COMMIT AND CHAIN; ROLLBACK",
        "BEGIN; SAVEPOINT s; UPDATE t SET a = 50; RELEASE s; COMMIT",
        "PREPARE w1 AS UPDATE t SET a = a + $1; EXECUTE w1(3); DEALLOCATE w1",
        "UPDATE t SET b = NULL",
    ],
    "tm": ["UPDATE t SET a = 9; REFRESH MATERIALIZED VIEW tm"],
    "family": [
        "DELETE FROM grandparent WHERE id = 1",
        "DELETE FROM parent WHERE id = 1",
        "UPDATE grandparent SET id = 20 WHERE id = 2",
        "TRUNCATE grandparent CASCADE",
        "TRUNCATE parent CASCADE",
        "WITH x AS (DELETE FROM parent WHERE id = 2) SELECT 1",
    ],
    "part": [
        "INSERT INTO part VALUES (50, 1000)",
        "INSERT INTO part_low VALUES (51, 1000)",
        "INSERT INTO part_high_2 VALUES (160, 1000)",
        "UPDATE part SET v = v + 1",
        "UPDATE part_high SET v = v + 1",
        "UPDATE part SET k = 190 WHERE k = 10",
        "DELETE FROM part_high_1",
        "TRUNCATE part_low",
        "TRUNCATE part",
    ],
    "inh": ["INSERT INTO inh VALUES (10)", "INSERT INTO inh_child VALUES (10)",
            "UPDATE inh SET a = a + 1", "UPDATE ONLY inh SET a = a + 1", "DELETE FROM inh_child"],
    "audit": ["INSERT INTO watched VALUES (1, 1)",
              "INSERT INTO watched VALUES (2, 2); UPDATE watched SET a = 3",
              "DELETE FROM watched"],
    "stated": ["INSERT INTO stated VALUES (1)", "TRUNCATE stated"],
    "late": ["INSERT INTO late VALUES (1)", "BEGIN; INSERT INTO late VALUES (2); COMMIT"],
    "ruled": ["INSERT INTO ruled VALUES (1)"],
}


class Invalidation(ServerCase):
    SETUP = SETUP

    def reset(self):
        """Through the proxy, as everything is written here; then until reads are hits again."""
        with harness.connect(self.proxy) as client:
            client.execute(RESET)

    def warm(self, client, reads):
        """Reads until everything is cached; without it a test of invalidation proves nothing."""
        for sql in reads:
            def cached():
                client.execute(sql)
                client.execute(sql)
                return DIRECT or harness.last(client) == "hit"
            harness.wait_until(cached, seconds=10, what=f"a hit for {sql}")

    def check(self, write, reads, run):
        self.reset()
        reader = self.client()
        self.warm(reader, reads)
        run(write)
        for sql in reads:
            self.assert_same_as_server(reader, sql, f"after {write}")
        reader.close()

    def run_all(self, run, texts=None):
        for reads, writes in WRITES.items():
            for write in writes:
                if texts is None or texts(write):
                    with self.subTest(write):
                        self.check(write, READS[reads], run)

    def test_simple_protocol(self):
        def run(write):
            with harness.connect(self.proxy) as writer:
                if write.startswith("COPY"):
                    with writer.cursor().copy(write) as copy:
                        list(copy)
                else:
                    writer.execute(write)
        self.run_all(run)

    def test_extended_protocol(self):
        def run(write):
            with harness.wire(self.proxy) as writer:
                for statement in write.split("; "):
                    writer.extended(statement)
        self.run_all(run, lambda write: "$$" not in write and not write.startswith("COPY"))

    def test_one_pipeline_with_one_sync(self):
        def run(write):
            with harness.wire(self.proxy) as writer:
                run = []
                for statement in ("SELECT 1", write, "SELECT 2"):
                    run += [w.parse(statement), w.bind(), w.describe(), w.execute()]
                writer.send(*run, w.SYNC)
                writer.rows(writer.read_until_ready())
        self.run_all(run, lambda write: write.startswith(("INSERT", "UPDATE", "WITH", "SELECT f_"))
                     and ";" not in write)

    def test_in_a_transaction_read_by_others_meanwhile(self):
        def run(write):
            with harness.connect(self.proxy, autocommit=False) as writer:
                reader = harness.connect(self.proxy)
                writer.execute(write)
                for sql in READS["t"]:
                    self.assert_same_as_server(reader, sql, "before the commit")
                writer.commit()
                reader.close()
        for write in ("UPDATE t SET a = a + 1", "INSERT INTO instead VALUES (104, 4)",
                      "SELECT f_stable()", "DELETE FROM t WHERE id = 5"):
            with self.subTest(write):
                self.check(write, READS["t"], run)

    # Writes that need more than a text

    def test_copy_from(self):
        def run(_):
            with harness.connect(self.proxy) as writer:
                with writer.cursor().copy("COPY t FROM STDIN") as copy:
                    copy.write_row((200, 1, "copied"))
        self.check("COPY FROM", READS["t"], run)

        def run_in_transaction(_):
            with harness.connect(self.proxy, autocommit=False) as writer:
                with writer.cursor().copy("COPY public.t (id, a) FROM STDIN") as copy:
                    copy.write_row((201, 1))
                writer.commit()
        self.check("COPY FROM in a transaction", READS["t"], run_in_transaction)

    def test_call_that_commits_and_fails(self):
        def run(_):
            with harness.connect(self.proxy) as writer:
                with self.assertRaises(psycopg.errors.DivisionByZero):
                    writer.execute("CALL p_commits_then_fails()")
        self.check("CALL p_commits_then_fails()", READS["t"], run)

    def test_multi_statement_with_a_failure(self):
        def run(text):
            with harness.connect(self.proxy) as writer:
                with self.assertRaises(psycopg.Error):
                    writer.execute(text)
                writer.execute("ROLLBACK")
        for text in ("UPDATE t SET a = 1; SELECT 1/0",
                     "BEGIN; UPDATE t SET a = 1; COMMIT; SELECT 1/0",
                     "UPDATE t SET a = 1; COMMIT; UPDATE t SET a = 2; SELECT 1/0"):
            with self.subTest(text):
                self.check(text, READS["t"], run)

    def test_rolled_back(self):
        def run(_):
            with harness.connect(self.proxy, autocommit=False) as writer:
                writer.execute("UPDATE t SET a = 77")
                writer.execute(T)
                self.assertEqual(writer.execute("SELECT max(a) FROM t").fetchone(), (77,))
                writer.rollback()
        self.check("ROLLBACK", READS["t"], run)

    def test_writer_disconnects_in_the_middle(self):
        def run(_):
            for text in ("BEGIN; UPDATE t SET a = 78", "UPDATE t SET a = a + 1"):
                writer = harness.wire(self.proxy)
                writer.send(w.query(text))
                writer.close()
            # Either outcome is right, as long as the proxy and the server agree on it.
            time.sleep(0.5)
        self.check("a lost writer", READS["t"], run)

    def test_function_call_message(self):
        (oid,) = self.truth.execute("SELECT 'f_plpgsql'::regproc::oid").fetchone()

        def run(_):
            with harness.wire(self.proxy) as writer:
                writer.send(w.function_call(oid, []))
                writer.rows(writer.read_until_ready())
        self.check("FunctionCall", READS["t"], run)

    def test_prepared_statement_of_the_protocol(self):
        def run(_):
            with harness.wire(self.proxy) as writer:
                writer.send(w.parse("UPDATE t SET a = a + $1", "s"), w.SYNC)
                writer.read_until_ready()
                for _ in range(2):
                    writer.send(w.bind([5], "s"), w.execute(), w.SYNC)
                    writer.rows(writer.read_until_ready())
        self.check("a prepared UPDATE", READS["t"], run)

    def test_two_phase_commit(self):
        def run(_):
            with harness.connect(self.proxy) as writer:
                writer.execute("BEGIN; UPDATE t SET a = 79; PREPARE TRANSACTION 'two'")
            with harness.connect(self.proxy) as reader:
                self.assert_same_as_server(reader, T, "while prepared")
            with harness.connect(self.proxy) as writer:
                writer.execute("COMMIT PREPARED 'two'")
        self.check("COMMIT PREPARED", READS["t"], run)

    def test_cursor_and_where_current_of(self):
        def run(_):
            with harness.connect(self.proxy, autocommit=False) as writer:
                writer.execute("DECLARE c CURSOR FOR SELECT * FROM t FOR UPDATE")
                writer.execute("FETCH c")
                writer.execute("UPDATE t SET a = 500 WHERE CURRENT OF c")
                writer.commit()
        self.check("WHERE CURRENT OF", READS["t"], run)

    def test_session_replication_and_triggers_off(self):
        def run(_):
            with harness.connect(self.proxy) as writer:
                writer.execute("SET session_replication_role = replica")
                writer.execute("INSERT INTO watched VALUES (5, 5)")
        self.check("INSERT without triggers", READS["audit"], run)

    # DDL

    DDL = [
        ("CREATE TABLE d (a int); INSERT INTO d VALUES (1)", "SELECT * FROM d",
         ["ALTER TABLE d ADD COLUMN b int DEFAULT 5", "ALTER TABLE d ALTER a TYPE text USING a || 'x'",
          "ALTER TABLE d RENAME COLUMN a TO c", "ALTER TABLE d DROP COLUMN b",
          "DROP TABLE d; CREATE TABLE d (z text); INSERT INTO d VALUES ('again')",
          "ALTER TABLE d RENAME TO d_old; CREATE TABLE d (y int)"]),
        ("CREATE VIEW dv AS SELECT 1 AS a, max(id) FROM t", "SELECT * FROM dv",
         ["CREATE OR REPLACE VIEW dv AS SELECT 2 AS a, max(id) FROM t",
          "DROP VIEW dv; CREATE VIEW dv AS SELECT 'x'"]),
        ("CREATE TABLE dp (k int) PARTITION BY LIST (k); CREATE TABLE dp1 (k int);"
         " INSERT INTO dp1 VALUES (1)", "SELECT count(*) FROM dp",
         ["ALTER TABLE dp ATTACH PARTITION dp1 FOR VALUES IN (1)", "INSERT INTO dp1 VALUES (1)",
          "INSERT INTO dp VALUES (1)", "ALTER TABLE dp DETACH PARTITION dp1",
          "INSERT INTO dp1 VALUES (1)"]),
        ("CREATE FUNCTION df() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1'", "SELECT df()",
         ["CREATE OR REPLACE FUNCTION df() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 2'"]),
        ("CREATE TYPE de AS ENUM ('a', 'b'); CREATE TABLE det (e de); INSERT INTO det VALUES ('a')",
         "SELECT * FROM det", ["ALTER TYPE de RENAME VALUE 'a' TO 'z'"]),
        ("CREATE TABLE dc (a int); CREATE TABLE dkey (id int PRIMARY KEY);"
         " CREATE TABLE dref (a int REFERENCES dkey ON DELETE CASCADE)",
         "SELECT count(*) FROM dc",
         ["INSERT INTO dc VALUES (1)",
          "CREATE TRIGGER x AFTER INSERT ON untouched FOR EACH ROW EXECUTE FUNCTION note()",
          "SELECT 1 INTO dnew", "CREATE TABLE dnew2 AS SELECT 1"]),
    ]

    def test_ddl(self):
        for create, read, steps in self.DDL:
            with harness.connect(self.proxy) as writer, harness.connect(self.proxy) as reader:
                writer.execute(create)
                for step in steps:
                    with self.subTest(step):
                        for _ in range(3):
                            reader.execute(read)
                        writer.execute(step)
                        self.assert_same_as_server(reader, read, f"after {step}")

    def test_prepared_statement_used_again_after_ddl(self):
        """The server refuses it, or answers anew; the old shape is never an answer."""
        with harness.connect(self.proxy) as writer, harness.wire(self.proxy) as client:
            writer.execute("CREATE TABLE shape (a int); INSERT INTO shape VALUES (1)")
            client.send(w.parse("SELECT * FROM shape", "s"), w.SYNC)
            client.read_until_ready()
            run = [w.bind(name="s"), w.describe(), w.execute(), w.SYNC]
            for _ in range(3):
                client.send(*run)
                self.assertEqual(client.rows(client.read_until_ready()), [["1"]])
            writer.execute("ALTER TABLE shape ADD COLUMN b int DEFAULT 2")
            for _ in range(2):
                client.send(*run)
                try:
                    self.assertEqual(client.rows(client.read_until_ready()), [["1", "2"]])
                except w.ServerError as refused:
                    self.assertEqual(refused.sqlstate, "0A000")

    def test_trigger_created_later(self):
        with harness.connect(self.proxy) as client, harness.connect(self.proxy) as reader:
            client.execute("CREATE TABLE plain (id int); CREATE TABLE plain_audit (n int)")
            sql = "SELECT count(*) FROM plain_audit"
            self.warm(reader, [sql])
            client.execute("INSERT INTO plain VALUES (1)")
            client.execute(
                "CREATE FUNCTION plain_note() RETURNS trigger LANGUAGE plpgsql AS"
                " $$BEGIN INSERT INTO plain_audit VALUES (1); RETURN NULL; END$$;"
                " CREATE TRIGGER n AFTER INSERT ON plain FOR EACH ROW EXECUTE FUNCTION plain_note()")
            self.warm(reader, [sql])
            client.execute("INSERT INTO plain VALUES (2)")
            self.assertEqual(reader.execute(sql).fetchone(), (1,))

    def test_select_into_and_materialized_view_created(self):
        with harness.connect(self.proxy) as client:
            client.execute("SELECT a INTO made FROM t; CREATE MATERIALIZED VIEW madev AS"
                           " SELECT count(*) FROM made")
            for sql in ("SELECT count(*) FROM made", "SELECT * FROM madev"):
                self.warm(client, [sql])
            client.execute("INSERT INTO made VALUES (1)")
            self.assert_same_as_server(client, "SELECT count(*) FROM made")
            self.assert_same_as_server(client, "SELECT * FROM madev")
            client.execute("REFRESH MATERIALIZED VIEW madev")
            self.assert_same_as_server(client, "SELECT * FROM madev")

    def test_uncommitted_ddl(self):
        with harness.connect(self.proxy) as client, harness.connect(self.proxy) as reader:
            client.execute("CREATE TABLE ud (a int); INSERT INTO ud VALUES (1)")
            self.warm(reader, ["SELECT * FROM ud"])
            client.execute("BEGIN; ALTER TABLE ud ADD b int DEFAULT 3")
            self.assertEqual(client.execute("SELECT * FROM ud").fetchall(), [(1, 3)])
            client.execute("ROLLBACK")
            for connection in (client, reader):
                self.assert_same_as_server(connection, "SELECT * FROM ud")

    # And the other way round: what is not written stays cached.

    def test_unrelated_writes_keep_entries(self):
        if DIRECT:
            self.skipTest("about the cache")
        self.reset()
        reader, writer = self.client(), self.client()
        self.warm(reader, ["SELECT * FROM untouched"])
        for write in ("UPDATE other SET a = a + 1", "INSERT INTO other VALUES (60, 1)",
                      "DELETE FROM other WHERE id = 60"):
            writer.execute(write)
            reader.execute("SELECT * FROM untouched")
            self.assert_last(reader, "hit", f"after {write}")


if __name__ == "__main__":
    harness.main()
