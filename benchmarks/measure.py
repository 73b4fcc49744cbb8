"""What the proxy costs a query, beside what costs as little as such a thing can.

    measure.py [--seconds N] [--rounds N] [--clients N...] [--output FILE]

Hits against Redis's GET of as many bytes, a libuv server that answers with canned ones, and Pgpool-II's;
forwarding against PgBouncer and the server itself; the latency of a single client; memory of idle ones.
Starts everything itself on loopback (PGSIDECAR_BINARY or build/pgsidecar). The ways take turns
within a round, so that a noisy machine is noisy for all of them; of several rounds the median is shown,
and how far they lay apart. CPU per query is what the kernel charged the process, read around each run.
"""

import itertools
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "integration"))

import clients  # noqa: E402
import harness  # noqa: E402
import peers  # noqa: E402
import pgbench  # noqa: E402
import processes  # noqa: E402
import results  # noqa: E402
import wire  # noqa: E402

MODES = ("simple", "extended", "prepared")
PLACES = ("loopback", "unix socket")
IDLE_CLIENTS = 1000
# (what, against what, in which protocols, the most that the ratio is meant to be)
GOALS = (("hit", "redis", ("simple", "prepared"), 1.0), ("hit", "canned", ("simple", "prepared"), 1.25),
         ("hit", "canned", ("extended",), 1.4), ("forwarded", "pgbouncer", MODES, 0.9))
# Few enough rows that every one of them is cached after the warm-up. Each balance is 0.
SCRIPT = "\\set aid random(1, 1000)\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n"


def run_pgbench(target, mode, count, seconds, script, host="127.0.0.1"):
    return pgbench.figures(pgbench.run(
        target, "-n", "-M", mode, "-c", str(count), "-T", str(seconds), "-f", script,
        seconds=seconds + 60, host=host))


def redis_benchmark(redis, count, queries, where=()):
    done = subprocess.run(
        ["redis-benchmark", *(where or ("-h", "127.0.0.1", "-p", str(redis.port))), "-c", str(count),
         "-n", str(queries), "--csv", "GET", redis.KEY], capture_output=True, text=True, check=True)
    row = done.stdout.strip().splitlines()[-1].replace('"', "").split(",")
    return {"queries": queries, "qps": float(row[1]), "latency_ms": float(row[2])}


def measured(server, target, run):
    """What `run` returns, with the CPU time a query of the target and of the server."""
    pid = None if target is server else target.process.pid
    before = processes.cpu_seconds(pid) if pid else 0.0
    postgres = processes.cpu_seconds(server.process.pid)
    result = run()
    spent = processes.cpu_seconds(server.process.pid) - postgres
    result["server_us"] = 1e6 * spent / result["queries"]
    if pid:
        result["us"] = 1e6 * (processes.cpu_seconds(pid) - before) / result["queries"]
    return result


def answer_bytes(target):
    """How many bytes a hit in the simple protocol is."""
    client = wire.Wire.login(target.port)
    client.send(wire.query("SELECT abalance FROM pgbench_accounts WHERE aid = 1"))
    size = sum(5 + len(body) for _, body in client.read_until_ready())
    client.close()
    return size


def summary(runs):
    """The medians, and by how much of it the CPU times of the rounds lie apart."""
    result = {key: round(statistics.median(run[key] for run in runs), 4) for key in runs[0]}
    if "us" in result:
        costs = [run["us"] for run in runs]
        result["spread"] = round((max(costs) - min(costs)) / max(result["us"], 0.01), 3)
    return result


def measure_all(options):
    server = harness.PostgresServer(conf=("max_connections = 200", "shared_buffers = 128MB")).start()
    pgbench.run(server, "-i", "-q", "-s", "10")
    sockets = tempfile.mkdtemp(prefix="pgsidecar-bench-")
    port = harness.free_port()
    targets = {
        "direct": server,
        "pgbouncer": peers.PgBouncer(server, "session", 40),
        "forwarded": harness.Proxy(server, "--cache", "off", "--default-pool-size", "40")
                            .wait_for_catalog(),
        "canned": peers.Canned(),
        "pgpool": peers.Pgpool(server, max(options.clients) + 8),
        "hit": harness.Proxy(server, "--sole-writer", listen=f"127.0.0.1:{port},{sockets}:{port}")
                      .wait_for_catalog(),
    }
    redis = peers.Redis(value_bytes=answer_bytes(targets["hit"]) - len("$95\r\n\r\n"))
    runs, latencies = {}, {}

    def note(table, key, target, run):
        table.setdefault(key, []).append(measured(server, target, run))

    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(SCRIPT)
        script.flush()
        for way, mode in itertools.product(("hit", "pgpool"), MODES):
            run_pgbench(targets[way], mode, 8, 2, script.name)
        gets = 50_000 * options.seconds
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
            for count in options.clients:
                note(runs, (count, "", "redis"), redis,
                     lambda: redis_benchmark(redis, count, 2 * gets))
                for mode in MODES:
                    for way, target in targets.items():
                        note(runs, (count, mode, way), target,
                             lambda: run_pgbench(target, mode, count, options.seconds, script.name))
            canned = targets["canned"]
            for where, hosts, of_redis in (
                    ("loopback", {"hit": "127.0.0.1", "canned": "127.0.0.1"}, ()),
                    ("unix socket", {"hit": sockets, "canned": canned.socket_directory},
                     ("-s", redis.socket))):
                note(latencies, (where, "redis"), redis,
                     lambda: redis_benchmark(redis, 1, gets // 2, of_redis))
                for way, host in hosts.items():
                    note(latencies, (where, way), targets[way], lambda: run_pgbench(
                        targets[way], "prepared", 1, options.seconds, script.name, host))
    for target in (*targets.values(), redis):
        if target is not server:
            target.stop()
    clients.create_items(server)
    memory = clients.weigh_proxy(server, IDLE_CLIENTS)
    server.stop()
    os.rmdir(sockets)
    return {"runs": {"/".join(map(str, key)): summary(done) for key, done in runs.items()},
            "latency": {"/".join(key): summary(done) for key, done in latencies.items()},
            "memory": memory}


def goals(measured, options):
    for what, peer, modes, at_most in GOALS:
        for count in options.clients:
            for mode in modes:
                ways = (what, peer) if peer != "redis" else (what,)
                cost, *other = (measured["runs"][f"{count}/{mode}/{way}"]["us"] for way in ways)
                other = other[0] if other else measured["runs"][f"{count}//redis"]["us"]
                yield results.goal(f"{count} clients, {mode}: CPU a query, {what} / {peer}", cost / other,
                                   at_most=at_most)
    for where in PLACES:
        hit, redis = (measured["latency"][f"{where}/{way}"]["latency_ms"] for way in ("hit", "redis"))
        yield results.goal(f"one client, {where}: what it waits, hit / redis", hit / redis, at_most=1.1)


def show(measured):
    print(f"\n{'clients':<9}{'protocol':<10}{'way':<11}{'queries/s':>10}{'latency ms':>12}"
          f"{'CPU us/query':>14}{'+-':>7}{'server us/query':>17}")
    for name, run in measured["runs"].items():
        clients, mode, way = name.split("/")
        cost = f"{run['us']:.2f}" if "us" in run else "-"
        spread = f"{50 * run['spread']:.0f}%" if "spread" in run else ""
        print(f"{clients:<9}{mode:<10}{way:<11}{run['qps']:>10.0f}{run['latency_ms']:>12.3f}"
              f"{cost:>14}{spread:>7}{run['server_us']:>17.1f}")
    for where in PLACES:
        hit, canned, redis = (1000 * measured["latency"][f"{where}/{way}"]["latency_ms"]
                              for way in ("hit", "canned", "redis"))
        print(f"one client, {where}: a hit takes {hit:.1f} us, canned {canned:.1f} us, Redis {redis:.1f} us")
    memory = measured["memory"]
    print(f"{memory['clients']} idle clients: {memory['before_kb']} kB before, "
          f"{memory['after_kb']} kB with them, {memory['per_client_bytes']} bytes each\n")


def main():
    parser = results.parser(__doc__)
    parser.add_argument("--seconds", type=int, default=3, help="length of one run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, nargs="+", default=[8, 32])
    options = parser.parse_args()
    figures = measure_all(options)
    figures["goals"] = list(goals(figures, options))
    show(figures)
    results.show_goals(figures["goals"])
    results.write(options, figures, ("pgsidecar", "postgresql", "pgbouncer", "pgpool", "redis"))


if __name__ == "__main__":
    main()
