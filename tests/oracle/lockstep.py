"""Lockstep: one step at a time, through the proxy and to the twin; both must answer alike.

Answers are compared byte for byte. What is set aside when they are not equal: where asynchronous
messages stand (ParameterStatus is compared as a state, notifications as a sequence at the end), the
order of rows that no ORDER BY decides, an error's source line, and the tuple that a lock timeout
names. Nothing else.
"""

from collections import Counter, deque
import time

import cluster
from cluster import harness
from link import Link, show, split
import wire as w

from step import CATALOG
from workload import World

KEEP = 60            # how many statements a report shows
SAMPLE_LAST = 40     # every so many reads are asked how they were answered
SOURCE_LINE = set("FLR")


class Difference(Exception):
    pass


class Denied(Exception):
    """A statement had to be prepared again, on another server connection, after REVOKE USAGE ON SCHEMA,
    for which PostgreSQL asks only when it prepares, or after a change of standard_conforming_strings."""


DENIALS = {("42501", "permission denied for schema "), ("0A000", "cannot prepare the statement again ")}


def is_denied(messages):
    errors = [w.error_fields(body) for kind, body in messages if kind == b"E"]
    return any(error.get("C") == code and error["M"].startswith(text)
               for error in errors for code, text in DENIALS)


class Pair:
    """One session's two connections."""

    def __init__(self, session, proxy_port, twin_port):
        self.ports = (proxy_port, twin_port)
        self.notified = ([], [])
        self.open(session)

    def open(self, session):
        arguments = {"user": session.user, "database": "postgres", **session.startup}
        self.links = tuple(Link.login(port, **arguments) for port in self.ports)
        for link in self.links:
            link.timeout = harness.PATIENCE_S
            link.socket.settimeout(harness.PATIENCE_S)
        self.check_parameters()

    def close(self):
        for link in self.links:
            link.close()

    def check_parameters(self):
        proxied, direct = (link.parameters for link in self.links)
        if proxied != direct:
            changed = {name: (proxied.get(name), direct.get(name))
                       for name in {*proxied, *direct} if proxied.get(name) != direct.get(name)}
            raise Difference(f"parameters differ (proxy, twin): {changed}")

    def take_asynchronous(self, side, data):
        """Notes parameters and notifications; the rest of the messages."""
        rest = []
        for kind, body in split(data):
            if kind == b"S":
                name, value = body.split(b"\0")[:2]
                self.links[side].parameters[name.decode()] = value.decode()
            elif kind == b"A":
                self.notified[side].append(body[4:])  # without the pid
            else:
                rest.append((kind, body))
        return rest


def normalise(messages, step):
    rows, rest = [], []
    for kind, body in messages:
        if kind == b"D":
            if not step.volatile:
                rows.append(body)
            if not step.sort:
                rest.append((kind, None if step.volatile else body))
        elif kind in (b"E", b"N"):
            fields = w.error_fields(body)
            dropped = SOURCE_LINE | ({"W"} if fields.get("C") == "55P03" else set())
            rest.append((kind, {k: v for k, v in fields.items() if k not in dropped}))
        else:
            rest.append((kind, body))
    return rest, sorted(rows) if step.sort else None


class Lockstep:
    def __init__(self, seed, sessions=8, proxy_flags=(), verbose=False):
        self.seed = seed
        self.verbose = verbose
        self.server, self.twin = cluster.start_pair(cluster.read_schema("schema.sql"))
        self.proxy = cluster.start_proxy(self.server, *proxy_flags)
        self.watches = [harness.connect(self.server), harness.connect(self.twin)]
        self.world = World(seed, sessions)
        self.pairs = [Pair(s, self.proxy.port, self.twin.port) for s in self.world.sessions]
        self.log = deque(maxlen=KEEP)
        self.steps = self.reads = self.writes = self.errors = self.denied = 0
        self.said = Counter()  # how the sampled reads were answered
        self.started = time.monotonic()

    def run(self, steps=None, seconds=None):
        """Raises Difference with a report of how it came to it."""
        deadline = None if seconds is None else time.monotonic() + seconds
        try:
            while (steps is None or self.steps < steps) and (
                    deadline is None or time.monotonic() < deadline):
                session, step = self.world.next()
                self.steps += 1
                self.log.append(f"{self.steps:7} s{session.index} {session.user:8}"
                                f" {session.status} {step.text}")
                if self.verbose:
                    print(self.log[-1], flush=True)
                self.take(session, self.pairs[session.index], step)
            self.check_notifications()
        except (Difference, w.ConnectionClosed, OSError, AssertionError) as error:
            raise Difference(self.report(error)) from error
        return self

    def take(self, session, pair, step):
        if step.action == "reconnect":
            return self.reconnect(session, pair)
        if step.action == "cancel":
            return self.cancel(session, pair, step)
        proxied, direct = pair.links
        direct.send(*step.batches)
        answers = []
        for batch in step.batches:
            proxied.socket.sendall(batch)
            answers.append(proxied.collect())
        self.reads += step.reads
        self.writes += step.kind != "read"
        expected = direct.collect_several(len(step.batches))
        try:
            failed = self.check_all(session, pair, step, answers, expected)
        except Denied:
            self.denied += 1
            return self.reconnect(session, pair)
        if step.then and not failed:
            step.then(session)
        if step.volatile or (step.reads and self.reads % SAMPLE_LAST < step.reads):
            self.ask_last(session, pair, step)

    def check_all(self, session, pair, step, answers, expected):
        failed = False
        for mine, theirs in zip(answers, expected):
            failed |= self.check(pair, step, mine, theirs)
        if step.prepares and b"1" in (kind for kind, _ in split(answers[-1])):
            session.prepared.add(step.prepares)
        session.status = chr(answers[-1][-1])
        if session.status == "I":
            session.locks = "read"
        elif step.kind == CATALOG or session.locks == CATALOG:
            session.locks = CATALOG
        elif step.kind == "write":
            session.locks = step.kind
        return failed

    def check(self, pair, step, mine, theirs):
        """Whether the answer was an error."""
        messages = pair.take_asynchronous(0, mine)
        expected = pair.take_asynchronous(1, theirs)
        if mine != theirs and normalise(messages, step) != normalise(expected, step):
            is_prepared = ("[named]" in step.text or "[parsed once]" in step.text
                           or step.text.startswith("Describe "))
            if is_prepared and step.kind == "read" and is_denied(messages) and not is_denied(expected):
                raise Denied()
            raise Difference(f"answers differ\n  proxy: {show(mine)}\n  twin:  {show(theirs)}")
        if mine[:1] == b"S" or b"S" in (kind for kind, _ in split(mine)) or mine != theirs:
            pair.check_parameters()
        kinds = {kind for kind, _ in messages}
        self.errors += b"E" in kinds
        return b"E" in kinds

    def ask_last(self, session, pair, step):
        """How the previous statement was answered. The twin is asked something as harmless."""
        if session.status == "E" or harness.DIRECT:
            return
        said = pair.links[0].query("SHOW pgsidecar.last")[0][0]
        pair.links[1].query("SHOW server_version")
        if not step.volatile:
            self.said[said] += 1
        if step.volatile and said == "hit":
            raise Difference("a hit for what no cache may know")

    def reconnect(self, session, pair):
        pair.close()
        self.world.begin_life(session)
        self.log[-1] += f" with {session.startup}, never {sorted(session.calm)}"
        time.sleep(0.01)
        open_elsewhere = len(self.world.others(session))
        harness.wait_until(lambda: self.in_transaction() <= open_elsewhere,
                           what="the abandoned transaction to end")
        live = len(self.pairs) - 1
        harness.wait_until(lambda: self.twin_backends() <= live, what="the twin's backend to end")
        pair.open(session)

    def in_transaction(self):
        return self.watches[0].execute(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            " AND state <> 'idle' AND pid <> pg_backend_pid()").fetchone()[0]

    def twin_backends(self):
        return self.watches[1].execute(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            " AND pid <> pg_backend_pid()").fetchone()[0]

    def cancel(self, session, pair, step):
        """Until the query has ended: a request that comes before it begins does nothing."""
        answers = []
        for link, port in zip(pair.links, pair.ports):
            link.send(*step.batches)
            for _ in range(100):
                time.sleep(0.02)
                w.cancel(port, link.backend_key)
                link.socket.settimeout(0.5)
                try:
                    answers.append([link.collect()])
                    break
                except TimeoutError:
                    continue
            link.socket.settimeout(harness.PATIENCE_S)
        if len(answers) != 2:
            raise Difference("a query that cannot be cancelled")
        self.check_all(session, pair, step, *answers)

    def check_notifications(self):
        """What is still on its way comes with the next answer."""
        def all_alike():
            for pair in self.pairs:
                for side, link in enumerate(pair.links):
                    link.socket.sendall(w.query("SHOW server_version"))
                    pair.take_asynchronous(side, link.collect())
            return all(pair.notified[0] == pair.notified[1] for pair in self.pairs)
        harness.wait_until(all_alike, seconds=5, every=0.1, what="the same notifications on both")

    def summary(self):
        elapsed = time.monotonic() - self.started
        figures = cluster.figures(self.proxy)
        return (f"lockstep seed {self.seed}: {self.steps} steps, {self.reads} reads compared"
                f" ({self.reads / elapsed:.0f}/s), {self.writes} writes, {self.errors} errors alike,"
                f" {self.denied} prepared again in vain,"
                f" {cluster.show_figures(figures)},"
                f" sampled reads: {self.show_said()}, {elapsed / 60:.2f} min")

    def show_said(self):
        return ", ".join(f"{count} {said}" for said, count in self.said.most_common())

    def report(self, error):
        return "\n".join((
            f"lockstep FAILED: seed {self.seed}, step {self.steps}: {error}",
            f"the last {len(self.log)} steps (step, session, user, transaction status, statement):",
            *self.log, f"again: tests/oracle/run lockstep --seed {self.seed} --steps {self.steps}"))

    def stop(self):
        for pair in self.pairs:
            pair.close()
        for watch in self.watches:
            watch.close()
        self.proxy.stop()
        self.server.remove()
        self.twin.remove()
