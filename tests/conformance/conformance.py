"""PostgreSQL's regression and isolation suites, directly and through the proxy: same verdicts?

    run [--isolation] [--schedule parallel|serial] [--tests NAME... | --subset] [--flags "..."]

Each way has a fresh server. A test whose verdict is the same both ways conforms; what is expected to
differ stands in known_differences, with its cause. Exits with 0 if nothing else differs, with 77 if
the suites could not be fetched.
"""

import argparse
import os
import pathlib
import pwd
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "integration"))

import harness  # noqa: E402
import material  # noqa: E402

# What pg_regress would give a server of its own, and room for a pool of which every group of twenty
# tests makes a part. C as the locale: the expected files are sorted that way.
CONF = ("autovacuum = on", "max_connections = 150", "shared_buffers = 128MB",
        "max_prepared_transactions = 10", "log_line_prefix = '%m %b[%p] %q%a '",
        "log_lock_waits = on")
# "test name ... ok 12 ms" and "    name ... FAILED 12 ms" up to PostgreSQL 15; TAP since then.
OLD_VERDICT = re.compile(r"^(?:test |    )\s*(\S+)\s+\.\.\. (ok|FAILED|failed \(ignored\))(.*)$")
TAP_VERDICT = re.compile(r"^(ok|not ok) \d+\s+[-+] (\S+)(.*)$")


FIGURES = ("client_logins_total", "server_connections_total", "requests_total", "hits_total",
           "misses_total", "verify_matches_total", "verify_mismatches_total", "replays_total",
           "pins_total")


class Suite:
    """One of PostgreSQL's suites: what runs it, and how its files are called."""

    def __init__(self, name, stuff):
        self.name = name
        self.source = stuff.suite(name)
        isolation = name == "isolation"
        self.runner = stuff.runners / name / ("pg_isolation_regress" if isolation else "pg_regress")
        self.schedule = "isolation_schedule" if isolation else "parallel_schedule"
        self.database = "isolation_regression" if isolation else "regression"
        self.needed = [] if isolation else ["test_setup"]  # before any other test


def identity():
    """PostgreSQL writes files where the tests look for them: both are the same user."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def make_room(suite, stuff):
    """A directory that the server may read and write, with the suite's files in it."""
    room = pathlib.Path(tempfile.mkdtemp(prefix="pgsidecar-conformance-"))
    shutil.copytree(suite.source, room / "suite")
    shutil.copytree(stuff.library, room / "lib")
    who = identity()
    if who:
        for path in (room, *room.rglob("*")):
            os.chown(path, who["user"], who["group"])
    room.chmod(0o755)
    return room


def run_suite(suite, stuff, port, room, options):
    """Runs pg_regress against `port`; returns {test: "ok" or what it said}, in order."""
    directory = room / "suite"
    command = [suite.runner, f"--inputdir={directory}", f"--outputdir={directory}",
               f"--bindir={stuff.bin}", f"--dlpath={room / 'lib'}", f"--dbname={suite.database}",
               "--host=127.0.0.1", f"--port={port}", "--user=postgres", "--encoding=UTF8",
               f"--launcher=timeout -s KILL {options.test_timeout}"]
    if options.tests:
        command += [*(name for name in suite.needed if name not in options.tests), *options.tests]
    else:
        command.append(f"--schedule={directory / suite.schedule}")
        if options.schedule == "serial":
            command.append("--max-connections=1")
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith("PG") and name not in ("LANG", "LANGUAGE")
                   and not name.startswith("LC_")}
    environment |= {"PGSSLMODE": "disable", "PGISOLATIONTIMEOUT": str(options.test_timeout // 12)}
    log = room / "runner.log"
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                                   cwd=directory, env=environment, start_new_session=True,
                                   **identity())
        try:
            process.wait(options.timeout)
        except subprocess.TimeoutExpired:
            print(f"not done after {options.timeout} s: ended", file=sys.stderr)
        finally:
            end_group(process)
    verdicts = read_verdicts(log.read_text(errors="replace"))
    if not verdicts:
        raise SystemExit(f"{suite.runner} ran nothing:\n{log.read_text(errors='replace')[-4000:]}")
    return verdicts


def end_group(process):
    """Ends what is left of the session that was started with `process`."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def read_verdicts(text):
    verdicts = {}
    for line in text.splitlines():
        old, tap = OLD_VERDICT.match(line), TAP_VERDICT.match(line)
        if old:
            name, verdict, rest = old.groups()
        elif tap:
            verdict, name, rest = tap.groups()
        else:
            continue
        ended = re.search(r"exited with exit code \d+|terminated by signal \d+", rest + line)
        verdicts[name] = "ok" if verdict == "ok" else (
            f"failed: {ended.group(0)}" if ended else "failed")
    return verdicts


def one_way(way, suite, stuff, options):
    """One server, one run; what it left goes to the output directory. Returns its verdicts."""
    started = time.monotonic()
    print(f"{suite.name} suite, {way}", file=sys.stderr, flush=True)
    server = harness.PostgresServer(conf=CONF, locale="C").start()
    proxy = None
    room = make_room(suite, stuff)
    kept = options.output / suite.name / way
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    try:
        target = server
        if way == "proxied":
            proxy = target = harness.Proxy(server, *shlex.split(options.flags))
        verdicts = run_suite(suite, stuff, target.port, room, options)
        if proxy is not None and proxy.alive():
            print_figures(proxy, kept)
    finally:
        if proxy is not None:
            (kept / "proxy.log").write_text(proxy.stderr())
            if not proxy.alive():
                print(f"the proxy ended by itself: see {kept / 'proxy.log'}", file=sys.stderr)
        (kept / "server.log").write_text(server.log())
        for name in ("regression.diffs", "results"):
            found = room / "suite" / name
            if found.is_dir():
                shutil.copytree(found, kept / name)
            elif found.exists():
                shutil.copy(found, kept)
        shutil.copy(room / "runner.log", kept)
        shutil.rmtree(room, ignore_errors=True)
        if proxy is not None:
            proxy.stop()
        server.remove()
    print(f"{suite.name} suite, {way}: {sum(v == 'ok' for v in verdicts.values())} of "
          f"{len(verdicts)} passed in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return verdicts


def print_figures(proxy, kept):
    """How much of the run was pooled and cached at all."""
    figures = harness.psql(proxy, "SHOW STATS;", dbname="pgsidecar").splitlines()
    (kept / "stats").write_text("\n".join(figures) + "\n")
    figures = dict(line.split("|")[:2] for line in figures)
    print("the proxy's figures: " + ", ".join(
        f"{name} {figures[name]}" for name in FIGURES if name in figures), file=sys.stderr)


def read_known(path, suite):
    """{test: (pattern, cause)} of the lines "suite test /pattern/ cause"."""
    known = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = re.fullmatch(r"(\S+) (\S+) /(.+)/ (\S.*)", line)
        if found is None:
            raise SystemExit(f"error: {path}:{number}: expected a suite, a test, a /pattern/ of the "
                             "lines that differ, and a cause")
        if found[1] == suite:
            known[found[2]] = (re.compile(found[3]), found[4])
    return known


def read_subset(path, suite):
    """The tests of the lines "suite test test ..." of this suite, in order."""
    tests = []
    for line in path.read_text().splitlines():
        of, *names = line.split() or [""]
        if of == suite:
            tests += names
    return tests


def changed_lines(diffs, test):
    """What pg_regress found added or missing in the output of one test."""
    lines, inside = [], False
    for line in diffs.read_text(errors="replace").splitlines() if diffs.exists() else ():
        if line.startswith("diff "):
            inside = line.endswith(f"/{test}.out")
        elif inside and line[:1] in "+-" and not line.startswith(("+++", "---")):
            lines.append(line[1:])
    return lines


def compare(suite, direct, proxied, known, output):
    """Prints the table; returns the number of differences that are not known."""
    diffs = output / suite.name / "proxied" / "regression.diffs"
    unknown = 0
    width = max(map(len, direct))
    missing = [test for test in direct if test not in proxied]
    if missing:
        print(f"not run through the proxy: {' '.join(missing)}")
        unknown += len(missing)
    for test, ours in proxied.items():
        if ours == direct.get(test, "not run"):
            if test in known:
                print(f"{test:<{width}}  same     (known_differences has it)")
            continue
        pattern, cause = known.get(test, (None, ""))
        lines = changed_lines(diffs, test)
        is_known = pattern and lines and all(pattern.search(line) for line in lines)
        unknown += not is_known
        print(f"{test:<{width}}  differs  directly {direct.get(test, 'not run')}, through the proxy {ours}"
              + (f"; known: {cause}" if is_known else ""))
    same = sum(proxied.get(test) == verdict for test, verdict in direct.items())
    passed = [sum(v == "ok" for v in way.values()) for way in (direct, proxied)]
    print(f"\n{suite.name}: {len(direct)} tests; {passed[0]} pass directly, {passed[1]} through the "
          f"proxy; {same} verdicts are the same, {len(direct) - same} differ, {unknown} of them "
          f"for a cause that is not known")
    if same != len(direct):
        print(f"what they printed: {diffs}")
    return unknown


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--isolation", action="store_true", help="the isolation suite")
    parser.add_argument("--schedule", choices=("parallel", "serial"), default="parallel")
    parser.add_argument("--tests", nargs="+", metavar="NAME", default=[],
                        help="only these, in this order (behind test_setup)")
    parser.add_argument("--subset", action="store_true", help="only those that the file subset names")
    parser.add_argument("--flags", default="", help="more flags for the proxy, in one argument")
    parser.add_argument("--timeout", type=int, default=1500, help="seconds for one way")
    parser.add_argument("--test-timeout", type=int, default=240, help="seconds for one test")
    parser.add_argument("--no-direct", action="store_true",
                        help="take it that every test passes directly")
    parser.add_argument("--known", type=pathlib.Path, default=HERE / "known_differences")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "build" / "conformance",
                        help="for the fetched tests, and for what the last run printed")
    return parser.parse_args()


def main():
    options = arguments()
    # Ended from outside, it still ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if not os.access(harness.BINARY, os.X_OK):
        raise SystemExit(f"no proxy at {harness.BINARY}: build it, or set PGSIDECAR_BINARY")
    try:
        stuff = material.get(options.output)
    except material.OutOfReach as error:
        print(f"error: {error}", file=sys.stderr)
        return 77
    suite = Suite("isolation" if options.isolation else "regress", stuff)
    if options.subset:
        options.tests = read_subset(HERE / "subset", suite.name)
    known = read_known(options.known, suite.name)
    direct = None if options.no_direct else one_way("direct", suite, stuff, options)
    proxied = one_way("proxied", suite, stuff, options)
    if direct is None:
        direct = dict.fromkeys(proxied, "ok")
    return 1 if compare(suite, direct, proxied, known, options.output) else 0


if __name__ == "__main__":
    sys.exit(main())
