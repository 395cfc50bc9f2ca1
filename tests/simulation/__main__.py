"""python -m tests.simulation [--jobs] [--seed N] [--count K] [--seconds S]: live some seeds, stop where one breaks."""

import argparse
import sys
import time
from collections import Counter

from . import jobs, world
from .oracle import Wrong


def main() -> int:
    """Live the seeds that are asked for; 1 where one of them breaks the promise."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--jobs", action="store_true", help="exports by jobs, or by jobs and the query")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=1, help="how many")
    parser.add_argument("--seconds", type=float, help="as many as there is time for, instead")
    parser.add_argument("--keep-going", action="store_true", help="show every seed that breaks, and go on")
    asked = parser.parse_args()
    began, counts, broken = time.monotonic(), Counter[str](), 0
    seed, live = asked.seed, jobs.live if asked.jobs else world.live
    while (seed < asked.seed + asked.count) if asked.seconds is None else time.monotonic() - began < asked.seconds:
        try:
            outcome = live(seed)
            counts.update(
                {"seeds": 1, outcome.verdict: 1, "runs": outcome.runs, "requests": outcome.requests,
                 "windows": outcome.windows, "windows proven": outcome.proven, "rows": outcome.rows,
                 "repairs": outcome.repairs}
            )  # fmt: skip
        except Wrong as wrong:
            broken += 1
            which = "--jobs " if asked.jobs else ""
            sys.stdout.write(f"seed {seed}: {wrong}\n  python -m tests.simulation {which}--seed {seed}\n")
            sys.stdout.flush()
            if not asked.keep_going:
                return 1
        seed += 1
    took_s = time.monotonic() - began
    counted = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    sys.stdout.write(f"{counted} in {took_s:.1f} s; {broken} broken\n")
    return int(broken > 0)


raise SystemExit(main())
