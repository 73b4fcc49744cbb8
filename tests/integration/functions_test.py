"""Functions of users and extensions, wherever a statement may reach one: what they read and write counts
as the statement's own, and what of them is not understood forbids the cache."""

import time

import harness
from harness import DIRECT, ServerCase, wait_until

SETUP = """
CREATE EXTENSION pg_trgm; CREATE EXTENSION "uuid-ossp"; CREATE EXTENSION citext;
CREATE TABLE prices (id int PRIMARY KEY, price int);
INSERT INTO prices VALUES (1, 10), (2, 20);
CREATE TABLE items (id int PRIMARY KEY, name text);
INSERT INTO items VALUES (1, 'one'), (2, 'two');
CREATE TABLE bystander (id int); INSERT INTO bystander VALUES (1);
CREATE TABLE audit (id serial, what text);

CREATE FUNCTION price_of(int) RETURNS int LANGUAGE sql STABLE AS
  'SELECT price FROM prices WHERE id = $1';
CREATE FUNCTION price_by_loop(n int) RETURNS int LANGUAGE plpgsql STABLE AS $$
DECLARE r record; total int := 0;
BEGIN
  FOR r IN SELECT price FROM prices WHERE id <= n LOOP total := total + r.price; END LOOP;
  RETURN total;
END $$;
CREATE FUNCTION doubled(a int, b int DEFAULT 2) RETURNS int LANGUAGE sql STABLE AS
  'SELECT price_of($1) * $2';
CREATE FUNCTION factorial_of(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
  'BEGIN IF n < 2 THEN RETURN 1; END IF; RETURN n * factorial_of(n - 1); END';
CREATE FUNCTION over(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION over(int, text) RETURNS float8 LANGUAGE sql AS 'SELECT random()';
CREATE FUNCTION dynamic(text) RETURNS int LANGUAGE plpgsql STABLE AS
  $$DECLARE n int; BEGIN EXECUTE 'SELECT count(*) FROM ' || $1 INTO n; RETURN n; END$$;
CREATE FUNCTION add_price(int, int) RETURNS void LANGUAGE sql AS
  'UPDATE prices SET price = price + $2 WHERE id = $1';
CREATE PROCEDURE raises(int) LANGUAGE plpgsql AS
  'BEGIN UPDATE prices SET price = price + $1; END';
CREATE PROCEDURE raises_and_says(int, OUT said text) LANGUAGE plpgsql AS
  $$BEGIN CALL raises($1); said := 'done'; END$$;
CREATE FUNCTION add_dynamically(text) RETURNS void LANGUAGE plpgsql AS
  $$BEGIN EXECUTE 'UPDATE ' || $1 || ' SET price = price + 1'; END$$;
CREATE FUNCTION as_owner(int) RETURNS int LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = public AS 'SELECT price FROM prices WHERE id = $1';
CREATE VIEW priced AS SELECT id, name, price_of(id) AS price FROM items;

CREATE ROLE tenant LOGIN;
CREATE TABLE docs (id int, tenant int, body text);
INSERT INTO docs VALUES (1, 1, 'a'), (2, 2, 'b');
CREATE FUNCTION tenant() RETURNS int LANGUAGE sql STABLE AS
  $$SELECT current_setting('app.tenant', true)::int$$;
ALTER TABLE docs ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON docs USING (tenant = tenant());
CREATE TABLE letters (id int, tenant int);
INSERT INTO letters VALUES (1, 1), (2, 2), (3, 2);
ALTER TABLE letters ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON letters USING (tenant = current_setting('app.tenant')::int);
CREATE TABLE members (id int, name text); INSERT INTO members VALUES (1, 'tenant');
CREATE FUNCTION is_member(int) RETURNS bool LANGUAGE sql STABLE SECURITY DEFINER AS
  'SELECT EXISTS (SELECT 1 FROM public.members WHERE id = $1 AND name = session_user)';
CREATE TABLE clubs (id int); INSERT INTO clubs VALUES (1), (2);
ALTER TABLE clubs ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON clubs USING (is_member(id));
GRANT SELECT ON docs, letters, clubs TO tenant;
CREATE VIEW mine AS SELECT current_user AS me, id FROM items;
GRANT SELECT ON mine TO tenant;

CREATE TABLE audited (id int PRIMARY KEY, v int); INSERT INTO audited VALUES (1, 1);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN INSERT INTO audit (what) VALUES (TG_OP || TG_TABLE_NAME); RETURN NULL; END$$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON audited FOR EACH ROW
  EXECUTE FUNCTION note();
CREATE TABLE audited_child (id int REFERENCES audited ON DELETE CASCADE, v int);
CREATE TABLE child_audit (n int);
CREATE FUNCTION note_child() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN INSERT INTO child_audit VALUES (OLD.v); RETURN NULL; END$$;
CREATE TRIGGER note AFTER DELETE ON audited_child FOR EACH ROW EXECUTE FUNCTION note_child();
CREATE TABLE audited_late (id int);
CREATE CONSTRAINT TRIGGER note AFTER INSERT ON audited_late DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION note();

CREATE FUNCTION log_value(int) RETURNS int LANGUAGE plpgsql AS
  $$BEGIN INSERT INTO audit (what) VALUES ('value'); RETURN $1; END$$;
CREATE TABLE by_default (id int, v int DEFAULT log_value(1));
CREATE TABLE by_check (id int CHECK (log_value(id) > 0));
CREATE FUNCTION log_index(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
  $$BEGIN RETURN log_value($1); END$$;
CREATE TABLE by_index (id int); CREATE INDEX ON by_index (log_index(id));
CREATE TABLE by_statistics (id int, c int); INSERT INTO by_statistics VALUES (1, 1), (2, 2);
CREATE STATISTICS on_log ON log_index(id), c FROM by_statistics;
CREATE TABLE tokens (id uuid DEFAULT uuid_generate_v4(), v int);
CREATE TYPE colour AS ENUM ('red', 'blue');
CREATE FUNCTION to_colour(int) RETURNS colour LANGUAGE plpgsql AS
  $$BEGIN INSERT INTO audit (what) VALUES ('cast'); RETURN 'red'; END$$;
CREATE CAST (int AS colour) WITH FUNCTION to_colour(int) AS ASSIGNMENT;
CREATE TABLE coloured (c colour);
CREATE FUNCTION log_operator(int, int) RETURNS bool LANGUAGE plpgsql AS
  $$BEGIN INSERT INTO audit (what) VALUES ('operator'); RETURN true; END$$;
CREATE OPERATOR ### (LEFTARG = int, RIGHTARG = int, FUNCTION = log_operator);
CREATE TABLE words (w citext); INSERT INTO words VALUES ('Abc');
"""
AUDIT = "SELECT count(*) FROM audit"
BYSTANDER = "SELECT count(*) FROM bystander"


class Functions(ServerCase):
    SETUP = SETUP

    def assert_moves(self, client, read, change):
        """`read` is cached; after `change` it is the server's answer, and what is beside it stays a
        hit, also for this session: what it ran was understood."""
        self.fill(client, BYSTANDER)
        before = self.fill(client, read)
        client.execute(change)
        after = client.execute(read).fetchall()
        self.assert_last(client, "miss", f"{read} after {change}")
        self.assertNotEqual(after, before, f"{read} after {change}")
        self.assert_same_as_server(client, read, change)
        client.execute(BYSTANDER)
        self.assert_last(client, "hit", f"beside {change}")

    def settle(self, client):
        """Until the catalog has been read again. SELECT 1 names nothing that could run."""
        wait_until(lambda: client.execute("SELECT 1") and
                   (DIRECT or "catalog" not in harness.last(client)), what="the catalog")

    def assert_bypassed(self, client, sql):
        for _ in range(2):
            client.execute(sql)
            self.assert_last(client, "bypass", sql)

    def test_call_and_do(self):
        client, prices = self.client(), "SELECT * FROM prices ORDER BY id"
        for change in ("CALL raises(1)", "CALL raises_and_says(1, NULL)",
                       "DO $$BEGIN UPDATE prices SET price = price + 1 WHERE id = 2; END$$",
                       "DO $$DECLARE r record; BEGIN FOR r IN SELECT id FROM prices LOOP"
                       " PERFORM add_price(r.id, 1); END LOOP; END$$"):
            self.assert_moves(client, prices, change)
        if not DIRECT:
            self.assertEqual({row["pinned_because"] for row in self.show("CLIENTS")}, {""})

    def test_lookup_functions_are_read_through(self):
        client = self.client()
        for read in ("SELECT price_of(1)", "SELECT price_by_loop(2)", "SELECT * FROM priced",
                     "SELECT doubled(1)", "SELECT doubled(1, 3)", "SELECT as_owner(1)",
                     "SELECT id FROM items ORDER BY price_of(id), (SELECT sum(price) FROM prices),"
                     " (SELECT sum(price) FROM prices)"):
            with self.subTest(read):
                self.fill(client, read)
                client.execute("UPDATE prices SET price = price + 1")
                client.execute(read)
                self.assert_last(client, "miss", read)
                self.assert_same_as_server(client, read)

    def test_a_function_that_writes_is_a_write_of_what_it_writes(self):
        client = self.client()
        self.assert_moves(client, "SELECT * FROM prices ORDER BY id", "SELECT add_price(1, 5)")
        self.assert_moves(client, "SELECT price_of(1)", "SELECT add_price(1, 5)")
        self.assert_bypassed(client, "SELECT add_price(1, 0)")

    def test_dynamic_sql_is_a_write_to_anything(self):
        client = self.client()
        for read in ("SELECT price_of(1)", BYSTANDER):
            self.fill(client, read)
        client.execute("SELECT add_dynamically('prices')")
        self.assert_same_as_server(client, "SELECT price_of(1)")
        self.assert_bypassed(self.client(), "SELECT dynamic('items')")

    def test_overloads_defaults_recursion(self):
        client = self.client()
        for read in ("SELECT over(1)", "SELECT factorial_of(5)", "SELECT over(id) FROM items"):
            self.fill(client, read)
        self.assert_bypassed(client, "SELECT over(1, 'x')")

    def test_policy_by_setting(self):
        for table, sql in (("docs", "SELECT id FROM docs"), ("letters", "SELECT id FROM letters")):
            with self.subTest(table):
                answers = {}
                for tenant in ("1", "2", "1", "2"):
                    client = self.client(user="tenant", options=f"-c app.tenant={tenant}")
                    rows = self.fill(client, sql)
                    self.assertEqual(answers.setdefault(tenant, rows), rows)
                self.assertNotEqual(answers["1"], answers["2"])

    def test_policy_by_lookup(self):
        client = self.client(user="tenant")
        sql = "SELECT id FROM clubs ORDER BY id"
        self.assertEqual(self.fill(client, sql), [(1,)])
        self.client().execute("INSERT INTO members VALUES (2, 'tenant')")
        self.assertEqual(client.execute(sql).fetchall(), [(1,), (2,)])
        self.assertEqual(self.fill(self.client(), sql), [(1,), (2,)])
        self.client().execute("DELETE FROM members WHERE id = 2")
        self.assertEqual(client.execute(sql).fetchall(), [(1,)])

    def test_who_asks_in_a_view(self):
        sql = "SELECT DISTINCT me FROM mine"
        for _ in range(2):
            for user in ("postgres", "tenant"):
                self.assertEqual(self.fill(self.client(user=user), sql), [(user,)])

    def test_audit_trigger(self):
        client = self.client()
        for change in ("UPDATE audited SET v = v + 1", "INSERT INTO audited VALUES (2, 2)",
                       "DELETE FROM audited WHERE id = 2"):
            self.assert_moves(client, "SELECT * FROM audited ORDER BY id", change)
            client.execute(change.replace("(2, 2)", "(3, 3)"))
            client.execute("DELETE FROM audited WHERE id = 3")
        self.assert_moves(client, AUDIT, "UPDATE audited SET v = v + 1")

    def test_cascade_fires_the_childs_trigger(self):
        client = self.client()
        client.execute("INSERT INTO audited VALUES (7, 7); INSERT INTO audited_child VALUES (7, 1)")
        self.assert_moves(client, "SELECT count(*) FROM child_audit",
                          "DELETE FROM audited WHERE id = 7")

    def test_deferred_trigger_at_commit(self):
        client = self.client()
        before = self.fill(client, AUDIT)[0][0]
        with client.transaction():
            client.execute("INSERT INTO audited_late VALUES (1)")
            reader = self.client()
            self.assertEqual(reader.execute(AUDIT).fetchone()[0], before)
        self.assertEqual(client.execute(AUDIT).fetchone()[0], before + 1)
        self.assert_same_as_server(client, AUDIT)

    def test_functions_behind_a_write(self):
        client = self.client()
        for change in ("INSERT INTO by_default (id) VALUES (1)",
                       "UPDATE by_default SET v = DEFAULT",
                       "INSERT INTO by_check VALUES (1)",
                       "INSERT INTO coloured SELECT 1",
                       "SELECT 1 ### 2"):
            with self.subTest(change):
                self.assert_moves(client, AUDIT, change)
        self.assert_moves(client, AUDIT, "INSERT INTO by_index VALUES (1)")

    def test_functions_behind_maintenance(self):
        client = self.client()
        client.execute("INSERT INTO by_index VALUES (1)")
        for change in ("ANALYZE by_index", "VACUUM FULL by_index", "VACUUM (ANALYZE)",
                       "ANALYZE by_statistics", "REINDEX TABLE by_index"):
            with self.subTest(change):
                before = self.fill(client, AUDIT)
                client.execute(change)
                self.assertNotEqual(self.truth.execute(AUDIT).fetchall(), before)
                self.assert_same_as_server(client, AUDIT, change)

    def test_functions_redefined(self):
        client = self.client()
        client.execute("CREATE FUNCTION f() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1'")
        self.settle(client)
        self.fill(client, "SELECT f()")
        client.execute("CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql STABLE AS"
                       " 'SELECT price FROM prices WHERE id = 1'")
        self.settle(client)
        self.fill(client, "SELECT f()")
        client.execute("UPDATE prices SET price = price + 1")
        self.assert_same_as_server(client, "SELECT f()")
        client.execute("CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql VOLATILE AS"
                       " 'UPDATE prices SET price = price + 1; SELECT 1'")
        self.settle(client)
        self.fill(client, "SELECT price_of(1)")
        client.execute("SELECT f()")
        self.assert_last(client, "bypass")
        self.assert_same_as_server(client, "SELECT price_of(1)")
        client.execute("CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql STABLE AS 'SELECT 2'")
        self.settle(client)
        self.assertEqual(self.fill(client, "SELECT f()"), [(2,)])
        client.execute("ALTER FUNCTION f() VOLATILE")
        self.settle(client)
        self.assert_bypassed(client, "SELECT f()")

    def test_extensions(self):
        client = self.client()
        for read in ("SELECT similarity('word', 'words')", "SELECT name % 'one' FROM items",
                     "SELECT w = 'ABC', lower(w), w::text FROM words"):
            self.fill(client, read)
        self.assert_bypassed(client, "SELECT uuid_generate_v4()")
        self.assert_moves(client, "SELECT count(*) FROM tokens", "INSERT INTO tokens (v) VALUES (1)")
        # A value set in C, of which nobody else may know, keeps the session where it is.
        client.execute("SELECT set_limit(0.9)")
        self.assert_bypassed(client, "SELECT similarity('word', 'words')")


def operator_class(type_name, name):
    """A default one of a type, under which the table `direction` says what is less."""
    operators = "".join(
        f"CREATE FUNCTION {name}{number} ({type_name}, {type_name}) RETURNS bool LANGUAGE sql"
        f" STABLE AS 'SELECT {name}_compare($1, $2) {sign} 0';"
        f"CREATE OPERATOR {sign}# (LEFTARG = {type_name}, RIGHTARG = {type_name},"
        f" FUNCTION = {name}{number});" for number, sign in enumerate(("<", "<=", "=", ">=", ">")))
    members = ", ".join(f"OPERATOR {number + 1} {sign}#"
                        for number, sign in enumerate(("<", "<=", "=", ">=", ">")))
    return (f"CREATE FUNCTION {name}_compare({type_name}, {type_name}) RETURNS int LANGUAGE sql"
            " STABLE AS 'SELECT CASE WHEN $1::text < $2::text THEN -way WHEN $1::text = $2::text"
            " THEN 0 ELSE way END FROM direction';"
            f"{operators}"
            f"CREATE OPERATOR CLASS {name}_class DEFAULT FOR TYPE {type_name} USING btree AS"
            f" {members}, FUNCTION 1 {name}_compare({type_name}, {type_name});")


class OperatorClasses(ServerCase):
    """Sorting calls functions that no text names."""

    SETUP = ("CREATE TABLE direction (way int); INSERT INTO direction VALUES (1);"
             "CREATE TYPE mood AS ENUM ('glad', 'sad');" + operator_class("mood", "mood")
             + operator_class("json", "json")
             + "CREATE TABLE moods (m mood, j json, id int);"
               "INSERT INTO moods VALUES ('glad', '1', 1), ('sad', '2', 2);")

    def test_what_compares_is_read_through(self):
        client = self.client()
        for read in ("SELECT id FROM moods ORDER BY m", "SELECT max(ARRAY[m]) FROM moods",
                     "SELECT GREATEST(m, 'glad') FROM moods", "SELECT id FROM moods ORDER BY j",
                     "SELECT a.id FROM moods a, moods b WHERE ARRAY[a.m] < ARRAY[b.m]"):
            with self.subTest(read):
                before = self.fill(client, read)
                client.execute("UPDATE direction SET way = -way")
                self.assertNotEqual(self.truth.execute(read).fetchall(), before)
                self.assert_same_as_server(client, read)


class Elsewhere(ServerCase):
    SETUP = """
    CREATE TABLE t (id int); INSERT INTO t VALUES (1);
    CREATE TABLE log (id int);
    CREATE FUNCTION f() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
    CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER tf AFTER INSERT ON t EXECUTE FUNCTION tf();
    CREATE FUNCTION outside() RETURNS int LANGUAGE plpgsql IMMUTABLE AS
      $$DECLARE n int; BEGIN EXECUTE 'SELECT 7' INTO n; RETURN n; END$$;
    """
    FLAGS = ("--sole-writer", "--catalog-poll-interval", "200ms",
             "--harmless-functions", "public.outside")
    POLL_S = 0.2 + 1.0

    def test_redefined_elsewhere(self):
        client = self.client()
        self.assertEqual(self.fill(client, "SELECT f()"), [(1,)])
        self.truth.execute("CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql STABLE AS"
                           " 'SELECT count(*)::int + 100 FROM t'")
        time.sleep(self.POLL_S)
        self.assertGreater(self.fill(client, "SELECT f()")[0][0], 100)
        client.execute("INSERT INTO t VALUES (2)")
        self.assert_same_as_server(client, "SELECT f()")

    def test_trigger_function_redefined_elsewhere(self):
        client, sql = self.client(), "SELECT count(*) FROM log"
        self.fill(client, sql)
        client.execute("INSERT INTO t VALUES (3)")
        client.execute(sql)
        self.assert_last(client, "hit")
        self.truth.execute("CREATE OR REPLACE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS"
                           " 'BEGIN INSERT INTO log VALUES (1); RETURN NULL; END'")
        time.sleep(self.POLL_S)
        self.fill(client, sql)
        client.execute("INSERT INTO t VALUES (4)")
        self.assert_same_as_server(client, sql)

    def test_declared_harmless(self):
        self.assertEqual(self.fill(self.client(), "SELECT outside()"), [(7,)])

    def test_setting_of_the_file_reloaded(self):
        client, sql = self.client(), "SELECT current_setting('app.mode', true)"
        self.fill(client, sql)
        self.truth.execute("ALTER SYSTEM SET work_mem = '5MB'")
        with open(f"{self.server.data}/postgresql.auto.conf", "a") as file:
            file.write("app.mode = 'second'\n")
        self.truth.execute("SELECT pg_reload_conf()")
        wait_until(lambda: client.execute(sql).fetchone() == ("second",), seconds=self.POLL_S + 3,
                   what="the new setting")


if __name__ == "__main__":
    harness.main()
