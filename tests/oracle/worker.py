"""One process of full-speed sessions: an event loop over raw connections.

Run with the port, the seed, the numbers of its sessions and the seconds; writes a pickled Record
and, if one answer was wrong by itself, what was wrong, to standard output.
"""

import pickle
import random
import selectors
import sys
import time

from link import READY, Link
from traffic import Mixture, Record, Traffic

USERS = ("app", "app", "app", "alice")


class Client:
    def __init__(self, number, port, seed, record):
        self.port = port
        self.user = USERS[number % len(USERS)]
        rng = random.Random(f"{seed}/{number}")
        self.traffic = Traffic(number, self.user, rng, record, calm=number % 4 != 3)
        self.steps = self.traffic.run()
        self.connect()
        self.request = next(self.steps)

    def connect(self):
        self.link = Link.login(self.port, user=self.user, database="postgres")
        self.socket = self.link.socket
        self.socket.settimeout(30)
        self.data = b""

    def send(self):
        """Sends the request; a session that vanishes comes back and goes on. Returns whether the
        socket is another one now."""
        vanishes = isinstance(self.request, tuple)
        self.began = time.monotonic_ns()
        self.socket.sendall(self.request[1] if vanishes else self.request)
        if not vanishes:
            return False
        self.socket.close()
        self.connect()
        self.request = self.steps.send((self.began, time.monotonic_ns(), b""))
        self.send()
        return True

    def on_readable(self):
        """Returns whether an answer was complete and the next request was made."""
        piece = self.socket.recv(262144)
        if not piece:
            raise Mixture(f"session {self.traffic.number}: connection closed, had {self.data!r}")
        self.data += piece
        if self.data[-6:-1] != READY:
            return False
        ended = time.monotonic_ns()
        answer, self.data = self.data, b""
        self.traffic.record.requests += 1
        self.request = self.steps.send((self.began, ended, answer))
        return True


def run(port, seed, numbers, seconds, record):
    clients = [Client(number, port, seed, record) for number in numbers]
    poll = selectors.DefaultSelector()
    for client in clients:
        client.send()
        poll.register(client.socket, selectors.EVENT_READ, client)
    last_answer = time.monotonic()
    deadline = last_answer + seconds
    while time.monotonic() < deadline:
        ready = poll.select(1)
        if ready:
            last_answer = time.monotonic()
        elif time.monotonic() > last_answer + 30:
            raise Mixture("no answer to anybody for 30 s")
        for key, _ in ready:
            client = key.data
            if not client.on_readable():
                continue
            old = client.socket
            if client.send():
                poll.unregister(old)
                poll.register(client.socket, selectors.EVENT_READ, client)


def main():
    port, seed, numbers, seconds = sys.argv[1:]
    wrong = None
    record = Record()
    try:
        run(int(port), seed, [int(n) for n in numbers.split(",")], float(seconds), record)
    except Mixture as error:
        wrong = str(error)
    pickle.dump((record, wrong), sys.stdout.buffer)


if __name__ == "__main__":
    main()
