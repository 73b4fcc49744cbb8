#!/usr/bin/python3
"""Writes tests/unit/catalog/sample.rows: what LoadQuery answers for sample.sql.

Starts a private PostgreSQL in a temporary directory, as the user postgres if run by root (the
server refuses root), and removes it afterwards. Each result set begins with a line '# <number>';
rows are in COPY's text format.
"""

import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
LOAD_QUERY = HERE.parents[2] / "catalog" / "load_query.sql.inc"
BINARIES = pathlib.Path(os.environ.get("PG_BINDIR", "/usr/lib/postgresql/15/bin"))
AS_SERVER = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []


def statements():
    text = LOAD_QUERY.read_text().removeprefix('R"sql(').rstrip().removesuffix(')sql"')
    return [statement.strip() for statement in text.split(";\n")]


def load_script():
    """The load with its SELECTs wrapped in COPY, which prints rows unambiguously. psql sends them one
    by one."""
    lines = ["BEGIN;"]
    result_set = 0
    for statement in statements():
        if not statement.startswith("SELECT"):
            lines.append(statement + ";")
            continue
        lines.append(f"\\echo '# {result_set}'")
        lines.append(f"COPY ({statement}) TO STDOUT;")
        result_set += 1
    return "\n".join([*lines, "COMMIT;"])


def main():
    directory = tempfile.mkdtemp(prefix="sample_rows.")
    if AS_SERVER:
        shutil.chown(directory, "postgres")
    user = "postgres" if AS_SERVER else pwd.getpwuid(os.getuid()).pw_name
    data = f"{directory}/data"
    psql = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", directory, "-U", user, "postgres"]

    def server(*arguments):
        subprocess.run(AS_SERVER + list(arguments), check=True, stdout=subprocess.DEVNULL,
                       cwd=directory)

    try:
        server(f"{BINARIES}/initdb", "-D", data, "-A", "trust", "-U", user, "-E", "UTF8",
               "--locale=C.UTF-8", "--no-sync")
        server(f"{BINARIES}/pg_ctl", "-D", data, "-w", "-l", f"{directory}/log", "-o",
               f"-k {directory} -c listen_addresses='' -c fsync=off", "start")
        try:
            subprocess.run(psql + ["-f", str(HERE / "sample.sql")], check=True)
            rows = subprocess.run(psql, input=load_script(), text=True, check=True,
                                  capture_output=True).stdout
        finally:
            server(f"{BINARIES}/pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(directory)
    (HERE / "sample.rows").write_text(rows)


if __name__ == "__main__":
    main()
