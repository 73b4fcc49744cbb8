"""What stays prepared: in a transaction that has failed, and of a session that used PREPARE."""

import harness
import wire as w
from harness import ServerCase


class FailedTransactionTest(ServerCase):
    SETUP = "CREATE TABLE seen (a int)"

    def prepared_and_failed(self):
        client = self.wire()
        client.send(w.parse("SELECT 7", "s"), w.SYNC)
        client.read_until_ready()
        client.send(w.query("BEGIN; SELECT 1/0"))
        client.read_until_ready()
        return client

    def sqlstate(self, client, *messages):
        client.send(*messages)
        with self.assertRaises(w.ServerError) as caught:
            client.rows(client.read_until_ready())
        return caught.exception.sqlstate

    def test_prepare_and_deallocate_that_fail_take_no_statement_away(self):
        for text in ("PREPARE x AS SELECT 1", "DEALLOCATE s", "EXECUTE s"):
            with self.subTest(text):
                client = self.prepared_and_failed()
                self.assertEqual(self.sqlstate(client, w.query(text)), "25P02")
                client.query("ROLLBACK")
                client.send(w.bind(name="s"), w.execute(), w.SYNC)
                self.assertEqual(client.rows(client.read_until_ready()), [["7"]])
                self.assertEqual(client.query("EXECUTE s"), [["7"]])

    def test_a_name_that_is_taken_is_not_what_is_wrong(self):
        client = self.prepared_and_failed()
        self.assertEqual(self.sqlstate(client, w.parse("SELECT 8", "s"), w.SYNC), "25P02")
        self.assertEqual(self.sqlstate(client, w.parse("SELEC 8", "s"), w.SYNC), "42601")
        client.query("ROLLBACK")
        self.assertEqual(self.sqlstate(client, w.parse("SELECT 8", "s"), w.SYNC), "42P05")

    def test_a_name_that_was_prepared_by_a_hit_is_there_for_the_next_miss(self):
        client, other = self.wire(), self.client()
        client.query("PREPARE x AS SELECT 1")
        run = [w.bind(name="s"), w.describe(), w.execute(), w.SYNC]
        filler = self.wire()
        filler.send(w.parse("SELECT count(*) FROM seen", "s"), *run)
        filler.read_until_ready()
        for _ in range(3):
            filler.send(*run)
            filler.read_until_ready()
        client.send(w.parse("SELECT count(*) FROM seen", "s"), *run)
        self.assertEqual(client.rows(client.read_until_ready()), [["0"]])
        other.execute("INSERT INTO seen VALUES (1)")
        client.send(*run)
        self.assertEqual(client.rows(client.read_until_ready()), [["1"]])


if __name__ == "__main__":
    harness.main()
