"""What share of real applications' statements is cacheable, and why the rest is not.

    measure.py [--requests N] [--transactions N] [--only NAME] [--output FILE]

pgbench's built-in scripts, a shop in Django and one in ActiveRecord, each through a proxy over a
PostgreSQL of its own and then, the same again, over another without a proxy. Both times the
application must have answered the same.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "integration"))

import harness  # noqa: E402
import report  # noqa: E402

# Not UTC, as where people live: then Django, too, sets the session's time zone.
CONF = ("timezone = 'Europe/Berlin'", "shared_buffers = 64MB")
PGBENCH_TABLES = ("accounts", "branches", "tellers", "history")


def environment(port):
    mine = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**mine, "SHOP_PORT": str(port), "PGSSLMODE": "disable", "PYTHONDONTWRITEBYTECODE": "1"}


class Shop:
    """An application with a traffic.* of its own."""

    def __init__(self, name, directory, *command):
        self.name = name
        self.directory = HERE / directory
        self.command = command

    def run(self, port, *arguments, at_end):
        process = subprocess.Popen(
            [*self.command, *arguments], cwd=self.directory, env=environment(port), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        said = process.stdout.readline()
        if said != "done\n":
            process.kill()
            raise SystemExit(f"{self.name} failed: {said}{process.communicate()[0]}")
        at_end()
        process.communicate("\n")

    def prepare(self, server):
        pass

    def phases(self, options, port, output):
        """Names and functions; each calls `at_end` while its connections are open."""
        yield "set-up", lambda at_end: self.run(port, "set-up", at_end=at_end)
        yield "requests", lambda at_end: self.run(
            port, "requests", str(options.requests), output, at_end=at_end)

    def outcome(self, server, output):
        return pathlib.Path(output).read_text().splitlines()


class Pgbench:
    """A built-in script; what its transactions have left behind is its answer."""

    def __init__(self, script, protocol):
        self.name = f"pgbench {script} {protocol}"
        self.script = script
        self.protocol = protocol

    @staticmethod
    def pgbench(port, *arguments):
        subprocess.run(["pgbench", *arguments, "-h", "127.0.0.1", "-p", str(port), "-U",
                        "postgres", "postgres"], check=True, capture_output=True,
                       env=environment(port))

    def prepare(self, server):
        self.pgbench(server.port, "-i", "-q", "-s", "1")

    def phases(self, options, port, output):
        def run(at_end):
            self.pgbench(port, "-n", "-b", self.script, "-M", self.protocol, "-c", "1", "-t",
                         str(options.transactions), "--random-seed", "7")
            at_end()
        yield "transactions", run

    def outcome(self, server, output):
        rows = []
        with server.connect_locally() as truth:
            for table in PGBENCH_TABLES:
                # Not when a transaction was.
                columns = "bid, tid, aid, delta" if table == "history" else "*"
                rows += truth.execute(
                    f"SELECT {columns} FROM pgbench_{table} ORDER BY 1, 2, 3").fetchall()
        return rows


APPLICATIONS = (
    *(Pgbench(script, protocol) for script in ("select-only", "simple-update", "tpcb-like")
      for protocol in ("simple", "prepared")),
    Shop("django", "django_shop", "/usr/bin/python3", "traffic.py"),
    Shop("activerecord", "activerecord_shop", "/usr/bin/ruby", "traffic.rb"),
)


def run_once(application, options, with_proxy):
    server = harness.PostgresServer(conf=CONF).start()
    application.prepare(server)
    proxy = harness.Proxy(server).wait_for_catalog() if with_proxy else None
    figures = {}
    with tempfile.TemporaryDirectory() as directory:
        output = os.path.join(directory, "answers")
        for phase, run in application.phases(options, (proxy or server).port, output):
            if not with_proxy:
                run(lambda: None)
                continue
            with report.Observer(proxy) as observer:
                run(observer.look_at_clients)
            figures[phase] = observer.figures()
        outcome = application.outcome(server, output)
    if with_proxy:
        proxy.stop()
    server.remove()
    return outcome, figures


def differences(proxied, direct):
    """The first few lines in which they differ."""
    if len(proxied) != len(direct):
        return [f"{len(proxied)} lines instead of {len(direct)}"]
    return [f"proxied: {one}\ndirect:  {other}"
            for one, other in zip(proxied, direct) if one != other][:5]


def measure(application, options):
    print(f"{application.name} ...", file=sys.stderr, flush=True)
    proxied, figures = run_once(application, options, with_proxy=True)
    direct, _ = run_once(application, options, with_proxy=False)
    return {"phases": figures, "answers": len(direct), "differences": differences(proxied, direct)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=4000, help="to each shop")
    parser.add_argument("--transactions", type=int, default=2000, help="of each pgbench script")
    parser.add_argument("--only", default="", help="applications with this in their name")
    parser.add_argument("--output", default=str(ROOT / "build" / "orm.json"))
    options = parser.parse_args()
    results = {application.name: measure(application, options) for application in APPLICATIONS
               if options.only in application.name}
    pathlib.Path(options.output).write_text(json.dumps(results, indent=2) + "\n")
    report.show(results)
    print(f"written to {options.output}")
    if any(result["differences"] for result in results.values()):
        sys.exit("an application was not answered as by the server itself")


if __name__ == "__main__":
    main()
