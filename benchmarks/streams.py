"""Large results and large COPYs, through the proxy and directly.

    streams.py [--megabytes N] [--rounds N] [--output FILE]

Rows of 1000 bytes, all told so many megabytes: as a result in the simple and in the extended protocol, by
COPY TO STDOUT, and by COPY FROM STDIN into an unlogged table. The client reads a megabyte at a time and
looks at nothing but the end of what it reads: its rows hold no other byte than x. Where the server is at
work all the time (`server busy`) it is the server that sets the pace. The ways take turns within a round, and
another is the first of them in each: what a COPY FROM has left to be written to disk costs the next. The
median of the rounds is shown. PgBouncer is there for comparison. A proxy's memory is looked at all the while;
what is shown is the most that it grew by in any round over what it was before the stream.
"""

import pathlib
import socket
import statistics
import struct
import sys
import time

import processes
import results

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "integration"))

import harness  # noqa: E402
import peers  # noqa: E402
import wire  # noqa: E402

ROW_BYTES = 1000
CHUNK = 1 << 20
COPY_MESSAGE = 8192  # as psql sends them
READY = b"Z\0\0\0\5I"
STALLED_S = 60
WAYS = ("direct", "pgsidecar", "pgsidecar, cache off", "PgBouncer")
LEAST_RATIO, MOST_GROWTH_MIB = 0.9, 4


def rows_of(megabytes):
    return megabytes * 1_000_000 // ROW_BYTES


def select(megabytes):
    return f"SELECT repeat('x', {ROW_BYTES}) FROM generate_series(1, {rows_of(megabytes)})"


def read_to_the_end(connection):
    """How many bytes came up to and with ReadyForQuery."""
    buffer = memoryview(bytearray(CHUNK))
    total, tail = 0, b""
    while tail != READY:
        count = connection.recv_into(buffer)
        if count == 0:
            raise SystemExit(f"closed after {total} bytes: {tail!r}")
        total += count
        tail = (tail + bytes(buffer[max(0, count - len(READY)):count]))[-len(READY):]
    return total


def receive(*messages):
    def run(connection):
        connection.sendall(b"".join(messages))
        return read_to_the_end(connection)
    return run


def copy_in(megabytes):
    line = b"x" * (ROW_BYTES - 1) + b"\n"
    lines = line * (CHUNK // ROW_BYTES)
    chunk = b"".join(wire.copy_data(lines[at:at + COPY_MESSAGE])
                     for at in range(0, len(lines), COPY_MESSAGE))
    count = max(1, megabytes * 1_000_000 // len(lines))

    def run(connection):
        connection.sendall(wire.query("COPY stream FROM STDIN"))
        if connection.recv(5)[:1] != b"G":
            raise SystemExit("COPY FROM was refused")
        for _ in range(count):
            connection.sendall(chunk)
        connection.sendall(wire.COPY_DONE)
        read_to_the_end(connection)
        return count * len(chunk)
    return run


def streams(megabytes):
    sql = select(megabytes)
    return {
        "simple query": receive(wire.query(sql)),
        "extended query": receive(wire.parse(sql), wire.bind(), wire.execute(), wire.SYNC),
        "COPY TO": receive(wire.query(f"COPY ({sql}) TO STDOUT")),
        "COPY FROM": copy_in(megabytes),
    }


def measured(server, target, run):
    """One stream on a connection of its own."""
    with wire.Wire.login(target.port) as client:
        client.query("TRUNCATE stream")
        client.socket.settimeout(None)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            client.socket.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", STALLED_S, 0))
        pid = None if target is server else target.process.pid
        costs = processes.Costs(server=server.process.pid, proxy=pid)
        own = time.process_time()
        with processes.PeakRss(pid or server.process.pid) as memory:
            size = run(client.socket)
            elapsed = costs.elapsed()
        spent = costs.spent()
    result = {"mb_per_s": size / 1e6 / elapsed, "server_busy": spent["server"] / elapsed,
              "client_busy": (time.process_time() - own) / elapsed}
    if pid:
        result["proxy_s_per_gb"] = spent["proxy"] / size * 1e9
        result["growth_kib"] = memory.growth / 1024
    return size, result


def measure(options):
    server = harness.PostgresServer(conf=("shared_buffers = 128MB", "max_wal_size = 4GB")).start()
    with server.connect_locally() as connection:
        connection.execute("CREATE UNLOGGED TABLE stream (line text)")
    targets = dict(zip(WAYS, (
        server, harness.Proxy(server).wait_for_catalog(),
        harness.Proxy(server, "--cache", "off").wait_for_catalog(), peers.PgBouncer(server, "session", 10))))
    runs = {}
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
        for name, run in streams(options.megabytes).items():
            sizes = set()
            for way in WAYS[number % len(WAYS):] + WAYS[:number % len(WAYS)]:
                size, result = measured(server, targets[way], run)
                sizes.add(size)
                runs.setdefault((name, way), []).append(result)
            if len(sizes) != 1:
                raise SystemExit(f"{name}: not the same bytes by each way: {sizes}")
    for way in WAYS[1:]:
        targets[way].stop()
    server.remove()
    return {"streams": [
        {"stream": name, "way": way,
         **{key: round((max if key == "growth_kib" else statistics.median)(run[key] for run in done), 3)
            for key in done[0]}}
        for (name, way), done in runs.items()]}


def goals(streams):
    by = {(run["stream"], run["way"]): run for run in streams}
    for name in dict.fromkeys(run["stream"] for run in streams):
        yield results.goal(f"{name}: throughput, pgsidecar / direct",
                           by[name, "pgsidecar"]["mb_per_s"] / by[name, "direct"]["mb_per_s"],
                           at_least=LEAST_RATIO)
        yield results.goal(f"{name}: growth of pgsidecar's memory",
                           by[name, "pgsidecar"]["growth_kib"] / 1024, at_most=MOST_GROWTH_MIB, unit="MiB")


def show(streams):
    print(f"\n{'stream':<16}{'way':<22}{'MB/s':>7}{'of direct':>11}{'proxy CPU s/GB':>16}{'server busy':>13}"
          f"{'client busy':>13}{'memory +MiB':>13}")
    direct = {run["stream"]: run["mb_per_s"] for run in streams if run["way"] == "direct"}
    for run in streams:
        proxied = "proxy_s_per_gb" in run
        print(f"{run['stream']:<16}{run['way']:<22}{run['mb_per_s']:>7.0f}"
              f"{run['mb_per_s'] / direct[run['stream']]:>11.2f}"
              + (f"{run['proxy_s_per_gb']:>16.2f}" if proxied else f"{'-':>16}")
              + f"{run['server_busy']:>13.0%}{run['client_busy']:>13.0%}"
              + (f"{run['growth_kib'] / 1024:>13.1f}" if proxied else f"{'-':>13}"))


def main():
    parser = results.parser(__doc__, "streams")
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=len(WAYS))
    options = parser.parse_args()
    measured = measure(options)
    measured["goals"] = list(goals(measured["streams"]))
    show(measured["streams"])
    results.show_goals(measured["goals"])
    results.write(options, measured, ("pgsidecar", "postgresql", "pgbouncer"))


if __name__ == "__main__":
    main()
