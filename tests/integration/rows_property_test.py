"""Random tables, random queries that are remembered, random writes through the proxy: after each
write every query is read again through the proxy and from the server, and both must say the same.

A run is its seed, which it prints: rows_property_test.py [seconds [seed]].
"""

import random
import re
import struct
import sys
import time
import uuid

import harness
import wire as w
from harness import DIRECT, PostgresServer, Proxy

SECONDS = 12.0
STEPS = 100
QUERIES = 14
INT2, INT4, INT8, TEXT, VARCHAR, NAME, UUID, BOOL, NUMERIC, FLOAT8 = (
    21, 23, 20, 25, 1043, 19, 2950, 16, 1700, 701)


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


class Integers:
    """Values are spelled in many ways, some of which mean the same, some of which do not parse."""

    def __init__(self, ddl, oid, code):
        self.ddl, self.oid, self.code = ddl, oid, code
        self.pool = [1, 2, 3, 4, -2]

    def literal(self, rng, n):
        return rng.choice([f"{n}"] * 12 + [f"'{n}'", f"'{n:+d}'", f"{n}::bigint", f"'{n}'::int",
                                          f"{n}.0", f"' {n}'", f"({n - 1} + 1)", f"'{n:03d}'"])

    def parameter(self, rng, n):
        if rng.random() < 0.5:
            return rng.choice([(f"{n}".encode(), 0, 0), (f"{n}".encode(), INT4, 0),
                               (struct.pack(self.code, n), 0, 1)])
        return rng.choice([(f"{n}".encode(), 0, 0), (f"{n}".encode(), INT4, 0),
                           (f"{n:+d}".encode(), 0, 0), (f" {n}".encode(), INT8, 0),
                           (struct.pack("!i", n), INT4, 1), (struct.pack("!q", n), INT8, 1),
                           (struct.pack("!h", n), INT2, 1), (struct.pack(self.code, n), 0, 1),
                           (f"{n}.0".encode(), NUMERIC, 0), (f"{n}".encode(), FLOAT8, 0),
                           (struct.pack("!d", n), FLOAT8, 1)])

    def array(self, rng, values):
        text = "{" + ",".join(map(str, values)) + "}"
        elements = b"".join(struct.pack("!ii", 4, n) for n in values)
        return rng.choice([(text.encode(), 0, 0), (text.encode(), 1007, 0),
                           (struct.pack("!iiIii", 1, 0, INT4, len(values), 1) + elements, 1007, 1)])


class Texts:
    def __init__(self, ddl, pool=("a", "A", "a ", "ä", "it's")):
        self.ddl, self.pool = ddl, list(pool)

    def literal(self, rng, text):
        return rng.choice([quoted(text)] * 12 + ["E" + quoted(text), quoted(text) + "::text",
                                                quoted(text) + "::varchar", f"$q${text}$q$",
                                                f"lower({quoted(text)})",
                                                quoted(text) + "::varchar(2)"])

    def parameter(self, rng, text):
        return (text.encode(), rng.choice([0, 0, 0, 0, TEXT, VARCHAR, NAME]), rng.choice([0, 0, 1]))

    def array(self, rng, values):
        text = "{" + ",".join('"' + value + '"' for value in values) + "}"
        return (text.encode(), rng.choice([0, 1009]), 0)


class Uuids:
    ddl = "uuid"
    pool = [str(uuid.UUID(int=0xab0000 + n)) for n in range(4)]

    def literal(self, rng, text):
        return rng.choice([quoted(text)] * 8 + [quoted(text.upper()), quoted("{" + text + "}"),
                                                quoted(text.replace("-", "")),
                                                quoted(text) + "::uuid"])

    def parameter(self, rng, text):
        return rng.choice([(text.encode(), 0, 0), (text.upper().encode(), UUID, 0),
                           (text.replace("-", "").encode(), 0, 0),
                           (uuid.UUID(text).bytes, rng.choice([0, UUID]), 1)])

    def array(self, rng, values):
        return (("{" + ",".join(values) + "}").encode(), rng.choice([0, 2951]), 0)


class Booleans:
    ddl = "bool"
    pool = [True, False]

    def literal(self, rng, value):
        word = "true" if value else "false"
        return rng.choice([word, word, quoted(word), quoted(word[0]), quoted(word[:2]),
                           quoted("on" if value else "off")])

    def parameter(self, rng, value):
        return rng.choice([(b"t" if value else b"f", 0, 0), (b"yes" if value else b"no", BOOL, 0),
                           (bytes([value]), rng.choice([0, BOOL]), 1)])

    def array(self, rng, values):
        return (("{" + ",".join("t" if v else "f" for v in values) + "}").encode(), 0, 0)


KEYS = [Integers("int", INT4, "!i"), Integers("int", INT4, "!i"), Integers("bigint", INT8, "!q"),
        Integers("smallint", INT2, "!h"), Integers("di", INT4, "!i"), Integers("numeric", 0, "!i"),
        Texts("text"), Texts("varchar(3)", ("a", "abc", "abc  ", "abcd", "ä")),
        Texts("dt"), Texts("text COLLATE blind"), Texts("dv", ("a", "abc", "abcd", "A")),
        Uuids()]
ACTIONS = ["NO ACTION", "CASCADE", "SET NULL", "SET DEFAULT"]


class Table:
    def __init__(self, rng, number, earlier):
        self.name = f"t{number}"
        self.id, self.k = rng.choice(KEYS), rng.choice(KEYS + [Booleans()])
        self.shape = rng.choice(["plain", "plain", "plain", "hash", "inherited"])
        self.children = []
        self.ddl = []
        self.triggered = rng.random() < 0.08
        self.secured = rng.random() < 0.2
        target = rng.choice(earlier + [self]) if rng.random() < 0.6 else None
        reference = ""
        if target is not None and (target.shape != "inherited"):
            self.k = target.id
            reference = (f" REFERENCES {target.name} ON DELETE {rng.choice(ACTIONS)}"
                         f" ON UPDATE {rng.choice(ACTIONS)}")
        default = ""
        if rng.random() < 0.3:
            value = self.k.pool[0]
            default = f" DEFAULT {quoted(str(value))}"
        self.columns = [("id", f"{self.id.ddl} PRIMARY KEY"), ("k", self.k.ddl + default + reference),
                        ("v", "int"), ("note", "text DEFAULT 'n'")]
        if rng.random() < 0.3:
            self.columns.append(("g", "int GENERATED ALWAYS AS (v / 2) STORED"))
        rng.shuffle(self.columns)
        self.create(rng, bool(reference))

    def create(self, rng, references):
        body = ", ".join(f"{name} {ddl}" for name, ddl in self.columns)
        partition = " PARTITION BY HASH (id)" if self.shape == "hash" else ""
        self.ddl.append(f"CREATE TABLE {self.name} ({body}){partition}")
        # An index of no rows: the column is tracked, and its values need not be unique.
        tracked = [name for name in ("k", "g", "v") if rng.random() < 0.7 and not
                   (name == "v" and rng.random() < 0.5)]
        for name in tracked:
            if any(column == name for column, _ in self.columns) and self.shape != "hash":
                self.ddl.append(f"CREATE UNIQUE INDEX ON {self.name} ({name}) WHERE false")
        if self.shape == "hash":
            self.children = [self.name + "_0", self.name + "_1"]
            self.ddl.append(f"CREATE TABLE {self.name}_0 PARTITION OF {self.name}"
                            " FOR VALUES WITH (MODULUS 2, REMAINDER 0)")
            rest = ", ".join(f"{name} {ddl.split(' REFERENCES')[0].replace(' PRIMARY KEY', ' NOT NULL')}"
                             for name, ddl in reversed(self.columns))
            self.ddl.append(f"CREATE TABLE {self.name}_1 (gone int, {rest})")
            self.ddl.append(f"ALTER TABLE {self.name}_1 DROP COLUMN gone")
            self.ddl.append(f"ALTER TABLE {self.name} ATTACH PARTITION {self.name}_1"
                            " FOR VALUES WITH (MODULUS 2, REMAINDER 1)")
            for child in self.children:
                self.ddl.append(f"CREATE UNIQUE INDEX ON {child} (k) WHERE false")
        if self.shape == "inherited":
            self.children = [self.name + "_c"]
            self.ddl.append(f"CREATE TABLE {self.name}_c (extra int, UNIQUE (id))"
                            f" INHERITS ({self.name})")
            self.ddl.append(f"CREATE UNIQUE INDEX ON {self.name}_c (extra) WHERE false")
        if self.triggered:
            self.ddl.append(f"CREATE TRIGGER moves BEFORE INSERT OR UPDATE ON {self.name}"
                            " FOR EACH ROW EXECUTE FUNCTION moves()")
        if self.secured:
            self.ddl.append(f"ALTER TABLE {self.name} ENABLE ROW LEVEL SECURITY")
            condition = rng.choice(["v > 2", "EXISTS (SELECT 1 FROM t0 x WHERE x.v > 1)"])
            if self.name == "t0":
                condition = "v > 2"
            self.ddl.append(f"CREATE POLICY p ON {self.name} USING ({condition})")
        self.ddl.append(f"CREATE VIEW {self.name}_view AS SELECT id, k, v FROM {self.name}")


def tables_named(sql):
    return set(re.findall(r"\bt\d", sql))


class Round:
    def __init__(self, rng, server, counts):
        self.rng, self.server, self.counts = rng, server, counts
        self.parameters = []
        truth = w.Wire.login(server.port, "postgres", "postgres")
        truth.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO app;"
                    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO app;"
                    "CREATE DOMAIN di AS int; CREATE DOMAIN dt AS text DEFAULT 'b';"
                    "CREATE DOMAIN dv AS varchar(3);"
                    "CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2',"
                    " deterministic = false);"
                    "CREATE FUNCTION moves() RETURNS trigger LANGUAGE plpgsql AS"
                    " $$BEGIN NEW.v := NEW.v + 1; NEW.k := NULL; RETURN NEW; END$$")
        self.tables = []
        for number in range(rng.choice([1, 1, 2])):
            while True:  # some combinations are refused: a foreign key's default, a policy's loop
                table = Table(rng, number, self.tables)
                try:
                    truth.query(";".join(table.ddl))
                    break
                except w.ServerError:
                    pass
            self.tables.append(table)
        self.log = [statement for table in self.tables for statement in table.ddl]
        truth.close()
        self.proxy = Proxy(server, "--sole-writer").wait_for_catalog()
        self.readers = {user: w.Wire.login(self.proxy.port, user, "postgres")
                        for user in ("postgres", "app")}
        self.truths = {user: w.Wire.login(server.port, user, "postgres")
                       for user in ("postgres", "app")}
        self.console = None if DIRECT else w.Wire.login(self.proxy.port, "postgres", "pgsidecar")
        self.writer = w.Wire.login(self.proxy.port, "postgres", "postgres")
        for _ in range(20):
            self.write()
        self.queries = []

    def close(self):
        for connection in (*self.readers.values(), *self.truths.values(), self.writer,
                           self.console):
            if connection is not None:
                connection.close()
        self.proxy.stop()

    # Statements are (text, parameters); a simple query if there are none.

    def run(self, connection, statement):
        sql, parameters = statement
        if not parameters:
            connection.send(w.query(sql))
        else:
            connection.send(w.parse(sql, types=[oid for _, oid, _ in parameters]),
                            w.bind([value for value, _, _ in parameters],
                                   formats=[form for _, _, form in parameters]),
                            w.describe(), w.execute(), w.SYNC)
        messages = connection.read_until_ready()
        for kind, body in messages:
            if kind == b"E":
                return "error " + w.error_fields(body)["C"]
        return sorted(body for kind, body in messages if kind == b"D")

    def statement(self, make):
        self.parameters = []
        self.with_parameters = self.rng.random() < 0.5
        sql = make()
        return sql, self.parameters

    def value(self, kind, value=None):
        if self.rng.random() < 0.03:
            return "NULL"
        value = self.rng.choice(kind.pool) if value is None else value
        if not self.with_parameters or self.rng.random() < 0.2:
            return kind.literal(self.rng, value)
        self.parameters.append(kind.parameter(self.rng, value))
        return f"${len(self.parameters)}"

    def condition(self, table, alias="", name=None):
        rng = self.rng
        name = name or rng.choice(["id"] * 6 + ["k"] * 4 + ["v"])
        kind = {"id": table.id, "k": table.k, "v": KEYS[0]}[name]
        column = alias + name
        if rng.random() < 0.6:
            return f"{column} = {self.value(kind)}"
        how = rng.random()
        if how < 0.6:
            condition = f"{self.value(kind)} = {column}"
        elif how < 0.87:
            condition = f"{column} IN ({self.value(kind)}, {self.value(kind)})"
        elif how < 0.94 and self.with_parameters:
            self.parameters.append(kind.array(rng, rng.sample(kind.pool, 2)))
            condition = f"{column} = ANY(${len(self.parameters)})"
        else:
            condition = f"{column} = ANY(ARRAY[{self.value(kind)}, {self.value(kind)}])"
        more = rng.random()
        if more < 0.05:
            return f"{condition} AND {alias}v > {rng.randrange(4)}"
        if more < 0.1:
            return f"{condition} OR {alias}v = {rng.randrange(6)}"
        if more < 0.13:
            return f"NOT {condition}"
        if more < 0.25:
            return f"{condition} AND {self.condition(table, alias)}"
        return condition

    def source(self, table):
        pick = self.rng.random()
        if pick < 0.05:
            return table.name + "_view"
        if pick < 0.25 and table.children:
            return self.rng.choice(table.children)
        return table.name

    def query(self):
        rng = self.rng
        table, other = rng.choice(self.tables), rng.choice(self.tables)
        shape = rng.random()
        if shape < 0.4:
            return f"SELECT id, k, v FROM {table.name} WHERE {self.condition(table)}"
        if shape < 0.65:
            what = rng.choice(["id, k, v", "count(*), sum(v)", "*", "v"])
            return f"SELECT {what} FROM {self.source(table)} WHERE {self.condition(table)}"
        if shape < 0.85:
            join = rng.choice(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN"])
            on = "" if join == "CROSS JOIN" else " ON " + rng.choice(
                ["a.v = b.v", f"a.v = b.v AND {self.condition(other, 'b.')}",
                 f"a.v = b.v AND {self.condition(table, 'a.')}"])
            where = " AND ".join(rng.sample([self.condition(table, "a."),
                                             self.condition(other, "b."), "true"],
                                            rng.choice([1, 2])))
            return (f"SELECT a.id, a.v, b.id, b.v FROM {self.source(table)} a {join}"
                    f" {self.source(other)} b{on} WHERE {where}")
        inner = f"SELECT v FROM {self.source(other)} WHERE {self.condition(other)}"
        if shape < 0.92:
            return (f"SELECT id, v FROM {self.source(table)} WHERE {self.condition(table)}"
                    f" AND EXISTS ({inner})")
        if shape < 0.96:
            return f"SELECT v FROM {self.source(table)} WHERE {self.condition(table)} UNION ALL {inner}"
        return f"WITH c AS ({inner}) SELECT * FROM c, {table.name} AS d WHERE {self.condition(table, 'd.')}"

    def insert(self, table, name):
        rng = self.rng
        kinds = {"id": table.id, "k": table.k, "v": KEYS[0], "note": KEYS[6]}
        columns = [column for column in kinds if column == "id" or rng.random() < 0.7]
        listed = f" ({', '.join(columns)})"
        if rng.random() < 0.15:
            columns, listed = [column for column, _ in table.columns if column != "g"], ""
            if any(column == "g" for column, _ in table.columns):
                listed = f" ({', '.join(columns)})"
            elif rng.random() < 0.5:
                columns = columns[:3]
        rows = ", ".join(
            "(" + ", ".join("DEFAULT" if rng.random() < 0.1 else self.value(kinds[column])
                            for column in columns) + ")"
            for _ in range(rng.choice([1, 1, 2])))
        conflict = rng.choice([" ON CONFLICT DO NOTHING"] * 5 + ["",
                                          " ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v + 1"])
        return f"INSERT INTO {name}{listed} VALUES {rows}{conflict}"

    def change(self):
        rng = self.rng
        table = rng.choice(self.tables)
        name = rng.choice([table.name] * 9 + table.children + [table.name + "_view"])
        kind = rng.random()
        if kind < 0.25:
            return self.insert(table, name)
        if kind < 0.6:
            return f"UPDATE {name} SET v = v + 1 WHERE {self.condition(table)}"
        if kind < 0.8:
            column, of = rng.choice([("id", table.id), ("k", table.k), ("k", table.k),
                                     ("v", KEYS[0])])
            where = self.condition(table, name=rng.choice([column, None]))
            return f"UPDATE {name} SET {column} = {self.value(of)} WHERE {where}"
        if kind < 0.82:
            return (f"UPDATE {name} AS a SET v = a.v + 1 FROM {rng.choice(self.tables).name} b"
                    f" WHERE a.v = b.v AND {self.condition(table, 'a.')}")
        if kind < 0.83:
            return f"UPDATE {name} SET v = v + 1"
        return f"DELETE FROM {name} WHERE {self.condition(table)}"

    def write(self):
        rng = self.rng
        if rng.random() < 0.08:
            self.with_parameters, self.parameters = False, []
            changes = "; ".join(self.change() for _ in range(2))
            statement = (f"BEGIN; {changes}; {rng.choice(['COMMIT', 'COMMIT', 'ROLLBACK'])}", [])
        else:
            statement = self.statement(self.change)
        self.log.append(statement)
        outcome = self.run(self.writer, statement)
        self.log.append(outcome if isinstance(outcome, str) else "ok")
        if "BEGIN" in statement[0]:
            self.run(self.writer, ("ROLLBACK", []))
        if isinstance(outcome, list):
            self.counts["writes"] += 1
        if any(table.triggered for table in self.tables):  # the session bypasses the cache from now
            self.writer.close()
            self.writer = w.Wire.login(self.proxy.port, "postgres", "postgres")
        return statement[0]

    def check(self, queries):
        for user, query in queries:
            answer = self.run(self.readers[user], query)
            expected = self.run(self.truths[user], query)
            if answer != expected:
                history = "\n".join(map(str, self.log))
                raise AssertionError(f"{user}: {query}\n"
                                     f"proxy  {answer}\nserver {expected}\nafter\n{history}")

    def hits(self):
        if DIRECT:
            return 0
        return next(int(row[1]) for row in self.console.query("SHOW STATS")
                    if row[0] == "hits_total")

    def steps(self, deadline):
        while len(self.queries) < QUERIES:
            query = self.statement(self.query)
            answer = self.run(self.truths["postgres"], query)
            new = all(query != known for _, known in self.queries)
            if new and isinstance(answer, list) and (answer or self.rng.random() < 0.3):
                self.queries.append((self.rng.choice(["postgres", "postgres", "app"]), query))
        self.check(self.queries)
        for _ in range(STEPS):
            if time.monotonic() > deadline:
                break
            written = tables_named(self.write())
            touched = [one for one in self.queries if written & tables_named(one[1][0])]
            hits = self.hits()
            self.check(touched)
            self.counts["alive"] += self.hits() - hits
            self.counts["asked"] += len(touched)
            self.check([one for one in self.queries if one not in touched])


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    rng = random.Random(seed)
    print(f"seed {seed}", flush=True)
    server = PostgresServer().start()
    counts = {"writes": 0, "alive": 0, "asked": 0}
    try:
        with server.connect_locally() as connection:
            connection.execute("CREATE ROLE app LOGIN")
        deadline = time.monotonic() + seconds
        rounds = 0
        while time.monotonic() < deadline:
            one = Round(rng, server, counts)
            one.steps(deadline)
            one.close()
            rounds += 1
    finally:
        server.remove()
    print(f"{rounds} rounds, {counts['writes']} writes; of {counts['asked']} answers about tables"
          f" just written {counts['alive']} were still hits")
    # Without row precision there is none.
    if not DIRECT and counts["alive"] < counts["asked"] / 100:
        sys.exit("too few answers outlived a write: the test does not test anything")


if __name__ == "__main__":
    main()
