"""The oracle's command line: see README.md."""

import argparse
import random
import sys
import time

from lockstep import Difference, Lockstep


def run_lockstep(seed, sessions, steps, seconds, verbose):
    lockstep = Lockstep(seed, sessions, verbose=verbose)
    try:
        lockstep.run(steps, seconds)
        print(lockstep.summary(), flush=True)
        return True
    except Difference as difference:
        print(difference, file=sys.stderr)
        print(lockstep.summary(), flush=True)
        return False
    finally:
        lockstep.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=("lockstep",))
    parser.add_argument("--seed", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"seed {seed}", flush=True)
    ok = run_lockstep(seed, given.sessions, given.steps, given.seconds, given.verbose)
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
