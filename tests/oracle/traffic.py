"""What the full-speed sessions do: reads whose answers bear versions, and writers of every kind.

A session is a generator: it yields bytes to be sent and is given (sent at, answered at, answer). It
appends to a Record what the history needs; what one answer proves wrong by itself it raises.
"""

from dataclasses import dataclass, field
import time

import link  # noqa: F401
from link import show, split
import wire as w

FIRST_VERSION = 1
# Added by writes that are rolled back: nobody but the writer may ever see so large a version.
DIRTY = 10**9
GROUPS = [(family, k) for family in ("pair", "fired", "key") for k in (1, 2, 3)]
GROUPS += [("owned", 1), ("owned", 2), ("east", 1), ("east", 2), ("west", 1), ("west", 2)]
HOT_NS = 100_000_000
TENANTS = {"blue": 1, "red": 2}


class Mixture(Exception):
    pass


@dataclass
class Record:
    """One process's part of the history; times are of the machine's monotonic clock, in ns."""

    reads: list = field(default_factory=list)    # (group, version, began, ended, session, text)
    writes: list = field(default_factory=list)   # (group, version, began, acknowledged, session, text)
    started: list = field(default_factory=list)  # (group, began): may commit, acknowledged or not
    errors: dict = field(default_factory=dict)   # SQLSTATE: how often
    requests: int = 0


# (text, family): rows are (id, version, version, ...).
READS = [
    ("SELECT id, v FROM pair_a WHERE id = {k}", "pair"),
    ("SELECT id, v FROM pair_b WHERE id = {k}", "pair"),
    ("SELECT id, v FROM pair_c WHERE id = {k}", "pair"),
    ("SELECT id, v FROM pair_c1", "pair"),
    ("SELECT a.id, a.v, b.v FROM pair_a a JOIN pair_b b USING (id) WHERE a.id = {k}", "pair"),
    ("SELECT a.id, a.v, c.v FROM pair_a a JOIN pair_c c ON c.id = a.id WHERE c.id = {k}", "pair"),
    ("SELECT id, va, vb, vc FROM pair ORDER BY id", "pair"),
    ("SELECT id, va, vb, vc FROM pair_1", "pair"),
    ("SELECT id, min(v), max(v) FROM (TABLE pair_a UNION ALL TABLE pair_b UNION ALL TABLE pair_c) x"
     " WHERE id IN ({k}, 1) GROUP BY id", "pair"),
    ("SELECT a.id, a.v, b.v FROM pair_a a, pair_a b WHERE a.id = b.id ORDER BY a.id", "pair"),
    ("SELECT {k}, read_pair({k})", "pair"),
    ("SELECT a.id, a.v, b.v FROM fired_a a JOIN fired_b b USING (id) WHERE id = {k}", "fired"),
    ("SELECT id, v FROM fired_b WHERE id = {k}", "fired"),
    ("SELECT a.id, a.v, (SELECT v FROM fired_b b WHERE b.id = a.id) FROM fired_a a", "fired"),
    ("SELECT a.id, a.v, b.v FROM key_a a JOIN key_b b USING (id) WHERE id = {k}", "key"),
    ("SELECT id, v FROM key_b WHERE id = ANY ('{{{k}}}')", "key"),
    ("SELECT e.id, e.v FROM east.mark e WHERE id = {k}", "east"),
    ("SELECT id, v FROM west.mark ORDER BY id", "west"),
]


class Traffic:
    """One session. `rng` decides all; what it has set is known to it."""

    def __init__(self, number, user, rng, record, calm):
        self.number, self.user, self.rng, self.record = number, user, rng, record
        self.calm = calm  # runs no function, so that the cache serves it
        self.prepared = set()
        self.tenant = None
        self.place = None

    def reconnected(self):
        self.prepared, self.tenant, self.place = set(), None, None

    def run(self):
        while True:
            chance = self.rng.random()
            if chance < 0.90:
                yield from self.read()
            elif chance < 0.95:
                yield from self.write()
            elif chance < 0.97:
                yield from self.reading_transaction()
            else:
                yield from self.rng.choice((self.read_owned, self.read_place, self.sets))()

    # Reads.

    def draw_read(self):
        """Mostly one of a few that all sessions ask at this time, so that they meet."""
        moment = time.monotonic_ns() // HOT_NS
        while True:
            chosen = self.rng.random()
            if chosen < 0.85:
                chosen = (moment * 7 + int(chosen * 4 / 0.85) * 5) % len(READS) / len(READS)
            text, family = READS[int(chosen * len(READS))]
            if not (self.calm and "read_pair" in text):
                return text.format(k=moment % 3 + 1 if self.rng.random() < 0.8 else 1), family
            moment += 1

    def encode(self, text):
        form = self.rng.random()
        if form < 0.6:
            return w.query(text)
        if form < 0.75:
            return w.parse(text) + w.bind() + w.describe() + w.execute() + w.SYNC
        name = "s" + str(abs(hash(text)) % 10**9)
        parse = b"" if name in self.prepared else w.parse(text, name)
        self.prepared.add(name)
        return parse + w.bind((), name) + w.describe() + w.execute() + w.SYNC

    def take(self, answer, text, family, began, ended, own=None):
        """Notes an answer. `own`: the group that this transaction has written, and its version."""
        for row in self.rows(answer):
            self.note(text, (family, int(row[0])), {int(value) for value in row[1:]},
                      began, ended, own)

    def note(self, text, group, versions, began, ended, own=None):
        if len(versions) != 1:
            raise Mixture(f"two states in one answer: {group} has {sorted(versions)}\n"
                          f"  session {self.number}: {text}")
        (version,) = versions
        if own and own[0] == group:
            if version != own[1]:
                raise Mixture(f"a session that has written {own} reads version {version} in its"
                              f" transaction\n  session {self.number}: {text}")
            return
        self.record.reads.append((group, version, began, ended, self.number, text))

    def rows(self, answer):
        """Text rows; errors are counted."""
        rows = []
        for kind, body in split(answer):
            if kind == b"D":
                rows.append([f and f.decode() for f in w.row(body)])
            elif kind == b"E":
                state = w.error_fields(body)["C"]
                self.record.errors[state] = self.record.errors.get(state, 0) + 1
                if state not in ("40001", "40P01", "23503", "23505"):
                    raise Mixture(f"session {self.number}: unexpected {show(answer)}")
        return rows

    def read(self, own=None, since=None):
        text, family = self.draw_read()
        began, ended, answer = yield self.encode(text)
        self.take(answer, text, family, since or began, ended, own)
        return began

    def reading_transaction(self):
        """Reads within a transaction; under REPEATABLE READ all are as old as the first."""
        fixed = self.rng.random() < 0.3
        yield w.query("BEGIN ISOLATION LEVEL REPEATABLE READ" if fixed else "BEGIN")
        since = None
        for _ in range(3):
            began = yield from self.read(since=since)
            since = (since or began) if fixed else None
        yield w.query("COMMIT")

    def read_owned(self):
        """Row-level security by a setting: the row of one's own tenant and no other."""
        if self.user != "alice":
            return
        if self.tenant is None or self.rng.random() < 0.3:
            self.tenant = self.rng.choice(list(TENANTS))
            yield w.query(f"SET app.tenant = '{self.tenant}'")
        text = "SELECT id, v FROM owned ORDER BY id"
        began, ended, answer = yield w.query(text)
        rows = self.rows(answer)
        if [row[0] for row in rows] != [str(TENANTS[self.tenant])]:
            raise Mixture(f"session {self.number} is tenant {self.tenant} and reads {rows}")
        self.note(text, ("owned", TENANTS[self.tenant]), {int(rows[0][1])}, began, ended)

    def read_place(self):
        """One name in two schemas."""
        if self.place is None or self.rng.random() < 0.3:
            self.place = self.rng.choice(("east", "west"))
            yield w.query(f"SET search_path = {self.place}, public")
        text = "SELECT id, place, v FROM mark WHERE id = 1"
        began, ended, answer = yield w.query(text)
        for number, place, version in self.rows(answer):
            if place != self.place:
                raise Mixture(f"session {self.number} has search_path {self.place} and reads {place}")
            self.note(text, (place, int(number)), {int(version)}, began, ended)

    def sets(self):
        """What shows in an answer only as text."""
        zone, shown = self.rng.choice((("UTC", "12:00:00+00"), ("Asia/Tokyo", "21:00:00+09")))
        yield w.query(f"SET TimeZone = '{zone}'")
        text = "SELECT '2024-01-01 12:00:00+00'::timestamptz FROM pair_a WHERE id = 1"
        _, _, answer = yield w.query(text)
        for (value,) in self.rows(answer):
            if not value.endswith(shown):
                raise Mixture(f"session {self.number} has TimeZone {zone} and reads {value}")
        yield w.query("RESET TimeZone")

    # Writes.

    def write(self):
        write = self.rng.choice(WRITERS)
        if write is Traffic.function and self.calm:
            return
        yield from write(self)

    def begin(self, group):
        """From now on the version may be there."""
        self.record.started.append((group, time.monotonic_ns()))

    def one(self, group, text, batch=None):
        """A write that commits in one batch; its answer bears the version."""
        self.begin(group)
        began, ended, answer = yield batch or self.encode(text)
        rows = self.rows(answer)
        if rows and answer[-1:] == b"I" and b"E" not in (kind for kind, _ in split(answer)):
            self.record.writes.append((group, int(rows[0][0]), began, ended, self.number, text))

    def single_table(self):
        """Tables of which each write is one statement, whatever it sets off."""
        family, k = self.rng.choice(GROUPS)
        if family == "pair" or (family == "fired" and self.calm):
            return
        table = {"fired": "fired_a", "key": "key_a", "east": "east.mark", "west": "west.mark",
                 "owned": "owned"}[family]
        if family == "owned" and self.user == "alice":
            return
        yield from self.one((family, k),
                            f"UPDATE {table} SET v = v + 1 WHERE id = {k} RETURNING v")

    def upsert(self):
        """INSERT and MERGE that find their row."""
        k = self.rng.choice((1, 2))
        if self.rng.random() < 0.5:
            yield from self.one(("west", k), f"INSERT INTO west.mark VALUES ({k}, 'west', 0)"
                                " ON CONFLICT (id) DO UPDATE SET v = mark.v + 1 RETURNING v")
        else:
            text = (f"BEGIN; MERGE INTO west.mark USING (SELECT {k} AS id) s ON mark.id = s.id WHEN"
                    f" MATCHED THEN UPDATE SET v = v + 1; SELECT v FROM west.mark WHERE id = {k};"
                    " COMMIT")
            yield from self.one(("west", k), text, w.query(text))

    def with_query(self):
        k = self.rng.choice((1, 2, 3))
        yield from self.one(("pair", k), (
            f"WITH n AS (UPDATE pair_a SET v = v + 1 WHERE id = {k} RETURNING id, v),"
            " m AS (UPDATE pair_c SET v = n.v FROM n WHERE pair_c.id = n.id)"
            " UPDATE pair_b SET v = n.v FROM n WHERE pair_b.id = n.id RETURNING pair_b.v"))

    def function(self):
        k = self.rng.choice((1, 2, 3))
        yield from self.one(("pair", k), f"SELECT write_pair({k})")

    def pair_texts(self, k):
        return [f"UPDATE pair_a SET v = v + 1 WHERE id = {k} RETURNING v",
                f"UPDATE pair_b SET v = (SELECT v FROM pair_a WHERE id = {k}) WHERE id = {k}",
                f"UPDATE pair_c SET v = (SELECT v FROM pair_a WHERE id = {k}) WHERE id = {k}"]

    def several_statements(self):
        """One message; with a COMMIT within, the others see it well before the message ends."""
        k = self.rng.choice((1, 2, 3))
        texts = self.pair_texts(k)
        if self.rng.random() < 0.5:
            texts = ["BEGIN", *texts, "COMMIT",
                     f"SELECT pg_sleep({self.rng.choice((0, 0.002, 0.005))})"]
        text = "; ".join(texts)
        yield from self.one(("pair", k), text, w.query(text))

    def pipeline(self):
        k = self.rng.choice((1, 2, 3))
        batch = b"".join(w.parse(t) + w.bind() + w.execute() for t in self.pair_texts(k))
        yield from self.one(("pair", k), "PIPELINE " + "; ".join(self.pair_texts(k)),
                            batch + w.SYNC)

    def transaction(self):
        """Reads its own writes, and what others have committed, on the way."""
        group = ("pair", self.rng.choice((1, 2, 3)))
        k = group[1]
        yield w.query("BEGIN")
        if self.rng.random() < 0.3:  # comes to nothing, and then the same again
            yield w.query(f"SAVEPOINT s; UPDATE pair_a SET v = v + {DIRTY} WHERE id = {k};"
                          f"UPDATE pair_b SET v = v + {DIRTY} WHERE id = {k}")
            yield w.query("ROLLBACK TO s")
        texts = self.pair_texts(k)
        began, _, answer = yield self.encode(texts[0])
        rows = self.rows(answer)
        for text in texts[1:]:
            self.rows((yield self.encode(text))[2])
        if rows:
            for _ in range(self.rng.choice((0, 1, 2))):
                yield from self.read(own=(group, int(rows[0][0])))
        if not rows or self.rng.random() < 0.15:
            yield w.query("ROLLBACK")
            return
        self.begin(group)
        _, ended, answer = yield self.encode("COMMIT")
        if b"COMMIT\0" in answer:
            self.record.writes.append(
                (group, int(rows[0][0]), began, ended, self.number, "; ".join(texts)))

    def dirty(self):
        """Never committed; others read meanwhile."""
        k = self.rng.choice((1, 2, 3))
        yield w.query("BEGIN")
        yield w.query(f"UPDATE pair_a SET v = v + {DIRTY} WHERE id = {k}")
        yield w.query(f"UPDATE pair_b SET v = v + {DIRTY} WHERE id = {k};"
                      f" UPDATE pair_c SET v = v + {DIRTY} WHERE id = {k}")
        yield w.query("ROLLBACK")

    def vanish(self):
        """Gone with a write in flight: it may come to something or not."""
        k = self.rng.choice((1, 2, 3))
        texts = ["BEGIN", *self.pair_texts(k), "COMMIT"]
        self.begin(("pair", k))
        yield ("vanish", w.query("; ".join(texts)))
        self.reconnected()


WRITERS = (Traffic.single_table, Traffic.single_table, Traffic.upsert, Traffic.with_query,
           Traffic.function, Traffic.several_statements, Traffic.several_statements,
           Traffic.pipeline, Traffic.transaction, Traffic.transaction, Traffic.dirty,
           Traffic.vanish)
