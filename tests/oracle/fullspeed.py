"""Full speed: many sessions in several processes, and their history checked afterwards."""

import os
import pickle
import subprocess
import sys
import time

import cluster
from cluster import HERE, harness
import history


class FullSpeed:
    def __init__(self, seed, sessions=16, processes=2, proxy_flags=()):
        self.seed, self.sessions, self.processes = seed, sessions, processes
        self.server = harness.PostgresServer(conf=cluster.CONF).start()
        with self.server.connect_locally() as connection:
            connection.execute(cluster.read_schema("history.sql"))
        self.proxy = cluster.start_proxy(self.server, *proxy_flags)
        self.records, self.seconds = [], 0

    def run(self, seconds):
        """What is wrong, as texts."""
        began = time.monotonic()
        workers = []
        for i in range(self.processes):
            numbers = ",".join(map(str, range(i, self.sessions, self.processes)))
            workers.append(subprocess.Popen(
                [sys.executable, os.path.join(HERE, "worker.py"), str(self.proxy.port),
                 str(self.seed), numbers, str(seconds)],
                stdout=subprocess.PIPE, env={**os.environ, "PYTHONHASHSEED": "0"}))
        wrong = []
        for worker in workers:
            written, _ = worker.communicate(timeout=seconds + 120)
            record, said = pickle.loads(written)
            self.records.append(record)
            if said:
                wrong.append(said)
        self.seconds = time.monotonic() - began
        return wrong + history.check(self.records)

    def summary(self):
        figures = cluster.figures(self.proxy)
        reads, writes, requests = (sum(len(part) if isinstance(part, list) else part
                                       for part in (getattr(r, name) for r in self.records))
                                   for name in ("reads", "writes", "requests"))
        errors = {}
        for record in self.records:
            for state, count in record.errors.items():
                errors[state] = errors.get(state, 0) + count
        return (f"fullspeed seed {self.seed}: {requests} requests, {reads} versions read and"
                f" checked ({reads / self.seconds:.0f}/s), {writes} acknowledged writes,"
                f" {cluster.show_figures(figures)}, errors {errors},"
                f" {self.seconds / 60:.2f} min")

    def stop(self):
        self.proxy.stop()
        self.server.remove()
