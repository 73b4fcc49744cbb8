"""What the console says of an application's statements, and how it is shown."""

import collections
import re
import threading

import harness

# The reason that SHOW STATEMENTS keeps is a statement's last; few have had another.
MAX_REASONS = 12
POLL_S = 0.1
VERB = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*([a-z]+)", re.IGNORECASE | re.DOTALL)
WRITES = ("INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "COPY")
READS = ("SELECT", "WITH", "VALUES", "TABLE")
COUNTS = ("calls", "hits", "misses", "bypasses")


def verb(query):
    found = VERB.match(query)
    return found.group(1).upper() if found else "?"


class Observer:
    """Of what happens at a proxy while the context is open: how its figures have moved, and who was
    pinned or had to bypass the cache for good."""

    def __init__(self, proxy):
        self._console = harness.connect(proxy, dbname="pgsidecar")
        self._reasons = {}  # by client
        self._ended = threading.Event()
        self._poller = threading.Thread(target=self._poll)

    def __enter__(self):
        self._stats, self._statements = self._read()
        self._poller.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._poller.join()
        self._stats_after, self._statements_after = self._read()
        self._console.close()

    def _poll(self):
        while not self._ended.wait(POLL_S):
            self.look_at_clients()

    def _show(self, what):
        cursor = self._console.execute(f"SHOW {what}")
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row)) for row in cursor.fetchall()]

    def _read(self):
        stats = {row["name"]: int(row["value"]) for row in self._show("STATS")}
        statements = collections.defaultdict(collections.Counter)
        self._because = {}
        for row in self._show("STATEMENTS"):
            statements[row["query"]].update({name: int(row[name]) for name in COUNTS})
            if row["bypass_because"]:
                self._because[row["query"]] = row["bypass_because"]
        return stats, statements

    def look_at_clients(self):
        for row in self._show("CLIENTS"):
            reasons = [f"{name.split('_')[0]}: {row[name]}"
                       for name in ("pinned_because", "bypass_because") if row[name]]
            self._reasons.setdefault(row["id"], set()).update(reasons)

    def figures(self):
        moved = {name: value - self._stats[name] for name, value in self._stats_after.items()}
        total = collections.Counter()
        reads = collections.Counter()
        rest = collections.defaultdict(lambda: {"calls": 0, "example": "", "_most": 0})
        for query, after in self._statements_after.items():
            counts = {name: after[name] - self._statements[query][name] for name in COUNTS}
            total.update(counts)
            word = verb(query)
            if word in READS:
                reads.update(counts)
            if counts["bypasses"] == 0:
                continue
            entry = rest[self._because.get(query, "?"), word]
            entry["calls"] += counts["bypasses"]
            if counts["bypasses"] > entry["_most"]:
                entry["_most"] = counts["bypasses"]
                entry["example"] = re.sub(r"\s+", " ", query).strip()
        ordered = sorted(rest.items(), key=lambda each: -each[1]["calls"])
        return {
            **{name: total[name] for name in COUNTS},
            "reads": {name: reads[name] for name in COUNTS},
            "written": sum(entry["calls"] for (_, word), entry in rest.items() if word in WRITES),
            "not_counted_by_statement": moved["requests_total"] - total["calls"],
            "writes": moved["writes_total"],
            "writes_to_anything": moved["writes_to_anything_total"],
            "local_transactions": moved["local_transactions_total"],
            "pins": moved["pins_total"],
            "sessions": len(self._reasons),
            "sessions_because": collections.Counter(
                reason for reasons in self._reasons.values() for reason in reasons),
            "rest": [{"because": because, "verb": word, "calls": entry["calls"],
                      "example": entry["example"]}
                     for (because, word), entry in ordered],
        }


def percent(part, whole):
    return f"{100 * part / whole:.1f} %" if whole else "-"


def show(results):
    print(f"\n{'application':<32}{'calls':>8}{'cacheable':>11}{'of reads':>10}{'memory':>9}"
          f"{'writes':>8}{'anything':>10}{'pins':>6}  answers")
    for name, result in results.items():
        same = "differ" if result["differences"] else f"{result['answers']} equal"
        for phase, f in result["phases"].items():
            reads = f["reads"]
            print(f"{name + ', ' + phase:<32}{f['calls']:>8}"
                  f"{percent(f['hits'] + f['misses'], f['calls']):>11}"
                  f"{percent(reads['hits'] + reads['misses'], reads['calls']):>10}"
                  f"{percent(f['hits'], f['calls']):>9}{f['writes']:>8}"
                  f"{f['writes_to_anything']:>10}{f['pins']:>6}  {same}")
    for name, result in results.items():
        for line in result["differences"]:
            print(f"\n{name} was answered otherwise:\n{line}")
        for phase, f in result["phases"].items():
            print(f"\n{name}, {phase}: the rest")
            for reason, sessions in f["sessions_because"].items():
                print(f"  {sessions} of {f['sessions']} sessions {reason}")
            for entry in f["rest"][:MAX_REASONS]:
                print(f"  {entry['calls']:>7}  {entry['because']}: {entry['example'][:110]}")
    print()
