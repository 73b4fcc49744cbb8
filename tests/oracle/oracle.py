"""Random sessions through the proxy, and what their answers must be: see README.md."""

import argparse
import random
import sys
import time

from fullspeed import FullSpeed
from lockstep import Difference, Lockstep

# What ctest runs: always these, and one more.
SHORT_SEEDS = (1, 2)
SHORT_STEPS = 3000
SHORT_SECONDS = 4
# A long run begins with a new seed, and new servers, after so long.
LOCKSTEP_SECONDS, FULLSPEED_SECONDS = 60, 30


def run_lockstep(seed, sessions, steps, seconds, verbose=False):
    lockstep = Lockstep(seed, sessions, verbose=verbose)
    try:
        lockstep.run(steps, seconds)
        return True
    except Difference as difference:
        print(difference, flush=True)
        return False
    finally:
        print(lockstep.summary(), flush=True)
        lockstep.stop()


def run_full_speed(seed, sessions, seconds):
    speed = FullSpeed(seed, sessions)
    try:
        wrong = speed.run(seconds)
        for each in wrong[:5]:
            print(f"fullspeed FAILED: seed {seed}: {each}", flush=True)
        return not wrong
    finally:
        print(speed.summary(), flush=True)
        speed.stop()


def new_seed():
    return random.SystemRandom().randrange(10**6)


def run_short():
    ok = all([run_lockstep(seed, 8, SHORT_STEPS, None) for seed in (*SHORT_SEEDS, new_seed())])
    return run_full_speed(new_seed(), 16, SHORT_SECONDS) and ok


def run_long(given):
    deadline = time.monotonic() + given.minutes * 60
    failed = []
    while time.monotonic() < deadline:
        seed, left = new_seed(), deadline - time.monotonic()
        if given.mode != "fullspeed" and not run_lockstep(
                seed, given.sessions, None, min(LOCKSTEP_SECONDS, left)):
            failed.append(f"lockstep {seed}")
        if failed and given.until_failure:
            break
        if given.mode != "lockstep" and not run_full_speed(
                seed, 2 * given.sessions, min(FULLSPEED_SECONDS, left)):
            failed.append(f"fullspeed {seed}")
        if failed and given.until_failure:
            break
    print("not explained: " + (", ".join(failed) or "nothing"))
    return not failed


def run_once(given):
    seed = given.seed if given.seed is not None else new_seed()
    ok = True
    if given.mode != "fullspeed":
        seconds = given.seconds if given.steps is None else None
        ok = run_lockstep(seed, given.sessions, given.steps, seconds, given.verbose)
    if given.mode != "lockstep":
        ok = run_full_speed(seed, 2 * given.sessions, given.seconds) and ok
    return ok


def main():
    parser = argparse.ArgumentParser(prog="tests/oracle/run", description=__doc__)
    parser.add_argument("mode", nargs="?", default="both",
                        choices=("lockstep", "fullspeed", "both"))
    parser.add_argument("--short", action="store_true", help="what ctest runs")
    parser.add_argument("--minutes", type=float, help="go on with new seeds for so long")
    parser.add_argument("--until-failure", action="store_true", help="with --minutes: end there")
    parser.add_argument("--seed", type=int, help="replays lockstep exactly")
    parser.add_argument("--steps", type=int, help="of lockstep")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--sessions", type=int, default=8,
                        help="of lockstep; twice as many at full speed")
    parser.add_argument("--verbose", action="store_true", help="print every step of lockstep")
    given = parser.parse_args()
    ok = run_short() if given.short else run_long(given) if given.minutes else run_once(given)
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
