"""A statement that its session prepared on one server connection and runs on another, under names
that mean something else there: it says what PostgreSQL says."""

import harness
import wire as w
from harness import ServerCase

SETUP = """
CREATE SCHEMA alike CREATE TABLE item (a int);
CREATE SCHEMA unlike CREATE TABLE item (a text, b text);
CREATE TABLE item (a int);
INSERT INTO item VALUES (1);
INSERT INTO alike.item VALUES (2);
INSERT INTO unlike.item VALUES ('3', '3');
"""
RUN = (w.bind(name="s"), w.describe(), w.execute(), w.SYNC)


class PreparedAgainTest(ServerCase):
    SETUP = SETUP

    def prepared(self):
        """A session that has prepared a statement on a server connection which it does not get again."""
        client, other = self.wire(), self.wire()
        client.send(w.parse("SELECT * FROM item", "s"), w.SYNC)
        client.read_until_ready()
        other.query("BEGIN")
        other.query("INSERT INTO item SELECT 1 WHERE false")
        return client

    def run_it(self, client):
        client.send(*RUN)
        try:
            return client.rows(client.read_until_ready())
        except w.ServerError as refused:
            return refused.sqlstate

    def test_another_table_of_the_same_shape(self):
        client = self.prepared()
        client.query("SET search_path = alike")
        self.assertEqual(self.run_it(client), [["2"]])
        client.query("SET search_path = public")
        self.assertEqual(self.run_it(client), [["1"]])

    def test_another_shape_is_refused_as_long_as_it_is_meant(self):
        client = self.prepared()
        client.query("SET search_path = unlike")
        for _ in range(2):
            self.assertEqual(self.run_it(client), "0A000")
        client.query("SET search_path = public")
        self.assertEqual(self.run_it(client), [["1"]])
        client.query("SET search_path = alike")
        self.assertEqual(self.run_it(client), [["2"]])
        client.query("SET search_path = unlike")
        self.assertEqual(self.run_it(client), "0A000")


if __name__ == "__main__":
    harness.main()
