"""README's section "Performance", from the results that are committed.

    report.py            writes the section anew
    report.py --check    fails if it is not what benchmarks/results/*.json give

It stands between two comments of README.md's, and nobody writes there by hand. micro.json, if there is one,
is what Google Benchmark writes with --benchmark_out_format=json.
"""

import argparse
import json
import pathlib
import sys

import results

RESULTS = results.ROOT / "benchmarks" / "results"
README = results.ROOT / "README.md"
BEGIN, END = "<!-- performance: written by benchmarks/report.py -->", "<!-- performance: end -->"
NAMES = {"pgsidecar": "pgsidecar", "postgresql": "PostgreSQL", "pgbouncer": "PgBouncer",
         "pgpool": "Pgpool-II", "redis": "Redis"}
# What stands in measure.json, and how the table calls it.
WAYS = {"pgbouncer": "PgBouncer", "forwarded": "forwarded", "canned": "canned", "hit": "hit",
        "redis": "Redis GET", "pgpool": "Pgpool-II hit"}
BENCHES = ("measure", "streams", "clients", "writes")


def table(headers, rows):
    """Markdown; the first column is words, the others are figures."""
    lines = [headers, ["---"] + ["---:"] * (len(headers) - 1), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def read():
    found = {}
    for name in (*BENCHES, "micro"):
        path = RESULTS / f"{name}.json"
        if path.exists():
            found[name] = json.loads(path.read_text())
    return found


def forget_host():
    """Google Benchmark names the machine, which is nobody's business."""
    path = RESULTS / "micro.json"
    if path.exists():
        measured = json.loads(path.read_text())
        measured["context"].pop("host_name", None)
        path.write_text(json.dumps(measured, indent=2) + "\n")


def machine_of(measured):
    machine = measured["machine"]
    versions = ", ".join(f"{NAMES[name]} {version}" for name, version in measured["versions"].items())
    return (f"{machine['cpu']}, {machine['processors']} processors, {machine['memory_gb']} GB, "
            f"Linux {machine['kernel']}; {versions}")


def provenance(benches):
    """Which command was run when; where, once for all that were run there."""
    places = {}
    for measured in benches:
        machine = json.dumps(measured["machine"], sort_keys=True)
        place = places.setdefault(machine, {"machine": measured["machine"], "versions": {}, "runs": []})
        place["versions"].update(measured["versions"])
        place["runs"].append(f"`{measured['command']}` ({measured['date']}, load {measured['load_before']})")
    return "\n".join(f"{', '.join(place['runs'])}, on {machine_of(place)}. Clients, servers and what is "
                     "between them share that machine." for place in places.values())


def queries(measured):
    runs = measured["runs"]
    ways = [way for way in WAYS if any(name.endswith(f"/{way}") for name in runs)]
    kinds = dict.fromkeys(tuple(name.split("/")[:2]) for name in runs if "//" not in name)

    def cost(clients, mode, way):
        run = runs.get(f"{clients}/{mode}/{way}") or runs.get(f"{clients}//{way}")
        return f"{run['us']:.1f}"

    yield "CPU time a query, in microseconds, of the process between client and server (or instead of it):"
    yield table(["clients, protocol", *(WAYS[way] for way in ways)],
                [[f"{clients}, {mode}", *(cost(clients, mode, way) for way in ways)]
                 for clients, mode in kinds])
    waits = measured["latency"]
    yield ("What a single client waits, in microseconds, as pgbench measures it (the canned server is what of "
           "that is not the proxy's) and redis-benchmark:")
    yield table(["", "hit", "canned", "Redis GET"], [
        [place, *(f"{1000 * waits[f'{place}/{way}']['latency_ms']:.1f}" for way in ("hit", "canned", "redis"))]
        for place in dict.fromkeys(name.split("/")[0] for name in waits)])


def streams(measured):
    direct = {run["stream"]: run["mb_per_s"] for run in measured["streams"] if run["way"] == "direct"}
    yield "Streams of rows of 1000 bytes:"
    yield table(["stream", "way", "MB/s", "of direct", "proxy CPU s/GB", "memory grows by MiB"], [
        [run["stream"], run["way"], f"{run['mb_per_s']:.0f}",
         f"{run['mb_per_s'] / direct[run['stream']]:.2f}",
         *((f"{run['proxy_s_per_gb']:.2f}", f"{run['growth_kib'] / 1024:.1f}") if run["way"] != "direct"
           else ("", ""))]
        for run in measured["streams"]])


def clients(measured):
    yield "Idle clients:"
    yield table(["clients", "way", "bytes each", "after a query", "proxy CPU"], [
        [f"{run['clients']}, {run['transport']}", run["way"], run["per_client_bytes"],
         run["asked_per_client_bytes"], f"{run['idle_busy']:.1%}"] for run in measured["idle"]])
    yield ("Connects (open, log in, close) beside clients that ask 500 queries a second; the control: the same "
           "connects to another target, which shows what the machine alone does to them:")
    yield table(["way", "connects/s", "login ms", "others' p99 ms without", "with", "with the control's",
                 "limited by"], [
        [run["way"], f"{run['per_second']:.0f}", f"{run['login_p50_ms']:.1f}", f"{run['quiet_p99_ms']:.2f}",
         f"{run['p99_ms']:.2f}", f"{run['control_p99_ms']:.2f}", run["limit"]]
        for run in measured["connects"]])


def writes(measured):
    yield ("Writes by key. The control: such writes through another proxy. Ahead of everybody: the proxy and the "
           "asking clients scheduled so (SCHED_FIFO), so that no delay is the scheduler's:")
    names = ("quiet", "with", "control", "first")
    yield table(["cached answers", "bytes each", "writes/s", "proxy CPU us/write", "write ms",
                 "others' hits p99 ms without", "with", "with the control's", "with, ahead of everybody",
                 "writes/s then"], [
        [run["entries"], run["bytes_per_entry"], f"{run['per_second']:.0f}", f"{run['us_per_write']:.1f}",
         f"{run['p50_ms']:.2f}",
         *(f"{run[f'hits_{name}_p99_ms']:.2f}" if f"hits_{name}_p99_ms" in run else "" for name in names),
         f"{run['first_per_second']:.0f}"] for run in measured["writes"]])
    yield "One write that drops all of them, and the ten seconds behind it:"
    yield table(["cached answers", "write ms", "proxy CPU", "others' hits p99 ms before", "behind it"], [
        [run["entries"], f"{run['took_ms']:.1f}", f"{run['busy']:.1%}", f"{run['hits_quiet_p99_ms']:.2f}",
         f"{run['hits_p99_ms']:.2f}"] for run in measured["write_of_all"]])


def micro(measured):
    scale = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}
    yield "Parts by themselves:"
    yield table(["part", "ns"], [
        [run["name"], f"{run['cpu_time'] * scale[run['time_unit']]:.0f}"] for run in measured["benchmarks"]
        if run.get("run_type") != "aggregate" or run.get("aggregate_name") == "median"])


def micro_goals(measured):
    runs = {run["name"].removesuffix("_median"): run for run in measured["benchmarks"]}

    def lookup(threads):
        return runs[f"StoreLookup/entries:1000000/process_time/real_time/threads:{threads}"]

    yield results.goal("lookup among 1,000,000 entries", lookup(1)["real_time"], at_most=150, unit="ns")
    yield results.goal("lookups of 8 threads / of one, on two processors",
                       lookup(8)["items_per_second"] / lookup(1)["items_per_second"], at_least=1.7)
    yield results.goal("an entry of 200 bytes: bytes beside its messages",
                       runs["StoreOverhead/iterations:1"]["overhead_bytes"], at_most=160, unit="B")
    yield results.goal("stripping the literals of 60 bytes", runs["StripLiterals/bytes:60"]["cpu_time"],
                       at_most=200, unit="ns")
    yield results.goal("a key", runs["KeyOfARequest"]["cpu_time"], at_most=400, unit="ns")


def goals(benches, micro=None):
    every = [goal for measured in benches for goal in measured["goals"]]
    every += micro_goals(micro) if micro else []
    missed = [goal for goal in every if not goal["met"]]
    yield "What was to be reached:"
    yield table(["goal", "bound", "figure", ""], [
        [goal["what"], results.bound(goal).replace("<=", "≤").replace(">=", "≥"), results.figure(goal),
         "" if goal["met"] else "missed"] for goal in every])
    yield f"Where we lose ({len(missed)} of {len(every)}):"
    yield "\n".join(f"- {goal['what']}: {results.figure(goal)}, meant to be {results.bound(goal)}"
                    for goal in missed) or "- nowhere"


def section():
    found = read()
    if not found:
        raise SystemExit(f"no results in {RESULTS}: ./bench all writes them")
    benches = [found[name] for name in BENCHES if name in found]
    parts = [provenance(benches)]
    for name, part in (("measure", queries), ("streams", streams), ("clients", clients), ("writes", writes),
                       ("micro", micro)):
        if name in found:
            parts += part(found[name])
    parts += goals(benches, found.get("micro"))
    return "\n\n".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    text = README.read_text()
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"README.md lacks {BEGIN} or {END}")
    wanted = f"{before}{BEGIN}\n\n{section()}\n\n{END}{after}"
    if not options.check:
        forget_host()
        README.write_text(wanted)
    elif text != wanted:
        sys.exit("README.md's section Performance is not what benchmarks/results say: run report.py")


if __name__ == "__main__":
    main()
