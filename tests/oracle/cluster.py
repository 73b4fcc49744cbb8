"""Two servers that cannot be told apart: the proxy's own, and its twin.

The twin is a copy of the first one's files, so that every OID is the same, and stays so as long as
both run the same statements. A temporary schema takes an OID when a backend of that number first
needs it; the numbers differ between the two, so all those schemas are made before the copy.
"""

import os
import shutil
import sys
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import harness  # noqa: E402
from harness import PostgresServer, Proxy, connect, free_port  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
MAX_CONNECTIONS = 48
# A statement that must wait for another session's transaction fails instead: in lockstep nobody
# will end that transaction meanwhile.
CONF = (f"max_connections = {MAX_CONNECTIONS}", "shared_buffers = 32MB", "autovacuum = off",
        "wal_level = minimal", "max_wal_senders = 0", "synchronous_commit = off")
LOCKSTEP_CONF = (*CONF, "lock_timeout = '60ms'", "max_parallel_workers_per_gather = 0")


def read_schema(name):
    with open(os.path.join(HERE, name)) as file:
        return file.read()


def make_temporary_schemas(server):
    """In as many backends at once as there may be."""
    backends = [connect(server) for _ in range(MAX_CONNECTIONS - 6)]
    for backend in backends:
        backend.execute("CREATE TEMPORARY TABLE once (a text)")
    for backend in backends:
        backend.close()


class Twin(PostgresServer):
    """A server that begins with a copy of another's files. REQUIRES: the other is stopped."""

    def __init__(self, original):  # pylint: disable=super-init-not-called
        self.__dict__.update(original.__dict__)
        self.port = free_port()
        self.process = None
        self.directory = original.directory + "-twin"
        os.mkdir(self.directory)
        harness.atexit.register(self.remove)
        if self._identity:
            os.chown(self.directory, self._identity["user"], self._identity["group"])
        self.data = os.path.join(self.directory, "data")
        shutil.copytree(original.data, self.data)
        for folder, _, files in os.walk(self.data):
            for path in (folder, *(os.path.join(folder, name) for name in files)):
                if self._identity:
                    os.chown(path, self._identity["user"], self._identity["group"])
        os.chmod(self.data, 0o700)
        conf = os.path.join(self.data, "postgresql.auto.conf")
        with open(conf) as file:
            text = file.read()
        text = text.replace(original.directory, self.directory)
        text = text.replace(f"port = {original.port}\n", f"port = {self.port}\n")
        self._write("postgresql.auto.conf", text)


def start_pair(schema):
    original = PostgresServer(conf=LOCKSTEP_CONF).start()
    with original.connect_locally() as connection:
        connection.execute(schema)
    make_temporary_schemas(original)
    original.stop()
    twin = Twin(original)
    return original.start(), twin.start()


def start_proxy(server, *flags):
    """The proxy is the only writer, so that age hides no missing invalidation."""
    proxy = Proxy(server, "--sole-writer", "--max-server-connections", str(MAX_CONNECTIONS - 10),
                  *flags, http=True)
    return proxy.wait_for_catalog()


def figures(proxy):
    """The proxy's own counters."""
    if harness.DIRECT:
        return {}
    with urllib.request.urlopen(f"http://127.0.0.1:{proxy.http_port}/metrics") as page:
        lines = page.read().decode().splitlines()
    return {line.split()[0].removeprefix("pgsidecar_"): int(float(line.split()[1]))
            for line in lines if line and line[0] != "#"}


def show_figures(of):
    return ", ".join(f"{of.get(name + '_total', 0)} {name}" for name in ("hits", "misses", "bypasses"))
