"""Many clients: what an idle one weighs, and what those at work notice of others that come and go.

    clients.py [--idle N] [--tls-idle N] [--per-second N] [--seconds N] [--rounds N] [--only PART]
               [--output FILE]

Idle: so many clients log in and stay; what the process has grown by since its start, for each of them, and
how much of a processor it takes while nobody asks for anything; and its memory again once each has asked one
query.

Connects: so many clients a second connect, log in with a password and go. Meanwhile twenty others ask
queries at a fixed rate, each of which is a hit by then (PgBouncer and the server itself answer each anew).
What these notice is their p99, alternately without and with the connects. They are a process of their own,
ahead of all others (nice -10, where that is allowed), and those who connect another one, behind (nice 5):
on two processors they are in each other's way. So what the queries notice of such connects to another
target is measured, too: the control (of logins that the server judges, those to the server and through the
proxy are each other's, else those to the proxy and to PgBouncer). A connect is not begun while 500 are under way; how many
were done a second is shown, and who was at work how much of a processor meanwhile. Under passthrough each
login is the server's; under scram it is the proxy's own. Directly is there for what the server can do.
"""

import pathlib
import ssl
import statistics
import sys
import tempfile
import time

import frontends
import processes
import results

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "integration"))

import certificates  # noqa: E402
import harness  # noqa: E402
import peers  # noqa: E402
import wire  # noqa: E402

MOST_IDLE_BYTES, MOST_P99_RATIO = 2048, 2
AT_ONCE = 500
IDLE_S = 3
TEXTS = [f"SELECT value FROM item WHERE id = {number}" for number in range(1, 101)]
ALWAYS_HITS = ("--sole-writer", "--ttl", "1h")  # else every answer is fetched anew now and then
CONF = ("shared_buffers = 64MB", "max_connections = 300")


def create_items(server):
    with server.connect_locally() as connection:
        connection.execute("CREATE TABLE item (id int PRIMARY KEY, value int);"
                           "INSERT INTO item SELECT i, 0 FROM generate_series(1, 100) i")


# --- idle ---

def weigh(target, count, context=None):
    """What `count` clients of a running Proxy or peer weigh."""
    pid = target.process.pid
    before = processes.rss_bytes(pid)
    clients = [frontends.log_in(target.port, context) for _ in range(count)]
    time.sleep(0.5)
    idle = processes.rss_bytes(pid)
    costs = processes.Costs(proxy=pid)
    time.sleep(IDLE_S)
    busy = costs.spent()["proxy"] / costs.elapsed()
    for number, client in enumerate(clients):
        client.sendall(wire.query(TEXTS[number % len(TEXTS)]))
        frontends.read_to_the_end(client)
    asked = processes.rss_bytes(pid)
    for client in clients:
        client.close()
    return {"clients": count, "before_kb": before // 1024, "after_kb": idle // 1024,
            "per_client_bytes": round((idle - before) / count),
            "idle_busy": round(busy, 4), "asked_per_client_bytes": round((asked - before) / count)}


def weigh_proxy(server, count, *flags, context=None):
    proxy = harness.Proxy(server, "--max-client-connections", str(count + 50), *flags).wait_for_catalog()
    weighed = weigh(proxy, count, context)
    proxy.stop()
    return weighed


def weigh_pgbouncer(server, count, context=None, **more):
    bouncer = peers.PgBouncer(server, "transaction", 20, max_client_conn=count + 50, **more)
    weighed = weigh(bouncer, count, context)
    bouncer.stop()
    return weighed


def measure_idle(options):
    server = harness.PostgresServer(conf=CONF).start()
    create_items(server)
    with tempfile.TemporaryDirectory(prefix="pgsidecar-bench-") as directory:
        made = certificates.Certificates(directory)
        made.authority("root")
        made.issue("proxy", "root")
        context = ssl.create_default_context(cafile=made.path("root.crt"))
        context.check_hostname = False
        files = made.path("proxy.crt"), made.path("proxy.key")
        ways = {
            ("pgsidecar", "plain"): lambda: weigh_proxy(server, options.idle),
            ("pgsidecar", "TLS"): lambda: weigh_proxy(
                server, options.tls_idle, "--client-tls-cert-file", files[0], "--client-tls-key-file",
                files[1], context=context),
            ("PgBouncer", "plain"): lambda: weigh_pgbouncer(server, options.idle),
            ("PgBouncer", "TLS"): lambda: weigh_pgbouncer(
                server, options.tls_idle, context, client_tls_sslmode="allow",
                files={"client_tls_cert_file": files[0], "client_tls_key_file": files[1]}),
        }
        weighed = []
        for (way, transport), weigh_way in ways.items():
            print(f"idle: {way}, {transport}", file=sys.stderr, flush=True)
            weighed.append({"way": way, "transport": transport, **weigh_way()})
    server.remove()
    return weighed


# --- connects ---

def measure_once(server, target, control, options):
    """The others' p99 without connects, with connects to the control and with connects, and who worked how
    much meanwhile."""
    steady = frontends.ask(target.port, TEXTS)
    began = time.monotonic()
    time.sleep(options.seconds)
    quiet = time.monotonic()
    storm = frontends.Process(frontends.connect_steadily, control.port, peers.PASSWORD, options.per_second,
                              AT_ONCE)
    time.sleep(1)  # until it runs as it will
    controlled = time.monotonic()
    time.sleep(options.seconds)
    controlled_until = time.monotonic()
    storm.stop()
    storm = frontends.Process(frontends.connect_steadily, target.port, peers.PASSWORD, options.per_second,
                              AT_ONCE)
    time.sleep(1)  # until it runs as it will
    costs = processes.Costs(proxy=None if target is server else target.process.pid, server=server.process.pid,
                            connecting=storm.pid, asking=steady.pid)
    everybody, storming = processes.machine_cpu_seconds(), time.monotonic()
    time.sleep(options.seconds)
    over = time.monotonic()
    spent = costs.spent()
    spent["elsewhere"] = max(0.0, processes.machine_cpu_seconds() - everybody - sum(spent.values()))
    stormed = storm.stop()
    answers = steady.stop()
    logins = frontends.within(stormed["took"], storming, over)
    calm, busy = frontends.within(answers, began, quiet), frontends.within(answers, storming, over)
    result = {
        "per_second": len(logins) / (over - storming), "late": stormed["late"],
        "login_p50_ms": frontends.milliseconds(logins, 50), "quiet_p50_ms": frontends.milliseconds(calm, 50),
        "quiet_p99_ms": frontends.milliseconds(calm, 99), "p50_ms": frontends.milliseconds(busy, 50),
        "p99_ms": frontends.milliseconds(busy, 99),
        "control_p99_ms": frontends.milliseconds(
            frontends.within(answers, controlled, controlled_until), 99),
        **{f"{name}_busy": seconds / (over - storming) for name, seconds in spent.items()}}
    return result, stormed["errors"]


def measure_connects(options):
    server = harness.PostgresServer("scram-sha-256", peers.PASSWORD, CONF).start()
    create_items(server)
    ways = {
        "direct": server,
        "pgsidecar, passthrough": harness.Proxy(server, *ALWAYS_HITS).wait_for_catalog(),
        "pgsidecar, scram": harness.Proxy(server, *ALWAYS_HITS, "--auth-type",
                                          "scram-sha-256").wait_for_catalog(),
        "PgBouncer": peers.PgBouncer(server, "transaction", 20),
    }
    names = list(ways)  # the next one, or the one before
    controls = {way: ways[names[number ^ 1]] for number, way in enumerate(names)}
    runs, errors = {}, {}
    for number in range(options.rounds):
        for way, target in ways.items():
            print(f"connects: {way}, round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
            result, failed = measure_once(server, target, controls[way], options)
            runs.setdefault(way, []).append(result)
            if failed:
                errors[way] = failed
    for target in ways.values():
        if target is not server:
            target.stop()
    server.remove()
    return [{"way": way, **{name: round(statistics.median(run[name] for run in done), 3) for name in done[0]},
             "errors": errors.get(way, [])} for way, done in runs.items()]


def limit(run, wanted):
    """What kept it from connecting as often as it was to."""
    if run["per_second"] >= 0.98 * wanted:
        return ""
    busy = {name.removesuffix("_busy"): share for name, share in run.items() if name.endswith("_busy")}
    most = max(busy, key=busy.get)
    if sum(busy.values()) < 0.9 * results.machine()["processors"]:
        return most if busy[most] > 0.9 else "waiting"
    return {"elsewhere": "other programs", "proxy": "the processors, by the proxy",
            "server": "the processors, by the server"}.get(most, "the processors, by this measurement")


# --- what is shown ---

def goals(measured, options):
    for run in measured.get("idle", ()):
        if run["way"] == "pgsidecar" and run["transport"] == "plain":
            yield results.goal(f"{run['clients']} idle clients: memory each", run["per_client_bytes"],
                               at_most=MOST_IDLE_BYTES, unit="B")
    for run in measured.get("connects", ()):
        if run["way"].startswith("pgsidecar"):
            yield results.goal(f"{run['way']}: connects", run["per_second"], at_least=options.per_second,
                               unit="/s")
            yield results.goal(f"{run['way']}: p99 of hits, with connects / without",
                               run["p99_ms"] / run["quiet_p99_ms"], at_most=MOST_P99_RATIO)
            yield results.goal(f"{run['way']}: p99 of hits, with connects / with connects to the control",
                               run["p99_ms"] / run["control_p99_ms"], at_most=MOST_P99_RATIO)


def show(measured):
    if "idle" in measured:
        print(f"\n{'idle clients':<14}{'way':<12}{'':<8}{'kB before':>10}{'kB with':>10}{'bytes each':>12}"
              f"{'after a query':>15}{'idle CPU':>10}")
    for run in measured.get("idle", ()):
        print(f"{run['clients']:<14}{run['way']:<12}{run['transport']:<8}{run['before_kb']:>10}"
              f"{run['after_kb']:>10}{run['per_client_bytes']:>12}{run['asked_per_client_bytes']:>15}"
              f"{run['idle_busy']:>10.2%}")
    if "connects" in measured:
        print(f"\n{'connects':<24}{'/s':>6}{'login ms':>10}{'p99 quiet':>11}{'p99 ms':>8}{'control':>9}"
              f"{'proxy':>7}{'server':>8}{'connecting':>12}{'asking':>8}"
              f"{'elsewhere':>11}   limited by")
    for run in measured.get("connects", ()):
        print(f"{run['way']:<24}{run['per_second']:>6.0f}{run['login_p50_ms']:>10.1f}"
              f"{run['quiet_p99_ms']:>11.2f}{run['p99_ms']:>8.2f}{run['control_p99_ms']:>9.2f}"
              f"{run.get('proxy_busy', 0):>7.0%}{run['server_busy']:>8.0%}{run['connecting_busy']:>12.0%}"
              f"{run['asking_busy']:>8.0%}{run['elsewhere_busy']:>11.0%}   {run['limit']}")
        for error, count in run["errors"]:
            print(f"{'':<24}{count} times: {error}")


def main():
    parser = results.parser(__doc__, "clients")
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--tls-idle", type=int, default=2_000)
    parser.add_argument("--per-second", type=int, default=2_000, help="connects")
    parser.add_argument("--seconds", type=int, default=5, help="without connects, and with them")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("idle", "connects"))
    options = parser.parse_args()
    processes.allow_files(options.idle + 1000)
    measured = {}
    if options.only != "connects":
        measured["idle"] = measure_idle(options)
    if options.only != "idle":
        measured["connects"] = measure_connects(options)
        for run in measured["connects"]:
            run["limit"] = limit(run, options.per_second)
    measured["goals"] = list(goals(measured, options))
    show(measured)
    results.show_goals(measured["goals"])
    results.write(options, measured, ("pgsidecar", "postgresql", "pgbouncer"))


if __name__ == "__main__":
    main()
