"""asyncpg through the proxy: prepared statements and binary formats for everything, many tasks."""

import asyncio
import unittest

import asyncpg

import harness
from harness import DIRECT, PostgresServer, Proxy

SETUP = """
CREATE TABLE item (id int PRIMARY KEY, name text, price numeric, tags text[]);
INSERT INTO item SELECT n, 'item ' || n, n, ARRAY['a', n::text] FROM generate_series(1, 100) n;
CREATE TABLE tally (id int PRIMARY KEY, n bigint NOT NULL);
INSERT INTO tally SELECT n, 0 FROM generate_series(1, 5) n;
"""


class Asyncpg(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = PostgresServer().start()
        cls.addClassCleanup(cls.server.remove)
        with harness.connect(cls.server) as truth:
            truth.execute(SETUP)
        cls.proxy = Proxy(cls.server, "--sole-writer", "--default-pool-size", "30")
        cls.addClassCleanup(cls.proxy.stop)
        cls.proxy.wait_for_catalog()

    async def client(self, **more):
        connection = await asyncpg.connect(
            host="127.0.0.1", port=self.proxy.port, user="postgres", database="postgres",
            ssl=False, timeout=20, command_timeout=30, **more)
        self.addAsyncCleanup(connection.close)
        return connection

    async def assert_last(self, connection, expected):
        if not DIRECT:
            # execute() would drop the row; fetch() prepares the statement like any other.
            self.assertEqual(await connection.fetchval("SHOW pgsidecar.last"), expected)

    async def test_fetch_and_write(self):
        client, other = await self.client(), await self.client()
        sql = "SELECT id, name, price, tags FROM item WHERE id = ANY($1::int[]) ORDER BY id"
        first = await client.fetch(sql, [3, 4])
        self.assertEqual([row["name"] for row in first], ["item 3", "item 4"])
        self.assertEqual(await client.fetch(sql, [3, 4]), first)
        self.assertEqual(await other.fetch(sql, [3, 4]), first)
        await other.execute("UPDATE item SET name = 'new' WHERE id = 3")
        self.assertEqual((await client.fetch(sql, [3, 4]))[0]["name"], "new")
        await other.execute("UPDATE item SET name = $1 WHERE id = $2", "item 3", 3)
        self.assertEqual(await client.fetch(sql, [3, 4]), first)

    async def test_hit_with_prepared_statement(self):
        client = await self.client()
        statement = await client.prepare("SELECT name FROM item WHERE id = $1")
        for _ in range(3):
            # fetchval() and fetchrow() limit the rows of Execute, which is not cached.
            self.assertEqual((await statement.fetch(11))[0]["name"], "item 11")
        await self.assert_last(client, "hit")

    async def test_transactions_and_savepoints(self):
        client = await self.client()
        sql = "SELECT price FROM item WHERE id = 20"
        self.assertEqual(await client.fetchval(sql), 20)
        with self.assertRaises(asyncpg.DivisionByZeroError):
            async with client.transaction():
                await client.execute("UPDATE item SET price = 1 WHERE id = 20")
                self.assertEqual(await client.fetchval(sql), 1)
                await client.fetchval("SELECT 1 / (price - 1) FROM item WHERE id = 20")
        self.assertEqual(await client.fetchval(sql), 20)
        async with client.transaction(isolation="repeatable_read", readonly=True):
            self.assertEqual(await client.fetchval(sql), 20)
            with self.assertRaises(asyncpg.ReadOnlySQLTransactionError):
                async with client.transaction():
                    await client.execute("UPDATE item SET price = 2 WHERE id = 20")

    async def test_cursor(self):
        client = await self.client()
        async with client.transaction():
            seen = [row["id"] async for row in
                    client.cursor("SELECT id FROM item ORDER BY id", prefetch=7)]
        self.assertEqual(seen, list(range(1, 101)))

    async def test_copy(self):
        client = await self.client()
        await client.execute("DROP TABLE IF EXISTS copied; CREATE TABLE copied (a int, b text)")
        await client.copy_records_to_table("copied", records=[(n, str(n)) for n in range(500)])
        self.assertEqual(await client.fetchval("SELECT sum(a) FROM copied"), 124750)

    async def test_many_tasks_with_a_pool(self):
        """Every increment is seen by the one who made it, whatever connection it ran on."""
        pool = await asyncpg.create_pool(
            host="127.0.0.1", port=self.proxy.port, user="postgres", database="postgres",
            ssl=False, min_size=4, max_size=20, command_timeout=30)
        try:
            async def work(task):
                for _ in range(10):
                    async with pool.acquire() as connection:
                        written = await connection.fetchval(
                            "UPDATE tally SET n = n + 1 WHERE id = $1 RETURNING n", task % 5 + 1)
                        read = await connection.fetchval(
                            "SELECT n FROM tally WHERE id = $1", task % 5 + 1)
                        self.assertGreaterEqual(read, written)
            await asyncio.gather(*(work(task) for task in range(20)))
            self.assertEqual(await pool.fetchval("SELECT sum(n) FROM tally"), 200)
        finally:
            await pool.close()

    async def test_errors_and_cancel(self):
        client = await self.client()
        with self.assertRaises(asyncpg.UndefinedTableError):
            await client.fetch("SELECT * FROM nowhere")
        with self.assertRaises(asyncio.TimeoutError):
            await client.fetch("SELECT pg_sleep(20)", timeout=0.5)
        self.assertEqual(await client.fetchval("SELECT 1"), 1)

    async def test_statement_prepared_before_ddl(self):
        client = await self.client()
        await client.execute("DROP TABLE IF EXISTS grows; CREATE TABLE grows (a int);"
                             " INSERT INTO grows VALUES (1)")
        self.assertEqual(tuple(await client.fetchrow("SELECT * FROM grows")), (1,))
        await client.execute("ALTER TABLE grows ADD COLUMN b text DEFAULT 'b'")
        # asyncpg notices the changed result type by the server's error and prepares again.
        self.assertEqual(tuple(await client.fetchrow("SELECT * FROM grows")), (1, "b"))


if __name__ == "__main__":
    harness.main()
