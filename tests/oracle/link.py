"""A raw connection for many short exchanges: one send, one receive, whole answers as bytes."""

import struct

import cluster  # noqa: F401  (finds tests/integration)
import wire as w

READY = b"Z\0\0\0\5"
HEADER = struct.Struct("!cI")


class Link(w.Wire):
    """A Wire whose answers are taken as bytes up to the ReadyForQuery that ends them."""

    def collect(self):
        """The answer to one batch of messages with one ReadyForQuery."""
        receive = self.socket.recv
        data = receive(262144)
        while data[-6:-1] != READY:
            more = receive(262144)
            if not more:
                raise w.ConnectionClosed(f"closed by the other side; had {data[-300:]!r}")
            data += more
        return data

    def collect_several(self, count):
        """The answers to `count` batches that were sent at once."""
        answers, rest = [], b""
        while len(answers) < count:
            at = 0
            rest += self.collect()
            start = 0
            while at < len(rest):
                kind, length = HEADER.unpack_from(rest, at)
                at += length + 1
                if kind == b"Z":
                    answers.append(rest[start:at])
                    start = at
            rest = rest[start:]
        return answers


def split(data):
    """The messages of an answer: [(type, body)]."""
    messages, at = [], 0
    while at < len(data):
        kind, length = HEADER.unpack_from(data, at)
        messages.append((kind, data[at + 5 : at + 1 + length]))
        at += length + 1
    return messages


def show(data):
    """An answer in words, for a report."""
    words = []
    for kind, body in split(data):
        if kind == b"D":
            words.append("D" + str([f if f is None else f.decode("utf8", "backslashreplace")
                                    for f in w.row(body)]))
        elif kind in b"EN":
            fields = w.error_fields(body)
            words.append(f"{kind.decode()}({fields.get('C')} {fields.get('M')})")
        elif kind in b"CSZA":
            words.append(f"{kind.decode()}({body.decode('utf8', 'backslashreplace')!r})")
        elif kind == b"T":
            words.append("T" + repr(body))
        else:
            words.append(kind.decode())
    return " ".join(words)
