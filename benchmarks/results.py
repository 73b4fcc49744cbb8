"""Results as JSON: figures, the goals that they are measured against, and where they come from."""

import argparse
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "integration"))

import harness  # noqa: E402

PROGRAMS = {"pgsidecar": [harness.BINARY, "--version"], "postgresql": ["psql", "--version"],
            "pgbouncer": ["/usr/sbin/pgbouncer", "--version"],
            "pgpool": ["/usr/sbin/pgpool", "--version"], "redis": ["redis-server", "--version"]}


def goal(what, figure, at_most=None, at_least=None, unit=""):
    """What is to hold of a figure. Which it does is said, never asserted."""
    met = figure <= at_most if at_least is None else figure >= at_least
    return {"what": what, "figure": round(figure, 3), "unit": unit, "met": met,
            **({"at_most": at_most} if at_least is None else {"at_least": at_least})}


def bound(goal):
    """"<= 2048 B" """
    sign, limit = ("<=", goal["at_most"]) if "at_most" in goal else (">=", goal["at_least"])
    return f"{sign} {limit:g}{with_unit(goal['unit'])}"


def figure(goal):
    value = goal["figure"]
    return (f"{value:.0f}" if abs(value) >= 100 else f"{value:.2f}") + with_unit(goal["unit"])


def with_unit(unit):
    return f" {unit}" if unit else ""


def show_goals(goals):
    print(f"\n{'goal':<76}{'figure':>12}{'bound':>14}")
    for each in goals:
        print(f"{each['what']:<76}{figure(each):>12}{bound(each):>14}"
              + ("" if each["met"] else "  missed"))


def machine():
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())
    return {"cpu": cpu.group(1) if cpu else "", "processors": os.cpu_count(),
            "memory_gb": round(int(memory.group(1)) / 2**20),
            "kernel": ".".join(os.uname().release.split(".")[:2])}


def versions(names):
    found = {}
    for name in names:
        try:
            done = subprocess.run(PROGRAMS[name], capture_output=True, text=True)
        except FileNotFoundError:
            continue
        number = re.search(r"\d+(?:\.\d+)+", done.stdout + done.stderr)
        found[name] = number.group(0) if number else "?"
    return found


def parser(doc, name="measure"):
    """The command line's, with --output build/NAME.json; and how busy the machine is before it."""
    made = argparse.ArgumentParser(description=doc.splitlines()[0])
    made.add_argument("--output", default=str(ROOT / "build" / f"{name}.json"))
    made.set_defaults(name=name, load=round(os.getloadavg()[0], 1))
    return made


def command(options):
    """As it would be typed, wherever the results go."""
    said = " ".join(sys.argv[1:])
    said = re.sub(r"--output[= ]\S+", "", said).split()
    ahead = [f"nice -n {os.nice(0)}"] if os.nice(0) else []
    return " ".join([*ahead, "./bench", *([options.name] if options.name != "measure" else ()), *said])


def write(options, figures, programs):
    results = {"command": command(options), "date": datetime.date.today().isoformat(),
               "load_before": options.load, "machine": machine(), "versions": versions(programs), **figures}
    path = pathlib.Path(options.output)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")
    print(f"\nwritten to {path}")
