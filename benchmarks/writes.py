"""What a write costs with few and with many cached answers, and what hits of another table notice of it.

    writes.py [--few N] [--many N] [--seconds N] [--rounds N] [--output FILE]

Each proxy holds so many answers about rows of one table and a hundred about rows of another. One client
updates single rows of the first table by their key, one after the other; the proxy's processor time is
divided by how many it has done, so whatever the proxy does besides (it searches its cache for dead
entries) is in it. Alternately without and with these writes twenty clients ask for rows of the other table
at a fixed rate, each of which is a hit; they are a process of its own, ahead of others where that is
allowed. On few processors all of these are in each other's way. So there are two controls: what the hits
notice of such writes through the other proxy; and what they notice if this proxy and who asks are scheduled
ahead of everybody, so that what is left is the proxy's own doing. The proxies take turns within a round; the
median is shown. In the end one write drops every answer about the first table at once.
"""

import contextlib
import pathlib
import statistics
import sys
import time

import frontends
import processes
import results

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "integration"))

import harness  # noqa: E402
import pgbench  # noqa: E402
import wire  # noqa: E402

MOST_RATIO = 1.1
MOST_P99_RATIO = 2
TEXTS = [f"SELECT value FROM other WHERE id = {number}" for number in range(1, 101)]
# Of so many clients each asks for every so-manieth row.
FILLERS = 16
FILL = (f"\\set id :id + {FILLERS}\n\\set row :id - :client_id\n"
        "SELECT value FROM item WHERE id = :row;\n")
WRITE = "\\set id random(1, {rows})\nUPDATE item SET value = value + 1 WHERE id = :id;\n"
WRITE_ALL = "UPDATE item SET value = value WHERE id < 0"
WATCHED_S = 10  # behind that one


def start_server(rows):
    server = harness.PostgresServer(conf=("shared_buffers = 512MB", "max_wal_size = 4GB",
                                           "max_connections = 200")).start()
    with server.connect_locally() as connection:
        for table, count in (("item", rows), ("other", len(TEXTS))):
            connection.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, value int)")
            connection.execute(f"INSERT INTO {table} SELECT i, 0 FROM generate_series(1, {count}) i")
        connection.execute("VACUUM ANALYZE")
    return server


class Filled:
    """A proxy with so many answers about `item`, and with all of TEXTS."""

    def __init__(self, server, entries, most):
        self.proxy = harness.Proxy(  # nothing is evicted, nothing grows too old
            server, "--sole-writer", "--cache-entries", str(2 * most), "--cache-bytes", "8GB", "--ttl",
            "1h").wait_for_catalog()
        before, begun = processes.rss_bytes(self.pid), time.monotonic()
        self.fill(entries)
        self.description = {
            "entries": entries, "fill_s": round(time.monotonic() - begun, 1),
            "bytes_per_entry": round((processes.rss_bytes(self.pid) - before) / entries)}
        if self.cached() < entries:
            raise SystemExit(f"of {entries} answers {self.cached()} are cached")

    @property
    def pid(self):
        return self.proxy.process.pid

    def cached(self):
        with wire.Wire.login(self.proxy.port, database="pgsidecar") as console:
            return next(int(row[1]) for row in console.query("SHOW CACHE") if row[0] == "cache_entries")

    def fill(self, entries):
        each = -(-entries // FILLERS)
        pgbench.run_script(self.proxy, FILL, "-M", "prepared", "-c", str(FILLERS), "-D", "id=0", "-t",
                           str(each), log=False)
        with wire.Wire.login(self.proxy.port) as client:
            for text in TEXTS:
                client.query(text)

    def busy(self, seconds):
        """How many seconds of processor time a second takes in which nobody asks for anything."""
        costs = processes.Costs(proxy=self.pid)
        time.sleep(seconds)
        return costs.spent()["proxy"] / costs.elapsed()

    def write(self, rows, seconds, other):
        """Writes of rows that there are answers about, and what hits of the other table notice; and
        what they notice of writes through the other proxy, and with the scheduler out of the way."""
        def write(proxy):
            return pgbench.run_script(proxy, WRITE.format(rows=rows), "-M", "prepared", "-c", "1", "-T",
                                      str(seconds))

        self.fill(rows)
        idle = self.busy(seconds)
        steady = frontends.ask(self.proxy.port, TEXTS)
        phases = {}

        def phase(name, run):
            since, costs = time.monotonic(), processes.Costs(proxy=self.pid)
            result = run()
            phases[name] = (since, time.monotonic())
            return result, costs.spent()["proxy"]

        _, spent_quiet = phase("quiet", lambda: time.sleep(seconds))
        written, spent = phase("with", lambda: write(self.proxy))
        phase("control", lambda: write(other.proxy))
        first = []
        with contextlib.suppress(PermissionError), processes.first_in_line(self.pid, steady.pid):
            first, _ = phase("first", lambda: write(self.proxy))
        answers = steady.stop()
        hits = {name: frontends.within(answers, *times) for name, times in phases.items()}
        took = {name: until - since for name, (since, until) in phases.items()}
        # What the hits cost is not the writes'; what the proxy does by itself is.
        spent -= (spent_quiet - idle * took["quiet"]) * len(hits["with"]) / len(hits["quiet"])
        return {"idle_busy": idle, "per_second": len(written) / took["with"],
                "first_per_second": len(first) / took.get("first", seconds),
                "us_per_write": 1e6 * spent / len(written),
                **{f"p{percent}_ms": processes.percentile([each for _, each in written], percent)
                   for percent in (50, 99)},
                **{f"hits_{name}_p99_ms": frontends.milliseconds(each, 99)
                   for name, each in hits.items()}}

    def drop_all(self):
        """One write that may have changed any row of the table."""
        idle = self.busy(3)
        steady = frontends.ask(self.proxy.port, TEXTS)
        quiet = time.monotonic()
        time.sleep(WATCHED_S)
        costs = processes.Costs(proxy=self.pid)
        with wire.Wire.login(self.proxy.port) as client:
            began = time.monotonic()
            client.query(WRITE_ALL)
            took = time.monotonic() - began
        time.sleep(WATCHED_S)
        spent, over = costs.spent()["proxy"], time.monotonic()
        answers = steady.stop()
        return {"took_ms": round(1e3 * took, 2), "busy": round(spent / (over - began), 4),
                "idle_busy": round(idle, 4), "entries_left": self.cached(),
                **{name: round(frontends.milliseconds(frontends.within(answers, since, until), 99), 3)
                   for name, since, until in (("hits_quiet_p99_ms", quiet, began),
                                              ("hits_p99_ms", began, over))}}


def measure(options):
    server = start_server(options.many)
    sizes = (options.few, options.many)
    filled = {}
    for entries in sizes:
        print(f"filling a cache with {entries} answers", file=sys.stderr, flush=True)
        filled[entries] = Filled(server, entries, options.many)
    runs = {entries: [] for entries in sizes}
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
        for entries, other in zip(sizes, reversed(sizes)):
            runs[entries].append(filled[entries].write(options.few, options.seconds, filled[other]))
    found = {"writes": [
        {**filled[entries].description,
         **{name: round(statistics.median(run[name] for run in done), 4) for name in done[0]}}
        for entries, done in runs.items()],
        "write_of_all": [{"entries": entries, **filled[entries].drop_all()} for entries in sizes]}
    for each in filled.values():
        each.proxy.stop()
    server.remove()
    return found


def goals(measured):
    few, many = measured["writes"]
    behind = measured["write_of_all"][-1]
    for name, what in (("us_per_write", "proxy CPU per write"), ("p50_ms", "latency of a write")):
        yield results.goal(f"{what}, {many['entries']} answers / {few['entries']}", many[name] / few[name],
                           at_most=MOST_RATIO)
    for what, ratio in (
            (f"{many['entries']} answers / {few['entries']}, nothing written",
             many["hits_quiet_p99_ms"] / few["hits_quiet_p99_ms"]),
            (f"{many['entries']} answers, with writes / without",
             many["hits_with_p99_ms"] / many["hits_quiet_p99_ms"]),
            (f"{many['entries']} answers, with writes / with writes through the control",
             many["hits_with_p99_ms"] / many["hits_control_p99_ms"]),
            *([(f"{many['entries']} answers, with writes, ahead of everybody / without",
                many["hits_first_p99_ms"] / many["hits_quiet_p99_ms"])]
              if "hits_first_p99_ms" in many else []),
            (f"{many['entries']} answers, behind a write that drops all / before",
             behind["hits_p99_ms"] / behind["hits_quiet_p99_ms"])):
        yield results.goal(f"p99 of hits, {what}", ratio, at_most=MOST_P99_RATIO)


def show(measured):
    print(f"\n{'answers':>9}{'B each':>8}{'writes/s':>10}{'CPU us/write':>14}{'p50 ms':>8}{'p99 ms':>8}"
          f"{'idle CPU':>10}{'hits p99 quiet':>16}{'with writes':>13}{'control':>9}{'ahead of all':>14}"
          f"{'writes/s':>10}")
    for run in measured["writes"]:
        print(f"{run['entries']:>9}{run['bytes_per_entry']:>8}{run['per_second']:>10.0f}"
              f"{run['us_per_write']:>14.1f}{run['p50_ms']:>8.2f}{run['p99_ms']:>8.2f}"
              f"{run['idle_busy']:>10.2%}{run['hits_quiet_p99_ms']:>16.2f}{run['hits_with_p99_ms']:>13.2f}"
              f"{run['hits_control_p99_ms']:>9.2f}{run.get('hits_first_p99_ms', 0):>14.2f}"
              f"{run['first_per_second']:>10.0f}")
    print(f"\na write that drops all, and the {WATCHED_S} s behind it")
    print(f"{'answers':>9}{'took ms':>9}{'CPU':>8}{'idle CPU':>10}{'hits p99 quiet':>16}{'behind it':>11}"
          f"{'answers left':>14}")
    for run in measured["write_of_all"]:
        print(f"{run['entries']:>9}{run['took_ms']:>9.2f}{run['busy']:>8.2%}{run['idle_busy']:>10.2%}"
              f"{run['hits_quiet_p99_ms']:>16.2f}{run['hits_p99_ms']:>11.2f}{run['entries_left']:>14}")


def main():
    parser = results.parser(__doc__, "writes")
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=3, help="without writes, and with them")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    measured = measure(options)
    measured["goals"] = list(goals(measured))
    show(measured)
    results.show_goals(measured["goals"])
    results.write(options, measured, ("pgsidecar", "postgresql"))


if __name__ == "__main__":
    main()
