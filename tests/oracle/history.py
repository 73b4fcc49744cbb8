"""What a history of reads and acknowledged writes proves.

A version is known from the moment that somebody was told of it: its writer by the acknowledgement,
a reader by an answer. A read that begins after that must show it, or a later one; that is
read-your-writes, no stale reads, and nobody seeing old after somebody saw new, all at once. And no
read may show a version that nobody had begun to write.
"""

from bisect import bisect_left
from collections import defaultdict

from traffic import FIRST_VERSION

MAX_SHOWN = 5
WINDOW_NS = 3_000_000


def check(records):
    """What is wrong, as texts."""
    reads, told, started = defaultdict(list), defaultdict(list), defaultdict(list)
    for record in records:
        for event in record.reads:
            reads[event[0]].append(event)
            told[event[0]].append((event[3], event[1], "read", event))
        for event in record.writes:
            told[event[0]].append((event[3], event[1], "write", event))
        for group, began in record.started:
            started[group].append(began)
    wrong = []
    for group, of_group in reads.items():
        wrong += check_group(group, of_group, sorted(told[group], key=lambda t: t[0]),
                             sorted(started[group]))
    return wrong


def check_group(group, reads, told, started):
    times = [each[0] for each in told]
    newest, most = [], None  # the highest version among the first i+1
    for each in told:
        most = each if most is None or each[1] > most[1] else most
        newest.append(most)
    wrong = []
    for event in reads:
        _, version, began, ended, _, _ = event
        before = bisect_left(times, began)
        if before and newest[before - 1][1] > version:
            wrong.append(stale(group, event, newest[before - 1], told))
        if version > FIRST_VERSION + bisect_left(started, ended):
            wrong.append(f"{group}: version {version} was read before anybody had written it:"
                         f" {line(event, began)}")
        if len(wrong) >= MAX_SHOWN:
            break
    return wrong


def line(event, zero):
    _, version, began, ended, session, text = event
    return (f"version {version}, {(began - zero) / 1e3:+.0f}..{(ended - zero) / 1e3:+.0f} us,"
            f" session {session}: {text}")


def stale(group, event, known, told):
    """The read, what it should have shown, and what happened around it."""
    began = event[2]
    around = [f"    {kind:5} {line(other, began)}" for at, _, kind, other in told
              if began - WINDOW_NS < at < event[3] + WINDOW_NS][:40]
    return "\n".join((f"{group}: stale: {line(event, began)}",
                      f"  known by then: a {known[2]} of {line(known[3], began)}", *around))
