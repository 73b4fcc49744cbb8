"""What the console says of an application's statements, and how it is shown."""

import collections
import re
import threading

import harness

# The reason that SHOW STATEMENTS keeps is a statement's last; few have had another. It shows the
# thousand that were called most: where every text is another (Django's moments in them), some of
# those that were called once are not seen.
MAX_REASONS = 14
MAX_MISSED = 6
POLL_S = 0.1
VERB = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*([a-z]+)", re.IGNORECASE | re.DOTALL)
READS = ("SELECT", "WITH", "VALUES", "TABLE")
COUNTS = ("calls", "hits", "misses", "bypasses")


def one_line(query):
    return re.sub(r"\s+", " ", query).strip()


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
        stats = {row["name"]: int(row["value"])
                 for row in self._show("STATS") + self._show("CACHE")}
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
        rest = collections.defaultdict(lambda: {"calls": 0, "example": "", "most": 0})
        missed = []
        for query, after in self._statements_after.items():
            counts = {name: after[name] - self._statements[query][name] for name in COUNTS}
            total.update(counts)
            word = verb(query)
            if word in READS:
                reads.update(counts)
            if counts["misses"] > 0:
                missed.append({"misses": counts["misses"], "hits": counts["hits"],
                               "example": one_line(query)})
            if counts["bypasses"] == 0:
                continue
            entry = rest[self._because.get(query, "?"), word]
            entry["calls"] += counts["bypasses"]
            if counts["bypasses"] > entry["most"]:
                entry["most"] = counts["bypasses"]
                entry["example"] = one_line(query)
        ordered = sorted(rest.items(), key=lambda each: -each[1]["calls"])
        return {
            "calls": moved["requests_total"],
            **{name: moved[f"{name}_total"] for name in ("hits", "misses", "bypasses")},
            "reads": {name: reads[name] for name in COUNTS},
            "seen_by_statement": total["calls"],
            "writes": moved["writes_total"],
            "writes_to_anything": moved["writes_to_anything_total"],
            "local_transactions": moved["local_transactions_total"],
            "pins": moved["pins_total"],
            "pinned_ms": moved["pinned_microseconds_total"] // 1000,
            "audits": moved["audits_total"],
            "found_invalidated": moved["cache_invalidations_total"],
            "found_expired": moved["cache_expirations_total"],
            "sessions": len(self._reasons),
            "sessions_because": collections.Counter(
                reason for reasons in self._reasons.values() for reason in reasons),
            "rest": [{"because": because, "verb": word, "calls": entry["calls"],
                      "example": entry["example"]}
                     for (because, word), entry in ordered],
            "missed": sorted(missed, key=lambda each: -each["misses"])[:MAX_MISSED],
        }


def percent(part, whole):
    return f"{100 * part / whole:.1f} %" if whole else "-"


def show(results):
    print(f"\n{'application':<32}{'calls':>8}{'cacheable':>11}{'of reads':>10}{'memory':>9}"
          f"{'writes':>8}{'anything':>10}{'pins':>6}"
          f"{'pinned ms':>11}{'audits':>8}  answers")
    for name, result in results.items():
        same = "differ" if result["differences"] else f"{result['answers']} equal"
        for phase, f in result["phases"].items():
            reads = f["reads"]
            print(f"{name + ', ' + phase:<32}{f['calls']:>8}"
                  f"{percent(f['hits'] + f['misses'], f['calls']):>11}"
                  f"{percent(reads['hits'] + reads['misses'], reads['calls']):>10}"
                  f"{percent(f['hits'], f['calls']):>9}{f['writes']:>8}"
                  f"{f['writes_to_anything']:>10}{f['pins']:>6}{f['pinned_ms']:>11}"
                  f"{f['audits']:>8}  {same}")
    for name, result in results.items():
        for line in result["differences"]:
            print(f"\n{name} was answered otherwise:\n{line}")
        for phase, f in result["phases"].items():
            print(f"\n{name}, {phase}: the rest "
                  f"(SHOW STATEMENTS has {f['seen_by_statement']} of the {f['calls']} calls)")
            for reason, sessions in f["sessions_because"].items():
                print(f"  {sessions} of {f['sessions']} sessions {reason}")
            for entry in f["rest"][:MAX_REASONS]:
                print(f"  {entry['calls']:>7}  {entry['because']}: {entry['example'][:130]}")
            print(f"{name}, {phase}: cacheable, and most often not in memory")
            print(f"  of {f['misses']} misses {f['found_invalidated']} found what a write had made "
                  f"invalid, {f['found_expired']} what was past its age")
            for entry in f["missed"]:
                print(f"  {entry['misses']:>7}  (hits: {entry['hits']})  {entry['example'][:200]}")
    print()
