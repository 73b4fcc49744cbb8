"""What a query costs the proxy itself, in instructions and in allocations: the same on every machine.

    cost_test.py PROGRAM      asserts the budgets below of the program cost (cost.cc)

Instructions are callgrind's. SHA-256 is computed as on a processor without instructions for it: of a hit
that is the greater part, where a machine that has them needs about 100 cycles for a block of 64 bytes.
A budget is what was measured and a twentieth; a change that stays far below it lowers it.
"""

import os
import re
import subprocess
import sys
import unittest

QUERIES = 500
PROGRAM = None

# Of one query.
INSTRUCTIONS = {"hit-simple": 11700, "hit-extended": 12800, "hit-prepared": 11600,
                "forward-simple": 10350, "forward-extended": 13300, "forward-prepared": 11300}
ALLOCATIONS = 0
# Of a tick while so many clients are idle, of whom it looks at a part only.
TICK_INSTRUCTIONS = {"tick-100": 2500, "tick-1000": 13850}


def instructions(kind, queries):
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no",
         # One pattern for FromClient, FromServer and FromTime: of several, only the first would hold.
         "--toggle-collect=pgsidecar::proxy::*::From*", PROGRAM, kind, str(queries)],
        capture_output=True, text=True, check=True, timeout=300,
        env={**os.environ, "OPENSSL_ia32cap": "0:0"})
    return int(re.search(r"Collected : (\d+)", done.stderr).group(1))


class Cost(unittest.TestCase):
    def test_instructions(self):
        for kind, budget in {**INSTRUCTIONS, **TICK_INSTRUCTIONS}.items():
            with self.subTest(kind):
                # What warms up is in both.
                spent = (instructions(kind, QUERIES) - instructions(kind, 0)) / QUERIES
                print(f"{kind}: {spent:.0f} instructions, budget {budget}")
                self.assertLess(spent, budget)
                self.assertGreater(spent, budget / 2, "what is to be counted is not")

    def test_allocations(self):
        for kind in INSTRUCTIONS:
            with self.subTest(kind):
                done = subprocess.run([PROGRAM, kind, str(QUERIES)], capture_output=True, text=True,
                                      check=True, timeout=60)
                spent = int(done.stdout.splitlines()[-1]) / QUERIES
                print(f"{kind}: {spent:.2f} allocations")
                self.assertEqual(spent, ALLOCATIONS)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
