"""Steps that change what a session is: settings, roles, prepared statements, temporary tables."""

import link  # noqa: F401
import wire as w

import forms
from shapes import READS, WRITES, literal
from step import READ, WRITE, Step


VALUES = {
    "TimeZone": ("UTC", "America/New_York", "Asia/Kolkata"),
    "DateStyle": ("ISO, MDY", "SQL, DMY", "German", "Postgres"),
    "IntervalStyle": ("postgres", "iso_8601", "sql_standard"),
    "bytea_output": ("hex", "escape"),
    "extra_float_digits": ("0", "1", "-3"),
    "app.tenant": ("blue", "red", "blue", "red", ""),
    "search_path": ("main", "east, main", "west, main", '"$user", main', "main, west"),
    "application_name": ("one", "two"),
    "statement_timeout": ("20s", "0"),
    "work_mem": ("1MB", "4MB"),
    "enable_seqscan": ("on", "off"),
    "default_transaction_isolation": ("read committed", "read committed", "repeatable read"),
    "default_transaction_read_only": ("off", "off", "off", "on"),
    "row_security": ("on", "on", "on", "off"),
    "standard_conforming_strings": ("on", "on", "off"),
    "plan_cache_mode": ("auto", "force_generic_plan"),
}
NAMES = tuple(VALUES) + ("app.tenant", "search_path", "TimeZone", "app.tenant", "search_path")


def _listed(name, value):
    """A search_path by SET is a list of names, anything else one string."""
    return value if name == "search_path" else f"'{value}'"


def setting(world, session):
    rng = world.rng
    name = rng.choice(NAMES)
    value = rng.choice(VALUES[name])
    way = rng.random()
    if way < 0.4:
        text = f"SET {name} = {_listed(name, value)}"
    elif way < 0.6:
        text = f"SET LOCAL {name} TO {_listed(name, value)}"
    elif way < 0.75:
        text = f"SELECT set_config('{name}', '{value}', {rng.choice(('true', 'false'))})"
    elif way < 0.9:
        text = f"RESET {name}"
    elif way < 0.95:
        text = f"SET {name} TO DEFAULT"
    else:
        text = f"SHOW {name}"
    if rng.random() < 0.25:
        return Step(f"[text] {text}",
                     [w.parse(text) + w.bind() + w.describe() + w.execute() + w.SYNC])
    return Step(text, [w.query(text)])


def local_setting(world, session):
    """What a transaction sets for itself ends with it: what shows it is read within and after."""
    if session.status != "I":
        return None
    name = world.rng.choice(("TimeZone", "IntervalStyle", "bytea_output", "search_path"))
    read = f"SELECT current_setting('{name}')"
    texts = ["BEGIN", f"SET LOCAL {name} = {_listed(name, world.rng.choice(VALUES[name]))}", read,
             world.rng.choice(("COMMIT", "COMMIT", "ROLLBACK")), read]
    return Step("; ".join(texts), [w.query(text) for text in texts], reads=2)


def reset_all(world, session):
    return Step("RESET ALL", [w.query("RESET ALL")])


def bad_setting(world, session):
    text = world.rng.choice(("SET TimeZone = 'nowhere'", "SET missing = 1",
                             "SET extra_float_digits = 99", "SET ROLE nobody"))
    return Step(text, [w.query(text)])


def role(world, session):
    names = ("alice", "bob", "web", "app", "none")
    way = world.rng.random()
    if way < 0.4:
        text = f"SET ROLE {world.rng.choice(names)}"
    elif way < 0.6:
        text = f"SET LOCAL ROLE {world.rng.choice(names)}"
    elif way < 0.9:
        text = "RESET ROLE"
    elif way < 0.95:
        text = f"SET SESSION AUTHORIZATION {world.rng.choice(('alice', 'bob', 'default'))}"
    else:
        text = f"SELECT set_config('role', '{world.rng.choice(names)}', false)"
    return Step(text, [w.query(text)])


def set_tenant(world, session):
    """A setting that a function changes."""
    text = f"SELECT set_tenant('{world.rng.choice(('blue', 'red'))}')"
    return Step(text, [w.query(text)])


def reuse_unnamed(world, session):
    """Parsed once, bound twice in batches of their own."""
    shape = world.rng.choice(READS)
    values = [shape.draw(world.rng) for _ in range(2)]
    batches = [w.parse(shape.sql) + w.SYNC,
               *(forms.execute(shape, each, "text") + w.SYNC for each in values)]
    return Step(f"[parsed once] {shape.inlined(values[0])}, {values[1]}", batches)


def prepare_again(world, session):
    """A Parse under a name that may be taken."""
    shape = world.rng.choice([shape for shape in READS if shape.may_be_named])
    return Step(f"Parse {shape.name}", [w.parse(shape.sql, shape.name) + w.SYNC],
                 prepares=shape.name)


def bind_unknown(world, session):
    return Step("Bind nobody", [w.bind((), "nobody") + w.execute() + w.SYNC])


def close_named(world, session):
    if not session.prepared:
        return None
    name = world.rng.choice(sorted(session.prepared))
    return Step(f"Close {name}", [w.close(b"S", name) + w.SYNC],
                 then=lambda s: s.prepared.discard(name))


def describe_named(world, session):
    if not session.prepared:
        return None
    name = world.rng.choice(sorted(session.prepared))
    return Step(f"Describe {name}", [w.describe(b"S", name) + w.SYNC])


def sql_prepare(world, session):
    """PREPARE, EXECUTE, DEALLOCATE; they tie a session to its server connection. README says why a
    session that has statements of the protocol does not begin with them."""
    if session.prepared and not session.sql_prepared:
        return None
    rng = world.rng
    if session.sql_prepared and rng.random() < 0.75:
        name, shape = rng.choice(sorted(session.sql_prepared))
        shape = next(s for s in (*READS, *WRITES) if s.name == shape)
        if rng.random() < 0.1:
            return Step(f"DEALLOCATE {name}", [w.query(f"DEALLOCATE {name}")],
                         then=lambda s: s.sql_prepared.discard((name, shape.name)))
        values = shape.draw(rng)
        given = f" ({', '.join(literal(v) for v in values)})" if values else ""
        return Step(f"EXECUTE {name}{given}: {shape.sql}", [w.query(f"EXECUTE {name}{given}")],
                     WRITE if shape in WRITES else READ, sort=shape.sort)
    shape = world.rng.choice((*READS, *WRITES))
    name = f"q_{shape.name}"
    return Step(f"PREPARE {name} AS {shape.sql}", [w.query(f"PREPARE {name} AS {shape.sql}")],
                 then=lambda s: s.sql_prepared.add((name, shape.name)))



def discard(world, session):
    if session.prepared and not session.sql_prepared:
        return None
    text = world.rng.choice(("DEALLOCATE ALL", "DISCARD ALL", "DISCARD PLANS", "DISCARD TEMP"))

    def forget(of):
        if text in ("DEALLOCATE ALL", "DISCARD ALL"):
            of.prepared, of.sql_prepared = set(), set()
    return Step(text, [w.query(text)], then=forget)


def temporary_table(world, session):
    """One that shadows a table which everyone reads, for a while."""
    text = world.rng.choice((
        "CREATE TEMPORARY TABLE tag AS SELECT 1 AS id, 'temporary' AS label, 1 AS account_id",
        "CREATE TEMPORARY TABLE tally (name text, n bigint) ON COMMIT DROP",
        "DROP TABLE IF EXISTS pg_temp.tag", "DROP TABLE IF EXISTS pg_temp.tag",
        "INSERT INTO pg_temp.tag VALUES (2, 'temporary', 2)"))
    return Step(text, [w.query(text)], WRITE)


def listen(world, session):
    text = world.rng.choice(("LISTEN news", "UNLISTEN news", "NOTIFY news, 'hello'",
                             "NOTIFY news, 'again'", "UNLISTEN *"))
    return Step(text, [w.query(text)])


def cursor(world, session):
    """A cursor of a transaction of its own, and what it fetches."""
    if session.status != "I":
        return None
    return Step("BEGIN; DECLARE c ...; FETCH 3 c; FETCH c; COMMIT", [
        w.query("BEGIN"), w.query("DECLARE c CURSOR FOR SELECT id, n FROM orders ORDER BY id"),
        w.query("FETCH 3 c"), w.query("FETCH c"), w.query("COMMIT")])


def limited_execute(world, session):
    """A portal that is executed piece by piece."""
    shape = READS[3]
    return Step(f"[row limit] {shape.sql}", [
        w.parse(shape.sql) + w.bind() + w.execute(limit=2) + w.execute(limit=1) + w.execute()
        + w.SYNC])


SESSION_STEPS = [
    (16, setting), (4, local_setting), (1, reset_all), (1, bad_setting), (10, role),
    (0.3, set_tenant), (4, reuse_unnamed), (1, prepare_again), (0.5, bind_unknown),
    (2, close_named), (1, describe_named), (1.5, sql_prepare), (0.4, discard),
    (0.6, temporary_table), (0.3, listen), (1, cursor), (1, limited_execute),
]
