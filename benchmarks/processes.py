"""What the kernel says of processes: processor time, memory; and what a measuring one asks of it."""

import contextlib
import os
import pathlib
import re
import resource
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")


def stat(pid):
    """The fields of /proc/PID/stat behind the command, which may contain blanks."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return text.rsplit(")", 1)[1].split()


def cpu_seconds(pid):
    """A process, the children that it has reaped, and those that live."""
    for _ in range(3):
        own = [int(field) for field in stat(pid)[11:15]]
        total = sum(own)
        for child in children(pid):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                total += sum(int(field) for field in stat(child)[11:13])
        # Else one that was not counted among the reaped may not have been found alive either.
        if [int(field) for field in stat(pid)[13:15]] == own[2:]:
            break
    return total / TICKS


def machine_cpu_seconds():
    """Of all processes, with what the kernel did besides and what the host took away."""
    fields = pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    return sum(int(field) for number, field in enumerate(fields) if number not in (3, 4)) / TICKS


def children(pid):
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def rss_bytes(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(re.search(r"VmRSS:\s+(\d+)", text).group(1))


class PeakRss:
    """Looks at a process's memory every few milliseconds while the `with` lasts."""

    def __init__(self, pid, every=0.01):
        self._pid, self._every = pid, every
        self._over = threading.Event()

    def __enter__(self):
        self.before = self.peak = rss_bytes(self._pid)
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def _look(self):
        while not self._over.wait(self._every):
            self.peak = max(self.peak, rss_bytes(self._pid))

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    @property
    def growth(self):
        return self.peak - self.before


class Costs:
    """The processor seconds that named processes have used since this was made."""

    def __init__(self, **pids):
        self._pids = {name: pid for name, pid in pids.items() if pid is not None}
        self._since, self._before = time.monotonic(), self._read()

    def _read(self):
        return {name: cpu_seconds(pid) for name, pid in self._pids.items()}

    def spent(self):
        return {name: now - self._before[name] for name, now in self._read().items()}

    def elapsed(self):
        return time.monotonic() - self._since


def allow_files(count):
    """As many open files as that, for this process and those that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= count:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(count, hard)))
    except (ValueError, PermissionError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        if hard < count:
            raise SystemExit(f"{count} open files are needed, {hard} are allowed") from None


def be_nice(by):
    """Less than 0: ahead of others, where that is allowed. Returns what it has become."""
    with contextlib.suppress(PermissionError):
        os.nice(by)
    return os.nice(0)


@contextlib.contextmanager
def first_in_line(*pids):
    """While the `with` lasts nobody of the usual scheduling class runs where a thread of these processes
    might (SCHED_FIFO), so that what is left of a delay is their own doing. PermissionError if that is not
    allowed."""
    def schedule(policy, priority):
        for pid in pids:
            for thread in os.listdir(f"/proc/{pid}/task"):
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setscheduler(int(thread), policy, os.sched_param(priority))

    schedule(os.SCHED_FIFO, 1)
    try:
        yield
    finally:
        schedule(os.SCHED_OTHER, 0)


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else None
