"""The main job: a query is answered by the server once and from memory after, until a write."""

import harness
import wire as w
from harness import DIRECT, ServerCase, psql

SETUP = """
CREATE TABLE account (id int PRIMARY KEY, owner text NOT NULL, balance numeric(12,2), note text);
INSERT INTO account SELECT n, 'owner ' || n, n * 10, NULLIF(n % 3, 0)::text
  FROM generate_series(1, 100) n;
"""
QUERY = "SELECT count(*), sum(balance) FROM account"


class MainJob(ServerCase):
    SETUP = SETUP

    def test_psql_script(self):
        said = psql(self.proxy, f"""
            {QUERY};\nSHOW pgsidecar.last;
            {QUERY};\nSHOW pgsidecar.last;
            UPDATE account SET balance = balance + 1 WHERE id = 1;
            {QUERY};\nSHOW pgsidecar.last;
            {QUERY};\nSHOW pgsidecar.last;
            UPDATE account SET balance = balance - 1 WHERE id = 1;
        """ if not DIRECT else f"{QUERY};").splitlines()
        if not DIRECT:
            self.assertEqual(said, ["100|50500.00", "miss", "100|50500.00", "hit",
                                    "100|50501.00", "miss", "100|50501.00", "hit"])

    def test_extended_protocol(self):
        with self.wire() as connection:
            sql = "SELECT owner, balance, note FROM account WHERE id = $1"
            first = connection.extended(sql, [7])
            self.assert_last(connection, "miss")
            self.assertEqual(connection.extended(sql, [7]), first)
            self.assert_last(connection, "hit")
            connection.extended(sql, [8])
            self.assert_last(connection, "miss", "another parameter")
            connection.extended("UPDATE account SET balance = $1 WHERE id = $2", [1, 7])
            self.assertEqual(connection.extended(sql, [7])[0][1], "1.00")
            self.assert_last(connection, "miss")
            connection.extended("UPDATE account SET balance = $1 WHERE id = $2", [70, 7])

    def test_another_client_shares_the_answer(self):
        first, second = self.client(), self.client()
        sql = "SELECT owner FROM account WHERE id BETWEEN 20 AND 25 ORDER BY id"
        rows = self.fill(first, sql)
        self.assertEqual(second.execute(sql).fetchall(), rows)
        self.assert_last(second, "hit")
        second.execute("UPDATE account SET owner = 'other' WHERE id = 21")
        self.assertEqual(first.execute(sql).fetchall()[1], ("other",))
        self.assert_last(first, "miss")

    def test_hit_bytes_are_the_servers(self):
        sql = "SELECT id, owner, balance, note FROM account WHERE id < 40 ORDER BY id"
        with harness.wire(self.server) as direct, self.wire() as proxied:
            for messages in (
                [w.query(sql)],
                [w.parse(sql), w.bind(), w.describe(), w.execute(), w.SYNC],
                [w.parse(sql), w.bind(result_formats=[1]), w.describe(), w.execute(), w.SYNC],
                [w.parse(sql), w.bind(result_formats=[0, 1, 0, 1]), w.execute(), w.SYNC],
                [w.parse(sql, "s"), w.describe(b"S", "s"), w.bind(name="s"), w.execute(),
                 w.close(b"S", "s"), w.SYNC],
            ):
                direct.send(*messages)
                expected = direct.read_until_ready()
                for attempt in range(3):
                    proxied.send(*messages)
                    self.assertEqual(proxied.read_until_ready(), expected, attempt)

    def test_inside_read_committed(self):
        client = self.client(autocommit=False)
        sql = "SELECT max(balance) FROM account WHERE id > 50"
        self.fill(self.client(), sql)
        client.execute(sql)
        self.assert_last(client, "hit")
        client.rollback()

    def test_cache_off_for_a_session(self):
        if DIRECT:
            self.skipTest("a setting of the proxy's own")
        client, sql = self.client(), "SELECT min(balance) FROM account"
        self.fill(client, sql)
        client.execute("SET pgsidecar.cache = off")
        client.execute(sql)
        self.assert_last(client, "bypass")
        client.execute("SET pgsidecar.cache = on")
        client.execute(sql)
        self.assert_last(client, "hit")


if __name__ == "__main__":
    harness.main()
