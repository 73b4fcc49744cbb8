"""pgbench's reads directly, forwarded and as hits; CPU per query; memory of idle clients.

    measure.py [--seconds N] [--rounds N] [--output FILE]

Starts its own PostgreSQL and proxies (PGSIDECAR_BINARY or build/pgsidecar) on loopback. The ways
take turns within a round, so that a noisy machine is noisy for all of them; of several rounds the
median is shown. CPU per query is what the kernel charged the processes, read around each run.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "integration"))

import harness  # noqa: E402
from wire import Wire  # noqa: E402

MODES = ("simple", "extended", "prepared")
WAYS = ("direct", "forwarded", "hit")
CLIENTS = 8
IDLE_CLIENTS = 1000
TICKS = os.sysconf("SC_CLK_TCK")
# Few enough rows that every one of them is cached after the warm-up.
SCRIPT = "\\set aid random(1, 1000)\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n"


def stat(pid):
    """The fields of /proc/PID/stat behind the command, which may contain blanks."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return text.rsplit(")", 1)[1].split()


def cpu_seconds(pid):
    fields = stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS


def server_cpu_seconds(postmaster):
    """The postmaster, the children that it has reaped, and those that live."""
    fields = stat(postmaster)
    total = sum(int(field) for field in fields[11:15])
    children = pathlib.Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    for child in children:
        try:
            fields = stat(child)
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def pgbench(target, mode, seconds, script):
    done = subprocess.run(
        ["pgbench", "-n", "-M", mode, "-c", str(CLIENTS), "-T", str(seconds), "-f", script,
         "-h", "127.0.0.1", "-p", str(target.port), "-U", "postgres", "postgres"],
        capture_output=True, text=True, timeout=seconds + 60,
        env={**os.environ, "PGSSLMODE": "disable"})
    if done.returncode != 0:
        raise SystemExit(f"pgbench failed:\n{done.stdout}{done.stderr}")
    return {
        "queries": int(re.search(r"actually processed: (\d+)", done.stdout).group(1)),
        "qps": float(re.search(r"tps = ([0-9.]+) \(without", done.stdout).group(1)),
        "latency_ms": float(re.search(r"latency average = ([0-9.]+)", done.stdout).group(1)),
    }


def measure_once(server, target, mode, seconds, script):
    proxy_pid = None if target is server else target.process.pid
    proxy = cpu_seconds(proxy_pid) if proxy_pid else 0.0
    postgres = server_cpu_seconds(server.process.pid)
    result = pgbench(target, mode, seconds, script)
    spent = server_cpu_seconds(server.process.pid) - postgres
    result["server_us"] = 1e6 * spent / result["queries"]
    if proxy_pid:
        result["proxy_us"] = 1e6 * (cpu_seconds(proxy_pid) - proxy) / result["queries"]
    return result


def memory_of_idle_clients(server):
    proxy = harness.Proxy(server, "--max-client-connections", str(IDLE_CLIENTS + 50))
    proxy.wait_for_catalog()
    before = proxy.rss_kb()
    clients = [Wire.login(proxy.port) for _ in range(IDLE_CLIENTS)]
    after = proxy.rss_kb()
    for client in clients:
        client.close()
    proxy.stop()
    return {"clients": IDLE_CLIENTS, "before_kb": before, "after_kb": after,
            "per_client_bytes": round((after - before) * 1024 / IDLE_CLIENTS)}


def median_of(runs):
    return {key: round(statistics.median(run[key] for run in runs), 3) for key in runs[0]}


def measure_all(options):
    server = harness.PostgresServer(conf=("max_connections = 100", "shared_buffers = 128MB")).start()
    subprocess.run(["pgbench", "-i", "-q", "-s", "10", "-h", "127.0.0.1", "-p", str(server.port),
                    "-U", "postgres", "postgres"], check=True, capture_output=True)
    targets = {
        "direct": server,
        "forwarded": harness.Proxy(server, "--cache", "off").wait_for_catalog(),
        "hit": harness.Proxy(server, "--sole-writer").wait_for_catalog(),
    }
    runs = {(mode, way): [] for mode in MODES for way in WAYS}
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(SCRIPT)
        script.flush()
        for mode in MODES:
            pgbench(targets["hit"], mode, 2, script.name)
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
            for mode in MODES:
                for way, target in targets.items():
                    runs[mode, way].append(
                        measure_once(server, target, mode, options.seconds, script.name))
    for way in ("forwarded", "hit"):
        targets[way].stop()
    memory = memory_of_idle_clients(server)
    server.stop()
    return {"clients": CLIENTS, "seconds": options.seconds, "rounds": options.rounds,
            "runs": {f"{mode}/{way}": median_of(done) for (mode, way), done in runs.items()},
            "memory": memory}


def show(results):
    print(f"\n{'protocol':<10}{'way':<11}{'queries/s':>10}{'latency ms':>12}"
          f"{'proxy us/query':>16}{'server us/query':>17}")
    for name, run in results["runs"].items():
        mode, way = name.split("/")
        proxy = f"{run['proxy_us']:.1f}" if "proxy_us" in run else "-"
        print(f"{mode:<10}{way:<11}{run['qps']:>10.0f}{run['latency_ms']:>12.3f}"
              f"{proxy:>16}{run['server_us']:>17.1f}")
    memory = results["memory"]
    print(f"\n{memory['clients']} idle clients: {memory['before_kb']} kB before, "
          f"{memory['after_kb']} kB with them, {memory['per_client_bytes']} bytes each\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=4, help="length of one run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", default=str(ROOT / "build" / "bench.json"))
    options = parser.parse_args()
    results = measure_all(options)
    pathlib.Path(options.output).write_text(json.dumps(results, indent=2) + "\n")
    show(results)
    print(f"written to {options.output}")


if __name__ == "__main__":
    main()
