"""What a name means: search_path, temporary tables, renames, quoting."""

import psycopg

import harness
from harness import ServerCase, psql

SETUP = """
CREATE SCHEMA one; CREATE SCHEMA two;
CREATE TABLE one.t (who text); INSERT INTO one.t VALUES ('one');
CREATE TABLE two.t (who text); INSERT INTO two.t VALUES ('two');
CREATE TABLE public.t (who text); INSERT INTO public.t VALUES ('public');
CREATE ROLE own LOGIN; CREATE SCHEMA own AUTHORIZATION own;
CREATE TABLE own.t (who text); INSERT INTO own.t VALUES ('own'); GRANT SELECT ON own.t TO own;
GRANT USAGE ON SCHEMA one, two TO own; GRANT SELECT ON one.t, two.t, public.t TO own;
CREATE ROLE moved LOGIN; GRANT USAGE ON SCHEMA one, two TO moved;
GRANT SELECT ON one.t, two.t, public.t TO moved;
CREATE TABLE "Upper" (who text); INSERT INTO "Upper" VALUES ('quoted');
CREATE TABLE upper_t (who text);
CREATE TABLE upper (who text); INSERT INTO upper VALUES ('folded');
CREATE TABLE "a.b" (who text); INSERT INTO "a.b" VALUES ('dotted');
CREATE SCHEMA a; CREATE TABLE a.b (who text); INSERT INTO a.b VALUES ('qualified');
CREATE TABLE "q""q" (who text); INSERT INTO "q""q" VALUES ('with a quote');
CREATE TABLE "dätä" (who text); INSERT INTO "dätä" VALUES ('unicode');
"""
WHO = "SELECT who FROM t"


class Names(ServerCase):
    SETUP = SETUP

    def who(self, client, sql=WHO):
        first = client.execute(sql).fetchall()
        for _ in range(2):
            self.assertEqual(client.execute(sql).fetchall(), first)
        return first[0][0] if first else None

    def test_search_path_by_set(self):
        client = self.client()
        self.assertEqual(self.who(client), "public")
        for path, expected in (("one", "one"), ("two, one", "two"), ("nowhere, one", "one"),
                               ('"$user", public', "public"), ("DEFAULT", "public")):
            client.execute(f"SET search_path TO {path}")
            self.assertEqual(self.who(client), expected, path)
        for end, expected in (("ROLLBACK", "public"), ("COMMIT", "public")):
            client.execute("BEGIN; SET LOCAL search_path = two")
            self.assertEqual(self.who(client), "two")
            client.execute(end)
            self.assertEqual(self.who(client), expected)

    def test_search_path_at_startup(self):
        for path, expected in (("one", "one"), ("two", "two"), ("two,one", "two"),
                               ("one,two", "one"), ("public", "public")):
            self.assertEqual(self.who(self.client(options=f"-c search_path={path}")), expected)

    def test_dollar_user(self):
        self.assertEqual(self.who(self.client()), "public")
        self.assertEqual(self.who(self.client(user="own")), "own")
        self.assertEqual(self.who(self.client(user="own", options="-c search_path=public")),
                         "public")

    def test_search_path_of_the_role(self):
        admin = self.client()
        self.assertEqual(self.who(self.client(user="moved")), "public")
        for path, expected in (("one", "one"), ("two", "two")):
            admin.execute(f"ALTER ROLE moved SET search_path = {path}")
            self.assertEqual(self.who(self.client(user="moved")), expected)
        admin.execute("ALTER ROLE moved RESET search_path")
        self.assertEqual(self.who(self.client(user="moved")), "public")

    def test_search_path_of_the_role_set_elsewhere(self):
        """New sessions have it at once, whoever set it: the server applies it at login."""
        self.assertEqual(self.who(self.client(user="moved")), "public")
        self.truth.execute("ALTER ROLE moved SET search_path = two")
        try:
            self.assertEqual(self.who(self.client(user="moved")), "two")
        finally:
            self.truth.execute("ALTER ROLE moved RESET search_path")
        self.assertEqual(self.who(self.client(user="moved")), "public")

    def test_temporary_table_shadows(self):
        other, client = self.client(), self.client()
        self.assertEqual(self.who(other), "public")
        self.assertEqual(self.who(client), "public")
        client.execute("CREATE TEMP TABLE t (who text); INSERT INTO t VALUES ('temporary')")
        self.assertEqual(self.who(client), "temporary")
        self.assertEqual(self.who(other), "public")
        client.execute("DROP TABLE pg_temp.t")
        self.assertEqual(self.who(client), "public")

    def test_temporary_table_on_commit_drop(self):
        client = self.client()
        self.assertEqual(self.who(client), "public")
        client.execute("BEGIN; CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 'temporary' AS who")
        self.assertEqual(self.who(client), "temporary")
        client.execute("COMMIT")
        self.assertEqual(self.who(client), "public")

    def test_temporary_table_made_inside_a_function(self):
        client, other = self.client(), self.client()
        self.assertEqual(self.who(client), "public")
        client.execute("DO $$BEGIN CREATE TEMP TABLE t AS SELECT 'temporary'::text AS who; END$$")
        self.assertEqual(self.who(client), "temporary")
        self.assertEqual(self.who(other), "public")

    def test_temporary_view_shadows(self):
        client = self.client()
        self.assertEqual(self.who(client), "public")
        client.execute("CREATE TEMP VIEW t AS SELECT 'temporary view'::text AS who")
        self.assertEqual(self.who(client), "temporary view")

    def test_new_table_earlier_in_the_path(self):
        admin = self.client()
        admin.execute("CREATE SCHEMA early; CREATE SCHEMA late;"
                      " CREATE TABLE late.x (who text); INSERT INTO late.x VALUES ('late')")
        client, sql = self.client(options="-c search_path=early,late"), "SELECT who FROM x"
        self.assertEqual(self.who(client, sql), "late")
        for change, expected in (
            ("CREATE TABLE early.x (who text); INSERT INTO early.x VALUES ('early')", "early"),
            ("ALTER TABLE early.x RENAME TO y", "late"),
            ("ALTER TABLE early.y RENAME TO x", "early"),
            ("ALTER TABLE early.x SET SCHEMA public", "late"),
            ("ALTER TABLE public.x SET SCHEMA early", "early"),
            ("ALTER SCHEMA early RENAME TO earlier", "late"),
            ("ALTER SCHEMA earlier RENAME TO early", "early"),
            ("DROP TABLE early.x; CREATE TABLE early.x (who text);"
             " INSERT INTO early.x VALUES ('again')", "again"),
            ("DROP SCHEMA early CASCADE", "late"),
        ):
            with self.subTest(change):
                admin.execute(change)
                self.assertEqual(self.who(client, sql), expected)

    def test_quoting(self):
        client = self.client()
        for name, expected in (('"Upper"', "quoted"), ("upper", "folded"), ("UPPER", "folded"),
                               ("Upper", "folded"), ('"upper"', "folded"), ('"a.b"', "dotted"),
                               ("a.b", "qualified"), ('"a"."b"', "qualified"), ("A.B", "qualified"),
                               ('"q""q"', "with a quote"), ('"dätä"', "unicode"),
                               ("dätä", "unicode"), ('U&"d\\00e4t\\00e4"', "unicode"),
                               ('U&"\\0055pper"', "quoted"), ("postgres.public.upper", "folded"),
                               ("U&\"d!00e4t!00e4\" UESCAPE '!'", "unicode")):
            with self.subTest(name):
                self.assertEqual(self.who(client, f"SELECT who FROM {name}"), expected)
                client.execute(f"UPDATE {name} SET who = who || '!'")
                self.assertEqual(self.who(client, f"SELECT who FROM {name}"), expected + "!")
                client.execute(f"UPDATE {name} SET who = %s", [expected])
                self.assertEqual(self.who(client, f"SELECT who FROM {name}"), expected)

    def test_name_longer_than_an_identifier(self):
        long = "n" * 63
        client = self.client()
        client.execute(f"CREATE TABLE {long} (who text); INSERT INTO {long} VALUES ('long')")
        sql = f"SELECT who FROM {long}_and_more"
        self.assertEqual(self.who(client, sql), "long")
        client.execute(f"UPDATE {long}_other_tail SET who = 'changed'")
        self.assertEqual(self.who(client, sql), "changed")

    def test_cte_hides_a_table(self):
        client = self.client()
        self.assertEqual(self.who(client, "WITH t AS (SELECT 'cte' AS who) SELECT who FROM t"),
                         "cte")
        self.assertEqual(
            self.who(client, "WITH x AS (SELECT who FROM t), t AS (SELECT 'cte') SELECT * FROM x"),
            "public")

    def test_psql_settings_in_one_script(self):
        said = psql(self.proxy, "SET search_path = one; SELECT who FROM t; SELECT who FROM t;\n"
                                "SET search_path = two; SELECT who FROM t; SELECT who FROM t;\n"
                                "RESET search_path; SELECT who FROM t;")
        self.assertEqual(said.split(), ["one", "one", "two", "two", "public"])

    def test_unknown_names_are_the_servers_errors(self):
        client = self.client()
        for sql, error in (("SELECT * FROM nowhere.t", psycopg.errors.UndefinedTable),
                           ("SELECT * FROM other_db.public.t", psycopg.errors.FeatureNotSupported),
                           ("SELECT nothing FROM t", psycopg.errors.UndefinedColumn)):
            for _ in range(2):
                with self.assertRaises(error):
                    client.execute(sql)


if __name__ == "__main__":
    harness.main()
