"""A frontend of PostgreSQL's protocol 3.0 in plain Python, one socket a connection.

It says exactly the bytes that a test wants said, in the order and the pieces that it wants, and
hands back the server's messages one by one. Nothing is buffered before it is sent.
"""

import base64
import functools
import hashlib
import hmac
import os
import socket
import struct
import time

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
GSSENC_REQUEST = struct.pack("!ii", 8, 80877104)


def message(kind, body=b""):
    return kind + struct.pack("!i", len(body) + 4) + body


def zero(text):
    return text.encode() + b"\0"


def startup_packet(parameters, version=196608):
    body = struct.pack("!i", version)
    body += b"".join(zero(key) + zero(value) for key, value in parameters.items()) + b"\0"
    return struct.pack("!i", len(body) + 4) + body


def query(sql):
    return message(b"Q", zero(sql))


def parse(sql, name="", types=()):
    body = zero(name) + zero(sql) + struct.pack("!H", len(types))
    return message(b"P", body + b"".join(struct.pack("!I", oid) for oid in types))


def bind(values=(), name="", portal="", formats=(), result_formats=()):
    body = zero(portal) + zero(name)
    body += struct.pack("!H", len(formats)) + b"".join(struct.pack("!h", f) for f in formats)
    body += struct.pack("!H", len(values))
    for value in values:
        if value is None:
            body += struct.pack("!i", -1)
        else:
            value = value if isinstance(value, bytes) else str(value).encode()
            body += struct.pack("!i", len(value)) + value
    body += struct.pack("!H", len(result_formats))
    return message(b"B", body + b"".join(struct.pack("!h", f) for f in result_formats))


def describe(kind=b"P", name=""):
    return message(b"D", kind + zero(name))


def execute(portal="", limit=0):
    return message(b"E", zero(portal) + struct.pack("!i", limit))


def close(kind, name):
    return message(b"C", kind + zero(name))


SYNC = message(b"S")
FLUSH = message(b"H")
TERMINATE = message(b"X")
COPY_DONE = message(b"c")


def copy_data(data):
    return message(b"d", data)


def copy_fail(reason):
    return message(b"f", zero(reason))


def function_call(oid, values, result_format=0):
    body = struct.pack("!IHHH", oid, 1, 0, len(values))
    for value in values:
        value = value if isinstance(value, bytes) else str(value).encode()
        body += struct.pack("!i", len(value)) + value
    return message(b"F", body + struct.pack("!h", result_format))


def row(body):
    """The fields of a DataRow, as bytes or None."""
    (count,) = struct.unpack_from("!H", body)
    at, fields = 2, []
    for _ in range(count):
        (length,) = struct.unpack_from("!i", body, at)
        at += 4
        if length < 0:
            fields.append(None)
        else:
            fields.append(body[at : at + length])
            at += length
    return fields


def error_fields(body):
    """The fields of an ErrorResponse or NoticeResponse: {"C": "42601", "M": ...}."""
    return {part[:1].decode(): part[1:].decode() for part in body.split(b"\0") if part}


class ServerError(Exception):
    def __init__(self, body):
        self.fields = error_fields(body)
        self.sqlstate = self.fields.get("C")
        super().__init__(f"{self.sqlstate}: {self.fields.get('M')}")


class ConnectionClosed(Exception):
    pass


@functools.cache
def scram_client_key(password, salt, iterations):
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), iterations)
    return hmac.digest(salted, b"Client Key", "sha256")


class Scram:
    """A client's side of SCRAM-SHA-256: the messages that it sends."""

    def __init__(self, password):
        self._password = password
        self._bare = "n=,r=" + base64.b64encode(os.urandom(18)).decode()

    def first(self):
        said = ("n,," + self._bare).encode()
        return message(b"p", zero("SCRAM-SHA-256") + struct.pack("!i", len(said)) + said)

    def final(self, challenge):
        challenge = challenge.decode()
        fields = dict(part.split("=", 1) for part in challenge.split(","))
        key = scram_client_key(self._password, fields["s"], int(fields["i"]))
        final = f"c=biws,r={fields['r']}"
        signed = ",".join((self._bare, challenge, final)).encode()
        signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
        return message(b"p", f"{final},p={proof}".encode())


class Wire:
    """One connection. Every read has a deadline: a test never hangs."""

    def __init__(self, port, timeout=15.0, host="127.0.0.1"):
        self.timeout = timeout
        self.socket = socket.create_connection((host, port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.parameters = {}
        self.backend_key = None
        self._buffer = b""

    @classmethod
    def login(cls, port, user="postgres", database="postgres", password=None, **parameters):
        wire = cls(port)
        try:
            wire.start(user, database, password, **parameters)
        except BaseException:
            wire.close()
            raise
        return wire

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, *messages):
        self.socket.sendall(b"".join(messages))

    def read_exactly(self, count):
        deadline = time.monotonic() + self.timeout
        while len(self._buffer) < count:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no answer within {self.timeout} s; got {self._buffer!r}")
            self.socket.settimeout(left)
            try:
                piece = self.socket.recv(65536)
            except ConnectionError as error:
                raise ConnectionClosed(str(error)) from error
            if not piece:
                raise ConnectionClosed(f"closed by the other side; had {self._buffer!r}")
            self._buffer += piece
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def read_message(self):
        header = self.read_exactly(5)
        (length,) = struct.unpack("!i", header[1:])
        return header[:1], self.read_exactly(length - 4)

    def read_until_ready(self):
        """Every message up to and with the next ReadyForQuery."""
        messages = []
        while True:
            messages.append(self.read_message())
            if messages[-1][0] == b"Z":
                return messages

    def read_until_closed(self):
        """Every message until the other side closes the connection."""
        messages = []
        try:
            while True:
                messages.append(self.read_message())
        except ConnectionClosed:
            return messages

    def start(self, user, database, password=None, **parameters):
        self.send(startup_packet({"user": user, "database": database, **parameters}))
        self.authenticate(user, password)

    def authenticate(self, user, password):
        while True:
            kind, body = self.read_message()
            if kind == b"E":
                raise ServerError(body)
            if kind == b"R":
                self._answer_challenge(body, user, password)
            elif kind == b"S":
                key, value = body.split(b"\0")[:2]
                self.parameters[key.decode()] = value.decode()
            elif kind == b"K":
                self.backend_key = body
            elif kind == b"Z":
                return

    def _answer_challenge(self, body, user, password):
        (code,) = struct.unpack_from("!i", body)
        if code == 3:
            self.send(message(b"p", zero(password)))
        elif code == 5:
            inner = hashlib.md5((password + user).encode()).hexdigest().encode()
            self.send(message(b"p", zero("md5" + hashlib.md5(inner + body[4:8]).hexdigest())))
        elif code == 10:
            self._scram(password)
        elif code not in (0, 12):
            raise AssertionError(f"unexpected authentication request {code}")

    def _scram(self, password):
        exchange = Scram(password)
        self.send(exchange.first())
        kind, body = self.read_message()
        if kind == b"E":
            raise ServerError(body)
        self.send(exchange.final(body[4:]))

    def query(self, sql):
        """A simple query: its rows as text; raises ServerError for an ErrorResponse."""
        self.send(query(sql))
        return self.rows(self.read_until_ready())

    def extended(self, sql, values=(), result_formats=()):
        """Parse, Bind, Describe, Execute, Sync on the unnamed statement: its rows."""
        self.send(parse(sql), bind(values, result_formats=result_formats), describe(), execute(),
                  SYNC)
        return self.rows(self.read_until_ready())

    @staticmethod
    def rows(messages):
        for kind, body in messages:
            if kind == b"E":
                raise ServerError(body)
        return [[f if f is None else f.decode(errors="replace") for f in row(body)]
                for kind, body in messages if kind == b"D"]

    def last(self):
        return self.query("SHOW pgsidecar.last")[0][0]


def kinds(messages):
    """The types of messages as one string, asynchronous ones left out: "1 2 T D C Z" as "12TDCZ"."""
    return b"".join(kind for kind, _ in messages if kind not in b"SNA").decode()


def cancel(port, backend_key):
    """Sends a CancelRequest on a connection of its own and waits until that is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(struct.pack("!ii", 8 + len(backend_key), 80877102) + backend_key)
        try:
            connection.recv(1)
        except ConnectionError:
            pass
