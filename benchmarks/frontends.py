"""Clients that cost the machine little: plain sockets, packets made beforehand, epoll.

log_in: a client that says nothing more by itself.
ask_steadily: a process of its own that asks at a fixed rate and notes how long each answer took.
connect_steadily: a process of its own that opens so many connections a second; each logs in and goes.
"""

import collections
import contextlib
import itertools
import multiprocessing
import pathlib
import select
import socket
import struct
import sys
import time

import processes

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "integration"))

import peers  # noqa: E402
import wire  # noqa: E402

STARTUP = wire.startup_packet({"user": "postgres", "database": "postgres"})
READY = b"Z\0\0\0\5I"


def log_in(port, context=None):
    """A client of a server that asks for no password; with a context within TLS."""
    client = socket.create_connection(("127.0.0.1", port), timeout=30)
    if context is not None:
        client.sendall(wire.SSL_REQUEST)
        if client.recv(1) != b"S":
            raise SystemExit("TLS was refused")
        client = context.wrap_socket(client)
    client.sendall(STARTUP)
    read_to_the_end(client)
    return client


def read_to_the_end(client):
    said = b""
    while not said.endswith(READY):
        data = client.recv(65536)
        if not data:
            raise SystemExit(f"a client was disconnected: {said!r}")
        said += data


class Process:
    """Runs `work(pipe, ...)` in a process: that says "ready", and returns its result once told to stop."""

    def __init__(self, work, *arguments):
        self._pipe, other = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("fork").Process(
            target=self._run, args=(other, work, arguments), daemon=True)
        self._process.start()
        other.close()
        self.pid = self._process.pid
        self._receive()  # "ready"

    @staticmethod
    def _run(pipe, work, arguments):
        pipe.send(work(pipe, *arguments))

    def _receive(self):
        if not self._pipe.poll(60):
            raise SystemExit("a load generator does not answer")
        try:
            return self._pipe.recv()
        except EOFError:
            raise SystemExit("a load generator failed") from None

    def stop(self):
        """Its result."""
        self._pipe.send("stop")
        result = self._receive()
        self._process.join()
        return result


def ask(port, texts):
    """Twenty clients that ask these queries in turn, all told 500 a second."""
    return Process(ask_steadily, port, peers.PASSWORD, texts, 500, 20)


def ask_steadily(pipe, port, password, texts, per_second, connections):
    """(when it was sent, seconds until it was answered) of each query."""
    processes.be_nice(-10)  # what is measured is the target's delay and not this process's
    clients = [wire.Wire.login(port, password=password).socket for _ in range(connections)]
    for client, text in zip(itertools.cycle(clients), texts):  # from here on it is a hit
        client.sendall(wire.query(text))
        read_to_the_end(client)
    epoll = select.epoll()
    sent = {}
    for client in clients:
        client.setblocking(False)
        epoll.register(client, select.EPOLLIN)
        sent[client.fileno()] = collections.deque()
    by_number = {client.fileno(): client for client in clients}
    epoll.register(pipe.fileno(), select.EPOLLIN)
    queries = itertools.cycle([wire.query(text) for text in texts])
    turns = itertools.cycle(clients)
    pipe.send("ready")
    answers = []
    due = time.monotonic()
    while True:
        now = time.monotonic()
        if now >= due:
            client = next(turns)
            sent[client.fileno()].append(now)
            client.send(next(queries))
            due += 1 / per_second
            continue
        for number, _ in epoll.poll(due - now):
            if number == pipe.fileno():
                return answers
            data = by_number[number].recv(65536)
            if not data:
                raise SystemExit("a client that asks steadily was disconnected")
            now = time.monotonic()
            for _ in range(data.count(READY)):
                since = sent[number].popleft()
                answers.append((since, now - since))


class Login:
    """One connection of the storm."""

    def __init__(self, target, password):
        self._scram = wire.Scram(password)
        self._buffer = b""
        self._is_open = False
        self.started = time.monotonic()
        self.socket = socket.socket()
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            self.socket.connect(target)

    def advance(self, epoll):
        """Says what is to be said next. Whether the login is done, and the client has said goodbye."""
        if not self._is_open:
            self.socket.send(STARTUP)
            epoll.modify(self.socket, select.EPOLLIN)
            self._is_open = True
            return False
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("closed")
        self._buffer += data
        if self._buffer.endswith(READY):
            self.socket.send(wire.TERMINATE)
            return True
        while len(self._buffer) >= 5:
            length = 1 + struct.unpack_from("!i", self._buffer, 1)[0]
            if len(self._buffer) < length:
                break
            self._answer(self._buffer[:1], self._buffer[5:length])
            self._buffer = self._buffer[length:]
        return False

    def _answer(self, kind, body):
        if kind == b"E":
            raise wire.ServerError(body)
        if kind == b"R":
            code = struct.unpack_from("!i", body)[0]
            if code == 10:
                self.socket.send(self._scram.first())
            elif code == 11:
                self.socket.send(self._scram.final(body[4:]))


class Connecting:
    """Opens connections when they are due, unless `at_once` are under way."""

    def __init__(self, port, password, per_second, at_once):
        processes.be_nice(5)
        self._target, self._password = ("127.0.0.1", port), password
        self._per_second, self._at_once = per_second, at_once
        self._epoll = select.epoll()
        self._logins = {}
        self.took, self.late, self.errors = [], 0, collections.Counter()

    def run(self, pipe):
        self._epoll.register(pipe.fileno(), select.EPOLLIN)
        pipe.send("ready")
        due = time.monotonic()
        while True:
            self._open()
            due += 1 / self._per_second
            while True:
                left = due - time.monotonic()
                for which, _ in self._epoll.poll(max(0.0, left)):
                    if which == pipe.fileno():
                        return
                    self._advance(which)
                if left <= 0:
                    break

    def _open(self):
        if len(self._logins) >= self._at_once:
            self.late += 1
            return
        login = Login(self._target, self._password)
        self._logins[login.socket.fileno()] = login
        self._epoll.register(login.socket, select.EPOLLOUT)

    def _advance(self, which):
        login = self._logins[which]
        try:
            if not login.advance(self._epoll):
                return
            now = time.monotonic()
            self.took.append((now, now - login.started))
        except (OSError, wire.ServerError) as error:
            self.errors[f"{type(error).__name__}: {error}"[:120]] += 1
        self._epoll.unregister(which)
        login.socket.close()
        del self._logins[which]


def within(timed, begin, end):
    return [took for when, took in timed if begin <= when < end]


def milliseconds(seconds, percent):
    return 1e3 * (processes.percentile(seconds, percent) or 0)


def connect_steadily(pipe, *arguments):
    """(when it was done, seconds) of each login; how many others would have been too many at once; errors."""
    storm = Connecting(*arguments)
    storm.run(pipe)
    return {"took": storm.took, "late": storm.late, "errors": storm.errors.most_common(3)}
