"""A write by key drops the answers about its rows and leaves the others: one shape after another,
in every form in which a driver may send it."""

import struct
import uuid

import harness
import wire as w
from harness import ServerCase, last

SETUP = """
CREATE TABLE users (id int PRIMARY KEY, name text UNIQUE, points int DEFAULT 0);
CREATE TABLE orders (id bigint PRIMARY KEY, user_id int REFERENCES users, code varchar(4) UNIQUE,
                     note text);
CREATE TABLE things (id uuid PRIMARY KEY, on_shelf bool, n int GENERATED ALWAYS AS (1) STORED UNIQUE);
CREATE TABLE nodes (id int PRIMARY KEY, parent int REFERENCES nodes ON DELETE CASCADE, v int);
CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE words (word text COLLATE blind PRIMARY KEY, n int);
CREATE TABLE numbers (n numeric PRIMARY KEY, v int);
CREATE TABLE changed (id int PRIMARY KEY, v int);
CREATE FUNCTION moves() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN NEW.id := NEW.id + 1; RETURN NEW; END$$;
CREATE TRIGGER moves BEFORE INSERT ON changed FOR EACH ROW EXECUTE FUNCTION moves();
CREATE TABLE part (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);
CREATE TABLE part_low PARTITION OF part FOR VALUES FROM (0) TO (10);
CREATE TABLE part_high (dropped int, v int, id int NOT NULL);
ALTER TABLE part_high DROP COLUMN dropped;
ALTER TABLE part ATTACH PARTITION part_high FOR VALUES FROM (10) TO (20);
CREATE VIEW user_points AS SELECT id, points FROM users;
CREATE TABLE shelves (id int PRIMARY KEY, v int);
INSERT INTO users SELECT i, 'user' || i, i FROM generate_series(1, 9) i;
INSERT INTO orders SELECT i, 1 + i % 3, 'c' || i, '' FROM generate_series(1, 9) i;
INSERT INTO nodes VALUES (1, NULL, 0), (2, 1, 0), (3, 1, 0), (4, NULL, 0);
INSERT INTO words VALUES ('a', 1), ('b', 1);
INSERT INTO numbers VALUES (1, 1), (2, 1);
INSERT INTO part VALUES (1, 0), (2, 0), (11, 0), (12, 0);
INSERT INTO shelves SELECT i, 0 FROM generate_series(1, 400) i;
"""

INT2, INT4, INT8, TEXT, VARCHAR, UUID = 21, 23, 20, 25, 1043, 2950


class RowsTest(ServerCase):
    SETUP = SETUP

    def setUp(self):
        self.reader = self.client()
        self.writer = self.client()

    def fill_all(self, *statements):
        for statement in statements:
            self.fill(self.reader, statement)

    def assert_alive(self, *statements):
        for statement in statements:
            rows = self.reader.execute(statement).fetchall()
            self.assert_last(self.reader, "hit", statement)
            self.assertEqual(rows, self.truth.execute(statement).fetchall(), statement)

    def assert_dropped(self, *statements):
        for statement in statements:
            rows = self.reader.execute(statement).fetchall()
            # What ran something unknown has the catalog looked at first.
            said = last(self.reader)
            self.assertIn(said, ("miss", "bypass: catalog_not_loaded"), statement)
            self.assertEqual(rows, self.truth.execute(statement).fetchall(), statement)

    def check(self, write, alive=(), dropped=()):
        self.fill_all(*alive, *dropped)
        self.writer.execute(write)
        self.assert_alive(*alive)
        self.assert_dropped(*dropped)

    # What restricts a read.

    def test_reads(self):
        other = "UPDATE users SET points = points + 1 WHERE id = 9"
        self.check(other, alive=[
            "SELECT * FROM users WHERE id = 1",
            "SELECT * FROM users WHERE 1 = id",
            "SELECT * FROM users u WHERE u.id = 1 AND u.points > 0",
            "SELECT * FROM users WHERE id = '1'",
            "SELECT * FROM users WHERE id = 1::bigint",
            "SELECT * FROM users WHERE id = -1",
            "SELECT * FROM users WHERE id IN (1, 2, 3)",
            "SELECT * FROM users WHERE id = ANY('{1,2}')",
            "SELECT * FROM users WHERE id = ANY('{1,2}'::int[])",
            "SELECT * FROM users WHERE id = ANY(ARRAY[1, 2])",
            "SELECT count(*) FROM users WHERE id = 1 UNION ALL SELECT 1 FROM users WHERE id = 2",
            "SELECT a.id FROM users a JOIN users b ON b.id = 2 WHERE a.id = 1",
            "SELECT o.id FROM orders o LEFT JOIN users u ON u.id = 3 ORDER BY 1",
            "SELECT o.id FROM users u RIGHT JOIN orders o ON u.id = 3 ORDER BY 1",
            "SELECT o.id FROM orders o LEFT JOIN users u ON true WHERE u.id = 3 ORDER BY 1",
            "SELECT (SELECT points FROM users WHERE id = 1)",
            "SELECT 1 WHERE EXISTS (SELECT FROM users WHERE users.id = 2)",
            "WITH x AS (SELECT * FROM users WHERE id = 1) SELECT * FROM x",
            "SELECT * FROM (SELECT * FROM users WHERE id = 2) s",
        ], dropped=[
            "SELECT * FROM users WHERE id = 9",
            "SELECT * FROM users WHERE id IN (1, 9)",
            "SELECT * FROM users WHERE id = 1 OR points = 9",
            "SELECT * FROM users WHERE NOT id = 9 ORDER BY id",
            "SELECT * FROM users WHERE id = 1.0",
            "SELECT * FROM users WHERE id = ' 1'",
            "SELECT * FROM users WHERE id = 0 + 1",
            "SELECT * FROM users WHERE id > 8",
            "SELECT * FROM users WHERE points = 9",
            "SELECT a.id FROM users a, users b WHERE a.id = 1 ORDER BY b.id",
            "SELECT u.points FROM users u LEFT JOIN orders o ON u.id = 1 ORDER BY 1",
            "SELECT u.points FROM users u FULL JOIN orders o ON u.id = o.id ORDER BY 1",
            "SELECT * FROM user_points WHERE id = 1",
            "SELECT * FROM users AS u(points, name, id) WHERE id = 9",
            "SELECT (SELECT max(points) FROM users WHERE o.id = 1) FROM orders o ORDER BY o.id",
            "SELECT points FROM users ORDER BY id",
        ])

    def test_a_column_of_an_outer_query_restricts_nothing(self):
        # things has no user_id: the condition is on orders.
        query = ("SELECT id FROM orders WHERE EXISTS (SELECT FROM nodes WHERE user_id = 2 AND v = 0)"
                 " ORDER BY id")
        self.fill_all(query)
        self.writer.execute("UPDATE nodes SET v = 1 WHERE id = 4")
        self.assert_dropped(query)

    # What a write says of its rows.

    def test_update_of_one_row(self):
        self.check("UPDATE orders SET note = note || 'x' WHERE id = 1",
                   alive=["SELECT * FROM orders WHERE id = 2",
                          "SELECT * FROM users WHERE id = 2"],
                   dropped=["SELECT * FROM orders WHERE id = 1",
                            # Whose foreign key the row has is not known.
                            "SELECT * FROM orders WHERE user_id = 3 ORDER BY id",
                            "SELECT * FROM orders WHERE code = 'c2'",
                            "SELECT count(note) FROM orders"])

    def test_update_with_both_keys_known(self):
        self.check("UPDATE orders SET note = note || 'y' WHERE id = 1 AND user_id = 2",
                   alive=["SELECT * FROM orders WHERE user_id = 1 ORDER BY id"],
                   dropped=["SELECT * FROM orders WHERE user_id = 2 ORDER BY id",
                            "SELECT * FROM orders WHERE id = 1"])

    def test_update_that_moves_a_key(self):
        self.check("UPDATE users SET id = 100 WHERE id = 8",
                   alive=["SELECT * FROM users WHERE id = 1"],
                   dropped=["SELECT * FROM users WHERE id = 8", "SELECT * FROM users WHERE id = 100"])
        self.check("UPDATE users SET id = id - 92 WHERE id = 100",
                   dropped=["SELECT * FROM users WHERE id = 1", "SELECT * FROM users WHERE id = 8",
                            "SELECT * FROM users WHERE id = 100"])

    def test_insert_and_delete(self):
        self.check("INSERT INTO orders (id, user_id, code) VALUES (20, 1, 'd20'), ('21', NULL, NULL)",
                   alive=["SELECT * FROM orders WHERE id = 1",
                          "SELECT * FROM orders WHERE code = 'c1'",
                          "SELECT * FROM orders WHERE user_id = 2 ORDER BY id"],
                   dropped=["SELECT * FROM orders WHERE id = 20", "SELECT * FROM orders WHERE id = 21",
                            "SELECT * FROM orders WHERE code = 'd20'",
                            "SELECT * FROM orders WHERE user_id = 1 ORDER BY id"])
        self.check("INSERT INTO orders VALUES (22, 3, 'ab    ', '') ON CONFLICT DO NOTHING",
                   alive=["SELECT * FROM orders WHERE id = 1",
                          "SELECT * FROM orders WHERE user_id = 2 ORDER BY id"],
                   dropped=["SELECT * FROM orders WHERE code = 'ab  '"])
        self.check("DELETE FROM orders WHERE id IN (20, 21, 22)",
                   alive=["SELECT * FROM orders WHERE id = 1"],
                   dropped=["SELECT * FROM orders WHERE id = 22",
                            "SELECT * FROM orders WHERE code = 'c1'"])

    def test_writes_that_are_not_by_row(self):
        read = "SELECT * FROM users WHERE id = 1"
        for write in (
                "UPDATE users SET points = 1 WHERE points = 1",
                "UPDATE users SET points = 1 WHERE id = 9 OR id = 1",
                "UPDATE users u SET points = 1 FROM orders o WHERE u.id = 9 AND o.id = 1",
                "INSERT INTO users VALUES (9, 'x') ON CONFLICT (id) DO UPDATE SET points = 2",
                "UPDATE user_points SET points = 3 WHERE id = 9",
                "WITH w AS (UPDATE users SET points = 1 WHERE id = 1 RETURNING 1)"
                " UPDATE users SET points = 1 WHERE id = 9",
                "INSERT INTO users SELECT 50 WHERE false",
                "COPY users FROM PROGRAM 'true'"):
            with self.subTest(write):
                self.check(write, dropped=[read])

    def test_what_is_not_tracked(self):
        self.check("UPDATE words SET n = n + 1 WHERE word = 'A'",
                   dropped=["SELECT * FROM words WHERE word = 'a'"])
        self.check("UPDATE numbers SET v = v + 1 WHERE n = 1.0",
                   dropped=["SELECT * FROM numbers WHERE n = 1"])
        self.check("INSERT INTO changed VALUES (1, 1)",
                   dropped=["SELECT * FROM changed WHERE id = 2"])

    def test_cascades_and_partitions(self):
        self.check("DELETE FROM nodes WHERE id = 1", dropped=["SELECT * FROM nodes WHERE id = 2"])
        self.check("UPDATE part SET v = v + 1 WHERE id = 11",
                   alive=["SELECT * FROM part WHERE id = 1", "SELECT * FROM part_high WHERE id = 12"],
                   dropped=["SELECT * FROM part WHERE id = 11",
                            "SELECT * FROM part_high WHERE id = 11"])
        self.check("UPDATE part_high SET v = v + 1 WHERE id = 12",
                   alive=["SELECT * FROM part WHERE id = 11"],
                   dropped=["SELECT * FROM part WHERE id = 12"])

    # Drivers.

    FORMS = {
        "text, undeclared": ((), (), lambda n: str(n)),
        "text int4": ((INT4,), (), lambda n: str(n)),
        "binary int2": ((INT2,), (1,), lambda n: struct.pack("!h", n)),
        "binary int4": ((INT4,), (1,), lambda n: struct.pack("!i", n)),
        "binary int8": ((INT8,), (1,), lambda n: struct.pack("!q", n)),
        "binary, inferred": ((), (1,), lambda n: struct.pack("!i", n)),
    }

    def run_extended(self, connection, sql, values, types=(), formats=()):
        connection.send(w.parse(sql, types=types), w.bind(values, formats=formats), w.describe(),
                        w.execute(), w.message(b"S"))
        return w.Wire.rows(connection.read_until_ready())

    def test_drivers(self):
        reader, writer = self.wire(), self.wire()
        read = "SELECT v FROM shelves WHERE id = $1"
        write = "UPDATE shelves SET v = v + 1 WHERE id = $1"
        for reader_form, (read_types, read_formats, read_value) in self.FORMS.items():
            for writer_form, (types, formats, value) in self.FORMS.items():
                with self.subTest(reader=reader_form, writer=writer_form):
                    for number in (1, 2):
                        for _ in range(2):
                            self.run_extended(reader, read, [read_value(number)], read_types,
                                              read_formats)
                        self.assert_last(reader, "hit")
                    self.run_extended(writer, write, [value(1)], types, formats)
                    self.run_extended(reader, read, [read_value(2)], read_types, read_formats)
                    self.assert_last(reader, "hit")
                    self.run_extended(reader, read, [read_value(1)], read_types, read_formats)
                    self.assert_last(reader, "miss")

    def test_arrays(self):
        reader = self.wire()
        read = "SELECT sum(v) FROM shelves WHERE id = ANY($1)"
        binary = struct.pack("!iiIii", 1, 0, INT4, 2, 1) + b"".join(
            struct.pack("!ii", 4, n) for n in (10, 11))
        forms = (("{10,11}", (), ()), ("{10,11}", (1007,), ()), (binary, (1007,), (1,)))
        for value, types, formats in forms:
            for _ in range(2):
                self.run_extended(reader, read, [value], types, formats)
            self.assert_last(reader, "hit")
        for key, expected in ((12, "hit"), (11, "miss")):
            self.writer.execute(f"UPDATE shelves SET v = v + 1 WHERE id = {key}")
            for value, types, formats in forms:
                self.run_extended(reader, read, [value], types, formats)
                self.assert_last(reader, expected)

    def test_uuid_bool_and_text(self):
        one, two = uuid.UUID(int=1), uuid.UUID(int=2)
        self.check(f"INSERT INTO things VALUES ('{str(one).upper()}', true)",
                   alive=[f"SELECT * FROM things WHERE id = '{two}'"],
                   dropped=[f"SELECT * FROM things WHERE id = '{one}'"])
        reader = self.wire()
        read = "SELECT on_shelf FROM things WHERE id = $1"
        for value, formats in ((one.bytes, (1,)), (str(one), ()), (two.bytes, (1,))):
            for _ in range(2):
                self.run_extended(reader, read, [value], (), formats)
            self.assert_last(reader, "hit")
        self.writer.execute(f"UPDATE things SET on_shelf = false WHERE id = '{one}'")
        for value, formats, expected in ((one.bytes, (1,), "miss"), (str(one), (), "miss"),
                                         (two.bytes, (1,), "hit")):
            self.run_extended(reader, read, [value], (), formats)
            self.assert_last(reader, expected)
        self.check("UPDATE users SET points = 0 WHERE name = 'user1'",
                   alive=["SELECT * FROM users WHERE name = 'user2'",
                          "SELECT * FROM users WHERE name = 'USER1'"],
                   dropped=["SELECT * FROM users WHERE name = 'user1'"])

    def test_a_parameter_used_twice_has_no_known_type(self):
        reader = self.wire()
        read = "SELECT v FROM shelves WHERE v < $1 AND id = $1"
        for _ in range(2):
            self.run_extended(reader, read, ["3"])
        self.assert_last(reader, "hit")
        self.writer.execute("UPDATE shelves SET v = v WHERE id = 4")
        self.run_extended(reader, read, ["3"])
        self.assert_last(reader, "miss")

    def test_a_pipeline_of_writes(self):
        writer = self.wire()
        reads = [f"SELECT * FROM shelves WHERE id = {n}" for n in (20, 21, 22)]
        self.fill_all(*reads)
        writer.send(w.parse("UPDATE shelves SET v = v + 1 WHERE id = $1", name="s"),
                    w.bind(["20"], name="s"), w.execute(), w.bind(["21"], name="s"), w.execute(),
                    w.message(b"S"))
        writer.read_until_ready()
        self.assert_alive(reads[2])
        self.assert_dropped(*reads[:2])

    def test_a_transaction_hits_what_it_has_not_written(self):
        self.fill_all("SELECT * FROM shelves WHERE id = 30", "SELECT * FROM shelves WHERE id = 31")
        with self.client(autocommit=False) as connection:
            connection.execute("UPDATE shelves SET v = 7 WHERE id = 30")
            connection.execute("SELECT * FROM shelves WHERE id = 31")
            self.assert_last(connection, "hit")
            rows = connection.execute("SELECT * FROM shelves WHERE id = 30").fetchall()
            self.assertEqual(rows, [(30, 7)])
        self.assert_dropped("SELECT * FROM shelves WHERE id = 30")
        self.assert_alive("SELECT * FROM shelves WHERE id = 31")

    def test_several_statements_in_one_text(self):
        reads = [f"SELECT * FROM shelves WHERE id = {n}" for n in (40, 41, 42)]
        self.fill_all(*reads)
        self.wire().query("BEGIN; UPDATE shelves SET v = 1 WHERE id = 40;"
                          " DELETE FROM shelves WHERE id = 41; COMMIT")
        self.assert_alive(reads[2])
        self.assert_dropped(*reads[:2])

    def test_a_long_transaction_writes_the_relation(self):
        read = "SELECT * FROM shelves WHERE id = 50"
        self.fill_all(read)
        with self.client(autocommit=False) as connection:
            for number in range(1100):
                connection.execute(f"INSERT INTO shelves VALUES ({1000 + number}, 0)")
        self.assert_dropped(read)


class FewEntriesTest(ServerCase):
    """How seldom a write drops what it does not concern must not depend on how much is cached."""

    FLAGS = ("--sole-writer", "--cache-entries", "1000", "--cache-bytes", "16MB")
    SETUP = ("CREATE TABLE read (id int PRIMARY KEY, v int);"
             "CREATE TABLE written (id int PRIMARY KEY, v int);")
    READ, WRITTEN, MOST_DROPPED = 100, 2000, 4  # a quarter of one is to be expected

    def test_writes_to_many_rows(self):
        reader, writer = self.client(), self.client()
        reads = [f"SELECT * FROM read WHERE id = {number}" for number in range(self.READ)]
        for statement in reads:
            self.fill(reader, statement)
        for number in range(self.WRITTEN):
            writer.execute(f"UPDATE written SET v = 1 WHERE id = {number}")
        if harness.DIRECT:
            return
        dropped = 0
        for statement in reads:
            reader.execute(statement)
            said = last(reader)
            self.assertIn(said, ("hit", "miss"))
            dropped += said == "miss"
        self.assertLessEqual(dropped, self.MOST_DROPPED)


if __name__ == "__main__":
    harness.main()
