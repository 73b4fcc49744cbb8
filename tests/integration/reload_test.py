"""The catalog is read again while the application goes on."""

import threading
import unittest

import harness
from harness import DIRECT, ServerCase, wait_until

WRITERS = 3


@unittest.skipIf(DIRECT, "about the proxy only")
class Reload(ServerCase):
    def write(self, client, first, ended):
        number = first
        while not ended.is_set():
            client.execute(f"INSERT INTO t VALUES ({number})")
            number += WRITERS

    def test_writes_that_go_on_do_not_hinder_it(self):
        console = harness.connect(self.proxy, dbname="pgsidecar")
        self.addCleanup(console.close)

        def usable():
            return console.execute("SHOW DATABASES").fetchone()[1] == "yes"

        clients = [self.client() for _ in range(WRITERS)]
        clients[0].execute("CREATE TABLE t (a int PRIMARY KEY)")
        ended = threading.Event()
        writers = [threading.Thread(target=self.write, args=(client, first, ended))
                   for first, client in enumerate(clients)]
        for writer in writers:
            writer.start()
        try:
            wait_until(usable, what="the catalog to be loaded")
        finally:
            ended.set()
            for writer in writers:
                writer.join()
        self.assertEqual(clients[0].execute("SELECT count(*) > 0 FROM t").fetchone()[0], True)


if __name__ == "__main__":
    harness.main()
