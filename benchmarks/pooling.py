"""200 clients over 10 server connections: pgsidecar, PgBouncer, and the server itself; a login storm.

    pooling.py [--length N] [--rounds N] [--clients N] [--servers N] [--logins N] [--only PART]
               [--output FILE]

Starts its own PostgreSQL, PgBouncers and proxies (PGSIDECAR_BINARY or build/pgsidecar) on loopback. The
ways take turns within a round, so that a noisy machine is noisy for all of them; of several rounds the
median is shown. Directly every client has a server connection of its own. In session mode ten clients
have one and the others wait until those are done; their waiting is in the p99.

The storm: so many clients log in at once, each with SCRAM-SHA-256, ask one query and go, while twenty
others send reads at a fixed rate. What these notice is their p99.
"""

import argparse
import asyncio
import collections
import glob
import json
import os
import pathlib
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "integration"))

import harness  # noqa: E402
import peers  # noqa: E402
import pgbench  # noqa: E402
import processes  # noqa: E402
import wire  # noqa: E402

# A built-in script of pgbench's, its protocol, how many statements make one of its transactions, and
# how many of these a client runs. Not for a time: pgbench's begins before it logs in.
WORKLOADS = (("select-only", "simple", 1, 200), ("select-only", "prepared", 1, 200),
             ("tpcb-like", "simple", 7, 25), ("tpcb-like", "prepared", 7, 25))
SCALE = 10
PASSWORD = peers.PASSWORD
# While the storm lasts, and before it.
OTHERS = 20
OTHERS_PER_S = 400
QUIET_S = 3.0
# What SHOW STATS says of the pool, as far as it has moved.
POOL_FIGURE = re.compile(r"pin|audit|replay|server_wait|reset")


def start_ways(server, options):
    """Every way to the server, by name; what is not the server is to be stopped."""
    servers = str(options.servers)
    sidecar = ("--default-pool-size", servers, "--sole-writer")
    return {
        "direct": server,
        "PgBouncer, session": peers.PgBouncer(server, "session", servers),
        "PgBouncer, transaction": peers.PgBouncer(server, "transaction", servers),
        "pgsidecar, cache off": harness.Proxy(server, *sidecar, "--cache", "off")
                                       .wait_for_catalog(),
        "pgsidecar, cache on": harness.Proxy(server, *sidecar).wait_for_catalog(),
    }


def stop_ways(ways):
    for target in ways.values():
        if not isinstance(target, harness.PostgresServer):
            target.stop()


# --- pgbench ---
def figures_of(target):
    """A proxy's SHOW STATS; of anything else nothing."""
    if not isinstance(target, harness.Proxy):
        return {}
    with wire.Wire.login(target.port, database="pgsidecar") as console:
        return {row[0]: int(row[1]) for row in console.query("SHOW STATS")}


class Running:
    """A pgbench with a log, and what it has cost since its clients were all logged in."""

    def __init__(self, server, target, arguments):
        self._pids = (server.process.pid, None if target is server else target.process.pid)
        self._directory = tempfile.TemporaryDirectory()
        self._process = subprocess.Popen(
            pgbench.command(target, "-n", *arguments, "--log", f"--log-prefix={self._directory.name}/log"),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=pgbench.environment())

    def _costs(self):
        server, proxy = self._pids
        return (processes.cpu_seconds(server),
                processes.cpu_seconds(proxy) if proxy else None)

    def finish(self, seconds):
        """The figures, or the error of a run that failed or was not over within `seconds`."""
        deadline = time.monotonic() + seconds
        with self._directory:
            before, since = None, 0.0
            while self._process.poll() is None and time.monotonic() < deadline:
                if before is None and any(True for _ in self.transactions()):
                    before, since = self._costs(), time.time()
                time.sleep(0.02 if before is None else 0.1)
            if self._process.poll() is None:
                self._process.kill()
                self._process.communicate()
                return {"error": f"not done within {seconds} s"}
            said, errors = self._process.communicate()
            # It goes on behind a PREPARE that has failed, and luck may have the statement there.
            found = re.findall(r"(?:ERROR|FATAL): .*", errors)
            if found or self._process.returncode != 0:
                found = found or [errors.strip()[-200:]]
                return {"error": collections.Counter(found).most_common(1)[0][0]}
            latencies = [took for _, took in self.transactions()]
            # pgbench keeps its log back, so that what it has shown so far is not what has been done.
            counted = sum(1 for when, _ in self.transactions() if when > since)
            result = {
                "connect_ms": float(re.search(r"connection time = ([0-9.]+)", said).group(1)),
                "tps": float(re.search(r"tps = ([0-9.]+) \(without", said).group(1)),
                "p50_ms": processes.percentile(latencies, 50), "p99_ms": processes.percentile(latencies, 99)}
            if before is not None and counted > 0:
                for name, now, then in zip(("server_us", "proxy_us"), self._costs(), before):
                    if now is not None:
                        result[name] = 1e6 * (now - then) / counted
            return result

    def transactions(self):
        return pgbench.logged(self._directory.name)


def measure_once(server, target, workload, options):
    script, protocol, statements, transactions = workload
    # pgbench prepares with a call that holds up all clients of its thread, those among them that have
    # a server connection which others wait for.
    threads = 2 if protocol == "simple" else options.clients
    before = figures_of(target)
    started = time.monotonic()
    result = Running(server, target, (
        "-b", script, "-M", protocol, "-c", str(options.clients), "-j", str(threads),
        "-t", str(max(1, round(transactions * options.length))))).finish(options.timeout)
    if "error" in result:
        return result
    for name in ("server_us", "proxy_us"):
        if name in result:
            result[name] /= statements
    elapsed = time.monotonic() - started
    after = figures_of(target)
    moved = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    if after:
        result["hit_percent"] = 100 * moved.get("hits_total", 0) / max(
            1, moved.get("requests_total", 0))
        result["audits_per_1000"] = 1000 * moved.get("audits_total", 0) / max(
            1, moved.get("requests_total", 0))
        result["pinned_percent"] = moved.get("pinned_microseconds_total", 0) / 1e4 / (
            elapsed * options.clients)
        result["pool"] = {name: value for name, value in moved.items() if POOL_FIGURE.search(name)}
    return result


def median_of(runs):
    errors = [run["error"] for run in runs if "error" in run]
    if errors:
        return {"error": errors[0]}
    names = [name for name in runs[0] if name != "pool"]
    result = {name: round(statistics.median(run[name] for run in runs), 3) for name in names}
    pool = collections.Counter()
    for run in runs:
        pool.update(run.get("pool", {}))
    return {**result, "pool": dict(pool)} if pool else result


def start_server(options, auth="trust"):
    server = harness.PostgresServer(
        auth=auth, password=PASSWORD,
        conf=(f"max_connections = {options.clients + 100}", "shared_buffers = 256MB",
              "max_wal_size = 2GB")).start()
    pgbench.run(server, "-i", "-q", "-s", str(SCALE))
    return server


def measure_pooling(options):
    server = start_server(options)
    ways = start_ways(server, options)
    runs = collections.defaultdict(list)
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
        for workload in WORKLOADS:
            for way, target in ways.items():
                runs[workload, way].append(measure_once(server, target, workload, options))
    stop_ways(ways)
    server.remove()
    return [{"script": script, "protocol": protocol, "way": way, **median_of(done)}
            for ((script, protocol, *_), way), done in runs.items()]


# --- the storm ---

class Login:
    """One client: logs in, asks, goes."""

    def __init__(self, port):
        self._port = port

    async def run(self):
        """Returns how many seconds the login took; raises what went wrong."""
        started = time.monotonic()
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            self._writer.write(wire.startup_packet({"user": "postgres", "database": "postgres"}))
            await self._authenticate()
            took = time.monotonic() - started
            self._writer.write(wire.query("SELECT 1"))
            while (await self._read())[0] != b"Z":
                pass
            self._writer.write(wire.TERMINATE)
            return took
        finally:
            self._writer.close()

    async def _read(self):
        header = await self._reader.readexactly(5)
        body = await self._reader.readexactly(struct.unpack("!i", header[1:])[0] - 4)
        if header[:1] == b"E":
            raise wire.ServerError(body)
        return header[:1], body

    async def _authenticate(self):
        while True:
            kind, body = await self._read()
            if kind == b"Z":
                return
            if kind == b"R" and body[:4] == b"\0\0\0\x0a":
                await self._scram()

    async def _scram(self):
        exchange = wire.Scram(PASSWORD)
        self._writer.write(exchange.first())
        self._writer.write(exchange.final((await self._read())[1][4:]))


async def log_in_at_once(port, count):
    async def one():
        try:
            return await asyncio.wait_for(Login(port).run(), 120)
        except (OSError, EOFError, asyncio.TimeoutError, wire.ServerError) as error:
            return f"{type(error).__name__}: {error}"[:200]
    return await asyncio.gather(*(one() for _ in range(count)))


def storm(target, options):
    with tempfile.TemporaryDirectory() as directory:
        others = subprocess.Popen(
            pgbench.command(target, "-n", "-b", "select-only", "-M", "simple", "-c", str(OTHERS), "-R",
                            str(OTHERS_PER_S), "-T", str(options.storm_seconds), "--log",
                            f"--log-prefix={directory}/log"),
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=pgbench.environment())
        time.sleep(QUIET_S)
        started = time.time()
        outcomes = asyncio.run(log_in_at_once(target.port, options.logins))
        ended = time.time()
        _, said = others.communicate(timeout=options.storm_seconds + 180)
        transactions = list(pgbench.logged(directory))
    took = [1e3 * outcome for outcome in outcomes if isinstance(outcome, float)]
    errors = collections.Counter(outcome for outcome in outcomes if isinstance(outcome, str))
    result = {
        "logged_in": len(took), "failed": sum(errors.values()),
        "seconds": round(ended - started, 2),
        "login_p50_ms": processes.percentile(took, 50), "login_p99_ms": processes.percentile(took, 99),
        "others_p99_before_ms": processes.percentile(
            [ms for when, ms in transactions if started - QUIET_S + 1 < when < started], 99),
        "others_p99_during_ms": processes.percentile(
            [ms for when, ms in transactions if started <= when <= ended], 99),
    }
    if errors:
        result["error"] = errors.most_common(1)[0][0]
    if others.returncode != 0:
        result["others_error"] = said.strip()[-200:]
    return result


def measure_storm(options):
    server = start_server(options, auth="scram-sha-256")
    servers = str(options.servers)
    ways = {
        "direct": server,
        "PgBouncer, transaction": peers.PgBouncer(server, "transaction", servers),
        "pgsidecar, passthrough": harness.Proxy(server, "--default-pool-size", servers)
                                         .wait_for_catalog(),
        "pgsidecar, scram": harness.Proxy(server, "--default-pool-size", servers, "--auth-type",
                                          "scram-sha-256").wait_for_catalog(),
    }
    results = []
    for way, target in ways.items():
        print(f"storm: {way}", file=sys.stderr, flush=True)
        results.append({"way": way, **storm(target, options)})
    stop_ways(ways)
    server.remove()
    return results


# --- what is shown ---

def number(value, digits):
    return "-" if value is None else f"{value:.{digits}f}"


def show(results):
    if "pooling" in results:
        print(f"\n{'script':<13}{'protocol':<10}{'way':<24}{'logins ms':>10}{'tps':>9}{'p50 ms':>9}"
              f"{'p99 ms':>10}{'proxy us/q':>12}{'server us/q':>13}{'hits %':>8}{'pinned %':>10}"
              f"{'audits/1000':>13}")
    for run in results.get("pooling", ()):
        print(f"{run['script']:<13}{run['protocol']:<10}{run['way']:<24}", end="")
        if "error" in run:
            print(f"  fails: {run['error']}")
            continue
        print(f"{run['connect_ms']:>10.0f}{run['tps']:>9.0f}{run['p50_ms']:>9.1f}{run['p99_ms']:>10.1f}"
              f"{number(run.get('proxy_us'), 1):>12}{number(run.get('server_us'), 1):>13}"
              f"{number(run.get('hit_percent'), 1):>8}{number(run.get('pinned_percent'), 2):>10}"
              f"{number(run.get('audits_per_1000'), 2):>13}")
    for run in results.get("pooling", ()):
        if run.get("pool"):
            print(f"{run['script']} {run['protocol']}, {run['way']}: " + ", ".join(
                f"{name} {value}" for name, value in sorted(run["pool"].items())))
    if "storm" in results:
        print(f"\n{'storm':<24}{'in':>6}{'failed':>8}{'seconds':>9}{'login p50':>11}"
              f"{'login p99':>11}{'others p99 before':>19}{'during':>9}   (ms)")
    for run in results.get("storm", ()):
        print(f"{run['way']:<24}{run['logged_in']:>6}{run['failed']:>8}{run['seconds']:>9.1f}"
              f"{number(run['login_p50_ms'], 0):>11}{number(run['login_p99_ms'], 0):>11}"
              f"{number(run['others_p99_before_ms'], 1):>19}"
              f"{number(run['others_p99_during_ms'], 1):>9}")
        for what in ("error", "others_error"):
            if what in run:
                print(f"{'':<24}{what}: {run[what]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=float, default=1.0,
                        help="of a run: 1 is 200 reads or 25 TPC-B transactions by each client")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--servers", type=int, default=10, help="server connections of a pool")
    parser.add_argument("--logins", type=int, default=2000, help="at once, in the storm")
    parser.add_argument("--timeout", type=int, default=90, help="seconds for one run")
    parser.add_argument("--storm-seconds", type=int, default=20, help="how long the others send")
    parser.add_argument("--only", choices=("pooling", "storm"))
    parser.add_argument("--output", default=str(ROOT / "build" / "pooling.json"))
    options = parser.parse_args()
    processes.allow_files(2 * options.logins + 1000)
    results = {"clients": options.clients, "servers": options.servers,
               "length": options.length, "rounds": options.rounds}
    if options.only != "storm":
        results["pooling"] = measure_pooling(options)
    if options.only != "pooling":
        results["storm"] = measure_storm(options)
    pathlib.Path(options.output).write_text(json.dumps(results, indent=2) + "\n")
    show(results)
    print(f"\nwritten to {options.output}")


if __name__ == "__main__":
    main()
