"""The share of reads that are hits while rows are written: by row, by relation, and at best.

    hit_ratio.py [--rows N] [--operations N] [--writes PERCENT] [--skew S] [--seed N]

Reads and writes of single rows by primary key, chosen by a Zipf distribution, one after the other
over one connection. The same operations go through a proxy with row_precision on, through one with
it off, and through a model that forgets exactly the row that is written. The first half warms up;
the second half counts. Nothing is evicted.
"""

import argparse
import itertools
import pathlib
import random
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "integration"))

import harness  # noqa: E402
import wire  # noqa: E402

READ = "SELECT value FROM item WHERE id = $1"
WRITE = "UPDATE item SET value = value + 1 WHERE id = $1"


def operations(options):
    """(is a write, row), the same for every way."""
    rng = random.Random(options.seed)
    weights = itertools.accumulate(1 / rank ** options.skew for rank in range(1, options.rows + 1))
    rows = list(range(1, options.rows + 1))
    rng.shuffle(rows)  # which rows are wanted most does not follow from their numbers
    chosen = rng.choices(rows, cum_weights=list(weights), k=options.operations)
    return [(rng.random() * 100 < options.writes, row) for row in chosen]


def perfect(todo):
    """Reads and hits of a cache that forgets exactly what is written."""
    cached = set()
    for write, row in todo:
        if write:
            cached.discard(row)
            continue
        yield row in cached
        cached.add(row)


def share(hits):
    hits = list(hits)
    return sum(hits) / len(hits)


def through_proxy(server, todo, precision):
    """The share of hits in the second half of `todo`, by the proxy's own count."""
    proxy = harness.Proxy(server, "--sole-writer", "--row-precision", precision,
                          "--cache-entries", "1000000", "--cache-bytes", "1GB").wait_for_catalog()
    client = wire.Wire.login(proxy.port)
    console = wire.Wire.login(proxy.port, "postgres", "pgsidecar")
    client.send(wire.parse(READ, name="read"), wire.parse(WRITE, name="write"), wire.SYNC)
    client.read_until_ready()
    counted = None
    for number, (write, row) in enumerate(todo):
        if number == len(todo) // 2:
            counted = hits_and_misses(console)
        client.send(wire.bind([row], name="write" if write else "read"), wire.execute(), wire.SYNC)
        client.read_until_ready()
    hits, misses = (after - before for after, before in zip(hits_and_misses(console), counted))
    client.close()
    console.close()
    proxy.stop()
    return hits / (hits + misses)


def hits_and_misses(console):
    figures = {row[0]: int(row[1]) for row in console.query("SHOW STATS")}
    return figures["hits_total"], figures["misses_total"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--operations", type=int, default=200_000)
    parser.add_argument("--writes", type=float, default=5, help="percent")
    parser.add_argument("--skew", type=float, default=0.99)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    todo = operations(options)
    server = harness.PostgresServer().start()
    with server.connect_locally() as connection:
        connection.execute("CREATE TABLE item (id int PRIMARY KEY, value int)")
        connection.execute(f"INSERT INTO item SELECT i, 0 FROM generate_series(1, {options.rows}) i")
    by_row = through_proxy(server, todo, "on")
    by_relation = through_proxy(server, todo, "off")
    server.stop()
    reads = list(perfect(todo))
    counted = sum(1 for write, _ in todo[len(todo) // 2:] if not write)
    print(f"{options.rows} rows, {options.operations} operations, {options.writes:g} % writes, "
          f"Zipf {options.skew:g}; hits of {counted} reads:")
    print(f"  by row       {100 * by_row:5.1f} %")
    print(f"  by relation  {100 * by_relation:5.1f} %")
    print(f"  at best      {100 * share(reads[-counted:]):5.1f} %")


if __name__ == "__main__":
    main()
