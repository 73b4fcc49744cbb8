"""What every integration test needs: a PostgreSQL of its own, the proxy in front of it, clients.

Each test module starts one server (see ServerCase) and ends it by pid; nothing outside a fresh
temporary directory is touched, and everything listens on loopback only.

With PGSIDECAR_DIRECT=1 the proxy is left out and clients talk to the server: that tests the tests.
"""

import atexit
import contextlib
import glob
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import psycopg

from wire import Wire

DIRECT = os.environ.get("PGSIDECAR_DIRECT") == "1"
# Of every proxy that a test does not start with another number.
WORKERS = os.environ.get("PGSIDECAR_WORKERS")
BINARY = os.environ.get("PGSIDECAR_BINARY") or os.path.abspath(
    os.path.join(os.path.dirname(__file__), "..", "..", "build", "pgsidecar"))
SANITIZER_REPORT = re.compile(
    r"ERROR: (Address|Leak|Memory|Thread)Sanitizer|WARNING: ThreadSanitizer|runtime error:")
# A loaded machine or a sanitizer build is slow, not wrong.
PATIENCE_S = 30.0


def server_bin(program):
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/" + program),
                   key=lambda path: int(path.split("/")[4]))
    if not found:
        raise RuntimeError(f"no {program} under /usr/lib/postgresql")
    return found[-1]


def free_port():
    """Below the ports that the kernel hands out by itself: a server that is down for a while must
    not find its port taken by somebody's outgoing connection."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def wait_until(condition, seconds=PATIENCE_S, what="the condition", every=0.02):
    """Polls until `condition()` is true and returns what it returned; fails loudly otherwise."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(every)


class PostgresServer:
    """A private PostgreSQL. PostgreSQL refuses to run as root, so root starts it as `postgres`."""

    BASE_CONF = (
        "listen_addresses = '127.0.0.1'", "fsync = off", "full_page_writes = off",
        "autovacuum = off", "max_connections = 60", "shared_buffers = 16MB", "jit = off",
        "max_prepared_transactions = 10", "timezone = 'UTC'", "log_timezone = 'UTC'",
    )

    def __init__(self, auth="trust", password="secret", conf=(), locale="C.UTF-8"):
        self.auth = auth
        self.password = password
        self.port = free_port()
        self.process = None
        self.directory = tempfile.mkdtemp(prefix="pgsidecar-test-")
        atexit.register(self.remove)
        self._identity = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            self._identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(self.directory, user.pw_uid, user.pw_gid)
        self.data = os.path.join(self.directory, "data")
        subprocess.run(
            [server_bin("initdb"), "-D", self.data, "-U", "postgres", "--auth=trust", "--no-sync",
             "--encoding=UTF8", f"--locale={locale}"],
            check=True, stdout=subprocess.DEVNULL, cwd="/", **self._identity)
        self._write("pg_hba.conf", "local all all trust\nhost all all 127.0.0.1/32 " + auth + "\n")
        lines = (*self.BASE_CONF, f"unix_socket_directories = '{self.directory}'",
                 f"port = {self.port}", *conf)
        if auth == "md5":
            lines += ("password_encryption = md5",)
        self._write("postgresql.auto.conf", "\n".join(lines) + "\n")

    def _write(self, name, text):
        path = os.path.join(self.data, name)
        with open(path, "w") as file:
            file.write(text)
        if self._identity:
            os.chown(path, self._identity["user"], self._identity["group"])

    def start(self):
        # After a crash the shared memory is in use until the last orphan has noticed.
        wait_until(self._start_once, what="the server to start", every=0.3)
        if self.auth != "trust":
            with self.connect_locally() as connection:
                connection.execute(f"ALTER ROLE postgres PASSWORD '{self.password}'")
        return self

    def _start_once(self):
        with open(os.path.join(self.directory, "log"), "ab") as log:
            self.process = subprocess.Popen(
                [server_bin("postgres"), "-D", self.data], stdout=log, stderr=log, cwd="/",
                **self._identity)
        ready = wait_until(self._is_ready_or_ended, what="the server to start", every=0.05)
        if ready == "ended" and "pre-existing shared memory" not in self.log()[-2000:]:
            raise AssertionError("the server ended:\n" + self.log()[-2000:])
        return ready == "ready"

    def _is_ready_or_ended(self):
        if self.process.poll() is not None:
            return "ended"
        try:
            self.connect_locally().close()
            return "ready"
        except psycopg.OperationalError:
            return None

    def connect_locally(self):
        """Over the Unix socket, where everyone is trusted: for setting up and for the truth."""
        return psycopg.connect(host=self.directory, port=self.port, user="postgres",
                               dbname="postgres", autocommit=True)

    def log(self):
        with open(os.path.join(self.directory, "log"), errors="replace") as file:
            return file.read()

    def stop(self, how=signal.SIGINT):
        """SIGINT: fast; SIGQUIT: immediate; SIGKILL: a crash, of the postmaster and its children."""
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def restart(self):
        self.stop()
        self.start()

    def url(self, user="postgres", database="postgres", password=None):
        secret = password or (self.password if self.auth != "trust" else None)
        return (f"postgres://{user}{':' + secret if secret else ''}@127.0.0.1:{self.port}"
                f"/{database}")

    def remove(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


class Proxy:
    """build/pgsidecar on a free port. stop() asserts a clean end and the absence of sanitizer reports."""

    def __init__(self, server, *flags, http=False, url=None, listen="127.0.0.1:0"):
        self.server = server
        self.http_port = None
        self._lines = []
        self.process = None
        if DIRECT:
            self.port = server.port
            return
        command = [BINARY, "--upstream", url or server.url(), "--listen", listen]
        if http:
            self.http_port = free_port()
            command += ["--http-listen", f"127.0.0.1:{self.http_port}"]
        if WORKERS and "--workers" not in flags:
            command += ["--workers", WORKERS]
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith(("PGSIDECAR_", "PG")) and name != "DATABASE_URL"}
        self.process = subprocess.Popen([*command, *flags], stderr=subprocess.PIPE, text=True,
                                        errors="replace", env=environment)
        atexit.register(self._kill)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        found = wait_until(self._listening, what="the proxy to listen")
        self.port = int(found.group(1))

    def _read(self):
        for line in self.process.stderr:
            self._lines.append(line)

    def _listening(self):
        for line in list(self._lines):
            found = re.search(r"listening on 127\.0\.0\.1:(\d+)$", line.strip())
            if found and "http" not in line:
                return found
        if self.process.poll() is not None:
            self._reader.join(5)
            raise AssertionError("the proxy ended:\n" + self.stderr())
        return None

    def _kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stderr(self):
        return "".join(self._lines)

    def wait_for_catalog(self, database="postgres"):
        """Until the catalog of a database is loaded nothing in it is cached. A client makes sure
        that the proxy knows of the database at all."""
        if DIRECT:
            return self
        pattern = re.compile(rf"catalog loaded .*\bdatabase=\"?{re.escape(database)}\b")
        with contextlib.suppress(psycopg.OperationalError):
            with connect(self, dbname=database) as connection:
                connection.execute("SELECT 1")
                wait_until(lambda: pattern.search(self.stderr()),
                           what=f"the catalog of {database} to be loaded")
        return self

    def alive(self):
        return DIRECT or self.process.poll() is None

    def rss_kb(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))

    def stop(self):
        if DIRECT or self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("SIGTERM did not end the proxy:\n" + self.stderr()[-4000:])
        self._reader.join(5)
        self.process.stderr.close()
        report = SANITIZER_REPORT.search(self.stderr())
        if report:
            raise AssertionError("sanitizer report:\n" + self.stderr()[report.start():][:8000])
        if status != 0:
            raise AssertionError(f"the proxy ended with {status}:\n" + self.stderr()[-8000:])
        self.process = None


def connect(target, user="postgres", dbname="postgres", autocommit=True, password=None, **more):
    """A psycopg connection through a Proxy, or straight to a PostgresServer."""
    server = getattr(target, "server", target)
    if password is None and server.auth != "trust":
        password = server.password
    more.setdefault("connect_timeout", 20)
    # psycopg would prepare a text at its sixth use, and DDL then fails it ("cached plan must not
    # change result type"): only the tests that are about that want it.
    more.setdefault("prepare_threshold", None)
    return psycopg.connect(host="127.0.0.1", port=target.port, user=user, dbname=dbname,
                           password=password, autocommit=autocommit, sslmode="disable", **more)


def wire(target, user="postgres", database="postgres", **parameters):
    """A raw connection through a Proxy, or straight to a PostgresServer."""
    return Wire.login(target.port, user, database, **parameters)


def psql(target, script, user="postgres", dbname="postgres", flags=(), check=True, seconds=60):
    """Runs a script with psql, unaligned and without headers; returns what it printed."""
    done = subprocess.run(
        ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *flags,
         "-h", "127.0.0.1", "-p", str(target.port), "-U", user, dbname],
        input=script, text=True, capture_output=True, timeout=seconds,
        env={**os.environ, "PGSSLMODE": "disable",
             "PGPASSWORD": getattr(target, "server", target).password})
    if check and done.returncode != 0:
        raise AssertionError(f"psql ended with {done.returncode}: {done.stderr}")
    return done.stdout if check else done


def last(connection):
    """What the proxy says of the previous statement of a psycopg connection."""
    return connection.execute("SHOW pgsidecar.last").fetchone()[0]


class ServerCase(unittest.TestCase):
    """One server and one proxy for a class; `truth` is a connection straight to the server.

    The proxy is the only writer unless a test says otherwise, so that age never hides a missing
    invalidation.
    """

    AUTH = "trust"
    CONF = ()
    FLAGS = ("--sole-writer",)
    SETUP = ""
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.server = PostgresServer(cls.AUTH, conf=cls.CONF).start()
        cls.addClassCleanup(cls.server.remove)
        cls.truth = connect(cls.server)
        cls.addClassCleanup(cls.truth.close)
        if cls.SETUP:
            cls.truth.execute(cls.SETUP)
        cls.proxy = Proxy(cls.server, *cls.FLAGS)
        cls.addClassCleanup(cls.proxy.stop)
        cls.proxy.wait_for_catalog()

    def client(self, **parameters):
        connection = connect(self.proxy, **parameters)
        self.addCleanup(connection.close)
        return connection

    def show(self, what):
        """The rows of a console's SHOW as dictionaries, by psql as an operator would."""
        lines = psql(self.proxy, f"SHOW {what};", dbname="pgsidecar",
                     flags=("-P", "tuples_only=off", "-P", "footer=off")).splitlines()
        names = lines[0].split("|")
        return [dict(zip(names, line.split("|"))) for line in lines[1:]]

    def figures(self):
        """SHOW STATS of the proxy: name to number."""
        return {row["name"]: int(row["value"]) for row in self.show("STATS")}

    def assert_verified(self):
        """In mode verify: answers were compared, and none differed."""
        if not DIRECT:
            figures = self.figures()
            self.assertEqual(figures["verify_mismatches_total"], 0)
            self.assertGreater(figures["verify_matches_total"], 0)

    def wire(self, **parameters):
        connection = wire(self.proxy, **parameters)
        self.addCleanup(connection.close)
        return connection

    def assert_last(self, connection, expected, because=""):
        """`expected` is a prefix: "hit", "miss", "bypass"."""
        if DIRECT:
            return
        said = connection.last() if isinstance(connection, Wire) else last(connection)
        self.assertTrue(said.startswith(expected), f"expected {expected}, was: {said} {because}")

    def fill(self, connection, statement):
        """Runs a statement twice, after which it is cached; returns its rows. Only while a catalog
        is being read (after DDL, or what could have been some) does it take more than that."""
        deadline = time.monotonic() + 10
        while True:
            loading = False
            for _ in range(2):
                rows = connection.execute(statement).fetchall()
                loading |= not DIRECT and last(connection) == "bypass: catalog_not_loaded"
            if not loading or time.monotonic() > deadline:
                break
            time.sleep(0.02)
        self.assert_last_was_hit_again(connection, statement, rows)
        return rows

    def assert_last_was_hit_again(self, connection, statement, rows):
        self.assertEqual(connection.execute(statement).fetchall(), rows)
        self.assert_last(connection, "hit", statement)

    def assert_same_as_server(self, connection, statement, because=""):
        """Once and again: what the proxy answers is what the server answers."""
        expected = self.truth.execute(statement).fetchall()
        for attempt in ("first", "second"):
            self.assertEqual(connection.execute(statement).fetchall(), expected,
                             f"{attempt} read of {statement} {because}")


def main():
    if not DIRECT and not os.access(BINARY, os.X_OK):
        sys.exit(f"no proxy at {BINARY}: build it, or set PGSIDECAR_BINARY")
    unittest.main()
