"""Databases come and go under the proxy: its own idle connections stand in nobody's way."""

import harness
from harness import ServerCase

READ = "SELECT count(*) FROM item"


class Databases(ServerCase):
    SETUP = "SELECT 1"

    def visit(self, name):
        with harness.connect(self.proxy, dbname=name) as client:
            client.execute("CREATE TABLE IF NOT EXISTS item (id int)")
            return client.execute(READ).fetchone()[0]

    def create(self, name):
        with harness.connect(self.server) as truth:
            truth.execute(f"CREATE DATABASE {name}")
        self.addCleanup(self.drop_directly, name)

    def drop_directly(self, name):
        with harness.connect(self.server) as truth:
            truth.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def test_a_table_that_has_just_been_created_pins_nobody(self):
        """The catalog that is loaded does not know it yet; the session waits for the next."""
        client = self.client()
        for round in range(5):
            client.execute(f"CREATE TABLE fresh{round} (id int)")
            client.execute(f"INSERT INTO fresh{round} VALUES (1)")
        self.fill(client, "SELECT count(*) FROM fresh4")

    def test_drop(self):
        self.create("visited")
        self.visit("visited")
        self.client().execute("DROP DATABASE visited")

    def test_rename_and_create_again(self):
        self.create("first")
        self.addCleanup(self.drop_directly, "second")
        with harness.connect(self.proxy, dbname="first") as client:
            client.execute("CREATE TABLE item (id int); INSERT INTO item VALUES (1)")
            self.fill(client, READ)
        admin = self.client()
        admin.execute("ALTER DATABASE first RENAME TO second")
        admin.execute("CREATE DATABASE first")
        self.assertEqual(self.visit("first"), 0)
        self.assertEqual(self.visit("second"), 1)

    def test_template(self):
        self.create("model")
        self.visit("model")
        self.addCleanup(self.drop_directly, "copy")
        self.client().execute("CREATE DATABASE copy TEMPLATE model")
        self.assertEqual(self.visit("copy"), 0)

    def test_drop_and_create_under_the_same_name(self):
        self.create("again")
        with harness.connect(self.proxy, dbname="again") as client:
            client.execute("CREATE TABLE item (id int); INSERT INTO item VALUES (1), (2)")
            self.fill(client, READ)
        admin = self.client()
        admin.execute("DROP DATABASE again")
        admin.execute("CREATE DATABASE again")
        self.assertEqual(self.visit("again"), 0)


if __name__ == "__main__":
    harness.main()
