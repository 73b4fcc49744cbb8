"""Steps that change the catalog, or lock a table against everybody."""

import link  # noqa: F401
import wire as w

from step import CATALOG, Step

GRANTS = (
    "REVOKE SELECT ON doc FROM staff", "GRANT ALL ON doc TO staff",
    "REVOKE alice FROM bob", "GRANT alice TO bob",
    "ALTER ROLE bob NOINHERIT", "ALTER ROLE bob INHERIT",
    "REVOKE SELECT ON tag FROM staff", "GRANT SELECT ON tag TO staff",
    "REVOKE ALL ON account FROM web", "GRANT ALL ON account TO web",
    "REVOKE SELECT ON orders FROM web; GRANT SELECT (id, n) ON orders TO web",
    "GRANT SELECT ON orders TO web",
    "REVOKE USAGE ON SCHEMA east FROM staff", "GRANT USAGE ON SCHEMA east TO staff",
    "REVOKE SELECT ON rich FROM alice, staff", "GRANT SELECT ON rich TO staff",
    "REVOKE EXECUTE ON FUNCTION pure FROM PUBLIC", "GRANT EXECUTE ON FUNCTION pure TO PUBLIC",
)
DEFINITIONS = (
    "CREATE OR REPLACE VIEW main.rich AS SELECT id, owner, balance FROM main.account WHERE balance >= 50",
    "CREATE OR REPLACE VIEW main.rich AS SELECT id, owner, balance FROM main.account WHERE balance >= 10",
    "CREATE OR REPLACE VIEW main.totals AS SELECT owner, sum(balance) AS balance, count(*) AS n"
    " FROM main.account GROUP BY owner",
    "CREATE OR REPLACE VIEW main.totals AS SELECT status AS owner, sum(n) AS balance, count(*) AS n"
    " FROM main.orders GROUP BY status",
    "CREATE OR REPLACE FUNCTION main.pure(a int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT a * 3 + 1'",
    "CREATE OR REPLACE FUNCTION main.pure(a int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT a * 5 + 2'",
    "CREATE OR REPLACE FUNCTION main.balance_of(k int) RETURNS int STABLE LANGUAGE sql"
    " AS 'SELECT balance FROM main.account WHERE id = k'",
    "CREATE OR REPLACE FUNCTION main.balance_of(k int) RETURNS int STABLE LANGUAGE sql"
    " AS 'SELECT n FROM main.orders WHERE id = k'",
    "ALTER TABLE tag ADD COLUMN IF NOT EXISTS extra int DEFAULT 7",
    "ALTER TABLE tag DROP COLUMN IF EXISTS extra",
    "CREATE INDEX IF NOT EXISTS account_owner ON account (owner)",
    "DROP INDEX IF EXISTS account_owner",
    "ALTER TABLE IF EXISTS outbox RENAME TO outbox_away",
    "ALTER TABLE IF EXISTS outbox_away RENAME TO outbox",
    "ALTER TABLE doc DISABLE ROW LEVEL SECURITY", "ALTER TABLE doc ENABLE ROW LEVEL SECURITY",
    "ALTER POLICY by_tenant ON doc USING (tenant = current_setting('app.tenant', true))",
    "ALTER POLICY by_owner ON doc USING (owner = current_user)",
    "ALTER POLICY by_owner ON doc USING (owner = session_user)",
    "ALTER POLICY by_tenant ON doc USING (tenant <> current_setting('app.tenant', true))",
    "ALTER TABLE orders DISABLE TRIGGER note", "ALTER TABLE orders ENABLE TRIGGER note",
    "ALTER TABLE event DETACH PARTITION event_rest",
    "ALTER TABLE event ATTACH PARTITION event_rest DEFAULT",
    "CREATE TABLE IF NOT EXISTS east.tag AS SELECT 1 AS id, 'east' AS label, 1 AS account_id",
    "DROP TABLE IF EXISTS east.tag",
    "ALTER VIEW doc_invoker SET (security_invoker = false)",
    "ALTER VIEW doc_invoker SET (security_invoker = true)",
    "ALTER TABLE note ALTER COLUMN n TYPE bigint", "ALTER TABLE note ALTER COLUMN n TYPE int",
    "COMMENT ON TABLE tag IS 'labels'",
)
LOCKS = (
    "TRUNCATE inbox, outbox", "TRUNCATE event_b", "TRUNCATE line", "TRUNCATE orders CASCADE",
    "TRUNCATE ONLY thing", "REFRESH MATERIALIZED VIEW summary", "REFRESH MATERIALIZED VIEW summary",
    "LOCK TABLE account IN EXCLUSIVE MODE", "DO $$BEGIN UPDATE main.thing SET n = n + 1; END$$",
    "CALL move_thing(3)",
)


def _step(text):
    return Step(text, [w.query(text)], CATALOG, sort=True)


def grant(world, session):
    return _step(world.rng.choice(GRANTS))


def definition(world, session):
    return _step(world.rng.choice(DEFINITIONS))


def lock(world, session):
    return _step(world.rng.choice(LOCKS))


def login_setting(world, session):
    """Reaches sessions that connect later."""
    if session.user != "postgres":
        return None
    value = world.rng.choice(("= 'blue'", "= 'red'"))
    return _step(f"ALTER ROLE web SET app.tenant {value}")


def vacuum(world, session):
    if session.status != "I":
        return None
    return _step("VACUUM account, orders, tally, noisy, thing")


CATALOG_STEPS = [(1.2, grant), (1.5, definition), (2, lock), (0.1, login_setting), (0.2, vacuum)]
