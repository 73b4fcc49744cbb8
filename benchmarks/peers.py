"""What is measured beside the proxy: each on a free port, ended by its process."""

import atexit
import contextlib
import glob
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "integration"))

import harness  # noqa: E402
import wire  # noqa: E402

from pgbench import PASSWORD  # noqa: E402


class Peer:
    """A process with a directory of its own."""

    process = None

    def _open_directory(self, name):
        self.directory = tempfile.mkdtemp(prefix=f"pgsidecar-{name}-")
        atexit.register(self.stop)

    def _write(self, name, text):
        pathlib.Path(self.directory, name).write_text(text)

    def _start(self, *command):
        """As `postgres`, if this is root: who runs these refuses to, or should."""
        identity = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            for path in (self.directory, *glob.glob(self.directory + "/*")):
                os.chown(path, user.pw_uid, user.pw_gid)
        with open(f"{self.directory}/output", "wb") as output:
            self.process = subprocess.Popen(command, cwd="/", stdout=output, stderr=output, **identity)
        harness.wait_until(self._answers, what=f"{command[0]} to answer", every=0.1)

    def _answers(self):
        if self.process.poll() is not None:
            raise SystemExit(f"{self.process.args[0]} ended:\n"
                             + pathlib.Path(self.directory, "output").read_text()[-2000:])
        with contextlib.suppress(OSError, wire.ServerError, wire.ConnectionClosed):
            wire.Wire.login(self.port, password=PASSWORD).close()
            return True
        return False

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


class PgBouncer(Peer):
    """Debian's PgBouncer. `more`: further settings of its own; `files`: those that name a
    file, of which it gets a copy."""

    def __init__(self, server, mode, servers, files=None, **more):
        self.port = harness.free_port()
        self._open_directory("pgbouncer")
        settings = {
            "listen_addr": "127.0.0.1", "listen_port": self.port, "unix_socket_dir": "",
            "auth_type": server.auth, "auth_file": f"{self.directory}/users", "pool_mode": mode,
            "default_pool_size": servers, "max_client_conn": 10000, "log_connections": 0,
            "log_disconnections": 0, **more}
        for name, path in (files or {}).items():
            settings[name] = shutil.copy(path, self.directory)
        lines = ["[databases]", f"* = host=127.0.0.1 port={server.port}", "[pgbouncer]",
                 *(f"{name} = {value}" for name, value in settings.items())]
        self._write("conf", "\n".join(lines) + "\n")
        with server.connect_locally() as truth:  # its own verifier: the same one logs in to the server
            secret = truth.execute(
                "SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'").fetchone()[0]
        self._write("users", f'"postgres" "{secret or ""}"\n')
        self._start("/usr/sbin/pgbouncer", "-q", f"{self.directory}/conf")


class Pgpool(Peer):
    """Debian's Pgpool-II with its query cache in shared memory: a process for each client."""

    def __init__(self, server, clients):
        self.port = harness.free_port()
        self._open_directory("pgpool")
        os.mkdir(f"{self.directory}/oids")
        settings = {
            "listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.directory,
            "pcp_listen_addresses": "", "pcp_port": harness.free_port(), "pcp_socket_dir": self.directory,
            "backend_clustering_mode": "raw", "backend_hostname0": "127.0.0.1", "backend_port0": server.port,
            "backend_flag0": "DISALLOW_TO_FAILOVER", "num_init_children": clients, "max_pool": 1,
            "memory_cache_enabled": "on", "memqcache_method": "shmem", "memqcache_total_size": "64MB",
            "memqcache_oiddir": f"{self.directory}/oids", "pid_file_name": f"{self.directory}/pid",
            "logdir": self.directory, "log_min_messages": "error", "use_watchdog": "off",
        }
        self._write("conf", "".join(f"{name} = '{value}'\n" for name, value in settings.items()))
        self._write("pcp", "")
        self._start("/usr/sbin/pgpool", "-n", "-f", f"{self.directory}/conf", "-F", f"{self.directory}/pcp")


class Redis(Peer):
    """Debian's Redis, which writes nothing to disk, with one value of so many bytes under KEY."""

    KEY = "bench"

    def __init__(self, value_bytes):
        self.port = harness.free_port()
        self._open_directory("redis")
        self.socket = f"{self.directory}/socket"
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
             "--appendonly", "no", "--unixsocket", self.socket, "--dir", self.directory],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        harness.wait_until(lambda: self._cli("SET", self.KEY, "x" * value_bytes) == "OK",
                           what="Redis to answer", every=0.1)

    def _cli(self, *command):
        return subprocess.run(["redis-cli", "-p", str(self.port), *command], capture_output=True,
                              text=True).stdout.strip()


class Canned(Peer):
    """The floor: build/canned_server."""

    def __init__(self):
        self.port = harness.free_port()
        self._open_directory("canned")
        self.socket_directory = self.directory
        self.process = subprocess.Popen(
            [ROOT / "build" / "canned_server", str(self.port),
             f"{self.directory}/.s.PGSQL.{self.port}"], stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise SystemExit("the canned server did not start")
