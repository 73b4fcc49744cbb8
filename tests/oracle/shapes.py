"""The statements of the workload: each a text with $n and the kinds of its arguments.

Every read has an order that nothing physical decides, so that two servers with the same data give
the same bytes. Reads that several sessions are to share are few, and their arguments too.
"""

from dataclasses import dataclass
import re

INT4, INT8, TEXT, INT4_ARRAY = 23, 20, 25, 1007
KEYS = range(1, 9)
OWNERS = ("ann", "ben", "cat")
TENANTS = ("blue", "red")
KINDS = ("a", "b", "c")

# What ends the cache's part in its session for good: what it does cannot be followed. `inbox` has a
# rule, and `mailbox` puts into it.
SPENDS = re.compile(r"\bDO \$|\bCALL |\bset_tenant\(|\bmissing\(|TEMPORARY|pg_temp"
                    r"|(INTO|DELETE FROM|COPY) (inbox|mailbox)\b|^SELEC "
                    r"|^(PREPARE|EXECUTE|DEALLOCATE|DISCARD)\b|SESSION AUTHORIZATION")

# What stands for an argument: how to draw it, and its type.
DRAWS = {
    "k": (INT4, lambda rng: rng.choice(KEYS)),
    "n": (INT4, lambda rng: rng.randrange(100)),
    "o": (TEXT, lambda rng: rng.choice(OWNERS)),
    "t": (TEXT, lambda rng: rng.choice(TENANTS)),
    "e": (TEXT, lambda rng: rng.choice(KINDS)),
    "u": (TEXT, lambda rng: rng.choice(("alice", "bob", "app"))),
    "K": (INT4_ARRAY, lambda rng: sorted(rng.sample(KEYS, rng.choice((1, 2, 3))))),
}


@dataclass(frozen=True)
class Shape:
    name: str
    sql: str
    kinds: str = ""
    sort: bool = False  # its rows come in no particular order

    @property
    def may_be_named(self):
        """Not if another object may come to stand before what it names: a plan that PostgreSQL has
        already made does not notice that, one that the proxy has made again elsewhere does. Nor
        if it calls what may be inlined: who may execute that is asked when the plan is made."""
        return not re.search(r"\b(tag|tally|pure)\b", self.sql)

    def draw(self, rng):
        return tuple(DRAWS[kind][1](rng) for kind in self.kinds)

    def types(self):
        return tuple(DRAWS[kind][0] for kind in self.kinds)

    def inlined(self, values):
        text = self.sql
        for i in range(len(values), 0, -1):
            text = text.replace(f"${i}", literal(values[i - 1]))
        return text


def array_text(values):
    return "{" + ",".join(map(str, values)) + "}"


def literal(value):
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return "'" + array_text(value) + "'"


def _shapes(prefix, rows, sort=False):
    return [Shape(f"{prefix}{i}", *row, sort=sort) if isinstance(row, tuple)
            else Shape(f"{prefix}{i}", row, sort=sort) for i, row in enumerate(rows)]


READS = _shapes("r", [
    ("SELECT * FROM account WHERE id = $1", "k"),
    ("SELECT id, balance FROM account WHERE id = ANY ($1) ORDER BY id", "K"),
    ("SELECT id, balance FROM account WHERE id IN ($1, $2) ORDER BY id", "kk"),
    "SELECT id, owner, balance, at, day, span, data, ratio FROM account ORDER BY id",
    ("SELECT count(*), sum(balance) FROM account WHERE owner = $1", "o"),
    ("SELECT o.id, o.status, o.n FROM orders o JOIN account a ON a.id = o.account_id"
     " WHERE a.id = $1 ORDER BY o.id", "k"),
    ("SELECT a.id, b.id, b.balance FROM account a JOIN account b USING (owner)"
     " WHERE a.id = $1 ORDER BY 1, 2", "k"),
    ("SELECT a.balance, o.n FROM account a LEFT JOIN orders o ON o.account_id = a.id AND o.id = $2"
     " WHERE a.id = $1 ORDER BY 1, 2", "kk"),
    ("SELECT id, n FROM orders WHERE id = $1", "k"),
    ("SELECT id, account_id, status, n FROM orders WHERE account_id = $1 ORDER BY id", "k"),
    ("SELECT id, order_id, n FROM line WHERE id = $1", "k"),
    "SELECT id, order_id, n FROM line ORDER BY id",
    ("SELECT id FROM line WHERE order_id IS NULL OR order_id = $1 ORDER BY id", "k"),
    ("SELECT * FROM tag WHERE id = $1", "k"),
    "SELECT * FROM tag ORDER BY id",
    ("SELECT id, n FROM event WHERE kind = $1 ORDER BY id", "e"),
    ("SELECT kind, n FROM event WHERE id = $1 ORDER BY kind", "k"),
    "SELECT count(*), sum(n) FROM event",
    "SELECT id, n FROM event_b ORDER BY id",
    "SELECT count(*), sum(n) FROM event_b_low",
    ("SELECT id, n FROM thing WHERE id = $1 ORDER BY n", "k"),
    "SELECT count(*), sum(n) FROM thing",
    "SELECT count(*), sum(n) FROM ONLY thing",
    "SELECT id, n, extra FROM special_thing ORDER BY id, n, extra",
    "SELECT count(*), sum(n), max(what) FROM audit",
    ("SELECT count(*) FROM audit WHERE row_id = $1", "k"),
    ("SELECT id, n, doubled FROM noisy WHERE id = $1", "k"),
    "SELECT n FROM tally WHERE name = 'noisy'",
    ("SELECT n.id, t.n FROM noisy n, tally t WHERE n.id = $1", "k"),
    "SELECT count(*), sum(id) FROM outbox",
    "SELECT count(*), sum(n) FROM mailbox",
    "SELECT * FROM doc ORDER BY id",
    ("SELECT tenant, n FROM doc WHERE id = $1", "k"),
    ("SELECT id, owner, n FROM doc WHERE id = ANY ($1) ORDER BY id", "K"),
    "SELECT owner, count(*), sum(n) FROM doc GROUP BY owner ORDER BY owner",
    "SELECT id, n FROM mine ORDER BY id",
    "SELECT id, n FROM doc_seen ORDER BY id",
    "SELECT id, n FROM doc_invoker ORDER BY id",
    "SELECT id, n FROM tenant_doc ORDER BY id",
    ("SELECT n.n, d.n FROM note n LEFT JOIN doc d ON d.id = n.doc_id WHERE n.id = $1", "k"),
    ("SELECT id, n, place FROM stock WHERE id = $1", "k"),
    "SELECT sum(n), max(place) FROM stock",
    ("SELECT e.n, w.n FROM east.stock e JOIN west.stock w USING (id) WHERE id = $1", "k"),
    "SELECT * FROM rich ORDER BY id",
    ("SELECT * FROM rich_orders WHERE id = $1 ORDER BY order_id", "k"),
    "SELECT * FROM totals ORDER BY owner",
    "SELECT * FROM summary ORDER BY owner",
    "SELECT id, n FROM shifting ORDER BY id, n",
    ("SELECT id FROM account WHERE EXISTS (SELECT FROM orders o WHERE o.account_id = account.id"
     " AND o.n > $1) ORDER BY id", "n"),
    ("SELECT pure($1)", "k"),
    ("SELECT balance_of($1)", "k"),
    ("SELECT id, order_sum(id) FROM account WHERE id = $1", "k"),
    ("SELECT who($1)", "k"),
    ("SELECT stock_of($1)", "k"),
    "SELECT 1.5::float8 / 7, '2024-01-02'::date, '\\x0102'::bytea, interval '3 days 4 hours'",
    "SELECT current_setting('app.tenant', true), current_setting('TimeZone')",
    ("WITH x AS (SELECT owner, max(balance) AS b FROM account GROUP BY owner)"
     " SELECT b FROM x WHERE owner = $1", "o"),
    ("SELECT label FROM tag WHERE account_id = $1 UNION ALL SELECT status FROM orders"
     " WHERE account_id = $1 ORDER BY 1", "k"),
    "TABLE tally",
    "VALUES (1, 'a'), (2, 'b')",
])

# Answers that no cache may give a second time; only their shape is compared.
VOLATILE = _shapes("v", [
    "SELECT now() IS NOT NULL, count(*) FROM tally",
    "SELECT clock_timestamp() > '2020-01-01', random() < 2",
    "SELECT current_date > '2020-01-01', current_user",
    ("SELECT pg_backend_pid() > 0, id FROM account WHERE id = $1", "k"),
    "SELECT 'today'::date > '2020-01-01'",
])

# Row locks at most: another session may be in a transaction meanwhile.
WRITES = _shapes("w", [
    ("UPDATE account SET balance = balance + $2 WHERE id = $1", "kn"),
    ("UPDATE account SET balance = $2 WHERE id = $1 RETURNING id, balance", "kn"),
    ("UPDATE account SET owner = $2 WHERE id = ANY ($1)", "Ko"),
    ("UPDATE account SET owner = $3 WHERE id IN ($1, $2) RETURNING id", "kko"),
    ("UPDATE account SET at = at + interval '1 hour', day = day + 1, ratio = ratio / 3,"
     " span = span + interval '90 min', data = data || '\\x41' WHERE id = $1"
     " AND length(data) < 8", "k"),
    "UPDATE account SET balance = balance + 1",
    ("DELETE FROM account WHERE id = $1", "k"),
    ("INSERT INTO account (id, owner, balance) VALUES ($1, $2, $3)"
     " ON CONFLICT (id) DO UPDATE SET balance = excluded.balance", "kon"),
    ("INSERT INTO account (id, owner) VALUES ($1, $2) ON CONFLICT DO NOTHING", "ko"),
    ("INSERT INTO account (id, owner, balance) VALUES ($1, $2, $3)", "kon"),
    ("UPDATE account SET id = $2 WHERE id = $1", "kk"),
    ("INSERT INTO orders (id, account_id, n) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING", "kkn"),
    ("INSERT INTO orders (id, account_id, n) VALUES ($1, $2, $3)"
     " ON CONFLICT (id) DO UPDATE SET account_id = excluded.account_id, n = orders.n + 1"
     " RETURNING n", "kkn"),
    ("UPDATE orders SET n = n + 1, status = 'changed' WHERE id = $1", "k"),
    ("UPDATE orders SET id = $2 WHERE id = $1", "kk"),
    ("UPDATE orders SET account_id = $2 WHERE account_id = $1", "kk"),
    ("UPDATE tag SET account_id = $2 WHERE account_id = $1", "kk"),
    ("DELETE FROM orders WHERE id = $1 RETURNING id, account_id", "k"),
    ("DELETE FROM orders WHERE id = ANY ($1)", "K"),
    ("INSERT INTO line VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET n = line.n + 1", "kkn"),
    ("UPDATE line SET order_id = NULL, n = $2 WHERE id = $1", "kn"),
    ("INSERT INTO tag (id, label) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET label = $2", "ko"),
    ("INSERT INTO tag (id, account_id) VALUES ($1, $2) ON CONFLICT (id)"
     " DO UPDATE SET account_id = $2", "kk"),
    ("DELETE FROM tag WHERE id = $1", "k"),
    ("INSERT INTO event VALUES ($1, $2, $3) ON CONFLICT (kind, id) DO UPDATE SET n = event.n + 1",
     "ekn"),
    ("UPDATE event SET n = n + 1 WHERE id = $1", "k"),
    ("UPDATE event SET kind = $2 WHERE id = $1", "ke"),
    ("UPDATE event_b SET id = 9 - id WHERE id = $1", "k"),
    ("UPDATE event_b_low SET n = n + 1 WHERE id = $1", "k"),
    ("DELETE FROM event WHERE kind = $1 AND id = $2", "ek"),
    ("INSERT INTO event_a VALUES ('a', $1, $2) ON CONFLICT DO NOTHING", "kn"),
    ("UPDATE thing SET n = n + 1 WHERE id = $1", "k"),
    ("UPDATE ONLY thing SET n = n + 1 WHERE id = $1", "k"),
    ("UPDATE special_thing SET n = $2, extra = extra + 1 WHERE id = $1", "kn"),
    ("UPDATE shifting SET n = n + 30 WHERE id = $1", "k"),
    ("UPDATE thing SET n = $2 WHERE id = $1", "kn"),
    ("UPDATE noisy SET n = $2 WHERE id = $1", "kn"),
    ("INSERT INTO noisy (id, n) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET n = noisy.n + 1", "kn"),
    ("DELETE FROM noisy WHERE id = $1", "k"),
    ("INSERT INTO inbox VALUES ($1, $2)", "kn"),
    ("INSERT INTO mailbox VALUES ($1, $2)", "kn"),
    "DELETE FROM inbox",
    "DELETE FROM outbox",
    "DELETE FROM audit",
    ("UPDATE doc SET n = n + 1 WHERE id = $1", "k"),
    ("UPDATE doc SET tenant = $2 WHERE id = $1", "kt"),
    ("UPDATE doc SET owner = $2 WHERE id = $1", "ku"),
    ("UPDATE doc_seen SET n = n + 1 WHERE id = $1", "k"),
    ("INSERT INTO doc VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", "ktu"),
    ("UPDATE note SET n = n + 1, doc_id = $2 WHERE id = $1", "kk"),
    ("UPDATE stock SET n = n + 1 WHERE id = $1", "k"),
    ("UPDATE west.stock SET n = n + 5 WHERE id = $1", "k"),
    ("DELETE FROM stock WHERE id = $1", "k"),
    ("INSERT INTO stock (id, n) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET n = $2", "kn"),
    ("UPDATE rich SET balance = balance - 5 WHERE id = $1", "k"),
    ("WITH x AS (UPDATE account SET balance = balance + 1 WHERE id = $1 RETURNING id)"
     " SELECT count(*) FROM x", "k"),
    ("WITH x AS (DELETE FROM line WHERE id = $1 RETURNING id)"
     " INSERT INTO outbox SELECT id, 0 FROM x", "k"),
    ("WITH x AS (UPDATE thing SET n = n + 1 WHERE id = $1 RETURNING n)"
     " UPDATE note SET n = x.n FROM x WHERE note.id = $1", "k"),
    ("MERGE INTO noisy USING thing ON noisy.id = thing.id AND thing.id = $1"
     " WHEN MATCHED THEN UPDATE SET n = thing.n", "k"),
    ("MERGE INTO note USING (SELECT $1::int AS id) s ON note.id = s.id WHEN MATCHED THEN DELETE"
     " WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.id, 1)", "k"),
    ("UPDATE account SET balance = account.balance + o.n FROM orders o"
     " WHERE o.account_id = account.id AND o.id = $1", "k"),
    ("DELETE FROM tag USING account a WHERE a.id = tag.account_id AND a.id = $1", "k"),
    ("SELECT bump($1)", "k"),
    ("SELECT bump_sql($1)", "k"),
    ("SELECT sly_bump($1)", "k"),
    ("SELECT id FROM account WHERE id = $1 FOR UPDATE", "k"),
    ("UPDATE thing SET n = 1 / ($2 - $2) WHERE id = $1", "kk"),
    ("SELECT balance / (balance - balance) FROM account WHERE id = $1", "k"),
], sort=True)

# What puts back rows that deletes have taken; "*" writes to several tables at once.
REFILLS = (
    "INSERT INTO account (id, owner, balance) SELECT k, 'ann', k FROM generate_series(1, 8) k"
    " ON CONFLICT DO NOTHING; INSERT INTO account (id) VALUES (100) ON CONFLICT DO NOTHING",
    "INSERT INTO orders SELECT id, id, 'open', id FROM account WHERE id < 9 ON CONFLICT DO NOTHING",
    "INSERT INTO line SELECT id, id, id FROM orders ON CONFLICT DO NOTHING",
    "INSERT INTO tag SELECT id, 'plain', id FROM account WHERE id < 9 ON CONFLICT DO NOTHING",
    "INSERT INTO noisy SELECT k, k FROM generate_series(1, 8) k ON CONFLICT DO NOTHING;"
    " INSERT INTO note SELECT k, k, k FROM generate_series(1, 8) k ON CONFLICT DO NOTHING",
    "INSERT INTO east.stock SELECT k, k FROM generate_series(1, 8) k ON CONFLICT DO NOTHING;"
    " INSERT INTO west.stock SELECT k, k FROM generate_series(1, 8) k ON CONFLICT DO NOTHING",
    "UPDATE thing SET n = id; DELETE FROM audit",
    "INSERT INTO event SELECT 'b', k, k FROM generate_series(1, 8) k ON CONFLICT DO NOTHING",
)

COPIES = (
    ("COPY inbox FROM STDIN", b"1\t2\n3\t4\n"),
    ("COPY outbox (id, n) FROM STDIN", b"1\t2\n"),
    ("COPY note FROM STDIN", b"1\t2\t3\n"),
    ("COPY event FROM STDIN", b"a\t901\t1\n"),
    ("COPY outbox FROM STDIN", b"broken\tline\n"),
)
