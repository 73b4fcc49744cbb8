"""Who may see what is PostgreSQL's decision: policies, grants and roles, changed after the fill."""

import psycopg

import harness
from harness import ServerCase

SETUP = """
CREATE ROLE grp;
CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE tenant LOGIN; CREATE ROLE outsider LOGIN;
CREATE ROLE boss LOGIN SUPERUSER;
GRANT grp TO alice;
GRANT alice TO bob;
CREATE TABLE secret (id int PRIMARY KEY, owner text, line text);
INSERT INTO secret VALUES (1, 'alice', 'of alice'), (2, 'bob', 'of bob'), (3, 'boss', 'of boss');
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON secret USING (owner = current_user);
GRANT SELECT, UPDATE ON secret TO alice, bob;

CREATE TABLE rented (tenant text, line text);
INSERT INTO rented VALUES ('a', 'line of a'), ('b', 'line of b');
ALTER TABLE rented ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenants ON rented USING (tenant = current_setting('app.tenant', true));
GRANT SELECT ON rented TO tenant;
CREATE VIEW rented_view WITH (security_invoker = true) AS SELECT * FROM rented;
GRANT SELECT ON rented_view TO tenant;

CREATE TABLE granted (id int, hidden int);
INSERT INTO granted VALUES (1, 2);
CREATE SCHEMA inner_schema; CREATE TABLE inner_schema.deep (id int); INSERT INTO inner_schema.deep VALUES (1);
CREATE TABLE by_group (id int); INSERT INTO by_group VALUES (1);
GRANT SELECT ON by_group TO grp;

CREATE TABLE plain (id int, owner text); INSERT INTO plain VALUES (1, 'alice'), (2, 'bob');
GRANT SELECT ON plain TO PUBLIC;
"""
SECRET = "SELECT line FROM secret ORDER BY id"
RENTED = "SELECT line FROM rented ORDER BY 1"


class Who(ServerCase):
    SETUP = SETUP

    def read(self, client, sql, times=3):
        """The rows, the same each time."""
        first = client.execute(sql).fetchall()
        for _ in range(times - 1):
            self.assertEqual(client.execute(sql).fetchall(), first)
        return [row[0] for row in first]

    def assert_denied(self, client, sql, sqlstate="42501"):
        for _ in range(2):
            with self.assertRaises(psycopg.Error) as refused:
                client.execute(sql)
            self.assertEqual(refused.exception.sqlstate, sqlstate)
            if client.info.transaction_status.name == "INERROR":
                client.rollback()

    # Row-level security by user

    def test_policies_by_user(self):
        alice, bob, boss = (self.client(user=user) for user in ("alice", "bob", "boss"))
        for _ in range(2):
            self.assertEqual(self.read(alice, SECRET), ["of alice"])
            self.assertEqual(self.read(bob, SECRET), ["of bob"])
            self.assertEqual(self.read(boss, SECRET), ["of alice", "of bob", "of boss"])
        self.assert_denied(self.client(user="outsider"), SECRET)

    def test_set_role(self):
        bob, alice = self.client(user="bob"), self.client(user="alice")
        self.read(alice, SECRET)
        self.assertEqual(self.read(bob, SECRET), ["of bob"])
        bob.execute("SET ROLE alice")
        self.assertEqual(self.read(bob, SECRET), ["of alice"])
        bob.execute("RESET ROLE")
        self.assertEqual(self.read(bob, SECRET), ["of bob"])

    def test_set_session_authorization(self):
        boss = self.client(user="boss")
        self.assertEqual(len(self.read(boss, SECRET)), 3)
        boss.execute("SET SESSION AUTHORIZATION alice")
        self.assertEqual(self.read(boss, SECRET), ["of alice"])
        boss.execute("RESET SESSION AUTHORIZATION")
        self.assertEqual(len(self.read(boss, SECRET)), 3)

    # Roles

    def test_rejected_set_role_changes_nothing(self):
        alice = self.client(user="alice")
        self.assertEqual(self.read(alice, SECRET), ["of alice"])
        self.assert_denied(alice, "SET ROLE boss")
        self.assertEqual(self.read(alice, SECRET), ["of alice"])

    def test_set_config_and_local_role(self):
        bob = self.client(user="bob")
        self.read(bob, SECRET)
        bob.execute("SELECT set_config('role', 'alice', false)")
        self.assertEqual(self.read(bob, SECRET), ["of alice"])
        bob = self.client(user="bob")
        for end in ("COMMIT", "ROLLBACK"):
            bob.execute("BEGIN")
            bob.execute("SET LOCAL ROLE alice")
            self.assertEqual(self.read(bob, SECRET), ["of alice"])
            bob.execute(end)
            self.assertEqual(self.read(bob, SECRET), ["of bob"])
        bob.execute("BEGIN")
        bob.execute("SELECT set_config('role', 'alice', true)")
        self.assertEqual(self.read(bob, SECRET), ["of alice"])
        bob.execute("COMMIT")
        self.assertEqual(self.read(bob, SECRET), ["of bob"])

    def test_role_by_startup_options(self):
        self.read(self.client(user="bob"), SECRET)
        as_alice = self.client(user="bob", options="-c role=alice")
        self.assertEqual(self.read(as_alice, SECRET), ["of alice"])
        self.assertEqual(self.read(self.client(user="bob"), SECRET), ["of bob"])

    # row_security

    def test_row_security_off_is_the_servers_error(self):
        alice = self.client(user="alice")
        self.read(alice, SECRET)
        alice.execute("SET row_security = off")
        self.assert_denied(alice, SECRET)
        self.assert_denied(self.client(user="alice", options="-c row_security=off"), SECRET)

    # Policies that read a setting

    def test_tenant_by_setting(self):
        for sql in (RENTED, "SELECT line FROM rented_view ORDER BY 1"):
            clients = {name: self.client(user="tenant") for name in "ab"}
            for _ in range(2):
                for name, client in clients.items():
                    client.execute(f"SET app.tenant = '{name}'")
                    self.assertEqual(self.read(client, sql), [f"line of {name}"])
            self.assertEqual(self.read(self.client(user="tenant"), sql), [])

    def test_tenant_by_set_local_and_set_config(self):
        client = self.client(user="tenant")
        for how in ("SET LOCAL app.tenant = '{}'", "SELECT set_config('app.tenant', '{}', true)"):
            for name in "abab":
                client.execute("BEGIN")
                client.execute(how.format(name))
                self.assertEqual(self.read(client, RENTED), [f"line of {name}"])
                client.execute("COMMIT")
                self.assertEqual(self.read(client, RENTED), [])
        for name in "abab":
            client.execute("SELECT set_config('app.tenant', %s, false)", [name])
            self.assertEqual(self.read(client, RENTED), [f"line of {name}"])

    def test_tenant_by_startup_options(self):
        for name in "abab":
            client = self.client(user="tenant", options=f"-c app.tenant={name}")
            self.assertEqual(self.read(client, RENTED), [f"line of {name}"])
        self.assertEqual(self.read(self.client(user="tenant"), RENTED), [])

    def test_tenant_rolled_back(self):
        client = self.client(user="tenant", options="-c app.tenant=a")
        self.assertEqual(self.read(client, RENTED), ["line of a"])
        client.execute("BEGIN")
        client.execute("SET app.tenant = 'b'")
        self.assertEqual(self.read(client, RENTED), ["line of b"])
        client.execute("ROLLBACK")
        self.assertEqual(self.read(client, RENTED), ["line of a"])

    # Privileges taken away

    def test_revoke(self):
        admin, alice = self.client(), self.client(user="alice")
        for grant, revoke, sql in (
            ("GRANT SELECT ON granted TO alice", "REVOKE SELECT ON granted FROM alice",
             "SELECT id FROM granted"),
            ("GRANT SELECT (id, hidden) ON granted TO alice",
             "REVOKE SELECT (hidden) ON granted FROM alice", "SELECT hidden FROM granted"),
            ("GRANT USAGE ON SCHEMA inner_schema TO alice;"
             " GRANT SELECT ON inner_schema.deep TO alice",
             "REVOKE USAGE ON SCHEMA inner_schema FROM alice", "SELECT id FROM inner_schema.deep"),
            ("GRANT grp TO alice", "REVOKE grp FROM alice", "SELECT id FROM by_group"),
        ):
            with self.subTest(revoke):
                admin.execute(grant)
                prepared = self.client(user="alice", prepare_threshold=0)
                self.read(prepared, sql)
                self.read(alice, sql)
                admin.execute(revoke)
                self.assert_denied(alice, sql)
                self.assert_denied(prepared, sql)
                admin.execute(grant)
                self.read(alice, sql)
                admin.execute(revoke)
                self.assert_denied(alice, sql)

    # Policies changed after the fill

    def test_policies_changed_after_the_fill(self):
        admin, alice = self.client(), self.client(user="alice")
        everything = ["of alice", "of bob", "of boss"]
        for change, expected, undo in (
            ("ALTER ROLE alice BYPASSRLS", everything, "ALTER ROLE alice NOBYPASSRLS"),
            ("ALTER TABLE secret DISABLE ROW LEVEL SECURITY", everything,
             "ALTER TABLE secret ENABLE ROW LEVEL SECURITY"),
            ("CREATE POLICY more ON secret USING (owner = 'bob')", ["of alice", "of bob"],
             "DROP POLICY more ON secret"),
            ("ALTER POLICY own ON secret USING (owner = 'boss')", ["of boss"],
             "ALTER POLICY own ON secret USING (owner = current_user)"),
        ):
            with self.subTest(change):
                self.assertEqual(self.read(alice, SECRET), ["of alice"])
                admin.execute(change)
                self.assertEqual(self.read(alice, SECRET), expected)
                admin.execute(undo)
                self.assertEqual(self.read(alice, SECRET), ["of alice"])

    def test_policy_on_a_table_that_had_none(self):
        admin, alice = self.client(), self.client(user="alice")
        sql = "SELECT owner FROM plain ORDER BY id"
        self.assertEqual(self.read(alice, sql), ["alice", "bob"])
        admin.execute("CREATE POLICY p ON plain USING (owner = current_user);"
                      " ALTER TABLE plain ENABLE ROW LEVEL SECURITY")
        self.assertEqual(self.read(alice, sql), ["alice"])
        admin.execute("ALTER TABLE plain DISABLE ROW LEVEL SECURITY")
        self.assertEqual(self.read(alice, sql), ["alice", "bob"])

    # Users dropped and created again

    def test_user_dropped_and_created_again(self):
        admin = self.client()
        for grants, allowed in (("GRANT SELECT ON granted TO again", True), ("SELECT 1", False)):
            admin.execute("CREATE ROLE again LOGIN")
            admin.execute(grants)
            client = self.client(user="again")
            if allowed:
                self.read(client, "SELECT id FROM granted")
            else:
                self.assert_denied(client, "SELECT id FROM granted")
            client.close()
            admin.execute("DROP OWNED BY again; DROP ROLE again")

    def test_session_of_a_dropped_user_is_not_the_new_user_of_that_name(self):
        admin = self.client()
        admin.execute("CREATE ROLE twice LOGIN")
        old = self.client(user="twice")
        old.execute("SELECT 1")
        admin.execute("DROP ROLE twice; CREATE ROLE twice LOGIN; GRANT SELECT ON granted TO twice")
        try:
            new = self.client(user="twice")
            self.fill(new, "SELECT count(*) FROM granted")
            self.assert_denied(old, "SELECT count(*) FROM granted")
            self.read(new, "SELECT id FROM granted")
        finally:
            admin.execute("DROP OWNED BY twice; DROP ROLE twice")

    # Keys

    def test_names_that_concatenate_alike(self):
        admin = self.client()
        for text in ("CREATE ROLE ab LOGIN", "CREATE ROLE a LOGIN", "CREATE DATABASE c",
                     "CREATE DATABASE bc"):
            admin.execute(text)
        for user, database in (("ab", "c"), ("a", "bc")):
            client = self.client(user=user, dbname=database)
            for sql in ("SELECT current_user::text", "SELECT current_database()::text"):
                self.assertIn(self.read(client, sql)[0], (user, database))


if __name__ == "__main__":
    harness.main()
