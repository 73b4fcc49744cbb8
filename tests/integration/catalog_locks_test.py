"""The proxy's own reading of the catalogs never stands in the way of what waits for old snapshots."""

import harness
from harness import ServerCase, wait_until


class CatalogLocks(ServerCase):
    SETUP = ("CREATE TABLE locked (id int CHECK (id > 0)); CREATE TABLE indexed (id int);"
             "INSERT INTO indexed VALUES (1)")

    def watch_waits(self):
        return self.truth.execute(
            "SELECT 1 FROM pg_stat_activity WHERE application_name = 'pgsidecar'"
            " AND wait_event_type = 'Lock'").fetchone()

    def test_an_index_is_built_concurrently_while_a_catalog_cannot_be_read(self):
        client = self.client()
        holder = harness.connect(self.server, autocommit=False)
        self.addCleanup(holder.close)
        holder.execute("LOCK TABLE locked IN ACCESS EXCLUSIVE MODE")
        client.execute("CREATE TABLE other (id int)")
        if not harness.DIRECT:
            wait_until(self.watch_waits, what="the catalog's reader to meet the lock")
        client.execute("SET statement_timeout = '15s'")
        client.execute("CREATE INDEX CONCURRENTLY ON indexed (id)")
        client.execute("RESET statement_timeout")
        holder.rollback()
        self.fill(self.client(), "SELECT * FROM indexed")
        self.assertNotIn("error", self.proxy.stderr() if not harness.DIRECT else "")


if __name__ == "__main__":
    harness.main()
