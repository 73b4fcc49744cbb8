"""pgbench against a server, a proxy or a peer on loopback."""

import glob
import os
import pathlib
import re
import subprocess
import tempfile

PASSWORD = "secret"


def command(target, *arguments, host="127.0.0.1"):
    return ["pgbench", *arguments, "-h", host, "-p", str(target.port), "-U", "postgres", "postgres"]


def environment():
    return {**os.environ, "PGSSLMODE": "disable", "PGPASSWORD": PASSWORD}


def run(target, *arguments, seconds=1200, host="127.0.0.1"):
    """What it printed."""
    done = subprocess.run(command(target, *arguments, host=host), capture_output=True, text=True,
                          timeout=seconds, env=environment())
    if done.returncode != 0:
        raise SystemExit(f"pgbench failed:\n{done.stderr[-1000:]}")
    return done.stdout


def run_script(target, text, *arguments, log=True):
    """The same with a script; what its log says: (when it ended in seconds, how many ms it took)."""
    with tempfile.TemporaryDirectory() as directory:
        script = pathlib.Path(directory, "script")
        script.write_text(text)
        if log:
            arguments += "--log", f"--log-prefix={directory}/log"
        run(target, "-n", "-f", str(script), *arguments)
        return list(logged(directory))


def logged(directory):
    """(when it ended in seconds, how long it took in ms) of each transaction in pgbench's logs."""
    for path in glob.glob(os.path.join(directory, "log.*")):
        with open(path) as file:
            for line in file:
                fields = line.split()
                if len(fields) > 5 and fields[2].isdigit() and line.endswith("\n"):
                    yield int(fields[4]) + int(fields[5]) / 1e6, int(fields[2]) / 1e3


def figures(said):
    return {"queries": int(re.search(r"actually processed: (\d+)", said).group(1)),
            "qps": float(re.search(r"tps = ([0-9.]+) \(without", said).group(1)),
            "latency_ms": float(re.search(r"latency average = ([0-9.]+)", said).group(1))}
