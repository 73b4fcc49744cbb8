"""The lockstep workload: a weighted list of small steps over a model of each session.

A step function is given the world and a session, and returns a Step, or None if it makes no sense
now. It draws from the world's generator alone and looks at nothing but the model, which follows the
answers; so a seed replays exactly as long as the answers are the same.
"""

from collections import deque
from dataclasses import dataclass, field
import random

import link  # noqa: F401
import wire as w

import forms
from shapes import COPIES, READS, REFILLS, SPENDS, VOLATILE, WRITES
from step import CATALOG, READ, WRITE, Step
from steps_catalog import CATALOG_STEPS
from steps_session import (SESSION_STEPS, discard, listen, reset_all, role, set_tenant, setting,
                           sql_prepare, temporary_table)

USERS = ("app", "alice", "bob", "alice", "web", "bob", "postgres", "app")
STARTUPS = ({}, {}, {}, {"TimeZone": "Asia/Tokyo"}, {"options": "-c app.tenant=red"},
            {"options": "-c search_path=west,main"})


# Some connections leave out what ends the cache's part in them for good, or what makes their keys
# others' no longer, so that they find hits in what the others read.
TEMPERS = (frozenset(), frozenset({"spends"}), frozenset({"spends"}), frozenset({"spends", "sets"}),
           frozenset({"spends", "sets"}))
# How soon a session comes back anew whose cache has come to an end, outside of a transaction.
RETURNS = 0.1


@dataclass
class Session:
    index: int
    user: str
    startup: dict = field(default_factory=dict)
    status: str = "I"
    locks: str = READ       # the most that the open transaction has done
    prepared: set = field(default_factory=set)
    sql_prepared: set = field(default_factory=set)
    calm: frozenset = frozenset()  # what this connection never does: see TEMPERS
    spent: bool = False            # the cache may have no part in it any more: see SPENDS

    def forget(self):
        self.status, self.locks, self.spent = "I", READ, False
        self.prepared, self.sql_prepared = set(), set()


class World:
    def __init__(self, seed, sessions):
        self.rng = random.Random(seed)
        self.sessions = [Session(i, USERS[i % len(USERS)]) for i in range(sessions)]
        for session in self.sessions:
            self.begin_life(session)
        self.recent = deque(maxlen=6)
        self.steps = STEPS + SESSION_STEPS + CATALOG_STEPS
        self.weights = [weight for weight, _ in self.steps]

    def begin_life(self, session):
        session.startup = self.rng.choice(STARTUPS)
        session.calm = self.rng.choice(TEMPERS)
        session.forget()

    def others(self, session):
        return [s for s in self.sessions if s is not session and s.status != "I"]

    def may(self, session, kind):
        """Whether a step of this kind would not, or hardly ever, wait for another session."""
        if kind == CATALOG:
            return not self.others(session)
        if kind == WRITE and any(s.locks == WRITE for s in self.others(session)):
            return self.rng.random() < 0.1
        return True

    def next(self):
        """The next session and its step."""
        holder = next((s for s in self.sessions if s.locks == CATALOG), None)
        while True:
            session = holder or self.rng.choice(self.sessions)
            make = self.rng.choices(self.steps, self.weights)[0][1]
            # A transaction ends after some ten steps, sooner if others cannot go on meanwhile.
            ends = {"I": 0, "T": 0.3 if holder else 0.08, "E": 0.5}[session.status]
            if ends and self.rng.random() < ends:
                make = end_transaction
            if session.spent and not ends and self.rng.random() < RETURNS:
                make = reconnect
            if make in SETS and "sets" in session.calm:
                continue
            step = make(self, session)
            if step is None or not self.may(session, step.kind):
                continue
            spends = bool(SPENDS.search(step.text))
            if not (spends and "spends" in session.calm):
                session.spent |= spends
                return session, step

    def draw_form(self, shape, among):
        form = self.rng.choice(among)
        return form if form != "named" or shape.may_be_named else "text"

    def draw_read(self):
        """Mostly one that somebody has just asked, in the same form."""
        if self.recent and self.rng.random() < 0.9:
            return self.rng.choice(self.recent)
        shape = self.rng.choice(READS)
        form = self.draw_form(shape, forms.READ_FORMS)
        self.recent.append((shape, shape.draw(self.rng), form))
        return self.recent[-1]


def read(world, session):
    """A few reads in a row."""
    texts, batches = [], []
    named = None
    for _ in range(world.rng.choice((1, 2, 4, 6))):
        shape, values, form = world.draw_read()
        if form == "named" and shape.name not in session.prepared:
            if named:
                continue
            named = shape.name
            batches.append(forms.encode(session, shape, values, form))
            texts.append(f"[{form}] {shape.inlined(values)}")
            break
        batches.append(forms.encode(session, shape, values, form))
        texts.append(f"[{form}] {shape.inlined(values)}")
    return Step("; ".join(texts), batches, prepares=named, reads=len(batches))


def volatile(world, session):
    shape = world.rng.choice(VOLATILE)
    values, form = shape.draw(world.rng), world.rng.choice(("simple", "text"))
    return Step(f"[{form}] {shape.inlined(values)}",
                [forms.encode(session, shape, values, form)], volatile=True, reads=1)


def write(world, session):
    shape = world.rng.choice(WRITES)
    values, form = shape.draw(world.rng), world.draw_form(shape, forms.WRITE_FORMS)
    return Step(f"[{form}] {shape.inlined(values)}", [forms.encode(session, shape, values, form)],
                WRITE, sort=True, prepares=shape.name if form == "named" else None)


MOVES = (
    ("account", "id", "SELECT id, owner, balance FROM account WHERE id = {}"),
    ("orders", "account_id", "SELECT id, n FROM orders WHERE account_id = {} ORDER BY id"),
    ("tag", "account_id", "SELECT id, label FROM tag WHERE account_id = {} ORDER BY id"),
)


def move(world, session):
    """Rows go from one value of a key to another, and both are read before and after."""
    table, column, text = world.rng.choice(MOVES)
    old, new = world.rng.sample(range(1, 9), 2)
    reads = [text.format(old), text.format(new)]
    texts = [*reads, f"UPDATE {table} SET {column} = {new} WHERE {column} = {old}", *reads]
    return Step("; ".join(texts), [w.query(text) for text in texts], WRITE, reads=4)


def refill(world, session):
    text = world.rng.choice(REFILLS)
    return Step(text, [w.query(text)], WRITE)


def copy(world, session):
    text, data = world.rng.choice(COPIES)
    if world.rng.random() < 0.15:
        end, said = w.copy_fail("changed my mind"), "; CopyFail"
    else:
        end, said = w.COPY_DONE, ""
    return Step(text + said, [w.query(text) + w.copy_data(data) + end], WRITE)


def pipeline(world, session):
    """Reads and writes with one Sync behind them all: one transaction."""
    batch, texts, kind = b"", [], READ
    for _ in range(world.rng.choice((2, 3, 4))):
        if world.rng.random() < 0.4:
            shape, kind = world.rng.choice(WRITES), WRITE
            values, form = shape.draw(world.rng), world.rng.choice(("text", "typed"))
        else:
            shape, values, form = world.draw_read()
            form = "text" if form in ("simple", "named") else form
        batch += forms.extended(shape, values, form)
        texts.append(f"[{form}] {shape.inlined(values)}")
    return Step("PIPELINE " + "; ".join(texts), [batch + w.SYNC], kind, sort=True)


def several_statements(world, session):
    """One simple query with several statements, which may begin or end transactions within."""
    pieces, kind = [], READ
    for _ in range(world.rng.choice((2, 3))):
        shape = world.rng.choice(READS)
        if world.rng.random() < 0.5:
            shape, kind = world.rng.choice(WRITES), WRITE
        pieces.append(shape.inlined(shape.draw(world.rng)))
    around = world.rng.random()
    if around < 0.15:
        pieces = ["BEGIN", *pieces, world.rng.choice(("COMMIT", "ROLLBACK"))]
    elif around < 0.25:
        pieces.insert(1, "COMMIT")
    elif around < 0.3:
        pieces.append("SELECT 1/0")
    elif around < 0.35:
        pieces.insert(0, "SET app.tenant = 'red'")
    text = "; ".join(pieces)
    return Step(text, [w.query(text)], kind, sort=True)


BEGINS = ("BEGIN",) * 6 + ("START TRANSACTION", "BEGIN READ ONLY", "BEGIN READ WRITE",
                           "BEGIN ISOLATION LEVEL REPEATABLE READ",
                           "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                           "BEGIN ISOLATION LEVEL READ COMMITTED",
                           "START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY")


def begin(world, session):
    """Rarely where there is a transaction already."""
    if session.status != "I" and world.rng.random() < 0.97:
        return None
    text = world.rng.choice(BEGINS)
    if world.rng.random() < 0.3:
        return Step(f"[text] {text}", [w.parse(text) + w.bind() + w.execute() + w.SYNC])
    return Step(text, [w.query(text)])


def end_transaction(world, session):
    text = world.rng.choice(("COMMIT",) * 5 + ("ROLLBACK",) * 3 + ("END", "COMMIT AND CHAIN",
                                                                   "ROLLBACK AND CHAIN", "ABORT"))
    if world.rng.random() < 0.2:
        return Step(f"[text] {text}", [w.parse(text) + w.bind() + w.execute() + w.SYNC])
    return Step(text, [w.query(text)])


def savepoint(world, session):
    if session.status == "I" and world.rng.random() < 0.95:
        return None
    text = world.rng.choice(("SAVEPOINT a", "SAVEPOINT b", "ROLLBACK TO a", "ROLLBACK TO b",
                             "RELEASE a", "RELEASE b", "SAVEPOINT a; SAVEPOINT b"))
    return Step(text, [w.query(text)])


def failure(world, session):
    text = world.rng.choice(("SELECT 1/0", "SELECT * FROM missing", "SELEC 1", "SELECT missing()",
                             "UPDATE account SET missing = 1", "SELECT id FROM tag WHERE id = 'x'"))
    return Step(text, [w.query(text)])


def reconnect(world, session):
    """Goes without a word, perhaps in the middle of a transaction, and comes back."""
    return Step("reconnect", [], action="reconnect")


def cancel(world, session):
    return Step("SELECT pg_sleep(20) and a cancel request", [w.query("SELECT pg_sleep(20)")],
                action="cancel")


STEPS = [
    (560, read), (6, volatile), (110, write), (6, move), (12, refill), (5, copy), (20, pipeline),
    (16, several_statements), (26, begin), (10, savepoint), (5, failure), (4, reconnect),
    (0.15, cancel),
]
SETS = frozenset({setting, reset_all, role, set_tenant, discard, sql_prepare, temporary_table,
                  listen})
